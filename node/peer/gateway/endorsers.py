"""The peers a gateway may ask to endorse: its own, and those of the other organizations by their addresses.

Source: Fabric internal/pkg/gateway/{endpoint,registry}.go (which learns them by gossip; here they are configured).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from fabric_protos.peer import proposal_response_pb2
from google.protobuf.message import DecodeError

from network import rpc
from network.errors import RpcError, UnreadableHeadersError, WireError
from network.explanation import ErrorDetail
from network.rpc import StatusCode
from node.peer.endorser import Endorser
from node.peer.gateway.calls import Requested
from node.peer.gateway.status import Verdict, judge_response, judge_rpc_error
from node.peer.system_chaincode import ProposalFilteredError, ProposalRefusedError
from node.time_limits import TimeLimits

PROCESS_PROPOSAL = "/protos.Endorser/ProcessProposal"

ENDORSEMENT_TIMEOUT_S = 30.0
"""Time limit of one peer's endorsement (core.yaml, peer.gateway.endorsementTimeout)."""

LEFT_OUT_S = 2.0
"""How long a peer that failed is asked only when no other will do."""


@dataclass(frozen=True, slots=True)
class PeerEndpoint:
    """Another organization's peer.

    Args:
        address: ``host:port``.
        msp_id: its organization.
    """

    address: str
    msp_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A peer's answer and how it is taken; no response where the call failed."""

    verdict: Verdict
    response: proposal_response_pb2.ProposalResponse | None = None


class GatewayPeer(ABC):
    """One peer as the gateway sees it."""

    def __init__(self, address: str, msp_id: str) -> None:
        self.address = address
        self.msp_id = msp_id
        self.left_out_until = 0.0
        """It failed a moment ago, and is asked last until then, by ``time.monotonic()``."""

    async def ask(self, proposal: Requested, *, evaluating: bool = False) -> Answer:
        """Send a proposal and judge the answer; the own peer endorses nothing that is only to be evaluated."""
        answer = await self._process(proposal, evaluating=evaluating)
        if answer.verdict.remove:
            self.left_out_until = time.monotonic() + LEFT_OUT_S
        return answer

    def error(self, message: str) -> ErrorDetail:
        """Return a detail about this peer."""
        return ErrorDetail(self.address, self.msp_id, message)

    @abstractmethod
    async def _process(self, proposal: Requested, *, evaluating: bool) -> Answer:
        """Have the proposal endorsed, whatever comes of it."""


class LocalPeer(GatewayPeer):
    """This peer itself: no connection between."""

    def __init__(self, address: str, msp_id: str, endorser: Endorser) -> None:
        super().__init__(address, msp_id)
        self._endorser = endorser
        self._limits = TimeLimits()

    async def _process(self, proposal: Requested, *, evaluating: bool) -> Answer:
        try:
            with self._limits.until(time.monotonic() + ENDORSEMENT_TIMEOUT_S):
                response = await self._endorser.process(proposal.parsed(), evaluating=evaluating)
        except (ProposalFilteredError, UnreadableHeadersError) as error:
            return Answer(Verdict(StatusCode.UNAVAILABLE, str(error), retry=True))
        except (ProposalRefusedError, WireError) as error:
            return Answer(Verdict(StatusCode.FAILED_PRECONDITION, str(error)))
        except TimeoutError:
            return Answer(Verdict(StatusCode.UNAVAILABLE, "endorsement timeout expired", retry=True))
        return Answer(judge_response(response), response)


class RemotePeer(GatewayPeer):
    """Another organization's peer, over one connection."""

    def __init__(self, endpoint: PeerEndpoint, tls: rpc.ClientTls | None) -> None:
        super().__init__(endpoint.address, endpoint.msp_id)
        self._channel = rpc.Channel(endpoint.address, tls)

    @property
    def tls_certificate_hash(self) -> bytes:
        """SHA-256 of the certificate this peer shows there; empty without one."""
        return self._channel.tls_certificate_hash

    async def call(self, path: str, request: bytes, timeout_s: float) -> bytes:
        """Make a call of another service of that peer.

        Raises:
            RpcError: it failed.
        """
        return await self._channel.unary(path, request, timeout_s)

    async def close(self) -> None:
        """Drop the connection."""
        await self._channel.close()

    async def _process(self, proposal: Requested, *, evaluating: bool) -> Answer:
        try:
            reply = await self._channel.unary(PROCESS_PROPOSAL, proposal.signed_proposal, ENDORSEMENT_TIMEOUT_S)
            response = proposal_response_pb2.ProposalResponse.FromString(reply)
        except RpcError as error:
            return Answer(judge_rpc_error(error))
        except DecodeError:
            return Answer(Verdict(StatusCode.UNAVAILABLE, "the answer is no ProposalResponse", retry=True, remove=True))
        return Answer(judge_response(response), response)


class GatewayPeers:
    """All peers a gateway knows, its own first.

    Args:
        local: this peer.
        others: the other organizations' peers.
    """

    def __init__(self, local: LocalPeer, others: Sequence[RemotePeer]) -> None:
        self.local = local
        self._all: tuple[GatewayPeer, ...] = (local, *others)

    def of(self, msp_ids: Sequence[str]) -> list[GatewayPeer]:
        """Return the peers of these organizations."""
        return [peer for peer in self.in_order() if peer.msp_id in msp_ids]

    def in_order(self) -> list[GatewayPeer]:
        """Return all peers: the own one, then the others, those that failed a moment ago last."""
        now = time.monotonic()
        return sorted(self._all, key=lambda peer: now < peer.left_out_until)
