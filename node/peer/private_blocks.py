"""A committed block together with the private write sets that its reader is a member for.

Only members of a collection get its values here, even where the collection's definition lets others read (Fabric hands
those to any reader of the channel): whoever runs a peer for a bank should not have to think of that flag.

Source: Fabric core/peer/deliverevents.go, getPrivateData.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.peer import events_pb2

from network.block import parse_block
from network.identity import Identity
from node.block_reading import read_block, read_sized
from node.peer.channel import Channel
from node.peer.collection_members import is_member

_WriteSets = Mapping[int, rwset_pb2.TxPvtReadWriteSet]
"""By the number of their transaction in the block."""


class _Collection(NamedTuple):
    namespace: str
    name: str


async def block_with_private_data(channel: Channel, content: bytes, reader: Identity) -> bytes:
    """Return a serialized ``DeliverResponse`` for one block.

    Args:
        channel: channel.
        content: the block as stored, or its header alone.
        reader: who asks.
    """
    block = await read_block(parse_block, content)
    held = await channel.reader.private_write_sets(block.header.number)
    held_bytes = sum(len(write_set) for _, write_set in held)
    write_sets = await read_sized(
        lambda: {tx_number: rwset_pb2.TxPvtReadWriteSet.FromString(write_set) for tx_number, write_set in held},
        held_bytes,
    )
    collections = await read_sized(lambda: _collections(write_sets), held_bytes)
    # Each is asked for once: a block may write to it in every transaction.
    visible = {collection for collection in collections if await _is_member(channel, collection, reader)}
    return await read_sized(lambda: _response(block, write_sets, visible), len(content) + held_bytes)


def _collections(write_sets: _WriteSets) -> Set[_Collection]:
    return {
        _Collection(namespace.namespace, item.collection_name)
        for write_set in write_sets.values()
        for namespace in write_set.ns_pvt_rwset
        for item in namespace.collection_pvt_rwset
    }


async def _is_member(channel: Channel, collection: _Collection, reader: Identity) -> bool:
    definition = await channel.committed_definition(collection.namespace)
    return is_member(definition, collection.name, channel.config, reader)


def _response(block: common_pb2.Block, write_sets: _WriteSets, visible: Set[_Collection]) -> bytes:
    response = events_pb2.DeliverResponse()
    response.block_and_private_data.block.CopyFrom(block)
    for tx_number, write_set in write_sets.items():
        seen = _seen(write_set, visible)
        if seen.ns_pvt_rwset:
            response.block_and_private_data.private_data_map[tx_number].CopyFrom(seen)
    serialized: bytes = response.SerializeToString()
    return serialized


def _seen(write_set: rwset_pb2.TxPvtReadWriteSet, visible: Set[_Collection]) -> rwset_pb2.TxPvtReadWriteSet:
    """Return the collections of a write set that the reader is a member of."""
    seen = rwset_pb2.TxPvtReadWriteSet(data_model=write_set.data_model)
    for namespace in write_set.ns_pvt_rwset:
        name = namespace.namespace
        kept = [item for item in namespace.collection_pvt_rwset if _Collection(name, item.collection_name) in visible]
        if kept:
            seen.ns_pvt_rwset.add(namespace=name, collection_pvt_rwset=kept)
    return seen
