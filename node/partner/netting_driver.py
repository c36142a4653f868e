"""Takes a bank through its netting cycles: adds what it owes, cuts off, confirms its net, books it.

- The payer adds its obligations, so that no two nodes add the same.
- Before it confirms, the node checks that the sums on the shared ledger hold, that all obligations of its pairs are
  known to it and say what its own settlements say, and that the net follows from its own details; before it books, the
  middle one again.
- The shared ledger alone says how far a cycle is; entries have keys that follow from it, so nothing is done twice.
- A cycle that is not settled in time is ended by any member, and its obligations are as they were.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from ledger.account import Side
from ledger.errors import BooksUnavailableError, LedgerError
from ledger.journal import EntryResult, NewEntry
from network.errors import GatewayError, NetworkError
from network.obligation import ObligationDetails
from node.background import BackgroundWork, Waits
from node.partner.cycle_store import CycleStore, KnownCycle
from node.partner.errors import SettlementError
from node.partner.netting import Position, entries_of, pair_holds, position_of, settlement_account, sums_hold
from node.partner.obligation import Recorded
from node.partner.obligation_chain import SettlementChain, refusal_code, time_text
from node.partner.obligation_store import START, ObligationStore, Place
from node.partner.settlement import POSTED

log = structlog.get_logger(__name__)

INTERVAL_S = 1.0
BATCH_SIZE = 50
PAGE_SIZE = 500

UNSETTLED = ("proposed", "agreed", "netting")
"""States, as last seen here, of what may be in a cycle that is not settled; the shared ledger may be further."""

CLOCKS_APART = timedelta(hours=1)
"""More than this bank's clock may be behind the shared ledger's."""

_REFUSED = {"NOT CONFIRMED": "netting.not_confirmed", "NOT BOOKED": "netting.not_booked"}
"""How notes begin by which a person must look, and their events in the log."""

_HARMLESS = frozenset({"wrong_state", "already_confirmed", "past_cut_off", "wrong_cycle"})
"""Refusals that say that it was done before, by this node or another one."""


class NettingBooks(Protocol):
    """The organization's books."""

    async def open_account(self, reference: str, asset: str, normal_side: Side, floor: int | None) -> str:
        """Open an account where it is absent."""
        ...

    async def post(self, entry: NewEntry) -> EntryResult:
        """Post one entry."""
        ...


class NettingDriver(BackgroundWork):
    """Drives the cycles this bank is a member of.

    Args:
        own_msp_id: this bank.
        store: its obligations.
        cycles: its cycles.
        chain: the contract.
        books: its books.
        arbiter: member whose peer may see this bank's net beside its own peer; '' for whichever endorses.
        now: clock.
        interval_s: time between two rounds.
    """

    def __init__(
        self,
        own_msp_id: str,
        *,
        store: ObligationStore,
        cycles: CycleStore,
        chain: SettlementChain,
        books: NettingBooks,
        arbiter: str,
        now: Callable[[], datetime],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._own_msp_id = own_msp_id
        self._store = store
        self._cycles = cycles
        self._chain = chain
        self._books = books
        self._arbiter = arbiter
        self._now = now
        self._interval_s = interval_s
        self._waits = Waits(log, "netting.driver_waits", "info")

    async def work_once(self) -> None:
        """Take every cycle as far as it goes now.

        Raises:
            GatewayError: the own peer does not answer.
            SettlementStoreError: the records do not answer.
        """
        known: dict[str, KnownCycle] | None = None
        async for cycle in self._chain.pages("ListCycles", "cycle_id"):
            if known is None:
                known = await self._cycles.known()
            before = known.get(cycle["cycle_id"])
            if self._own_msp_id in cycle["members"] and (before is None or not before.finished):
                noted = "" if before is None else before.note
                after = await self._take_on(cycle, noted)
                if after.note != noted and (event := _REFUSED.get(after.note.partition(":")[0])):
                    log.error(event, cycle_id=after.cycle_id, reason=after.note)
                if after != before:
                    await self._cycles.keep(after, self._now())

    async def position(self, cycle_id: str) -> Position:
        """Return this bank's position in a cycle, from its own details.

        Raises:
            GatewayError: the own peer does not answer, or knows no such cycle.
        """
        gross = await self._gross(cycle_id, await self._rows((*UNSETTLED, "settled")))
        return position_of([told for _, told in gross], self._own_msp_id)

    async def _take_on(self, cycle: Mapping[str, Any], noted: str) -> KnownCycle:
        cycle_id, state = cycle["cycle_id"], cycle["state"]
        try:
            finished, note = await self._step(cycle)
        except (GatewayError, LedgerError) as error:
            # A cycle that books or contract refuse now must not hold the others up.
            finished, note = False, str(error)[:500]
            if note != noted and (isinstance(error, LedgerError) or refusal_code(error) not in _HARMLESS):
                log.warning("netting.postponed", cycle_id=cycle_id, state=state, reason=note[:300])
        return KnownCycle(cycle_id, state, finished, note)

    async def _step(self, cycle: Mapping[str, Any]) -> tuple[bool, str]:
        """Do what is next; return whether nothing is left, and what was done."""
        cycle_id, now = cycle["cycle_id"], time_text(self._now())
        if cycle["state"] in ("open", "cut_off") and now > cycle["settle_by"]:
            await self._chain.call("FailCycle", cycle_id)
            return False, "was not settled in time"
        if cycle["state"] == "open" and now < cycle["cut_off"]:
            return False, f"{await self._add(cycle)} obligations added"
        if cycle["state"] == "open":
            await self._chain.call("CutOffCycle", cycle_id)
            return False, "cut off"
        if cycle["state"] == "cut_off":
            return False, await self._confirm(cycle)
        return await self._finish(cycle)

    async def _add(self, cycle: Mapping[str, Any]) -> int:
        count = 0
        rows = [row for row in await self._rows() if row.outgoing and row.partner_msp_id in cycle["members"]]
        for partner in sorted({row.partner_msp_id for row in rows}):
            ids = [row.obligation_id for row in rows if row.partner_msp_id == partner and row.obligation_id]
            records = await self._chain.records(ids)
            ready = [
                each for each in ids
                if each in records
                and records[each]["state"] == "agreed"
                and records[each]["books"] == "agreed"
                and not records[each]["linked"]
            ]  # fmt: skip
            for start in range(0, len(ready), BATCH_SIZE):
                count += await self._add_batch(cycle["cycle_id"], partner, ready[start : start + BATCH_SIZE])
        return count

    async def _add_batch(self, cycle_id: str, partner: str, ids: Sequence[str]) -> int:
        try:
            await self._chain.call("AddToCycle", cycle_id, partner, json.dumps(ids))
        except GatewayError as error:
            # One that is disputed, say, keeps its batch out: it is left out alone.
            if not refusal_code(error) or len(ids) == 1:
                log.info("netting.not_added", cycle_id=cycle_id, count=len(ids), reason=str(error)[:300])
                return 0
            middle = len(ids) // 2
            parts = (ids[:middle], ids[middle:])
            return sum([await self._add_batch(cycle_id, partner, part) for part in parts])
        await self._store.wake(self._now(), ids)
        return len(ids)

    async def _confirm(self, cycle: Mapping[str, Any]) -> str:
        if self._own_msp_id in cycle["confirmed"]:
            waits = [member for member in cycle["members"] if member not in cycle["confirmed"]]
            return f"waits for {', '.join(waits)}"
        cycle_id = cycle["cycle_id"]
        whole = await self._chain.read("GetCycle", cycle_id)
        gross = await self._gross(cycle_id, await self._rows())
        position = position_of([told for _, told in gross], self._own_msp_id)
        wrong = "" if sums_hold(whole) else "the positions on the shared ledger are not the sums of the pairs"
        wrong = wrong or self._what_is_wrong(whole, gross)
        if not wrong and not position.opens(whole["positions"][self._own_msp_id]):
            wrong = "the net does not follow from the gross"
        if wrong:
            return f"NOT CONFIRMED: {wrong}"
        endorsers = [self._own_msp_id, self._arbiter] if self._arbiter else []
        await self._chain.call_endorsed_by(endorsers, "ConfirmPosition", cycle_id, position=position.opening())
        return "position confirmed"

    def _what_is_wrong(self, cycle: Mapping[str, Any], gross: Sequence[tuple[Recorded, ObligationDetails]]) -> str:
        """Return where what is known here is not what is netted, empty when it is."""
        for pair in cycle["pairs"]:
            if self._own_msp_id not in pair["banks"]:
                continue
            partner = next(bank for bank in pair["banks"] if bank != self._own_msp_id)
            own = [(row, told) for row, told in gross if row.partner_msp_id == partner]
            if len(own) != pair["count"] or not pair_holds(pair, (told.value.hex() for _, told in own)):
                return f"{pair['count']} obligations with {partner} are netted, of which {len(own)} are known here"
        for row, told in gross:
            if told.amount != row.amount or (told.debtor == self._own_msp_id) != row.outgoing:
                return f"obligation {row.obligation_id} is not what was settled here"
        return ""

    async def _finish(self, cycle: Mapping[str, Any]) -> tuple[bool, str]:
        cycle_id = cycle["cycle_id"]
        # What the other bank finished first is settled already, since the cut-off: years of others are not read.
        cut_off = datetime.fromisoformat(cycle["cut_off"])
        settled = await self._rows(("settled",), changed_since=cut_off - CLOCKS_APART)
        gross = await self._gross(cycle_id, await self._rows() + settled)
        # Between confirming and now the records may have become another copy, of a restored database say; their key
        # is spent with the first entry, so that a net of less could not be put right.
        if cycle["state"] == "settled" and (
            wrong := self._what_is_wrong(await self._chain.read("GetCycle", cycle_id), gross)
        ):
            return False, f"NOT BOOKED: {wrong}"
        for partner in sorted({row.partner_msp_id for row, _ in gross}):
            own = [told for row, told in gross if row.partner_msp_id == partner]
            if cycle["state"] == "settled":
                await self._book(entries_of(cycle_id, partner, own, self._own_msp_id))
            ids = [row.obligation_id for row, _ in gross if row.partner_msp_id == partner and row.outgoing]
            await self._finish_obligations(cycle_id, partner, [each for each in ids if each])
        await self._store.wake(self._now(), [row.obligation_id for row, _ in gross if row.obligation_id])
        return True, f"{len(gross)} obligations {'netted' if cycle['state'] == 'settled' else 'given back'}"

    async def _finish_obligations(self, cycle_id: str, partner: str, ids: Sequence[str]) -> None:
        records = await self._chain.records(ids)
        left = [each for each in ids if records[each]["state"] == "netting"]
        for start in range(0, len(left), BATCH_SIZE):
            part = json.dumps(left[start : start + BATCH_SIZE])
            await self._chain.call("FinishNetted", cycle_id, partner, part)

    async def _book(self, entries: Sequence[NewEntry]) -> None:
        for entry in entries:
            for posting in entry.postings:
                asset = posting.account.rpartition("-")[2]
                if posting.account == settlement_account(asset):
                    await self._books.open_account(posting.account, asset, Side.DEBIT, None)
            result = await self._books.post(entry)
            if result.code.text not in POSTED:
                raise BooksUnavailableError(f"the books refuse the entry of a net: {result.code.text}")

    async def _gross(self, cycle_id: str, rows: Sequence[Recorded]) -> list[tuple[Recorded, ObligationDetails]]:
        """Return this bank's obligations in a cycle with their details."""
        found: list[tuple[Recorded, ObligationDetails]] = []
        for partner in sorted({row.partner_msp_id for row in rows}):
            by_id = {row.obligation_id: row for row in rows if row.partner_msp_id == partner and row.obligation_id}
            records = await self._chain.records(list(by_id))
            netted = [each for each, record in records.items() if record["cycle"] == cycle_id]
            details = await self._chain.pair_details([self._own_msp_id, partner], netted)
            found += [(by_id[each], told) for each, told in zip(netted, details, strict=True)]
        return found

    async def _rows(
        self, states: Sequence[str] = UNSETTLED, *, changed_since: datetime = START.completed_at
    ) -> list[Recorded]:
        found: list[Recorded] = []
        for state in states:
            place = START
            while page := await self._store.listed(
                state=state, changed_since=changed_since, after=place, count_max=PAGE_SIZE
            ):
                found += page
                last = page[-1]
                place = Place(last.completed_at, last.outgoing, last.settlement_id)
        return found

    async def _run(self) -> None:
        while True:
            try:
                await self.work_once()
            except (SettlementError, LedgerError, NetworkError) as error:
                self._waits.tell(error)
            except Exception as error:  # the root of the driver's task: it must outlive one bad cycle
                log.error("netting.driver_failed", exc_info=error)
            else:
                self._waits.over()
            await asyncio.sleep(self._interval_s)
