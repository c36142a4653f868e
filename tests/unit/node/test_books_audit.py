"""Aim: an audit of books names every row that does not fit the anchored log, and no other.

Method: leaves in lists; hypothesis changes, removes and inserts rows anywhere and the findings must be exactly those.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit import FINDINGS_MAX, RecomputedLeaf
from network.merkle import TileWriter, leaf_hash, root
from node.anchor.errors import MirrorError
from node.audit.books_audit import BooksAudit, anchored_leaves

LEAVES = [leaf_hash(index.to_bytes(4, "big")) for index in range(600)]


def rows_of(count: int) -> dict[int, RecomputedLeaf]:
    return {seq: RecomputedLeaf(seq, LEAVES[seq - 1], True, True) for seq in range(1, count + 1)}


def findings(anchored: int, rows: dict[int, RecomputedLeaf], page: int = 7) -> list[tuple[str, int]]:
    audit = BooksAudit(LEAVES[:anchored])
    ordered = [rows[seq] for seq in sorted(rows)]
    for begin in range(0, len(ordered), page):
        audit.add(ordered[begin : begin + page])
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
    audit.add([RecomputedLeaf(2, LEAVES[1], True, True)])
    with pytest.raises(MirrorError, match="entry 2"):
        audit.add([RecomputedLeaf(2, LEAVES[1], True, True)])


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


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
def test_anchored_leaves_are_given_only_when_they_hash_to_the_root(size: int) -> None:
    writer = TileWriter()
    tiles = {(tile.level, tile.index): tile.hashes for tile in writer.append(LEAVES)}

    def read(level: int, index: int) -> bytes:
        return tiles.get((level, index), b"")

    assert anchored_leaves(read, size, root(LEAVES[:size]), "the copy") == LEAVES[:size]
    with pytest.raises(MirrorError, match="the copy"):
        anchored_leaves(read, size, root(LEAVES[: size - 1]), "the copy")
    with pytest.raises(MirrorError):
        anchored_leaves(lambda level, index: b"", size, root(LEAVES[:size]), "the copy")
