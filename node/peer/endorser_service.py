"""``protos.Endorser/ProcessProposal``: what other peers' gateways and command lines call.

Source: Fabric core/endorser/endorser.go (a refused proposal is a gRPC error, everything after it an answer).
"""

from __future__ import annotations

from network import rpc
from network.errors import RpcError
from network.rpc import StatusCode
from node.peer.proposals import Proposals
from node.peer.system_chaincode import ProposalRefusedError

SERVICE_NAME = "protos.Endorser"


class EndorserService:
    """The service of one peer."""

    def __init__(self, proposals: Proposals) -> None:
        self._proposals = proposals

    def register(self, server: rpc.Server) -> None:
        """Serve on ``server``."""
        server.unary(f"/{SERVICE_NAME}/ProcessProposal", self._process_proposal)

    async def _process_proposal(self, request: bytes, call: rpc.Call) -> bytes:
        try:
            response = await self._proposals.process(request)
        except ProposalRefusedError as error:
            raise RpcError(StatusCode.UNKNOWN, str(error)) from error
        reply: bytes = response.SerializeToString()
        return reply
