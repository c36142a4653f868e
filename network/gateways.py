"""Several peers that a client may use, and which of them it uses now.

Rules
- Calls go to the first peer of the list; one that cannot be reached is asked last for a while, longer each time.
- A call that found a peer unavailable is made at the next one, within the same deadline. That is safe at every stage: a
  proposal is not ordered, and a transaction counts once however often it is ordered.
- A peer that let a deadline pass is asked last from then on, unless it was waiting for a commit; the call itself has
  failed: its time is up.
- A stream that breaks goes on at the next peer; it fails when all have failed one after another and given nothing.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

import structlog

from network import rpc
from network.errors import NetworkError, RpcError
from network.rpc import StatusCode

T = TypeVar("T")

_log = structlog.get_logger(__name__)

LEFT_OUT_S = 2.0
"""How long a peer that failed is asked last, the first time."""

LEFT_OUT_MAX_S = 60.0
"""And at most, after doubling with each failure."""

_STREAM_ENDED = (StatusCode.UNAVAILABLE, StatusCode.ABORTED)
"""Codes of a stream that another peer may go on with: the peer is gone, or its channel has stopped."""


class Gateways:
    """The peers of one client, in the order of preference.

    Args:
        channels: connections; they remain the caller's to close.
        clock: seconds that only go forward.
    Raises:
        NetworkError: there is none, or they present different TLS certificates.
    """

    def __init__(self, channels: Sequence[rpc.Channel], clock: Callable[[], float] = time.monotonic) -> None:
        self.channels = tuple(channels)
        self._clock = clock
        if not self.channels:
            raise NetworkError("a gateway client needs at least one peer to connect to")
        self.tls_certificate_hash = self.channels[0].tls_certificate_hash
        """Hash of the client's TLS certificate; requests for blocks are bound to it."""
        if any(channel.tls_certificate_hash != self.tls_certificate_hash for channel in self.channels):
            raise NetworkError("all connections of a client must present one TLS certificate: requests are bound to it")
        self._left_out: dict[rpc.Channel, tuple[float, float]] = {}

    def in_order(self) -> list[rpc.Channel]:
        """Return all connections, those that failed a while ago last."""
        if not self._left_out:
            return list(self.channels)
        now = self._clock()
        return sorted(self.channels, key=lambda channel: self._left_out.get(channel, (0.0, 0.0))[0] > now)

    async def unary(self, path: str, request: bytes, timeout_s: float, *, waits: bool = False) -> bytes:
        """Make a call at the first peer that answers.

        Args:
            path: of the method.
            request: serialized.
            timeout_s: for all peers together.
            waits: whether the peer waits for something else, so that a deadline that passes says nothing about it.
        Raises:
            RpcError: of the peer that answered last.
        """
        deadline = self._clock() + timeout_s
        left_s = timeout_s
        failures: list[tuple[rpc.Channel, RpcError]] = []
        for channel in self.in_order():
            try:
                reply = await channel.unary(path, request, left_s)
            except RpcError as error:
                if error.code == StatusCode.UNAVAILABLE or (error.code == StatusCode.DEADLINE_EXCEEDED and not waits):
                    self._leave_out(channel, error)
                if error.code != StatusCode.UNAVAILABLE:
                    raise
                failures.append((channel, error))
                left_s = max(0.0, deadline - self._clock())
            else:
                self._left_out.pop(channel, None)
                return reply
        raise _none_answered(failures)

    async def follow(self, opened: Callable[[rpc.Channel], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """Yield what a stream gives, and go on at another peer when it breaks.

        Args:
            opened: opens the stream at a peer, from where the caller has come.
        Raises:
            RpcError: it was refused, or no peer goes on with it.
        """
        failures: list[tuple[rpc.Channel, RpcError]] = []
        while True:
            failed = [channel for channel, _ in failures]
            channel = next(channel for channel in self.in_order() if channel not in failed)
            try:
                async with aclosing(opened(channel)) as items:
                    async for item in items:
                        failures.clear()
                        yield item
            except RpcError as error:
                if error.code not in _STREAM_ENDED:
                    raise
                self._leave_out(channel, error)
                failures.append((channel, error))
            else:
                return
            if len(failures) == len(self.channels):
                raise _none_answered(failures)

    def _leave_out(self, channel: rpc.Channel, error: RpcError) -> None:
        _, pause_s = self._left_out.get(channel, (0.0, LEFT_OUT_S / 2))
        pause_s = min(2 * pause_s, LEFT_OUT_MAX_S)
        if len(self.channels) > 1:
            _log.warning("peer left out for a while", address=channel.address, seconds=pause_s, reason=error.message)
        self._left_out[channel] = self._clock() + pause_s, pause_s


def _none_answered(failures: Sequence[tuple[rpc.Channel, RpcError]]) -> RpcError:
    """Return the last failure, with what each peer said where there were several."""
    last = failures[-1][1]
    if len(failures) == 1:
        return last
    said = "; ".join(f"{channel.address}: {error.message}" for channel, error in failures)
    return RpcError(last.code, f"none of {len(failures)} peers could serve this: {said}", last.details)
