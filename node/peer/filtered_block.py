"""A block without contents: ids, types, validation codes and the names of events.

Source: Fabric core/peer/deliverevents.go, toFilteredBlock and toFilteredActions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_event_pb2, events_pb2
from google.protobuf.message import DecodeError

from network.block import parse_block, transactions_filter
from network.envelope import VALID, ParsedTransaction, parse_transaction
from network.messages import read_message


def filtered_response(content: bytes) -> bytes:
    """Return a serialized ``DeliverResponse`` with the filtered form of a committed block."""
    return _response(filtered_block(content))


def filtered_response_of(number: int, transactions: Sequence[ParsedTransaction], flags: bytes) -> bytes:
    """Return what :func:`filtered_response` does for a block that has just been committed.

    Args:
        transactions: its transactions as the committer took them apart.
        flags: their validation codes.
    """
    return _response(
        # Of a transaction that is not valid the committer may not have read its event.
        _filtered(
            number,
            (
                (parsed if parsed.flag == VALID else parse_transaction(parsed.envelope, with_rwset=False), flag)
                for parsed, flag in zip(transactions, flags, strict=True)
            ),
        )
    )


def filtered_block(content: bytes) -> events_pb2.FilteredBlock:
    """Return the filtered form of a committed block."""
    block = parse_block(content)
    # The event is told whatever the read/write set is, which may be large and that of no valid transaction.
    transactions = (parse_transaction(envelope, with_rwset=False) for envelope in block.data.data)
    return _filtered(block.header.number, zip(transactions, transactions_filter(block), strict=True))


def _response(block: events_pb2.FilteredBlock) -> bytes:
    response: bytes = events_pb2.DeliverResponse(filtered_block=block).SerializeToString()
    return response


def _filtered(number: int, transactions: Iterable[tuple[ParsedTransaction, int]]) -> events_pb2.FilteredBlock:
    filtered = events_pb2.FilteredBlock(number=number)
    for parsed, flag in transactions:
        if parsed.type < 0:
            # Nothing could be read of it, so there is nothing to tell.
            continue
        filtered.channel_id = parsed.channel_id
        tx_id = parsed.tx_id if parsed.type == common_pb2.ENDORSER_TRANSACTION and parsed.flag == VALID else _id(parsed)
        transaction = filtered.filtered_transactions.add(txid=tx_id, type=parsed.type, tx_validation_code=flag)
        if parsed.type == common_pb2.ENDORSER_TRANSACTION:
            _add_event(transaction, parsed)
    return filtered


def _id(parsed: ParsedTransaction) -> str:
    """Return the id as it stands in the header: a configuration transaction has none, whatever the index computes."""
    header = read_message(common_pb2.Payload, parsed.payload).header
    return str(read_message(common_pb2.ChannelHeader, header.channel_header).tx_id)


def _add_event(transaction: events_pb2.FilteredTransaction, parsed: ParsedTransaction) -> None:
    transaction.transaction_actions.SetInParent()
    if not parsed.event:
        return
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
