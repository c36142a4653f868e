"""A peer's tables: one block is one database transaction, and what went in comes out.

Method: small blocks made here are written to a real PostgreSQL and read back through the readers a peer uses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from network.block import Update, UpdateBatch, header_hash, new_block, set_transactions_filter
from network.envelope import DUPLICATE_TXID, VALID, ParsedTransaction
from network.rwset import (
    KvWrite,
    NamespaceRwset,
    PrivateCollectionRwset,
    StateKey,
    TxRwset,
    Version,
    parse_private_rwset,
    serialize_private_kv_rwset,
)
from node.peer.block_store import BlockStore, Tip, lock_channel, open_channel
from node.peer.block_writer import PrivateUpdate, PrivateWrite, ValidatedBlock, write_block
from node.peer.database import Connection, connect, fetch, migrate
from node.peer.errors import ChannelLockedError, StoreError
from node.peer.history import key_history
from node.peer.private_data import serialize_write_set
from node.peer.state import Expiry
from node.peer.world_state import WorldState


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url) as owner:
        migrate(owner)
    with connect(database_url) as connection:
        yield connection


def transaction(tx_id: str, writes: tuple[KvWrite, ...] = ()) -> ParsedTransaction:
    rwset = TxRwset((NamespaceRwset("cc", writes=writes),))
    return ParsedTransaction(b"", tx_id=tx_id, type=3, claimed=(5, 7), rwset=rwset)


def validated(
    number: int,
    previous: bytes,
    transactions: list[ParsedTransaction],
    updates: dict[StateKey, Update] | None = None,
    flags: bytes | None = None,
) -> ValidatedBlock:
    block = new_block(number, previous, [b"e%d" % index for index in range(len(transactions))])
    flags = bytes(len(transactions)) if flags is None else flags
    set_transactions_filter(block, flags)
    return ValidatedBlock(
        block, header_hash(block.header), b"c%d" % number, transactions, flags, UpdateBatch(updates or {})
    )


def put(key: bytes, value: bytes, block: int = 0, tx: int = 0, collection: str = "") -> tuple[StateKey, Update]:
    return StateKey("cc", collection, key), Update(value, b"", Version(block, tx))


def test_write_block_at_genesis_gives_tip_blocks_and_index(connection: Connection) -> None:
    channel = open_channel(connection, "anchors")
    store = BlockStore(connection, channel)
    assert store.tip() == Tip(0, b"", b"")
    first = validated(0, b"", [transaction("a" * 64)], dict([put(b"k", b"v")]))
    write_block(connection, channel, first)
    assert store.tip() == Tip(1, first.header_hash, b"c0")
    assert store.block(0) == first.block.SerializeToString()
    assert store.block_by_header_hash(first.header_hash) == store.block(0)
    assert store.block(1) is None
    record = store.transactions(["b" * 64, "a" * 64])["a" * 64]
    assert (record.block_number, record.tx_number, record.validation_code) == (0, 0, VALID)


def test_write_block_twice_is_refused_and_changes_nothing(connection: Connection) -> None:
    channel = open_channel(connection, "anchors")
    first = validated(0, b"", [transaction("a")], dict([put(b"k", b"v")]))
    write_block(connection, channel, first)
    with pytest.raises(StoreError, match="does not follow"):
        write_block(connection, channel, replace(first, updates=UpdateBatch(dict([put(b"k", b"other")]))))
    with pytest.raises(StoreError, match="does not follow"):
        write_block(connection, channel, validated(2, b"", [transaction("c")], dict([put(b"k", b"other")])))
    values, height = WorldState(connection, channel).values([StateKey("cc", "", b"k")])
    assert height == 1
    assert values[0] is not None and values[0].value == b"v"


def test_duplicate_tx_id_finds_its_first_occurrence(connection: Connection) -> None:
    channel = open_channel(connection, "anchors")
    first = validated(0, b"", [transaction("a"), transaction("a")], flags=bytes([VALID, DUPLICATE_TXID]))
    write_block(connection, channel, first)
    write_block(connection, channel, validated(1, first.header_hash, [transaction("a")], flags=bytes([DUPLICATE_TXID])))
    record = BlockStore(connection, channel).transactions(["a"])["a"]
    assert (record.block_number, record.tx_number, record.validation_code) == (0, 0, VALID)


@pytest.mark.parametrize("tx_id", ["", "nul\x00inside", "x" * 100_000, "sha256:" + "0" * 64, "\uffff\U0010ffff"])
def test_hostile_tx_id_is_stored_and_found(connection: Connection, tx_id: str) -> None:
    channel = open_channel(connection, "anchors")
    write_block(connection, channel, validated(0, b"", [transaction(tx_id)]))
    assert BlockStore(connection, channel).transactions([tx_id, tx_id + "y"]).keys() == {tx_id}


def test_updates_and_deletes_replace_state(connection: Connection) -> None:
    channel = open_channel(connection, "anchors")
    keys = [StateKey("cc", "", b"a"), StateKey("cc", "", b"\x00t\x00b\x00"), StateKey("cc", "col", b"h" * 32)]
    first = validated(
        0, b"", [transaction("1")], dict([put(b"a", b"1"), put(keys[1].key, b"2"), put(keys[2].key, b"3", 0, 0, "col")])
    )
    write_block(connection, channel, first)
    updates = {
        keys[0]: Update(None, b"", Version(1, 0)),
        keys[1]: Update(b"new", b"meta", Version(1, 4)),
    }
    write_block(connection, channel, validated(1, first.header_hash, [transaction("2")], updates))
    values, height = WorldState(connection, channel).values(keys)
    assert height == 2
    assert values[0] is None
    assert values[1] is not None and (values[1].value, values[1].metadata) == (b"new", b"meta")
    assert values[1].version == Version(1, 4)
    assert values[2] is not None and values[2].version == Version(0, 0)


def test_channels_in_one_database_do_not_see_each_other(connection: Connection) -> None:
    one, two = open_channel(connection, "one"), open_channel(connection, "two")
    assert one != two and open_channel(connection, "one") == one
    write_block(connection, one, validated(0, b"", [transaction("a")], dict([put(b"k", b"v")])))
    assert BlockStore(connection, two).tip().height == 0
    assert WorldState(connection, two).values([StateKey("cc", "", b"k")]) == ([None], 0)


def test_second_committer_is_locked_out(connection: Connection, database_url: str) -> None:
    channel = open_channel(connection, "anchors")
    lock_channel(connection, channel, "anchors")
    with connect(database_url) as other, pytest.raises(ChannelLockedError, match="anchors"):
        lock_channel(other, channel, "anchors")


def test_range_pages_give_every_key_in_byte_order(connection: Connection) -> None:
    channel = open_channel(connection, "anchors")
    head = b"h" * 1024
    long_keys = [head + bytes([65 + tail]) * 40 for tail in range(9, -1, -1)]
    keys = [b"\x00c\x00x\x00", b"a", b"b", head, head[:-1], *long_keys, b"z", "ü".encode()]
    write_block(connection, channel, validated(0, b"", [transaction("1")], dict(put(key, key) for key in keys)))
    state = WorldState(connection, channel)
    for limit in (2, 3, 5, 100):
        found: list[bytes] = []
        next_key: bytes | None = b""
        while next_key is not None:
            page = state.range("cc", next_key, b"", limit)
            found += [key for key, _ in page.rows]
            next_key = page.next_key
        assert found == sorted(keys)
    bounded = state.range("cc", long_keys[8], long_keys[2], 100)
    assert [key for key, _ in bounded.rows] == sorted(long_keys)[1:7]
    assert [key for key, _ in state.range("cc", b"a", b"b").rows] == [b"a"]


def test_history_gives_writes_of_valid_transactions_newest_first(connection: Connection) -> None:
    channel = open_channel(connection, "anchors")
    first = validated(
        0,
        b"",
        [transaction("1", (KvWrite("k", b"one"),)), transaction("2", (KvWrite("k", b"bad"),))],
        flags=bytes([VALID, DUPLICATE_TXID]),
    )
    write_block(connection, channel, first)
    twice = (KvWrite("k", b"dropped"), KvWrite("k", b"", is_delete=True))
    write_block(connection, channel, validated(1, first.header_hash, [transaction("3", twice)]))
    history = key_history(connection, channel, "cc", "k")
    assert [(entry.tx_id, entry.value, entry.is_delete) for entry in history] == [
        ("3", b"", True),
        ("1", b"one", False),
    ]
    assert (history[0].seconds, history[0].nanos) == (5, 7)


def private_block(number: int, previous: bytes, value: bytes | None, *writes: PrivateWrite) -> ValidatedBlock:
    key = StateKey("cc", "col", hashlib.sha256(b"p").digest())
    hashed = None if value is None else hashlib.sha256(value).digest()
    block = validated(number, previous, [transaction(str(number))], {key: Update(hashed, b"", Version(number, 0))})
    return replace(block, private=PrivateUpdate(writes, {0: write_set(value or b"")} if writes else {}))


def write_set(value: bytes) -> bytes:
    """Return a private write set of one key in each of two collections."""
    items = [
        PrivateCollectionRwset("cc", name, (), (), serialize_private_kv_rwset([KvWrite("p", value, False)], []))
        for name in ("col", "other")
    ]
    return serialize_write_set(items)


def private_value(connection: Connection, channel: int) -> tuple[bytes, Version] | None:
    values, _ = WorldState(connection, channel).private_values([StateKey("cc", "col", b"p")])
    return (values[0].value, values[0].version) if values[0] is not None else None


def test_private_values_commit_with_their_block_or_not_at_all(connection: Connection) -> None:
    channel = open_channel(connection, "anchors")
    with pytest.raises(StoreError):
        write_block(connection, channel, private_block(0, b"", b"s", PrivateWrite("cc", "col", b"p", b"s", 2**40)))
    assert BlockStore(connection, channel).tip().height == 0
    write_block(connection, channel, private_block(0, b"", b"s", PrivateWrite("cc", "col", b"p", b"s", 0)))
    assert private_value(connection, channel) == (b"s", Version(0, 0))
    page = WorldState(connection, channel).private_range("cc", "col", b"", b"")
    assert [(key, value.value) for key, value in page.rows] == [(b"p", b"s")]


def test_private_value_follows_its_hash_when_renewed_and_deleted(connection: Connection) -> None:
    channel = open_channel(connection, "anchors")
    write_block(connection, channel, private_block(0, b"", b"s", PrivateWrite("cc", "col", b"p", b"s", 0)))
    write_block(connection, channel, private_block(1, b"", b"s", PrivateWrite("cc", "col", b"p", None, 0)))
    assert private_value(connection, channel) == (b"s", Version(1, 0))
    write_block(connection, channel, private_block(2, b"", None))
    assert private_value(connection, channel) is None


@pytest.mark.parametrize("written_again", [False, True])
def test_private_hash_expires_unless_written_again(connection: Connection, written_again: bool) -> None:
    channel = open_channel(connection, "anchors")
    key = StateKey("cc", "col", hashlib.sha256(b"p").digest())
    first = private_block(0, b"", b"s", PrivateWrite("cc", "col", b"p", b"s", 0))
    write_block(connection, channel, replace(first, expiries=[Expiry(key, 0, 2)]))
    if written_again:
        write_block(connection, channel, private_block(1, b"", b"t", PrivateWrite("cc", "col", b"p", b"t", 0)))
    else:
        write_block(connection, channel, validated(1, b"", [transaction("1")]))
    assert private_value(connection, channel) is not None
    write_block(connection, channel, validated(2, b"", [transaction("2")]))
    values, _ = WorldState(connection, channel).values([key])
    assert (values[0] is not None) == written_again
    assert (private_value(connection, channel) is not None) == written_again
    # The set that expired is erased, of that collection only; the one written since stays.
    held = [
        {
            item.collection
            for _, content in fetch(connection, "read_private_sets", (channel, block))
            for item in parse_private_rwset(bytes(content))
        }
        for block in (0, 1)
    ]
    assert held == [{"other"}, {"col", "other"} if written_again else set()]
