"""The peer's side of the chaincode stream, as Fabric's core/chaincode/handler.go plays it, over a state in memory.

It is as strict as Fabric where a shim could go wrong: the chaincode speaks first, a second request of one transaction
is dropped and remembered in `dropped`, query results come in small pages, a finished transaction has no context left.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence

from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2, proposal_pb2, proposal_response_pb2
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage as Message
from google.protobuf.message import Message as ProtobufMessage

from tests.support.contract_state import CommittedState, ListQuery

CHANNEL = "anchors"
PAGE = 2


class StreamPeer:
    """One stream, seen from the peer.

    Args:
        state: world state the chaincode works on.
        features: payload of READY; None sends an empty one.
    """

    def __init__(self, state: CommittedState, features: chaincode_pb2.ChaincodeAdditionalParams | None = None) -> None:
        self.state = state
        self.states: dict[str, CommittedState] = {}
        self.features = features
        self.registered = ""
        self.dropped: list[str] = []
        self.seen: list[int] = []
        self.keepalives = 0
        self.silent_types: set[int] = set()
        self.delay_s = 0.0
        self.ready = asyncio.Event()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._running: dict[str, asyncio.Future[Message]] = {}
        self._active: set[str] = set()
        self._queries: dict[str, list[bytes]] = {}
        self._ids = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, message: ProtobufMessage) -> None:
        """Queue a message for the chaincode."""
        self._queue.put_nowait(message.SerializeToString())

    def hang_up(self) -> None:
        """End the stream from the peer's side."""
        self._queue.put_nowait(None)

    async def outgoing(self) -> AsyncIterator[bytes]:
        """Yield what the peer sends."""
        while (message := await self._queue.get()) is not None:
            yield message

    async def read(self, incoming: AsyncIterator[bytes]) -> None:
        """Take the chaincode's messages in."""
        try:
            async for data in incoming:
                self._receive(Message.FromString(data))
        finally:
            for future in self._running.values():
                if not future.done():
                    future.set_exception(ConnectionError("the stream has ended"))

    async def invoke(
        self,
        tx_id: str,
        args: Sequence[bytes],
        signed_proposal: bytes,
        *,
        state: CommittedState | None = None,
        message_type: int = Message.TRANSACTION,
    ) -> Message:
        """Run one transaction; return COMPLETED or ERROR."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._running[tx_id] = future
        if state is not None:
            self.states[tx_id] = state
        self.send(
            Message(
                type=message_type,
                txid=tx_id,
                channel_id=CHANNEL,
                payload=chaincode_pb2.ChaincodeInput(args=args).SerializeToString(),
                proposal=proposal_pb2.SignedProposal.FromString(signed_proposal),
            )
        )
        try:
            async with asyncio.timeout(20):
                return await future
        finally:
            del self._running[tx_id]

    def forget(self, tx_id: str) -> None:
        """Drop a transaction's context, as a peer does when its time is up."""
        self.states[tx_id] = CommittedState(fail_with=RuntimeError("no ledger context"))

    def _receive(self, message: Message) -> None:
        self.seen.append(message.type)
        if message.type == Message.KEEPALIVE:
            self.keepalives += 1
        elif message.type == Message.REGISTER:
            assert not self.registered
            self.registered = chaincode_pb2.ChaincodeID.FromString(message.payload).name
            self.send(Message(type=Message.REGISTERED))
            payload = self.features.SerializeToString() if self.features else b""
            self.send(Message(type=Message.READY, payload=payload))
            self.ready.set()
        elif message.type in (Message.COMPLETED, Message.ERROR):
            future = self._running.get(message.txid)
            if future is not None and not future.done():
                future.set_result(message)
        elif message.txid in self._active:
            self.dropped.append(message.txid)
        elif message.type not in self.silent_types:
            self._active.add(message.txid)
            task = asyncio.create_task(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Message) -> None:
        reply = Message(type=Message.RESPONSE, txid=message.txid, channel_id=message.channel_id)
        await asyncio.sleep(self.delay_s)
        try:
            state = self.states.get(message.txid, self.state)
            reply.payload = await self._handle(state, message)
        except Exception as error:  # noqa: BLE001 - a peer answers every failure with ERROR
            reply.type = Message.ERROR
            name = Message.Type.Name(message.type)
            reply.payload = f"{name} failed: transaction ID: {message.txid}: {error}".encode()
        self._active.discard(message.txid)
        self.send(reply)

    async def _handle(self, state: CommittedState, message: Message) -> bytes:
        method = getattr(self, "_" + Message.Type.Name(message.type).lower())
        result: bytes = await method(state, message.payload)
        return result

    async def _get_state(self, state: CommittedState, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetState.FromString(payload)
        return await state.get_state(request.collection, request.key)

    async def _get_state_multiple(self, state: CommittedState, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetStateMultiple.FromString(payload)
        assert self.features is not None
        assert len(request.keys) <= self.features.max_size_get_multiple_keys
        values = [await state.get_state(request.collection, key) for key in request.keys]
        return chaincode_shim_pb2.GetStateMultipleResult(values=values).SerializeToString()

    async def _put_state(self, state: CommittedState, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.PutState.FromString(payload)
        await state.put_state(request.collection, request.key, request.value)
        return b""

    async def _del_state(self, state: CommittedState, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.DelState.FromString(payload)
        await state.del_state(request.collection, request.key)
        return b""

    async def _purge_private_data(self, state: CommittedState, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.PurgePrivateState.FromString(payload)
        await state.purge_private_data(request.collection, request.key)
        return b""

    async def _write_batch_state(self, state: CommittedState, payload: bytes) -> bytes:
        records = chaincode_shim_pb2.WriteBatchState.FromString(payload).rec
        assert self.features is not None
        assert len(records) <= self.features.max_size_write_batch
        kinds = chaincode_shim_pb2.WriteRecord
        for record in records:
            if record.type == kinds.PUT_STATE:
                await state.put_state(record.collection, record.key, record.value)
            elif record.type == kinds.DEL_STATE:
                await state.del_state(record.collection, record.key)
            elif record.type == kinds.PURGE_PRIVATE_DATA:
                await state.purge_private_data(record.collection, record.key)
            else:
                metadata = record.metadata
                await state.put_state_metadata(record.collection, record.key, metadata.metakey, metadata.value)
        return b""

    async def _get_state_metadata(self, state: CommittedState, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetStateMetadata.FromString(payload)
        found = await state.get_state_metadata(request.collection, request.key)
        entries = [chaincode_shim_pb2.StateMetadata(metakey=name, value=value) for name, value in found.items()]
        return chaincode_shim_pb2.StateMetadataResult(entries=entries).SerializeToString()

    async def _put_state_metadata(self, state: CommittedState, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.PutStateMetadata.FromString(payload)
        await state.put_state_metadata(
            request.collection, request.key, request.metadata.metakey, request.metadata.value
        )
        return b""

    async def _get_private_data_hash(self, state: CommittedState, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetState.FromString(payload)
        return await state.get_private_data_hash(request.collection, request.key)

    async def _get_state_by_range(self, state: CommittedState, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetStateByRange.FromString(payload)
        page = chaincode_shim_pb2.QueryMetadata.FromString(request.metadata)
        query = await state.range_query(
            request.collection, request.startKey, request.endKey, page.pageSize, page.bookmark
        )
        return await self._open_query(query, page.pageSize)

    async def _get_query_result(self, state: CommittedState, payload: bytes) -> bytes:
        request = chaincode_shim_pb2.GetQueryResult.FromString(payload)
        found = [(key, value) for (where, key), value in state.values.items() if where == request.collection]
        return await self._open_query(ListQuery(sorted(found)), 0)

    async def _open_query(self, query: ListQuery, page_size: int) -> bytes:
        results = [
            kv_query_result_pb2.KV(namespace="cc", key=key, value=value).SerializeToString()
            async for key, value in query
        ]
        if page_size:
            metadata = chaincode_shim_pb2.QueryResponseMetadata(
                fetched_records_count=len(results), bookmark=query.bookmark
            ).SerializeToString()
            return self._page(results, len(results), metadata)
        return self._page(results, PAGE)

    def _page(self, results: list[bytes], size: int, metadata: bytes = b"") -> bytes:
        query_id = str(next(self._ids))
        rest = results[size:]
        if rest:
            self._queries[query_id] = rest
        return chaincode_shim_pb2.QueryResponse(
            results=[chaincode_shim_pb2.QueryResultBytes(resultBytes=item) for item in results[:size]],
            has_more=bool(rest),
            id=query_id,
            metadata=metadata,
        ).SerializeToString()

    async def _query_state_next(self, state: CommittedState, payload: bytes) -> bytes:
        query_id = chaincode_shim_pb2.QueryStateNext.FromString(payload).id
        return self._page(self._queries.pop(query_id), PAGE)

    async def _query_state_close(self, state: CommittedState, payload: bytes) -> bytes:
        query_id = chaincode_shim_pb2.QueryStateClose.FromString(payload).id
        self._queries.pop(query_id)
        return chaincode_shim_pb2.QueryResponse(id=query_id).SerializeToString()

    @property
    def open_queries(self) -> int:
        """Queries neither read to their end nor closed."""
        return len(self._queries)

    async def _get_history_for_key(self, state: CommittedState, payload: bytes) -> bytes:
        results = []
        for change in await state.history(chaincode_shim_pb2.GetHistoryForKey.FromString(payload).key):
            item = kv_query_result_pb2.KeyModification(
                tx_id=change.tx_id, value=change.value, is_delete=change.is_delete
            )
            item.timestamp.FromDatetime(change.timestamp)
            results.append(item.SerializeToString())
        return self._page(results, PAGE)

    async def _invoke_chaincode(self, state: CommittedState, payload: bytes) -> bytes:
        spec = chaincode_pb2.ChaincodeSpec.FromString(payload)
        name, _, channel = spec.chaincode_id.name.partition("/")
        if name == "broken":
            return Message(type=Message.ERROR, payload=b"it broke").SerializeToString()
        answer = await state.invoke_chaincode(name, list(spec.input.args), channel)
        response = proposal_response_pb2.Response(status=answer.status, payload=answer.payload)
        return Message(type=Message.COMPLETED, payload=response.SerializeToString()).SerializeToString()
