"""Policies: who must have signed. Signature policies, policies over policies, and the tree they stand in.

Rules kept here:

* Evaluation is greedy, without going back, and one signer counts once: the order of signatures and of rules can decide.
  That is Fabric's algorithm, and every peer must reach the same verdict.
* Signers are told apart by their certificate, before signatures are checked: the same signer twice is checked once.
* A signature that does not verify, or an identity no MSP knows, counts as absent; it does not spoil the others.
* A name that leads nowhere is a policy nobody satisfies.
* A verdict depends on the signers' certificates and the compiled policy alone, so it is kept by them.

Source: Fabric 3.1 common/cauthdsl/cauthdsl.go, common/policies/policy.go, implicitmeta.go, bft.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fabric_protos.common import configtx_pb2, policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from google.protobuf.message import DecodeError

from network.errors import IdentityError, PolicyError, PolicyNotSatisfiedError, SignatureError, WireError
from network.identity import Identity, Verify
from network.messages import read_message
from network.msp import MspManager
from network.policy_dsl import format_signature_policy, n_out_of, parse_signature_policy

__all__ = [
    "ImplicitMetaPolicy",
    "Policy",
    "PolicyTree",
    "SignaturePolicy",
    "SignedData",
    "bft_block_validation",
    "bft_quorum",
    "format_signature_policy",
    "parse_signature_policy",
    "valid_signers",
]


_VERDICTS_MAX = 1024
"""Sets of signers a policy remembers; a channel's transactions have few different ones."""


@dataclass(frozen=True, slots=True)
class SignedData:
    """One signature with what it was made over and by whom.

    Attributes:
        data: the signed bytes, or the first of them.
        creator: serialized identity of the signer.
        signature: as received.
        rest: the signed bytes after ``data``: what many signatures have in common is not copied for each.
    """

    data: bytes
    creator: bytes
    signature: bytes
    rest: bytes = b""


class Policy(Protocol):
    """Something signatures can satisfy."""

    def evaluate(self, signed: Sequence[SignedData]) -> None:
        """Check signatures, then the rule.

        Raises:
            PolicyNotSatisfiedError: the valid signatures among them do not satisfy the policy.
        """

    def evaluate_identities(self, identities: Sequence[Identity]) -> None:
        """Check the rule over signers already verified and told apart.

        Raises:
            PolicyNotSatisfiedError: they do not satisfy the policy.
        """


def valid_signers(signed: Iterable[SignedData], msps: MspManager, verify: Verify = Identity.verify) -> list[Identity]:
    """Return the signers whose signatures verify, each once, in the order given.

    Args:
        signed: signatures as received.
        msps: the channel's organizations.
        verify: checks a signature.
    Source: Fabric common/policies/policy.go, SignatureSetToValidIdentities.
    """
    signers: dict[tuple[str, bytes], Identity] = {}
    nobody: set[bytes] = set()
    for item in signed:
        if item.creator in nobody:
            continue
        try:
            identity = msps.deserialize(item.creator)
        except (IdentityError, WireError):
            # Anyone may add worthless signatures to a message; they must not stop the worthy ones.
            nobody.add(item.creator)
            continue
        try:
            if identity.identifier not in signers:
                verify(identity, item.data + item.rest, item.signature)
                signers[identity.identifier] = identity
        except SignatureError:
            continue
    return list(signers.values())


class SignaturePolicy:
    """A rule over signatures: n out of several, down to principals.

    Attributes:
        envelope: the policy as configured.
    """

    def __init__(self, envelope: policies_pb2.SignaturePolicyEnvelope, msps: MspManager) -> None:
        """Compile a policy.

        Args:
            envelope: rule and principals.
            msps: the channel's organizations.
        Raises:
            PolicyError: a rule is empty or names a principal that is not there.
        Source: Fabric common/cauthdsl/cauthdsl.go, compile.
        """
        if not envelope.HasField("rule"):
            raise PolicyError("signature policy has no rule")
        self.envelope = envelope
        self._msps = msps
        self._principals = list(envelope.identities)
        self._steps = _compile(envelope.rule, len(self._principals))
        self._verdicts = _Verdicts()

    @classmethod
    def from_bytes(cls, data: bytes, msps: MspManager) -> SignaturePolicy:
        """Compile a serialized ``SignaturePolicyEnvelope`` as channel configurations hold it.

        Raises:
            PolicyError: not such bytes, a version other than 0, or a broken rule.
        """
        try:
            envelope = read_message(policies_pb2.SignaturePolicyEnvelope, data)
        except DecodeError as error:
            raise PolicyError("SignaturePolicyEnvelope: the policy's bytes are not that message") from error
        if envelope.version != 0:
            raise PolicyError(f"SignaturePolicyEnvelope.version {envelope.version} is unknown; only 0 is")
        return cls(envelope, msps)

    def evaluate(self, signed: Sequence[SignedData]) -> None:
        """Check signatures, then the rule; see `Policy`."""
        self.evaluate_identities(valid_signers(signed, self._msps))

    def evaluate_identities(self, identities: Sequence[Identity]) -> None:
        """Check the rule over verified signers; see `Policy`."""
        self._verdicts.require(identities, self._refusal)

    def _refusal(self, identities: Sequence[Identity]) -> str:
        if self._holds(identities):
            return ""
        return f"{len(identities)} valid signatures do not satisfy the signature policy"

    def _holds(self, identities: Sequence[Identity]) -> bool:
        used = [False] * len(identities)
        # Of each gate under way, how many parts have held; the outermost is the policy, with the rule as its one part.
        held = [0]
        before: list[list[bool]] = []
        for step in self._steps:
            if isinstance(step, int):
                held[-1] += self._take_signer(self._principals[step], identities, used)
            elif step.n is None:
                held.append(0)
                before.append(used.copy())
            else:
                # A gate that failed gives its signers back.
                kept, satisfied = before.pop(), held.pop() >= step.n
                used = used if satisfied else kept
                held[-1] += satisfied
        return held == [1]

    def _take_signer(
        self, principal: msp_principal_pb2.MSPPrincipal, identities: Sequence[Identity], used: list[bool]
    ) -> bool:
        """Spend the first unspent signer that satisfies the principal."""
        for index, identity in enumerate(identities):
            if used[index]:
                continue
            try:
                self._msps.satisfies_principal(identity, principal)
            except IdentityError:
                continue
            used[index] = True
            return True
        return False


@dataclass(frozen=True, slots=True)
class _Gate:
    """Where a gate begins, without a number, or ends, with the number of its parts that must hold."""

    n: int | None = None


_Step = int | _Gate
"""A principal's index, or a gate's begin or end."""


def _compile(policy: policies_pb2.SignaturePolicy, principals: int) -> tuple[_Step, ...]:
    """Return a rule as the steps of its evaluation: gates may be nested deeper than Python's calls."""
    steps: list[_Step] = []
    waiting: list[policies_pb2.SignaturePolicy | _Gate] = [policy]
    while waiting:
        rule = waiting.pop()
        if isinstance(rule, _Gate):
            steps.append(rule)
            continue
        kind = rule.WhichOneof("Type")
        if kind == "n_out_of":
            steps.append(_Gate())
            waiting.append(_Gate(rule.n_out_of.n))
            waiting.extend(reversed(rule.n_out_of.rules))
            continue
        if kind != "signed_by":
            raise PolicyError("signature policy holds a rule that is neither signed_by nor n_out_of")
        index: int = rule.signed_by
        if not 0 <= index < principals:
            raise PolicyError(f"signature policy names principal {index}, but has {principals}")
        steps.append(index)
    return tuple(steps)


class ImplicitMetaPolicy:
    """A policy over the policies of one name in all groups below.

    Attributes:
        name: of the policies below.
        threshold: how many of them must be satisfied.
        sub_policies: one for each group below; None where the group has no policy of that name.
    """

    def __init__(self, name: str, rule: int, sub_policies: Sequence[Policy | None], msps: MspManager) -> None:
        """Build the policy.

        Args:
            name: of the policies below.
            rule: ``ImplicitMetaPolicy.ANY``, ``ALL`` or ``MAJORITY``; any other number asks that none be satisfied.
            sub_policies: one for each group below.
            msps: the channel's organizations.
        Source: Fabric common/policies/implicitmeta.go, NewImplicitMetaPolicy.
        """
        count = len(sub_policies)
        kinds = policies_pb2.ImplicitMetaPolicy
        thresholds = {kinds.ANY: 1, kinds.ALL: count, kinds.MAJORITY: count // 2 + 1}
        self.name = name
        # Where there are no groups below, nothing is asked for.
        self.threshold = thresholds.get(rule, 0) if count else 0
        self.sub_policies = tuple(sub_policies)
        self._msps = msps
        self._verdicts = _Verdicts()

    def evaluate(self, signed: Sequence[SignedData]) -> None:
        """Check signatures, then the rule; see `Policy`.

        Each signature is checked once, not once for each policy below: all of them know the same organizations.
        """
        self.evaluate_identities(valid_signers(signed, self._msps))

    def evaluate_identities(self, identities: Sequence[Identity]) -> None:
        """Check the rule over verified signers; see `Policy`."""
        self._verdicts.require(identities, self._refusal)

    def _refusal(self, identities: Sequence[Identity]) -> str:
        satisfied = 0
        for policy in self.sub_policies:
            if policy is not None and _is_satisfied(policy, identities):
                satisfied += 1
                if satisfied == self.threshold:
                    return ""
        # Of a threshold of none, as an unknown rule has it, Fabric counts down past it: then one satisfied is too many.
        if satisfied == self.threshold:
            return ""
        return (
            f"implicit policy evaluation failed - {satisfied} sub-policies were satisfied, but this policy requires "
            f"{self.threshold} of the '{self.name}' sub-policies to be satisfied"
        )


class _Verdicts:
    """What one compiled policy has said of sets of signers: the reason of a refusal, or nothing.

    Neither the organizations' rules nor the policy ever change: another configuration of the channel compiles anew.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, bytes], ...], str] = {}

    def require(self, identities: Sequence[Identity], refusal: Callable[[Sequence[Identity]], str]) -> None:
        """Raise ``PolicyNotSatisfiedError`` where these signers are refused."""
        signers = tuple([identity.identifier for identity in identities])
        reason = self._known.get(signers)
        if reason is None:
            if len(self._known) >= _VERDICTS_MAX:
                self._known.clear()
            reason = self._known[signers] = refusal(identities)
        if reason:
            raise PolicyNotSatisfiedError(reason)


def _is_satisfied(policy: Policy, identities: Sequence[Identity]) -> bool:
    try:
        policy.evaluate_identities(identities)
    except PolicyNotSatisfiedError:
        return False
    return True


class PolicyTree:
    """The policies of one group of a channel's configuration, and of all groups below.

    Attributes:
        path: group names from the root, joined by slashes, without one in front ("Channel/Application").
        groups: tree by name of the group below.
    """

    def __init__(self, path: str, group: configtx_pb2.ConfigGroup, msps: MspManager) -> None:
        """Compile all policies of a group, the groups below first.

        Raises:
            PolicyError: one does not compile; the message names its path.
        Source: Fabric common/policies/policy.go, NewManagerImpl.
        """
        self.path = path
        self.groups: Mapping[str, PolicyTree] = {
            name: PolicyTree(f"{path}/{name}", below, msps) for name, below in group.groups.items()
        }
        self._policies: dict[str, Policy] = {}
        for name, configured in group.policies.items():
            if not configured.HasField("policy"):
                raise PolicyError(f"policy /{path}/{name} is empty")
            try:
                self._policies[name] = self._compile(configured.policy, msps)
            except PolicyError as error:
                raise PolicyError(f"policy /{path}/{name}: {error}") from error
        for name, tree in self.groups.items():
            self._policies.update({f"{name}/{below}": policy for below, policy in tree._policies.items()})

    def find(self, name: str) -> Policy | None:
        """Return a policy by absolute ("/Channel/...") or relative name, or None.

        Source: Fabric common/policies/policy.go, GetPolicy.
        """
        prefix = f"/{self.path}"
        if name.startswith("/"):
            if not name.startswith(prefix):
                return None
            name = name[len(prefix) + 1 :]
        return self._policies.get(name)

    def tree(self, path: Sequence[str]) -> PolicyTree | None:
        """Return the tree of a group below, or None."""
        found: PolicyTree | None = self
        for name in path:
            found = found.groups.get(name) if found is not None else None
        return found

    def _compile(self, policy: policies_pb2.Policy, msps: MspManager) -> Policy:
        if policy.type == policies_pb2.Policy.SIGNATURE:
            return SignaturePolicy.from_bytes(policy.value, msps)
        if policy.type != policies_pb2.Policy.IMPLICIT_META:
            raise PolicyError(f"type {policy.type} is unknown; use SIGNATURE or IMPLICIT_META")
        try:
            meta = read_message(policies_pb2.ImplicitMetaPolicy, policy.value)
        except DecodeError as error:
            raise PolicyError("ImplicitMetaPolicy: the policy's bytes are not that message") from error
        below = [tree.find(meta.sub_policy) for tree in self.groups.values()]
        return ImplicitMetaPolicy(meta.sub_policy, meta.rule, below, msps)


def bft_quorum(nodes: int) -> int:
    """Return how many of the orderers of a Byzantine-tolerant service must sign a block.

    Source: Fabric common/policies/bft.go, ComputeBFTQuorum: half of n + f + 1, rounded up, with f = (n - 1) / 3.
    """
    faulty = (nodes - 1) // 3
    return (nodes + faulty + 2) // 2


def bft_block_validation(consenters: Sequence[tuple[str, bytes]]) -> policies_pb2.SignaturePolicyEnvelope:
    """Return the block validation policy of a Byzantine-tolerant ordering service: a quorum of named certificates.

    Args:
        consenters: MSP ID and PEM certificate of each orderer, in the configuration's order.
    Source: Fabric common/policies/bft.go, EncodeBFTBlockVerificationPolicy.
    """
    rules = [policies_pb2.SignaturePolicy(signed_by=index) for index in range(len(consenters))]
    identities = [
        msp_principal_pb2.MSPPrincipal(
            principal_classification=msp_principal_pb2.MSPPrincipal.IDENTITY,
            principal=identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=pem).SerializeToString(),
        )
        for msp_id, pem in consenters
    ]
    return policies_pb2.SignaturePolicyEnvelope(
        rule=n_out_of(bft_quorum(len(consenters)), rules), identities=identities
    )
