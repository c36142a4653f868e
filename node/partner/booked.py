"""What an organization's books say about a completed settlement: the entries, and not the message between the banks."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Protocol

from ledger.account import Side
from ledger.statements import PostedEntry
from node.partner.obligation import Recorded
from node.partner.settlement import derived_id


class EntryReader(Protocol):
    """The organization's books."""

    async def find_entry(self, by: int | uuid.UUID) -> PostedEntry | None:
        """Return an entry by number or key, None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Booked:
    """What is booked.

    Args:
        amount: moved on the account between the banks, minor units.
        reference: the settlement id that the entry carries.
    """

    amount: int
    reference: str


async def booked(books: EntryReader, recorded: Recorded) -> Booked | None:
    """Return what the books say, None where the entry is not there."""
    entry = await books.find_entry(recorded.seq)
    if entry is None:
        return None
    entries = [entry]
    if not recorded.outgoing:
        # A fee that is kept of an exchange stands in an entry beside it (``node/partner/credit.py``).
        beside = await books.find_entry(derived_id("fee", f"{recorded.partner_msp_id}/{recorded.settlement_id}"))
        entries += [beside] if beside is not None else []
    side = Side.CREDIT if recorded.outgoing else Side.DEBIT
    legs = [leg for each in entries for leg in each.postings if leg.account == recorded.account and leg.side is side]
    return Booked(sum(leg.amount for leg in legs), entry.settlement_id)
