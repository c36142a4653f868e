"""Which peers must endorse, told from the policies before anyone is asked.

Each peer stands for its organization with the role of a peer; the policies are those that validation will apply,
evaluated over sets of such stand-ins: the smallest set that satisfies them all is asked. Where that would take too long
to tell, it is a set that no peer could be left out of, as Fabric, too, tries only some of very many layouts. What
validation decides rests on the real endorsements alone.

Source: Fabric discovery/endorsement/endorsement.go (layouts), internal/pkg/gateway/endorsement.go (plan).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any, Protocol, TypeVar, cast

from fabric_protos.common import configtx_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from fabric_protos.peer import proposal_response_pb2
from google.protobuf.message import DecodeError

from network.channel_config import ChannelConfig
from network.config_update import ROOT
from network.errors import IdentityError, PolicyError
from network.msp import MspManager
from network.policy import Policy, PolicyTree
from node.peer.definition import Definition
from node.peer.endorsement_policy import EndorsementPolicies, implicit_collection_owner

T_Peer = TypeVar("T_Peer", bound="Endorsing")

KNOWN_MAX = 10_000
"""Answers remembered: where keys have policies of their own, hardly two transactions need the same."""

TRIED_ALL_MAX = 10
"""Peers of which all sets are tried, a thousand: some hundredths of a second, in which the peer does nothing else."""

_UNKNOWN = (-1,)
"""In the place of an answer that is not remembered."""

_ROLES = (msp_principal_pb2.MSPRole.MEMBER, msp_principal_pb2.MSPRole.PEER)


class Endorsing(Protocol):
    """A peer, as far as a plan goes."""

    @property
    def msp_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Requirement:
    """All policies that one transaction's endorsements must satisfy.

    Args:
        application: serialized ``ApplicationPolicy`` of chaincodes and collections.
        keys: serialized ``SignaturePolicyEnvelope`` of keys.
        owners: organizations whose implicit collections were written.
        lifecycle: whether chaincode definitions were written.
    """

    application: frozenset[bytes] = frozenset()
    keys: frozenset[bytes] = frozenset()
    owners: frozenset[str] = frozenset()
    lifecycle: bool = False


def requirement_of(
    interest: proposal_response_pb2.ChaincodeInterest, definitions: Mapping[str, Definition]
) -> Requirement:
    """Return the policies that stand behind what a simulation touched.

    Args:
        interest: from the first endorser's answer.
        definitions: committed definitions of all chaincodes in it.
    """
    application: set[bytes] = set()
    keys: set[bytes] = set()
    owners: set[str] = set()
    for call in interest.chaincodes:
        definition = definitions[call.name]
        keys.update(policy.SerializeToString() for policy in call.key_policies)
        if not call.collection_names and not call.disregard_namespace_policy:
            application.add(definition.endorsement_policy)
        collections = definition.static_collections() if call.collection_names else {}
        for name in call.collection_names:
            if owner := implicit_collection_owner(name):
                owners.add(owner)
            elif name in collections and collections[name].HasField("endorsement_policy"):
                application.add(collections[name].endorsement_policy.SerializeToString())
            else:
                application.add(definition.endorsement_policy)
    return Requirement(frozenset(application), frozenset(keys), frozenset(owners))


class Planner:
    """Plans under one configuration of the channel."""

    def __init__(self, config: ChannelConfig) -> None:
        self.sequence = config.sequence
        """Sequence of the configuration; a later one needs another planner."""
        stand_in: Any = _StandInConfig(config)
        self._policies = EndorsementPolicies(stand_in)
        self._known: dict[tuple[Requirement, tuple[str, ...]], bool] = {}
        self._chosen: dict[tuple[Requirement, tuple[str, ...], tuple[str, ...]], tuple[int, ...] | None] = {}

    def satisfied(self, requirement: Requirement, peers: Iterable[Endorsing]) -> bool:
        """Say whether endorsements of these peers would satisfy every policy."""
        msp_ids = tuple(sorted(peer.msp_id for peer in peers))
        known = self._known.get((requirement, msp_ids))
        if known is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            known = self._known[requirement, msp_ids] = self._evaluate(requirement, msp_ids)
        return known

    def smallest(
        self, requirement: Requirement, have: Sequence[Endorsing], others: Sequence[T_Peer]
    ) -> tuple[T_Peer, ...] | None:
        """Return the fewest of ``others`` that satisfy the policies together with ``have``; None when none do, and none
        of them where those at hand do alone.

        Of very many peers it may be more than the fewest, but no peer that could be left out.
        """
        asked = requirement, tuple([peer.msp_id for peer in have]), tuple([peer.msp_id for peer in others])
        chosen = self._chosen.get(asked, _UNKNOWN)
        if chosen is _UNKNOWN:
            if len(self._chosen) >= KNOWN_MAX:
                self._chosen.clear()
            chosen = self._chosen[asked] = self._choose(requirement, have, others)
        return None if chosen is None else tuple([others[index] for index in chosen])

    def _choose(
        self, requirement: Requirement, have: Sequence[Endorsing], others: Sequence[Endorsing]
    ) -> tuple[int, ...] | None:
        """Return the places of those to be asked."""
        places = range(len(others))

        def satisfied(chosen: Iterable[int]) -> bool:
            return self.satisfied(requirement, (*have, *(others[place] for place in chosen)))

        if len(others) <= TRIED_ALL_MAX:
            every = chain.from_iterable(combinations(places, size) for size in range(len(others) + 1))
            return next((chosen for chosen in every if satisfied(chosen)), None)
        if satisfied(()):
            return ()
        if not satisfied(places):
            return None
        return min((_pruned(places, order, satisfied) for order in (places[::-1], places)), key=len)

    def _evaluate(self, requirement: Requirement, msp_ids: Sequence[str]) -> bool:
        # Two peers of one organization are two signers.
        members: Any = [_StandIn(msp_id, (msp_id, bytes([number]))) for number, msp_id in enumerate(msp_ids)]
        try:
            for policy in requirement.application:
                self._policies.check_application(policy, members)
            for policy in requirement.keys:
                self._policies.check_key(policy, members)
            for owner in requirement.owners:
                self._policies.check_implicit_collection(owner, members)
            if requirement.lifecycle:
                self._policies.check_lifecycle(members)
        except PolicyError:
            return False
        return True


def _pruned(places: Iterable[int], order: Iterable[int], satisfied: Callable[[Iterable[int]], bool]) -> tuple[int, ...]:
    """Leave out, in this order, each that the rest does not need."""
    kept = tuple(places)
    for place in order:
        without = tuple(other for other in kept if other != place)
        if satisfied(without):
            kept = without
    return kept


@dataclass(frozen=True, slots=True)
class _StandIn:
    """Some peer of an organization, where an identity is asked for."""

    msp_id: str
    identifier: tuple[str, bytes]


class _StandInMsps:
    """Says of stand-ins which principals a peer of their organization satisfies."""

    def satisfies_principal(self, identity: _StandIn, principal: msp_principal_pb2.MSPPrincipal) -> None:
        try:
            organization = _organization(principal)
        except DecodeError as error:
            raise IdentityError("the principal's bytes are not what its kind says") from error
        if organization != identity.msp_id:
            raise IdentityError(f"a peer of {identity.msp_id} does not satisfy the principal")


class _StandInConfig:
    """A channel configuration whose policies ask stand-ins."""

    def __init__(self, config: ChannelConfig) -> None:
        self.channel_id = config.channel_id
        self.envelope = config.envelope
        self.application_msp_ids = config.application_msp_ids
        self.msps = cast(MspManager, _StandInMsps())
        group = configtx_pb2.ConfigEnvelope.FromString(config.envelope).config.channel_group
        self._tree = PolicyTree(ROOT, group, self.msps)

    def policy(self, path: str) -> Policy:
        policy = self._tree.find(path)
        if policy is None:
            raise PolicyError(f"channel {self.channel_id} has no policy {path!r}")
        return policy


def _organization(principal: msp_principal_pb2.MSPPrincipal) -> str:
    """Return the organization whose peers satisfy a principal; empty for none that could be told."""
    kind = principal.principal_classification
    if kind == msp_principal_pb2.MSPPrincipal.ROLE:
        role = msp_principal_pb2.MSPRole.FromString(principal.principal)
        return str(role.msp_identifier) if role.role in _ROLES else ""
    if kind == msp_principal_pb2.MSPPrincipal.ORGANIZATION_UNIT:
        return str(msp_principal_pb2.OrganizationUnit.FromString(principal.principal).msp_identifier)
    if kind == msp_principal_pb2.MSPPrincipal.IDENTITY:
        return str(identities_pb2.SerializedIdentity.FromString(principal.principal).mspid)
    return ""
