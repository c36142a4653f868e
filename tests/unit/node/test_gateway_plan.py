"""Which peers a gateway asks: the fewest whose endorsements satisfy every policy behind a transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from fabric_protos.common import policies_pb2
from fabric_protos.msp.msp_principal_pb2 import MSPPrincipal
from fabric_protos.peer import collection_pb2, proposal_response_pb2

from network.channel_config import ChannelConfig
from network.genesis import ChannelSpec, genesis_block
from network.policy import parse_signature_policy
from node.peer.definition import Definition, approved_definition
from node.peer.gateway.plan import Planner, Requirement, requirement_of
from tests.support.consortium_in_memory import BANK, CHANNEL, ORDERER, PARTNER, REGULATOR, Material, make_material


@dataclass(frozen=True)
class Peer:
    msp_id: str
    number: int = 0


ALL = [Peer(BANK), Peer(PARTNER), Peer(REGULATOR)]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture(scope="module")
def planner(material: Material) -> Planner:
    spec = ChannelSpec(
        CHANNEL,
        orderer_orgs=(material.org(ORDERER),),
        application_orgs=tuple(material.org(msp_id) for msp_id in (BANK, PARTNER, REGULATOR)),
    )
    return Planner(ChannelConfig.from_block(genesis_block(spec)))


def application(text: str) -> Requirement:
    return Requirement(application=frozenset([approved_definition("cc", "1", 1, text).endorsement_policy]))


@pytest.mark.parametrize(
    ("policy", "have", "chosen"),
    [
        ("OR('DwaybankMSP.peer', 'PartnerMSP.peer')", [Peer(BANK)], ()),
        ("AND('DwaybankMSP.peer', 'PartnerMSP.peer')", [Peer(BANK)], (Peer(PARTNER),)),
        ("OutOf(2, 'DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')", [Peer(BANK)], (Peer(PARTNER),)),
        ("AND('DwaybankMSP.member', 'PartnerMSP.member', 'RegulatorMSP.member')", [], tuple(ALL)),
        ("OR('RegulatorMSP.peer')", [Peer(BANK)], (Peer(REGULATOR),)),
        ("AND('DwaybankMSP.admin', 'PartnerMSP.peer')", [Peer(BANK)], None),
        ("AND('DwaybankMSP.peer', 'StrangerMSP.peer')", [Peer(BANK)], None),
        ("", [Peer(BANK)], (Peer(PARTNER),)),
    ],
)
def test_fewest_peers_that_satisfy_the_policy_are_chosen(
    planner: Planner, policy: str, have: list[Peer], chosen: tuple[Peer, ...] | None
) -> None:
    others = [peer for peer in ALL if peer not in have]
    assert planner.smallest(application(policy), have, others) == chosen


MANY = [Peer(f"Org{number:02}MSP") for number in range(1, 31)]


def many(first: int = 1, last: int = 30) -> str:
    return ", ".join(f"'Org{number:02}MSP.peer'" for number in range(first, last + 1))


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        (f"OutOf(16, {many()})", MANY[1:16]),
        (f"AND({many(11)})", MANY[10:]),
        (f"OR(AND({many()}), AND({many(29)}))", MANY[28:]),
        (f"OR(AND({many(1, 20)}), 'Org30MSP.peer')", MANY[29:]),
        (f"AND({many()}, '{BANK}.peer')", None),
    ],
)
def test_peers_of_many_organizations_are_chosen_by_few_trials(
    planner: Planner, monkeypatch: pytest.MonkeyPatch, policy: str, chosen: list[Peer] | None
) -> None:
    """Trying all sets of 29 peers would stop the whole peer for hours."""
    tried = 0

    def evaluate(*arguments: Any) -> bool:
        nonlocal tried
        tried += 1
        assert tried < 100
        return evaluated(planner, *arguments)

    evaluated = Planner._evaluate
    monkeypatch.setattr(planner, "_evaluate", evaluate)
    expected = None if chosen is None else tuple(chosen)
    for _ in range(2):
        assert planner.smallest(application(policy), MANY[:1], MANY[1:]) == expected


def test_two_peers_of_one_organization_are_two_signers(planner: Planner) -> None:
    requirement = application("OutOf(2, 'DwaybankMSP.peer', 'DwaybankMSP.peer')")
    assert not planner.satisfied(requirement, [Peer(BANK)])
    assert planner.satisfied(requirement, [Peer(BANK), Peer(BANK, 1)])


def test_key_policy_lifecycle_and_implicit_collections_count(planner: Planner) -> None:
    key = parse_signature_policy("AND('RegulatorMSP.peer')").SerializeToString()
    both = replace(application("OR('DwaybankMSP.peer')"), keys=frozenset([key]))
    assert planner.smallest(both, [Peer(BANK)], ALL[1:]) == (Peer(REGULATOR),)
    assert planner.smallest(Requirement(lifecycle=True), [Peer(BANK)], ALL[1:]) == (Peer(PARTNER),)
    assert planner.smallest(Requirement(owners=frozenset([PARTNER])), [], ALL) == (Peer(PARTNER),)


def definition_with_collections() -> Definition:
    package = collection_pb2.CollectionConfigPackage()
    for name in ("plain", "guarded"):
        package.config.add().static_collection_config.name = name
    guarded = package.config[1].static_collection_config.endorsement_policy
    guarded.signature_policy.CopyFrom(parse_signature_policy("OR('PartnerMSP.peer')"))
    return replace(approved_definition("cc", "1", 1), collections=package.SerializeToString())


def test_requirement_names_the_policies_behind_what_was_touched() -> None:
    definition = definition_with_collections()
    interest = proposal_response_pb2.ChaincodeInterest()
    interest.chaincodes.add(name="cc", disregard_namespace_policy=True)
    policy: policies_pb2.SignaturePolicyEnvelope = parse_signature_policy("OR('RegulatorMSP.peer')")
    interest.chaincodes[0].key_policies.append(policy)
    interest.chaincodes.add(name="cc", collection_names=["guarded"])
    interest.chaincodes.add(name="cc", collection_names=["_implicit_org_PartnerMSP"])
    found = requirement_of(interest, {"cc": definition})
    assert found.keys == {policy.SerializeToString()}
    assert found.owners == {PARTNER}
    assert definition.endorsement_policy not in found.application and len(found.application) == 1
    interest.chaincodes.add(name="cc", collection_names=["plain"])
    assert definition.endorsement_policy in requirement_of(interest, {"cc": definition}).application


def test_answers_about_policies_of_keys_are_remembered_up_to_a_bound(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.peer.gateway.plan.KNOWN_MAX", 5)
    policies = ["AND('DwaybankMSP.peer')", "AND('PartnerMSP.peer')"]
    requirements = [
        Requirement(keys=frozenset([parse_signature_policy(text).SerializeToString() + bytes([0x78, number])]))
        for number in range(20)
        for text in policies
    ]
    for requirement, text in zip(requirements, policies * 20, strict=True):
        assert planner.satisfied(requirement, [Peer(BANK)]) == (BANK in text)
    assert len(planner._known) <= 5


@pytest.mark.parametrize("kind", [MSPPrincipal.ROLE, MSPPrincipal.ORGANIZATION_UNIT, MSPPrincipal.IDENTITY])
def test_policy_of_a_key_that_names_nobody_readable_is_satisfied_by_nobody(planner: Planner, kind: int) -> None:
    policy = parse_signature_policy("OR('DwaybankMSP.peer')")
    policy.identities[0].CopyFrom(MSPPrincipal(principal_classification=kind, principal=b"\xff"))
    requirement = Requirement(keys=frozenset([policy.SerializeToString()]))
    assert planner.smallest(requirement, [Peer(BANK)], [Peer(PARTNER), Peer(REGULATOR)]) is None
