"""A chaincode that sends what a proposal tells it to, message by message, and answers with what the peer replied.

So a test can send what no shim lets a contract send, and see the peer's replies as they are. A script is the second
argument of a proposal: the requests, and how the invocation ends.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, chaincode_shim_pb2, proposal_response_pb2
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage as Message

from network.rpc import Call, Server
from tests.support.fabric_channel import HOST

Request = tuple[str, str]
"""Name of a message's type, and its payload in hexadecimal; ``#3`` stands for the query that request 3 opened."""

_QUERIES = {"GET_STATE_BY_RANGE", "GET_HISTORY_FOR_KEY", "QUERY_STATE_NEXT", "QUERY_STATE_CLOSE"}
_PATIENCE_S = 10


def script(
    *requests: Request, status: int = 200, error: str = "", event: tuple[str, str] | None = None
) -> tuple[str, str]:
    """Return the arguments of a proposal.

    Args:
        status: of the answer.
        error: sent as ERROR in the place of an answer.
        event: name and payload.
    """
    return "Run", json.dumps({"requests": requests, "status": status, "error": error, "event": event})


def put(key: str, value: str, collection: str = "") -> Request:
    return _request("PUT_STATE", chaincode_shim_pb2.PutState(key=key, value=value.encode(), collection=collection))


def get(key: str, collection: str = "") -> Request:
    return _request("GET_STATE", chaincode_shim_pb2.GetState(key=key, collection=collection))


def get_hash(key: str, collection: str) -> Request:
    return _request("GET_PRIVATE_DATA_HASH", chaincode_shim_pb2.GetState(key=key, collection=collection))


def get_range(start: str, end: str, collection: str = "", *, size: int = 0, bookmark: str = "") -> Request:
    page = chaincode_shim_pb2.QueryMetadata(pageSize=size, bookmark=bookmark).SerializeToString()
    asked = chaincode_shim_pb2.GetStateByRange(startKey=start, endKey=end, collection=collection, metadata=page)
    return _request("GET_STATE_BY_RANGE", asked)


def following(number: int) -> Request:
    """Ask for more of the query that a request opened."""
    return ("QUERY_STATE_NEXT", f"#{number}")


def guard(key: str, policy: bytes) -> Request:
    """Give a key a policy of its own, whatever the bytes are."""
    entry = chaincode_shim_pb2.StateMetadata(metakey="VALIDATION_PARAMETER", value=policy)
    return _request("PUT_STATE_METADATA", chaincode_shim_pb2.PutStateMetadata(key=key, metadata=entry))


def call(name: str, *args: bytes | str) -> Request:
    encoded = [arg.encode() if isinstance(arg, str) else arg for arg in args]
    spec = chaincode_pb2.ChaincodeSpec(
        chaincode_id=chaincode_pb2.ChaincodeID(name=name), input=chaincode_pb2.ChaincodeInput(args=encoded)
    )
    return _request("INVOKE_CHAINCODE", spec)


def _request(kind: str, message: Any) -> Request:
    return (kind, message.SerializeToString().hex())


class ScriptedChaincode:
    """The chaincode as a service, for any number of peers.

    Args:
        package_id: by which it registers.
        port: where it listens.
    """

    def __init__(self, package_id: str, port: int) -> None:
        self._package_id = package_id
        self._server = Server(HOST, port, None)
        self._server.bidi("/protos.Chaincode/Connect", self._connect)

    async def start(self) -> None:
        """Begin to listen."""
        await self._server.start()

    async def stop(self) -> None:
        """Stop."""
        await self._server.stop(0)

    async def _connect(self, incoming: AsyncIterator[bytes], _: Call) -> AsyncIterator[bytes]:
        stream = _Stream()
        name = chaincode_pb2.ChaincodeID(name=self._package_id)
        stream.outgoing.put_nowait(Message(type=Message.REGISTER, payload=name.SerializeToString()))
        reading = asyncio.create_task(stream.read(incoming))
        try:
            while (message := await stream.outgoing.get()) is not None:
                yield message.SerializeToString()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


class _Stream:
    """One peer's stream."""

    def __init__(self) -> None:
        self.outgoing: asyncio.Queue[Message | None] = asyncio.Queue()
        self._replies: dict[str, asyncio.Queue[Message]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def read(self, incoming: AsyncIterator[bytes]) -> None:
        """Take the peer's messages in until it ends the stream."""
        async for content in incoming:
            message = Message.FromString(content)
            if message.type in (Message.TRANSACTION, Message.INIT):
                self._replies[message.txid] = asyncio.Queue()
                task = asyncio.create_task(self._run(message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            elif message.txid in self._replies:
                self._replies[message.txid].put_nowait(message)
        self.outgoing.put_nowait(None)

    async def _run(self, start: Message) -> None:
        given = chaincode_pb2.ChaincodeInput.FromString(start.payload)
        wanted = json.loads(given.args[1])
        told = [f"DECORATED {name}" for name in given.decorations]
        opened: list[str] = []
        for kind, payload in wanted["requests"]:
            content = bytes.fromhex(payload) if not payload.startswith("#") else _query(opened[int(payload[1:])])
            self._send(start, Message.Type.Value(kind), content)
            async with asyncio.timeout(_PATIENCE_S):
                reply = await self._replies[start.txid].get()
            query, text = _told(kind, reply, start.txid)
            opened.append(query)
            told.append(text)
        del self._replies[start.txid]
        if wanted["error"]:
            self._send(start, Message.ERROR, wanted["error"].encode())
            return
        answer = proposal_response_pb2.Response(status=wanted["status"], payload="\n".join(told).encode())
        self._send(start, Message.COMPLETED, answer.SerializeToString(), wanted["event"])

    def _send(self, start: Message, kind: int, payload: bytes, event: Sequence[str] | None = None) -> None:
        message = Message(type=kind, payload=payload, txid=start.txid, channel_id=start.channel_id)
        if event is not None:
            name, content = event
            told = chaincode_event_pb2.ChaincodeEvent(event_name=name, payload=content.encode())
            message.chaincode_event.CopyFrom(told)
        self.outgoing.put_nowait(message)


def _query(query: str) -> bytes:
    return bytes(chaincode_shim_pb2.QueryStateNext(id=query).SerializeToString())


def _told(kind: str, reply: Message, tx_id: str) -> tuple[str, str]:
    """Return the query a reply opened, and the reply in a form that two peers agree on."""
    if reply.type == Message.ERROR:
        return "", "ERROR " + reply.payload.decode().replace(tx_id, "<id>")
    if kind in _QUERIES:
        response = chaincode_shim_pb2.QueryResponse.FromString(reply.payload)
        query, response.id = response.id, ""
        return query, f"{len(response.results)} results {response.SerializeToString().hex()}"
    if kind == "INVOKE_CHAINCODE":
        last = Message.FromString(reply.payload)
        return "", f"{Message.Type.Name(last.type)} {last.payload.decode(errors='replace')}"
    return "", "RESPONSE " + reply.payload.decode(errors="replace")
