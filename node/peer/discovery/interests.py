"""What a client's interest in chaincodes comes to: the policies its endorsements must satisfy, and who may endorse it.

Rules, Fabric's:
- a chaincode's policy counts, unless collections are named: then each collection's own policy does, and the chaincode's
  for collections that have none;
- policies of keys count beside those; ``disregard_namespace_policy`` leaves out the first of the others;
- where private data is read, only members of all the collections named may endorse.

Source: Fabric discovery/endorsement, discovery/support/chaincode, core/chaincode/lifecycle/metadata_provider.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2
from fabric_protos.peer import proposal_response_pb2

from network.channel_config import ChannelConfig, application_policy
from network.errors import IdentityError, PolicyError
from network.identity import Identity
from network.policy_dsl import n_out_of, role_principal
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.definition import Definition
from node.peer.discovery.principal_sets import Budget, PrincipalSet, merged, sets_of, signature_policy_of
from node.peer.endorsement_policy import LIFECYCLE_POLICY, implicit_collection_owner
from node.peer.errors import PeerError


class DiscoveryError(PeerError):
    """A query cannot be answered; the text is Fabric's."""


@dataclass(frozen=True, slots=True)
class Interest:
    """An interest with all definitions it needs.

    Args:
        config: configuration in force.
        calls: the chaincodes called, in order.
        definitions: committed definition of each, in the same order; for ``_lifecycle`` one of sequence 1.
        budget: of the request it stands in.
    """

    config: ChannelConfig
    calls: Sequence[proposal_response_pb2.ChaincodeCall]
    definitions: Sequence[Definition]
    budget: Budget = field(default_factory=Budget)

    def chaincodes(self) -> frozenset[tuple[str, int]]:
        """Return name and sequence of each chaincode, all of which an endorsing peer must run."""
        return frozenset((definition.name, definition.sequence) for definition in self.definitions)

    def authorizes(self, identity: Identity) -> bool:
        """Say whether a peer may read all the private data that is read.

        Raises:
            DiscoveryError: a collection is not defined.
        """
        return all(
            any(self._satisfies(identity, principal) for principal in principals) for principals in self.readers()
        )

    def readers(self) -> list[Sequence[msp_principal_pb2.MSPPrincipal]]:
        """Return the members of each collection that is read.

        Raises:
            DiscoveryError: a collection is not defined.
        """
        found: list[Sequence[msp_principal_pb2.MSPPrincipal]] = []
        for call, definition in zip(self.calls, self.definitions, strict=True):
            collections = definition.static_collections()
            for name in () if call.no_private_reads else call.collection_names:
                if owner := implicit_collection_owner(name):
                    found.append([role_principal(owner, "member")])
                elif name in collections:
                    found.append(collections[name].member_orgs_policy.signature_policy.identities)
                else:
                    raise DiscoveryError(
                        f"collection {name} doesn't exist in collection config for chaincode {call.name}"
                    )
        return found

    def principal_sets(self) -> list[PrincipalSet]:
        """Return the minimal sets of principals that satisfy every policy.

        Raises:
            DiscoveryError: nothing satisfies one, there is none, or they are too many.
        """
        try:
            policies = [
                self._satisfiable(envelope, "endorsement policy cannot be satisfied")
                for call, definition in zip(self.calls, self.definitions, strict=True)
                for envelope in self._policies(call, definition)
            ]
            keys = [
                self._satisfiable(envelope, "state based endorsement policy cannot be satisfied")
                for call in self.calls
                for envelope in _distinct(call.key_policies)
            ]
            return merged([*policies, merged(keys, self.budget)] if keys else policies, self.budget)
        except PolicyError as error:
            raise DiscoveryError(str(error)) from error
        except RecursionError as error:
            raise DiscoveryError("a policy's gates are nested too deeply to be told") from error

    def _satisfiable(self, envelope: policies_pb2.SignaturePolicyEnvelope, refusal: str) -> list[PrincipalSet]:
        sets = sets_of(envelope, self.budget)
        if not sets:
            raise DiscoveryError(refusal)
        return sets

    def _policies(
        self, call: proposal_response_pb2.ChaincodeCall, definition: Definition
    ) -> list[policies_pb2.SignaturePolicyEnvelope]:
        """Return the policies of a chaincode and its collections that count for one call."""
        names = call.collection_names
        found = _distinct(self._collection_policy(definition, name) for name in names) if names else []
        found = found or [self._policy(definition)]
        if not call.disregard_namespace_policy:
            return found
        if len(found) == 1 and not call.key_policies:
            raise DiscoveryError(
                f"requested to disregard chaincode {call.name}'s policy but key and collection policies are missing, "
                "either disable DisregardNamespacePolicy or specify at least one key policy or at least one collection "
                "policy"
            )
        return found[1:]

    def _policy(self, definition: Definition) -> policies_pb2.SignaturePolicyEnvelope:
        if definition.name == LIFECYCLE:
            return _lifecycle_policy(self.config)
        return signature_policy_of(application_policy(self.config, definition.endorsement_policy))

    def _collection_policy(self, definition: Definition, name: str) -> policies_pb2.SignaturePolicyEnvelope:
        if owner := implicit_collection_owner(name):
            return _signed_by_members(1, [owner])
        collection = definition.static_collections().get(name)
        if collection is None or not collection.HasField("endorsement_policy"):
            return self._policy(definition)
        serialized = collection.endorsement_policy.SerializeToString()
        return signature_policy_of(application_policy(self.config, serialized))

    def _satisfies(self, identity: Identity, principal: msp_principal_pb2.MSPPrincipal) -> bool:
        try:
            self.config.msps.satisfies_principal(identity, principal)
        except IdentityError:
            return False
        return True


def _distinct(
    envelopes: Iterable[policies_pb2.SignaturePolicyEnvelope],
) -> list[policies_pb2.SignaturePolicyEnvelope]:
    return list({envelope.SerializeToString(): envelope for envelope in envelopes}.values())


def _lifecycle_policy(config: ChannelConfig) -> policies_pb2.SignaturePolicyEnvelope:
    policy = config.policies.find(LIFECYCLE_POLICY)
    if policy is not None:
        return signature_policy_of(policy)
    members = config.application_msp_ids
    return _signed_by_members(len(members) // 2 + 1, members)


def _signed_by_members(n: int, msp_ids: Sequence[str]) -> policies_pb2.SignaturePolicyEnvelope:
    rules = [policies_pb2.SignaturePolicy(signed_by=index) for index in range(len(msp_ids))]
    principals = [role_principal(msp_id, "member") for msp_id in msp_ids]
    return policies_pb2.SignaturePolicyEnvelope(rule=n_out_of(n, rules), identities=principals)
