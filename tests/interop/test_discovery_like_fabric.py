"""Discovery on a network of Fabric's: the same request to a Go peer and to ours has the same answer.

Aim: clients that plan endorsements themselves cannot tell our peer from a Go peer. Method: three Go peers that gossip,
and beside them a peer of ours that stands for the regulator with the same identity; chaincodes with collections and
policies of many kinds; every question goes to the bank's Go peer and to ours, and the answers are compared with groups
replaced by the organizations in them. ``discover``, Fabric's own client, asks both too, where ``FABRIC_BIN`` has it
(``go build ./cmd/discover`` in Fabric's source).

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from fabric_protos.discovery import protocol_pb2
from fabric_protos.gossip import message_pb2

from network.errors import RpcError
from network.identity import parse_identity
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, DOMAINS, PARTNER, REGULATOR
from tests.support.discovery import Asker, endorsers, layouts
from tests.support.mixed_network import MEMBERS, FabricNetwork
from tests.support.side_by_side import peers_side_by_side

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

BILATERAL = "OR('DwaybankMSP.member', 'PartnerMSP.member')"
COLLECTIONS = [
    {"name": "plain", "policy": BILATERAL},
    {"name": "own", "policy": BILATERAL, "endorsementPolicy": {"signaturePolicy": "OR('PartnerMSP.peer')"}},
    {
        "name": "both",
        "policy": "OR('DwaybankMSP.member', 'RegulatorMSP.member')",
        "endorsementPolicy": {"signaturePolicy": "AND('DwaybankMSP.member', 'RegulatorMSP.peer')"},
    },
    {
        "name": "channels",
        "policy": BILATERAL,
        "endorsementPolicy": {"channelConfigPolicy": "/Channel/Application/Endorsement"},
    },
]
DEFINED = {
    "twin": ("--signature-policy", "OutOf(2, 'DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"),
    "any": ("--signature-policy", "OR('DwaybankMSP.member', 'PartnerMSP.member', 'RegulatorMSP.member')"),
    "default": (),
    "admins": ("--signature-policy", "OR('DwaybankMSP.admin', 'PartnerMSP.admin')"),
    "nested": (
        "--signature-policy",
        "OR(AND('DwaybankMSP.peer', 'PartnerMSP.member'), 'RegulatorMSP.peer')",
    ),
}
INTERESTS: list[list[dict[str, Any]]] = [
    [{"name": "twin"}],
    [{"name": "any"}],
    [{"name": "default"}],
    [{"name": "admins"}],
    [{"name": "nested"}],
    [{"name": "_lifecycle"}],
    [{"name": "nothing"}],
    [{"name": "twin"}, {"name": "nothing"}],
    [{"name": "twin"}, {"name": "any"}],
    [{"name": "twin"}, {"name": "nested"}],
    [{"name": "nested"}, {"name": "any"}, {"name": "default"}],
    [{"name": "any", "collection_names": ["plain"]}],
    [{"name": "any", "collection_names": ["own"]}],
    [{"name": "any", "collection_names": ["own"], "no_private_reads": True}],
    [{"name": "any", "collection_names": ["both"]}],
    [{"name": "any", "collection_names": ["channels"]}],
    [{"name": "any", "collection_names": ["channels"], "no_private_reads": True}],
    [{"name": "any", "collection_names": ["plain", "own"]}],
    [{"name": "any", "collection_names": ["own", "both"]}],
    [{"name": "any", "collection_names": ["own", "both"], "no_private_reads": True}],
    [{"name": "any", "collection_names": ["own", "both"], "disregard_namespace_policy": True}],
    [{"name": "any", "collection_names": ["own"], "disregard_namespace_policy": True}],
    [{"name": "any", "collection_names": ["none"]}],
    [{"name": "twin", "collection_names": ["none"], "no_private_reads": True}],
    [{"name": "any", "collection_names": ["_implicit_org_RegulatorMSP"]}],
    [{"name": "any", "collection_names": ["_implicit_org_PartnerMSP", "own"]}],
    [{"name": "twin"}, {"name": "any", "collection_names": ["own"], "no_private_reads": True}],
    [{"name": "any", "key_policies": ["AND('DwaybankMSP.peer', 'RegulatorMSP.peer')"]}],
    [{"name": "any", "key_policies": ["OR('DwaybankMSP.peer', 'RegulatorMSP.peer')", "OR('PartnerMSP.member')"]}],
    [{"name": "twin", "key_policies": ["OR('RegulatorMSP.member')"], "disregard_namespace_policy": True}],
    [{"name": "twin", "disregard_namespace_policy": True}],
    [{"name": "twin", "key_policies": ["OR('StrangerMSP.member')"]}],
    [{"name": ""}],
    [],
]


@dataclass
class Both:
    """The network, and somebody who asks each kind of peer."""

    fabric: FabricNetwork
    our_port: int
    go: Asker
    our: Asker

    async def settled(self) -> None:
        """Wait until the Go peer knows of all Go peers, with every chaincode and the same height as ours."""
        async with asyncio.timeout(90):
            while True:
                found = described(await self.go.peers())
                if len(found) == len(MEMBERS) and found == described(await self.our.peers()):
                    return
                await asyncio.sleep(0.5)

    async def go_says(self, query: protocol_pb2.Query, ours: protocol_pb2.QueryResult) -> bool:
        """Say whether a Go peer gives an answer, at least now and then.

        It merges several policies in an order that Go draws anew each time, and for a few of them the order matters:
        of sets that differ only in how often a principal stands in them one is kept, and combinations may be lost.
        """
        for _ in range(30):
            (theirs,) = await self.go.ask(query)
            if ours.WhichOneof("result") == theirs.WhichOneof("result") and (
                theirs.HasField("error") or layouts(theirs) == layouts(ours)
            ):
                return True
        return False


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Both]:
    folder = tmp_path_factory.mktemp("discovery")
    common = {"requiredPeerCount": 0, "maxPeerCount": 1, "blockToLive": 0}
    collections = {"any": [item | common for item in COLLECTIONS]}
    async with peers_side_by_side(folder, postgres_cluster, DEFINED, collections) as peers:
        fabric = peers.fabric
        signer = fabric.material.signer(BANK)
        askers = [Asker(channel, signer, fabric.channel_id) for channel in (peers.go_channel, peers.our_channel)]
        both = Both(fabric, peers.our_port, *askers)
        await both.settled()
        yield both


def described(result: protocol_pb2.QueryResult) -> dict[str, tuple[int, set[tuple[str, str]]]]:
    """Return height and chaincodes of each peer, by organization."""
    found = {}
    for item in result.members.peers_by_org.values():
        for peer in item.peers:
            properties = message_pb2.GossipMessage.FromString(peer.state_info.payload).state_info.properties
            chaincodes = {(chaincode.name, chaincode.version) for chaincode in properties.chaincodes}
            found[parse_identity(peer.identity).msp_id] = (properties.ledger_height, chaincodes)
    return found


def identities(result: protocol_pb2.QueryResult) -> set[tuple[str, bytes]]:
    """Return the peers in all groups of one descriptor with their organization."""
    (descriptor,) = result.cc_query_res.content
    return {
        (parse_identity(peer.identity).msp_id, peer.identity)
        for group in descriptor.endorsers_by_groups.values()
        for peer in group.peers
    }


def without_spacing(text: str) -> str:
    """Return a text as it is whether Go felt like one or like two spaces between fields."""
    return " ".join(text.split())


@pytest.mark.parametrize("interest", INTERESTS, ids=str)
async def test_descriptors_are_the_same(both: Both, interest: list[dict[str, Any]]) -> None:
    theirs, ours = await both.go.endorsers(*interest), await both.our.endorsers(*interest)
    assert ours.WhichOneof("result") == theirs.WhichOneof("result"), (theirs, ours)
    if theirs.HasField("error"):
        assert without_spacing(ours.error.content) == without_spacing(theirs.error.content)
        return
    assert layouts(ours) == layouts(theirs)
    assert identities(ours) == identities(theirs)


def drawn_policy(draw: random.Random) -> str:
    """Return some policy over principals that stand in it once each."""
    principals = [f"'{msp_id}.{role}'" for msp_id in MEMBERS for role in ("peer", "member", "admin")]
    chosen = draw.sample(principals, draw.randint(1, 5))
    parts = []
    while chosen:
        size = draw.randint(1, len(chosen))
        group, chosen = chosen[:size], chosen[size:]
        parts.append(f"OutOf({draw.randint(1, size)}, {', '.join(group)})")
    return f"OutOf({draw.randint(1, len(parts))}, {', '.join(parts)})"


@pytest.mark.parametrize("seed", range(12))
async def test_drawn_policies_give_the_same_layouts(both: Both, seed: int) -> None:
    """Clients hand in the policies of keys, so any policy at all can be asked about."""
    draw = random.Random(seed)
    queries = [
        endorsers(
            both.fabric.channel_id,
            {
                "name": draw.choice(["any", "twin", "nested"]),
                "key_policies": [drawn_policy(draw) for _ in range(draw.randint(1, 3))],
                "disregard_namespace_policy": draw.random() < 0.5,
            },
        )
        for _ in range(25)
    ]
    answers = await both.our.ask(*queries)
    for query, ours in zip(queries, answers, strict=True):
        assert await both.go_says(query, ours), query
    assert any(ours.HasField("cc_query_res") for ours in answers)


@pytest.mark.parametrize("interest", [item for item in INTERESTS if item and item[0]["name"]], ids=str)
async def test_filtered_peers_are_the_same(both: Both, interest: list[dict[str, Any]]) -> None:
    theirs, ours = await both.go.peers(*interest), await both.our.peers(*interest)
    assert ours.WhichOneof("result") == theirs.WhichOneof("result"), (theirs, ours)
    if theirs.HasField("error"):
        assert without_spacing(ours.error.content) == without_spacing(theirs.error.content)
        return
    assert described(ours) == described(theirs)
    assert set(ours.members.peers_by_org) == set(theirs.members.peers_by_org)


async def test_configuration_is_the_same(both: Both) -> None:
    query = protocol_pb2.Query(channel=both.fabric.channel_id, config_query=protocol_pb2.ConfigQuery())
    (theirs,), (ours,) = await both.go.ask(query), await both.our.ask(query)
    assert ours == theirs


async def test_refusals_are_the_same(both: Both) -> None:
    """Who asks for what he may not, or nothing, is answered in the same words by both."""
    channel_id = both.fabric.channel_id
    signer = both.fabric.material.signer(PARTNER)
    cases: list[tuple[protocol_pb2.Query, dict[str, Any]]] = [
        (protocol_pb2.Query(channel="other", config_query=protocol_pb2.ConfigQuery()), {}),
        (endorsers(channel_id, {"name": "twin"}), {"signer": signer}),
        (protocol_pb2.Query(channel=channel_id), {}),
        (protocol_pb2.Query(channel=channel_id, local_peers=protocol_pb2.LocalPeerQuery()), {}),
        (protocol_pb2.Query(local_peers=protocol_pb2.LocalPeerQuery()), {"signer": signer}),
        (protocol_pb2.Query(channel=channel_id, cc_query=protocol_pb2.ChaincodeQuery()), {}),
    ]
    for query, options in cases:
        theirs = await both.go.error(query, **options)
        assert theirs
        assert await both.our.error(query, **options) == theirs
    failures = []
    for asker in (both.go, both.our):
        with pytest.raises(RpcError) as failure:
            await asker.ask(endorsers(channel_id, {"name": "twin"}), client_identity=b"")
        failures.append((failure.value.code, str(failure.value)))
    assert failures[0] == failures[1]


async def test_certificate_that_a_request_names_is_not_compared(both: Both) -> None:
    query = endorsers(both.fabric.channel_id, {"name": "twin"})
    for asker in (both.go, both.our):
        (result,) = await asker.ask(query, client_tls_cert_hash=b"another")
        assert result.HasField("cc_query_res")


@pytest.mark.parametrize(
    "arguments",
    [
        ("peers",),
        ("config",),
        ("endorsers", "--chaincode", "twin"),
        ("endorsers", "--chaincode", "any", "--collection", "any:own,both", "--noPrivateReads", "any"),
        ("endorsers", "--chaincode", "twin", "--chaincode", "nested"),
        ("endorsers", "--chaincode", "nothing"),
    ],
    ids=" ".join,
)
async def test_fabrics_own_client_is_told_the_same(both: Both, arguments: tuple[str, ...]) -> None:
    fabric = both.fabric
    told = []
    for port, msp_id in ((fabric.peers[BANK], BANK), (both.our_port, REGULATOR)):
        done = await asyncio.to_thread(
            fabric.tools.discover,
            arguments,
            port=port,
            channel_id=fabric.channel_id,
            msp_id=BANK,
            user=fabric.organization(BANK) / "users" / f"Node@{DOMAINS[BANK]}",
            roots=fabric.tls_roots(msp_id),
        )
        text = done.text.replace(str(both.our_port), str(fabric.peers[REGULATOR]))
        told.append((done.status, comparable(text) if done.status == 0 else without_spacing(text)))
    assert told[0] == told[1]


def comparable(text: str) -> Any:
    """Return what ``discover`` prints with groups replaced by the organizations in them, and lists in order."""
    return _in_order([_with_organizations(item) if "Layouts" in item else item for item in _list(json.loads(text))])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _with_organizations(descriptor: dict[str, Any]) -> dict[str, Any]:
    names = {group: peers[0]["MSPID"] for group, peers in descriptor["EndorsersByGroups"].items()}
    quantities = [
        {names[group]: quantity for group, quantity in layout["quantities_by_group"].items()}
        for layout in descriptor["Layouts"]
    ]
    return {
        "Chaincode": descriptor["Chaincode"],
        "EndorsersByGroups": {names[group]: peers for group, peers in descriptor["EndorsersByGroups"].items()},
        "Layouts": quantities,
    }


def _in_order(value: Any) -> Any:
    if isinstance(value, list):
        return sorted((_in_order(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, dict):
        return {name: _in_order(item) for name, item in value.items()}
    return value
