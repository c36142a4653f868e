"""Traces over all processes: which work belongs to which call. Off unless a process switches them on at its start.

Rules:
- off, methods and channels are what they would be without this module, but for one comparison a call. What decides is
  whether the process was traced when they were made;
- on, the parent comes with a call and goes on with the calls made in its course (header ``traceparent``). Streams
  belong to a trace only where their caller is in one: those that live as long as the process would never end;
- names, numbers and transaction ids only: no payload, amount, account or error text stands in a span.

What records and exports spans is ``network.operations.otlp_tracer``, with packages that are an extra (docs/adr/0028).

Source: W3C Trace Context, https://www.w3.org/TR/trace-context/.
"""

from __future__ import annotations

import enum
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from network.rpc.port import Bidi, Call, ServerStream, Unary

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

Attributes = Mapping[str, str | int]


class Kind(enum.Enum):
    """Where in a call a span stands."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


class Tracer(Protocol):
    """What records spans."""

    def span(self, name: str, kind: Kind, parent: str, attributes: Attributes) -> AbstractContextManager[None]:
        """Return a span around some work; without a ``traceparent`` its parent is the span it stands in."""

    def record(self, name: str, parent: str, start_ns: int, attributes: Attributes) -> None:
        """Record a span that began at a time in the past, in nanoseconds since 1970, and ends now."""

    def traceparent(self) -> str:
        """Return the header that makes what is called a child of the span in which it is called; '' outside of any."""


class _Switch:
    """Whether this process is traced; like its loggers, one for all of its parts."""

    def __init__(self) -> None:
        self.tracer: Tracer | None = None


_switch = _Switch()
_NOTHING: AbstractContextManager[None] = nullcontext()


def switch(tracer: Tracer | None) -> None:
    """Trace from here on, or no more; methods and channels that were made before stay as they are."""
    _switch.tracer = tracer


def active() -> bool:
    """Say whether this process is traced."""
    return _switch.tracer is not None


def span(name: str, kind: Kind = Kind.INTERNAL, **attributes: str | int) -> AbstractContextManager[None]:
    """Return a span around some work, inside the one that stands around it."""
    tracer = _switch.tracer
    return _NOTHING if tracer is None else tracer.span(name, kind, "", attributes)


def record(name: str, parent: str, start_ns: int, **attributes: str | int) -> None:
    """Record work that began in the past, for a call that has been answered since, and is done now."""
    if _switch.tracer is not None:
        _switch.tracer.record(name, parent, start_ns, attributes)


def traceparent() -> str:
    """Return the header for a call that is made now; '' where it belongs to no trace."""
    return "" if _switch.tracer is None else _switch.tracer.traceparent()


def read_traceparent(text: str) -> str:
    """Return a caller's header, or '' where it is none: a trace is no reason to refuse a call."""
    return text if _TRACEPARENT.fullmatch(text) else ""


def wrap_made(channel: Any) -> None:
    """Put a span around each call of one reply that a new channel will make, where this process is traced."""
    tracer = _switch.tracer
    if tracer is None:
        return
    unary = channel.unary

    async def traced(path: str, request: bytes, timeout_s: float | None) -> bytes:
        with tracer.span(path[1:], Kind.CLIENT, "", {}):
            reply: bytes = await unary(path, request, timeout_s)
            return reply

    # On the object, so that channels of a process that is not traced stay what they are.
    channel.unary = traced


def served_unary(path: str, handler: Unary) -> Unary:
    """Return the handler of a method with a span around each call, where this process is traced."""
    tracer = _switch.tracer
    if tracer is None:
        return handler

    async def traced(request: bytes, call: Call) -> bytes:
        with tracer.span(path[1:], Kind.SERVER, call.traceparent, {}):
            return await handler(request, call)

    return traced


def served_stream(path: str, handler: ServerStream | Bidi) -> Any:
    """Return the handler of a streaming method with a span around each stream whose caller is in a trace."""
    tracer = _switch.tracer
    if tracer is None:
        return handler

    def begun(requests: Any, call: Call) -> AsyncIterator[bytes]:
        return traced(requests, call) if call.traceparent else handler(requests, call)

    async def traced(requests: Any, call: Call) -> AsyncIterator[bytes]:
        with tracer.span(path[1:], Kind.SERVER, call.traceparent, {}):
            replies: Any = handler(requests, call)
            async with aclosing(replies):
                async for reply in replies:
                    yield reply

    return begun
