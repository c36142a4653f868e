"""A configuration update sent to the orderer of a running network: every peer takes it over and goes on."""

from __future__ import annotations

from pathlib import Path

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2

from network import rpc
from network.block import last_config_number, parse_block
from node.peer.definition import approved_definition
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.config_updates import batch_size_update
from tests.support.consortium_in_memory import BANK, ORDERER, PARTNER, REGULATOR, make_material
from tests.support.member_changes import order_change
from tests.support.ordering import broadcast
from tests.support.peer_network import MEMBERS, client_tls, running_network


async def test_peers_take_over_an_authorized_update_and_commit_under_it(
    tmp_path: Path, postgres_cluster: PostgresCluster
) -> None:
    material = make_material(tmp_path / "crypto")
    async with running_network(material, postgres_cluster, tmp_path, "config_update") as network:
        genesis = parse_block((tmp_path / "genesis.block").read_bytes())
        administrator = material.signer(ORDERER, "Admin")
        update = batch_size_update(genesis, 3, [administrator], administrator)
        orderer = rpc.Channel(network.members[PARTNER].settings.orderers[0].address, client_tls(material, ORDERER))
        assert await broadcast(orderer, [update]) == [(common_pb2.SUCCESS, "")]
        await orderer.close()
        committed = await network.client().submit("pc", "Put", "k", "after the update")
        await network.wait_for_height(committed.block_number + 1)
        for msp_id in MEMBERS:
            config = network.peer(msp_id).config
            assert (config.sequence, config.orderer.max_messages) == (1, 3)
        assert len({network.peer(msp_id).commit_hash for msp_id in (PARTNER, REGULATOR)}) == 1
        block = parse_block(await network.peer().block(committed.block_number) or b"")
        assert last_config_number(block) == committed.block_number - 1


async def test_peer_follows_orderers_that_the_configuration_moves_elsewhere(
    tmp_path: Path, postgres_cluster: PostgresCluster
) -> None:
    """As Go peers do: a peer whose settings name no orderers goes over while it runs, to submit and for blocks."""
    material = make_material(tmp_path / "crypto")
    definition = approved_definition("pc", "1.0", 1, "OR('DwaybankMSP.peer')")
    running = running_network(
        material,
        postgres_cluster,
        tmp_path,
        "moved_orderer",
        definitions=(definition,),
        by_member={BANK: {"orderers": ()}},
    )
    async with running as network:
        port = free_port()
        second = rpc.Server("127.0.0.1", port, network.orderer.tls)
        network.orderer.orderer.register(second)
        await second.start()

        def moved(group: configtx_pb2.ConfigGroup) -> None:
            addresses = configuration_pb2.OrdererAddresses(addresses=[f"127.0.0.1:{port}"])
            endpoints = group.groups["Orderer"].groups[ORDERER].values["Endpoints"]
            endpoints.value = addresses.SerializeToString()

        assert await order_change(network, moved, [material.signer(ORDERER, "Admin")]) == (common_pb2.SUCCESS, "")
        await network.orderer.server.stop(0)
        assert (await network.client().submit("pc", "Put", "k", "elsewhere")).result == b"elsewhere"
        await second.stop(0)
