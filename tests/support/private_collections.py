"""Private collections as a chaincode definition carries them."""

from __future__ import annotations

from typing import Any

from fabric_protos.peer import collection_pb2

from network.policy import parse_signature_policy


def collection_package(name: str, policy: str, *, times: int = 1, **fields: Any) -> bytes:
    """Return a serialized ``CollectionConfigPackage`` with one collection.

    Args:
        policy: its members, as text; '' for none.
        times: how often it is named.
        fields: of ``StaticCollectionConfig``.
    """
    package = collection_pb2.CollectionConfigPackage()
    for _ in range(times):
        static = package.config.add().static_collection_config
        static.name = name
        if policy:
            static.member_orgs_policy.signature_policy.CopyFrom(parse_signature_policy(policy))
        for field, value in fields.items():
            setattr(static, field, value)
    return bytes(package.SerializeToString())
