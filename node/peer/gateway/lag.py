"""Tells peers that stand at different heights from a contract that is not deterministic.

Peers commit the same block some milliseconds apart. Who proposes in between gets answers that differ only because
different versions were read; asking again a moment later is all it takes. Fabric's gateway gives up there instead.
"""

from __future__ import annotations

from fabric_protos.peer import proposal_pb2, proposal_response_pb2
from google.protobuf.message import DecodeError

from network.errors import WireError
from network.rwset import NamespaceRwset, parse_rwset

RETRY_PAUSES_S = (0.02, 0.06, 0.18, 0.4)
"""Pauses before the endorsements of a proposal are collected anew; a block takes far less between two peers."""


def read_differently(one: bytes, other: bytes) -> bool:
    """Say whether two response payloads rest on different versions of the state.

    Args:
        one: serialized ``ProposalResponsePayload``.
        other: the same, of another peer.
    """
    try:
        return _reads(one) != _reads(other)
    except (WireError, DecodeError):
        return False


def _reads(payload: bytes) -> list[tuple[object, ...]]:
    extension = proposal_response_pb2.ProposalResponsePayload.FromString(payload).extension
    results = proposal_pb2.ChaincodeAction.FromString(extension).results
    return [_reads_of(namespace) for namespace in parse_rwset(results).namespaces]


def _reads_of(namespace: NamespaceRwset) -> tuple[object, ...]:
    hashed = tuple((collection.name, collection.reads) for collection in namespace.collections)
    return namespace.namespace, namespace.reads, namespace.range_queries, hashed
