"""``discovery.Discovery``: answers the queries of one signed request.

Rules, Fabric's:
- the TLS certificate that a request names is not compared with the connection's: Fabric's peers have the comparison and
  never make it (``NewService`` drops its setting), and its own ``discover`` names the hash of another form of it;
- queries about a channel are for its writers; those about the peer itself for administrators of its own organization
  (core.yaml, peer.discovery.orgMembersAllowedAccess: false). Who may not ask learns nothing but that;
- each query has its own answer or error; only a request that cannot be read at all is a gRPC error.

Source: Fabric discovery/service.go, discovery/support/acl.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from fabric_protos.discovery import protocol_pb2
from fabric_protos.peer import proposal_response_pb2
from google.protobuf.message import DecodeError

from network import rpc
from network.channel_acl import WRITERS
from network.errors import IdentityError, PolicyError, RpcError, WireError
from network.identity import check_creator_size
from network.policy import SignedData
from network.rpc import StatusCode
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.channel import Channel
from node.peer.definition import Definition
from node.peer.discovery.channel_description import config_result
from node.peer.discovery.descriptor import endorsement_descriptor
from node.peer.discovery.go_text import go_text
from node.peer.discovery.interests import DiscoveryError, Interest
from node.peer.discovery.members import ChannelMembers, Member
from node.peer.discovery.principal_sets import Budget
from node.peer.errors import ChaincodeError, PeerError
from node.peer.system_chaincode import LocalMembers

_log = structlog.get_logger(__name__)

SERVICE_NAME = "discovery.Discovery"

QUERIES_MAX = 100
"""Queries of one request; Fabric's clients put some four into it."""

_ACCESS_DENIED = "access denied"


@dataclass(frozen=True, slots=True)
class DiscoveredChannel:
    """One channel as discovery knows it."""

    channel: Channel
    members: ChannelMembers


class DiscoveryService:
    """The service of one peer.

    Args:
        channels: the channels this peer is on, by id.
        local: this peer's own organization.
        now: UTC clock.
    """

    def __init__(
        self,
        channels: Mapping[str, DiscoveredChannel],
        local: LocalMembers,
        now: Callable[[], datetime],
    ) -> None:
        self._channels = channels
        self._local = local
        self._now = now

    def register(self, server: rpc.Server) -> None:
        """Serve on ``server``."""
        server.unary(f"/{SERVICE_NAME}/Discover", self._discover)

    async def _discover(self, request: bytes, call: rpc.Call) -> bytes:
        try:
            signed = protocol_pb2.SignedRequest.FromString(request)
            asked = protocol_pb2.Request.FromString(signed.payload)
        except DecodeError as error:
            raise RpcError(StatusCode.UNKNOWN, "failed parsing request: the bytes are not a Request") from error
        _check_form(asked)
        signature = SignedData(signed.payload, asked.authentication.client_identity, signed.signature)
        budget = Budget()
        results = [await self._answer(query, signature, budget) for query in asked.queries]
        return bytes(protocol_pb2.Response(results=results).SerializeToString())

    async def _answer(
        self, query: protocol_pb2.Query, signature: SignedData, budget: Budget
    ) -> protocol_pb2.QueryResult:
        kind = query.WhichOneof("query")
        try:
            if not query.channel:
                self._authorize_local(signature)
                if kind != "local_peers":
                    raise DiscoveryError("unknown or missing request type")
                return await self._local_peers()
            discovered = self._authorized(query.channel, signature)
            if kind == "config_query":
                return protocol_pb2.QueryResult(config_result=config_result(discovered.channel.config))
            if kind == "peer_query":
                return await self._peers(discovered, query.peer_query.filter)
            if kind == "cc_query":
                return await self._endorsers(discovered, query.cc_query.interests, budget)
            raise DiscoveryError("unknown or missing request type")
        except DiscoveryError as error:
            return _failed(str(error))
        except PeerError as error:
            _log.error("discovery query failed", channel=query.channel, reason=str(error))
            return _failed("this peer's database does not answer; try again, or ask another peer")

    def _authorized(self, channel_id: str, signature: SignedData) -> DiscoveredChannel:
        """Return a channel that this peer is on and the caller may write to."""
        discovered = self._channels.get(channel_id)
        if discovered is None:
            raise DiscoveryError(_ACCESS_DENIED)
        config = discovered.channel.config
        try:
            config.msps.identity(signature.creator, self._now())
            config.policy(WRITERS).evaluate([signature])
        except (IdentityError, PolicyError, WireError) as error:
            _log.warning("discovery refused", channel=channel_id, reason=str(error))
            raise DiscoveryError(_ACCESS_DENIED) from error
        return discovered

    def _authorize_local(self, signature: SignedData) -> None:
        try:
            self._local.authorize_signed("admin", signature)
        except ChaincodeError as error:
            _log.warning("discovery refused", reason=str(error))
            raise DiscoveryError(_ACCESS_DENIED) from error

    async def _local_peers(self) -> protocol_pb2.QueryResult:
        """Return the peers this one knows, whichever channel they share."""
        found: dict[bytes, Member] = {}
        for discovered in self._channels.values():
            for member in await discovered.members.alive():
                found.setdefault(member.identity.creator, member)
        return _members(list(found.values()), with_state=False)

    async def _peers(
        self, discovered: DiscoveredChannel, asked: proposal_response_pb2.ChaincodeInterest
    ) -> protocol_pb2.QueryResult:
        members = await discovered.members.alive()
        organizations = {member.identity.msp_id for member in members}
        if asked.chaincodes:
            interest = await _interest(discovered.channel, asked)
            members = [
                member
                for member in members
                if interest.chaincodes() <= member.chaincodes and interest.authorizes(member.identity)
            ]
        return _members(members, with_state=True, organizations=organizations)

    async def _endorsers(
        self, discovered: DiscoveredChannel, asked: Sequence[proposal_response_pb2.ChaincodeInterest], budget: Budget
    ) -> protocol_pb2.QueryResult:
        _check_interests(asked)
        members = await discovered.members.alive()
        descriptors = []
        for item in asked:
            try:
                interest = replace(await _interest(discovered.channel, item), budget=budget)
                # Policies with many combinations take a while: the loop goes on meanwhile.
                descriptors.append(await asyncio.to_thread(endorsement_descriptor, interest, members))
            except DiscoveryError as error:
                _log.info("no endorsement descriptor", channel=discovered.channel.channel_id, reason=str(error))
                raise DiscoveryError(f"failed constructing descriptor for {go_text(item)}") from error
        return protocol_pb2.QueryResult(cc_query_res=protocol_pb2.ChaincodeQueryResult(content=descriptors))


def _check_form(asked: protocol_pb2.Request) -> None:
    """Require that a request says who asks."""
    if not asked.HasField("authentication"):
        raise RpcError(StatusCode.UNKNOWN, "access denied, no authentication info in request")
    if not asked.authentication.client_identity:
        raise RpcError(StatusCode.UNKNOWN, "access denied, client identity wasn't supplied")
    try:
        check_creator_size(asked.authentication.client_identity, "authentication.client_identity")
    except WireError as error:
        raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error
    if len(asked.queries) > QUERIES_MAX:
        # Each has its caller's signature checked: a request may be of 100 MiB, and anybody's.
        reason = f"queries: {len(asked.queries)} in one request, at most {QUERIES_MAX}; ask in several"
        raise RpcError(StatusCode.INVALID_ARGUMENT, reason)


def _check_interests(asked: Sequence[proposal_response_pb2.ChaincodeInterest]) -> None:
    if not asked:
        raise DiscoveryError("chaincode query must have at least one chaincode interest")
    for interest in asked:
        if not interest.chaincodes:
            raise DiscoveryError("chaincode interest must contain at least one chaincode")
        if any(not chaincode.name for chaincode in interest.chaincodes):
            raise DiscoveryError("chaincode name in interest cannot be empty")


async def _interest(channel: Channel, asked: proposal_response_pb2.ChaincodeInterest) -> Interest:
    """Return an interest with its definitions.

    Raises:
        DiscoveryError: a chaincode has none.
    """
    definitions = []
    for chaincode in asked.chaincodes:
        definition = (
            Definition(LIFECYCLE, 1, "")
            if chaincode.name == LIFECYCLE
            else await channel.committed_definition(chaincode.name)
        )
        if definition is None:
            raise DiscoveryError(
                f"No metadata was found for chaincode {chaincode.name} in channel {channel.channel_id}"
            )
        definitions.append(definition)
    return Interest(channel.config, asked.chaincodes, definitions)


def _members(
    members: Sequence[Member], *, with_state: bool, organizations: set[str] | None = None
) -> protocol_pb2.QueryResult:
    """Return peers by organization; an organization none of whose peers is left stands with none."""
    result = protocol_pb2.PeerMembershipResult()
    for msp_id in sorted(organizations or ()):
        result.peers_by_org[msp_id].SetInParent()
    for member in members:
        result.peers_by_org[member.identity.msp_id].peers.append(member.describe(with_state=with_state))
    return protocol_pb2.QueryResult(members=result)


def _failed(text: str) -> protocol_pb2.QueryResult:
    return protocol_pb2.QueryResult(error=protocol_pb2.Error(content=text))
