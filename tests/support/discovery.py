"""Asks a peer's discovery service as Fabric's clients do, and reads the layouts it answers."""

from __future__ import annotations

from typing import Any

from fabric_protos.discovery import protocol_pb2
from fabric_protos.peer import proposal_response_pb2

from network import rpc
from network.identity import SigningIdentity, parse_identity
from network.policy import parse_signature_policy

PATH = "/discovery.Discovery/Discover"


class Asker:
    """Somebody who asks a peer about a channel.

    Args:
        channel: connection to the peer.
        identity: who asks.
        channel_id: what about.
    """

    def __init__(self, channel: rpc.Channel, identity: SigningIdentity, channel_id: str) -> None:
        self.channel = channel
        self.identity = identity
        self._channel_id = channel_id

    async def endorsers(self, *described: dict[str, Any]) -> Any:
        """Return the answer about whose endorsements an interest needs."""
        (result,) = await self.ask(endorsers(self._channel_id, *described))
        return result

    async def peers(self, *described: dict[str, Any]) -> Any:
        """Return the answer about who is on the channel."""
        (result,) = await self.ask(peers(self._channel_id, *described))
        return result

    async def ask(self, *queries: protocol_pb2.Query, signer: SigningIdentity | None = None, **changes: Any) -> Any:
        """Return the results, one for each query."""
        authentication = protocol_pb2.AuthInfo(
            client_identity=self.identity.creator, client_tls_cert_hash=self.channel.tls_certificate_hash
        )
        for name, value in changes.items():
            setattr(authentication, name, value)
        payload = protocol_pb2.Request(authentication=authentication, queries=queries).SerializeToString()
        signature = (signer or self.identity).sign(payload)
        request = protocol_pb2.SignedRequest(payload=payload, signature=signature).SerializeToString()
        return protocol_pb2.Response.FromString(await self.channel.unary(PATH, request, 20)).results

    async def error(self, query: protocol_pb2.Query, **options: Any) -> str:
        """Return the text of a query's error."""
        (result,) = await self.ask(query, **options)
        return str(result.error.content)


def interest_in(*described: dict[str, Any]) -> proposal_response_pb2.ChaincodeInterest:
    """Return an interest; policies of keys are given as texts."""
    interest = proposal_response_pb2.ChaincodeInterest()
    for item in described:
        policies = item.get("key_policies", ())
        call = interest.chaincodes.add(**{name: value for name, value in item.items() if name != "key_policies"})
        call.key_policies.extend(parse_signature_policy(policy) for policy in policies)
    return interest


def endorsers(channel_id: str, *described: dict[str, Any]) -> protocol_pb2.Query:
    """Return the query whose endorsements an interest needs."""
    query = protocol_pb2.ChaincodeQuery(interests=[interest_in(*described)])
    return protocol_pb2.Query(channel=channel_id, cc_query=query)


def peers(channel_id: str, *described: dict[str, Any]) -> protocol_pb2.Query:
    """Return the query who is on a channel."""
    return protocol_pb2.Query(
        channel=channel_id, peer_query=protocol_pb2.PeerMembershipQuery(filter=interest_in(*described))
    )


def layouts(result: protocol_pb2.QueryResult) -> set[tuple[str, ...]]:
    """Return the layouts of one descriptor with organizations for groups, which here are one each."""
    (descriptor,) = result.cc_query_res.content
    names = {
        group: parse_identity(found.peers[0].identity).msp_id for group, found in descriptor.endorsers_by_groups.items()
    }
    return {
        tuple(sorted(names[group] for group, count in layout.quantities_by_group.items() for _ in range(count)))
        for layout in descriptor.layouts
    }
