"""Aim: an audit of books names every row that does not fit the anchored log, and no other.

Method: leaves in lists; hypothesis changes, removes and inserts rows anywhere and the findings must be exactly those.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit import FINDINGS_MAX, RecomputedLeaf
from network.merkle import leaf_hash
from node.anchor.books import ArchivedEntries, Recomputed
from node.anchor.errors import MirrorError
from node.audit.books_audit import BooksAudit

MOMENT = datetime(2026, 6, 1, tzinfo=UTC)
LEAVES = [leaf_hash(index.to_bytes(4, "big")) for index in range(600)]


def rows_of(count: int) -> dict[int, RecomputedLeaf]:
    return {seq: RecomputedLeaf(seq, LEAVES[seq - 1], True, True) for seq in range(1, count + 1)}


def findings(
    anchored: int, rows: dict[int, RecomputedLeaf], page: int = 7, archived: Sequence[ArchivedEntries] = ()
) -> list[tuple[str, int]]:
    audit = BooksAudit(LEAVES[:anchored])
    audit.add(Recomputed((), archived))
    ordered = [rows[seq] for seq in sorted(rows)]
    for begin in range(0, len(ordered), page):
        audit.add(Recomputed(ordered[begin : begin + page]))
    found = [(finding.kind, finding.seq) for finding in audit.finish()]
    assert audit.checked == len(rows)
    return found


def test_sound_books_have_no_findings_also_beyond_the_anchor() -> None:
    assert findings(20, rows_of(20)) == []
    assert findings(20, rows_of(25)) == []
    assert findings(0, rows_of(3)) == []
    assert findings(0, {}) == []


def test_books_that_lost_everything_miss_every_entry() -> None:
    assert findings(3, {}) == [("missing", 1), ("missing", 2), ("missing", 3)]


def test_uncovered_row_beyond_the_anchor_is_inserted_and_before_it_is_judged_by_its_leaf() -> None:
    rows = rows_of(22)
    rows[22] = RecomputedLeaf(22, LEAVES[0], False, True)
    rows[5] = RecomputedLeaf(5, LEAVES[4], False, True)
    assert findings(20, rows) == [("inserted", 22)]


def test_rows_out_of_order_are_refused() -> None:
    audit = BooksAudit(LEAVES[:5])
    some = Recomputed([RecomputedLeaf(2, LEAVES[1], True, True)])
    audit.add(some)
    with pytest.raises(MirrorError, match="entry 2"):
        audit.add(some)


ARCHIVED = [
    ArchivedEntries(1, 4, "one.jsonl", bytes(32), MOMENT),
    ArchivedEntries(5, 8, "two.jsonl", bytes(32), MOMENT),
]


def kept(seq: int, leaf: bytes, *, covered: bool = True) -> RecomputedLeaf:
    return RecomputedLeaf(seq, leaf, covered, True, archived=True)


def test_leaves_kept_of_archived_entries_are_compared() -> None:
    rows = rows_of(20) | {seq: kept(seq, LEAVES[seq - 1], covered=False) for seq in range(1, 9)}
    assert findings(20, rows, archived=ARCHIVED) == []
    rows[3] = kept(3, LEAVES[0])
    del rows[7]
    assert findings(20, rows, archived=ARCHIVED) == [("changed", 3), ("missing", 7)]


def test_entry_said_to_be_archived_needs_an_archive_that_names_it_and_an_anchor() -> None:
    rows = rows_of(20) | {seq: kept(seq, LEAVES[seq - 1]) for seq in range(1, 9)}
    assert findings(20, rows, archived=ARCHIVED[:1]) == [("missing", seq) for seq in range(5, 9)]
    assert findings(6, {seq: rows[seq] for seq in range(1, 9)}, archived=ARCHIVED) == [("inserted", 7), ("inserted", 8)]


def test_findings_are_bounded() -> None:
    audit = BooksAudit([bytes(32)] * (FINDINGS_MAX + 5))
    assert len(audit.finish()) == FINDINGS_MAX


@given(st.integers(0, 60), st.integers(0, 60), st.data())
def test_findings_are_exactly_what_was_tampered_with(anchored: int, beyond: int, data: st.DataObject) -> None:
    rows = rows_of(anchored + beyond)
    numbers = st.lists(st.integers(1, max(1, anchored)), unique=True) if anchored else st.just([])
    touched = data.draw(numbers)
    split = data.draw(st.integers(0, len(touched)))
    expected = []
    for seq in touched[:split]:
        rows[seq] = RecomputedLeaf(seq, leaf_hash(b"changed"), data.draw(st.booleans()), data.draw(st.booleans()))
        expected.append(("changed", seq))
    for seq in touched[split:]:
        del rows[seq]
        expected.append(("missing", seq))
    for seq in data.draw(st.sets(st.integers(anchored + beyond + 1, anchored + beyond + 50), max_size=5)):
        rows[seq] = RecomputedLeaf(seq, leaf_hash(b"inserted"), False, True)
        expected.append(("inserted", seq))
    assert findings(anchored, rows) == sorted(expected, key=lambda item: item[1])
