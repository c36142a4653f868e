"""Aim: a policy's text compiles to the bytes Fabric's own parser gives, or is refused with the place of the mistake.

Method: texts with the envelopes that Fabric's rules prescribe; wrong texts, one mistake each.
"""

from __future__ import annotations

import pytest
from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

from network.errors import PolicyError
from network.policy_dsl import format_signature_policy, n_out_of, parse_signature_policy, role_principal


def by(index: int) -> policies_pb2.SignaturePolicy:
    return policies_pb2.SignaturePolicy(signed_by=index)


def envelope(rule: policies_pb2.SignaturePolicy, *principals: tuple[str, str]) -> policies_pb2.SignaturePolicyEnvelope:
    identities = [role_principal(*principal) for principal in principals]
    return policies_pb2.SignaturePolicyEnvelope(rule=rule, identities=identities)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("OR('A.member')", envelope(n_out_of(1, [by(0)]), ("A", "member"))),
        ("and('A.client', \"B.peer\")", envelope(n_out_of(2, [by(0), by(1)]), ("A", "client"), ("B", "peer"))),
        ("OutOf(1,'A.admin' , 'B.orderer')", envelope(n_out_of(1, [by(0), by(1)]), ("A", "admin"), ("B", "orderer"))),
        ("OUTOF('2', 'A.member', 'A.member')", envelope(n_out_of(2, [by(0), by(1)]), ("A", "member"), ("A", "member"))),
        ("OutOf(3, 'A.member', 'B.member')", envelope(n_out_of(3, [by(0), by(1)]), ("A", "member"), ("B", "member"))),
        (
            "Or('org.with.dots.member', 'org-with-dashes.peer')",
            envelope(n_out_of(1, [by(0), by(1)]), ("org.with.dots", "member"), ("org-with-dashes", "peer")),
        ),
    ],
)
def test_text_compiles_to_the_envelope(text: str, expected: policies_pb2.SignaturePolicyEnvelope) -> None:
    assert parse_signature_policy(text) == expected


def test_principals_of_inner_gates_come_before_those_beside_them() -> None:
    """Fabric numbers principals when a gate closes, so those of the inner gate come first."""
    expected = envelope(
        n_out_of(1, [by(2), n_out_of(2, [by(0), by(1)])]), ("B", "member"), ("C", "member"), ("A", "member")
    )
    assert parse_signature_policy("OR('A.member', AND('B.member', 'C.member'))") == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "character 1 is the end"),
        ("'A.member'", "principal alone"),
        ("OR('A.member'", r"',' or '\)'"),
        ("OR('A.member') x", "where the end should stand"),
        ("OR()", "a gate"),
        ("OR('A.member',)", "a gate"),
        ("NOT('A.member')", "character 1 is 'NOT'"),
        ("oR('A.member')", "'oR'"),
        ("OR(A.member)", "character 5"),
        ("OR('A.owner')", "role admin, member, client, peer or orderer"),
        ("OR('Amember')", "MSP.role"),
        ("OR('A_B.member')", "MSP.role"),
        ("OutOf('A.member')", "a count"),
        ("OutOf(1)", "','"),
        ("OutOf(-1, 'A.member')", "cannot be read at character"),
        ("OutOf(3, 'A.member')", "wants 3 out of 1"),
        ("OutOf(1, 2)", "a gate"),
        ("OR" + "(OR" * 40 + "('A.member')" + ")" * 40, "nested deeper"),
    ],
)
def test_wrong_text_is_refused_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(PolicyError, match=reason):
        parse_signature_policy(text)


def test_format_of_what_is_no_role_or_not_there_is_refused() -> None:
    other = msp_principal_pb2.MSPPrincipal(principal_classification=2)
    with pytest.raises(PolicyError, match="no text form"):
        format_signature_policy(policies_pb2.SignaturePolicyEnvelope(rule=by(0), identities=[other]))
    with pytest.raises(PolicyError, match="principal 3 of 0"):
        format_signature_policy(policies_pb2.SignaturePolicyEnvelope(rule=n_out_of(1, [by(3)])))
