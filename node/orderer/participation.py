"""The channel participation API: which channels this orderer orders, and how it is told to take up or drop one.

    GET    /participation/v1/channels                         list
    GET    /participation/v1/channels/{channel}               one, with its height
    GET    /participation/v1/channels/{channel}/blocks/{id}   a block: newest, oldest, config or a number
    POST   /participation/v1/channels                         join, the genesis block as part ``config-block`` of a form
    PUT    /participation/v1/channels                         configure anew, part ``config-update-envelope`` of a form
    DELETE /participation/v1/channels/{channel}               remove

Whoever gets through mutual TLS with a certificate of the orderer's own organization may do all of it, as in Fabric; but
a configuration update needs the signatures that the channel wants, as everywhere.

Source: Fabric orderer/common/channelparticipation/{restapi,validator}.go, orderer/common/types; its statuses and texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from network.block import last_config_number, parse_block
from network.operations.http_server import Request, Response
from node.orderer.chain import Chain
from node.orderer.errors import (
    ChannelExistsError,
    ChannelMissingError,
    EnvelopeRefusedError,
    JoinBlockError,
    OrdererError,
    UpdateEnvelopeError,
)
from node.orderer.orderer import Orderer

BASE = "/participation/v1/channels"
REQUEST_BYTES_MAX = 1024 * 1024
"""Bytes of a request (orderer.yaml, ChannelParticipation.MaxRequestBodySize)."""

BLOCK_PART = "config-block"
UPDATE_PART = "config-update-envelope"

_CHANNEL_ID = re.compile(r"[a-z][a-z0-9.-]{0,248}")
_ACCEPTED = ("application/json", "application/*", "*/*")

Answer = Callable[..., Awaitable[Response]]


class _RefusedError(Exception):
    """A request is answered with a status and a text."""

    def __init__(self, status: int, text: str, allow: str = "") -> None:
        super().__init__(text)
        self.response = _json(status, {"error": text}, {"Allow": allow} if allow else {})


class Participation:
    """The API of one orderer."""

    def __init__(self, orderer: Orderer) -> None:
        self._orderer = orderer
        self._routes: list[tuple[re.Pattern[str], dict[str, Answer]]] = [
            (re.compile(BASE), {"GET": self._all, "POST": self._join, "PUT": self._update}),
            (re.compile(BASE + "/([^/]+)"), {"GET": self._one, "DELETE": self._remove}),
            (re.compile(BASE + "/([^/]+)/blocks/([^/]+)"), {"GET": self._block}),
        ]

    async def answer(self, request: Request) -> Response:
        """Answer a request of an administrator."""
        accepted = request.headers.get("accept") or "*/*"
        if not any(kind in accepted for kind in _ACCEPTED):
            return _json(406, {"error": "response Content-Type is application/json only"})
        try:
            return await self._route(request)
        except _RefusedError as refused:
            return refused.response

    async def _route(self, request: Request) -> Response:
        for pattern, methods in self._routes:
            found = pattern.fullmatch(request.path)
            if found is not None:
                answer = methods.get(request.method)
                if answer is None:
                    raise _RefusedError(405, f"invalid request method: {request.method}", ", ".join(methods))
                return await answer(request, *found.groups())
        raise _RefusedError(404, f"nothing is served at {request.path[:200]}")

    async def _all(self, request: Request) -> Response:
        channels = [{"name": name, "url": f"{BASE}/{name}"} for name in sorted(self._orderer.chains)]
        return _json(200, {"systemChannel": None, "channels": channels or None})

    async def _one(self, request: Request, channel_id: str) -> Response:
        return _json(200, _info(self._chain(channel_id)))

    async def _block(self, request: Request, channel_id: str, block_id: str) -> Response:
        chain = self._chain(channel_id)
        number = await _number_of(chain, block_id)
        if not 0 <= number < chain.height:
            raise _RefusedError(404, f"block {number} does not exist: the channel has {chain.height} blocks")
        return Response(200, await chain.block(number), "application/octet-stream")

    async def _join(self, request: Request) -> Response:
        try:
            chain = await self._orderer.join(_only_part(request, BLOCK_PART))
        except ChannelExistsError as error:
            raise _RefusedError(405, f"cannot join: {error}", "GET, DELETE") from error
        except JoinBlockError as error:
            raise _RefusedError(400, f"invalid join block: {error}") from error
        except OrdererError as error:
            raise _RefusedError(400, f"cannot join: {error}") from error
        return _created(chain)

    async def _update(self, request: Request) -> Response:
        envelope = _only_part(request, UPDATE_PART)
        try:
            chain = await self._orderer.update(envelope)
        except UpdateEnvelopeError as error:
            raise _RefusedError(400, f"invalid config update envelope: {error}") from error
        except ChannelMissingError as error:
            raise _RefusedError(405, f"cannot update: {error}") from error
        except EnvelopeRefusedError as error:
            raise _RefusedError(400, f"cannot update: {error}") from error
        return _created(chain)

    async def _remove(self, request: Request, channel_id: str) -> Response:
        try:
            await self._orderer.remove(_checked(channel_id))
        except ChannelMissingError as error:
            raise _RefusedError(404, f"cannot remove: {error}") from error
        except OrdererError as error:
            raise _RefusedError(400, f"cannot remove: {error}") from error
        return Response(204)

    def _chain(self, channel_id: str) -> Chain:
        chain = self._orderer.chains.get(_checked(channel_id))
        if chain is None:
            raise _RefusedError(404, str(ChannelMissingError()))
        return chain


def _json(status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    # As Go writes it: scripts look for "height":1 in it.
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False) + "\n"
    return Response(status, text.encode(), headers=headers or {})


def _info(chain: Chain) -> dict[str, Any]:
    return {
        "name": chain.channel_id,
        "url": f"{BASE}/{chain.channel_id}",
        "consensusRelation": "consenter",
        "status": "active",
        "height": chain.height,
    }


def _created(chain: Chain) -> Response:
    info = _info(chain)
    return _json(201, info, {"Location": str(info["url"])})


def _checked(channel_id: str) -> str:
    if _CHANNEL_ID.fullmatch(channel_id) is None:
        raise _RefusedError(
            400,
            f"invalid channel ID: {json.dumps(channel_id[:249])}: up to 249 lower-case letters, digits, dots and "
            "dashes, a letter first",
        )
    return channel_id


async def _number_of(chain: Chain, block_id: str) -> int:
    if block_id == "newest":
        return chain.height - 1
    if block_id == "oldest":
        return 0
    if block_id == "config":
        newest = parse_block(await chain.block(chain.height - 1))
        return last_config_number(newest) if newest.header.number else 0
    if not (block_id.isascii() and block_id.isdigit() and len(block_id) < 20):
        raise _RefusedError(400, f"invalid block ID: '{block_id[:40]}' not equal <newest|oldest|config|(number)>")
    return int(block_id)


def _only_part(request: Request, name: str) -> bytes:
    """Return the content of a form's one part, byte for byte. Source: RFC 7578."""
    content_type = request.headers.get("content-type", "")
    if not content_type.startswith("multipart/form-data"):
        raise _RefusedError(400, f"unsupported Content-Type: [{content_type}]")
    pieces = (b"\r\n" + request.body).split(_boundary(content_type))
    parts = [piece for piece in pieces[1:] if not piece.startswith(b"--")]
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise _RefusedError(400, "cannot read form from request body: multipart: NextPart: EOF")
    if not any(f'name="{name}"'.encode() in part.partition(b"\r\n\r\n")[0] for part in parts):
        raise _RefusedError(400, f"form does not contains part key: {name}")
    if len(parts) != 1:
        raise _RefusedError(400, "form contains too many parts")
    return parts[0].partition(b"\r\n\r\n")[2]


def _boundary(content_type: str) -> bytes:
    found = re.search(r'boundary="?([^";,]{1,200})"?', content_type)
    if found is None:
        raise _RefusedError(400, "cannot read form from request body: multipart: boundary is empty")
    return b"\r\n--" + found.group(1).encode()
