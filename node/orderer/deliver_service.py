"""``orderer.AtomicBroadcast/Deliver``: hands out blocks, old and new, to whoever the channel lets read.

What a request must look like and who may read is ``network/seek.py``'s; here are only the chains.

Source: Fabric common/deliver/deliver.go.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime

import structlog
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

from network import rpc
from network.errors import SeekRefusedError
from network.seek import ReadSession, SeekRequest, block_response, parse_seek
from node.block_reading import read_block
from node.orderer.chain import Chain
from node.orderer.errors import BlockStoreError, OrderingUnavailableError
from node.received import received_message

log = structlog.get_logger(__name__)

PATH = "/orderer.AtomicBroadcast/Deliver"
READERS = "/Channel/Readers"


class DeliverService:
    """The service over the channels given.

    Args:
        chains: by channel id.
        now: current time, UTC.
    """

    def __init__(self, chains: Mapping[str, Chain], now: Callable[[], datetime]) -> None:
        self._chains = chains
        self._now = now

    def register(self, server: rpc.Server) -> None:
        """Serve on ``server``."""
        server.bidi(PATH, self.deliver)

    async def deliver(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        """Serve one stream: each request is answered with its blocks and a status; a status but SUCCESS ends it."""
        async for envelope in requests:
            status = common_pb2.SUCCESS
            received_message(common_pb2.Envelope, envelope, streamed=True)
            try:
                request = parse_seek(envelope, self._now(), call.tls_certificate_hash)
                async with aclosing(self._blocks(request)) as blocks:
                    async for block in blocks:
                        yield block_response(block)
            except SeekRefusedError as refusal:
                log.warning("orderer.deliver_refused", peer=call.peer, status=refusal.status, reason=str(refusal))
                status = refusal.status
            except OrderingUnavailableError as error:
                status = error.status
            yield ab_pb2.DeliverResponse(status=status).SerializeToString()
            if status != common_pb2.SUCCESS:
                return

    async def _blocks(self, request: SeekRequest) -> AsyncGenerator[bytes, None]:
        chain = self._chains.get(request.channel_id)
        if chain is None:
            raise SeekRefusedError(common_pb2.NOT_FOUND, f"channel {request.channel_id!r} does not exist here")
        session = ReadSession(
            request.signed,
            config=lambda: chain.config,
            authorize=lambda config, signed: config.policy(READERS).evaluate([signed]),
            now=self._now,
        )
        session.check()
        number, stop = request.span(chain.height)
        while True:
            request.require_ready(number, chain.height)
            await chain.wait_for(number)
            session.check()
            yield await read_block(request.content, await _read(chain, number))
            if number == stop:
                return
            number += 1


async def _read(chain: Chain, number: int) -> bytes:
    try:
        return await chain.block(number)
    except BlockStoreError as error:
        log.error("orderer.block_unreadable", channel=chain.channel_id, number=number, reason=str(error))
        raise OrderingUnavailableError(f"block {number} cannot be read") from error
