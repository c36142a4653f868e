"""Fetches private values that this peer should have and lacks, in the background; no commit ever waits for it.

Rules:
- what is missing was written down with its block; it is asked for right after, soon again, as who has it may commit
  that block a moment later, and then ever more seldom until it came or its time is over;
- a value becomes readable only if it still is the one that the public hash stands for;
- members that committed a purge have only the rest of a set, which no longer has its hash: each key of the rest is held
  against the block by itself, and all that was not purged here must be there; where a channel began from a snapshot
  each key is held so against what stands of it in the state;
- what is written is written between two blocks, with the committing connection: nothing can change meanwhile.

Source: Fabric gossip/privdata/reconcile.go, core/ledger/pvtdatastorage (hand-over of old values).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from functools import partial

import psycopg
import structlog
from fabric_protos.ledger.rwset import rwset_pb2
from google.protobuf.message import DecodeError

from network.block import parse_block
from network.envelope import parse_transaction
from network.errors import WireError
from network.rwset import (
    HashedCollection,
    HashedWrite,
    KvWrite,
    PrivateCollectionRwset,
    StateKey,
    Version,
    key_hash,
    parse_private_rwset,
    private_rwset_hash,
)
from node.peer.block_store import BlockStore
from node.peer.block_writer import PrivateSetId
from node.peer.committer import Committer
from node.peer.database import Connection, fetch, index_key, index_text, long_key
from node.peer.errors import ChannelStoppedError, PeerError, StoreError
from node.peer.private_data import serialize_write_set, writes_of
from node.peer.private_exchange import PrivateExchange
from node.peer.purge import is_purged, known_purges, with_keys, without_purged
from node.peer.reader import ChannelReader

_log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 0.25
"""Pause before what nobody had is asked for again; each further one is twice as long."""

LONGEST_PAUSE_S = 60.0
"""Longest such pause (core.yaml, reconcileSleepInterval)."""

BATCH = 100
"""Sets asked for in one round."""


class Reconciler:
    """One channel's reconciler.

    Args:
        channel_no: number of the channel in its tables.
        reader: reads what is missing.
        exchange: asks other peers.
        committer: writes between blocks.
    """

    def __init__(self, channel_no: int, reader: ChannelReader, exchange: PrivateExchange, committer: Committer) -> None:
        self._channel_no = channel_no
        self._reader = reader
        self._exchange = exchange
        self._committer = committer
        self._awake = asyncio.Event()
        self._awake.set()
        self._pause_s = FIRST_PAUSE_S
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Look now: a block was committed of which something is missing."""
        self._awake.set()

    async def _run(self) -> None:
        while True:
            try:
                more = await self._round()
            except ChannelStoppedError:
                return
            except PeerError as error:
                _log.warning("private data not reconciled", reason=str(error))
                more = False
            if not more:
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._pause_s):
                await self._awake.wait()
        except TimeoutError:
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            return
        self._awake.clear()
        self._pause_s = FIRST_PAUSE_S

    async def _round(self) -> bool:
        """Ask for what is missing once; say whether there was more, and some of it came."""
        missing = await self._reader.run_on_blocks(partial(_read_missing, self._channel_no))
        if not missing:
            return False
        found = await self._exchange.pull(missing)
        stored = await self._committer.between_blocks(partial(_store, self._channel_no, missing, found))
        if stored:
            _log.info("private data reconciled", sets=stored, still_missing=len(missing) - stored)
        return bool(stored) and len(missing) == BATCH


def _read_missing(channel_no: int, connection: Connection) -> dict[PrivateSetId, bytes | None]:
    rows = fetch(connection, "read_missing_private", (channel_no, BATCH))
    return {PrivateSetId(*row): None if found is None else bytes(found) for *row, found in rows}


def _store(
    channel_no: int,
    missing: Mapping[PrivateSetId, bytes | None],
    found: Mapping[PrivateSetId, Sequence[bytes]],
    connection: Connection,
) -> int:
    """Write what came, all of it or nothing, and note what was asked for in vain; return how many sets came."""
    try:
        with connection.transaction():
            vain = [
                item
                for item, rwset_hash in missing.items()
                if not _store_one(channel_no, item, found.get(item, ()), rwset_hash, connection)
            ]
            parameters = {
                "channel": channel_no,
                "blocks": [item.block for item in vain],
                "txs": [item.tx_number for item in vain],
            }
            fetch(connection, "count_missing_try", parameters)
    except psycopg.Error as error:
        raise StoreError(f"private data could not be written: {error}") from error
    return len(missing) - len(vain)


def _store_one(
    channel_no: int, item: PrivateSetId, given: Sequence[bytes], rwset_hash: bytes | None, connection: Connection
) -> bool:
    purges = known_purges(connection, channel_no, item.namespace, item.collection)
    kept = (_kept(channel_no, item, rwset, rwset_hash, purges, connection) for rwset in given)
    collection = next((one for one in kept if one is not None), None)
    if collection is None:
        return False
    place = (channel_no, item.block, item.tx_number)
    names = (index_text(item.namespace), index_text(item.collection))
    if not fetch(connection, "delete_missing_private", (*place, *names)):
        return True
    for write in writes_of(collection, item.tx_number).values():
        if write.value is not None:
            parameters = {
                "channel": channel_no,
                "namespace": names[0],
                "collection": names[1],
                "full_key": write.key,
                "key": index_key(write.key),
                "long_key": long_key(write.key),
                "value": write.value,
            }
            fetch(connection, "store_pulled_value", parameters)
    held = fetch(connection, "read_private_set", place)
    others = parse_private_rwset(bytes(held[0][0])) if held else ()
    fetch(connection, "upsert_private_set", (*place, serialize_write_set([*others, collection])))
    return True


def _kept(
    channel_no: int,
    item: PrivateSetId,
    rwset: bytes,
    rwset_hash: bytes | None,
    purges: Mapping[StateKey, Version],
    connection: Connection,
) -> PrivateCollectionRwset | None:
    """Return what is to be kept of a set that was handed over; None where it is not what its transaction wrote."""
    is_endorsed = private_rwset_hash(rwset) == rwset_hash
    try:
        given = without_purged(_single(item, rwset), Version(item.block, item.tx_number), purges)
        (collection,) = parse_private_rwset(given)
        if is_endorsed:
            return collection
        hashes = _hashes_in_state if rwset_hash is None else _hashes_in_block
        hashed = hashes(channel_no, item, connection)
        writes, metadata = _not_purged(item, hashed, purges)
        (rest,) = parse_private_rwset(with_keys(given, lambda key: key.key in writes or key.key in metadata))
    except (WireError, DecodeError) as error:
        _log.warning("private data that was handed over cannot be read", block=item.block, reason=str(error))
        # Where it is what was endorsed, nobody has another one.
        return PrivateCollectionRwset(item.namespace, item.collection, (), (), b"") if is_endorsed else None
    found = {key_hash(write.key): write for write in rest.writes}
    is_whole = metadata <= {key_hash(key) for key in rest.metadata_keys} and writes.keys() == found.keys()
    return rest if is_whole and all(_is_of(found[key], hashed) for key, hashed in writes.items()) else None


def _hashes_in_block(channel_no: int, item: PrivateSetId, connection: Connection) -> HashedCollection:
    block = parse_block(BlockStore(connection, channel_no).block(item.block) or b"")
    rwset = parse_transaction(block.data.data[item.tx_number]).rwset
    return next(
        collection
        for namespace in rwset.namespaces
        for collection in namespace.collections
        if (index_text(namespace.namespace), index_text(collection.name)) == (item.namespace, item.collection)
    )


def _hashes_in_state(channel_no: int, item: PrivateSetId, connection: Connection) -> HashedCollection:
    """Return what still stands of what a transaction wrote."""
    place = (channel_no, item.block, item.tx_number, index_text(item.namespace), index_text(item.collection))
    rows = fetch(connection, "read_origin_hashes", place)
    return HashedCollection(item.collection, writes=tuple(HashedWrite(bytes(key), bytes(value)) for key, value in rows))


def _not_purged(
    item: PrivateSetId, hashed: HashedCollection, purges: Mapping[StateKey, Version]
) -> tuple[dict[bytes, HashedWrite], set[bytes]]:
    """Return what the transaction did to the keys of a collection that were not purged, by their hashes."""
    version = Version(item.block, item.tx_number)

    def stands(key: bytes) -> bool:
        return not is_purged(StateKey(item.namespace, item.collection, key), version, purges)

    writes = {write.key_hash: write for write in hashed.writes if stands(write.key_hash)}
    return writes, {write.key_hash for write in hashed.metadata_writes if stands(write.key_hash)}


def _is_of(write: KvWrite, hashed: HashedWrite) -> bool:
    if write.deletes or hashed.deletes:
        return write.deletes == hashed.deletes
    return hashlib.sha256(write.value).digest() == hashed.value_hash


def _single(item: PrivateSetId, rwset: bytes) -> bytes:
    """Return a write set of one collection."""
    message = rwset_pb2.TxPvtReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
    namespace = message.ns_pvt_rwset.add(namespace=item.namespace)
    namespace.collection_pvt_rwset.add(collection_name=item.collection, rwset=rwset)
    return bytes(message.SerializeToString())
