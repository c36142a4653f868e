"""Leaves and rows of a judged run, made by columns. Pure.

What has the same width in every entry - all but the accounts' fields - is laid out for the whole run at once and then
cut; each leaf is one hash over what is joined from such pieces and the pieces that accounts carry ready made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from ledger.account_columns import Numbers
from ledger.canonical import CAPTURE_EXTENSION, LEAF_BYTES, PLAIN_EXTENSION, PREFIXES, SALT_BYTES, VERSION
from ledger.copy_rows import (
    ARRAY_COLUMNS,
    ASKED_COLUMNS,
    CAPTURE_COLUMNS,
    POSTING_COLUMNS,
    TRANSFER_COLUMNS,
    cut,
    fixed_rows,
)
from ledger.decision import ID_BYTES, Decisions
from ledger.journal import NO_TEXT, REQUEST_HASH_BYTES, REQUEST_TAG
from ledger.pack import POSTGRES_EPOCH_US, LegArrays
from ledger.run import Flags, Legs
from ledger.run_judge import JudgedRun
from ledger.state import State

_PREFIX = PREFIXES[VERSION]

_FRONT = np.dtype(
    [
        ("leaf", "u1"), ("salt", f"V{SALT_BYTES}"), ("prefix", f"V{len(_PREFIX)}"), ("seq", ">i8"),
        ("key_length", ">u2"), ("key", "V16"), ("posted_length", ">u2"), ("posted_at", ">i8"),
        ("effective_length", ">u2"), ("effective_at", ">i8"), ("count_length", ">u2"), ("count", ">u2"),
    ]
)  # fmt: skip
"""Canonical form of an entry up to its postings, after the byte and the salt that the leaf begins with."""

_DECIDED = [
    ("texts", "V4"), ("id_length", ">u2"), ("id", f"V{ID_BYTES}"), ("outcome_length", ">u2"), ("outcome", "u1"),
    ("leaf_length", ">u2"), ("leaf", f"V{LEAF_BYTES}"),
]  # fmt: skip

_BACK = np.dtype([*_DECIDED, ("extension", f"V{len(PLAIN_EXTENSION)}")])
"""Canonical form of a simple entry after its postings."""

_CAPTURE_BACK = np.dtype(
    [
        *_DECIDED, ("before", f"V{len(CAPTURE_EXTENSION[0])}"), ("hold", f"V{ID_BYTES}"),
        ("after", f"V{len(CAPTURE_EXTENSION[1])}"),
    ]
)  # fmt: skip
"""The same of an entry that captures a hold."""

_ASKED = np.dtype(
    [
        ("tag", f"V{len(REQUEST_TAG)}"), ("given", "u1"), ("hold", f"V{ID_BYTES}"), ("when", ">i8"), ("count", ">u2"),
    ]
)  # fmt: skip
"""What ``journal.request_hash`` covers of a simple entry, up to its postings."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """What entries of a run are given beside their numbers, for each in order.

    Args:
        posted_us: time of the batch, microseconds since 1970.
        keys: their idempotency keys, 16 bytes each, joined.
        decisions: of the rules.
        salts: 32 bytes for each, joined.
    """

    posted_us: int
    keys: bytes
    decisions: Decisions
    salts: bytes

    def part(self, first: int, end: int) -> Stamps:
        """Return the stamps of the entries from ``first`` to before ``end``."""
        return Stamps(
            self.posted_us,
            self.keys[first * ID_BYTES : end * ID_BYTES],
            self.decisions.part(first, end),
            self.salts[first * SALT_BYTES : end * SALT_BYTES],
        )


def encode_run(
    state: State, run: JudgedRun, stamps: Stamps, *, apart: bool
) -> tuple[list[bytes], dict[tuple[str, ...], list[bytes]]]:
    """Return the leaf of each entry, and their rows in COPY form by the columns they have.

    Entries that bind a head of the chain of refusals have other leaves, and no row here.

    Args:
        apart: whether each row is wanted by itself, because they go to several tables.
    """
    fields = _posting_fields(state, run.legs)
    leaves = _leaves(state, run, stamps, fields)
    maker = _RowMaker(state, run, stamps, fields, leaves)
    wanted = np.ones(len(leaves), np.bool_)
    wanted[list(run.heads)] = False
    more = run.legs.counts != 2
    asked, capturing = run.legs.hashed & ~more, run.legs.capturing
    rows: dict[tuple[str, ...], list[bytes]] = {}
    makers: Sequence[tuple[tuple[str, ...], Flags, Callable[[Numbers], list[bytes]]]] = (
        (TRANSFER_COLUMNS, ~(more | asked), maker.transfers),
        (ASKED_COLUMNS, asked & ~capturing, maker.asked),
        (CAPTURE_COLUMNS, capturing, maker.captures),
        (ARRAY_COLUMNS, more, maker.arrays),
    )
    for columns, these, make in makers:
        if (these & wanted).any():
            made = make(np.flatnonzero(these & wanted))
            rows[columns] = made if apart else [b"".join(made)]
    return leaves, rows


def _leaves(state: State, run: JudgedRun, stamps: Stamps, fields: Sequence[bytes]) -> list[bytes]:
    fronts, sha256 = cut(_fronts(run, stamps)), hashlib.sha256
    backs = _backs(stamps.decisions, state.hold_columns.ids(run.legs.hold), run.legs.capturing)
    starts, counts = run.legs.starts, run.legs.counts
    forms: Iterable[tuple[bytes, ...]]
    if (counts == 2).all():
        forms = zip(fronts, fields[::2], fields[1::2], backs, strict=True)
    else:
        forms = (
            (front, *fields[start:end], back)
            for front, start, end, back in zip(fronts, starts.tolist(), (starts + counts).tolist(), backs, strict=True)
        )
    return [sha256(form).digest() for form in map(b"".join, forms)]


def _fronts(run: JudgedRun, stamps: Stamps) -> npt.NDArray[np.void]:
    legs = run.legs
    fronts = np.zeros(len(legs.counts), _FRONT)
    fronts["salt"] = np.frombuffer(stamps.salts, f"V{SALT_BYTES}")
    fronts["prefix"] = np.void(_PREFIX)
    fronts["seq"] = np.arange(run.first_seq, run.first_seq + len(fronts))
    fronts["key"] = np.frombuffer(stamps.keys, "V16")
    fronts["key_length"] = 16
    fronts["posted_length"] = fronts["effective_length"] = 8
    fronts["posted_at"] = stamps.posted_us
    fronts["effective_at"] = _effective_us(run, stamps)
    fronts["count_length"], fronts["count"] = 2, legs.counts
    return fronts


def _effective_us(run: JudgedRun, stamps: Stamps) -> Numbers:
    """Return when each entry counts for: where no other time was told, for the moment of its posting."""
    return np.where(run.legs.told, run.legs.effective_us, stamps.posted_us)


def _backs(decisions: Decisions, holds: npt.NDArray[np.void], capturing: Flags) -> list[bytes]:
    plain = np.zeros(len(capturing), _BACK)
    plain["id"] = np.frombuffer(decisions.ids, f"V{ID_BYTES}")
    plain["id_length"] = ID_BYTES
    plain["outcome"] = np.frombuffer(decisions.outcomes, np.uint8)
    plain["outcome_length"] = 1
    plain["leaf"] = np.frombuffer(decisions.leaves, f"V{LEAF_BYTES}")
    plain["leaf_length"] = LEAF_BYTES
    plain["extension"] = np.void(PLAIN_EXTENSION)
    backs = cut(plain)
    if capturing.any():
        captures = np.zeros(int(capturing.sum()), _CAPTURE_BACK)
        for name, *_ in _DECIDED:
            captures[name] = plain[name][capturing]
        captures["before"], captures["after"] = map(np.void, CAPTURE_EXTENSION)
        captures["hold"] = holds[capturing]
        for place, back in zip(np.flatnonzero(capturing).tolist(), cut(captures), strict=True):
            backs[place] = back
    return backs


def _posting_fields(state: State, legs: Legs) -> list[bytes]:
    """Return the canonical fields of each leg."""
    heads = itemgetter(*(2 * legs.row - (legs.amount > 0) - 1).tolist())(state.heads)
    amounts = np.abs(legs.amount).astype(">i8").view("V8").tolist()
    return [head + amount for head, amount in zip(heads, amounts, strict=True)]


class _RowMaker:
    """Makes rows of ``ledger.entry`` for the entries of a run.

    Args:
        state: the copy of the books.
        run: as judged.
        stamps: what the entries are given.
        fields: of each leg, its canonical form.
        leaves: of the entries.
    """

    def __init__(
        self, state: State, run: JudgedRun, stamps: Stamps, fields: Sequence[bytes], leaves: Sequence[bytes]
    ) -> None:
        self._run = run
        self._fields = fields
        self._holds = state.hold_columns.ids(run.legs.hold)
        views, rows = state.columns.views(), run.legs.row
        self._legs = {
            "account": views.id[rows],
            "asset": views.asset_id[rows],
            "amount": run.legs.amount,
            "balance": run.balance,
            "previous": run.previous,
        }
        time = np.full(len(leaves), stamps.posted_us - POSTGRES_EPOCH_US)
        ids, outcomes, decision_leaves, _ = stamps.decisions
        self._stamps = {
            "seq": np.arange(run.first_seq, run.first_seq + len(leaves)),
            "posted_at": time,
            "effective_at": _effective_us(run, stamps) - POSTGRES_EPOCH_US,
            "key": np.frombuffer(stamps.keys, "V16"),
            "decision_id": np.frombuffer(ids, f"V{ID_BYTES}"),
            "decision_outcome": np.frombuffer(outcomes, np.uint8),
            "decision_leaf": np.frombuffer(decision_leaves, f"V{LEAF_BYTES}"),
            "leaf": np.frombuffer(b"".join(leaves), f"V{LEAF_BYTES}"),
        }

    def transfers(self, places: Numbers) -> list[bytes]:
        """Return the rows of plain entries of two postings that name the debit first."""
        return cut(fixed_rows(TRANSFER_COLUMNS, self._of_two(places)))

    def asked(self, places: Numbers) -> list[bytes]:
        """Return the rows of entries of two postings of which the row does not tell what was asked."""
        values = self._of_two(places) | {"request_hash": self._hashes(places)}
        return cut(fixed_rows(ASKED_COLUMNS, values))

    def captures(self, places: Numbers) -> list[bytes]:
        """Return the rows of entries of two postings that capture a hold."""
        values = self._of_two(places) | {"request_hash": self._hashes(places), "hold_id": self._holds[places]}
        return cut(fixed_rows(CAPTURE_COLUMNS, values))

    def arrays(self, places: Numbers) -> list[bytes]:
        """Return the rows of entries of more postings."""
        values = self._stamped(places) | {"request_hash": self._hashes(places)}
        fronts = cut(fixed_rows(ARRAY_COLUMNS[: -len(POSTING_COLUMNS)], values, of=len(ARRAY_COLUMNS)))
        columns = [LegArrays(column, name == "asset") for name, column in self._legs.items()]
        return [
            b"".join((front, *(column.field(start, end) for column in columns)))
            for front, (start, end) in zip(fronts, self._spans(places), strict=True)
        ]

    def _stamped(self, places: Numbers) -> dict[str, npt.NDArray[Any]]:
        return {name: column[places] for name, column in self._stamps.items()}

    def _of_two(self, places: Numbers) -> dict[str, npt.NDArray[Any]]:
        debits = self._run.legs.starts[places]
        values = self._stamped(places)
        for name in ("account", "balance", "previous"):
            values[f"debit_{name}"] = self._legs[name][debits]
            values[f"credit_{name}"] = self._legs[name][debits + 1]
        return values | {"amount": self._legs["amount"][debits], "asset_id": self._legs["asset"][debits]}

    def _spans(self, places: Numbers) -> Iterator[tuple[int, int]]:
        """Return for each of these entries where its legs begin and end."""
        starts = self._run.legs.starts[places]
        return zip(starts.tolist(), (starts + self._run.legs.counts[places]).tolist(), strict=True)

    def _hashes(self, places: Numbers) -> npt.NDArray[Any]:
        """Return what tells a repeat of these requests from another body: ``journal.request_hash``, by columns."""
        legs = self._run.legs
        told, capturing = legs.told[places], legs.capturing[places]
        asked = np.zeros(len(places), _ASKED)
        asked["tag"] = np.void(REQUEST_TAG)
        asked["given"] = told | capturing << 1
        asked["hold"] = self._holds[places]
        asked["when"] = np.where(told, legs.effective_us[places], 0)
        asked["count"] = legs.counts[places]
        fields, sha256 = self._fields, hashlib.sha256
        hashes = []
        for head, (start, end), credit_first in zip(
            cut(asked), self._spans(places), legs.credit_first[places].tolist(), strict=True
        ):
            own = fields[start:end]
            form = b"".join((head, *(own[::-1] if credit_first else own), NO_TEXT))
            hashes.append(sha256(form).digest()[:REQUEST_HASH_BYTES])
        return np.frombuffer(b"".join(hashes), f"V{REQUEST_HASH_BYTES}")
