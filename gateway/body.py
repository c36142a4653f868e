"""Reads the body of a request, up to a limit and before anything else looks at it; for the guards of this room."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope


async def read_body(scope: Scope, receive: Receive, bytes_max: int) -> bytes | None:
    """Return a request's body, or None where it is too large; none is read beyond the limit.

    Raises:
        ClientDisconnect: the client left before its end; half a form is not what anybody sent.
    """
    announced = Headers(scope=scope).get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > bytes_max:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > bytes_max:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def replay_body(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives a body read before, then what the server has to say."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
