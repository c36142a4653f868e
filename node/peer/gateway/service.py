"""Registers the calls of ``gateway.Gateway``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from network import rpc
from node.peer.gateway.chaincode_events import chaincode_events
from node.peer.gateway.commit_status import commit_status
from node.peer.gateway.endorse import endorse
from node.peer.gateway.evaluate import evaluate
from node.peer.gateway.gateway import Gateway
from node.peer.gateway.submit import submit

SERVICE_NAME = "gateway.Gateway"


class GatewayService:
    """The service of one peer.

    Args:
        gateways: the gateway of each channel, by channel id.
    """

    def __init__(self, gateways: Mapping[str, Gateway]) -> None:
        self._gateways = gateways

    def register(self, server: rpc.Server) -> None:
        """Serve on ``server``."""
        server.unary(f"/{SERVICE_NAME}/Evaluate", self._evaluate)
        server.unary(f"/{SERVICE_NAME}/Endorse", self._endorse)
        server.unary(f"/{SERVICE_NAME}/Submit", self._submit)
        server.unary(f"/{SERVICE_NAME}/CommitStatus", self._commit_status)
        server.server_stream(f"/{SERVICE_NAME}/ChaincodeEvents", self._chaincode_events)

    async def _evaluate(self, request: bytes, call: rpc.Call) -> bytes:
        return await evaluate(self._gateways, request, call)

    async def _endorse(self, request: bytes, call: rpc.Call) -> bytes:
        return await endorse(self._gateways, request, call)

    async def _submit(self, request: bytes, call: rpc.Call) -> bytes:
        return await submit(self._gateways, request, call)

    async def _commit_status(self, request: bytes, call: rpc.Call) -> bytes:
        return await commit_status(self._gateways, request, call)

    def _chaincode_events(self, request: bytes, call: rpc.Call) -> AsyncIterator[bytes]:
        return chaincode_events(self._gateways, request, call)
