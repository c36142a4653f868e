"""What a report is: tables of cells, and beside each figure what proves it.

A figure without a proof says, in its table's ``rests_on``, what it rests on instead. Pure; builders fill it,
``page.py`` writes it down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from node.audit.records import AuditRecord

PROOFS_MAX = 20
"""Proofs named beside one figure; of a sum of more, so many are named and the rest counted."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Where a figure can be looked up and checked.

    Args:
        what: in a few words.
        block_number, transaction_id: on the shared ledger; -1 and empty where it is not there.
        record: key of a record.
        bundle: ``<MSP id>/<entry number>`` of a disclosed entry.
    """

    what: str
    block_number: int = -1
    transaction_id: str = ""
    record: str = ""
    bundle: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Args:
        text: as it is shown.
        number: whether it is a figure.
        proofs: what proves it.
        bad: whether it needs somebody's eyes.
    """

    text: str
    number: bool = False
    proofs: tuple[Proof, ...] = ()
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report.

    Args:
        rests_on: what its figures are taken from, and what they do not say.
    """

    title: str
    rests_on: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Tables, and the disclosed entries that stand in them: organization and number."""

    tables: tuple[Table, ...]
    shown: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Period:
    """Time a report is about, UTC, without its end.

    Args:
        seen_at: its end, or the present where that is earlier.
    """

    begins_at: datetime
    ends_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Args:
        organization: who makes it.
        block_number, block_hash: newest block its maker's own peer had committed.
    """

    kind: str
    title: str
    organization: str
    channel: str
    period: Period
    made_at: datetime
    block_number: int
    block_hash: bytes
    tables: tuple[Table, ...]


def text(value: str, *proofs: Proof, bad: bool = False) -> Cell:
    """Return a cell of text."""
    return Cell(value, proofs=_bounded(proofs), bad=bad)


def figure(value: int | str, *proofs: Proof, bad: bool = False) -> Cell:
    """Return a cell of a figure."""
    return Cell(str(value), True, _bounded(proofs), bad)


def seconds(value: float, *proofs: Proof) -> Cell:
    """Return a cell of a time span."""
    return Cell(f"{value:.1f} s", True, _bounded(proofs))


def anchored(record: AuditRecord, what: str) -> Proof:
    """Return the proof that a record of the shared ledger is."""
    return Proof(what, record.block_number, record.transaction_id, record.key)


def disclosed(organization: str, seq: int, block_number: int, transaction_id: str) -> Proof:
    """Return the proof that a disclosed entry is."""
    return Proof(f"entry {seq} of {organization}", block_number, transaction_id, bundle=f"{organization}/{seq}")


def _bounded(proofs: Sequence[Proof]) -> tuple[Proof, ...]:
    if len(proofs) <= PROOFS_MAX:
        return tuple(proofs)
    return (*proofs[:PROOFS_MAX], Proof(f"and {len(proofs) - PROOFS_MAX} more of this kind"))
