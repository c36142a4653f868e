"""What a simulation touched, as the plan for further endorsements needs it.

Source: Fabric core/endorser/endorser.go, buildChaincodeInterest; proto peer/proposal_response.proto.
"""

from __future__ import annotations

import asyncio

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


async def interest_of(simulator: TxSimulator, channel: Channel) -> proposal_response_pb2.ChaincodeInterest:
    """Return the chaincodes, collections and key policies that endorsements must satisfy.

    Raises:
        ChaincodeError: a key that was written has a policy that is none, so nothing could satisfy it.
    """
    required: dict[str, dict[str, bool]] = {}
    policies: dict[str, list[bytes]] = {}
    for key, policy in await _key_policies(simulator, channel):
        collections = required.setdefault(key.namespace, {"": False})
        if policy is None:
            collections[key.collection] = True
        else:
            policies.setdefault(key.namespace, []).append(policy)
    for namespace in simulator.namespaces():
        required.setdefault(namespace, {"": True})
    for namespace, collection in simulator.private_reads:
        required.setdefault(namespace, {})[collection] = True
    interest = proposal_response_pb2.ChaincodeInterest()
    for namespace in sorted(required.keys() - set(_SYSTEM)):
        _add_calls(interest, namespace, required[namespace], policies.get(namespace, []), simulator)
    return interest


async def _key_policies(simulator: TxSimulator, channel: Channel) -> list[tuple[StateKey, bytes | None]]:
    """Return each key written with its own policy, None where the chaincode's counts."""
    keys = sorted(simulator.written)
    if not channel.has_key_metadata:
        return [(key, None) for key in keys]
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
    simulator: TxSimulator,
) -> None:
    for collection in sorted(collections):
        if collection:
            interest.chaincodes.add(
                name=namespace,
                collection_names=[collection],
                no_private_reads=(namespace, collection) not in simulator.private_reads,
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
