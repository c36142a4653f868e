"""A client that follows the channel's blocks hears of commits there, and of all else as ever.

Method: three organizations' peers in one process and PostgreSQL, as in test_peer_network; the client counts how often
it asks for the outcome of a transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from network.client import Timeouts
from network.errors import CommitError, CommitStatusError
from network.rpc import StatusCode
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, CHANNEL, PARTNER, Material, make_material
from tests.support.counting_client import CountingClient
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
    async with running_network(material, postgres_cluster, folder, "following") as running:
        yield running


def counting_client(network: PeerNetwork) -> CountingClient:
    channels = [network.channel(BANK), network.channel(PARTNER, client=BANK)]
    return CountingClient(channels, network.material.signer(BANK), CHANNEL)


async def test_valid_transactions_are_heard_of_without_asking(network: PeerNetwork) -> None:
    client = counting_client(network)
    async with client.following_commits():
        await client.until_followed()
        committed = await asyncio.gather(*(client.submit("pc", "Put", f"key-{n}", "v") for n in range(40)))
        assert client.asked == []
    for item in committed:
        assert await client.commit_status(item.tx_id) == (item.tx_id, 0, item.block_number, None)
    client.asked.clear()
    assert (await client.submit("pc", "Put", "later", "v")).tx_id in client.asked


async def test_lost_race_is_told_with_its_reason(network: PeerNetwork) -> None:
    client = counting_client(network)
    await client.submit("pc", "Put", "raced", "0")
    async with client.following_commits():
        await client.until_followed()
        racers = (client.submit("pc", "Update", "raced", str(n)) for n in range(8))
        found = await asyncio.gather(*racers, return_exceptions=True)
    lost = [item for item in found if isinstance(item, CommitError)]
    assert lost
    assert all(error.conflict is not None and error.conflict.key == "raced" for error in lost)
    assert sorted(client.asked) == sorted(error.transaction_id for error in lost)


async def test_peer_that_goes_away_is_noticed_and_the_work_goes_on(network: PeerNetwork) -> None:
    client = counting_client(network)
    async with client.following_commits():
        await client.until_followed()
        await network.members[BANK].stop()
        try:
            assert len(await asyncio.gather(*(client.submit("pc", "Put", f"gone-{n}", "v") for n in range(6)))) == 6
            await client.until_followed()
        finally:
            await network.members[BANK].start()


async def test_commit_that_does_not_come_in_time_is_said_to_be_open(network: PeerNetwork) -> None:
    client = counting_client(network)
    async with client.following_commits():
        await client.until_followed()
        client._timeouts = Timeouts(commit_status_s=0.000_01)
        with pytest.raises(CommitStatusError, match="may yet commit") as caught:
            await client.submit("pc", "Put", "late", "v")
    assert caught.value.code == StatusCode.DEADLINE_EXCEEDED
    client._timeouts = Timeouts()
    assert (await client.commit_status(caught.value.transaction_id)).code == 0
