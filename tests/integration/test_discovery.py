"""Service discovery over mutual TLS: who is on the channel, whose endorsements are needed, and who may ask.

Method: three organizations' peers, PostgreSQL behind each. Requests are made and signed here as Fabric's clients make
them; Fabric's own client, ``discover``, has its tests in ``tests/interop/test_discover_command.py``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from fabric_protos.discovery import protocol_pb2
from fabric_protos.gossip import message_pb2
from fabric_protos.peer import collection_pb2, proposal_response_pb2
from google.protobuf import text_format

from network.errors import RpcError
from network.identity import parse_identity
from network.policy import parse_signature_policy
from network.rpc import StatusCode
from node.peer.definition import approved_definition
from node.peer.discovery.members import ChannelMembers
from node.peer.gateway.endorsers import PeerEndpoint, RemotePeer
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, CHANNEL, ORDERER, PARTNER, REGULATOR, Material, make_material
from tests.support.discovery import PATH, Asker, endorsers, layouts, peers
from tests.support.peer_network import CONTRACT, MEMBERS, POLICY, PeerNetwork, client_tls, running_network, utc_now
from tests.support.private_collections import collection_package

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANY = "OR('DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"
BILATERAL = "OR('DwaybankMSP.member', 'PartnerMSP.member')"
PAIRS = {(BANK, PARTNER), (BANK, REGULATOR), (PARTNER, REGULATOR)}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    package = collection_pb2.CollectionConfigPackage.FromString(collection_package("plain", BILATERAL))
    package.MergeFromString(collection_package("own", BILATERAL))
    static = package.config[1].static_collection_config
    static.endorsement_policy.signature_policy.CopyFrom(parse_signature_policy("OR('PartnerMSP.peer')"))
    definitions = (
        approved_definition("pc", "1.0", 1, POLICY),
        replace(approved_definition("private", "2.1", 1, ANY), collections=package.SerializeToString()),
        approved_definition("elsewhere", "1.0", 1, ANY),
    )
    folder = tmp_path_factory.mktemp("network")
    contracts = {"pc": CONTRACT, "private": CONTRACT}
    async with running_network(
        material, postgres_cluster, folder, "discovery", definitions=definitions, contracts=contracts
    ) as network:
        yield network


def asker_of(network: PeerNetwork, msp_id: str = BANK, user: str = "Node", at: str = BANK) -> Asker:
    """Return somebody who asks a peer, by default the bank's."""
    return Asker(network.channel(at, msp_id), network.material.signer(msp_id, user), CHANNEL)


async def test_peers_are_named_with_their_address_height_and_chaincodes(network: PeerNetwork) -> None:
    (result,) = await asker_of(network).ask(peers(CHANNEL))
    assert set(result.members.peers_by_org) == set(MEMBERS)
    for msp_id, found in result.members.peers_by_org.items():
        (peer,) = found.peers
        assert peer.identity == network.material.signer(msp_id, "peer").creator
        alive = message_pb2.GossipMessage.FromString(peer.membership_info.payload).alive_msg
        assert alive.membership.endpoint == f"localhost:{network.members[msp_id].port}"
        state = message_pb2.GossipMessage.FromString(peer.state_info.payload).state_info
        assert state.properties.ledger_height == network.peer().height
        runs = {(item.name, item.version) for item in state.properties.chaincodes}
        assert {("_lifecycle", "1"), ("pc", "1"), ("private", "1")} <= runs
        if msp_id == BANK:
            assert ("elsewhere", "1") not in runs
            parse_identity(peer.identity).verify(peer.state_info.payload, peer.state_info.signature)


async def test_peers_are_filtered_by_what_they_run_and_may_read(network: PeerNetwork) -> None:
    asker = asker_of(network)
    (result,) = await asker.ask(peers(CHANNEL, {"name": "private", "collection_names": ["plain"]}))
    found = {msp_id: len(item.peers) for msp_id, item in result.members.peers_by_org.items()}
    assert found == {BANK: 1, PARTNER: 1, REGULATOR: 0}
    unread = {"name": "private", "collection_names": ["plain"], "no_private_reads": True}
    (result,) = await asker.ask(peers(CHANNEL, unread))
    assert {len(item.peers) for item in result.members.peers_by_org.values()} == {1}
    text = await asker.error(peers(CHANNEL, {"name": "private", "collection_names": ["none"]}))
    assert text == "collection none doesn't exist in collection config for chaincode private"
    text = await asker.error(peers(CHANNEL, {"name": "nothing"}))
    assert text == f"No metadata was found for chaincode nothing in channel {CHANNEL}"


@pytest.mark.parametrize(
    ("interest", "expected"),
    [
        ([{"name": "pc"}], PAIRS),
        ([{"name": "private"}], {(BANK,), (PARTNER,), (REGULATOR,)}),
        # A collection without a policy of its own has the chaincode's, and where it is read, only its members.
        ([{"name": "private", "collection_names": ["plain"]}], {(BANK,), (PARTNER,)}),
        ([{"name": "private", "collection_names": ["own"]}], {(PARTNER,)}),
        ([{"name": "private", "collection_names": ["own"], "no_private_reads": True}], {(PARTNER,)}),
        ([{"name": "private", "collection_names": ["_implicit_org_RegulatorMSP"]}], {(REGULATOR,)}),
        ([{"name": "pc"}, {"name": "private", "collection_names": ["own"]}], {(BANK, PARTNER)}),
        (
            [{"name": "pc"}, {"name": "private", "collection_names": ["own"], "no_private_reads": True}],
            {(BANK, PARTNER), (PARTNER, REGULATOR)},
        ),
        ([{"name": "private", "key_policies": ["AND('DwaybankMSP.peer', 'RegulatorMSP.peer')"]}], {(BANK, REGULATOR)}),
        (
            [{"name": "pc", "disregard_namespace_policy": True, "key_policies": ["OR('RegulatorMSP.peer')"]}],
            {(REGULATOR,)},
        ),
        ([{"name": "_lifecycle"}], PAIRS),
    ],
)
async def test_layouts_are_what_the_policies_ask_for(
    network: PeerNetwork, interest: list[dict[str, Any]], expected: set[tuple[str, ...]]
) -> None:
    (result,) = await asker_of(network).ask(endorsers(CHANNEL, *interest))
    assert layouts(result) == {tuple(sorted(item)) for item in expected}


@pytest.mark.parametrize(
    "described",
    [
        'name:"nothing"',
        'name:"private" collection_names:"none"',
        'name:"pc" disregard_namespace_policy:true',
        'name:"private" key_policies:{rule:{n_out_of:{n:1 rules:{signed_by:0}}} '
        'identities:{principal:"\\n\\x0bStrangerMSP\\x10\\x03"}}',
    ],
)
async def test_interest_nobody_can_satisfy_is_named_in_the_error(network: PeerNetwork, described: str) -> None:
    interest = text_format.Parse(f"chaincodes {{ {described} }}", proposal_response_pb2.ChaincodeInterest())
    query = protocol_pb2.Query(channel=CHANNEL, cc_query=protocol_pb2.ChaincodeQuery(interests=[interest]))
    text = await asker_of(network).error(query)
    assert text.startswith("failed constructing descriptor for chaincodes:{name:"), text


async def test_configuration_and_several_queries_in_one_request(network: PeerNetwork) -> None:
    config = protocol_pb2.Query(channel=CHANNEL, config_query=protocol_pb2.ConfigQuery())
    results = await asker_of(network).ask(config, peers(CHANNEL), endorsers(CHANNEL, {"name": "pc"}))
    assert set(results[0].config_result.msps) == {*MEMBERS, ORDERER}
    (orderer,) = results[0].config_result.orderers[ORDERER].endpoint
    assert (orderer.host, orderer.port) == ("127.0.0.1", network.orderer.port)
    assert [result.WhichOneof("result") for result in results] == ["config_result", "members", "cc_query_res"]


async def test_local_peers_are_for_the_own_administrators(network: PeerNetwork) -> None:
    query = protocol_pb2.Query(local_peers=protocol_pb2.LocalPeerQuery())
    (result,) = await asker_of(network, user="Admin").ask(query)
    assert {len(item.peers) for item in result.members.peers_by_org.values()} == {1}
    assert not result.members.peers_by_org[BANK].peers[0].HasField("state_info")
    assert await asker_of(network).error(query) == "access denied"
    assert await asker_of(network, PARTNER, "Admin").error(query) == "access denied"
    forged = asker_of(network, user="Admin")
    assert await forged.error(query, signer=network.material.signer(BANK)) == "access denied"


async def test_channel_is_for_its_writers(network: PeerNetwork) -> None:
    unknown = protocol_pb2.Query(channel="other", config_query=protocol_pb2.ConfigQuery())
    assert await asker_of(network).error(unknown) == "access denied"
    assert await asker_of(network).error(peers(CHANNEL), signer=network.material.signer(PARTNER)) == "access denied"
    stranger = asker_of(network)
    stranger.identity = network.material.signer(ORDERER, "orderer")
    assert await stranger.error(peers(CHANNEL)) == "access denied"
    (result,) = await asker_of(network, PARTNER).ask(peers(CHANNEL))
    assert result.HasField("members")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (protocol_pb2.Query(channel=CHANNEL), "unknown or missing request type"),
        (
            protocol_pb2.Query(channel=CHANNEL, local_peers=protocol_pb2.LocalPeerQuery()),
            "unknown or missing request type",
        ),
        (
            protocol_pb2.Query(channel=CHANNEL, cc_query=protocol_pb2.ChaincodeQuery()),
            "chaincode query must have at least one chaincode interest",
        ),
        (endorsers(CHANNEL), "chaincode interest must contain at least one chaincode"),
        (endorsers(CHANNEL, {"name": ""}), "chaincode name in interest cannot be empty"),
    ],
)
async def test_query_without_sense_says_what_is_missing(
    network: PeerNetwork, query: protocol_pb2.Query, text: str
) -> None:
    assert await asker_of(network).error(query) == text


async def test_request_that_says_nothing_of_who_asks_is_refused(network: PeerNetwork) -> None:
    asker = asker_of(network)
    with pytest.raises(RpcError, match="access denied, client identity wasn't supplied") as refusal:
        await asker.ask(peers(CHANNEL), client_identity=b"")
    assert refusal.value.code == StatusCode.UNKNOWN
    with pytest.raises(RpcError, match="access denied, no authentication info in request"):
        await asker.channel.unary(PATH, b"", 5)
    with pytest.raises(RpcError, match="failed parsing request"):
        await asker.channel.unary(PATH, b"\xff", 5)


async def test_request_of_more_queries_than_anybody_needs_is_refused(network: PeerNetwork) -> None:
    asker = asker_of(network)
    query = protocol_pb2.Query(channel=CHANNEL, config_query=protocol_pb2.ConfigQuery())
    assert len(await asker.ask(*[query] * 100)) == 100
    with pytest.raises(RpcError, match="101 in one request, at most 100") as refusal:
        await asker.ask(*[query] * 101)
    assert refusal.value.code == StatusCode.INVALID_ARGUMENT
    with pytest.raises(RpcError, match="client_identity: 65537 bytes, more than 65536"):
        await asker.ask(query, client_identity=bytes(65_537))


async def test_peer_that_answers_for_another_organization_is_not_offered(network: PeerNetwork) -> None:
    bank = network.peer(BANK)
    addressed = PeerEndpoint(f"localhost:{network.members[PARTNER].port}", REGULATOR)
    other = RemotePeer(addressed, client_tls(network.material, BANK))
    members = ChannelMembers(
        bank.channel,
        network.material.signer(BANK, "peer"),
        "localhost:1",
        [other],
        approvals=bank.endorser.approvals,
        endorses=bank.endorser.endorses,
        now=utc_now,
        random_bytes=secrets.token_bytes,
    )
    assert [member.identity.msp_id for member in await members.alive()] == [BANK]
    await other.close()


async def test_peer_that_is_gone_is_not_offered(network: PeerNetwork) -> None:
    regulator = network.members[REGULATOR]
    await regulator.stop()
    try:
        asker = asker_of(network, PARTNER, at=PARTNER)
        async with asyncio.timeout(20):
            while True:
                (result,) = await asker.ask(peers(CHANNEL))
                if set(result.members.peers_by_org) == {BANK, PARTNER}:
                    break
                await asyncio.sleep(0.2)
        (result,) = await asker.ask(endorsers(CHANNEL, {"name": "pc"}))
        assert layouts(result) == {(BANK, PARTNER)}
        query = endorsers(CHANNEL, {"name": "private", "collection_names": ["_implicit_org_RegulatorMSP"]})
        assert "failed constructing descriptor" in await asker.error(query)
    finally:
        await regulator.start()
