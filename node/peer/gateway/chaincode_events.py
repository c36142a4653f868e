"""``ChaincodeEvents``: the events of one chaincode, block by block, from any block on.

Only events of valid transactions, blocks in order, one reply for each block that has any.

Source: Fabric internal/pkg/gateway/{chaincodeevents.go,event/}.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import chaincode_event_pb2

from network.block import parse_block, transactions_filter
from network.envelope import VALID, parse_transaction
from network.errors import RpcError
from network.messages import read_message
from network.policy import SignedData
from network.rpc import Call, StatusCode
from node.block_reading import read_block
from node.peer.errors import ChannelStoppedError, MissingBlockError
from node.peer.gateway.calls import no_policies, parse_request
from node.peer.gateway.gateway import Gateway


async def chaincode_events(gateways: Mapping[str, Gateway], request: bytes, call: Call) -> AsyncIterator[bytes]:
    """Serve ``/gateway.Gateway/ChaincodeEvents``."""
    signed = parse_request(gateway_pb2.SignedChaincodeEventsRequest, request, streamed=True)
    if not signed.request:
        raise RpcError(StatusCode.INVALID_ARGUMENT, "a chaincode events request is required")
    message = parse_request(gateway_pb2.ChaincodeEventsRequest, signed.request, "chaincode events request")
    gateway = gateways.get(message.channel_id)
    if gateway is None:
        raise RpcError(StatusCode.PERMISSION_DENIED, no_policies(message.channel_id))
    gateway.check_access("gateway/ChaincodeEvents", SignedData(signed.request, message.identity, signed.signature))
    matches = _matcher(message.chaincode_id, message.after_transaction_id)
    about = tuple(text.encode() for text in (message.chaincode_id, message.after_transaction_id) if text)
    start = await _start_block(gateway, message)
    try:
        async for content in gateway.channel.follow(start):
            number, events = await read_block(partial(block_events, about=about), content)
            found = [event for event in events if matches(event)]
            if found:
                yield gateway_pb2.ChaincodeEventsResponse(events=found, block_number=number).SerializeToString()
    except ChannelStoppedError as error:
        raise RpcError(StatusCode.ABORTED, f"channel stopped: {error}") from error
    except MissingBlockError as error:
        raise RpcError(StatusCode.ABORTED, str(error)) from error


def block_events(content: bytes, about: Sequence[bytes] = ()) -> tuple[int, list[chaincode_event_pb2.ChaincodeEvent]]:
    """Return a committed block's number and the events of its valid transactions, in order; none without a name.

    Args:
        about: leave out transactions that hold none of these bytes. Names and ids stand in a transaction as they are,
            so one without a chaincode's name has no event of it, and looking costs less than a tenth of reading it.
    """
    block = parse_block(content)
    events = []
    for envelope, flag in zip(block.data.data, transactions_filter(block), strict=True):
        if flag != VALID or (about and not any(part in envelope for part in about)):
            continue
        event = read_message(chaincode_event_pb2.ChaincodeEvent, parse_transaction(envelope, with_rwset=False).event)
        if event.chaincode_id and event.event_name and event.tx_id:
            events.append(event)
    return block.header.number, events


def _matcher(chaincode: str, after: str) -> Callable[[chaincode_event_pb2.ChaincodeEvent], bool]:
    """Return a test that skips events up to those of the transaction ``after``, if one is given."""
    passed = not after

    def matches(event: chaincode_event_pb2.ChaincodeEvent) -> bool:
        nonlocal passed
        if passed:
            return bool(event.chaincode_id == chaincode)
        passed = event.tx_id == after
        return False

    return matches


async def _start_block(gateway: Gateway, message: Any) -> int:
    if message.after_transaction_id:
        known = await gateway.channel.transaction(message.after_transaction_id)
        if known is not None:
            return known.block_number
    kind = message.start_position.WhichOneof("Type")
    if kind in (None, "next_commit"):
        return gateway.channel.progress.height
    if kind == "specified":
        return int(message.start_position.specified.number)
    raise RpcError(StatusCode.INVALID_ARGUMENT, f"invalid start position type: *orderer.SeekPosition_{kind.title()}")
