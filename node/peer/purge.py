"""Erasing purged private values from the write sets that are kept beside the blocks."""

from __future__ import annotations

from collections.abc import Mapping

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from network.rwset import StateKey, Version, key_hash
from node.peer.database import Connection, fetch


def purge_write_sets(connection: Connection, channel_no: int, number: int, purges: Mapping[StateKey, Version]) -> None:
    """Erase purged keys from the write sets kept of all blocks up to ``number``, the values' last hiding place.

    A purge is rare and must be thorough, so every write set is looked at. A key written again after its purge, within
    the same block, keeps that later value.

    Source: Fabric core/ledger/pvtdatastorage (purge markers, and the purger that follows them).
    """
    for block, tx, content in fetch(connection, "all_private_sets", (channel_no, number)):
        kept = without_purged(bytes(content), Version(block, tx), purges)
        if kept != content:
            fetch(connection, "replace_private_set", (kept, channel_no, block, tx))


def without_purged(content: bytes, version: Version, purges: Mapping[StateKey, Version]) -> bytes:
    """Return a write set without the keys that a later transaction purges."""
    message = rwset_pb2.TxPvtReadWriteSet.FromString(content)
    for namespace in message.ns_pvt_rwset:
        for item in namespace.collection_pvt_rwset:
            kv = kv_rwset_pb2.KVRWSet.FromString(item.rwset)
            kept = [
                write
                for write in kv.writes
                if not _purged_later(
                    StateKey(namespace.namespace, item.collection_name, key_hash(write.key)), version, purges
                )
            ]
            if len(kept) < len(kv.writes):
                del kv.writes[:]
                kv.writes.extend(kept)
                item.rwset = kv.SerializeToString()
    serialized: bytes = message.SerializeToString()
    return serialized


def _purged_later(key: StateKey, version: Version, purges: Mapping[StateKey, Version]) -> bool:
    purged = purges.get(key)
    return purged is not None and version < purged
