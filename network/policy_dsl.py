"""The text form of signature policies: ``AND('A.peer', OR('B.member', OutOf(1, 'C.admin', 'D.client')))``.

The envelope is laid out as Fabric's parser does it, so that equal texts give equal bytes: one principal for each
mention, and the principals of an inner gate before those written beside it.

Source: Fabric 3.1 common/policydsl/policyparser.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

from network.errors import PolicyError

_DEPTH_MAX = 32
"""Levels of nesting; deeper texts are refused before they can exhaust anything."""

_TOKEN = re.compile(r"\s*(?:(?P<word>[A-Za-z]+)|(?P<number>\d{1,9})|(?P<quoted>'[^']*'|\"[^\"]*\")|(?P<mark>[(),]))")
_PRINCIPAL = re.compile(r"(?P<msp>[A-Za-z0-9.-]+)\.(?P<role>admin|member|client|peer|orderer)")
_GATES = {spelling: gate for gate in ("And", "Or", "OutOf") for spelling in (gate, gate.lower(), gate.upper())}


def parse_signature_policy(text: str) -> policies_pb2.SignaturePolicyEnvelope:
    """Compile a policy text.

    Args:
        text: gates ``AND``, ``OR``, ``OutOf(n, ...)`` over quoted principals ``'MSP.role'``.
    Returns:
        the envelope that Fabric's own parser makes of it.
    Raises:
        PolicyError: not such a text; the message says where.
    Source: Fabric common/policydsl/policyparser.go, FromString.
    """
    parser = _Parser(text, list(_tokens(text)))
    rule = parser.expression(0)
    if isinstance(rule, _Token):
        raise PolicyError(f"policy {text!r} is a principal alone; wrap it in a gate, as in OR({text.strip()})")
    parser.expect("", "the end")
    return policies_pb2.SignaturePolicyEnvelope(version=0, rule=rule, identities=parser.principals)


def format_signature_policy(envelope: policies_pb2.SignaturePolicyEnvelope) -> str:
    """Write an envelope of role principals as text, all gates as ``OutOf``.

    Raises:
        PolicyError: the envelope names something other than roles.
    """
    return _format(envelope.rule, [_format_principal(principal) for principal in envelope.identities])


def role_principal(msp_id: str, role: str) -> msp_principal_pb2.MSPPrincipal:
    """Return the principal of a role ("member", "admin", "client", "peer", "orderer") in an organization."""
    value = msp_principal_pb2.MSPRole(
        msp_identifier=msp_id, role=msp_principal_pb2.MSPRole.MSPRoleType.Value(role.upper())
    )
    return msp_principal_pb2.MSPPrincipal(
        principal_classification=msp_principal_pb2.MSPPrincipal.ROLE, principal=value.SerializeToString()
    )


def n_out_of(n: int, rules: list[policies_pb2.SignaturePolicy]) -> policies_pb2.SignaturePolicy:
    """Return the rule that ``n`` of the given rules hold."""
    return policies_pb2.SignaturePolicy(n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=n, rules=rules))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def _tokens(text: str) -> Iterator[_Token]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise PolicyError(f"policy {text!r} cannot be read at character {position + 1}")
        yield _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
        position = match.end()
    yield _Token("end", "", end)


class _Parser:
    """Recursive descent over the tokens; collects principals in the order in which gates close."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0
        self.principals: list[msp_principal_pb2.MSPPrincipal] = []

    def expression(self, depth: int) -> policies_pb2.SignaturePolicy | _Token:
        """Read a gate, compiled, or a principal, still as written."""
        token = self._take()
        if depth > _DEPTH_MAX:
            raise PolicyError(f"policy is nested deeper than {_DEPTH_MAX} levels; flatten it")
        if token.kind == "quoted":
            return token
        if token.kind == "word" and token.text in _GATES:
            return self._gate(_GATES[token.text], depth)
        raise self._error(token, "a gate (AND, OR, OutOf) or a quoted principal")

    def expect(self, text: str, name: str) -> None:
        token = self._take()
        if token.text != text or (text == "" and token.kind != "end"):
            raise self._error(token, name)

    def _gate(self, gate: str, depth: int) -> policies_pb2.SignaturePolicy:
        self.expect("(", "'('")
        n = 1
        if gate == "OutOf":
            token = self._take()
            # Fabric's parser takes the count as a number or in quotes.
            if token.kind not in ("number", "quoted") or not token.text.strip("'\"").isdecimal():
                raise self._error(token, "a count")
            n = int(token.text.strip("'\""))
            self.expect(",", "','")
        parts = [self.expression(depth + 1)]
        while self._tokens[self._next].text == ",":
            self._next += 1
            parts.append(self.expression(depth + 1))
        self.expect(")", "',' or ')'")
        rules = [self._principal(part) if isinstance(part, _Token) else part for part in parts]
        n = len(rules) if gate == "And" else n
        # One more than there are rules is allowed: a gate that never opens.
        if n > len(rules) + 1:
            raise PolicyError(f"policy {self._text!r} wants {n} out of {len(rules)}; lower the count")
        return n_out_of(n, rules)

    def _principal(self, token: _Token) -> policies_pb2.SignaturePolicy:
        match = _PRINCIPAL.fullmatch(token.text[1:-1])
        if match is None:
            raise self._error(token, "'MSP.role' with role admin, member, client, peer or orderer")
        self.principals.append(role_principal(match["msp"], match["role"]))
        return policies_pb2.SignaturePolicy(signed_by=len(self.principals) - 1)

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _error(self, token: _Token, wanted: str) -> PolicyError:
        found = repr(token.text) if token.text else "the end"
        return PolicyError(
            f"policy {self._text!r}: character {token.position + 1} is {found}, where {wanted} should stand"
        )


def _format(rule: policies_pb2.SignaturePolicy, principals: list[str]) -> str:
    if rule.WhichOneof("Type") == "signed_by":
        index: int = rule.signed_by
        if not 0 <= index < len(principals):
            raise PolicyError(f"rule names principal {index} of {len(principals)}")
        return principals[index]
    parts = [_format(part, principals) for part in rule.n_out_of.rules]
    return f"OutOf({', '.join((str(rule.n_out_of.n), *parts))})"


def _format_principal(principal: msp_principal_pb2.MSPPrincipal) -> str:
    if principal.principal_classification != msp_principal_pb2.MSPPrincipal.ROLE:
        raise PolicyError(f"principal classification {principal.principal_classification} has no text form")
    role = msp_principal_pb2.MSPRole.FromString(principal.principal)
    return f"'{role.msp_identifier}.{msp_principal_pb2.MSPRole.MSPRoleType.Name(role.role).lower()}'"
