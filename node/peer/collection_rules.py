"""What the private collections of a chaincode definition must look like before members approve or commit it.

Source: Fabric core/chaincode/lifecycle/scc.go (validateInput and what it calls), with its texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fabric_protos.msp import msp_principal_pb2
from fabric_protos.peer import collection_pb2
from google.protobuf.message import DecodeError

from network.channel_config import ChannelConfig
from network.errors import IdentityError, PolicyError, WireError
from network.policy import SignaturePolicy
from node.peer.errors import ChaincodeError

_NAME = re.compile(r"[A-Za-z0-9-][A-Za-z0-9_-]*")
_Principal = msp_principal_pb2.MSPPrincipal


def check_collections(collections: bytes, config: ChannelConfig) -> None:
    """Check a serialized ``CollectionConfigPackage`` by itself and against the channel's members.

    Raises:
        ChaincodeError: naming the collection and what is wrong with it.
    """
    names: set[str] = set()
    for collection in _statics(collections):
        _check_form(collection, names)
        _check_members(collection, config)
        names.add(collection.name)


def check_continuation(collections: bytes, committed: bytes) -> None:
    """Check that collections defined before are still there and live as long.

    Args:
        collections: proposed, serialized.
        committed: of the definition in force, serialized.
    Raises:
        ChaincodeError: naming the collection.
    """
    earlier = collection_pb2.CollectionConfigPackage.FromString(committed).config
    if not earlier:
        return
    proposed: Mapping[str, Any] = {collection.name: collection for collection in _statics(collections)}
    if not proposed:
        raise ChaincodeError("the proposed collection config does not contain previously defined collections")
    for item in earlier:
        known = item.static_collection_config
        following = proposed.get(known.name)
        if following is None:
            raise ChaincodeError(f"existing collection [{known.name}] missing in the proposed collection configuration")
        if following.block_to_live != known.block_to_live:
            raise ChaincodeError(
                f"the BlockToLive in an existing collection [{known.name}] modified. Existing value "
                f"[{known.block_to_live}]"
            )


def _statics(collections: bytes) -> list[Any]:
    package = collection_pb2.CollectionConfigPackage.FromString(collections)
    if not all(item.HasField("static_collection_config") for item in package.config):
        raise ChaincodeError("collection config contains unexpected payload type: <nil>")
    return [item.static_collection_config for item in package.config]


def _check_form(collection: Any, names: set[str]) -> None:
    name = collection.name
    if _NAME.fullmatch(name) is None:
        raise ChaincodeError(
            f"invalid collection name '{name}'. Names can only consist of alphanumerics, '_', and '-' and cannot "
            "begin with '_'"
        )
    if name in names:
        raise ChaincodeError(f"collection-name: {name} -- found duplicate in collection configuration")
    maximum, required = collection.maximum_peer_count, collection.required_peer_count
    if maximum < required:
        raise ChaincodeError(
            f"collection-name: {name} -- maximum peer count ({maximum}) cannot be less than the required peer count "
            f"({required})"
        )
    if required < 0:
        raise ChaincodeError(f"collection-name: {name} -- requiredPeerCount ({required}) cannot be less than zero")


def _check_members(collection: Any, config: ChannelConfig) -> None:
    name = collection.name
    if not collection.HasField("member_orgs_policy"):
        raise ChaincodeError(f"collection member policy is not set for collection '{name}'")
    if not collection.member_orgs_policy.HasField("signature_policy"):
        raise ChaincodeError(f"collection member org policy is empty for collection '{name}'")
    policy = collection.member_orgs_policy.signature_policy
    try:
        SignaturePolicy(policy, config.msps)
    except PolicyError as error:
        raise ChaincodeError(f"invalid member org policy for collection '{name}': {error}") from error
    _check_alternatives(policy.rule, name)
    for principal in policy.identities:
        _check_principal(principal, name, config)


def _check_alternatives(rule: Any, name: str) -> None:
    """Require that any one of the members suffices."""
    if not rule.HasField("n_out_of"):
        return
    if rule.n_out_of.n != 1:
        raise ChaincodeError(
            f"collection-name: {name} -- error in member org policy: signature policy is not an OR concatenation, "
            f"NOutOf {rule.n_out_of.n}"
        )
    for part in rule.n_out_of.rules:
        _check_alternatives(part, name)


def _check_principal(principal: Any, name: str, config: ChannelConfig) -> None:
    kinds = {
        _Principal.ROLE: msp_principal_pb2.MSPRole,
        _Principal.ORGANIZATION_UNIT: msp_principal_pb2.OrganizationUnit,
    }
    kind = principal.principal_classification
    if kind == _Principal.IDENTITY:
        try:
            config.msps.deserialize(principal.principal)
        except (IdentityError, WireError) as error:
            raise ChaincodeError(
                f"collection-name: {name} -- contains an identity that is not part of the channel"
            ) from error
        return
    if kind not in kinds:
        raise ChaincodeError(f"collection-name: {name} -- principal type {kind} is not supported")
    try:
        member = kinds[kind].FromString(principal.principal).msp_identifier
    except DecodeError as error:
        raise ChaincodeError(
            f"collection-name: {name} -- cannot unmarshal identity bytes into {kinds[kind].DESCRIPTOR.name}"
        ) from error
    if member not in {*config.application_msp_ids, *config.orderer_msp_ids}:
        raise ChaincodeError(f"collection-name: {name} -- collection member '{member}' is not part of the channel")
