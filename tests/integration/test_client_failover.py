"""Our client with the peers of several organizations, over mutual TLS: one stops, the work and the streams go on.

Method: three organizations' peers in one process and PostgreSQL, as in test_peer_network; a client connected to two of
them, of which one is stopped and started while transactions, events and blocks flow.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from network.checkpointer import InMemoryCheckpointer
from network.client import GatewayClient, Timeouts
from node.postgres import PostgresCluster
from tests.support.consortium import eventually
from tests.support.consortium_in_memory import BANK, CHANNEL, PARTNER, Material, make_material
from tests.support.peer_network import PeerNetwork, running_network

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    folder = tmp_path_factory.mktemp("network")
    async with running_network(material, postgres_cluster, folder, "failover") as running:
        yield running


def client_of_two(network: PeerNetwork) -> GatewayClient:
    return GatewayClient(
        [network.channel(BANK), network.channel(PARTNER, client=BANK)],
        network.material.signer(BANK),
        CHANNEL,
        timeouts=Timeouts(evaluate_s=10, commit_status_s=30),
    )


async def emit_and_restart(network: PeerNetwork, client: GatewayClient, count: int) -> list[str]:
    """Submit events; stop the client's first peer a third of the way, start it after two thirds."""
    sent = []
    for number in range(count):
        if number == count // 3:
            await network.members[BANK].stop()
        if number == 2 * count // 3:
            await network.members[BANK].start()
        sent.append((await client.submit("pc", "Emit", "counted", str(number))).tx_id)
    return sent


async def test_transactions_events_and_blocks_go_on_while_a_peer_is_down(network: PeerNetwork) -> None:
    client = client_of_two(network)
    begin = network.peer(PARTNER).height
    events: list[str] = []
    blocks: list[int] = []
    checkpoint = InMemoryCheckpointer()

    async def listen() -> None:
        async with aclosing(client_of_two(network).chaincode_events("pc", start_block=begin)) as stream:
            async for event in stream:
                events.append(event.tx_id)
                checkpoint.checkpoint_chaincode_event(event)

    async def watch() -> None:
        async with aclosing(client_of_two(network).blocks(begin)) as stream:
            async for block in stream:
                blocks.append(block.header.number)  # noqa: PERF401 - looked at while it grows

    listeners = [asyncio.create_task(listen()), asyncio.create_task(watch())]
    sent = await emit_and_restart(network, client, 24)
    await network.wait_for_height(network.peer(PARTNER).height)

    async def arrived() -> bool:
        return len(events) >= len(sent) and blocks[-1:] == [network.peer(PARTNER).height - 1]

    await eventually(arrived, "all events and blocks arrive", 20)
    for task in listeners:
        assert not task.done(), task
        task.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    assert events == sent
    assert blocks == list(range(begin, blocks[-1] + 1))
    later = await client.submit("pc", "Emit", "counted", "later")
    async with aclosing(client.chaincode_events("pc", checkpoint=checkpoint)) as stream:
        assert (await anext(stream)).tx_id == later.tx_id


async def test_outcome_is_learned_from_another_peer_when_the_first_is_gone(network: PeerNetwork) -> None:
    client = client_of_two(network)
    prepared = await client.endorse("pc", "Put", "orphan", "v")
    await client.submit_prepared(prepared)
    await network.members[BANK].stop()
    try:
        status = await client.commit_status(prepared.tx_id)
        assert status.code == 0
        # Submitted once more through the other peer, it counts once.
        await client.submit_prepared(prepared)
        await client.submit("pc", "Put", "after", "v")
        assert await client.commit_status(prepared.tx_id) == status
    finally:
        await network.members[BANK].start()
