"""Organizations come and go, authorities are rotated and certificates revoked, on a running network.

Method: administrators' updates go to the orderer as any tool sends them; each time the members' peers go on with equal
ledgers, and whom the new configuration no longer knows is refused where he was served before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from network.errors import GatewayError
from network.identity import SigningIdentity
from network.msp_folder import read_msp_config
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR, make_material
from tests.support.member_changes import (
    Fourth,
    adding,
    administrators,
    another_regulator,
    authority_of,
    change_msp,
    new_client_of_the_bank,
    order_change,
    removing,
    revocation_list,
    revoking,
    with_authority,
    without_first_authority,
)
from tests.support.peer_network import MEMBERS, PeerNetwork, new_database, running_network

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    material = make_material(tmp_path_factory.mktemp("crypto"))
    Fourth.generated(material.root)
    async with running_network(material, postgres_cluster, tmp_path_factory.mktemp("network"), "changes") as network:
        yield network


async def works(network: PeerNetwork, signer: SigningIdentity) -> None:
    """Submit and evaluate at the bank's peer."""
    client = network.client(BANK, signer)
    committed = await client.submit("pc", "Put", "by", signer.msp_id)
    await network.wait_for_height(committed.block_number + 1)
    assert await client.evaluate("pc", "Get", "by") == signer.msp_id.encode()


async def is_refused(network: PeerNetwork, signer: SigningIdentity) -> None:
    """Try the bank's peer, and the orderer with a transaction that another has prepared."""
    client = network.client(BANK, signer)
    with pytest.raises(GatewayError):
        await client.evaluate("pc", "Get", "by")
    with pytest.raises(GatewayError):
        await client.endorse("pc", "Put", "by", "x")
    prepared = await network.client().endorse("pc", "Put", "by", "x")
    with pytest.raises(GatewayError):
        await client.submit_prepared(prepared)


async def test_organization_that_joins_takes_part_and_one_that_leaves_is_out(
    network: PeerNetwork, postgres_cluster: PostgresCluster
) -> None:
    fourth = Fourth(network.material.root / "peerOrganizations" / "fourth.test")
    await is_refused(network, fourth.signer())

    added = adding(fourth.group(network.material))
    status, info = await order_change(network, added, administrators(network, BANK))
    assert (status, "error applying config update" in info) == (400, True)
    assert await order_change(network, added, administrators(network, BANK, PARTNER)) == (200, "")
    await works(network, fourth.signer())
    member = fourth.member(network, new_database(postgres_cluster, "fourth"))
    await member.start()
    try:
        async with asyncio.timeout(20):
            await member.peer.wait_for_height(network.peer().height)
        assert member.peer.commit_hash == network.peer().commit_hash

        assert (await order_change(network, removing, administrators(network, BANK, PARTNER)))[0] == 400
        assert await order_change(network, removing, administrators(network)) == (200, "")
        await is_refused(network, fourth.signer())
        await works(network, network.material.signer(PARTNER))
        assert member.peer.height < network.peer().height
    finally:
        await member.stop()


async def test_authority_is_rotated_without_a_gap(network: PeerNetwork, tmp_path: Path) -> None:
    renewed = another_regulator(tmp_path)
    old, new = network.material.signer(REGULATOR), renewed.signer(REGULATOR)
    await is_refused(network, new)
    change = change_msp(REGULATOR, with_authority(authority_of(renewed)))
    assert (await order_change(network, change, administrators(network, BANK, PARTNER)))[0] == 400
    assert await order_change(network, change, administrators(network, REGULATOR)) == (200, "")
    await works(network, old)
    await works(network, new)
    member = network.members[REGULATOR]
    await member.stop()
    local = read_msp_config(renewed.org(REGULATOR).msp_folder, REGULATOR)
    identity = renewed.signer(REGULATOR, "peer")
    member.settings = replace(member.settings, identity=identity, local_msp=local)
    await member.start()
    change = change_msp(REGULATOR, without_first_authority)
    assert await order_change(network, change, [renewed.signer(REGULATOR, "Admin")]) == (200, "")
    await is_refused(network, old)
    await works(network, new)
    committed = await network.client().submit("pc", "Put", "k", "v", endorsing_organizations=[PARTNER, REGULATOR])
    await network.wait_for_height(committed.block_number + 1)
    assert len({network.peer(msp_id).commit_hash for msp_id in MEMBERS}) == 1


async def test_peer_with_a_new_certificate_begins_again_from_genesis(
    network: PeerNetwork, postgres_cluster: PostgresCluster
) -> None:
    """Blocks from before its authority was known are judged by a peer that they do not know."""
    member = network.members[REGULATOR]
    await member.stop()
    member.settings = replace(member.settings, database_url=new_database(postgres_cluster, "again"))
    await member.start()
    await network.wait_for_height(network.peer().height)
    assert member.peer.commit_hash == network.peer().commit_hash


async def test_certificate_that_an_update_revokes_opens_nothing_any_more(network: PeerNetwork) -> None:
    leaver = new_client_of_the_bank(network.material)
    await works(network, leaver)
    change = revoking(revocation_list(network.material, leaver.certificate))
    assert await order_change(network, change, administrators(network, BANK)) == (200, "")
    await is_refused(network, leaver)
    await works(network, network.material.signer(BANK))
