"""``dwaybank.ledger.v1.ReconciliationService``: statements of other banks held against the books.

Rules are those of ``ledger_service``: strict input, the organization's own certificates only, refusals by name. Files
are read in a thread of their own, and nothing of them is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from google.protobuf.message import Message

from ledger import reconciliation
from ledger.account import check_reference
from ledger.currency import check_digits
from ledger.errors import InvalidValueError
from ledger.reconciliation import ExceptionState
from ledger.reconciliation.settings import parse_reconciliation_settings
from ledger.statement_mapping import parse_mapping
from network.pb.dwaybank.ledger.v1 import reconciliation_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.books import wire
from node.books.books import Books
from node.books.handlers import CallerBooks, Handlers
from node.books.reconciliation_wire import (
    DECISIONS,
    decision_message,
    exception_message,
    match_message,
    status_message,
)

SERVICE = "dwaybank.ledger.v1.ReconciliationService"

PAGE_SIZE_DEFAULT = 50
"""Lines of a page when the caller names no size."""

ACCOUNTS_MAX = 1000
"""Most accounts that one run may name."""

EXCEPTIONS_MAX = 1000
"""Most exceptions of one decision."""

NO_SETTINGS = "{}"
"""Settings of a caller who gives none: the standard rules, and no account numbers."""


class ReconciliationService:
    """Serves reconciliation.

    Args:
        books: the organization's books.
        members: tells who calls.
        now: the clock, UTC.
        pseudonym_key: secret for mappings with keyed pseudonyms; None refuses those mappings.
    """

    def __init__(
        self, books: Books, members: Members, *, now: Callable[[], datetime], pseudonym_key: bytes | None
    ) -> None:
        self._books = books
        self._members = members
        self._now = now
        self._pseudonym_key = pseudonym_key

    def register(self, server: Server) -> None:
        """Offer all methods of the service."""
        handlers = Handlers(server, SERVICE, self._members, self._books)
        handlers.offer("ImportStatement", pb.ImportStatementRequest, self._import_statement)
        handlers.offer("Run", pb.RunRequest, self._run)
        handlers.offer_to_tenants("ListExceptions", pb.ListExceptionsRequest, self._list_exceptions)
        handlers.offer_to_tenants("ListMatches", pb.ListMatchesRequest, self._list_matches)
        handlers.offer_to_tenants("ListDecisions", pb.ListDecisionsRequest, self._list_decisions)
        handlers.offer("Decide", pb.DecideRequest, self._decide)
        handlers.offer("TakeApart", pb.TakeApartRequest, self._take_apart)
        handlers.offer_to_tenants("GetStatus", pb.GetStatusRequest, self._get_status)

    async def _import_statement(self, request: pb.ImportStatementRequest) -> Message:
        if not request.file:
            raise InvalidValueError("file", 0, "is empty: give the bytes of a statement file")
        settings = parse_reconciliation_settings(request.settings or NO_SETTINGS)
        mapping = parse_mapping(request.mapping) if request.mapping else None
        await self._books.read(check_digits, settings.assets if mapping is None else [mapping.asset])
        file = await asyncio.to_thread(
            reconciliation.read_statement_file,
            request.file,
            settings.accounts,
            mapping=mapping,
            pseudonym_key=self._pseudonym_key,
        )
        done = await self._books.read(
            reconciliation.import_statement_file,
            file,
            actor=request.actor,
            now=self._now(),
            may_repeat=request.may_repeat,
        )
        return pb.ImportStatementResponse(
            format=file.format,
            new_file=done.new_file,
            new_statements=done.new_statements,
            new_records=done.new_records,
        )

    async def _run(self, request: pb.RunRequest) -> Message:
        if len(request.accounts) > ACCOUNTS_MAX:
            raise InvalidValueError("accounts", len(request.accounts), f"give at most {ACCOUNTS_MAX}, or none for all")
        accounts = [check_reference(account, f"accounts[{i}]") for i, account in enumerate(request.accounts)]
        settings = parse_reconciliation_settings(request.settings or NO_SETTINGS)
        await self._books.read(check_digits, settings.assets)
        done = await self._books.read(
            reconciliation.run_reconciliation,
            settings.rules,
            actor=request.actor,
            now=self._now(),
            accounts=accounts or None,
        )
        return pb.RunResponse(
            run=done.run or 0,
            account_count=done.account_count,
            matched=done.matched,
            opened=done.opened,
            cleared=done.cleared,
        )

    async def _list_exceptions(self, request: pb.ListExceptionsRequest, books: CallerBooks) -> Message:
        size, after = request.page_size or PAGE_SIZE_DEFAULT, wire.number_of_token(request.page_token)
        states = [wire.member_of(ExceptionState, state, f"states[{i}]") for i, state in enumerate(request.states)]
        found = await books.read(
            reconciliation.list_exceptions,
            account=_account(request.account),
            states=states or [ExceptionState.OPEN],
            after=after,
            count_max=size,
        )
        token = str(found[-1].id) if len(found) == size else ""
        return pb.ListExceptionsResponse(exceptions=[exception_message(item) for item in found], next_page_token=token)

    async def _list_matches(self, request: pb.ListMatchesRequest, books: CallerBooks) -> Message:
        size, after = request.page_size or PAGE_SIZE_DEFAULT, wire.number_of_token(request.page_token)
        found = await books.read(
            reconciliation.list_matches, account=_account(request.account), after=after, count_max=size
        )
        token = str(found[-1].id) if len(found) == size else ""
        return pb.ListMatchesResponse(matches=[match_message(item) for item in found], next_page_token=token)

    async def _list_decisions(self, request: pb.ListDecisionsRequest, books: CallerBooks) -> Message:
        if request.exception < 1:
            raise InvalidValueError("exception", request.exception, "numbers run from 1")
        found = await books.read(reconciliation.decisions_of, request.exception)
        return pb.ListDecisionsResponse(decisions=[decision_message(item) for item in found])

    async def _decide(self, request: pb.DecideRequest) -> Message:
        if len(request.exceptions) > EXCEPTIONS_MAX:
            raise InvalidValueError("exceptions", len(request.exceptions), f"give 1 to {EXCEPTIONS_MAX}")
        if request.decision not in DECISIONS:
            known = ", ".join(decision.value for decision in DECISIONS.values())
            raise InvalidValueError("decision", request.decision, f"give one of {known}")
        await self._books.read(
            reconciliation.decide_exceptions,
            list(request.exceptions),
            DECISIONS[request.decision],
            actor=request.actor,
            reason=request.reason,
            now=self._now(),
            entry_seq=request.entry_seq or None,
        )
        return pb.DecideResponse()

    async def _take_apart(self, request: pb.TakeApartRequest) -> Message:
        await self._books.read(
            reconciliation.take_apart, request.match, actor=request.actor, reason=request.reason, now=self._now()
        )
        return pb.TakeApartResponse()

    async def _get_status(self, request: pb.GetStatusRequest, books: CallerBooks) -> Message:
        size = request.page_size or PAGE_SIZE_DEFAULT
        after = check_reference(request.page_token, "page_token") if request.page_token else ""
        found = await books.read(
            reconciliation.summarise, account=_account(request.account), after=after, count_max=size
        )
        token = found[-1].account if len(found) == size else ""
        return pb.GetStatusResponse(accounts=[status_message(item) for item in found], next_page_token=token)


def _account(reference: str) -> str:
    return check_reference(reference) if reference else ""
