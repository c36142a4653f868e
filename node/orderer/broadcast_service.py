"""``orderer.AtomicBroadcast/Broadcast``: takes envelopes and says what became of each, in order.

Rules
- One reply for each envelope, in the order of arrival; SUCCESS means its block is durable.
- Envelopes of one stream are checked and queued while earlier ones are still being written, up to a window.
- A refused envelope does not end the stream. Fabric's orderer hangs up; but a peer sends the envelopes of many clients
  on one stream, and one client's mistake must not cost the others their answer.

Source: Fabric orderer/common/broadcast/broadcast.go; proto orderer/ab.proto.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from time import perf_counter

import structlog
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

from network import rpc
from node.operations.orderer_metrics import CONFIG_UPDATE, TRANSACTION, BroadcastMetrics
from node.orderer.chain import Chain, Outcome
from node.orderer.errors import EnvelopeRefusedError
from node.orderer.msg_processor import check_message, parse_message

log = structlog.get_logger(__name__)

PATH = "/orderer.AtomicBroadcast/Broadcast"

WINDOW = 1_024
"""Envelopes of one stream that may be unanswered; the next is read when the oldest has its answer."""

_SUCCESS: bytes = ab_pb2.BroadcastResponse(status=common_pb2.SUCCESS).SerializeToString()
_Answers = asyncio.Queue["asyncio.Future[Outcome] | None"]


class BroadcastService:
    """The service over the channels given.

    Args:
        chains: by channel id.
        now: current time, UTC.
        metrics: where envelopes are counted.
    """

    def __init__(self, chains: Mapping[str, Chain], now: Callable[[], datetime], metrics: BroadcastMetrics) -> None:
        self._chains = chains
        self._now = now
        self._metrics = metrics

    def register(self, server: rpc.Server) -> None:
        """Serve on ``server``."""
        server.bidi(PATH, self.broadcast)

    async def broadcast(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        """Serve one stream."""
        answers: _Answers = asyncio.Queue(WINDOW)
        reader = asyncio.create_task(self._read(requests, answers, call.peer))
        try:
            while (outcome := await answers.get()) is not None:
                yield _reply(await outcome)
            await reader
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read(self, requests: AsyncIterator[bytes], answers: _Answers, peer: str) -> None:
        try:
            async for envelope in requests:
                await answers.put(await self._order(envelope, peer))
        except Exception:
            await answers.put(None)
            raise
        await answers.put(None)

    async def _order(self, envelope: bytes, peer: str) -> asyncio.Future[Outcome]:
        begun = perf_counter()
        channel_id, kind = "", "unknown"
        try:
            message = parse_message(envelope)
            channel_id, kind = message.channel_id, CONFIG_UPDATE if message.is_config_update else TRANSACTION
            chain = self._chains.get(message.channel_id)
            if chain is None:
                raise EnvelopeRefusedError(common_pb2.BAD_REQUEST, "channel does not exist")
            check_message(message, chain.config, self._now())
        except EnvelopeRefusedError as refusal:
            log.warning("orderer.envelope_refused", peer=peer, status=refusal.status, reason=refusal.info)
            refused: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            refused.set_result(refusal)
            self._metrics.refused(channel_id, kind, refusal.status, perf_counter() - begun)
            return refused
        checked = perf_counter()
        self._metrics.checked(channel_id, kind, checked - begun)
        outcome = await chain.order(message)
        outcome.add_done_callback(lambda done: self._ended(channel_id, kind, done, perf_counter() - checked))
        return outcome

    def _ended(self, channel_id: str, kind: str, done: asyncio.Future[Outcome], seconds: float) -> None:
        # Cancelled where the caller went away; what became of the envelope is not told to anybody then.
        if not done.cancelled():
            self._metrics.ended(channel_id, kind, done.result(), seconds)


def _reply(outcome: Outcome) -> bytes:
    if outcome is None:
        return _SUCCESS
    reply: bytes = ab_pb2.BroadcastResponse(status=outcome.status, info=outcome.info).SerializeToString()
    return reply
