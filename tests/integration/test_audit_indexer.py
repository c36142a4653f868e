"""Aim: the index costs nothing for blocks without records, and still loses and doubles none, whenever the node dies.

Method: blocks of an in-memory channel with real contracts, a real database, and a peer in memory that commits them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from network.block import header_hash, parse_block, recorded_commit_hash, transactions_filter
from network.envelope import parse_transaction
from node.anchor.database import Database, migrate
from node.audit.index import UNSTORED_BLOCKS_MAX, AuditIndex, Position, SearchFilter
from node.audit.indexer import Indexer, OwnPeerRecords
from node.audit.records import BlockRecords, read_records
from tests.support.consortium_in_memory import ConsortiumInMemory, make_material
from tests.support.proof_scenario import anchor_entry


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> ConsortiumInMemory:
    found = ConsortiumInMemory(make_material(tmp_path_factory.mktemp("crypto")))
    asyncio.run(anchor_entry(found))
    return found


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
    opened = Database(database_url)
    opened.open()
    yield opened
    opened.close()


class CommittingPeerInMemory:
    """Commits the blocks it is given, one by one, and tells its listeners."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.read: list[int] = []
        self._listeners: list[Callable[[Any], None]] = []
        self._grown = asyncio.Condition()

    def on_commit(self, listener: Callable[[Any], None]) -> None:
        self._listeners.append(listener)

    async def wait_for_height(self, height: int) -> None:
        async with self._grown:
            await self._grown.wait_for(lambda: len(self.blocks) >= height)

    async def block(self, number: int) -> bytes | None:
        self.read.append(number)
        return self.blocks[number]

    async def commit(self, content: bytes) -> None:
        self.blocks.append(content)
        block = parse_block(content)
        validation = SimpleNamespace(
            transactions=tuple(parse_transaction(envelope) for envelope in block.data.data),
            flags=transactions_filter(block),
        )
        hashes = {"header_hash": header_hash(block.header), "commit_hash": recorded_commit_hash(block)}
        for listener in self._listeners:
            listener(SimpleNamespace(number=block.header.number, validation=validation, **hashes))
        async with self._grown:
            self._grown.notify_all()


def empty(number: int) -> BlockRecords:
    return BlockRecords(number, b"%032d" % number, b"%032d" % -number, (), ())


def after(found: BlockRecords) -> Position:
    return Position(found.number + 1, found.block_hash, found.commit_hash)


async def test_records_taken_as_the_peer_commits_are_those_that_its_blocks_hold(
    consortium: ConsortiumInMemory,
) -> None:
    contents = [block.SerializeToString() for block in consortium.blocks]
    peer = CommittingPeerInMemory()
    for content in contents[:3]:
        await peer.commit(content)
    source = OwnPeerRecords(peer)
    following = asyncio.create_task(_all(source, len(contents) - 1))
    for content in contents[3:]:
        await asyncio.sleep(0)
        await peer.commit(content)
    assert await following == [read_records(block) for block in consortium.blocks]
    assert peer.read == [0, 1, 2], "only what was committed before is read again"


async def _all(source: OwnPeerRecords, stop: int) -> list[BlockRecords]:
    return [found async for found in source.records(0, stop=stop)]


async def test_indexer_on_its_own_peer_indexes_what_it_would_from_whole_blocks(
    consortium: ConsortiumInMemory, database: Database
) -> None:
    peer = CommittingPeerInMemory()
    indexer = Indexer(OwnPeerRecords(peer), AuditIndex(database, lambda: datetime.now(UTC)))
    for block in consortium.blocks:
        await peer.commit(block.SerializeToString())
    await indexer.follow(stop=len(consortium.blocks) - 1)
    expected = [record.key for block in consortium.blocks for record in read_records(block).records]
    stored = database.fetch("search_records", _everything(), "node.audit")
    assert sorted(row[3] for row in stored) == sorted(expected)


def test_block_without_records_moves_the_position_and_writes_nothing(
    consortium: ConsortiumInMemory, database: Database
) -> None:
    index = AuditIndex(database, lambda: datetime.now(UTC))
    assert not index.skip(empty(0)), "nothing is skipped before the position was read"
    index.position()
    assert index.skip(empty(0)) and index.skip(empty(1))
    assert index.position() == after(empty(1))
    assert AuditIndex(database, lambda: datetime.now(UTC)).position().next_block == 0, (
        "a restarted node reads them again"
    )
    whole = next(found for found in map(read_records, consortium.blocks) if found.records)
    assert not index.skip(whole)
    index.apply(whole)
    assert index.position() == AuditIndex(database, lambda: datetime.now(UTC)).position() == after(whole)


def test_position_is_stored_every_so_many_blocks(database: Database) -> None:
    index = AuditIndex(database, lambda: datetime.now(UTC))
    index.position()
    skipped = [number for number in range(2 * UNSTORED_BLOCKS_MAX) if _read(index, empty(number))]
    assert len(skipped) == 2 * UNSTORED_BLOCKS_MAX - 2
    assert AuditIndex(database, lambda: datetime.now(UTC)).position().next_block == 2 * UNSTORED_BLOCKS_MAX


def _read(index: AuditIndex, found: BlockRecords) -> bool:
    if index.skip(found):
        return True
    index.apply(found)
    return False


def _everything() -> dict[str, Any]:
    return {
        "block": 2**62, "tx": 2**30, "key": "", "kind": "", "organization": "", "transaction_id": "", "keys": [],
        "recorded_from": None, "recorded_to": None, "entry_seq": 0, "limit": 100,
    }  # fmt: skip


def test_first_writing_of_what_is_never_replaced_stands(consortium: ConsortiumInMemory, database: Database) -> None:
    """Members who together write against the contract's word put no other key, and no other root, into the index."""
    index = AuditIndex(database, lambda: datetime.now(UTC))
    found = [read_records(block) for block in consortium.blocks]
    for each in found:
        index.apply(each)
    records = [record for each in found for record in each.records]
    again = tuple(
        replace(record, block_number=99, body=record.body.replace('"organization"', '"changed":1,"organization"'))
        for record in records
    )
    flag = replace(records[0], kind="flag", key="flag~1")
    index.apply(BlockRecords(99, bytes(32), bytes(32), (*again, flag), ()))
    index.apply(BlockRecords(100, bytes(32), bytes(32), (replace(flag, block_number=100),), ()))
    for record in records:
        assert index.record(record.key) == record
    listed, _ = index.search(SearchFilter(), 100, "")
    assert {record.block_number for record in listed if record.kind != "flag"} == {r.block_number for r in records}
    moved = index.record("flag~1")
    assert moved is not None
    assert moved.block_number == 100
