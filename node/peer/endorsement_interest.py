"""What a simulation touched, as the plan for further endorsements needs it.

Source: Fabric core/endorser/endorser.go, buildChaincodeInterest; proto peer/proposal_response.proto.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache

from fabric_protos.common import policies_pb2
from fabric_protos.peer import proposal_response_pb2
from google.protobuf.message import DecodeError

from network.rwset import StateKey, parse_metadata
from node.peer.channel import Channel
from node.peer.errors import ChaincodeError
from node.peer.tx_simulator import TxSimulator

VALIDATION_PARAMETER = "VALIDATION_PARAMETER"
"""Metadata entry that holds a key's own endorsement policy."""

_SYSTEM = ("_lifecycle", "lscc", "qscc", "cscc")

INTERESTS_MAX = 1_000
"""Answers remembered: of a chaincode, nearly all transactions of a kind touch the same."""

_Place = tuple[str, str]
"""Chaincode and collection, '' for its public state."""

_Policies = Mapping[str, list[bytes]]


async def interest_of(simulator: TxSimulator, channel: Channel) -> proposal_response_pb2.ChaincodeInterest:
    """Return the chaincodes, collections and key policies that endorsements must satisfy; not to be changed.

    Raises:
        ChaincodeError: a key that was written has a policy that is none, so nothing could satisfy it.
    """
    written = {(key.namespace, key.collection) for key in simulator.written}
    policies: dict[str, list[bytes]] = {}
    if channel.has_key_metadata:
        written.clear()
        for key, policy in await _key_policies(simulator, channel):
            if policy is None:
                written.add((key.namespace, key.collection))
            else:
                policies.setdefault(key.namespace, []).append(policy)
    touched = frozenset(written), frozenset(simulator.namespaces()), frozenset(simulator.private_reads)
    return _interest(*touched, policies) if policies else _interest_without_policies(*touched)


def _interest(
    written: frozenset[_Place], namespaces: frozenset[str], private_reads: frozenset[_Place], policies: _Policies
) -> proposal_response_pb2.ChaincodeInterest:
    """Return what endorsements must satisfy.

    Args:
        written: where keys were written for which the chaincode's or the collection's policy counts.
        namespaces: whose state was read or written.
        private_reads: where values were read in clear.
        policies: own policies of keys that were written, by chaincode.
    """
    required: dict[str, dict[str, bool]] = {namespace: {"": False} for namespace in policies}
    for namespace, collection in written:
        required.setdefault(namespace, {"": False})[collection] = True
    for namespace in namespaces:
        required.setdefault(namespace, {"": True})
    for namespace, collection in private_reads:
        required.setdefault(namespace, {})[collection] = True
    interest = proposal_response_pb2.ChaincodeInterest()
    for namespace in sorted(required.keys() - set(_SYSTEM)):
        _add_calls(interest, namespace, required[namespace], policies.get(namespace, []), private_reads)
    return interest


@lru_cache(maxsize=INTERESTS_MAX)
def _interest_without_policies(
    written: frozenset[_Place], namespaces: frozenset[str], private_reads: frozenset[_Place]
) -> proposal_response_pb2.ChaincodeInterest:
    """Return it where no key has a policy of its own: one message for all transactions that touch the same."""
    return _interest(written, namespaces, private_reads, {})


async def _key_policies(simulator: TxSimulator, channel: Channel) -> list[tuple[StateKey, bytes | None]]:
    """Return each key written with its own policy, None where the chaincode's counts."""
    keys = sorted(simulator.written)
    answers = await asyncio.gather(*(channel.reader.state(key) for key in keys))
    return [
        (key, parse_metadata(value.metadata).get(VALIDATION_PARAMETER) if value is not None else None)
        for key, (value, _) in zip(keys, answers, strict=True)
    ]


def _add_calls(
    interest: proposal_response_pb2.ChaincodeInterest,
    namespace: str,
    collections: dict[str, bool],
    policies: list[bytes],
    private_reads: frozenset[_Place],
) -> None:
    for collection in sorted(collections):
        if collection:
            interest.chaincodes.add(
                name=namespace,
                collection_names=[collection],
                no_private_reads=(namespace, collection) not in private_reads,
            )
        elif policies or collections[""]:
            interest.chaincodes.add(
                name=namespace,
                key_policies=[_parsed(policy) for policy in policies],
                disregard_namespace_policy=bool(policies) and not collections[""],
            )


def _parsed(policy: bytes) -> policies_pb2.SignaturePolicyEnvelope:
    try:
        return policies_pb2.SignaturePolicyEnvelope.FromString(policy)
    except DecodeError as error:
        text = "error in simulation: error unmarshalling SignaturePolicyEnvelope: the key's endorsement policy is none"
        raise ChaincodeError(text) from error
