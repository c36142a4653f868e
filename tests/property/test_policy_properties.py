"""Aim: evaluation is Fabric's greedy algorithm, and a policy's text form loses nothing.

Method: random policies over random signers; the verdict is compared with the algorithm of Fabric's
``common/cauthdsl/cauthdsl.go`` restated as closures over lists of flags, the way it is written there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2
from hypothesis import given
from hypothesis import strategies as st

from network.errors import PolicyNotSatisfiedError
from network.identity import Identity
from network.msp import MspManager
from network.policy import SignaturePolicy
from network.policy_dsl import format_signature_policy, n_out_of, parse_signature_policy, role_principal
from tests.support.members import ROLES, Member

MEMBERS = tuple(Member(name) for name in ("A", "B", "C"))
MSPS = MspManager([member.msp() for member in MEMBERS])
SIGNERS = tuple(
    MSPS.identity(member.identity(role).creator) for member in MEMBERS for role in (*ROLES, "client", "peer")
)
PRINCIPALS = [(member.msp_id, role) for member in MEMBERS for role in ("member", *ROLES)]

Check = Callable[[Sequence[Identity], list[bool]], bool]


def rules(principals: int) -> st.SearchStrategy[policies_pb2.SignaturePolicy]:
    leaves = st.integers(0, principals - 1).map(lambda index: policies_pb2.SignaturePolicy(signed_by=index))
    return st.recursive(
        leaves,
        lambda below: st.lists(below, min_size=1, max_size=4).flatmap(
            lambda parts: st.integers(0, len(parts) + 1).map(lambda n: n_out_of(n, parts))
        ),
        max_leaves=8,
    )


@st.composite
def envelopes(draw: st.DrawFn) -> policies_pb2.SignaturePolicyEnvelope:
    named = draw(st.lists(st.sampled_from(PRINCIPALS), min_size=1, max_size=6))
    identities = [role_principal(*principal) for principal in named]
    return policies_pb2.SignaturePolicyEnvelope(rule=draw(rules(len(named))), identities=identities)


def restated(rule: policies_pb2.SignaturePolicy, principals: Sequence[msp_principal_pb2.MSPPrincipal]) -> Check:
    """Restate Fabric's compile: closures that mark signers in ``used``."""
    if rule.WhichOneof("Type") == "signed_by":
        wanted = msp_principal_pb2.MSPRole.FromString(principals[rule.signed_by].principal)
        name = msp_principal_pb2.MSPRole.MSPRoleType.Name(wanted.role).lower()

        def signed_by(identities: Sequence[Identity], used: list[bool]) -> bool:
            for index, identity in enumerate(identities):
                if used[index] or identity.msp_id != wanted.msp_identifier or not _plays(identity, name):
                    continue
                used[index] = True
                return True
            return False

        return signed_by
    parts = [restated(part, principals) for part in rule.n_out_of.rules]

    def gate(identities: Sequence[Identity], used: list[bool]) -> bool:
        verified = 0
        attempt = [False] * len(used)
        for part in parts:
            attempt[:] = used
            if part(identities, attempt):
                verified += 1
                used[:] = attempt
        return verified >= rule.n_out_of.n

    return gate


def _plays(identity: Identity, role: str) -> bool:
    return role == "member" or role in identity.certificate.units


@given(envelopes(), st.lists(st.sampled_from(SIGNERS), max_size=6, unique_by=lambda signer: signer.identifier))
def test_verdict_is_that_of_fabrics_algorithm(
    envelope: policies_pb2.SignaturePolicyEnvelope, signers: list[Identity]
) -> None:
    expected = restated(envelope.rule, list(envelope.identities))(signers, [False] * len(signers))
    try:
        SignaturePolicy(envelope, MSPS).evaluate_identities(signers)
        satisfied = True
    except PolicyNotSatisfiedError:
        satisfied = False
    assert satisfied == expected


@given(envelopes())
def test_text_form_of_a_compiled_policy_compiles_to_itself(envelope: policies_pb2.SignaturePolicyEnvelope) -> None:
    gate = envelope if envelope.rule.HasField("n_out_of") else _in_a_gate(envelope)
    compiled = parse_signature_policy(format_signature_policy(gate))
    assert format_signature_policy(compiled) == format_signature_policy(gate)
    assert parse_signature_policy(format_signature_policy(compiled)) == compiled


def _in_a_gate(envelope: policies_pb2.SignaturePolicyEnvelope) -> policies_pb2.SignaturePolicyEnvelope:
    return policies_pb2.SignaturePolicyEnvelope(rule=n_out_of(1, [envelope.rule]), identities=envelope.identities)
