"""Private write sets between endorsement and commit, and what of them this organization may keep.

Rules:
- an endorsed private set waits in the transient store under its transaction's id; at commit only a set whose hash
  stands in the public set counts, so nobody can slip in other values;
- values are kept only for collections whose members this organization belongs to.

What this organization should have of a block and lacks is named, so that it is asked for (``reconciler``); how sets
come to the other members' peers is ``private_exchange``'s.

Source: Fabric core/transientstore, gossip/privdata/coordinator.go, core/common/privdata/store.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.peer.lifecycle import db_pb2

from network.block import UpdateBatch
from network.channel_config import ChannelConfig
from network.envelope import VALID, ParsedTransaction
from network.errors import WireError
from network.identity import Identity
from network.rwset import PrivateCollectionRwset, StateKey, parse_private_rwset, private_rwset_hash
from node.peer.block_writer import PrivateSetId, PrivateUpdate, PrivateWrite
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.collection_members import is_member
from node.peer.database import Connection, fetch, index_text
from node.peer.definition import Definition
from node.peer.lifecycle_state import field_key
from node.peer.validator import Validation
from node.peer.world_state import WorldState


def store_transient(connection: Connection, channel_no: int, tx_id: str, private_set: bytes, height: int) -> None:
    """Keep a private write set until its transaction commits."""
    parameters = (channel_no, index_text(tx_id), private_set, private_set, height)
    fetch(connection, "insert_transient", parameters)


class PrivateData:
    """What this organization may keep of a block's private sets; belongs to the committing thread."""

    def __init__(self, connection: Connection, channel_no: int) -> None:
        self._connection = connection
        self._channel_no = channel_no

    def collect(self, block: int, validation: Validation, config: ChannelConfig, peer: Identity) -> PrivateUpdate:
        """Return the values of a validated block that this organization may keep, as far as it has them.

        Args:
            block: its number.
            validation: what it comes to.
            config: configuration in force.
            peer: this peer's identity, which the members' policies are asked about.
        """
        hashes = {
            number: found
            for number, (transaction, flag) in enumerate(zip(validation.transactions, validation.flags, strict=True))
            if flag == VALID and (found := _private_hashes(transaction))
        }
        if not hashes:
            return PrivateUpdate()
        ids = {index_text(validation.transactions[number].tx_id): number for number in hashes}
        writes: dict[tuple[str, str, str], PrivateWrite] = {}
        kept: dict[int, dict[tuple[str, str], PrivateCollectionRwset]] = {}
        for tx_id, content in sorted(self._stored(ids), key=lambda row: ids[row[0]]):
            number = ids[tx_id]
            for item in _parse(content):
                name = (item.namespace, item.collection)
                if not self._is_genuine(item, hashes[number].get(name)):
                    continue
                if self.may_keep(*name, config, peer):
                    kept.setdefault(number, {})[name] = item
                    writes.update(writes_of(item, number))
        sets = {number: serialize_write_set(items.values()) for number, items in kept.items()}
        missing = {
            PrivateSetId(block, number, *name): hashed
            for number, names in hashes.items()
            for name, hashed in names.items()
            if name not in kept.get(number, {}) and self.may_keep(*name, config, peer)
        }
        return PrivateUpdate([write for write in writes.values() if _stands(write, validation.updates)], sets, missing)

    def _is_genuine(self, item: PrivateCollectionRwset, expected: bytes | None) -> bool:
        return private_rwset_hash(item.rwset_bytes) == expected

    def _stored(self, ids: Mapping[str, int]) -> list[tuple[str, bytes]]:
        rows = fetch(self._connection, "read_transient", (self._channel_no, list(ids)))
        return [(tx_id, bytes(content)) for tx_id, content in rows]

    def may_keep(self, namespace: str, collection: str, config: ChannelConfig, peer: Identity) -> bool:
        """Say whether a peer's organization is a member of a collection, as it is defined now."""
        key = StateKey(LIFECYCLE, "", field_key(namespace, "Collections").encode())
        found = WorldState(self._connection, self._channel_no).values([key])[0][0]
        collections = db_pb2.StateData.FromString(found.value).Bytes if found is not None else b""
        return is_member(Definition(namespace, 0, "", collections=collections), collection, config, peer)


def _stands(write: PrivateWrite, updates: UpdateBatch) -> bool:
    """Say whether the write is the last one that the block's valid transactions made to its key."""
    update = updates.get(StateKey(write.namespace, write.collection, hashlib.sha256(write.key).digest()))
    return update is not None and update.value is not None and update.version.tx == write.tx_number


def _private_hashes(transaction: ParsedTransaction) -> dict[tuple[str, str], bytes]:
    return {
        (namespace.namespace, collection.name): collection.private_rwset_hash
        for namespace in transaction.rwset.namespaces
        for collection in namespace.collections
        if collection.private_rwset_hash
    }


def _parse(content: bytes) -> Sequence[PrivateCollectionRwset]:
    try:
        return parse_private_rwset(content)
    except WireError:
        # Another peer handed it over; what does not parse cannot have the hash that stands in the block either.
        return ()


def writes_of(item: PrivateCollectionRwset, number: int) -> dict[tuple[str, str, str], PrivateWrite]:
    """Return what a collection's part of a transaction writes, by namespace, collection and key."""
    written = {write.key: write.value for write in item.writes if not write.deletes}
    deleted = {write.key for write in item.writes if write.deletes}
    renewed = dict.fromkeys(key for key in item.metadata_keys if key not in deleted)
    return {
        (item.namespace, item.collection, key): PrivateWrite(
            item.namespace, item.collection, key.encode(), value, number
        )
        for key, value in (renewed | written).items()
    }


def serialize_write_set(items: Iterable[PrivateCollectionRwset]) -> bytes:
    """Return a ``TxPvtReadWriteSet`` of these collections, in the order of their names."""
    message = rwset_pb2.TxPvtReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
    ordered = sorted(items, key=lambda item: (item.namespace, item.collection))
    for item in ordered:
        if not message.ns_pvt_rwset or message.ns_pvt_rwset[-1].namespace != item.namespace:
            message.ns_pvt_rwset.add(namespace=item.namespace)
        message.ns_pvt_rwset[-1].collection_pvt_rwset.add(collection_name=item.collection, rwset=item.rwset_bytes)
    content: bytes = message.SerializeToString()
    return content
