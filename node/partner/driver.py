"""Drives outgoing settlements step by step until they are finished or must wait.

Each turn asks the automaton what comes next, does it, and writes the new state down. A crash between doing and writing
repeats the step, which finds what it did before by its derived id. A step that cannot be done now is tried again after
a pause that doubles up to half a minute, or when the partner asked to be asked again, or at the deadline if that comes
first. What the partner signed is written down in the same commit as the state it justifies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

import structlog

from ledger.account import Side
from ledger.currency import find_asset
from ledger.errors import BooksUnavailableError, ChartRefusedError, ConflictError, InvalidValueError
from ledger.hold import NewHold
from ledger.journal import NewEntry, Posting, ResultCode
from node.background import Waits
from node.partner.books import UNFIT, Books, InterbankAccounts, post_in_time
from node.partner.errors import (
    NotCancellableError,
    PartnerBusyError,
    PartnerUnavailableError,
    TransitionError,
    UnknownPartnerError,
)
from node.partner.link import PartnerLink
from node.partner.messages import Evidence
from node.partner.settlement import (
    CANCELLED,
    POSTED,
    Outgoing,
    SenderState,
    Step,
    after_abort_notice,
    after_cancel,
    after_capture,
    after_complete,
    after_expiry,
    after_failure,
    after_hold,
    after_prepare,
    after_return,
    next_step,
)
from node.partner.store import SettlementStore

log = structlog.get_logger(__name__)

Done = tuple[Outgoing, Evidence | None]
"""A settlement after a step, and what the partner signed for it."""

PAUSE_FIRST_S = 0.5
PAUSE_MAX_S = 30.0


class SettlementDriver:
    """Does what outgoing settlements need done.

    Args:
        store: where they stand.
        books: the organization's books.
        links: the partner banks by MSP id.
        now: clock.
    """

    def __init__(
        self,
        store: SettlementStore,
        books: Books,
        links: Mapping[str, PartnerLink],
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._books = books
        self._links = links
        self._now = now
        self._accounts = InterbankAccounts(books)
        # What the worker tells of here is over when anybody carries it on: a request, or its cancellation, too.
        self.stuck = Waits(log, "settlement.stuck", "error")
        # One driver at a time for each settlement; a lock lives as long as somebody holds or awaits it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._steps: dict[Step, Callable[[Outgoing], Awaitable[Done]]] = {
            Step.PLACE_HOLD: self._place_hold,
            Step.PREPARE: self._prepare,
            Step.EXPIRE: self._expire,
            Step.CAPTURE: self._capture,
            Step.COMPLETE: self._complete,
            Step.RETURN: self._return,
            Step.NOTIFY_ABORT: self._notify_abort,
        }

    async def drive(self, settlement_id: str) -> Outgoing:
        """Take a settlement as far as it goes now and return it.

        Raises:
            SettlementStoreError: the records do not answer; the worker will try again.
            FencedError: another process writes the books now.
        """
        lock = self._locks.setdefault(settlement_id, asyncio.Lock())
        async with lock:
            settlement = await self._store.outgoing(settlement_id)
            while (step := next_step(settlement, self._now())) is not Step.NOTHING:
                try:
                    changed, evidence = await self._steps[step](settlement)
                except (PartnerUnavailableError, BooksUnavailableError) as error:
                    return await self._postpone(settlement, step, error)
                except (TransitionError, ConflictError, InvalidValueError) as error:
                    # A person must look; until then it is tried now and then, not in a circle. Whatever it is, a
                    # chart that knows no account say, is no fault of the order, and no customer must be told so.
                    await self._postpone(settlement, step, error)
                    raise TransitionError(f"settlement {settlement_id}: {error}") from error
                now = self._now()
                await self._store.change_outgoing(settlement, changed, next_attempt_at=now, now=now, evidence=evidence)
                log.info("settlement.step", settlement_id=settlement_id, step=step.value, state=changed.state.value)
                settlement = changed
            self.stuck.over(settlement_id, settlement_id=settlement_id)
            return settlement

    async def cancel(self, settlement_id: str) -> Outgoing:
        """Give up a settlement whose money was not yet taken; return it as it stands then.

        Raises:
            NotCancellableError: the money was taken, or it has ended in another way.
            BooksUnavailableError, SettlementStoreError: not known yet; ask again.
        """
        async with self._locks.setdefault(settlement_id, asyncio.Lock()):
            settlement = await self._store.outgoing(settlement_id)
            if settlement.refusal != CANCELLED:
                if settlement.state not in (SenderState.ORDERED, SenderState.HELD, SenderState.PREPARED):
                    told = f"settlement {settlement_id}: is {settlement.state.value} and can no more be cancelled"
                    raise NotCancellableError(told)
                freed = await self._books.release_hold(settlement.hold_id)
                changed = after_cancel(settlement, "" if freed.hold is None else freed.hold.state)
                now = self._now()
                await self._store.change_outgoing(settlement, changed, next_attempt_at=now, now=now)
                log.info("settlement.cancelled", settlement_id=settlement_id)
        return await self.drive(settlement_id)

    async def _postpone(self, settlement: Outgoing, step: Step, error: Exception) -> Outgoing:
        failed, now = after_failure(settlement), self._now()
        pause_s = min(PAUSE_FIRST_S * 2 ** min(settlement.attempts, 10), PAUSE_MAX_S)
        if isinstance(error, PartnerBusyError):
            pause_s = max(pause_s, error.retry_after_s)
        next_attempt_at = now + timedelta(seconds=pause_s)
        if settlement.state is SenderState.HELD and now < settlement.deadline:
            next_attempt_at = min(next_attempt_at, settlement.deadline)
        await self._store.change_outgoing(settlement, failed, next_attempt_at=next_attempt_at, now=now)
        log.warning(
            "settlement.postponed",
            settlement_id=settlement.settlement_id,
            step=step.value,
            attempts=failed.attempts,
            reason=str(error),
        )
        return failed

    async def _place_hold(self, settlement: Outgoing) -> Done:
        # The account is opened first: a capture must never fail for want of it.
        try:
            await self._accounts.vostro(settlement.receiver_msp_id, settlement.asset)
        except (ConflictError, ChartRefusedError) as error:
            log.error("settlement.account_unfit", settlement_id=settlement.settlement_id, reason=str(error))
            return after_hold(settlement, UNFIT, ""), None
        except InvalidValueError as error:
            return after_hold(settlement, f"{error.field}_not_found", ""), None
        account = await self._books.find_account(settlement.debtor_account)
        if account is not None and account.facts.asset.code != settlement.asset:
            return after_hold(settlement, "asset_mismatch", ""), None
        hold = NewHold(settlement.hold_id, settlement.debtor_account, settlement.amount, settlement.deadline)
        result = await self._books.place_hold(hold)
        return after_hold(settlement, result.text, "" if result.hold is None else result.hold.state), None

    async def _prepare(self, settlement: Outgoing) -> Done:
        asset = await self._books.read(find_asset, settlement.asset)
        answer = await self._link(settlement).prepare(settlement, asset.scale)
        if answer.refusal:
            await self._books.release_hold(settlement.hold_id)
        return after_prepare(settlement, answer.agreed_reference, answer.refusal), answer.evidence

    async def _expire(self, settlement: Outgoing) -> Done:
        await self._books.release_hold(settlement.hold_id)
        return after_expiry(settlement), None

    async def _capture(self, settlement: Outgoing) -> Done:
        vostro = await self._accounts.vostro(settlement.receiver_msp_id, settlement.asset)
        entry = NewEntry(
            key=settlement.capture_key,
            postings=(
                Posting(settlement.debtor_account, Side.DEBIT, settlement.amount),
                Posting(vostro, Side.CREDIT, settlement.amount),
            ),
            effective_at=settlement.ordered_at,
            settlement_id=settlement.settlement_id,
            description=settlement.description,
            hold_id=settlement.hold_id,
        )
        [result] = await post_in_time(self._books, [entry])
        code = result.code.text
        if result.code is ResultCode.EXISTS_WITH_DIFFERENT_BODY:
            raise TransitionError(f"settlement {settlement.settlement_id}: its key stands for another entry")
        if code not in POSTED:
            # Also where the deadline has passed: the money is free now and not at the books' next sweep.
            await self._books.release_hold(settlement.hold_id)
        return after_capture(settlement, code, result.seq), None

    async def _complete(self, settlement: Outgoing) -> Done:
        answer = await self._link(settlement).complete(settlement)
        return after_complete(settlement, answer.seq, answer.refusal), answer.evidence

    async def _return(self, settlement: Outgoing) -> Done:
        # One key for both ways: whichever was posted first, before a crash, is the only one there can be.
        result = await self._books.post(await self._return_entry(settlement, settlement.debtor_account))
        if result.seq is None:
            unclaimed = await self._accounts.unclaimed(settlement.asset)
            result = await self._books.post(await self._return_entry(settlement, unclaimed))
            if result.seq is None:
                raise BooksUnavailableError(f"the books refuse the return entry: {result.code.text}")
            log.warning("settlement.return_unclaimed", settlement_id=settlement.settlement_id)
        return after_return(settlement, result.seq), None

    async def _return_entry(self, settlement: Outgoing, account: str) -> NewEntry:
        vostro = await self._accounts.vostro(settlement.receiver_msp_id, settlement.asset)
        return NewEntry(
            key=settlement.return_key,
            postings=(
                Posting(vostro, Side.DEBIT, settlement.amount),
                Posting(account, Side.CREDIT, settlement.amount),
            ),
            settlement_id=settlement.settlement_id,
            description=settlement.description,
        )

    async def _notify_abort(self, settlement: Outgoing) -> Done:
        answer = await self._link(settlement).abort(settlement)
        if answer.state == "completed":
            log.error("settlement.partner_claims_completed", settlement_id=settlement.settlement_id)
        return after_abort_notice(settlement), answer.evidence

    def _link(self, settlement: Outgoing) -> PartnerLink:
        try:
            return self._links[settlement.receiver_msp_id]
        except KeyError:
            unknown = UnknownPartnerError(f"{settlement.receiver_msp_id} is no partner bank of this node any more")
            raise PartnerUnavailableError(str(unknown)) from unknown
