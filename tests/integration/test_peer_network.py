"""A network of our peers and our orderer, driven by a gateway client: endorse, order, validate, commit, tell.

Method: three organizations in one process over mutual TLS and PostgreSQL; every answer a client of Fabric relies on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR, Material, make_material
from tests.support.peer_network import PeerNetwork, running_network

_numbers = count(1)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture
async def network(material: Material, postgres_cluster: PostgresCluster, tmp_path: Path) -> AsyncIterator[PeerNetwork]:
    async with running_network(material, postgres_cluster, tmp_path, f"network_{next(_numbers)}") as network:
        yield network


async def test_submitted_transaction_is_committed_alike_on_every_peer(network: PeerNetwork) -> None:
    client = network.client()
    committed = await client.submit("pc", "Put", "k", "v")
    assert committed.result == b"v"
    await network.wait_for_height(committed.block_number + 1)
    assert len({network.peer(msp_id).commit_hash for msp_id in (BANK, PARTNER, REGULATOR)}) == 1
    for msp_id in (BANK, PARTNER, REGULATOR):
        assert await network.peer(msp_id).read_state("pc", "k") == b"v"
    assert await client.evaluate("pc", "Get", "k") == b"v"
