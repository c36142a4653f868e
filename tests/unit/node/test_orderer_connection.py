"""The stream to an orderer that takes envelopes and answers none of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fabric_protos.orderer import ab_pb2

from network import rpc
from network.errors import RpcError
from network.rpc import StatusCode
from node.peer.gateway import orderers
from node.peer.gateway.orderers import BROADCAST, OrdererConnection, OrdererEndpoint


async def test_stream_on_which_an_answer_is_overdue_is_broken_and_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    streams: list[list[bytes]] = []

    async def broadcast(requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        taken: list[bytes] = []
        streams.append(taken)
        async for request in requests:
            taken.append(request)
            if len(streams) > 1:
                yield ab_pb2.BroadcastResponse(status=200).SerializeToString()

    server = rpc.Server("127.0.0.1", 0, None)
    server.bidi(BROADCAST, broadcast)
    connection = OrdererConnection(OrdererEndpoint(f"127.0.0.1:{await server.start()}", "OrdererMSP"), None)
    try:
        monkeypatch.setattr(orderers, "BROADCAST_TIMEOUT_S", 2)
        first = asyncio.create_task(connection.broadcast(b"first"))
        await asyncio.sleep(0)
        monkeypatch.undo()  # the second's answer is not overdue
        second = asyncio.create_task(connection.broadcast(b"second"))
        with pytest.raises(RpcError) as overdue:
            await first
        with pytest.raises(RpcError) as beside:
            await second
        assert (overdue.value.code, beside.value.code) == (StatusCode.DEADLINE_EXCEEDED, StatusCode.UNAVAILABLE)
        assert (await connection.broadcast(b"third")).status == 200
        assert streams == [[b"first", b"second"], [b"third"]]
    finally:
        await connection.close()
        await server.stop(0)
