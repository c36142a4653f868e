"""Aim: the state in memory commits as a peer's state does, and a snapshot answers only what was read ahead.

Method: small blocks of updates applied by hand; private hashes expire exactly when Fabric removes them.
"""

from __future__ import annotations

import pytest

from network.block import Update, UpdateBatch
from network.rwset import StateKey, Version
from node.peer.state import Expiry, MemoryState, NeededState

PRIVATE = StateKey("cc", "shortlived", b"h" * 32)


def public(key: bytes) -> StateKey:
    return StateKey("cc", "", key)


def batch(block: int, **values: bytes | None) -> UpdateBatch:
    return UpdateBatch({public(key.encode()): Update(value, b"", Version(block, 0)) for key, value in values.items()})


def write_private(state: MemoryState, block: int, *, expires: int | None) -> None:
    updates = UpdateBatch({PRIVATE: Update(b"v", b"", Version(block, 0))})
    state.commit(block, updates, (), () if expires is None else (Expiry(PRIVATE, block, expires),))


def test_range_is_in_byte_order_between_start_and_end_and_forgets_what_was_deleted() -> None:
    state = MemoryState()
    state.commit(1, batch(1, b=b"1", a=b"1", c=b"1", d=b"1"), ())
    state.commit(2, batch(2, b=None, c=b"2"), ())
    assert list(state.versions_in_range("cc", b"a", b"d")) == [(b"a", Version(1, 0)), (b"c", Version(2, 0))]
    assert [key for key, _ in state.versions_in_range("cc", b"", b"")] == [b"a", b"c", b"d"]
    assert list(state.versions_in_range("other", b"", b"")) == []


def test_private_hash_never_stands_in_a_public_range() -> None:
    state = MemoryState()
    write_private(state, 1, expires=None)
    assert list(state.versions_in_range("cc", b"", b"")) == []


def test_delete_of_what_is_not_there_changes_nothing() -> None:
    state = MemoryState()
    state.commit(1, batch(1, a=None), ())
    assert state.entries == {}


def test_private_hash_leaves_the_state_with_its_expiring_block() -> None:
    state = MemoryState()
    write_private(state, 1, expires=3)
    state.commit(2, UpdateBatch(), ())
    assert state.entry(PRIVATE) is not None
    state.commit(3, UpdateBatch(), ())
    assert state.entry(PRIVATE) is None


def test_private_hash_written_again_lives_on_from_then() -> None:
    state = MemoryState()
    write_private(state, 1, expires=3)
    write_private(state, 2, expires=4)
    state.commit(3, UpdateBatch(), ())
    assert state.entry(PRIVATE) is not None
    state.commit(4, UpdateBatch(), ())
    assert state.entry(PRIVATE) is None


def test_private_hash_written_in_its_expiring_block_stays() -> None:
    state = MemoryState()
    write_private(state, 1, expires=3)
    write_private(state, 3, expires=None)
    entry = state.entry(PRIVATE)
    assert entry is not None
    assert entry.version == Version(3, 0)


def test_transaction_without_an_id_is_never_known() -> None:
    state = MemoryState()
    state.commit(1, UpdateBatch(), ["", "id"])
    assert state.has_transaction("id")
    assert not state.has_transaction("")


def test_snapshot_holds_what_was_needed_and_nothing_else() -> None:
    state = MemoryState()
    state.commit(1, batch(1, a=b"1", b=b"1"), ["known"])
    needed = NeededState(frozenset({public(b"a"), public(b"absent")}), frozenset({"known", "new"}))
    snapshot = state.snapshot(needed)
    entry = snapshot.entry(public(b"a"))
    assert entry is not None
    assert entry.value == b"1"
    assert snapshot.entry(public(b"absent")) is None
    assert (snapshot.has_transaction("known"), snapshot.has_transaction("new")) == (True, False)
    assert [key for key, _ in snapshot.versions_in_range("cc", b"", b"")] == [b"a", b"b"]
    with pytest.raises(AssertionError, match="not read ahead"):
        snapshot.entry(public(b"b"))
    with pytest.raises(AssertionError, match="not read ahead"):
        snapshot.has_transaction("other")
