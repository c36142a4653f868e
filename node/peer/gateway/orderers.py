"""Sends signed transactions to the ordering service.

One stream to each orderer carries everybody's envelopes; an orderer answers in the order of arrival. A stream that
breaks fails those who wait on it and is opened anew by the next envelope; one on which an answer is overdue is broken,
or envelopes would gather on it for an orderer that takes none. Whether a transaction whose stream broke was
ordered is for its creator to find out from the commit status.

Source: Fabric internal/pkg/gateway/submit.go (broadcast), proto orderer/ab.proto.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from google.protobuf.message import DecodeError

from network import rpc, tracing
from network.errors import RpcError
from network.explanation import ErrorDetail
from network.rpc import StatusCode
from node.peer.gateway.status import go_text, rpc_error
from node.time_limits import TimeLimits

BROADCAST = "/orderer.AtomicBroadcast/Broadcast"

BROADCAST_TIMEOUT_S = 30.0
"""Time limit of one orderer's answer (core.yaml, peer.gateway.broadcastTimeout)."""

ALREADY_KNOWN = "failed to submit request: request already exists"
"""Info by which a Byzantine-tolerant orderer says that it has the transaction already."""


@dataclass(frozen=True, slots=True)
class OrdererEndpoint:
    """An orderer.

    Args:
        address: ``host:port``.
        msp_id: its organization.
    """

    address: str
    msp_id: str


class OrdererConnection:
    """One orderer and the stream to it."""

    def __init__(self, endpoint: OrdererEndpoint, tls: rpc.ClientTls | None) -> None:
        self.endpoint = endpoint
        self._channel = rpc.Channel(endpoint.address, tls)
        self._outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._waiting: deque[asyncio.Future[ab_pb2.BroadcastResponse]] = deque()
        self._stream: asyncio.Task[None] | None = None
        self._limits = TimeLimits()

    async def broadcast(self, envelope: bytes) -> ab_pb2.BroadcastResponse:
        """Send an envelope and return the orderer's answer.

        Raises:
            RpcError: no answer came.
        """
        if tracing.traceparent():
            return await self._broadcast_alone(envelope)
        if self._stream is None or self._stream.done() or self._stream.cancelling():
            self._outgoing = asyncio.Queue()
            self._waiting = deque()
            self._stream = asyncio.create_task(self._run(self._outgoing, self._waiting))
        answer: asyncio.Future[ab_pb2.BroadcastResponse] = asyncio.get_running_loop().create_future()
        stream = self._stream
        self._waiting.append(answer)
        self._outgoing.put_nowait(envelope)
        try:
            with self._limits.until(time.monotonic() + BROADCAST_TIMEOUT_S):
                return await answer
        except TimeoutError as error:
            stream.cancel()
            raise RpcError(StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded") from error

    async def _broadcast_alone(self, envelope: bytes) -> ab_pb2.BroadcastResponse:
        """Send an envelope that belongs to a trace in a call of its own: what all share belongs to none."""
        only: asyncio.Queue[bytes | None] = asyncio.Queue()
        only.put_nowait(envelope)
        only.put_nowait(None)
        with tracing.span(BROADCAST[1:], tracing.Kind.CLIENT):
            async with aclosing(self._channel.bidi(BROADCAST, _items(only), BROADCAST_TIMEOUT_S)) as replies:
                async for reply in replies:
                    return _answer(reply)
        raise RpcError(StatusCode.UNAVAILABLE, "EOF")

    async def close(self) -> None:
        """End the stream and drop the connection."""
        if self._stream is not None:
            self._stream.cancel()
            await asyncio.gather(self._stream, return_exceptions=True)
        await self._channel.close()

    async def _run(
        self, outgoing: asyncio.Queue[bytes | None], waiting: deque[asyncio.Future[ab_pb2.BroadcastResponse]]
    ) -> None:
        failure = RpcError(StatusCode.UNAVAILABLE, "EOF")
        try:
            async for reply in self._channel.bidi(BROADCAST, _items(outgoing), None):
                answer = waiting.popleft()
                if not answer.done():
                    answer.set_result(_answer(reply))
        except RpcError as error:
            failure = error
        except IndexError:
            failure = RpcError(StatusCode.INTERNAL, "the orderer answers what it was not asked")
        finally:
            # Whoever comes from here on opens another stream, if nobody did.
            if self._stream is asyncio.current_task():
                self._stream = None
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(failure)


class Orderers:
    """The ordering service of the channel.

    Args:
        endpoints: its orderers.
        tls: how this peer dials them.
    """

    def __init__(self, endpoints: Sequence[OrdererEndpoint], tls: rpc.ClientTls | None) -> None:
        self._connections = [OrdererConnection(endpoint, tls) for endpoint in endpoints]
        self._preferred = self._connections[0] if self._connections else None
        self._leaving: set[asyncio.Task[None]] = set()

    def use(self, endpoints: Sequence[OrdererEndpoint], tls: rpc.ClientTls | None) -> None:
        """Go over to other orderers; those that are left have the time of an answer for what they were sent."""
        leaving = asyncio.create_task(_close_later(self._connections))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        self._connections = [OrdererConnection(endpoint, tls) for endpoint in endpoints]

    async def close(self) -> None:
        """Drop all connections."""
        for leaving in self._leaving:
            leaving.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        await asyncio.gather(*(connection.close() for connection in self._connections))

    async def submit(self, envelope: bytes) -> None:
        """Have one orderer accept a transaction, trying each in turn.

        Raises:
            RpcError: ABORTED when an orderer refuses it, UNAVAILABLE when none could take it.
        """
        if not self._connections:
            raise RpcError(StatusCode.UNAVAILABLE, "no orderer nodes available")
        errors = []
        for connection in self._in_turn():
            try:
                response = await connection.broadcast(envelope)
            except RpcError as error:
                errors.append(_detail(connection, go_text(error)))
                continue
            if response.status == common_pb2.SUCCESS:
                self._preferred = connection
                return
            if 400 <= response.status < 500:
                raise RpcError(StatusCode.ABORTED, _refusal(response))
        raise rpc_error(StatusCode.UNAVAILABLE, "no orderers could successfully process transaction", errors)

    async def submit_to_quorum(self, envelope: bytes, cluster_size: int) -> None:
        """Have a quorum of a Byzantine-tolerant ordering service accept a transaction.

        Raises:
            RpcError: UNAVAILABLE when too few did.
        Source: Fabric internal/pkg/gateway/submit.go, submitBFT and computeBFTQuorum.
        """
        faulty = (cluster_size - 1) // 3
        quorum = (cluster_size + faulty + 2) // 2
        errors: list[ErrorDetail] = []
        accepted = 0
        for answer in asyncio.as_completed([self._one_of_many(item, envelope) for item in self._connections]):
            problem = await answer
            if problem is None:
                accepted += 1
                if accepted >= quorum:
                    return
            else:
                errors.append(problem)
        text = "insufficient number of orderers could successfully process transaction to satisfy quorum requirement"
        raise rpc_error(StatusCode.UNAVAILABLE, text, errors)

    async def _one_of_many(self, connection: OrdererConnection, envelope: bytes) -> ErrorDetail | None:
        try:
            response = await connection.broadcast(envelope)
        except RpcError as error:
            return _detail(connection, go_text(error))
        known = response.status == common_pb2.SERVICE_UNAVAILABLE and response.info == ALREADY_KNOWN
        return None if response.status == common_pb2.SUCCESS or known else _detail(connection, _refusal(response))

    def _in_turn(self) -> list[OrdererConnection]:
        """Return the orderers, beginning with the one that last took a transaction."""
        return sorted(self._connections, key=lambda connection: connection is not self._preferred)


def _answer(reply: bytes) -> ab_pb2.BroadcastResponse:
    try:
        return ab_pb2.BroadcastResponse.FromString(reply)
    except DecodeError as error:
        raise RpcError(StatusCode.INTERNAL, "the orderer's answer is no BroadcastResponse") from error


async def _close_later(connections: Sequence[OrdererConnection]) -> None:
    """Drop connections once nobody can wait on them any more, or at once when that is cancelled."""
    try:
        await asyncio.sleep(BROADCAST_TIMEOUT_S)
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))


async def _items(queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
    while (item := await queue.get()) is not None:
        yield item


def _refusal(response: ab_pb2.BroadcastResponse) -> str:
    name = status_name(response.status)
    return f"received unsuccessful response from orderer: status={name}, info={response.info}"


def status_name(status: int) -> str:
    """Return the name of an orderer's status, or its number where it has none: an orderer may answer anything."""
    try:
        return str(common_pb2.Status.Name(status))
    except ValueError:
        return str(status)


def _detail(connection: OrdererConnection, message: str) -> ErrorDetail:
    return ErrorDetail(connection.endpoint.address, connection.endpoint.msp_id, message)
