"""Events and blocks from a peer, from where a listener has come, and on at another peer when one breaks off.

Rules
- Blocks come in order, each once; of chaincode events those of VALID transactions.
- A stream that breaks goes on after the last item given. Who gives neither a start nor a checkpoint, and has received
  nothing yet, starts again with whatever is committed next.
- A peer that has not yet the block where another broke off is waited for.

Source: proto gateway/gateway.proto, peer/events.proto; fabric-gateway pkg/client/{chaincodeevents,blockevents}.go.
"""

from __future__ import annotations

import asyncio
import enum
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import events_pb2
from google.protobuf.message import DecodeError

from network import rpc
from network.checkpointer import Checkpoint
from network.client_stages import ChaincodeEvent
from network.envelope import NEWEST_BLOCK, NEXT_COMMIT, Signer, seek_payload
from network.errors import GatewayError, RpcError
from network.explanation import error_details_of
from network.gateways import Gateways
from network.proposal import NONCE_BYTES
from network.rpc import StatusCode

SERVICE = "/gateway.Gateway/"
DELIVER = "/protos.Deliver/"

BEHIND_S = 10.0
"""How long a peer is waited for that has not yet the block where another broke off."""

BEHIND_PAUSE_S = 0.2

StageError = TypeVar("StageError", bound=GatewayError)
Clock = Callable[[], datetime]


class EventKind(enum.Enum):
    """What a request for events is answered with."""

    CHAINCODE = SERVICE + "ChaincodeEvents"
    """``ChaincodeEvent``."""
    BLOCKS = DELIVER + "Deliver"
    """``common.Block``."""
    FILTERED_BLOCKS = DELIVER + "DeliverFiltered"
    """``protos.FilteredBlock``."""
    BLOCKS_WITH_PRIVATE_DATA = DELIVER + "DeliverWithPrivateData"
    """``protos.BlockAndPrivateData``."""


@dataclass(frozen=True, slots=True)
class EventRequest:
    """A request for events that an offline key may sign.

    Args:
        kind: what it asks for.
        message: what is signed.
    """

    kind: EventKind
    message: bytes


class EventClient:
    """A listener on one channel; ``GatewayClient`` is one.

    Args: see ``GatewayClient``.
    """

    def __init__(
        self,
        channel: rpc.Channel | Sequence[rpc.Channel],
        identity: Signer,
        channel_id: str,
        now: Clock = lambda: datetime.now(UTC),
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.channel_id = channel_id
        self._gateways = Gateways(channel if isinstance(channel, Sequence) else [channel])
        self._identity = identity
        self._now = now
        self._random_bytes = random_bytes

    async def chaincode_events(
        self,
        chaincode: str,
        *,
        start_block: int | None = None,
        after_tx_id: str = "",
        checkpoint: Checkpoint | None = None,
    ) -> AsyncGenerator[ChaincodeEvent, None]:
        """Yield the events of VALID transactions in block order, for ever.

        Args:
            chaincode: whose events.
            start_block: first block; ``None`` for the next one to be committed.
            after_tx_id: the last transaction already dealt with in ``start_block``.
            checkpoint: how far an earlier listener came; where it says nothing yet, ``start_block`` counts.
        Raises:
            GatewayError: the request was refused, or the stream broke and no peer goes on with it.
        """
        block, after = _start(checkpoint, start_block, after_tx_id)

        def opened(channel: rpc.Channel) -> AsyncGenerator[Any, None]:
            request = self.chaincode_events_request(chaincode, start_block=block, after_tx_id=after)
            return _stream(channel, request, self._identity.sign(request.message))

        async with aclosing(self._followed(opened)) as batches:
            async for batch in batches:
                for event in batch:
                    block, after = event.block_number, event.tx_id
                    yield event

    async def blocks(
        self, start: int | None = None, *, stop: int | None = None, checkpoint: Checkpoint | None = None
    ) -> AsyncGenerator[common_pb2.Block, None]:
        """Yield blocks with their transactions' validation codes, in order.

        Args:
            start: first block; ``None`` for the next one to be committed.
            stop: last block; ``None`` goes on for ever.
            checkpoint: how far an earlier listener came; where it says nothing yet, ``start`` counts.
        Raises:
            GatewayError: the request was refused, or the stream broke and no peer goes on with it.
        """
        async with aclosing(self._deliver(EventKind.BLOCKS, start, stop, checkpoint)) as items:
            async for _, block in items:
                yield block

    async def filtered_blocks(
        self, start: int | None = None, *, stop: int | None = None, checkpoint: Checkpoint | None = None
    ) -> AsyncGenerator[events_pb2.FilteredBlock, None]:
        """Yield blocks reduced to transaction ids, validation codes and event names; see ``blocks``."""
        async with aclosing(self._deliver(EventKind.FILTERED_BLOCKS, start, stop, checkpoint)) as items:
            async for _, block in items:
                yield block

    async def blocks_with_private_data(
        self, start: int | None = None, *, stop: int | None = None, checkpoint: Checkpoint | None = None
    ) -> AsyncGenerator[events_pb2.BlockAndPrivateData, None]:
        """Yield blocks with the private write sets that the peer holds and this identity may read; see ``blocks``."""
        async with aclosing(self._deliver(EventKind.BLOCKS_WITH_PRIVATE_DATA, start, stop, checkpoint)) as items:
            async for _, block in items:
                yield block

    # --- signed elsewhere --------------------------------------------------------------------------------------

    def chaincode_events_request(
        self,
        chaincode: str,
        *,
        start_block: int | None = None,
        after_tx_id: str = "",
        checkpoint: Checkpoint | None = None,
    ) -> EventRequest:
        """Return what an offline key must sign to listen to chaincode events; see ``chaincode_events``."""
        block, after = _start(checkpoint, start_block, after_tx_id)
        request = gateway_pb2.ChaincodeEventsRequest(
            channel_id=self.channel_id,
            chaincode_id=chaincode,
            identity=self._identity.creator,
            after_transaction_id=after,
        )
        if block is None:
            request.start_position.next_commit.SetInParent()
        else:
            request.start_position.specified.number = block
            request.start_position.specified.SetInParent()
        return EventRequest(EventKind.CHAINCODE, request.SerializeToString())

    def blocks_request(
        self,
        kind: EventKind,
        start: int | None = None,
        *,
        stop: int | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> EventRequest:
        """Return what an offline key must sign to receive blocks; a peer takes it for a quarter of an hour."""
        first, _ = _start(checkpoint, start, "")
        payload = seek_payload(
            self.channel_id,
            self._identity.creator,
            nonce=self._random_bytes(NONCE_BYTES),
            timestamp=self._now(),
            start=NEXT_COMMIT if first is None else first,
            stop=NEWEST_BLOCK if stop is None else stop,
            tls_cert_hash=self._gateways.tls_certificate_hash,
        )
        return EventRequest(kind, payload)

    async def signed_events(self, request: EventRequest, signature: bytes) -> AsyncGenerator[Any, None]:
        """Yield what a request signed elsewhere is answered with; its ``kind`` tells what that is.

        A stream that breaks ends with an error: going on needs another request, and so another signature.

        Raises:
            GatewayError: the request was refused, or the stream broke.
        """
        try:
            async with aclosing(_stream(self._gateways.in_order()[0], request, signature)) as items:
                async for item in items:
                    if request.kind is EventKind.CHAINCODE:
                        for event in item:
                            yield event
                    else:
                        yield item[1]
        except RpcError as error:
            raise stage_error(GatewayError, error, "", request.kind.value) from error

    # --- inside ------------------------------------------------------------------------------------------------

    async def _deliver(
        self, kind: EventKind, start: int | None, stop: int | None, checkpoint: Checkpoint | None
    ) -> AsyncGenerator[tuple[int, Any], None]:
        following, _ = _start(checkpoint, start, "")
        begun = False

        async def opened(channel: rpc.Channel) -> AsyncGenerator[tuple[int, Any], None]:
            deadline = asyncio.get_running_loop().time() + BEHIND_S
            while True:
                request = self.blocks_request(kind, following, stop=stop)
                try:
                    async with aclosing(_stream(channel, request, self._identity.sign(request.message))) as items:
                        async for item in items:
                            yield item
                except RpcError as error:
                    if not begun or error.code != StatusCode.NOT_FOUND:
                        raise
                    if asyncio.get_running_loop().time() > deadline:
                        raise RpcError(StatusCode.UNAVAILABLE, f"the peer has no block {following} yet") from error
                    await asyncio.sleep(BEHIND_PAUSE_S)
                else:
                    return

        async with aclosing(self._followed(opened)) as items:
            async for number, item in items:
                following, begun = number + 1, True
                yield number, item
                if number == stop:
                    return

    async def _followed(self, opened: Callable[[rpc.Channel], AsyncGenerator[Any, None]]) -> AsyncGenerator[Any, None]:
        try:
            async with aclosing(self._gateways.follow(opened)) as items:
                async for item in items:
                    yield item
        except RpcError as error:
            raise stage_error(GatewayError, error, "", "events") from error


def stage_error(stage: type[StageError], error: RpcError, tx_id: str, what: str) -> StageError:
    """Return a failed call as the error of its stage."""
    details = error_details_of(error.details)
    said = "; ".join(str(detail) for detail in details)
    text = f"{what} failed: {error.message}" + (f" ({said})" if said else "")
    return stage(text, tx_id, error.code, details)


def _start(checkpoint: Checkpoint | None, start_block: int | None, after_tx_id: str) -> tuple[int | None, str]:
    if checkpoint is None or checkpoint.block_number is None:
        return start_block, after_tx_id
    return checkpoint.block_number, checkpoint.transaction_id


async def _stream(channel: rpc.Channel, request: EventRequest, signature: bytes) -> AsyncGenerator[Any, None]:
    """Yield lists of events, or numbers with their blocks."""
    if request.kind is EventKind.CHAINCODE:
        signed = gateway_pb2.SignedChaincodeEventsRequest(request=request.message, signature=signature)
        stream = channel.server_stream(request.kind.value, signed.SerializeToString(), None)
        async with aclosing(stream) as replies:
            async for reply in replies:
                yield _events(reply)
        return
    envelope = common_pb2.Envelope(payload=request.message, signature=signature)
    async with aclosing(channel.bidi(request.kind.value, _once(envelope.SerializeToString()), None)) as replies:
        async for reply in replies:
            response = _parse(events_pb2.DeliverResponse, reply)
            if response.WhichOneof("Type") != "status":
                yield _numbered(response)
            elif response.status == common_pb2.SUCCESS:
                return
            else:
                raise _refused(request.kind, response.status)


def _numbered(response: Any) -> tuple[int, Any]:
    kind = response.WhichOneof("Type")
    if kind == "block":
        return response.block.header.number, response.block
    if kind == "filtered_block":
        return response.filtered_block.number, response.filtered_block
    if kind == "block_and_private_data":
        return response.block_and_private_data.block.header.number, response.block_and_private_data
    raise RpcError(StatusCode.INTERNAL, f"the peer delivered a {kind}, which is no block")


def _refused(kind: EventKind, status: int) -> RpcError:
    code = {
        common_pb2.BAD_REQUEST: StatusCode.INVALID_ARGUMENT,
        common_pb2.FORBIDDEN: StatusCode.PERMISSION_DENIED,
        common_pb2.NOT_FOUND: StatusCode.NOT_FOUND,
        common_pb2.SERVICE_UNAVAILABLE: StatusCode.UNAVAILABLE,
    }.get(status, StatusCode.UNKNOWN)
    try:
        name = common_pb2.Status.Name(status)
    except ValueError:
        name = "an unknown status"
    return RpcError(code, f"{kind.value}: the peer answered {name} ({status})")


def _events(reply: bytes) -> list[ChaincodeEvent]:
    batch = _parse(gateway_pb2.ChaincodeEventsResponse, reply)
    return [
        ChaincodeEvent(batch.block_number, event.tx_id, event.chaincode_id, event.event_name, event.payload)
        for event in batch.events
    ]


def _parse(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise RpcError(StatusCode.INTERNAL, f"the peer's reply is not a {kind.DESCRIPTOR.name}") from error


async def _once(request: bytes) -> AsyncIterator[bytes]:
    yield request
