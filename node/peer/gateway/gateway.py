"""What the calls of the gateway work with: the channel, the peers to ask, the ordering service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2
from fabric_protos.peer import proposal_response_pb2

from network.errors import IdentityError, PolicyError, RpcError, WireError
from network.identity import check_creator_size
from network.policy import SignedData
from network.rpc import StatusCode
from node.peer.channel import Channel
from node.peer.commit_traces import CommitTraces
from node.peer.definition import Definition
from node.peer.endorsement_policy import implicit_collection_owner
from node.peer.endorser import Endorser
from node.peer.gateway.endorsers import GatewayPeers
from node.peer.gateway.orderers import Orderers
from node.peer.gateway.plan import Planner
from node.time_limits import TimeLimits

_log = structlog.get_logger(__name__)


class Gateway:
    """The gateway of one peer.

    Args:
        channel: channel.
        endorser: this peer's endorser.
        peers: this peer and the other organizations'.
        orderers: ordering service.
        now: UTC clock, for the expiry of callers.
        traces: of the transactions submitted here.
    """

    def __init__(
        self,
        channel: Channel,
        endorser: Endorser,
        peers: GatewayPeers,
        orderers: Orderers,
        now: Callable[[], datetime],
        traces: CommitTraces,
    ) -> None:
        self.channel = channel
        self.peers = peers
        self.orderers = orderers
        self.traces = traces
        self.limits = TimeLimits()
        self._endorser = endorser
        self._now = now
        self._planner: Planner | None = None

    def planner(self) -> Planner:
        """Return the planner for the configuration in force."""
        if self._planner is None or self._planner.sequence != self.channel.config.sequence:
            self._planner = Planner(self.channel.config)
        return self._planner

    async def runs_here(self, chaincode: str) -> bool:
        """Say whether this peer can endorse a chaincode: it has the code and approves the definition."""
        return await self._endorser.endorses(chaincode)

    def check_access(self, resource: str, signed: SignedData) -> None:
        """Require the channel's policy for a service.

        Raises:
            RpcError: PERMISSION_DENIED, or INVALID_ARGUMENT for an identity that nobody has.
        """
        try:
            check_creator_size(signed.creator, "identity")
        except WireError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        config = self.channel.config
        vouched = self._vouched_for(signed)
        try:
            config.check_acl(resource, [signed] if vouched else [])
        except PolicyError as error:
            raise RpcError(StatusCode.PERMISSION_DENIED, config.acl_refusal(resource, error)) from error
        if not vouched:
            raise RpcError(StatusCode.PERMISSION_DENIED, "access denied: nobody on the channel vouches for the caller")

    def _vouched_for(self, signed: SignedData) -> bool:
        """Say whether an organization of the channel vouches for a caller, now."""
        try:
            self.channel.config.msps.identity(signed.creator, self._now())
        except (IdentityError, WireError) as error:
            _log.warning("caller refused", channel=self.channel.channel_id, reason=str(error))
            return False
        return True

    def collection_members(
        self, interest: proposal_response_pb2.ChaincodeInterest, definitions: Mapping[str, Definition]
    ) -> set[str] | None:
        """Return the organizations that are members of every collection touched; None when none was."""
        members: set[str] | None = None
        for call in interest.chaincodes:
            collections = definitions[call.name].static_collections()
            for name in call.collection_names:
                owner = implicit_collection_owner(name)
                policy = collections[name].member_orgs_policy.signature_policy if name in collections else None
                found = {owner} if owner else _members(policy) if policy is not None else set()
                members = found if members is None else members & found
        return members


def _members(policy: policies_pb2.SignaturePolicyEnvelope) -> set[str]:
    """Return the organizations a collection's member policy names."""
    return {
        msp_principal_pb2.MSPRole.FromString(principal.principal).msp_identifier
        for principal in policy.identities
        if principal.principal_classification == msp_principal_pb2.MSPPrincipal.ROLE
    }
