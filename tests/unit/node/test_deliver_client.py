"""A peer goes on pulling blocks, whatever one orderer answers.

Method: servers on loopback that give one answer each, and the client that asks them in turn.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

from network import rpc
from node.peer.deliver_client import DELIVER, DeliverClient
from node.peer.gateway.orderers import OrdererEndpoint, status_name
from tests.support.members import START, Member


async def _orderer(*answers: ab_pb2.DeliverResponse) -> tuple[rpc.Server, OrdererEndpoint]:
    async def deliver(requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        for answer in answers:
            yield answer.SerializeToString()
        await asyncio.Event().wait()

    server = rpc.Server("127.0.0.1", 0, None)
    server.bidi(DELIVER, deliver)
    return server, OrdererEndpoint(f"127.0.0.1:{await server.start()}", "OrdererMSP")


def _block(number: int) -> ab_pb2.DeliverResponse:
    return ab_pb2.DeliverResponse(block=common_pb2.Block(header=common_pb2.BlockHeader(number=number)))


class _Taken:
    """Blocks a client handed over."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, str]] = []
        self.changed = asyncio.Event()

    async def put(self, block: common_pb2.Block, source: str) -> None:
        self.blocks.append((block.header.number, source))
        self.changed.set()

    async def until(self, item: tuple[int, str]) -> None:
        async with asyncio.timeout(30):
            while item not in self.blocks:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def _pulling(endpoints: list[OrdererEndpoint], taken: _Taken) -> AsyncIterator[DeliverClient]:
    client = DeliverClient(
        "trade",
        Member("BankMSP").identity("peer"),
        endpoints,
        None,
        next_block=7,
        put=taken.put,
        on_hopeless=pytest.fail,
        now=lambda: START,
        random_bytes=os.urandom,
    )
    client.start()
    try:
        yield client
    finally:
        await client.stop()


async def test_a_status_that_has_no_name_ends_that_stream_and_no_more() -> None:
    odd, odd_endpoint = await _orderer(ab_pb2.DeliverResponse(status=999))
    good, good_endpoint = await _orderer(_block(7))
    taken = _Taken()
    async with _pulling([odd_endpoint, good_endpoint], taken):
        await taken.until((7, good_endpoint.address))
    await odd.stop(0)
    await good.stop(0)


@pytest.mark.parametrize("number", [0, 6, 8, 2**64 - 1])
async def test_a_block_that_is_not_due_ends_its_stream_and_the_due_one_comes_from_another(number: int) -> None:
    """It is handed over, so that it is refused and counted; what follows it in that stream is not taken."""
    odd, odd_endpoint = await _orderer(_block(number), _block(9))
    good, good_endpoint = await _orderer(_block(7), _block(8))
    taken = _Taken()
    async with _pulling([odd_endpoint, good_endpoint], taken):
        await taken.until((8, good_endpoint.address))
    assert taken.blocks == [(number, odd_endpoint.address), (7, good_endpoint.address), (8, good_endpoint.address)]
    await odd.stop(0)
    await good.stop(0)


async def test_without_an_address_it_says_so_and_goes_on_once_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    good, good_endpoint = await _orderer(_block(7))
    taken = _Taken()
    async with _pulling([], taken) as client:
        assert client.source == ""
        await asyncio.sleep(0)
        assert "no address of an orderer is known" in capsys.readouterr().out
        client.use([], None)
        client.refuse(7, "localhost:1", "of an orderer that is known no more")
        await asyncio.sleep(0.05)
        assert "no address of an orderer is known" in capsys.readouterr().out, "told again, and still there"
        client.use([good_endpoint], None)
        await taken.until((7, good_endpoint.address))
        assert client.source == good_endpoint.address
    await good.stop(0)


async def test_silence_is_told_until_a_block_comes_or_a_stream_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    good, good_endpoint = await _orderer(_block(7))
    idle, idle_endpoint = await _orderer()
    taken = _Taken()

    async def until(silent: bool) -> None:
        async with asyncio.timeout(30):
            while (client.silent_s > 0) is not silent:  # noqa: ASYNC110 - time itself is waited for
                await asyncio.sleep(0.01)

    async with _pulling([OrdererEndpoint("127.0.0.1:1", "OrdererMSP")], taken) as client:
        await until(silent=True)
        before = client.silent_s
        await asyncio.sleep(0.3)
        assert client.silent_s >= before + 0.3, "several tries are one silence"
        client.use([good_endpoint], None)
        await taken.until((7, good_endpoint.address))
        assert client.silent_s == 0
        await good.stop(0)
        await until(silent=True)
        client.use([idle_endpoint], None)
        await asyncio.sleep(0.5)
        assert client.silent_s > 0, "nobody knows yet whether that one answers"
        monkeypatch.setattr("node.peer.deliver_client.STANDS_S", 0.5)
        await until(silent=False)
    await idle.stop(0)


def test_status_without_a_name_is_told_by_its_number() -> None:
    assert (status_name(common_pb2.FORBIDDEN), status_name(999)) == ("FORBIDDEN", "999")
