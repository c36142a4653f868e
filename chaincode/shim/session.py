"""A running chaincode stream: reads the peer's messages, runs transactions as tasks, writes through one queue.

- Only :meth:`Session.outgoing` writes, so no two writes ever meet on the transport.
- Whatever happens in a contract, its transaction ends with COMPLETED or ERROR: meanwhile the peer holds a lock.
- When the stream ends, every waiting request fails and every running transaction is cancelled.

The protocol itself is :mod:`chaincode.shim.handler`; who connected to whom does not matter here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog
from fabric_protos.peer import chaincode_event_pb2, proposal_response_pb2
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage as Message
from google.protobuf.message import DecodeError

from chaincode.contract import Contract
from chaincode.errors import StateError, StreamError
from chaincode.in_process import execute
from chaincode.shim.handler import Ignore, Invocation, Resolve, Send, Start, State, StreamHandler, TxKey
from chaincode.shim.stream_state import StreamState

logger = structlog.get_logger(__name__)

REQUEST_TIMEOUT_S = 60.0
"""How long a request may stay unanswered; twice a peer's usual time limit for a whole transaction."""


class Session:
    """One stream between a contract and a peer.

    Args:
        contract: what to run; may serve other sessions at the same time.
        package_id: ``label:hash`` under which the peer knows the chaincode.
        request_timeout_s: see :data:`REQUEST_TIMEOUT_S`.
    """

    def __init__(self, contract: Contract, package_id: str, *, request_timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._contract = contract
        self._handler = StreamHandler(package_id)
        self._timeout_s = request_timeout_s
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._waiting: dict[TxKey, asyncio.Future[Message]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: StreamError | None = None
        self._put(self._handler.register())

    @property
    def state(self) -> State:
        """Where the stream stands."""
        return self._handler.state

    @property
    def transactions(self) -> int:
        """Transactions running now."""
        return len(self._tasks)

    async def outgoing(self) -> AsyncIterator[bytes]:
        """Yield the messages for the peer, REGISTER first, until the stream ends.

        Raises:
            StreamError: when the peer broke the protocol.
        """
        while (message := await self._queue.get()) is not None:
            yield message
        if self._failure is not None:
            raise self._failure

    async def read(self, incoming: AsyncIterator[bytes]) -> None:
        """Take the peer's messages in until they end; then end the session.

        Raises:
            StreamError: when the peer broke the protocol.
            RpcError: when the transport failed.
        """
        try:
            async for data in incoming:
                self._receive(data)
        except StreamError as error:
            self._failure = error
            raise
        except Exception as error:
            # Whoever awaits `outgoing` must not take a defect of ours for the peer's goodbye.
            logger.error("stream_failed", error=type(error).__name__)
            self._failure = StreamError("the stream to the peer failed; see the log")
            raise
        finally:
            await self.close()

    async def close(self) -> None:
        """Cancel what runs, fail what waits, end :meth:`outgoing`; a second call does nothing more."""
        tasks = list(self._tasks)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(StateError("the stream to the peer has ended"))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._queue.put_nowait(None)

    def _put(self, message: Message) -> None:
        self._queue.put_nowait(message.SerializeToString())

    def _receive(self, data: bytes) -> None:
        try:
            message = Message.FromString(data)
        except DecodeError:
            raise StreamError("the peer sent bytes that are not a ChaincodeMessage") from None
        match self._handler.receive(message):
            case Send(answer):
                self._put(answer)
            case Start(invocation):
                task = asyncio.create_task(self._run(invocation))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case Resolve(key, reply):
                future = self._waiting.get(key)
                if future is not None and not future.done():
                    future.set_result(reply)
            case Ignore(reason):
                logger.debug("chaincode_message_ignored", reason=reason, tx_id=message.txid)

    async def _run(self, invocation: Invocation) -> None:
        key = invocation.key
        try:
            self._put(await self._execute(invocation))
        except asyncio.CancelledError:
            self._put(self._handler.fail(key, "the chaincode is stopping"))
            raise
        except Exception as error:  # noqa: BLE001 - the peer must hear of the end, whatever it was
            logger.error("transaction_failed", tx_id=key[1], error=type(error).__name__)
            self._put(self._handler.fail(key, "the chaincode's runtime failed; see its log"))

    async def _execute(self, invocation: Invocation) -> Message:
        key = invocation.key

        async def ask(message_type: int, payload: bytes) -> bytes:
            return await self._ask(key, message_type, payload)

        response, event = await execute(
            self._contract,
            channel_id=key[0],
            tx_id=key[1],
            args=invocation.args,
            signed_proposal=invocation.signed_proposal,
            state=StreamState(ask, self._handler.features),
            decorations=invocation.decorations,
            is_init=invocation.is_init,
        )
        if invocation.is_init and response.status >= 400:
            return self._handler.fail(key, response.message)
        message = proposal_response_pb2.Response(
            status=response.status, message=response.message, payload=response.payload
        )
        attached = chaincode_event_pb2.ChaincodeEvent(event_name=event[0], payload=event[1]) if event else None
        return self._handler.complete(key, message, attached)

    async def _ask(self, key: TxKey, message_type: int, payload: bytes) -> bytes:
        """Send a request and return the reply's payload.

        Raises:
            StateError: when the peer answers ERROR, or not in time.
        """
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        try:
            message = self._handler.request(key, message_type, payload)
        except StreamError as error:
            raise StateError(str(error)) from None
        self._waiting[key] = future
        self._put(message)
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await future
        except TimeoutError:
            raise StateError(f"the peer did not answer within {self._timeout_s:g} s") from None
        finally:
            del self._waiting[key]
        if reply.type == Message.ERROR:
            raise StateError(reply.payload.decode(errors="replace"))
        answer: bytes = reply.payload
        return answer
