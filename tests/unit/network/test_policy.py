"""Aim: a policy is satisfied by exactly the signatures that satisfy it on a Fabric peer, orders and quirks included.

Method: identities of organizations in memory, signing for real; then the endorsements captured from a real network.
"""

from __future__ import annotations

import pytest
from fabric_protos.common import common_pb2, configtx_pb2, policies_pb2
from fabric_protos.msp import msp_principal_pb2
from fabric_protos.peer import transaction_pb2

from network.channel_config import ChannelConfig
from network.errors import PolicyError, PolicyNotSatisfiedError
from network.identity import SigningIdentity, serialize_identity
from network.msp import MspManager
from network.policy import (
    ImplicitMetaPolicy,
    PolicyTree,
    SignaturePolicy,
    SignedData,
    bft_block_validation,
    bft_quorum,
    parse_signature_policy,
    valid_signers,
)
from tests.support.calls import calls_during
from tests.support.captured import NETWORKS, captured
from tests.support.members import Member, pem

A, B, C = Member("A"), Member("B"), Member("C")
MSPS = MspManager([A.msp(), B.msp(), C.msp()])
A_PEER, B_PEER, C_PEER = A.identity("peer"), B.identity("peer"), C.identity("peer")
A_CLIENT = A.identity("client")
DATA = b"what is endorsed"


def signed(*signers: SigningIdentity, data: bytes = DATA) -> list[SignedData]:
    return [SignedData(data, signer.creator, signer.sign(data)) for signer in signers]


def policy(text: str) -> SignaturePolicy:
    return SignaturePolicy(parse_signature_policy(text), MSPS)


@pytest.mark.parametrize(
    ("text", "signers", "satisfied"),
    [
        ("AND('A.peer', 'B.peer')", (A_PEER, B_PEER), True),
        ("AND('A.peer', 'B.peer')", (B_PEER, A_PEER), True),
        ("AND('A.peer', 'B.peer')", (A_PEER,), False),
        ("OR('A.peer', 'B.peer')", (B_PEER,), True),
        ("OR('A.peer', 'B.peer')", (C_PEER, A_CLIENT), False),
        ("OutOf(2, 'A.peer', 'B.peer', 'C.peer')", (C_PEER, A_PEER), True),
        ("OutOf(2, 'A.peer', 'B.peer', 'C.peer')", (C_PEER,), False),
        ("OutOf(0, 'A.peer')", (), True),
        ("OutOf(2, 'A.peer')", (A_PEER,), False),
        ("AND('A.member', 'A.member')", (A_PEER,), False),
        ("AND('A.member', 'A.member')", (A_PEER, A_CLIENT), True),
    ],
)
def test_signature_policy_over_signers(text: str, signers: tuple[SigningIdentity, ...], satisfied: bool) -> None:
    if satisfied:
        policy(text).evaluate(signed(*signers))
    else:
        with pytest.raises(PolicyNotSatisfiedError):
            policy(text).evaluate(signed(*signers))


def test_greedy_evaluation_does_not_go_back_so_the_order_of_rules_decides() -> None:
    """The peer is spent on 'A.member' first; nothing is left for 'A.peer'."""
    with pytest.raises(PolicyNotSatisfiedError):
        policy("AND('A.member', 'A.peer')").evaluate(signed(A_PEER, A_CLIENT))
    policy("AND('A.member', 'A.peer')").evaluate(signed(A_CLIENT, A_PEER))
    policy("AND('A.peer', 'A.member')").evaluate(signed(A_PEER, A_CLIENT))


def test_signers_of_a_failed_part_are_given_back() -> None:
    policy("OR(AND('A.peer', 'C.peer'), 'A.peer')").evaluate(signed(A_PEER))


def test_signers_spent_by_a_failing_gate_at_the_top_stay_spent_within_it() -> None:
    """The first part takes the only signer; the second finds none, so one of two holds."""
    with pytest.raises(PolicyNotSatisfiedError):
        policy("OutOf(2, OR('A.peer'), OR('A.peer'))").evaluate(signed(A_PEER))


@pytest.mark.parametrize("satisfied", [True, False])
def test_gates_are_evaluated_as_deep_as_go_reads_them(*, satisfied: bool) -> None:
    envelope = parse_signature_policy("OR('A.peer', 'B.peer')")
    rule = envelope.rule.n_out_of.rules[1]
    rule.Clear()
    for _ in range(4_998):
        rule.n_out_of.n = 1
        rule.n_out_of.rules.add().signed_by = 0
        rule = rule.n_out_of.rules.add()
    rule.signed_by = 1
    envelope.rule.n_out_of.n = 2 if satisfied else 3
    found = SignaturePolicy.from_bytes(envelope.SerializeToString(), MSPS)
    if satisfied:
        found.evaluate(signed(A_PEER, B_PEER))
    else:
        with pytest.raises(PolicyNotSatisfiedError):
            found.evaluate(signed(A_PEER, B_PEER))


def test_one_signer_counts_once_however_often_it_signs_or_however_it_is_written() -> None:
    other_bytes = serialize_identity("A", b"x\n" + pem(A_PEER.certificate))
    twice = [*signed(A_PEER, A_PEER), SignedData(DATA, other_bytes, A_PEER.sign(DATA))]
    assert len(valid_signers(twice, MSPS)) == 1
    with pytest.raises(PolicyNotSatisfiedError):
        policy("AND('A.peer', 'A.peer')").evaluate(twice)


def test_a_wrong_signature_first_does_not_hide_the_same_signers_right_one() -> None:
    wrong = SignedData(b"other", A_PEER.creator, A_PEER.sign(DATA))
    assert len(valid_signers([wrong, *signed(A_PEER)], MSPS)) == 1


def test_worthless_signatures_do_not_spoil_the_others() -> None:
    stranger = Member("D").identity("peer")
    impostor = Member("A").identity("peer")
    noise = [SignedData(DATA, b"\xff", b""), SignedData(DATA, b"", b""), *signed(stranger, impostor)]
    policy("OR('A.peer')").evaluate([*noise, *signed(A_PEER)])
    with pytest.raises(PolicyNotSatisfiedError, match="0 valid signatures"):
        policy("OR('A.peer')").evaluate(noise)


def test_a_stranger_who_signs_many_times_is_looked_at_once() -> None:
    strangers = [SignedData(DATA, b"nobody", b"")] * 1_000
    assert calls_during(lambda: valid_signers(strangers, MSPS), "deserialize") == 1


def test_revoked_signer_satisfies_nothing() -> None:
    member = Member("A")
    signer = member.identity("peer")
    msps = MspManager([member.msp(revocation_list=[member.crl(signer.certificate)])])
    with pytest.raises(PolicyNotSatisfiedError):
        SignaturePolicy(parse_signature_policy("OR('A.member')"), msps).evaluate(signed(signer))


@pytest.mark.parametrize(
    "envelope",
    [
        policies_pb2.SignaturePolicyEnvelope(),
        policies_pb2.SignaturePolicyEnvelope(rule=policies_pb2.SignaturePolicy()),
        policies_pb2.SignaturePolicyEnvelope(rule=policies_pb2.SignaturePolicy(signed_by=0)),
        policies_pb2.SignaturePolicyEnvelope(rule=policies_pb2.SignaturePolicy(signed_by=-1)),
    ],
)
def test_broken_signature_policy_does_not_compile(envelope: policies_pb2.SignaturePolicyEnvelope) -> None:
    with pytest.raises(PolicyError):
        SignaturePolicy(envelope, MSPS)


def test_configured_signature_policy_of_another_version_or_form_is_refused() -> None:
    envelope = parse_signature_policy("OR('A.peer')")
    SignaturePolicy.from_bytes(envelope.SerializeToString(), MSPS)
    envelope.version = 1
    with pytest.raises(PolicyError, match="version 1"):
        SignaturePolicy.from_bytes(envelope.SerializeToString(), MSPS)
    with pytest.raises(PolicyError, match="not that message"):
        SignaturePolicy.from_bytes(b"\xff", MSPS)


# --- policies over policies ----------------------------------------------------------------------------------------


def tree(**groups: str) -> PolicyTree:
    """Return a channel with a group for each text, each with the policy "P"; the root asks over them."""
    root = configtx_pb2.ConfigGroup()
    for name, text in groups.items():
        value = parse_signature_policy(text).SerializeToString()
        root.groups[name].policies["P"].policy.CopyFrom(policies_pb2.Policy(type=1, value=value))
    for name in ("ANY", "ALL", "MAJORITY"):
        rule = policies_pb2.ImplicitMetaPolicy.Rule.Value(name)
        value = policies_pb2.ImplicitMetaPolicy(sub_policy="P", rule=rule).SerializeToString()
        root.policies[name].policy.CopyFrom(policies_pb2.Policy(type=3, value=value))
    return PolicyTree("Channel", root, MSPS)


@pytest.mark.parametrize(
    ("rule", "signers", "satisfied"),
    [
        ("ANY", (B_PEER,), True),
        ("ANY", (A_CLIENT,), False),
        ("MAJORITY", (A_PEER, C_PEER), True),
        ("MAJORITY", (A_PEER,), False),
        ("ALL", (A_PEER, B_PEER, C_PEER), True),
        ("ALL", (A_PEER, B_PEER), False),
    ],
)
def test_implicit_meta_policy_counts_groups(rule: str, signers: tuple[SigningIdentity, ...], satisfied: bool) -> None:
    found = tree(a="OR('A.peer')", b="OR('B.peer')", c="OR('C.peer')").find(f"/Channel/{rule}")
    assert found is not None
    if satisfied:
        found.evaluate(signed(*signers))
    else:
        with pytest.raises(PolicyNotSatisfiedError, match="'P' sub-policies to be satisfied"):
            found.evaluate(signed(*signers))


def test_implicit_meta_policy_of_two_groups_needs_both_for_a_majority() -> None:
    found = tree(a="OR('A.peer')", b="OR('B.peer')").find("MAJORITY")
    assert isinstance(found, ImplicitMetaPolicy)
    assert found.threshold == 2


def test_one_signer_may_satisfy_the_policies_of_several_groups() -> None:
    found = tree(a="OR('A.peer')", b="OR('A.peer')").find("ALL")
    assert found is not None
    found.evaluate(signed(A_PEER))


def test_implicit_meta_policy_without_groups_is_always_satisfied() -> None:
    for name in ("ANY", "ALL", "MAJORITY"):
        found = tree().find(name)
        assert found is not None
        found.evaluate([])


def test_group_without_the_policy_counts_as_unsatisfied() -> None:
    present = SignaturePolicy(parse_signature_policy("OutOf(0, 'A.peer')"), MSPS)
    ImplicitMetaPolicy("P", policies_pb2.ImplicitMetaPolicy.ANY, [None, present], MSPS).evaluate([])
    with pytest.raises(PolicyNotSatisfiedError):
        ImplicitMetaPolicy("P", policies_pb2.ImplicitMetaPolicy.ALL, [None, present], MSPS).evaluate([])


@pytest.mark.parametrize("rule", [3, 7, -1])
def test_implicit_meta_policy_of_an_unknown_rule_holds_when_none_below_does(rule: int) -> None:
    """Go peers take such a configuration, to which one organization's administrator may change its own group."""
    below = [policy("OR('A.peer')"), None, policy("OR('B.peer')")]
    found = ImplicitMetaPolicy("P", rule, below, MSPS)
    found.evaluate(signed(C_PEER))
    for signers in ((A_PEER,), (A_PEER, B_PEER)):
        with pytest.raises(PolicyNotSatisfiedError, match=f"{len(signers)} sub-policies .* requires 0"):
            found.evaluate(signed(*signers))
    ImplicitMetaPolicy("P", rule, [], MSPS).evaluate(signed(A_PEER))


def test_policies_are_found_by_absolute_and_relative_names_only_below_their_group() -> None:
    root = tree(a="OR('A.peer')")
    below = root.tree(["a"])
    assert below is not None
    assert below.path == "Channel/a"
    assert root.find("/Channel/a/P") is root.find("a/P") is below.find("P") is below.find("/Channel/a/P")
    for missing in ("", "/", "/Channel", "/Other/P", "Q", "b/P"):
        assert root.find(missing) is None
    assert below.find("/Channel/ANY") is None
    assert root.tree(["a", "x"]) is None
    assert root.tree([]) is root


@pytest.mark.parametrize(
    ("configured", "reason"),
    [
        (configtx_pb2.ConfigPolicy(), "is empty"),
        (configtx_pb2.ConfigPolicy(policy=policies_pb2.Policy(type=2)), "type 2"),
        (configtx_pb2.ConfigPolicy(policy=policies_pb2.Policy(type=1, value=b"\xff")), "not that message"),
        (configtx_pb2.ConfigPolicy(policy=policies_pb2.Policy(type=3, value=b"\xff")), "not that message"),
    ],
)
def test_tree_with_a_broken_policy_names_its_path(configured: configtx_pb2.ConfigPolicy, reason: str) -> None:
    root = configtx_pb2.ConfigGroup()
    root.groups["Application"].policies["Broken"].CopyFrom(configured)
    with pytest.raises(PolicyError, match=f"/Channel/Application/Broken.*{reason}"):
        PolicyTree("Channel", root, MSPS)


# --- the Byzantine-tolerant ordering service -----------------------------------------------------------------------


def test_bft_quorum_is_half_of_nodes_and_faulty_and_one_rounded_up() -> None:
    assert [bft_quorum(nodes) for nodes in (1, 2, 3, 4, 5, 6, 7, 10, 13)] == [1, 2, 2, 3, 4, 4, 5, 7, 9]


def test_bft_policy_made_from_the_captured_consenters_is_the_captured_policy() -> None:
    config = ChannelConfig.from_block(captured("bft").block(0))
    made = bft_block_validation([(item.msp_id, item.certificate_pem) for item in config.orderer.consenters])
    configured = config.policy("/Channel/Orderer/BlockValidation")
    assert isinstance(configured, SignaturePolicy)
    assert made == configured.envelope


def test_bft_policy_wants_a_quorum_of_the_named_certificates() -> None:
    orderers = [A.identity("orderer") for _ in range(4)]
    envelope = bft_block_validation([("A", pem(orderer.certificate)) for orderer in orderers])
    validation = SignaturePolicy(envelope, MSPS)
    validation.evaluate(signed(*orderers[1:]))
    with pytest.raises(PolicyNotSatisfiedError):
        validation.evaluate(signed(*orderers[2:], A.identity("orderer")))


# --- captured endorsements -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_captured_endorsements_satisfy_the_majority_exactly_where_two_organizations_endorsed(network: str) -> None:
    channel = captured(network)
    config = ChannelConfig.from_block(channel.block(0))
    policies = [config.policy(f"/Channel/Application/{name}") for name in ("Endorsement", "LifecycleEndorsement")]
    judged = 0
    for number in range(1, len(channel.blocks)):
        for data in channel.block(number).data.data:
            payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(data).payload)
            header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
            if header.type != common_pb2.ENDORSER_TRANSACTION:
                continue
            transaction = transaction_pb2.Transaction.FromString(payload.data)
            action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload).action
            endorsements = [
                SignedData(action.proposal_response_payload + item.endorser, item.endorser, item.signature)
                for item in action.endorsements
            ]
            organizations = {signer.msp_id for signer in valid_signers(endorsements, config.msps)}
            assert len(organizations) == len(endorsements)
            for majority in policies:
                if len(organizations) >= 2:
                    majority.evaluate(endorsements)
                else:
                    with pytest.raises(PolicyNotSatisfiedError):
                        majority.evaluate(endorsements)
            judged += 1
    assert judged > 60


def test_principal_kinds_beside_roles_work_inside_policies() -> None:
    named = msp_principal_pb2.MSPPrincipal(principal_classification=2, principal=A_PEER.creator)
    envelope = policies_pb2.SignaturePolicyEnvelope(rule=policies_pb2.SignaturePolicy(signed_by=0), identities=[named])
    SignaturePolicy(envelope, MSPS).evaluate(signed(A_PEER))
    with pytest.raises(PolicyNotSatisfiedError):
        SignaturePolicy(envelope, MSPS).evaluate(signed(A.identity("peer")))
