"""Private data collections in the JSON form of Fabric's ``peer lifecycle chaincode --collections-config``.

Source: Fabric internal/peer/chaincode/common.go, collectionConfigJson and getCollectionConfigFromBytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated

from fabric_protos.peer import collection_pb2, policy_pb2
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from network.errors import PolicyError
from network.policy import parse_signature_policy
from network.topology import Collection
from node.errors import ConfigurationError

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class _EndorsementPolicy(_Form):
    signature_policy: str = ""
    channel_config_policy: str = ""


class _Collection(_Form):
    name: str
    policy: str
    required_peer_count: Count = 0
    max_peer_count: Count = 1
    block_to_live: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    member_only_read: bool = False
    member_only_write: bool = False
    endorsement_policy: _EndorsementPolicy | None = None


_FILE = TypeAdapter(list[_Collection])


def parse_collections(content: bytes) -> bytes:
    """Return the serialized ``CollectionConfigPackage`` that a file describes.

    Raises:
        ConfigurationError: naming the collection or field and what is wrong with it.
    """
    try:
        collections = _FILE.validate_python(json.loads(content))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "file"
        raise ConfigurationError(f"collections file: {field}: {first['msg']}") from error
    except ValueError as error:
        raise ConfigurationError(f"collections file is not JSON: {error}") from error
    package = collection_pb2.CollectionConfigPackage()
    for collection in collections:
        try:
            _fill(package.config.add().static_collection_config, collection)
        except PolicyError as error:
            raise ConfigurationError(f"collections file: collection {collection.name!r}: {error}") from error
    return bytes(package.SerializeToString())


def collections_text(collections: Iterable[Collection]) -> str:
    """Return the file that describes a consortium's collections of one contract."""
    described = [
        {
            "name": each.name,
            "policy": each.policy,
            "requiredPeerCount": 0,
            "maxPeerCount": each.max_peer_count,
            "blockToLive": 0,
            "memberOnlyRead": True,
            "memberOnlyWrite": True,
            "endorsementPolicy": {"signaturePolicy": each.endorsement_policy},
        }
        for each in collections
    ]
    return json.dumps(described, indent=2) + "\n"


def _fill(static: collection_pb2.StaticCollectionConfig, collection: _Collection) -> None:
    static.name = collection.name
    static.member_orgs_policy.signature_policy.CopyFrom(parse_signature_policy(collection.policy))
    static.required_peer_count = collection.required_peer_count
    static.maximum_peer_count = collection.max_peer_count
    static.block_to_live = collection.block_to_live
    static.member_only_read = collection.member_only_read
    static.member_only_write = collection.member_only_write
    policy = collection.endorsement_policy
    if policy is not None and (policy.signature_policy or policy.channel_config_policy):
        static.endorsement_policy.CopyFrom(_application_policy(policy))


def _application_policy(policy: _EndorsementPolicy) -> policy_pb2.ApplicationPolicy:
    if policy.signature_policy and policy.channel_config_policy:
        raise PolicyError("endorsementPolicy: name a signaturePolicy or a channelConfigPolicy, not both")
    if policy.signature_policy:
        return policy_pb2.ApplicationPolicy(signature_policy=parse_signature_policy(policy.signature_policy))
    return policy_pb2.ApplicationPolicy(channel_config_policy_reference=policy.channel_config_policy)
