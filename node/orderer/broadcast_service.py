"""``orderer.AtomicBroadcast/Broadcast``: takes envelopes and says what became of each, in order.

Rules
- One reply for each envelope, in the order of arrival; SUCCESS means its block is durable.
- Transactions that arrive in one turn of the event loop, on whatever streams, are checked together and queued in the
  order they came. A configuration update is judged alone, after what came before it.
- Envelopes of one stream are checked and queued while earlier ones are still being written, up to a window.
- A refused envelope does not end the stream. Fabric's orderer hangs up; but a peer sends the envelopes of many clients
  on one stream, and one client's mistake must not cost the others their answer.

Source: Fabric orderer/common/broadcast/broadcast.go; proto orderer/ab.proto.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import NamedTuple

import structlog
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

from network import rpc
from node.operations.orderer_metrics import CONFIG_UPDATE, TRANSACTION, BroadcastMetrics
from node.orderer.chain import Chain, Outcome
from node.orderer.errors import EnvelopeRefusedError
from node.orderer.msg_processor import Message, parse_message, refusals

log = structlog.get_logger(__name__)

PATH = "/orderer.AtomicBroadcast/Broadcast"

WINDOW = 1_024
"""Envelopes of one stream that may be unanswered; the next is read when the oldest has its answer."""

TOGETHER_MAX = 32
"""Envelopes checked in one go: more are hardly cheaper."""

_SUCCESS: bytes = ab_pb2.BroadcastResponse(status=common_pb2.SUCCESS).SerializeToString()
_Answers = asyncio.Queue["asyncio.Future[Outcome] | None"]


class _Arrived(NamedTuple):
    """An envelope of this turn of the event loop, for a channel that is ordered here."""

    message: Message
    chain: Chain
    kind: str
    peer: str
    begun: float
    outcome: asyncio.Future[Outcome]


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
        self._arrived: list[_Arrived] = []

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
        begun, loop = perf_counter(), asyncio.get_running_loop()
        outcome: asyncio.Future[Outcome] = loop.create_future()
        channel_id, kind = "", "unknown"
        try:
            message = parse_message(envelope)
            channel_id, kind = message.channel_id, CONFIG_UPDATE if message.is_config_update else TRANSACTION
            chain = self._chains.get(message.channel_id)
            if chain is None:
                raise EnvelopeRefusedError(common_pb2.BAD_REQUEST, "channel does not exist")
        except EnvelopeRefusedError as refusal:
            self._refused(refusal, peer, channel_id, kind, perf_counter() - begun)
            outcome.set_result(refusal)
            return outcome
        arrived = _Arrived(message, chain, kind, peer, begun, outcome)
        if message.is_config_update:
            # What came before it stands before it.
            self._order_arrived()
            self._arrived.append(arrived)
            if self._passed():
                await chain.order_update(message, outcome)
            return outcome
        if not self._arrived:
            # At the end of this turn: by then all are known that came with it.
            loop.call_soon(self._order_arrived)
        self._arrived.append(arrived)
        if len(self._arrived) >= TOGETHER_MAX:
            self._order_arrived()
        return outcome

    def _order_arrived(self) -> None:
        """Queue the transactions that came in this turn and pass, in the order they came."""
        for arrived in self._passed():
            arrived.chain.order_transaction(arrived.message, arrived.outcome)

    def _passed(self) -> list[_Arrived]:
        """Check what has arrived, all signatures in one go; refuse what does not pass, and return the rest."""
        arrivals, self._arrived = self._arrived, []
        try:
            found = refusals([(arrived.message, arrived.chain.config) for arrived in arrivals], self._now())
        except Exception as error:
            # A fault of ours: it ends their streams, as it would that of one alone.
            for arrived in arrivals:
                if not arrived.outcome.done():
                    arrived.outcome.set_exception(error)
            raise
        checked, passed = perf_counter(), []
        for arrived, refusal in zip(arrivals, found, strict=True):
            channel_id, kind, outcome = arrived.chain.channel_id, arrived.kind, arrived.outcome
            if refusal is None:
                self._metrics.checked(channel_id, kind, checked - arrived.begun)
                outcome.add_done_callback(partial(self._ended, channel_id, kind, checked))
                passed.append(arrived)
            else:
                self._refused(refusal, arrived.peer, channel_id, kind, checked - arrived.begun)
                if not outcome.done():
                    outcome.set_result(refusal)
        return passed

    def _refused(self, refusal: EnvelopeRefusedError, peer: str, channel_id: str, kind: str, seconds: float) -> None:
        log.warning("orderer.envelope_refused", peer=peer, status=refusal.status, reason=refusal.info)
        self._metrics.refused(channel_id, kind, refusal.status, seconds)

    def _ended(self, channel_id: str, kind: str, checked: float, done: asyncio.Future[Outcome]) -> None:
        # Cancelled where the caller went away; what became of the envelope is not told to anybody then.
        if not done.cancelled():
            self._metrics.ended(channel_id, kind, done.result(), perf_counter() - checked)


def _reply(outcome: Outcome) -> bytes:
    if outcome is None:
        return _SUCCESS
    reply: bytes = ab_pb2.BroadcastResponse(status=outcome.status, info=outcome.info).SerializeToString()
    return reply
