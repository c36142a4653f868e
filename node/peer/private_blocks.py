"""A committed block together with the private write sets that its reader is a member for.

Only members of a collection get its values here, even where the collection's definition lets others read (Fabric hands
those to any reader of the channel): whoever runs a peer for a bank should not have to think of that flag.

Source: Fabric core/peer/deliverevents.go, getPrivateData.
"""

from __future__ import annotations

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.peer import events_pb2

from network.block import parse_block
from network.identity import Identity
from node.peer.channel import Channel
from node.peer.collection_members import is_member


async def block_with_private_data(channel: Channel, content: bytes, reader: Identity) -> bytes:
    """Return a serialized ``DeliverResponse`` for one block.

    Args:
        channel: channel.
        content: the block as stored, or its header alone.
        reader: who asks.
    """
    block = parse_block(content)
    response = events_pb2.DeliverResponse()
    response.block_and_private_data.block.CopyFrom(block)
    for tx_number, write_set in await channel.reader.private_write_sets(block.header.number):
        visible = await _visible(channel, rwset_pb2.TxPvtReadWriteSet.FromString(write_set), reader)
        if visible.ns_pvt_rwset:
            response.block_and_private_data.private_data_map[tx_number].CopyFrom(visible)
    serialized: bytes = response.SerializeToString()
    return serialized


async def _visible(
    channel: Channel, write_set: rwset_pb2.TxPvtReadWriteSet, reader: Identity
) -> rwset_pb2.TxPvtReadWriteSet:
    """Return the collections of a write set that the reader is a member of."""
    visible = rwset_pb2.TxPvtReadWriteSet(data_model=write_set.data_model)
    for namespace in write_set.ns_pvt_rwset:
        kept = [
            item
            for item in namespace.collection_pvt_rwset
            if await _is_member(channel, namespace.namespace, item.collection_name, reader)
        ]
        if kept:
            visible.ns_pvt_rwset.add(namespace=namespace.namespace, collection_pvt_rwset=kept)
    return visible


async def _is_member(channel: Channel, namespace: str, collection: str, reader: Identity) -> bool:
    return is_member(await channel.committed_definition(namespace), collection, channel.config, reader)
