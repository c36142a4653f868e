"""An orderer that gives whatever blocks a test wants, to whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

from network import rpc
from network.block import is_config_block
from network.seek import NEVER, block_response
from tests.support.ordering import DELIVER


class HostileOrderer:
    """Serves a list of blocks, by their place in it, and waits for more at its end.

    Args:
        blocks: what it gives; None in the place of a block is nothing, for ever.
    """

    def __init__(self, port: int, tls: rpc.ServerTls, blocks: Sequence[common_pb2.Block | None]) -> None:
        self.address = f"localhost:{port}"
        self.blocks = list(blocks)
        self.given = 0
        self._server = rpc.Server("127.0.0.1", port, tls)
        self._server.bidi(DELIVER, self._deliver)

    async def start(self) -> None:
        """Start serving."""
        await self._server.start()

    async def stop(self) -> None:
        """Stop serving."""
        await self._server.stop(0)

    async def _deliver(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(await anext(requests)).payload)
        seek = ab_pb2.SeekInfo.FromString(payload.data)
        number, stop = seek.start.specified.number, min(seek.stop.specified.number, NEVER)
        while number <= stop:
            block = self.blocks[number] if number < len(self.blocks) else None
            if block is None and seek.behavior == ab_pb2.SeekInfo.FAIL_IF_NOT_READY:
                yield ab_pb2.DeliverResponse(status=common_pb2.NOT_FOUND).SerializeToString()
                return
            if block is None:
                await asyncio.Event().wait()
            given = common_pb2.Block()
            given.CopyFrom(block)
            if seek.content_type == ab_pb2.SeekInfo.HEADER_WITH_SIG and not is_config_block(given):
                given.ClearField("data")
            else:
                self.given += 1
            yield block_response(given.SerializeToString())
            number += 1
        yield ab_pb2.DeliverResponse(status=common_pb2.SUCCESS).SerializeToString()
