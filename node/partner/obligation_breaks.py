"""Where this bank's books, its partner's and the shared ledger do not say the same, with both sides' evidence.

| break | what it says |
|---|---|
| ``not_on_ledger`` | a completed settlement of which the shared ledger knows nothing yet |
| ``not_agreed`` | proposed, and the other bank has not agreed |
| ``not_booked`` | agreed, and one bank has not anchored what it booked |
| ``diverged`` | a bank anchored a booking that is not what both agreed on |
| ``own_books_differ`` | this bank's books now say another amount than the settlement |
| ``missing_entry`` | this bank's entry is not in its books any more |
| ``unknown_here`` | the shared ledger has an obligation of this bank for which it completed no settlement |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ledger.errors import ArchivedError
from node.partner.booked import EntryReader, booked
from node.partner.messages import Evidence
from node.partner.obligation import FINAL_STATES, Recorded
from node.partner.obligation_chain import SettlementChain
from node.partner.obligation_store import START, ObligationStore, Place

BREAKS_MAX = 500
"""Most breaks of one answer, which carries all evidence for each; the others are counted."""

PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class Break:
    """One disagreement.

    Args:
        kind: see the module.
        explanation: for people.
        obligation_id: on the shared ledger; empty for none.
        recorded: this bank's settlement; None where it has none.
        own_booked: what this bank's books say now, minor units; None where they say nothing.
        record: as the shared ledger has it; None where it has none.
        evidence: what the partner signed about it, and when it came.
    """

    kind: str
    explanation: str
    obligation_id: str
    recorded: Recorded | None
    own_booked: int | None
    record: Mapping[str, Any] | None
    evidence: tuple[tuple[Evidence, datetime], ...] = ()


class Comparison(NamedTuple):
    """What comparing came to.

    Args:
        compared: obligations of this bank's settlements.
        breaks: the first of them, up to ``BREAKS_MAX``.
        break_count: all of them.
    """

    compared: int
    breaks: list[Break]
    break_count: int


def break_of(
    recorded: Recorded,
    record: Mapping[str, Any] | None,
    own_booked: int | None,
    own_msp_id: str,
    *,
    archived: bool = False,
) -> tuple[str, str] | None:
    """Return kind and explanation of what is wrong with an obligation, None where all is well.

    Args:
        archived: this bank's entry stands in a file of its archive and is proved there: the books say nothing of it.
    """
    if own_booked is None and not archived:
        return "missing_entry", f"entry {recorded.seq} is not in this bank's books"
    if own_booked is not None and own_booked != recorded.amount:
        return "own_books_differ", f"entry {recorded.seq} says {own_booked}, the settlement {recorded.amount}"
    if record is None:
        return "not_on_ledger", recorded.note or "not proposed yet"
    wrong = differing(record)
    if wrong:
        return "diverged", f"{', '.join(wrong)} anchored another booking than both agreed on"
    if record["state"] == "proposed":
        return "not_agreed", recorded.note or f"proposed by {record['proposer']}"
    missing = [bank for bank in record["banks"] if bank not in record["bookings"]]
    if missing and record["state"] not in ("cancelled", "expired"):
        whose = "this bank" if missing == [own_msp_id] else ", ".join(missing)
        return "not_booked", f"{whose} anchored no booking"
    return None


def differing(record: Mapping[str, Any]) -> list[str]:
    """Return the banks whose newest booking is not what was agreed."""
    return [bank for bank, said in sorted(record["bookings"].items()) if said[-1]["booking"] != record["commitment"]]


class Reconciler:
    """Compares the three.

    Args:
        own_msp_id: this bank.
        store: completed settlements.
        chain: the contract.
        books: this bank's books.
    """

    def __init__(self, own_msp_id: str, store: ObligationStore, chain: SettlementChain, books: EntryReader) -> None:
        self._own_msp_id = own_msp_id
        self._store = store
        self._chain = chain
        self._books = books

    async def compare(self, partner: str = "") -> Comparison:
        """Return how many obligations were compared, and where they differ.

        Args:
            partner: only with this bank; '' for all.
        Raises:
            GatewayError: the own peer does not answer.
            SettlementStoreError: the records do not answer.
        """
        count, breaks, known = 0, [], set[str]()
        place = START
        while page := await self._store.listed(partner=partner, after=place, count_max=PAGE_SIZE):
            last = page[-1]
            place = Place(last.completed_at, last.outgoing, last.settlement_id)
            records = await self._chain.records([each.obligation_id for each in page if each.obligation_id])
            for recorded in page:
                known.add(recorded.obligation_id or "")
                count += 1
                found = await self._judge(recorded, records.get(recorded.obligation_id or ""))
                if found is not None:
                    breaks.append(found)
        breaks += await self._unknown(partner, known)
        return Comparison(count, breaks[:BREAKS_MAX], len(breaks))

    async def _judge(self, recorded: Recorded, record: Mapping[str, Any] | None) -> Break | None:
        archived, books = False, None
        try:
            books = await booked(self._books, recorded)
        except ArchivedError:
            archived = True
        own_booked = None if books is None else books.amount
        found = break_of(recorded, record, own_booked, self._own_msp_id, archived=archived)
        if found is None:
            return None
        sender = recorded.sender(self._own_msp_id)
        evidence = await self._store.evidence(sender, recorded.settlement_id)
        return Break(*found, recorded.obligation_id or "", recorded, own_booked, record, tuple(evidence))

    def _signed_exchange(self, record: Mapping[str, Any]) -> bool:
        """Whether it is part of an exchange that this bank proposed or agreed to: no settlement is behind that."""
        signed = any(step["by"] == self._own_msp_id for step in record["steps"])
        return bool(record["linked"]) and signed and not record["bookings"]

    async def _unknown(self, partner: str, known: set[str]) -> list[Break]:
        """Return what the shared ledger has of this bank and its books know nothing of."""
        found, after = [], ""
        while page := await self._chain.read("ListObligations", after):
            after = page[-1]["obligation_id"]
            found += [
                Break(
                    "unknown_here", f"{record['proposer']} proposed it; no settlement here is behind it",
                    record["obligation_id"], None, None, record,
                )
                for record in page
                if self._own_msp_id in record["banks"]
                and (not partner or partner in record["banks"])
                and record["obligation_id"] not in known
                and record["state"] not in FINAL_STATES
                and not self._signed_exchange(record)
            ]  # fmt: skip
        return found
