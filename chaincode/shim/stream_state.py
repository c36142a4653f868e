"""A peer's state, reached over the chaincode stream.

Each method is one message and its reply. Requests of one transaction wait for one another, because a peer drops a
second one; requests of different transactions do not.

Source: Fabric core/chaincode/handler.go; peer/chaincode_shim.proto.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2, proposal_response_pb2
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage as Message
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtobufMessage

from chaincode.errors import StateError
from chaincode.shim.handler import Features
from chaincode.shim.state_access import KeyModification, Response
from chaincode.shim.stub import ChaincodeResponse

Ask = Callable[[int, bytes], Awaitable[bytes]]
"""Sends a request of the given type and returns the reply's payload; an ERROR reply raises StateError."""

ParsedT = TypeVar("ParsedT", bound=ProtobufMessage)


@dataclass(frozen=True, slots=True)
class Modification:
    """One committed change of a key."""

    tx_id: str
    value: bytes
    timestamp: datetime
    is_delete: bool


def _parse(kind: type[ParsedT], payload: bytes) -> ParsedT:
    try:
        return kind.FromString(payload)
    except DecodeError:
        raise StateError(f"the peer's reply is not a {kind.__name__}") from None


class StreamQuery:
    """Results of a query, fetched from the peer page by page."""

    def __init__(self, ask: Ask, response: chaincode_shim_pb2.QueryResponse) -> None:
        self._ask = ask
        self._response = response
        self._next = 0
        metadata = _parse(chaincode_shim_pb2.QueryResponseMetadata, response.metadata)
        self.fetched_records_count: int = metadata.fetched_records_count
        self.bookmark: str = metadata.bookmark

    async def next_bytes(self) -> bytes | None:
        """Return the next serialized result, None after the last."""
        while self._next == len(self._response.results):
            if not self._response.has_more:
                return None
            request = chaincode_shim_pb2.QueryStateNext(id=self._response.id).SerializeToString()
            reply = await self._ask(Message.QUERY_STATE_NEXT, request)
            self._response = _parse(chaincode_shim_pb2.QueryResponse, reply)
            self._next = 0
        self._next += 1
        result: bytes = self._response.results[self._next - 1].resultBytes
        return result

    def __aiter__(self) -> StreamQuery:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        result = await self.next_bytes()
        if result is None:
            raise StopAsyncIteration
        pair = _parse(kv_query_result_pb2.KV, result)
        return pair.key, pair.value

    async def aclose(self) -> None:
        """Tell the peer to drop the query; it has done so by itself when nothing more was to come."""
        if self._response.has_more:
            request = chaincode_shim_pb2.QueryStateClose(id=self._response.id).SerializeToString()
            self._response = chaincode_shim_pb2.QueryResponse()
            self._next = 0
            await self._ask(Message.QUERY_STATE_CLOSE, request)


class StreamState:
    """State access of one transaction.

    Args:
        ask: see :data:`Ask`; need not queue, this class does.
        features: what the peer offered.
    """

    def __init__(self, ask: Ask, features: Features) -> None:
        self._send = ask
        self._features = features
        self._turn = asyncio.Lock()
        self._batch: dict[tuple[str, str, str], chaincode_shim_pb2.WriteRecord] | None = None

    async def _ask(self, message_type: int, payload: bytes) -> bytes:
        async with self._turn:
            return await self._send(message_type, payload)

    # --- reads ---

    async def get_state(self, collection: str, key: str) -> bytes:
        """Ask GET_STATE."""
        request = chaincode_shim_pb2.GetState(key=key, collection=collection)
        return await self._ask(Message.GET_STATE, request.SerializeToString())

    async def get_states(self, collection: str, keys: Sequence[str]) -> list[bytes]:
        """Ask GET_STATE_MULTIPLE in as few requests as the peer allows, or GET_STATE for each key."""
        size = self._features.get_multiple_max
        if not size:
            return [await self.get_state(collection, key) for key in keys]
        values: list[bytes] = []
        for first in range(0, len(keys), size):
            part = keys[first : first + size]
            request = chaincode_shim_pb2.GetStateMultiple(keys=part, collection=collection)
            reply = await self._ask(Message.GET_STATE_MULTIPLE, request.SerializeToString())
            found = _parse(chaincode_shim_pb2.GetStateMultipleResult, reply).values
            if len(found) != len(part):
                raise StateError(f"the peer answered {len(found)} values for {len(part)} keys")
            values.extend(found)
        return values

    async def get_private_data_hash(self, collection: str, key: str) -> bytes:
        """Ask GET_PRIVATE_DATA_HASH."""
        request = chaincode_shim_pb2.GetState(key=key, collection=collection)
        return await self._ask(Message.GET_PRIVATE_DATA_HASH, request.SerializeToString())

    async def get_state_metadata(self, collection: str, key: str) -> dict[str, bytes]:
        """Ask GET_STATE_METADATA."""
        request = chaincode_shim_pb2.GetStateMetadata(key=key, collection=collection)
        reply = await self._ask(Message.GET_STATE_METADATA, request.SerializeToString())
        entries = _parse(chaincode_shim_pb2.StateMetadataResult, reply).entries
        return {entry.metakey: entry.value for entry in entries}

    async def range_query(self, collection: str, start: str, end: str, page_size: int, bookmark: str) -> StreamQuery:
        """Ask GET_STATE_BY_RANGE."""
        request = chaincode_shim_pb2.GetStateByRange(
            startKey=start, endKey=end, collection=collection, metadata=_page(page_size, bookmark)
        )
        return await self._query(Message.GET_STATE_BY_RANGE, request)

    async def query_result(self, collection: str, query: str, page_size: int, bookmark: str) -> StreamQuery:
        """Ask GET_QUERY_RESULT."""
        request = chaincode_shim_pb2.GetQueryResult(
            query=query, collection=collection, metadata=_page(page_size, bookmark)
        )
        return await self._query(Message.GET_QUERY_RESULT, request)

    async def history(self, key: str) -> list[KeyModification]:
        """Ask GET_HISTORY_FOR_KEY and fetch all pages."""
        query = await self._query(Message.GET_HISTORY_FOR_KEY, chaincode_shim_pb2.GetHistoryForKey(key=key))
        changes: list[KeyModification] = []
        while (result := await query.next_bytes()) is not None:
            change = _parse(kv_query_result_pb2.KeyModification, result)
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                seconds=change.timestamp.seconds, microseconds=change.timestamp.nanos // 1000
            )
            changes.append(Modification(change.tx_id, change.value, moment, change.is_delete))
        return changes

    async def _query(self, message_type: int, request: ProtobufMessage) -> StreamQuery:
        reply = await self._ask(message_type, request.SerializeToString())
        return StreamQuery(self._ask, _parse(chaincode_shim_pb2.QueryResponse, reply))

    async def invoke_chaincode(self, name: str, args: Sequence[bytes], channel: str) -> Response:
        """Ask INVOKE_CHAINCODE; the reply's payload is the called chaincode's own last message."""
        spec = chaincode_pb2.ChaincodeSpec(
            chaincode_id=chaincode_pb2.ChaincodeID(name=f"{name}/{channel}" if channel else name),
            input=chaincode_pb2.ChaincodeInput(args=args),
        )
        reply = await self._ask(Message.INVOKE_CHAINCODE, spec.SerializeToString())
        answer = _parse(Message, reply)
        if answer.type != Message.COMPLETED:
            raise StateError(f"chaincode {name} failed: {answer.payload.decode(errors='replace')}")
        response = _parse(proposal_response_pb2.Response, answer.payload)
        return ChaincodeResponse(response.status, response.message, response.payload)

    # --- writes ---

    async def put_state(self, collection: str, key: str, value: bytes) -> None:
        """Ask PUT_STATE, or add to the open batch."""
        if not self._batched(collection, key, "", value=value, type=chaincode_shim_pb2.WriteRecord.PUT_STATE):
            request = chaincode_shim_pb2.PutState(key=key, value=value, collection=collection)
            await self._ask(Message.PUT_STATE, request.SerializeToString())

    async def del_state(self, collection: str, key: str) -> None:
        """Ask DEL_STATE, or add to the open batch."""
        if not self._batched(collection, key, "", type=chaincode_shim_pb2.WriteRecord.DEL_STATE):
            request = chaincode_shim_pb2.DelState(key=key, collection=collection)
            await self._ask(Message.DEL_STATE, request.SerializeToString())

    async def purge_private_data(self, collection: str, key: str) -> None:
        """Ask PURGE_PRIVATE_DATA, or add to the open batch."""
        if not self._batched(collection, key, "", type=chaincode_shim_pb2.WriteRecord.PURGE_PRIVATE_DATA):
            request = chaincode_shim_pb2.PurgePrivateState(key=key, collection=collection)
            await self._ask(Message.PURGE_PRIVATE_DATA, request.SerializeToString())

    async def put_state_metadata(self, collection: str, key: str, name: str, value: bytes) -> None:
        """Ask PUT_STATE_METADATA, or add to the open batch."""
        metadata = chaincode_shim_pb2.StateMetadata(metakey=name, value=value)
        kind = chaincode_shim_pb2.WriteRecord.PUT_STATE_METADATA
        if not self._batched(collection, key, name, metadata=metadata, type=kind):
            request = chaincode_shim_pb2.PutStateMetadata(key=key, collection=collection, metadata=metadata)
            await self._ask(Message.PUT_STATE_METADATA, request.SerializeToString())

    def start_write_batch(self) -> None:
        """Collect writes from here on, if the peer takes batches."""
        if self._features.write_batch_max and self._batch is None:
            self._batch = {}

    async def finish_write_batch(self) -> None:
        """Send the collected writes in the order of their keys' first mention."""
        records = list((self._batch or {}).values())
        self._batch = None
        size = self._features.write_batch_max
        for first in range(0, len(records), size or 1):
            request = chaincode_shim_pb2.WriteBatchState(rec=records[first : first + size])
            await self._ask(Message.WRITE_BATCH_STATE, request.SerializeToString())

    def _batched(self, collection: str, key: str, metakey: str, **fields: object) -> bool:
        """Put a write into the open batch, where it replaces an earlier one of its key; False without a batch."""
        if self._batch is None:
            return False
        record = chaincode_shim_pb2.WriteRecord(key=key, collection=collection, **fields)
        self._batch[(collection, key, metakey)] = record
        return True


def _page(page_size: int, bookmark: str) -> bytes:
    if not page_size and not bookmark:
        return b""
    metadata: bytes = chaincode_shim_pb2.QueryMetadata(pageSize=page_size, bookmark=bookmark).SerializeToString()
    return metadata
