"""Pulls the channel's blocks from the ordering service, or from another peer, and hands them to the committer.

Orderers are tried in turn, with growing pauses; each new stream begins right after the last block handed over, so
nothing is lost or repeated. What a block is worth is the committer's to decide: when it refuses one, the next orderer
is asked for it; when every orderer has given one that is refused, there is no hope. A block that is not the next one is
handed over too, so that it is told, and ends its stream. While no address is known, one is waited for.

Source: Fabric internal/pkg/peer/blocksprovider/blocksprovider.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from time import monotonic

import structlog
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from google.protobuf.message import DecodeError

from network import rpc
from network.envelope import seek_envelope
from network.errors import RpcError
from network.identity import SigningIdentity
from network.proposal import NONCE_BYTES
from node.peer.gateway.orderers import OrdererEndpoint, status_name

_log = structlog.get_logger(__name__)

DELIVER = "/orderer.AtomicBroadcast/Deliver"

PEER_DELIVER = "/protos.Deliver/Deliver"
"""The same stream from a peer; of its answers, block and status have the orderers' form."""

PAUSE_FIRST_S = 0.1
"""Pause after a first failure; it doubles with each that follows."""

PAUSE_MAX_S = 5.0
"""Longest pause between two tries."""

STANDS_S = 20.0
"""A stream of this age stands, though no block has come: whoever cannot be reached is given up before."""


class DeliverClient:
    """Keeps one stream of blocks.

    Args:
        channel_id: channel.
        identity: signs the requests.
        endpoints: who is asked, in turn.
        tls: how they are dialled.
        next_block: number of the first block wanted.
        put: takes each block and its source's address; waits while too many are on the way.
        on_hopeless: told why, once no source is left to be asked for the next block.
        now: UTC clock.
        random_bytes: for nonces.
        method: ``DELIVER`` where orderers are asked, ``PEER_DELIVER`` where peers are.
    """

    def __init__(
        self,
        channel_id: str,
        identity: SigningIdentity,
        endpoints: Sequence[OrdererEndpoint],
        tls: rpc.ClientTls | None,
        *,
        next_block: int,
        put: Callable[[common_pb2.Block, str], Awaitable[None]],
        on_hopeless: Callable[[str], None],
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
        method: str = DELIVER,
    ) -> None:
        self._channel_id = channel_id
        self._identity = identity
        self._endpoints = endpoints
        self._tls = tls
        self._next_block = next_block
        self._put = put
        self._on_hopeless = on_hopeless
        self._refused: dict[str, int] = {}
        """The block that each source gave and that did not hold."""
        self._turn = 0
        self._addressed = asyncio.Event()
        """Set whenever addresses are told."""
        self._pulling: asyncio.Task[str] | None = None
        self._pulling_since = monotonic()
        self._failed_at: float | None = None
        """When the first stream failed of those that gave no block."""
        self._now = now
        self._random_bytes = random_bytes
        self._method = method
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start pulling."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop pulling."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def source(self) -> str:
        """Address of whoever is asked for blocks now; empty where nobody is known."""
        return self._endpoints[self._turn % len(self._endpoints)].address if self._endpoints else ""

    @property
    def next_block(self) -> int:
        """Number of the first block that has not been given yet."""
        return self._next_block

    @property
    def silent_s(self) -> float:
        """For how many seconds nobody has been reached who gives blocks; 0 while a stream stands."""
        if self._failed_at is None or monotonic() - self._pulling_since >= STANDS_S:
            return 0.0
        return monotonic() - self._failed_at

    def refuse(self, number: int, source: str, reason: str) -> None:
        """Ask somebody else for a block that did not hold."""
        self._refused[source] = number
        if self._endpoints and all(self._refused.get(each.address) == number for each in self._endpoints):
            self._on_hopeless(reason)
        else:
            self.leave(number)

    def use(self, endpoints: Sequence[OrdererEndpoint], tls: rpc.ClientTls | None) -> None:
        """Ask others from now on; whoever is asked now goes on if it is one of them."""
        asked = self.source
        known = [number for number, endpoint in enumerate(endpoints) if endpoint.address == asked]
        self._endpoints, self._tls = endpoints, tls
        # The one before the first is the last: the turn moves on when a stream ends.
        self._turn = known[0] if known else len(endpoints) - 1
        self._addressed.set()
        if not known and self._pulling is not None:
            self._pulling.cancel()

    def leave(self, number: int) -> None:
        """Leave the source that is asked now, for the next in turn.

        Args:
            number: the first block that is wanted of that one.
        """
        self._next_block = number
        if self._pulling is not None:
            self._pulling.cancel()

    async def _run(self) -> None:
        pause_s = PAUSE_FIRST_S
        while True:
            while not self._endpoints:
                await self._wait_for_address()
            endpoint = self._endpoints[self._turn % len(self._endpoints)]
            before = self._next_block
            self._pulling_since = monotonic()
            self._pulling = asyncio.create_task(self._pull(endpoint))
            try:
                await asyncio.wait({self._pulling})
            finally:
                self._pulling.cancel()
            left = self._pulling.cancelled()
            reason = "another is asked" if left else self._pulling.result()
            if left or self._next_block > before:
                pause_s = PAUSE_FIRST_S
            if self._next_block > before or monotonic() - self._pulling_since >= STANDS_S:
                self._failed_at = None
            self._failed_at = self._failed_at or monotonic()
            _log.warning("no blocks arrive", source=endpoint.address, reason=reason, next_try_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
            self._turn += 1

    async def _wait_for_address(self) -> None:
        _log.error(
            "no blocks arrive",
            channel=self._channel_id,
            reason="no address of an orderer is known: the channel names none; name one in the settings",
        )
        self._addressed.clear()
        await self._addressed.wait()

    async def _pull(self, endpoint: OrdererEndpoint) -> str:
        """Take blocks from one orderer until its stream ends, and return why it ended."""
        channel = rpc.Channel(endpoint.address, self._tls)
        try:
            async with aclosing(
                channel.bidi(self._method, self._requests(channel.tls_certificate_hash), None)
            ) as replies:
                async for reply in replies:
                    response = ab_pb2.DeliverResponse.FromString(reply)
                    if response.WhichOneof("Type") != "block":
                        return f"status {status_name(response.status)}"
                    number = response.block.header.number
                    await self._put(response.block, endpoint.address)
                    if number != self._next_block:
                        return f"it sent block {number} where block {self._next_block} was due"
                    self._next_block = number + 1
                    self._failed_at = None
        except RpcError as error:
            return error.message
        except DecodeError:
            return "its answer is no DeliverResponse"
        finally:
            await channel.close()
        return "the stream ended"

    async def _requests(self, tls_cert_hash: bytes) -> AsyncIterator[bytes]:
        envelope = seek_envelope(
            self._channel_id,
            self._identity,
            nonce=self._random_bytes(NONCE_BYTES),
            timestamp=self._now(),
            start=self._next_block,
            tls_cert_hash=tls_cert_hash,
        )
        yield envelope.SerializeToString()
        # The sending side stays open: some orderers take its end for the end of the whole stream.
        await asyncio.Event().wait()
