"""Erasing private values from the write sets kept beside the blocks: those purged, and those whose time is over.

Source: Fabric core/ledger/pvtdatastorage (purge markers, expiry keeper, and the purger that follows them).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from network.rwset import StateKey, Version, key_hash
from node.peer.database import Connection, fetch, index_text


def purge_write_sets(connection: Connection, channel_no: int, number: int, purges: Mapping[StateKey, Version]) -> None:
    """Erase purged keys from the write sets kept of all blocks up to ``number``, the values' last hiding place.

    A purge is rare and must be thorough, so every write set is looked at, the purging transaction's own too, which
    names the key. A key written again after its purge, within the same block, keeps that later value.
    """
    for block, tx, content in fetch(connection, "all_private_sets", (channel_no, number)):
        kept = without_purged(bytes(content), Version(block, tx), purges)
        if kept != content:
            fetch(connection, "replace_private_set", (kept, channel_no, block, tx))


def remember_purges(connection: Connection, channel_no: int, number: int, purges: Mapping[StateKey, Version]) -> None:
    """Note what was purged, so that what another peer hands over later does not bring it back."""
    parameters = {
        "channel": channel_no,
        "block": number,
        "namespaces": [index_text(key.namespace) for key in purges],
        "collections": [index_text(key.collection) for key in purges],
        "hashes": [key.key for key in purges],
        "txs": [version.tx for version in purges.values()],
    }
    fetch(connection, "insert_private_purges", parameters)


def known_purges(connection: Connection, channel_no: int, namespace: str, collection: str) -> dict[StateKey, Version]:
    """Return what was purged of a collection, each key with its latest purge."""
    rows = fetch(connection, "read_private_purges", (channel_no, index_text(namespace), index_text(collection)))
    found: dict[StateKey, Version] = {}
    for key, block, tx in rows:
        state_key = StateKey(namespace, collection, bytes(key))
        found[state_key] = max(found.get(state_key, Version(block, tx)), Version(block, tx))
    return found


def expire_write_sets(connection: Connection, channel_no: int, expired: Sequence[tuple[str, str, int]]) -> None:
    """Erase collections whose time is over from the write sets of the blocks that wrote them.

    Args:
        expired: namespace and collection, in the form the tables have them, and block.
    """
    over: dict[int, set[tuple[str, str]]] = {}
    for namespace, collection, block in expired:
        over.setdefault(block, set()).add((namespace, collection))
    for block, collections in over.items():
        for tx, content in fetch(connection, "read_private_sets", (channel_no, block)):
            kept = _without_collections(bytes(content), collections)
            fetch(connection, "replace_private_set", (kept, channel_no, block, tx))


def _without_collections(content: bytes, collections: Container[tuple[str, str]]) -> bytes:
    message = rwset_pb2.TxPvtReadWriteSet.FromString(content)
    for namespace in list(message.ns_pvt_rwset):
        kept = [
            item
            for item in namespace.collection_pvt_rwset
            if (index_text(namespace.namespace), index_text(item.collection_name)) not in collections
        ]
        del namespace.collection_pvt_rwset[:]
        namespace.collection_pvt_rwset.extend(kept)
        if not kept:
            message.ns_pvt_rwset.remove(namespace)
    serialized: bytes = message.SerializeToString()
    return serialized


def without_purged(content: bytes, version: Version, purges: Mapping[StateKey, Version]) -> bytes:
    """Return a write set without the keys that its transaction or a later one purges: their names go too."""
    return with_keys(content, lambda key: not is_purged(key, version, purges))


def is_purged(key: StateKey, version: Version, purges: Mapping[StateKey, Version]) -> bool:
    """Say whether what a transaction did to a key is purged, by itself or by a later one."""
    purged = purges.get(key)
    return purged is not None and version <= purged


def with_keys(content: bytes, wanted: Callable[[StateKey], bool]) -> bytes:
    """Return a write set with only those of its keys that are wanted; one that keeps all of them stays byte for byte.

    Args:
        wanted: asked for each key by its hash.
    """
    message = rwset_pb2.TxPvtReadWriteSet.FromString(content)
    for namespace in message.ns_pvt_rwset:
        for item in namespace.collection_pvt_rwset:
            kv = kv_rwset_pb2.KVRWSet.FromString(item.rwset)
            changed = False
            for writes in (kv.writes, kv.metadata_writes):
                kept = [
                    write
                    for write in writes
                    if wanted(StateKey(namespace.namespace, item.collection_name, key_hash(write.key)))
                ]
                if len(kept) < len(writes):
                    del writes[:]
                    writes.extend(kept)
                    changed = True
            if changed:
                item.rwset = kv.SerializeToString()
    serialized: bytes = message.SerializeToString()
    return serialized
