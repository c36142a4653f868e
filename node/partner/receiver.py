"""The receiving bank's side: agrees to payments, credits beneficiaries, once each.

Rules it keeps:

- The sender's signed message is kept before anything is done about it.
- What was answered once is answered again: an agreement, a completion and a refusal at Complete are final.
- What the sender gave up is not agreed to any more, also where his Abort comes before the Prepare.
- From the moment a Complete is accepted until its outcome is written down nothing else can happen to a settlement;
  after a crash in between ``resume`` finishes it.
- Only customers' accounts, and own accounts opened for it, are credited from outside, a return excepted: it goes where
  the money came from.
- A partner stays within its limits, and a payment under a quote is agreed to only while the quote holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from weakref import WeakValueDictionary

import structlog

from ledger.account import Account, Side
from ledger.currency import find_asset
from ledger.errors import ChartRefusedError, ConflictError, InvalidValueError, LedgerError, NotFoundError
from ledger.journal import ResultCode
from ledger.money import AMOUNT_MAX
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import StatusCode
from node.background import Waits
from node.partner.books import UNFIT, Books, InterbankAccounts, post_in_time
from node.partner.credit import credit_entries, open_accounts
from node.partner.errors import MessageRefusedError, SettlementError, TransitionError
from node.partner.limits import busy
from node.partner.link import CompleteAnswer, PrepareAnswer
from node.partner.messages import Evidence, moment_of
from node.partner.protocol import DIGITS_SINCE
from node.partner.quotes import QuoteTerms, order_refusal
from node.partner.returns import check_return, return_refusal
from node.partner.settlement import POSTED, Incoming, ReceiverState, SenderState
from node.partner.statement import statement_answer
from node.partner.store import SettlementStore
from node.partner.usage import LimitedUse

log = structlog.get_logger(__name__)

CREDITED_ACCOUNT_PREFIXES = ("cust-", "bank-")
"""Accounts that may be credited by a payment from another bank: customers', and this bank's own for payments to it."""

REFERENCE_BYTES = 16
SETTLEMENT_ID_LENGTH_MAX = 64
ABORTED_BY_SENDER = "aborted_by_sender"
RETURN_RETRY_S = 0.5
"""When to ask again for a return of a payment whose end is still on its way."""


CreditCheck = Callable[[str, str, int], Awaitable[str]]
"""Sender, asset and amount to why it is too much; ``node.partner.credit_line.CreditLines.refusal`` is one."""


class SettlementReceiver:
    """Answers verified messages of partner banks.

    Args:
        store: where settlements stand.
        books: the organization's books.
        now: clock.
        random_bytes: source of agreed references.
        use: what partners may do, and have done.
        terms: quotes by MSP id; a partner with fees orders under quotes only.
        beyond_line: says why a sender may not owe an amount of an asset more; empty when he may.
        account_prefixes: beginnings of the references of accounts that other banks may credit.
    """

    def __init__(
        self,
        store: SettlementStore,
        books: Books,
        *,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
        use: LimitedUse | None = None,
        terms: Mapping[str, QuoteTerms] | None = None,
        beyond_line: CreditCheck | None = None,
        account_prefixes: tuple[str, ...] = CREDITED_ACCOUNT_PREFIXES,
    ) -> None:
        self._store = store
        self._stuck = Waits(log, "settlement.stuck", "error")
        self._beyond_line = beyond_line
        self._books = books
        self._now = now
        self._random_bytes = random_bytes
        self._use = use if use is not None else LimitedUse(store, {}, now=now)
        self._terms = terms or {}
        self._account_prefixes = account_prefixes
        self._accounts = InterbankAccounts(books)
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def prepare(self, wanted: partner_pb2.Prepare, evidence: Evidence) -> PrepareAnswer:
        """Agree to a payment, or refuse it.

        Raises:
            MessageRefusedError: a field can never be valid.
            RpcError: RESOURCE_EXHAUSTED while too many of the sender's settlements are open.
        """
        asked = self._incoming(wanted)
        async with self._lock(asked.sender_msp_id, asked.settlement_id):
            known = await self._store.incoming(asked.sender_msp_id, asked.settlement_id)
            if known is None:
                if asked.return_of:
                    asked = await self._with_returned_account(asked)
                refusal = await self._asset_refusal(wanted)
                refusal = refusal or await self._refusal(asked, moment_of(wanted.sent_at, "sent_at"))
                refusal = refusal or await self._accounts_refusal(asked)
                if refusal:
                    return PrepareAnswer("", refusal)
                async with self._use.agreeing(asked) as (beyond, asked):
                    if beyond := beyond or await self._over_line(asked):
                        return PrepareAnswer("", beyond)
                    known = await self._store.add_incoming(asked, evidence)
                    if known is None:
                        return PrepareAnswer("", ABORTED_BY_SENDER)
                    self._use.agreed(known)
                log.info("settlement.agreed", settlement_id=known.settlement_id, sender=known.sender_msp_id)
        if not _same_payment(known, asked):
            return PrepareAnswer("", "settlement_id_reused")
        if known.state is ReceiverState.ABORTED:
            return PrepareAnswer("", known.refusal or "aborted")
        return PrepareAnswer(known.agreed_reference, "")

    async def complete(self, message: partner_pb2.Complete, evidence: Evidence) -> CompleteAnswer:
        """Credit the beneficiary of an agreed payment.

        Raises:
            MessageRefusedError: NOT_FOUND without an agreement, INVALID_ARGUMENT for another reference.
            BooksUnavailableError: not known yet; the sender asks again.
        """
        async with self._lock(message.sender_msp_id, message.settlement_id):
            known = await self._known(message.sender_msp_id, message.settlement_id)
            if known.agreed_reference != message.agreed_reference:
                raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, "agreed_reference: not the one agreed")
            if known.state is ReceiverState.PREPARED and not known.completing:
                accepted = replace(known, completing=True)
                await self._store.change_incoming(known, accepted, now=self._now(), evidence=evidence)
                known = accepted
            return _answer(await self._finish(known))

    async def abort(self, message: partner_pb2.Abort, evidence: Evidence) -> str:
        """Forget an agreed payment that will not come.

        Returns:
            ``"aborted"``, ``"unknown"``, or ``"completed"`` when it is or may be: then it can only be returned.
        """
        async with self._lock(message.sender_msp_id, message.settlement_id):
            known = await self._store.incoming(message.sender_msp_id, message.settlement_id)
            if known is None:
                await self._store.add_early_abort(message.sender_msp_id, message.settlement_id, evidence, self._now())
                return "unknown"
            if known.state is ReceiverState.COMPLETED or (known.completing and known.state is ReceiverState.PREPARED):
                return "completed"
            if known.state is ReceiverState.PREPARED:
                aborted = replace(known, state=ReceiverState.ABORTED, refusal=ABORTED_BY_SENDER)
                with self._use.ending(aborted):
                    await self._store.change_incoming(known, aborted, now=self._now(), evidence=evidence)
                log.info("settlement.aborted", settlement_id=known.settlement_id, sender=known.sender_msp_id)
            return "aborted"

    async def find(self, sender_msp_id: str, settlement_id: str) -> Incoming | None:
        """Return an incoming settlement, None when there is none."""
        return await self._store.incoming(sender_msp_id, settlement_id)

    async def statement(self, asked: partner_pb2.StatementQuery) -> partner_pb2.StatementAnswer:
        """Return a page of the account between a partner and us; see ``statement_answer`` for what it raises."""
        return await statement_answer(self._books, asked)

    async def positions(self, partner_msp_id: str) -> dict[str, int]:
        """Return by asset what we owe the partner, net."""
        assets = [asset for partner, asset in await self._store.partner_assets() if partner == partner_msp_id]
        return {asset: await self._accounts.net_position(partner_msp_id, asset) for asset in assets}

    async def resume(self, count_max: int = 50) -> None:
        """Finish what a crash left between the acceptance of a Complete and its outcome.

        One that the books or the records refuse to finish is told in the log and tried again at the next round: it must
        hold up neither the others nor the payments on their way out.

        Raises:
            SettlementStoreError: the records do not say what is unfinished.
        """
        for sender_msp_id, settlement_id in await self._store.incoming_completing(count_max):
            try:
                async with self._lock(sender_msp_id, settlement_id):
                    await self._finish(await self._known(sender_msp_id, settlement_id))
            except (SettlementError, LedgerError) as error:
                self._stuck.tell(error, f"{sender_msp_id} {settlement_id}", settlement_id=settlement_id)

    async def _finish(self, known: Incoming) -> Incoming:
        if known.state is not ReceiverState.PREPARED:
            return known
        code, seq = await self._credit(known)
        if code in POSTED:
            done = replace(known, state=ReceiverState.COMPLETED, seq=seq)
        else:
            done = replace(known, state=ReceiverState.ABORTED, refusal=code)
        with self._use.ending(done):
            await self._store.change_incoming(known, done, now=self._now())
        log.info("settlement.received", settlement_id=known.settlement_id, state=done.state.value)
        # Here, and not where it is told: the sender may have asked again and ended it.
        self._stuck.over(f"{known.sender_msp_id} {known.settlement_id}", settlement_id=known.settlement_id)
        return done

    async def _credit(self, known: Incoming) -> tuple[str, int | None]:
        """Credit the beneficiary; return what the books say and the entry's number."""
        quote = await self._store.quote(known.sender_msp_id, known.quote_id) if known.quote_id else None
        # Of a return one key for two accounts: whichever was posted first, before a crash, is the only one.
        # The second is opened when it is needed: where it cannot be, that must hold up no return that the first takes.
        last = 1 if known.return_of else 0
        failed = ""
        for number in range(last + 1):
            account = await self._accounts.unclaimed(known.asset) if number else known.beneficiary_account
            entries = await credit_entries(known, account, quote, self._accounts, self._books)
            results = await post_in_time(self._books, entries)
            if any(result.code is ResultCode.EXISTS_WITH_DIFFERENT_BODY for result in results):
                if number == last:
                    raise TransitionError(f"settlement {known.settlement_id}: its key stands for another entry")
                continue
            failed = next((result.code.text for result in results if result.code.text not in POSTED), "")
            if not failed:
                return results[0].code.text, results[0].seq
        return failed, None

    async def _asset_refusal(self, wanted: partner_pb2.Prepare) -> str:
        """Return why an asset is not the same at both banks, empty where it is, or where an older node does not say.

        Codes without a register's digits are each bank's own: the same minor units would be different money.
        """
        if not wanted.HasField("asset_scale"):
            if wanted.version >= DIGITS_SINCE:
                raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, "asset_scale: is missing")
            return ""
        if wanted.return_of:
            # It takes back the very units that were given, however either side reads them.
            return ""
        try:
            asset = await self._books.read(find_asset, wanted.asset)
        except NotFoundError:
            return "asset_not_found"
        return "" if asset.scale == wanted.asset_scale else "asset_digits_differ"

    async def _refusal(self, asked: Incoming, sent_at: datetime) -> str:
        """Return why a payment cannot be agreed to, empty when it can."""
        # Both times are of the sender's clock, which alone ends the hold: ours may be minutes ahead of it.
        if asked.deadline <= sent_at:
            return "deadline_passed"
        if not asked.quote_id and not asked.return_of:
            return await self._payment_refusal(asked)
        quote_taken, return_taken = await self._store.taken(asked)
        if return_taken:
            return "returned_already"
        if asked.return_of:
            original = await self._store.outgoing_to(asked.sender_msp_id, asked.return_of)
            if original is not None and original.state is SenderState.CAPTURED and not original.refusal:
                # The partner completed it, and his answer has not come yet: to refuse now would be for good.
                raise busy(f"settlement {asked.return_of}: its end is not known here yet", RETURN_RETRY_S)
            return return_refusal(original, asked)
        return "quote_used" if quote_taken else await self._payment_refusal(asked)

    async def _payment_refusal(self, asked: Incoming) -> str:
        credited_asset = asked.asset
        if asked.quote_id:
            quote = await self._store.quote(asked.sender_msp_id, asked.quote_id)
            if refusal := order_refusal(quote, asset=asked.asset, amount=asked.amount, now=self._now()):
                return refusal
            assert quote is not None
            credited_asset = quote.credited_asset
        elif self._terms.get(asked.sender_msp_id, QuoteTerms()).fee(asked.asset, asked.amount):
            return "quote_required"
        account = await self._books.find_account(asked.beneficiary_account)
        if account is None or not self._may_be_credited(account):
            return "account_not_found"
        if account.facts.asset.code != credited_asset:
            return "asset_mismatch"
        return "" if account.status == "open" else f"account_{account.status}"

    async def _accounts_refusal(self, asked: Incoming) -> str:
        """Open what the credit will need before anything is agreed to; return why it cannot be had."""
        quote = await self._store.quote(asked.sender_msp_id, asked.quote_id) if asked.quote_id else None
        try:
            await open_accounts(asked, quote, self._accounts)
        except (ConflictError, ChartRefusedError) as error:
            log.error("settlement.account_unfit", settlement_id=asked.settlement_id, reason=str(error))
            return UNFIT
        except InvalidValueError as error:
            return f"{error.field}_not_found"
        return ""

    async def _over_line(self, asked: Incoming) -> str:
        """Return why the sender may not owe more; what comes back makes him owe nothing new."""
        if self._beyond_line is None or asked.return_of:
            return ""
        return await self._beyond_line(asked.sender_msp_id, asked.asset, asked.amount)

    def _may_be_credited(self, account: Account) -> bool:
        is_liability = account.facts.normal_side is Side.CREDIT
        return is_liability and account.facts.reference.startswith(self._account_prefixes)

    def _incoming(self, wanted: partner_pb2.Prepare) -> Incoming:
        if not 0 < len(wanted.settlement_id) <= SETTLEMENT_ID_LENGTH_MAX:
            raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, "settlement_id: 1 to 64 characters")
        if not _is_amount(wanted.amount_minor):
            raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, f"amount_minor: a whole number up to {AMOUNT_MAX}")
        check_return(wanted)
        return Incoming(
            sender_msp_id=wanted.sender_msp_id,
            settlement_id=wanted.settlement_id,
            beneficiary_account=wanted.beneficiary_account,
            asset=wanted.asset,
            amount=int(wanted.amount_minor),
            deadline=moment_of(wanted.deadline, "deadline"),
            agreed_reference=f"R-{self._random_bytes(REFERENCE_BYTES).hex()}",
            prepared_at=self._now(),
            quote_id=wanted.quote_id,
            return_of=wanted.return_of,
            return_reason=wanted.return_reason,
        )

    async def _with_returned_account(self, asked: Incoming) -> Incoming:
        """Name the account that the returned payment came from; the partner does not know it."""
        original = await self._store.outgoing_to(asked.sender_msp_id, asked.return_of)
        return asked if original is None else replace(asked, beneficiary_account=original.debtor_account)

    async def _known(self, sender_msp_id: str, settlement_id: str) -> Incoming:
        known = await self._store.incoming(sender_msp_id, settlement_id)
        if known is None:
            raise MessageRefusedError(StatusCode.NOT_FOUND, "settlement_id: nothing was agreed under it")
        return known

    def _lock(self, sender_msp_id: str, settlement_id: str) -> asyncio.Lock:
        return self._locks.setdefault((sender_msp_id, settlement_id), asyncio.Lock())


def _answer(known: Incoming) -> CompleteAnswer:
    if known.state is ReceiverState.COMPLETED:
        return CompleteAnswer(known.seq, "")
    return CompleteAnswer(None, known.refusal or "aborted")


def _same_payment(known: Incoming, asked: Incoming) -> bool:
    def said(payment: Incoming) -> tuple[object, ...]:
        account = "" if payment.return_of else payment.beneficiary_account
        order = (payment.quote_id, payment.return_of, payment.return_reason)
        return account, payment.asset, payment.amount, payment.deadline, *order

    return said(known) == said(asked)


def _is_amount(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 19 and 0 < int(text) <= AMOUNT_MAX
