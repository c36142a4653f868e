"""Brings completed settlements onto the shared ledger: proposes, agrees, books; exactly once each, whatever crashes.

Each round takes what is due, asks the shared ledger where it stands, and does what is next: in batches by partner, so
that a thousand payments are some twenty transactions. A batch that is refused is halved until the one that is refused
stands alone; it waits with the reason noted, the others go on.

What is anchored as booked is read from the books, not from the message between the banks: a bank whose books say
another amount anchors another commitment, and the contract tells everybody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from ledger.errors import ArchivedError, LedgerError, NotFoundError
from network.errors import EndorseError, GatewayError, ProofError
from network.obligation import SALT_BYTES, ObligationDetails
from node.background import BackgroundWork, Waits
from node.partner.booked import EntryReader, booked
from node.partner.errors import SettlementError
from node.partner.obligation import (
    DEADLINE,
    Recorded,
    Step,
    disagreement,
    failed,
    identified,
    next_day,
    next_step,
    pause,
    seen,
)
from node.partner.obligation_chain import SettlementChain, refusal_code, time_text
from node.partner.obligation_store import ObligationStore

log = structlog.get_logger(__name__)

INTERVAL_S = 0.5
GATHER_S = 0.1
"""At the least between two rounds, so that what moves within a block or two is dealt with together."""

ROUND_MAX = 400
BATCH_SIZE = 50

_Proposed = tuple[Recorded, ObligationDetails]
"""What this bank recorded, and what its partner proposes."""


class ObligationDriver(BackgroundWork):
    """Does what obligations need done.

    Args:
        own_msp_id: this bank.
        store: which there are.
        chain: the contract.
        books: this bank's books.
        arbiter: member who decides disputes; '' for none.
        now: clock.
        random_bytes: source of salts.
        interval_s: time between two rounds.
    """

    def __init__(
        self,
        own_msp_id: str,
        *,
        store: ObligationStore,
        chain: SettlementChain,
        books: EntryReader,
        arbiter: str,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._own_msp_id = own_msp_id
        self._store = store
        self._chain = chain
        self._books = books
        self._arbiter = arbiter
        self._now = now
        self._random_bytes = random_bytes
        self._interval_s = interval_s
        self._waits = Waits(log, "obligation.driver_waits")
        self._moved: set[str] = set()
        self._wakes_all = False
        self._wake = asyncio.Event()

    def moved(self, ids: Iterable[str]) -> None:
        """Look at these obligations, where they are this bank's, in the next round, which begins soon."""
        self._moved.update(ids)
        self._wake.set()

    async def start(self) -> None:
        """Begin to work; everything unfinished is due at once."""
        self._wakes_all = True
        await super().start()

    async def work_once(self) -> int:
        """Do one round; return how many obligations were looked at.

        Raises:
            SettlementStoreError: the records do not answer.
            GatewayError: the own peer does not answer.
        """
        if self._wakes_all:
            # Not at the start: with a clock that is not believed yet the process starts, and waits here.
            await self._store.wake(self._now())
            self._wakes_all = False
        if moved := list(self._moved):
            await self._store.wake(self._now(), moved)
            self._moved.difference_update(moved)
        due = await self._store.due(self._now(), ROUND_MAX)
        fresh = [identified(each, self._own_msp_id, self._salt(), self._now().date()) for each in due]
        # The salt is kept before it is used: a proposal repeated after a crash must not be another one.
        await self._keep([each for each, old in zip(fresh, due, strict=True) if each is not old], at_once=True)
        for partner in sorted({each.partner_msp_id for each in fresh}):
            await self._work(partner, [each for each in fresh if each.partner_msp_id == partner])
        return len(due)

    async def book_again(self, recorded: Recorded) -> None:
        """Anchor what the books say now, after they were put right.

        Raises:
            GatewayError: the contract refused, or the own peer does not answer.
            NotFoundError: the entry is not in the books.
            ArchivedError: it is archived.
        """
        booking = await self._booking(recorded, await self._chain.details(_id(recorded)))
        if not booking:
            raise NotFoundError(f"entry {recorded.seq} of settlement {recorded.settlement_id} is not in the books")
        await self._chain.call("Book", _id(recorded), booking)

    async def _work(self, partner: str, due: Sequence[Recorded]) -> None:
        records = await self._chain.records([_id(each) for each in due])
        steps: dict[Step, list[Recorded]] = {step: [] for step in Step}
        for each in due:
            record = records.get(_id(each))
            known = seen(each, record) if record is not None else each
            steps[next_step(each, record, self._own_msp_id, time_text(self._now()))].append(known)
        await self._keep(steps[Step.NOTHING])
        await self._keep([failed(each, "waits for the partner") for each in steps[Step.WAIT]])
        for batch in _batches(steps[Step.PROPOSE]):
            await self._propose(partner, batch)
        for batch in _batches(steps[Step.AGREE]):
            await self._agree(partner, await self._agreeable(partner, batch))
        for each in steps[Step.BOOK]:
            await self._book(each)

    async def _propose(self, partner: str, batch: Sequence[Recorded]) -> None:
        proposed = []
        for each in batch:
            details = each.details(self._own_msp_id)
            proposed.append((_id(each), details, await self._booking_at_hand(each, details)))
        try:
            await self._chain.propose(partner, self._arbiter, self._now() + DEADLINE, proposed)
        except GatewayError as error:
            await self._refused(error, batch, lambda part: self._propose(partner, batch[part]))
            return
        log.info("obligation.proposed", partner=partner, count=len(batch))
        await self._keep([replace(each, state="proposed", attempts=0, note="") for each in batch])

    async def _agree(self, partner: str, batch: Sequence[_Proposed]) -> None:
        if not batch:
            return
        recorded = [each for each, _ in batch]
        agreed = [(_id(each), await self._booking_at_hand(each, details)) for each, details in batch]
        try:
            await self._chain.agree(partner, agreed)
        except GatewayError as error:
            await self._refused(error, recorded, lambda part: self._agree(partner, batch[part]))
            return
        log.info("obligation.agreed", partner=partner, count=len(batch))
        # Said at once: what is agreed counts as owed, and no more as on its way (``node.partner.credit_line``).
        await self._keep([replace(each, state="agreed", attempts=0, note="") for each in recorded], at_once=True)

    async def _agreeable(self, partner: str, proposed: Sequence[Recorded]) -> list[_Proposed]:
        """Return those proposals that say what this bank was told, with it; the others wait for people."""
        agreeable = []
        for each, told in zip(proposed, await self._details(partner, proposed), strict=True):
            wrong = told if isinstance(told, str) else disagreement(each, told, self._own_msp_id)
            if isinstance(told, str) or wrong:
                log.error("obligation.disagreement", obligation_id=each.obligation_id, reason=wrong)
                await self._keep([failed(each, wrong)])
            else:
                agreeable.append((each, told))
        return agreeable

    async def _details(self, partner: str, proposed: Sequence[Recorded]) -> Sequence[ObligationDetails | str]:
        """Return what each proposal says, or why it cannot be read; in one call where all can."""
        ids = [_id(each) for each in proposed]
        with contextlib.suppress(GatewayError, ProofError):
            return await self._chain.pair_details([self._own_msp_id, partner], ids)
        found: list[ObligationDetails | str] = []
        for each in ids:
            try:
                found.append(await self._chain.details(each))
            except (GatewayError, ProofError) as error:
                found.append(str(error))
        return found

    async def _book(self, each: Recorded) -> None:
        try:
            await self.book_again(each)
        except (GatewayError, ArchivedError, NotFoundError) as error:
            await self._keep([failed(each, str(error))])
            return
        await self._keep([each], at_once=True)

    async def _booking(self, each: Recorded, details: ObligationDetails) -> str:
        """Return the commitment to what the books say, hex; empty where they say nothing."""
        found = await booked(self._books, each)
        if found is None:
            return ""
        return replace(details, amount=found.amount, reference=found.reference).commitment.hex()

    async def _booking_at_hand(self, each: Recorded, details: ObligationDetails) -> str:
        """Return the same, empty also where the entry is archived: that is anchored alone, and holds up no other."""
        with contextlib.suppress(ArchivedError):
            return await self._booking(each, details)
        return ""

    async def _refused(
        self, error: GatewayError, batch: Sequence[Recorded], again: Callable[[slice], Awaitable[None]]
    ) -> None:
        """Halve a batch that the contract refused; note down why where one stands alone, or nobody knows."""
        if isinstance(error, EndorseError) and refusal_code(error) and len(batch) > 1:
            middle = len(batch) // 2
            await again(slice(middle))
            await again(slice(middle, None))
            return
        log.warning("obligation.postponed", count=len(batch), reason=str(error)[:300])
        if refusal_code(error) == "past_cut_off":
            await self._keep([next_day(each, self._now().date()) for each in batch], at_once=True)
            return
        await self._keep([failed(each, str(error)) for each in batch])

    async def _keep(self, changed: Sequence[Recorded], *, at_once: bool = False) -> None:
        if not changed:
            return
        now = self._now()
        due = [now if at_once else now + pause(each) for each in changed]
        await self._store.change(changed, next_attempt_at=due, now=now)

    async def _run(self) -> None:
        while True:
            count = 0
            try:
                count = await self.work_once()
            except (SettlementError, LedgerError, GatewayError) as error:
                self._waits.tell(error)
            except Exception as error:  # the root of the driver's task: it must outlive one bad obligation
                log.error("obligation.driver_failed", exc_info=error)
            else:
                self._waits.over()
            if count < ROUND_MAX:
                await self._pause()

    async def _pause(self) -> None:
        await asyncio.sleep(min(GATHER_S, self._interval_s))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(self._interval_s - GATHER_S, 0)):
                await self._wake.wait()
        self._wake.clear()

    def _salt(self) -> bytes:
        return self._random_bytes(SALT_BYTES)


def _id(recorded: Recorded) -> str:
    assert recorded.obligation_id is not None
    return recorded.obligation_id


def _batches(recorded: Sequence[Recorded]) -> list[Sequence[Recorded]]:
    return [recorded[start : start + BATCH_SIZE] for start in range(0, len(recorded), BATCH_SIZE)]
