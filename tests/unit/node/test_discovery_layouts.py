"""Which sets of principals satisfy policies, one or several at once: groups and quantities of discovery's layouts."""

from __future__ import annotations

import pytest
from fabric_protos.common import policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from fabric_protos.peer import proposal_response_pb2

from network.channel_config import ChannelConfig
from network.errors import PolicyError
from network.genesis import ChannelSpec, genesis_block
from network.policy import parse_signature_policy
from node.peer.discovery.channel_description import config_result
from node.peer.discovery.go_text import go_text
from node.peer.discovery.principal_sets import Budget, PrincipalSet, merged, sets_of, signature_policy_of
from tests.support.consortium_in_memory import BANK, CHANNEL, ORDERER, PARTNER, REGULATOR, make_material

MAJORITY = "OutOf(2, 'A.peer', 'B.peer', 'C.peer')"


def names(sets: list[PrincipalSet]) -> set[str]:
    """Return sets as texts: "A.peer B.peer"."""
    return {" ".join(sorted(_name(principal) for principal in item)) for item in sets}


def names_of_keys(sets: list[PrincipalSet]) -> list[list[object]]:
    return [[principal.key for principal in reversed(item)] for item in sets]


def _name(principal: object) -> str:
    role = msp_principal_pb2.MSPRole.FromString(principal.content)  # type: ignore[attr-defined]
    return f"{role.msp_identifier}.{msp_principal_pb2.MSPRole.MSPRoleType.Name(role.role).lower()}"


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (["OR('A.peer', 'B.peer')"], {"A.peer", "B.peer"}),
        (["AND('A.peer', 'B.peer')"], {"A.peer B.peer"}),
        ([MAJORITY], {"A.peer B.peer", "A.peer C.peer", "B.peer C.peer"}),
        (["OutOf(2, 'A.peer', 'A.peer', 'B.peer')"], {"A.peer A.peer", "A.peer B.peer"}),
        (["AND('A.peer', OR('B.peer', 'C.peer'))"], {"A.peer B.peer", "A.peer C.peer"}),
        # A set with fewer principals leaves out the larger ones that it is part of.
        ([MAJORITY, "OR('A.peer', 'B.peer', 'C.peer')"], {"A.peer B.peer", "A.peer C.peer", "B.peer C.peer"}),
        ([MAJORITY, "AND('A.peer', 'B.peer')"], {"A.peer B.peer"}),
        # Who is a peer is a member too.
        (["OR('A.member', 'B.member')", "AND('A.peer', 'C.peer')"], {"A.peer C.peer"}),
        (
            ["AND('A.member', 'B.member')", "OR('C.peer', 'D.peer')"],
            {"A.member B.member C.peer", "A.member B.member D.peer"},
        ),
        # One peer does not stand for two members.
        (["AND('A.member', 'A.member')", "AND('A.peer', 'B.peer')"], {"A.member A.peer B.peer"}),
        (["OR('A.peer', 'B.peer')", "OR('B.peer', 'C.peer')", "OR('C.peer', 'B.peer')"], {"B.peer", "A.peer C.peer"}),
    ],
)
def test_sets_that_satisfy_policies(policies: list[str], expected: set[str]) -> None:
    found = merged([sets_of(parse_signature_policy(text), Budget()) for text in policies], Budget())
    assert names(found) == expected


def test_policy_that_asks_for_nobody_is_satisfied_by_nothing_one_could_name() -> None:
    envelope = policies_pb2.SignaturePolicyEnvelope()
    envelope.rule.n_out_of.n = 0
    assert sets_of(envelope, Budget()) == []
    envelope.rule.n_out_of.rules.add(signed_by=0)
    envelope.rule.n_out_of.n = 1
    assert sets_of(envelope, Budget()) == []  # there is no principal 0


def test_principals_of_every_kind_are_compared() -> None:
    certificate = identities_pb2.SerializedIdentity(mspid="A", id_bytes=b"one").SerializeToString()
    unit = msp_principal_pb2.OrganizationUnit(msp_identifier="A", organizational_unit_identifier="u")
    kinds = msp_principal_pb2.MSPPrincipal
    envelope = policies_pb2.SignaturePolicyEnvelope(
        identities=[
            kinds(principal_classification=kinds.IDENTITY, principal=certificate),
            kinds(principal_classification=kinds.ORGANIZATION_UNIT, principal=unit.SerializeToString()),
        ]
    )
    envelope.rule.n_out_of.n = 1
    for index in range(2):
        envelope.rule.n_out_of.rules.add(signed_by=index)
    (one, unit_set) = sets_of(envelope, Budget())
    member = sets_of(parse_signature_policy("OR('A.member')"), Budget())
    assert merged([[one], member], Budget()) == [one]
    assert merged([[unit_set], member], Budget()) == [unit_set]
    assert names_of_keys(merged([[one], [unit_set]], Budget())) == [[one[0].key, unit_set[0].key]]
    envelope.identities[0].principal_classification = kinds.ANONYMITY
    with pytest.raises(PolicyError, match="cannot be compared"):
        sets_of(envelope, Budget())


def test_many_combinations_are_bounded() -> None:
    organizations = ", ".join(f"'O{number}.peer'" for number in range(40))
    sets = sets_of(parse_signature_policy(f"OutOf(20, {organizations})"), Budget())
    assert len(sets) == 1_000
    assert len(merged([sets, sets_of(parse_signature_policy("OR('X.peer', 'Y.peer')"), Budget())], Budget())) == 1_000


def test_rules_that_nothing_satisfies_are_not_combined() -> None:
    """There are 137 billion ways to choose 20 of 40, and none of them gives anything."""
    envelope = parse_signature_policy("OutOf(1, 'A.peer', 'B.peer')")
    del envelope.rule.n_out_of.rules[1:]
    impossible = envelope.rule.n_out_of.rules.add()
    impossible.n_out_of.n = 20
    for _ in range(40):
        two_of_one = impossible.n_out_of.rules.add()
        two_of_one.n_out_of.n = 2
        two_of_one.n_out_of.rules.add(signed_by=0)
    assert names(sets_of(envelope, Budget())) == {"A.peer"}


def test_work_for_one_request_is_bounded() -> None:
    budget = Budget()
    policies = [
        parse_signature_policy("OutOf(2, " + ", ".join(f"'K{key}O{number}.peer'" for number in range(46)) + ")")
        for key in range(20)
    ]
    with pytest.raises(PolicyError, match="the policies have too many combinations to be told"):
        merged([sets_of(policy, budget) for policy in policies], budget)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ChannelConfig:
    material = make_material(tmp_path_factory.mktemp("crypto"))
    members = tuple(material.org(msp_id) for msp_id in (BANK, PARTNER, REGULATOR))
    spec = ChannelSpec(CHANNEL, orderer_orgs=(material.org(ORDERER),), application_orgs=members)
    return ChannelConfig.from_block(genesis_block(spec))


def test_policy_over_policies_becomes_one(config: ChannelConfig) -> None:
    found = sets_of(signature_policy_of(config.policy("/Channel/Application/Endorsement")), Budget())
    pairs = ((BANK, PARTNER), (BANK, REGULATOR), (PARTNER, REGULATOR))
    assert names(found) == {" ".join(sorted(f"{msp_id}.peer" for msp_id in pair)) for pair in pairs}


def test_configuration_names_every_organization_and_orderer(config: ChannelConfig) -> None:
    result = config_result(config)
    assert set(result.msps) == {BANK, PARTNER, REGULATOR, ORDERER}
    assert [(item.host, item.port) for item in result.orderers[ORDERER].endpoint] == [("127.0.0.1", 7050)]


def test_messages_are_printed_as_go_prints_them() -> None:
    interest = proposal_response_pb2.ChaincodeInterest()
    interest.chaincodes.add(name='a"\n', collection_names=["c1", "c2"], no_private_reads=True)
    interest.chaincodes.add(name="b").key_policies.add().rule.signed_by = 1
    assert go_text(interest) == (
        'chaincodes:{name:"a\\"\\n" collection_names:"c1" collection_names:"c2" no_private_reads:true} '
        'chaincodes:{name:"b" key_policies:{rule:{signed_by:1}}}'
    )
