"""What satisfies a policy: sets of principals, such that whoever satisfies all of one set satisfies the policy.

Several policies at once are satisfied by merged sets. A principal that demands more stands in for one that demands less
("a peer of A" for "a member of A"), and a set that another set is part of is left out, so layouts stay minimal.

Fabric's rules, with limits of our own: of a policy with more combinations than ``SETS_MAX`` the later ones are left
out (Fabric leaves out branches at random beyond 10,000), and a request whose policies would take ``STEPS_MAX`` steps is
refused: whoever asks names policies himself, those of keys.

Source: Fabric common/policies/inquire, common/policies/convert.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice, product

from fabric_protos.common import policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from google.protobuf.message import DecodeError

from network.errors import PolicyError
from network.policy import ImplicitMetaPolicy, Policy, SignaturePolicy

SETS_MAX = 1_000

STEPS_MAX = 1_000_000
"""Work done for one request, a second or two of it."""

_MEMBER = msp_principal_pb2.MSPRole.MEMBER
_Kind = msp_principal_pb2.MSPPrincipal
_Key = tuple[int, str, int | tuple[str, bytes] | bytes]


@dataclass(frozen=True, slots=True)
class Principal:
    """One ``MSPPrincipal``, comparable.

    Args:
        classification: its kind.
        content: its bytes.
        msp_id: organization.
        value: what within the organization: a role's number, an organizational unit, or a certificate.
    """

    classification: int
    content: bytes
    msp_id: str
    value: int | tuple[str, bytes] | bytes

    @property
    def key(self) -> _Key:
        """What tells it from others."""
        return self.classification, self.msp_id, self.value

    @property
    def covered(self) -> tuple[_Key, _Key]:
        """Principals that everybody who satisfies this one satisfies, as far as can be told: itself, and membership."""
        return self.key, (_Kind.ROLE, self.msp_id, _MEMBER)

    def message(self) -> msp_principal_pb2.MSPPrincipal:
        """Return it as it stands in policies."""
        return msp_principal_pb2.MSPPrincipal(principal_classification=self.classification, principal=self.content)


class Budget:
    """What may still be worked out for a request."""

    def __init__(self) -> None:
        self._left = STEPS_MAX

    def spend(self, steps: int) -> None:
        """Take note of steps about to be taken.

        Raises:
            PolicyError: they are too many.
        """
        self._left -= steps
        if self._left < 0:
            raise PolicyError("the policies have too many combinations to be told")


@dataclass(frozen=True, slots=True)
class _Gate:
    """As many as ``n`` of its parts must be satisfied."""

    n: int
    parts: list[_Rule]


_Rule = int | _Gate
"""A rule of a policy: a principal's index, or a gate over others."""

PrincipalSet = tuple[Principal, ...]
"""Principals that must all be satisfied, each by another signer; one may stand in it several times."""


def signature_policy_of(policy: Policy) -> policies_pb2.SignaturePolicyEnvelope:
    """Return a policy of the channel as one signature policy.

    Raises:
        PolicyError: one of the groups below has no such policy.
    """
    if isinstance(policy, SignaturePolicy):
        return policy.envelope
    if not isinstance(policy, ImplicitMetaPolicy):
        raise PolicyError(f"policy of type {type(policy).__name__} is not convertible")
    converted = policies_pb2.SignaturePolicyEnvelope()
    converted.rule.n_out_of.n = policy.threshold
    for below in policy.sub_policies:
        if below is None:
            raise PolicyError(f"a group has no policy {policy.name!r}")
        part = signature_policy_of(below)
        offset = len(converted.identities)
        converted.identities.extend(part.identities)
        _shift(part.rule, offset, converted.rule.n_out_of.rules.add())
    return converted


def sets_of(envelope: policies_pb2.SignaturePolicyEnvelope, budget: Budget) -> list[PrincipalSet]:
    """Return the sets that satisfy a signature policy; none where nothing does.

    Raises:
        PolicyError: it names a principal that is not there, or of a kind that cannot be compared, or the budget is
            spent.
    """
    # Each is looked at once for every peer, and its certificate may have to be read.
    budget.spend(20 * len(envelope.identities))
    principals = [_principal(message) for message in envelope.identities]
    found = []
    rule = _satisfiable(envelope.rule, budget)
    for choice in () if rule is None else islice(_choices(rule, budget), SETS_MAX):
        # An empty gate asks for nobody; such a policy says nothing of who endorses.
        if choice is None or not choice:
            return []
        if min(choice) < 0 or max(choice) >= len(principals):
            return []
        found.append(tuple(principals[index] for index in choice))
    return found


def merged(policies: Sequence[list[PrincipalSet]], budget: Budget) -> list[PrincipalSet]:
    """Return the minimal sets that satisfy all of several policies, each given by its sets.

    Raises:
        PolicyError: there are no policies, or the budget is spent.
    """
    if not policies:
        raise PolicyError("no principal sets remained after filtering")
    result = policies[0]
    for other in policies[1:]:
        # Each set is compared with each, and what comes of it once more with one another.
        budget.spend(len(result) * len(other) // 4)
        result = _merge(result, other)
    return result


def _merge(first: list[PrincipalSet], second: list[PrincipalSet]) -> list[PrincipalSet]:
    """Return sets that satisfy both policies.

    A set that one of the other policy's covers is used with that one only; the rest is combined, each with each.
    """
    asked, covered = _coverage(first)
    other_asked, other_covered = _coverage(second)
    inside_second = [(a, b) for a, one in enumerate(asked) for b, other in enumerate(other_covered) if one <= other]
    within = {a for a, _ in inside_second}
    left = [a for a in range(len(first)) if a not in within]
    inside_first = [(a, b) for b, other in enumerate(other_asked) for a in left if other <= covered[a]]
    containing = {a for a, _ in inside_first}
    left = [a for a in left if a not in containing]
    inner, outer = {b for _, b in inside_first}, {b for _, b in inside_second}
    others = [other for b, other in enumerate(second) if b not in inner]
    # Fabric takes the places in ``outer`` from this list, which has become shorter meanwhile. That loses combinations
    # now and then; but what we answer should be what a Go peer may answer.
    others = [other for place, other in enumerate(others) if place not in outer]
    pairs = chain(
        ((first[a], second[b]) for a, b in inside_second),
        ((second[b], first[a]) for a, b in inside_first),
        product((first[a] for a in left), others),
    )
    return _minimal([_united(contained, outer) for contained, outer in islice(pairs, SETS_MAX)])


def _coverage(sets: list[PrincipalSet]) -> tuple[list[frozenset[_Key]], list[frozenset[_Key]]]:
    """Return what each set asks for, and what it covers."""
    asked = [frozenset(principal.key for principal in item) for item in sets]
    covered = [frozenset(key for principal in item for key in principal.covered) for item in sets]
    return asked, covered


def _united(contained: PrincipalSet, containing: PrincipalSet) -> PrincipalSet:
    """Return ``containing`` with what of ``contained`` needs further signers."""
    free = list(containing)
    added = []
    for principal in contained:
        cover = next((candidate for candidate in free if principal.key in candidate.covered), None)
        if cover is None:
            added.append(principal)
        else:
            free.remove(cover)
    return (*containing, *added)


def _minimal(sets: list[PrincipalSet]) -> list[PrincipalSet]:
    """Return the sets that no other is part of, the first of those that are alike."""
    distinct = {frozenset(principal.key for principal in item): item for item in reversed(sets)}
    return [item for key, item in reversed(distinct.items()) if not any(other < key for other in distinct)]


def _satisfiable(rule: policies_pb2.SignaturePolicy, budget: Budget) -> _Rule | None:
    """Return a rule without those in it that nothing satisfies, None where nothing satisfies it.

    Combinations with such rules are without number and give nothing.
    """
    budget.spend(1)
    if rule.WhichOneof("Type") == "signed_by":
        return int(rule.signed_by)
    parts = [part for part in (_satisfiable(part, budget) for part in rule.n_out_of.rules) if part is not None]
    return _Gate(rule.n_out_of.n, parts) if 0 <= rule.n_out_of.n <= len(parts) else None


def _choices(rule: _Rule, budget: Budget) -> Iterator[tuple[int, ...] | None]:
    """Give the ways to satisfy a rule, each as indexes of principals; None for one that names nobody."""
    budget.spend(1)
    if isinstance(rule, int):
        yield (rule,)
        return
    for chosen in combinations(rule.parts, rule.n):
        if not chosen:
            yield None
            return
        for parts in product(*(list(islice(_choices(part, budget), SETS_MAX)) for part in chosen)):
            budget.spend(1)
            if any(part is None for part in parts):
                yield None
                return
            yield tuple(index for part in parts if part is not None for index in part)


def _principal(message: msp_principal_pb2.MSPPrincipal) -> Principal:
    kind = message.principal_classification
    try:
        msp_id, value = _parts(kind, message.principal)
    except DecodeError as error:
        raise PolicyError("a principal's bytes are not what its kind says") from error
    return Principal(kind, message.principal, msp_id, value)


def _parts(kind: int, content: bytes) -> tuple[str, int | tuple[str, bytes] | bytes]:
    if kind == _Kind.ROLE:
        role = msp_principal_pb2.MSPRole.FromString(content)
        return role.msp_identifier, role.role
    if kind == _Kind.ORGANIZATION_UNIT:
        unit = msp_principal_pb2.OrganizationUnit.FromString(content)
        return unit.msp_identifier, (unit.organizational_unit_identifier, unit.certifiers_identifier)
    if kind == _Kind.IDENTITY:
        identity = identities_pb2.SerializedIdentity.FromString(content)
        return identity.mspid, identity.id_bytes
    raise PolicyError(f"principals of kind {kind} cannot be compared")


def _shift(rule: policies_pb2.SignaturePolicy, offset: int, target: policies_pb2.SignaturePolicy) -> None:
    """Write a rule to ``target`` with its principals' indexes moved."""
    if rule.WhichOneof("Type") == "signed_by":
        target.signed_by = rule.signed_by + offset
        return
    target.n_out_of.n = rule.n_out_of.n
    for part in rule.n_out_of.rules:
        _shift(part, offset, target.n_out_of.rules.add())
