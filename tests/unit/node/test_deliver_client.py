"""A peer goes on pulling blocks, whatever one orderer answers.

Method: servers on loopback that give one answer each, and the client that asks them in turn.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

from network import rpc
from node.peer.deliver_client import DELIVER, DeliverClient
from node.peer.gateway.orderers import OrdererEndpoint, status_name
from tests.support.members import START, Member


async def _orderer(answer: ab_pb2.DeliverResponse) -> tuple[rpc.Server, OrdererEndpoint]:
    async def deliver(requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        yield answer.SerializeToString()
        await asyncio.Event().wait()

    server = rpc.Server("127.0.0.1", 0, None)
    server.bidi(DELIVER, deliver)
    return server, OrdererEndpoint(f"127.0.0.1:{await server.start()}", "OrdererMSP")


async def test_a_status_that_has_no_name_ends_that_stream_and_no_more() -> None:
    block = common_pb2.Block(header=common_pb2.BlockHeader(number=7))
    odd, odd_endpoint = await _orderer(ab_pb2.DeliverResponse(status=999))
    good, good_endpoint = await _orderer(ab_pb2.DeliverResponse(block=block))
    taken: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    async def put(block: common_pb2.Block, source: str) -> None:
        taken.set_result((block.header.number, source))

    client = DeliverClient(
        "trade",
        Member("BankMSP").identity("peer"),
        [odd_endpoint, good_endpoint],
        None,
        next_block=7,
        put=put,
        on_hopeless=pytest.fail,
        now=lambda: START,
        random_bytes=os.urandom,
    )
    client.start()
    try:
        async with asyncio.timeout(10):
            assert await taken == (7, good_endpoint.address)
    finally:
        await client.stop()
        await odd.stop(0)
        await good.stop(0)


def test_status_without_a_name_is_told_by_its_number() -> None:
    assert (status_name(common_pb2.FORBIDDEN), status_name(999)) == ("FORBIDDEN", "999")
