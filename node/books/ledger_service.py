"""``dwaybank.ledger.v1.LedgerService``: the books for this organization's own gateway and command line.

Rules:
- handlers go from bytes to bytes; another member's certificate is refused before anything is read;
- amounts come and go as decimal strings of minor units, parsed strictly; what is malformed is INVALID_ARGUMENT with
  the path and the value of the field, and nothing of the call is done;
- a refusal by the state of the books is no error: it is the ``code`` of the result (docs/result-codes.md).
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from functools import partial

from google.protobuf.message import Message

from ledger import balances, statements
from ledger.account import UNNAMED_ACTOR, check_actor, check_reference
from ledger.errors import InvalidValueError
from ledger.posting import OPERATOR
from ledger.reconciliation import day_changes
from ledger.refusal_store import list_refusals
from ledger.repeats import find_repeats
from ledger.rows import SEQ_MAX
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.books import wire
from node.books.books import Books
from node.books.clock import LEAP_MAX
from node.books.handlers import CallerBooks, Handlers

SERVICE = "dwaybank.ledger.v1.LedgerService"

ENTRIES_MAX = 10_000
"""Most entries of one PostEntries call, or movements of one FindRepeatedMovements call."""

DAY_CHANGE_ACCOUNTS_MAX = 500
"""Most accounts of one ListDayChanges call."""

PAGE_SIZE_DEFAULT = 50
"""Lines of a page when the caller names no size."""

_EntryState = Callable[[int], Awaitable[str]]


async def _posted(seq: int) -> str:
    return "posted"


class LedgerService:
    """Serves the books.

    Args:
        books: the organization's books.
        members: tells who calls.
        entry_state: how far an entry has come ("posted", "sealed", "anchored", "attested"); the log knows.
    """

    def __init__(self, books: Books, members: Members, entry_state: _EntryState = _posted) -> None:
        self._books = books
        self._members = members
        self._entry_state = entry_state

    def register(self, server: Server) -> None:
        """Offer all methods of the service."""
        handlers = Handlers(server, SERVICE, self._members, self._books)
        handlers.offer_to_tenants("OpenAccount", pb.OpenAccountRequest, self._open_account)
        handlers.offer_to_tenants("GetAccount", pb.GetAccountRequest, self._get_account)
        handlers.offer_to_tenants("ListAccounts", pb.ListAccountsRequest, self._list_accounts)
        handlers.offer("SetAccountTerms", pb.SetAccountTermsRequest, self._set_account_terms)
        handlers.offer_to_tenants("PostEntries", pb.PostEntriesRequest, self._post_entries, self._check_dates)
        handlers.offer_to_tenants("GetEntry", pb.GetEntryRequest, self._get_entry)
        handlers.offer_to_tenants("GetStatement", pb.GetStatementRequest, self._get_statement)
        handlers.offer_to_tenants("PlaceHold", pb.PlaceHoldRequest, self._place_hold)
        handlers.offer_to_tenants("CaptureHold", pb.CaptureHoldRequest, self._capture_hold)
        handlers.offer_to_tenants("ReleaseHold", pb.ReleaseHoldRequest, self._release_hold)
        handlers.offer_to_tenants("ListDayChanges", pb.ListDayChangesRequest, self._list_day_changes)
        handlers.offer_to_tenants("GetTrialBalance", pb.GetTrialBalanceRequest, self._get_trial_balance)
        handlers.offer("FindRepeatedMovements", pb.FindRepeatedMovementsRequest, self._find_repeated_movements)
        handlers.offer("ListRefusals", pb.ListRefusalsRequest, self._list_refusals)

    async def _open_account(self, request: pb.OpenAccountRequest, books: CallerBooks) -> Message:
        actor = request.actor or UNNAMED_ACTOR
        account, created = await books.open_new_account(wire.new_account(request), actor)
        return pb.OpenAccountResponse(account=wire.account_message(account), created=created)

    async def _get_account(self, request: pb.GetAccountRequest, books: CallerBooks) -> Message:
        reference = check_reference(request.account)
        account = await books.read(balances.find_account, reference)
        return pb.GetAccountResponse(account=wire.account_message(account))

    async def _list_accounts(self, request: pb.ListAccountsRequest, books: CallerBooks) -> Message:
        for field in ("prefix", "page_token"):
            if getattr(request, field):
                check_reference(getattr(request, field), field)
        size = request.page_size or PAGE_SIZE_DEFAULT
        found = await books.read(
            balances.list_accounts, prefix=request.prefix, after=request.page_token, count_max=size
        )
        token = found[-1].facts.reference if len(found) == size else ""
        accounts = [wire.account_message(account) for account in found]
        return pb.ListAccountsResponse(accounts=accounts, next_page_token=token)

    async def _set_account_terms(self, request: pb.SetAccountTermsRequest) -> Message:
        reference = check_reference(request.account)
        await self._books.read(balances.find_account, reference)
        code = await self._books.change_account_terms(
            reference, partial(wire.terms_of, request), check_actor(request.actor or OPERATOR)
        )
        account = await self._books.read(balances.find_account, reference)
        return pb.SetAccountTermsResponse(account=wire.account_message(account), code=code)

    async def _post_entries(self, request: pb.PostEntriesRequest, books: CallerBooks) -> Message:
        if not 1 <= len(request.entries) <= ENTRIES_MAX:
            raise InvalidValueError("entries", len(request.entries), f"give 1 to {ENTRIES_MAX} entries")
        entries = wire.new_entries(request.entries)
        results = await (books.dry_run(entries) if request.dry_run else books.post_batch(entries))
        return wire.post_response(results)

    def _check_dates(self, request: pb.PostEntriesRequest) -> None:
        """Refuse a gateway's date ahead of the books' clock: by a clock that leapt it would date customers' transfers.

        Earlier dates stay possible: an older gateway dates by the time of the order, and sends it again later.
        """
        latest = self._books.now() + LEAP_MAX
        for number, entry in enumerate(request.entries):
            field = f"entries[{number}].effective_at"
            if entry.HasField("effective_at") and (at := wire.time_of(entry.effective_at, field)) > latest:
                reason = "lies ahead of the books' clock: leave it out, or set the gateway's clock right"
                raise InvalidValueError(field, at.isoformat(), reason)

    async def _get_entry(self, request: pb.GetEntryRequest, books: CallerBooks) -> Message:
        by: int | uuid.UUID
        if request.WhichOneof("by") == "idempotency_key":
            by = wire.uuid_of(request.idempotency_key, "idempotency_key")
        elif request.seq > 0:
            by = request.seq
        else:
            raise InvalidValueError("seq", request.seq, "give a number from 1, or an idempotency_key")
        entry = await books.read(statements.find_entry, by)
        return pb.GetEntryResponse(entry=wire.entry_message(entry, await self._entry_state(entry.seq)))

    async def _get_statement(self, request: pb.GetStatementRequest, books: CallerBooks) -> Message:
        page = await books.read(
            statements.statement_page,
            check_reference(request.account),
            from_seq=wire.number_of_token(request.page_token),
            entry_count_max=request.page_size or PAGE_SIZE_DEFAULT,
        )
        lines = [wire.line_message(line) for line in page.lines]
        return pb.GetStatementResponse(lines=lines, next_page_token=str(page.next_seq) if page.next_seq else "")

    async def _place_hold(self, request: pb.PlaceHoldRequest, books: CallerBooks) -> Message:
        result = await books.place_hold(wire.new_hold(request))
        return pb.PlaceHoldResponse(hold=wire.hold_message(result.hold), code=result.text, message=result.message)

    async def _capture_hold(self, request: pb.CaptureHoldRequest, books: CallerBooks) -> Message:
        hold_id = wire.uuid_of(request.hold_id, "hold_id")
        request.entry.hold_id = request.entry.hold_id or request.hold_id
        entry = wire.new_entry(request.entry, "entry")
        if entry.hold_id != hold_id:
            raise InvalidValueError("entry.hold_id", str(entry.hold_id), "leave it out, or give the hold to capture")
        result = await books.post(entry)
        hold = await books.find_hold(hold_id)
        return pb.CaptureHoldResponse(hold=wire.hold_message(hold), result=wire.result_message(result))

    async def _release_hold(self, request: pb.ReleaseHoldRequest, books: CallerBooks) -> Message:
        result = await books.release_hold(wire.uuid_of(request.hold_id, "hold_id"))
        return pb.ReleaseHoldResponse(hold=wire.hold_message(result.hold), code=result.text, message=result.message)

    async def _list_day_changes(self, request: pb.ListDayChangesRequest, books: CallerBooks) -> Message:
        if not 1 <= len(request.accounts) <= DAY_CHANGE_ACCOUNTS_MAX:
            reason = f"give 1 to {DAY_CHANGE_ACCOUNTS_MAX} references"
            raise InvalidValueError("accounts", len(request.accounts), reason)
        references = [check_reference(reference, "accounts") for reference in request.accounts]
        found = await books.read(lambda connection: list(day_changes(connection, references)))
        return pb.ListDayChangesResponse(
            changes=[
                pb.DayChange(account=change.account, day=change.day.isoformat(), change_minor=str(change.change))
                for change in found
            ]
        )

    async def _find_repeated_movements(self, request: pb.FindRepeatedMovementsRequest) -> Message:
        if not 1 <= len(request.movements) <= ENTRIES_MAX:
            raise InvalidValueError("movements", len(request.movements), f"give 1 to {ENTRIES_MAX} movements")
        asked = [wire.keyed_movement(each, f"movements[{n}]") for n, each in enumerate(request.movements)]
        found = await self._books.read(find_repeats, asked)
        return pb.FindRepeatedMovementsResponse(
            movements=[
                pb.RepeatedMovement(
                    index=index, seqs=[seq for seq, _ in entries], idempotency_keys=[str(key) for _, key in entries]
                )
                for index, entries in found.equal.items()
            ],
            posted_count=found.posted_count,
        )

    async def _list_refusals(self, request: pb.ListRefusalsRequest) -> Message:
        size = request.page_size or PAGE_SIZE_DEFAULT
        found = await self._books.read(
            list_refusals,
            wire.refusal_filter(request),
            before=wire.number_of_token(request.page_token) or SEQ_MAX,
            count_max=size,
        )
        token = str(found[-1].number) if len(found) == size else ""
        return pb.ListRefusalsResponse(refusals=[wire.refusal_message(each) for each in found], next_page_token=token)

    async def _get_trial_balance(self, request: pb.GetTrialBalanceRequest, books: CallerBooks) -> Message:
        lines = await books.read(balances.trial_balance)
        # How many entries all have is no tenant's business.
        count = 0 if books.tenant else await books.read(balances.entry_count)
        return pb.GetTrialBalanceResponse(
            lines=[
                pb.TrialBalanceLine(
                    asset=line.asset,
                    debit_minor=str(line.debit),
                    credit_minor=str(line.credit),
                    account_count=line.account_count,
                )
                for line in lines
            ],
            entry_count=count,
        )
