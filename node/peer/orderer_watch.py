"""Watches the orderers that blocks are not taken from: do they tell the same story, and do they know more?

Blocks come from one orderer at a time. It could withhold them, or be told another chain than the rest; signatures do
not show that. So the others are asked, now and then, for the header of the last block committed and of the next one:

- an orderer whose signed header differs from the block committed **equivocates**, it or the one that gave the block:
  named and counted; nothing else is done, because no one can tell here which of them lies, and what does not continue
  the chain is never committed anyway;
- a next block that is there for one whole round while the one that is asked has not given it is **withheld**: named and
  counted, and another orderer is asked from then on; one that was given and is not committed yet is nobody's fault;
- a header without the orderers' signatures is **forged**: named and counted, and believed in nothing.

Source: Fabric internal/pkg/peer/blocksprovider (the censorship monitor of SmartBFT networks); here for every network
with two orderers or more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from google.protobuf.message import DecodeError

from network import rpc
from network.block import header_hash
from network.block_verifier import verify_signatures
from network.errors import BlockError, RpcError
from node.peer.channel import Channel
from node.peer.deliver_client import DELIVER, DeliverClient
from node.peer.gateway.orderers import OrdererEndpoint

_log = structlog.get_logger(__name__)

WATCH_INTERVAL_S = 5.0
"""Pause between two rounds."""

ANSWER_S = 5.0
"""Time limit of one orderer's answer."""

FORGED, WITHHELD, EQUIVOCATED = "forged", "withheld", "equivocated"
"""Faults of orderers, as they are counted."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How orderers are watched.

    Args:
        endpoints: all of them.
        tls: how they are dialled.
        interval_s: pause between two rounds.
        seek: makes a signed request from its keyword arguments.
        count: counts a fault: orderer's address, kind.
    """

    endpoints: Sequence[OrdererEndpoint]
    tls: rpc.ClientTls | None
    interval_s: float
    seek: Callable[..., common_pb2.Envelope]
    count: Callable[[str, str], None]


class OrdererWatch:
    """The watch over one channel's orderers.

    Args:
        channel: height, last header's hash and configuration.
        deliver: takes blocks from one of them.
        settings: see :class:`WatchSettings`.
    """

    def __init__(self, channel: Channel, deliver: DeliverClient, settings: WatchSettings) -> None:
        self._channel = channel
        self._deliver = deliver
        self._settings = settings
        self._known: set[tuple[str, int, bytes]] = set()
        self._ahead: tuple[int, str] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start watching, where there is more than one orderer."""
        if len(self._settings.endpoints) > 1:
            self._task = asyncio.create_task(self._run())

    def use(self, endpoints: Sequence[OrdererEndpoint], tls: rpc.ClientTls | None) -> None:
        """Watch others from the next round on."""
        self._settings = replace(self._settings, endpoints=endpoints, tls=tls)
        if self._task is None:
            self.start()

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._settings.interval_s)
            if self._channel.progress.stopped is None:
                await self._round()

    async def _round(self) -> None:
        """Ask every other orderer once."""
        height = self._channel.progress.height
        source = self._deliver.source
        others = [endpoint for endpoint in self._settings.endpoints if endpoint.address != source]
        ahead = await asyncio.gather(*(self._knows_more(endpoint, height) for endpoint in others))
        if not any(ahead) or self._channel.progress.height > height or self._deliver.next_block > height:
            self._ahead = None
        elif self._ahead == (height, source):
            self._ahead = None
            _log.error("orderer withholds blocks", orderer=source, block=height, channel=self._channel.channel_id)
            self._settings.count(source, WITHHELD)
            self._deliver.leave(height)
        else:
            self._ahead = (height, source)

    async def _knows_more(self, endpoint: OrdererEndpoint, height: int) -> bool:
        """Compare an orderer's last header with ours, and say whether it has the next block."""
        own = self._channel.progress.header_hash
        more = False
        for block in await self._headers(endpoint, height):
            number, hashed = block.header.number, header_hash(block.header)
            try:
                if number:
                    verify_signatures(block, self._channel.config)
            except BlockError as error:
                self._report("orderer forges headers", endpoint, FORGED, number, hashed, reason=str(error))
                return False
            more = more or number == height
            if number == height - 1 and hashed != own and self._channel.progress.height == height:
                self._report(
                    "orderers equivocate", endpoint, EQUIVOCATED, number, hashed, theirs=hashed.hex(), ours=own.hex()
                )
        return more

    def _report(
        self, event: str, endpoint: OrdererEndpoint, fault: str, number: int, hashed: bytes, **details: str
    ) -> None:
        """Tell of a fault once."""
        key = (endpoint.address, number, hashed)
        if key in self._known:
            return
        self._known.add(key)
        names = {"orderer": endpoint.address, "block": number, "channel": self._channel.channel_id}
        _log.error(event, **names, **details)
        self._settings.count(endpoint.address, fault)

    async def _headers(self, endpoint: OrdererEndpoint, height: int) -> list[common_pb2.Block]:
        """Return an orderer's headers of the last block and the next, as far as it has them and answers."""
        channel = rpc.Channel(endpoint.address, self._settings.tls)
        found: list[common_pb2.Block] = []

        async def requests() -> AsyncIterator[bytes]:
            yield self._settings.seek(
                start=height - 1,
                stop=height,
                tls_cert_hash=channel.tls_certificate_hash,
                fail_if_not_ready=True,
                headers_only=True,
            ).SerializeToString()

        try:
            async with aclosing(channel.bidi(DELIVER, requests(), ANSWER_S)) as replies:
                async for reply in replies:
                    response = ab_pb2.DeliverResponse.FromString(reply)
                    if response.WhichOneof("Type") != "block" or len(found) == 2:
                        break
                    found.append(response.block)
        except (RpcError, DecodeError) as error:
            _log.debug("orderer gives no headers", orderer=endpoint.address, reason=str(error))
        finally:
            await channel.close()
        return found
