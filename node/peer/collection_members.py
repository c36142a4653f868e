"""Who is a member of a private collection: by identity, and by the organizations its policy names.

Source: Fabric core/common/privdata/collection.go and simplecollection.go (AccessFilter, MemberOrgs).
"""

from __future__ import annotations

from typing import Any

from fabric_protos.msp import msp_principal_pb2

from network.channel_config import ChannelConfig
from network.errors import IdentityError, PolicyError
from network.identity import Identity, parse_identity
from network.policy import SignaturePolicy
from node.peer.definition import Definition
from node.peer.endorsement_policy import implicit_collection_owner

_Principal = msp_principal_pb2.MSPPrincipal


def static_collection(definition: Definition | None, collection: str) -> Any | None:
    """Return a collection's configuration, None where the definition has none of that name."""
    return definition.static_collections().get(collection) if definition is not None else None


def own_identity(config: ChannelConfig, creator: bytes) -> Identity:
    """Return this peer's identity as a configuration knows it.

    A configuration from before its organization came, or before its authority was rotated, knows nothing of it: it is
    then what it says of itself, and a member of its organization's implicit collection only.
    """
    try:
        return config.msps.deserialize(creator)
    except IdentityError:
        return parse_identity(creator)


def is_member(definition: Definition | None, collection: str, config: ChannelConfig, identity: Identity) -> bool:
    """Say whether an identity satisfies a collection's policy."""
    if owner := implicit_collection_owner(collection):
        return owner == identity.msp_id
    static = static_collection(definition, collection)
    if static is None:
        return False
    try:
        SignaturePolicy(static.member_orgs_policy.signature_policy, config.msps).evaluate_identities([identity])
    except (PolicyError, IdentityError):
        return False
    return True


def member_organizations(definition: Definition | None, collection: str) -> frozenset[str]:
    """Return the organizations that a collection's policy names."""
    if owner := implicit_collection_owner(collection):
        return frozenset([owner])
    static = static_collection(definition, collection)
    if static is None:
        return frozenset()
    return frozenset(
        _organization(principal) for principal in static.member_orgs_policy.signature_policy.identities
    ) - {""}


def _organization(principal: Any) -> str:
    kinds = {
        _Principal.ROLE: msp_principal_pb2.MSPRole,
        _Principal.ORGANIZATION_UNIT: msp_principal_pb2.OrganizationUnit,
    }
    kind = kinds.get(principal.principal_classification)
    return "" if kind is None else str(kind.FromString(principal.principal).msp_identifier)
