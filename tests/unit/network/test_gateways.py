"""A client with several peers: what one cannot serve another does, nothing is lost or repeated, and time limits hold.

Method: two small gateways over the real transport, of which one refuses, hangs, stops or lags.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime

import pytest

from network import rpc
from network.client import GatewayClient, Timeouts
from network.errors import CommitStatusError, EndorseError, GatewayError, NetworkError
from network.gateways import LEFT_OUT_MAX_S, LEFT_OUT_S, Gateways
from network.identity import SigningIdentity
from network.rpc import StatusCode
from tests.support.certificates import Authority
from tests.support.fake_gateway import FakeGateway, serving

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
IDENTITY = SigningIdentity.from_pem("BankMSP", *Authority("bank").issue("user"))


class Pair:
    """Two gateways, their servers, and a client of both."""

    def __init__(self, gateways: list[FakeGateway], channels: list[rpc.Channel], servers: list[rpc.Server]) -> None:
        self.first, self.second = gateways
        self.channels = channels
        self.servers = servers
        timeouts = Timeouts(evaluate_s=1, endorse_s=10, submit_s=10, commit_status_s=10)
        self.client = GatewayClient(channels, IDENTITY, "anchors", lambda: NOW, timeouts=timeouts)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    gateways = [FakeGateway(), FakeGateway()]
    async with AsyncExitStack() as stack:
        served = [await stack.enter_async_context(serving(gateway)) for gateway in gateways]
        yield Pair(gateways, [channel for channel, _ in served], [server for _, server in served])


async def test_first_peer_serves_everything_while_it_can(pair: Pair) -> None:
    await pair.client.submit("basic", "Pay")
    assert await pair.client.evaluate("basic", "Get") == b"Get"
    assert (len(pair.first.proposals), len(pair.second.proposals)) == (2, 0)


@pytest.mark.parametrize("stage", ["Endorse", "Submit", "CommitStatus"])
async def test_stage_one_peer_cannot_serve_is_served_by_the_next(pair: Pair, stage: str) -> None:
    pair.first.refusal = rpc.RpcError(StatusCode.UNAVAILABLE, f"{stage}: no orderer answers")
    committed = await pair.client.submit("basic", "Pay")
    assert committed.result == b"result"
    everything = pair.first.submitted + pair.second.submitted
    assert len({envelope.SerializeToString() for envelope in everything}) == 1
    served = {"Endorse": pair.second.proposals, "Submit": pair.second.submitted}
    assert served.get(stage, pair.second.status_requests)


async def test_peer_that_is_gone_costs_nothing_but_its_turn(pair: Pair) -> None:
    await pair.servers[0].stop(0)
    for number in range(3):
        await pair.client.submit("basic", "Pay", str(number))
    assert len(pair.second.submitted) == 3


async def test_refusal_is_an_answer_and_no_other_peer_is_asked(pair: Pair) -> None:
    pair.first.refusal = rpc.RpcError(StatusCode.ABORTED, "Endorse: the contract refuses")
    with pytest.raises(EndorseError, match="the contract refuses"):
        await pair.client.submit("basic", "Pay")
    assert pair.second.proposals == []


async def test_failure_of_all_names_each(pair: Pair) -> None:
    for gateway in (pair.first, pair.second):
        gateway.refusal = rpc.RpcError(StatusCode.UNAVAILABLE, "Endorse: down")
    with pytest.raises(EndorseError) as caught:
        await pair.client.submit("basic", "Pay")
    assert caught.value.code == StatusCode.UNAVAILABLE
    for channel in pair.channels:
        assert f"{channel.address}: Endorse: down" in str(caught.value)


async def test_peer_that_hangs_fails_its_call_in_time_and_is_asked_last_from_then_on(pair: Pair) -> None:
    pair.first.hang = True
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(GatewayError) as caught:
        await pair.client.evaluate("basic", "Get")
    assert caught.value.code == StatusCode.DEADLINE_EXCEEDED
    assert 0.9 < loop.time() - begun < 4
    assert await pair.client.evaluate("basic", "Get") == b"Get"
    assert len(pair.second.proposals) == 1


async def test_commit_that_does_not_come_in_time_is_not_held_against_the_peer(pair: Pair) -> None:
    pair.first.refusal = rpc.RpcError(StatusCode.DEADLINE_EXCEEDED, "CommitStatus: context deadline exceeded")
    with pytest.raises(CommitStatusError) as caught:
        await pair.client.commit_status("0" * 64)
    assert caught.value.code == StatusCode.DEADLINE_EXCEEDED
    pair.first.refusal = None
    assert await pair.client.evaluate("basic", "Get") == b"Get"
    assert (len(pair.first.proposals), len(pair.second.proposals)) == (1, 0)


async def test_deadline_spans_all_peers_asked(pair: Pair) -> None:
    pair.second.hang = True
    pair.first.refusal = rpc.RpcError(StatusCode.UNAVAILABLE, "Endorse: down")
    begun = asyncio.get_running_loop().time()
    with pytest.raises(GatewayError) as caught:
        await pair.client.evaluate("basic", "Get")
    assert caught.value.code == StatusCode.DEADLINE_EXCEEDED
    assert asyncio.get_running_loop().time() - begun < 4


async def test_broken_event_stream_goes_on_at_the_next_peer_without_gap_or_repetition(pair: Pair) -> None:
    pair.first.refusal = rpc.RpcError(StatusCode.UNAVAILABLE, "Stream: peer stops")
    pair.first.events_until = 3
    async with aclosing(pair.client.chaincode_events("basic", start_block=2)) as events:
        assert [(await anext(events)).tx_id for _ in range(2)] == ["tx3", "tx5"]
    asked = pair.second.event_requests[0]
    assert (asked.start_position.specified.number, asked.after_transaction_id) == (3, "tx3")


async def test_broken_block_stream_goes_on_after_the_last_block(pair: Pair) -> None:
    pair.first.refusal = rpc.RpcError(StatusCode.UNAVAILABLE, "Stream: peer stops")
    pair.first.height, pair.second.height = 3, 6
    async with aclosing(pair.client.blocks(1)) as blocks:
        assert [(await anext(blocks)).header.number for _ in range(5)] == [1, 2, 3, 4, 5]
    assert pair.second.seeks[0].start.specified.number == 3


async def test_peer_that_lags_is_waited_for(pair: Pair) -> None:
    pair.first.refusal = rpc.RpcError(StatusCode.UNAVAILABLE, "Stream: peer stops")
    pair.first.height, pair.second.height = 5, 2
    async with aclosing(pair.client.filtered_blocks(1)) as blocks:
        assert [(await anext(blocks)).number for _ in range(4)] == [1, 2, 3, 4]
        following = asyncio.ensure_future(anext(blocks))
        async with asyncio.timeout(20):
            while len(pair.second.seeks) < 2:  # noqa: ASYNC110 - the gateway has no event for it
                await asyncio.sleep(0.01)
        assert not following.done()
        pair.second.height = 7
        assert (await following).number == 5


async def test_stream_fails_once_no_peer_goes_on(pair: Pair) -> None:
    for gateway in (pair.first, pair.second):
        gateway.refusal = rpc.RpcError(StatusCode.UNAVAILABLE, "Stream: peer stops")
        gateway.height = 3
    seen = []
    with pytest.raises(GatewayError, match="none of 2 peers"):
        async for block in pair.client.blocks(1):
            seen.append(block.header.number)  # noqa: PERF401 - kept up to the failure
    assert seen == [1, 2]


async def test_end_of_a_range_is_an_end_even_when_the_stream_breaks_there(pair: Pair) -> None:
    pair.first.refusal = rpc.RpcError(StatusCode.UNAVAILABLE, "Stream: peer stops")
    pair.first.height = 3
    assert [block.header.number async for block in pair.client.blocks(1, stop=2)] == [1, 2]
    assert pair.second.seeks == []


async def test_peer_is_left_out_longer_each_time_and_comes_back() -> None:
    moment = [100.0]
    down, up = FakeGateway(), FakeGateway()
    down.refusal = rpc.RpcError(StatusCode.UNAVAILABLE, "Submit: down")
    async with serving(down) as (first, _), serving(up) as (second, _):
        gateways = Gateways([first, second], clock=lambda: moment[0])
        pause_s = LEFT_OUT_S
        for _ in range(8):
            assert gateways.in_order() == [first, second]
            await gateways.unary("/gateway.Gateway/Submit", b"", 5)
            assert gateways.in_order() == [second, first]
            moment[0] += pause_s - 0.01
            assert gateways.in_order() == [second, first]
            moment[0] += 0.02
            pause_s = min(pause_s * 2, LEFT_OUT_MAX_S)
        down.refusal = None
        await gateways.unary("/gateway.Gateway/Submit", b"", 5)
        assert len(down.submitted) == 1


def test_connections_without_peers_or_with_several_certificates_are_refused() -> None:
    with pytest.raises(NetworkError, match="at least one peer"):
        Gateways([])
    tls = [rpc.ClientTls(b"", *Authority("bank").issue("user")) for _ in range(2)]
    with pytest.raises(NetworkError, match="one TLS certificate"):
        Gateways([rpc.Channel("localhost:1", item) for item in tls])
