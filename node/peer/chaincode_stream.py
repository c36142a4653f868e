"""The peer's side of the chaincode stream: chaincode in a process of its own, dialled in or as a service.

    created ── REGISTER received, REGISTERED sent, READY sent ──▶ ready

Rules, Fabric's:
- the chaincode speaks first and names its package; anything else breaks the protocol and ends the stream;
- many transactions share a stream, told apart by channel and transaction id; each has one request outstanding at most,
  a second one is dropped;
- every request gets RESPONSE or ERROR; the chaincode ends a transaction with COMPLETED or ERROR;
- a request of a transaction that is over is refused: it has no ledger context any more.

Source: Fabric core/chaincode/handler.go, chaincode_support.go, query_response_generator.go.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2, proposal_pb2, proposal_response_pb2
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage as Message
from fabric_protos.peer.chaincode_shim_pb2 import WriteRecord
from google.protobuf.message import DecodeError

from network.errors import WireError
from node.peer.chaincode_state import ChaincodeState, Response
from node.peer.contract_runner import Event, Invocation
from node.peer.errors import ChaincodeError, PeerError, ReturnedErrorError
from node.peer.history import KeyModification
from node.peer.range_scan import BATCH_ROWS, Scan

_log = structlog.get_logger(__name__)

WRITES_MAX = 1000
"""Writes the peer takes in one message, and keys it reads for one (Fabric's defaults)."""

TERMINATED = "error sending: chaincode stream terminated"
TIMED_OUT = "error sending: timeout expired while executing transaction"

TxKey = tuple[str, str]
"""Channel and transaction id."""


class StreamProtocolError(ChaincodeError):
    """The chaincode sent what has no place on the stream; it ends."""


@dataclass(slots=True)
class _Query:
    """An open query of a transaction: a range or documents, or a key's history read whole."""

    scan: Scan | None = None
    changes: list[KeyModification] = field(default_factory=list)


@dataclass(slots=True)
class _Transaction:
    """One invocation while the chaincode runs it."""

    namespace: str
    state: ChaincodeState
    done: asyncio.Future[Message]
    queries: dict[str, _Query] = field(default_factory=dict)
    busy: bool = False


class ChaincodeStream:
    """One stream to one chaincode process.

    Args:
        register: told the package id the chaincode names; refuses by raising ChaincodeError.
    """

    def __init__(self, register: Callable[[str, ChaincodeStream], None]) -> None:
        self._register = register
        self._ready = False
        self._outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._transactions: dict[TxKey, _Transaction] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._query_ids = itertools.count(1)
        self.ended = False
        """Whether the stream is over."""

    async def outgoing(self) -> AsyncIterator[bytes]:
        """Yield what the peer sends, until the stream ends."""
        while (message := await self._outgoing.get()) is not None:
            yield message

    async def read(self, incoming: AsyncIterator[bytes]) -> None:
        """Take the chaincode's messages in until the stream ends; then whatever runs on it fails.

        Raises:
            StreamProtocolError: a message has no place here.
        """
        try:
            async for data in incoming:
                self._receive(data)
        finally:
            self.end()

    def end(self) -> None:
        """End the stream."""
        self.ended = True
        self._outgoing.put_nowait(None)
        for transaction in self._transactions.values():
            if not transaction.done.done():
                transaction.done.set_exception(ChaincodeError(TERMINATED))
        for task in self._tasks:
            task.cancel()

    async def execute(
        self, invocation: Invocation, state: ChaincodeState, timeout_s: float
    ) -> tuple[Response, Event | None]:
        """Run one invocation on this stream.

        Raises:
            ChaincodeError: the chaincode answered ERROR or not in time, or the stream ended.
        """
        key = (invocation.channel_id, invocation.tx_id)
        if self.ended:
            raise ChaincodeError(TERMINATED)
        if key in self._transactions:
            raise ChaincodeError(f"error sending: txid: {invocation.tx_id}({invocation.channel_id}) exists")
        transaction = _Transaction(invocation.chaincode, state, asyncio.get_running_loop().create_future())
        self._transactions[key] = transaction
        self._send(_start_message(invocation))
        try:
            async with asyncio.timeout(timeout_s):
                message = await transaction.done
        except TimeoutError as error:
            raise ChaincodeError(TIMED_OUT) from error
        finally:
            del self._transactions[key]
        return _outcome(message)

    def _receive(self, data: bytes) -> None:
        try:
            message = Message.FromString(data)
        except DecodeError as error:
            raise StreamProtocolError("the chaincode sent bytes that are no ChaincodeMessage") from error
        if message.type == Message.KEEPALIVE:
            return
        if not self._ready:
            self._receive_register(message)
        elif message.type in (Message.COMPLETED, Message.ERROR):
            transaction = self._transactions.get((message.channel_id, message.txid))
            if transaction is not None and not transaction.done.done():
                transaction.done.set_result(message)
        elif message.type in _HANDLERS:
            self._receive_request(message)
        else:
            raise StreamProtocolError(f"the chaincode sent {_name(message.type)} on a ready stream")

    def _receive_register(self, message: Message) -> None:
        if message.type != Message.REGISTER:
            raise StreamProtocolError(f"the chaincode sent {_name(message.type)} before REGISTER")
        try:
            package_id = chaincode_pb2.ChaincodeID.FromString(message.payload).name
        except DecodeError as error:
            raise StreamProtocolError("REGISTER carries no ChaincodeID") from error
        self._register(package_id, self)
        self._send(Message(type=Message.REGISTERED))
        offered = chaincode_pb2.ChaincodeAdditionalParams(
            use_write_batch=True,
            max_size_write_batch=WRITES_MAX,
            use_get_multiple_keys=True,
            max_size_get_multiple_keys=WRITES_MAX,
        )
        self._send(Message(type=Message.READY, payload=offered.SerializeToString()))
        self._ready = True

    def _receive_request(self, message: Message) -> None:
        transaction = self._transactions.get((message.channel_id, message.txid))
        if transaction is None:
            self._refuse(message, "no ledger context")
        elif transaction.busy:
            _log.warning("second request of a transaction dropped", tx_id=message.txid, kind=_name(message.type))
        else:
            transaction.busy = True
            task = asyncio.create_task(self._answer(message, transaction))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Message, transaction: _Transaction) -> None:
        try:
            payload = await _HANDLERS[message.type](self, message.payload, transaction)
        except (PeerError, WireError, DecodeError) as error:
            transaction.busy = False
            self._refuse(message, str(error))
        else:
            transaction.busy = False
            reply = Message(type=Message.RESPONSE, payload=payload, txid=message.txid, channel_id=message.channel_id)
            self._send(reply)

    def _refuse(self, message: Message, reason: str) -> None:
        text = f"{_name(message.type)} failed: transaction ID: {message.txid}: {reason}"
        self._send(Message(type=Message.ERROR, payload=text.encode(), txid=message.txid, channel_id=message.channel_id))

    def _send(self, message: Message) -> None:
        self._outgoing.put_nowait(message.SerializeToString())

    # --- requests ---

    async def _get_state(self, payload: bytes, transaction: _Transaction) -> bytes:
        request = chaincode_shim_pb2.GetState.FromString(payload)
        return await transaction.state.get_state(request.collection, request.key)

    async def _get_states(self, payload: bytes, transaction: _Transaction) -> bytes:
        request = chaincode_shim_pb2.GetStateMultiple.FromString(payload)
        values = await transaction.state.get_states(request.collection, list(request.keys))
        result: bytes = chaincode_shim_pb2.GetStateMultipleResult(values=values).SerializeToString()
        return result

    async def _get_private_hash(self, payload: bytes, transaction: _Transaction) -> bytes:
        request = chaincode_shim_pb2.GetState.FromString(payload)
        return await transaction.state.get_private_data_hash(request.collection, request.key)

    async def _get_metadata(self, payload: bytes, transaction: _Transaction) -> bytes:
        request = chaincode_shim_pb2.GetStateMetadata.FromString(payload)
        metadata = await transaction.state.get_state_metadata(request.collection, request.key)
        result = chaincode_shim_pb2.StateMetadataResult()
        for name, value in metadata.items():
            result.entries.add(metakey=name, value=value)
        serialized: bytes = result.SerializeToString()
        return serialized

    async def _put_state(self, payload: bytes, transaction: _Transaction) -> bytes:
        request = chaincode_shim_pb2.PutState.FromString(payload)
        await transaction.state.put_state(request.collection, request.key, request.value)
        return b""

    async def _del_state(self, payload: bytes, transaction: _Transaction) -> bytes:
        request = chaincode_shim_pb2.DelState.FromString(payload)
        await transaction.state.del_state(request.collection, request.key)
        return b""

    async def _purge(self, payload: bytes, transaction: _Transaction) -> bytes:
        request = chaincode_shim_pb2.PurgePrivateState.FromString(payload)
        await transaction.state.purge_private_data(request.collection, request.key)
        return b""

    async def _put_metadata(self, payload: bytes, transaction: _Transaction) -> bytes:
        request = chaincode_shim_pb2.PutStateMetadata.FromString(payload)
        entry = request.metadata
        await transaction.state.put_state_metadata(request.collection, request.key, entry.metakey, entry.value)
        return b""

    async def _write_batch(self, payload: bytes, transaction: _Transaction) -> bytes:
        for record in chaincode_shim_pb2.WriteBatchState.FromString(payload).rec:
            await _write(record, transaction.state)
        return b""

    async def _range(self, payload: bytes, transaction: _Transaction) -> bytes:
        request = chaincode_shim_pb2.GetStateByRange.FromString(payload)
        page = chaincode_shim_pb2.QueryMetadata.FromString(request.metadata)
        scan = await transaction.state.range_query(
            request.collection, request.startKey, request.endKey, page.pageSize, page.bookmark
        )
        paged = bool(page.pageSize or page.bookmark) and not request.collection
        return await self._next_page(transaction, str(next(self._query_ids)), _Query(scan=scan), paged=paged)

    async def _history(self, payload: bytes, transaction: _Transaction) -> bytes:
        request = chaincode_shim_pb2.GetHistoryForKey.FromString(payload)
        changes = list(await transaction.state.history(request.key))
        return await self._next_page(transaction, str(next(self._query_ids)), _Query(changes=changes))

    async def _rich_query(self, payload: bytes, transaction: _Transaction) -> bytes:
        request = chaincode_shim_pb2.GetQueryResult.FromString(payload)
        page = chaincode_shim_pb2.QueryMetadata.FromString(request.metadata)
        scan = await transaction.state.query_result(request.collection, request.query, page.pageSize, page.bookmark)
        paged = bool(page.pageSize or page.bookmark) and not request.collection
        return await self._next_page(transaction, str(next(self._query_ids)), _Query(scan=scan), paged=paged)

    async def _query_next(self, payload: bytes, transaction: _Transaction) -> bytes:
        query_id = chaincode_shim_pb2.QueryStateNext.FromString(payload).id
        query = transaction.queries.pop(query_id, None)
        if query is None:
            raise ChaincodeError("query iterator not found")
        return await self._next_page(transaction, query_id, query)

    async def _query_close(self, payload: bytes, transaction: _Transaction) -> bytes:
        query_id = chaincode_shim_pb2.QueryStateClose.FromString(payload).id
        query = transaction.queries.pop(query_id, None)
        if query is not None and query.scan is not None:
            await query.scan.aclose()
        closed: bytes = chaincode_shim_pb2.QueryResponse(id=query_id).SerializeToString()
        return closed

    async def _invoke(self, payload: bytes, transaction: _Transaction) -> bytes:
        spec = chaincode_pb2.ChaincodeSpec.FromString(payload)
        name, _, channel = spec.chaincode_id.name.partition("/")
        called, args = name.partition(":")[0], list(spec.input.args)
        try:
            response = await transaction.state.invoke_chaincode(called, args, channel)
        except ReturnedErrorError as error:
            last = Message(type=Message.ERROR, payload=error.payload)
        else:
            answer = proposal_response_pb2.Response(
                status=response.status, message=response.message, payload=response.payload
            )
            last = Message(type=Message.COMPLETED, payload=answer.SerializeToString())
        serialized: bytes = last.SerializeToString()
        return serialized

    async def _next_page(
        self, transaction: _Transaction, query_id: str, query: _Query, *, paged: bool = False
    ) -> bytes:
        """Return the next results of a query; it stays open while more are to come."""
        response = chaincode_shim_pb2.QueryResponse(id=query_id)
        if query.scan is not None:
            rows, response.has_more = await query.scan.next_batch()
            for key, value in rows:
                pair = kv_query_result_pb2.KV(namespace=transaction.namespace, key=key, value=value)
                response.results.add(resultBytes=pair.SerializeToString())
            if paged:
                response.metadata = chaincode_shim_pb2.QueryResponseMetadata(
                    fetched_records_count=query.scan.fetched_records_count, bookmark=query.scan.bookmark
                ).SerializeToString()
        else:
            changes, query.changes = query.changes[:BATCH_ROWS], query.changes[BATCH_ROWS:]
            response.has_more = bool(query.changes)
            for change in changes:
                response.results.add(resultBytes=_modification(change))
        if response.has_more:
            transaction.queries[query_id] = query
        serialized: bytes = response.SerializeToString()
        return serialized


_Handler = Callable[[ChaincodeStream, bytes, _Transaction], Awaitable[bytes]]

_HANDLERS: dict[int, _Handler] = {
    Message.GET_STATE: ChaincodeStream._get_state,
    Message.GET_STATE_MULTIPLE: ChaincodeStream._get_states,
    Message.GET_PRIVATE_DATA_HASH: ChaincodeStream._get_private_hash,
    Message.GET_STATE_METADATA: ChaincodeStream._get_metadata,
    Message.PUT_STATE: ChaincodeStream._put_state,
    Message.DEL_STATE: ChaincodeStream._del_state,
    Message.PURGE_PRIVATE_DATA: ChaincodeStream._purge,
    Message.PUT_STATE_METADATA: ChaincodeStream._put_metadata,
    Message.WRITE_BATCH_STATE: ChaincodeStream._write_batch,
    Message.GET_STATE_BY_RANGE: ChaincodeStream._range,
    Message.GET_HISTORY_FOR_KEY: ChaincodeStream._history,
    Message.GET_QUERY_RESULT: ChaincodeStream._rich_query,
    Message.QUERY_STATE_NEXT: ChaincodeStream._query_next,
    Message.QUERY_STATE_CLOSE: ChaincodeStream._query_close,
    Message.INVOKE_CHAINCODE: ChaincodeStream._invoke,
}


async def _write(record: Any, state: ChaincodeState) -> None:
    if record.type == WriteRecord.PUT_STATE:
        await state.put_state(record.collection, record.key, record.value)
    elif record.type == WriteRecord.DEL_STATE:
        await state.del_state(record.collection, record.key)
    elif record.type == WriteRecord.PURGE_PRIVATE_DATA:
        await state.purge_private_data(record.collection, record.key)
    elif record.type == WriteRecord.PUT_STATE_METADATA:
        entry = record.metadata
        await state.put_state_metadata(record.collection, record.key, entry.metakey, entry.value)
    else:
        raise ChaincodeError("unknown operation type")


def _start_message(invocation: Invocation) -> Message:
    return Message(
        type=Message.INIT if invocation.is_init else Message.TRANSACTION,
        payload=chaincode_pb2.ChaincodeInput(
            args=list(invocation.args), is_init=invocation.is_init
        ).SerializeToString(),
        txid=invocation.tx_id,
        channel_id=invocation.channel_id,
        proposal=proposal_pb2.SignedProposal.FromString(invocation.signed_proposal),
    )


def _outcome(message: Message) -> tuple[Response, Event | None]:
    if message.type == Message.ERROR:
        raise ReturnedErrorError(message.payload)
    try:
        response = proposal_response_pb2.Response.FromString(message.payload)
    except DecodeError as error:
        raise ChaincodeError("the chaincode's COMPLETED carries no Response") from error
    event = message.chaincode_event if message.HasField("chaincode_event") else None
    return response, None if event is None else (event.event_name, event.payload)


def _modification(change: KeyModification) -> bytes:
    message = kv_query_result_pb2.KeyModification(tx_id=change.tx_id, value=change.value, is_delete=change.is_delete)
    message.timestamp.seconds, message.timestamp.nanos = change.seconds, change.nanos
    serialized: bytes = message.SerializeToString()
    return serialized


def _name(message_type: int) -> str:
    known = Message.Type.DESCRIPTOR.values_by_number.get(message_type)
    return str(message_type) if known is None else str(known.name)
