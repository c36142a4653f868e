"""Chaincode as a service: the peer connects, ``/protos.Chaincode/Connect``.

One server serves one contract under one package id, to any number of peers. With TLS and client roots only peers
whose certificate those roots issued get in.

Source: fabric-chaincode-go shim/chaincodeserver.go; Fabric docs, "Running chaincode as an external service".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog

from chaincode.contract import Contract
from chaincode.errors import StreamError
from chaincode.shim.session import REQUEST_TIMEOUT_S, Session
from network.errors import RpcError
from network.rpc import Call, Server, ServerTls, StatusCode

logger = structlog.get_logger(__name__)

CONNECT = "/protos.Chaincode/Connect"
"""Method by which a peer opens the stream."""


class ChaincodeServer:
    """A listening chaincode.

    Args:
        contract: what to run.
        package_id: ``label:hash`` as the peers installed it.
        host: address to listen on.
        port: 0 lets the system choose.
        tls: None serves in the clear.
        request_timeout_s: how long a peer may leave a request unanswered, seconds.
    """

    def __init__(
        self,
        contract: Contract,
        package_id: str,
        host: str,
        port: int,
        tls: ServerTls | None = None,
        *,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self._contract = contract
        self._package_id = package_id
        self._timeout_s = request_timeout_s
        self._server = Server(host, port, tls)
        self._server.bidi(CONNECT, self.connect)
        self._server.enable_health()

    async def start(self) -> int:
        """Begin to listen; return the port."""
        port = await self._server.start()
        logger.info("chaincode_listening", contract=self._contract.name, package_id=self._package_id, port=port)
        return port

    async def stop(self, grace_s: float = 5.0) -> None:
        """Stop listening; running transactions get ``grace_s`` seconds."""
        await self._server.stop(grace_s)

    async def connect(self, requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        """Serve one peer's stream: bytes of ChaincodeMessage both ways.

        Raises:
            RpcError: INVALID_ARGUMENT when the peer broke the protocol.
        """
        session = Session(self._contract, self._package_id, request_timeout_s=self._timeout_s)
        logger.info("peer_connected", contract=self._contract.name, peer=call.peer)
        reader = asyncio.create_task(session.read(requests))
        try:
            async for message in session.outgoing():
                yield message
        except StreamError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from None
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            logger.info("peer_disconnected", contract=self._contract.name, peer=call.peer)
