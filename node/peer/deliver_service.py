"""``protos.Deliver``: committed blocks for whoever the channel lets read: whole, filtered, or with private data.

What a request must look like and who may read is ``network/seek.py``'s; here is only the channel. Filtered blocks carry
no event payload and nothing of what transactions read or wrote.

Source: Fabric common/deliver/deliver.go, core/peer/deliverevents.go.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import datetime

import structlog
from fabric_protos.common import common_pb2
from fabric_protos.peer import events_pb2

from network import rpc
from network.block import is_config_block, parse_block
from network.errors import SeekRefusedError
from network.seek import ReadSession, SeekRequest, block_response, parse_seek
from node.block_reading import read_block
from node.peer.channel import Channel
from node.peer.errors import ChannelStoppedError, MissingBlockError
from node.peer.filtered_block import filtered_response
from node.peer.private_blocks import block_with_private_data
from node.received import received_message

_log = structlog.get_logger(__name__)

SERVICE_NAME = "protos.Deliver"

Convert = Callable[[int, bytes, SeekRequest], Awaitable[bytes]]
"""From a committed block, its number first, and the request it answers, to a serialized ``DeliverResponse``."""


class DeliverService:
    """The service of one peer.

    Args:
        channels: channels this peer is on, by id.
        now: UTC clock.
    """

    def __init__(self, channels: Mapping[str, Channel], now: Callable[[], datetime]) -> None:
        self._channels = channels
        self._now = now

    def register(self, server: rpc.Server) -> None:
        """Serve on ``server``."""
        server.bidi(f"/{SERVICE_NAME}/Deliver", self._deliver)
        server.bidi(f"/{SERVICE_NAME}/DeliverFiltered", self._deliver_filtered)
        server.bidi(f"/{SERVICE_NAME}/DeliverWithPrivateData", self._deliver_private)

    def _deliver(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        return self._serve(requests, call, "event/Block", _whole)

    def _deliver_filtered(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        return self._serve(requests, call, "event/FilteredBlock", self._filtered)

    def _deliver_private(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        return self._serve(requests, call, "event/Block", self._with_private_data)

    async def _filtered(self, number: int, block: bytes, request: SeekRequest) -> bytes:
        if request.headers_only and not is_config_block(parse_block(block)):
            # A Go peer dies of such a request.
            raise SeekRefusedError(common_pb2.BAD_REQUEST, "content_type: a filtered block is made of the whole block")
        known = self._channels[request.channel_id].filtered(number)
        return known if known is not None else await read_block(filtered_response, block)

    async def _with_private_data(self, number: int, block: bytes, request: SeekRequest) -> bytes:
        channel = self._channels[request.channel_id]
        reader = channel.config.msps.deserialize(request.signed.creator)
        return await block_with_private_data(channel, block, reader)

    async def _serve(
        self, requests: AsyncIterator[bytes], call: rpc.Call, resource: str, convert: Convert
    ) -> AsyncIterator[bytes]:
        """Answer each request with its blocks and a status; a status other than SUCCESS ends the stream."""
        async for envelope in requests:
            status = common_pb2.SUCCESS
            received_message(common_pb2.Envelope, envelope, streamed=True)
            try:
                request = parse_seek(envelope, self._now(), call.tls_certificate_hash)
                async with aclosing(self._blocks(request, resource)) as blocks:
                    async for number, block in blocks:
                        yield await convert(number, block, request)
            except SeekRefusedError as refusal:
                _log.warning("deliver refused", peer=call.peer, status=refusal.status, reason=str(refusal))
                status = refusal.status
            except ChannelStoppedError:
                status = common_pb2.SERVICE_UNAVAILABLE
            except MissingBlockError as error:
                _log.warning("deliver refused", peer=call.peer, status=common_pb2.NOT_FOUND, reason=str(error))
                status = common_pb2.NOT_FOUND
            yield events_pb2.DeliverResponse(status=status).SerializeToString()
            if status != common_pb2.SUCCESS:
                return

    async def _blocks(self, request: SeekRequest, resource: str) -> AsyncGenerator[tuple[int, bytes], None]:
        channel = self._channels.get(request.channel_id)
        if channel is None:
            raise SeekRefusedError(common_pb2.NOT_FOUND, f"channel {request.channel_id!r} is not here")
        session = ReadSession(
            request.signed,
            config=lambda: channel.config,
            authorize=lambda config, signed: config.check_acl(resource, [signed]),
            now=self._now,
        )
        session.check()
        number, stop = request.span(channel.progress.height)
        async with aclosing(channel.follow(number)) as blocks:
            while True:
                request.require_ready(number, channel.progress.height)
                content = await anext(blocks)
                session.check()
                yield number, await read_block(request.content, content) if request.headers_only else content
                if number == stop:
                    return
                number += 1


async def _whole(number: int, block: bytes, request: SeekRequest) -> bytes:
    return block_response(block)
