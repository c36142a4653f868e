"""A block without contents: ids, types, validation codes and the names of events.

Source: Fabric core/peer/deliverevents.go, toFilteredBlock and toFilteredActions.
"""

from __future__ import annotations

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_event_pb2, events_pb2
from google.protobuf.message import DecodeError

from network.block import parse_block, transactions_filter
from network.envelope import ParsedTransaction, parse_transaction
from network.messages import read_message


def filtered_response(content: bytes) -> bytes:
    """Return a serialized ``DeliverResponse`` with the filtered form of a committed block."""
    response: bytes = events_pb2.DeliverResponse(filtered_block=filtered_block(content)).SerializeToString()
    return response


def filtered_block(content: bytes) -> events_pb2.FilteredBlock:
    """Return the filtered form of a committed block."""
    block = parse_block(content)
    filtered = events_pb2.FilteredBlock(number=block.header.number)
    for envelope, flag in zip(block.data.data, transactions_filter(block), strict=True):
        # Its event is told whatever its read/write set is, which may be large and that of no valid transaction.
        parsed = parse_transaction(envelope, with_rwset=False)
        if parsed.type < 0:
            # Nothing could be read of it, so there is nothing to tell.
            continue
        filtered.channel_id = parsed.channel_id
        # The id as it stands in the header: a configuration transaction has none, whatever the index computes for it.
        header = read_message(common_pb2.Payload, parsed.payload).header
        tx_id = read_message(common_pb2.ChannelHeader, header.channel_header).tx_id
        transaction = filtered.filtered_transactions.add(txid=tx_id, type=parsed.type, tx_validation_code=flag)
        if parsed.type == common_pb2.ENDORSER_TRANSACTION:
            _add_event(transaction, parsed)
    return filtered


def _add_event(transaction: events_pb2.FilteredTransaction, parsed: ParsedTransaction) -> None:
    transaction.transaction_actions.SetInParent()
    try:
        event = read_message(chaincode_event_pb2.ChaincodeEvent, parsed.event)
    except DecodeError:
        return
    if event.chaincode_id:
        # The payload stays out: filtered blocks go to readers that may not see contents.
        transaction.transaction_actions.chaincode_actions.add().chaincode_event.CopyFrom(
            chaincode_event_pb2.ChaincodeEvent(
                tx_id=event.tx_id, chaincode_id=event.chaincode_id, event_name=event.event_name
            )
        )
