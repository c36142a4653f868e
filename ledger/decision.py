"""Decisions of the compliance rules as the writer of the books asks for them and stores them, by columns.

Rules:
- the books bind a decision into each entry's leaf and refuse an entry without one, but do not know the rules: they come
  from a ``Decider`` that the caller of the writer injects;
- asked are the entries of a whole batch at once; in columns, so that rules which look at amounts only need no loop over
  entries. ``Decisions.of`` serves those who decide one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from ledger.account_columns import Numbers
from ledger.journal import NewEntry, Outcome
from ledger.money import Asset
from ledger.script import Executes

ID_BYTES = 16
LEAF_BYTES = 32


class Decision(NamedTuple):
    """What the compliance rules decided about one entry, and the leaf that commits to the full record.

    Args:
        id: 16 random bytes that mean nothing elsewhere.
        outcome: approved automatically, or to be reviewed by a person.
        leaf: 32 bytes, the RFC 6962 leaf hash of the decision record.
    """

    id: bytes
    outcome: Outcome
    leaf: bytes


class Decisions(NamedTuple):
    """Decisions about the entries of a batch, in order.

    Args:
        ids: 16 bytes for each, joined.
        outcomes: one byte for each, the outcome's number.
        leaves: 32 bytes for each, joined.
        record: whatever the rules want to see again in ``Decider.in_commit``.
    """

    ids: bytes
    outcomes: bytes
    leaves: bytes
    record: Any = None

    @classmethod
    def of(cls, decisions: Sequence[Decision], record: Any = None) -> Decisions:
        """Return the columns of single decisions."""
        ids, outcomes, leaves = zip(*decisions, strict=True) if decisions else ((), (), ())
        return cls(b"".join(ids), bytes(outcomes), b"".join(leaves), record)

    def part(self, first: int, end: int) -> Decisions:
        """Return the decisions from ``first`` to before ``end``, without their record."""
        ids, leaves = slice(first * ID_BYTES, end * ID_BYTES), slice(first * LEAF_BYTES, end * LEAF_BYTES)
        return Decisions(self.ids[ids], self.outcomes[first:end], self.leaves[leaves])

    def at(self, place: int) -> Decision:
        """Return the decision about the entry at this place."""
        outcome = Outcome(self.outcomes[place])
        return Decision(_piece(self.ids, place, ID_BYTES), outcome, _piece(self.leaves, place, LEAF_BYTES))


NO_DECISIONS = Decisions(b"", b"", b"")


class Debits(NamedTuple):
    """What entries debit: one element for each posting on the debit side, in the order of entries.

    Args:
        entry: place of its entry.
        asset: place among ``assets`` of what it counts.
        amount: minor units.
        assets: the assets that occur.
    """

    entry: Numbers
    asset: Numbers
    amount: Numbers
    assets: Sequence[Asset]


class AcceptedEntry(NamedTuple):
    """An entry of the batch that is about to commit.

    Args:
        seq: its number.
        entry: what was asked.
        decision: the decision stored with it.
        leaf: its leaf hash.
    """

    seq: int
    entry: NewEntry
    decision: Decision
    leaf: bytes


@dataclass(slots=True)
class AcceptedEntries:
    """The entries of a batch that the books accept, as the rules of the decision see them.

    Args:
        first_seq: number of the first; the others follow.
        entries: what was asked.
        keys: their idempotency keys, 16 bytes each, joined.
        debits: what they debit.
        decisions: of the rules; those still to be asked find none.
        leaves: their leaf hashes, joined; empty before the decision.
    """

    first_seq: int
    entries: Sequence[NewEntry]
    keys: bytes
    debits: Debits
    decisions: Decisions = NO_DECISIONS
    leaves: bytes = b""

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[AcceptedEntry]:
        return map(self.at, range(len(self.entries)))

    def at(self, place: int) -> AcceptedEntry:
        """Return one of them, decided and hashed."""
        leaf = _piece(self.leaves, place, LEAF_BYTES)
        return AcceptedEntry(self.first_seq + place, self.entries[place], self.decisions.at(place), leaf)


class Decider(Protocol):
    """The compliance rules, as the writer of the books calls them (in its own thread, never concurrently)."""

    def decide(self, entries: AcceptedEntries, now: datetime) -> Decisions:
        """Return one decision for each entry, in order.

        Entries of a batch that is not committed leave no trace of their decision.
        """

    def in_commit(self, script: Executes, accepted: AcceptedEntries, now: datetime) -> None:
        """Write the decision records of the accepted entries in the entries' own database transaction.

        The statements run when the batch is committed, and may not commit or roll back. What this raises, or the
        database refuses of it, undoes the whole batch.
        """


def _piece(joined: bytes, place: int, size: int) -> bytes:
    return joined[place * size : (place + 1) * size]
