"""A chaincode that dials its peer, ``/protos.ChaincodeSupport/Register``, and dials again when the stream ends.

Source: fabric-chaincode-go shim/shim.go, shim/internal/client.go.
"""

from __future__ import annotations

import asyncio

import structlog

from chaincode.contract import Contract
from chaincode.errors import StreamError
from chaincode.shim.session import REQUEST_TIMEOUT_S, Session
from network.errors import RpcError
from network.rpc import Channel

logger = structlog.get_logger(__name__)

REGISTER = "/protos.ChaincodeSupport/Register"
"""Method by which a chaincode opens the stream to its peer."""

RETRY_FIRST_S = 0.5
RETRY_MAX_S = 10.0


async def serve_once(
    contract: Contract, package_id: str, channel: Channel, *, request_timeout_s: float = REQUEST_TIMEOUT_S
) -> None:
    """Serve a peer over one stream until it ends.

    Args:
        contract: what to run.
        package_id: ``label:hash`` (or the name, for a peer in development mode).
        channel: to the peer's chaincode address.
        request_timeout_s: how long the peer may leave a request unanswered, seconds.
    Raises:
        RpcError: the peer cannot be reached, refuses, or broke the stream.
        StreamError: the peer broke the protocol.
    """
    session = Session(contract, package_id, request_timeout_s=request_timeout_s)
    await session.read(channel.bidi(REGISTER, session.outgoing(), None))


async def serve_forever(contract: Contract, package_id: str, channel: Channel) -> None:
    """Serve a peer, dialling again whenever the stream ends; cancel to stop."""
    delay_s = RETRY_FIRST_S
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await serve_once(contract, package_id, channel)
            reason = "the peer closed the stream"
        except (RpcError, StreamError) as error:
            reason = str(error)
        if loop.time() - started > RETRY_MAX_S:
            delay_s = RETRY_FIRST_S
        logger.warning("stream_ended", contract=contract.name, peer=channel.address, reason=reason, retry_s=delay_s)
        await asyncio.sleep(delay_s)
        delay_s = min(2 * delay_s, RETRY_MAX_S)
