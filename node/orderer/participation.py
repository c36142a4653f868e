"""The channel participation API: which channels this orderer orders, and how it is told to take up or drop one.

    GET    /participation/v1/channels                         list
    GET    /participation/v1/channels/{channel}               one, with its height
    GET    /participation/v1/channels/{channel}/blocks/{id}   a block: newest, oldest, config or a number
    POST   /participation/v1/channels                         join, the genesis block as part ``config-block`` of a form
    DELETE /participation/v1/channels/{channel}               remove

Whoever gets through mutual TLS with a certificate of the orderer's own organization may do all of it, as in Fabric.

Source: Fabric orderer/common/channelparticipation/{restapi,validator}.go, orderer/common/types; its statuses and texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from network.block import last_config_number, parse_block
from node.orderer.chain import Chain
from node.orderer.errors import ChannelExistsError, ChannelMissingError, JoinBlockError, OrdererError
from node.orderer.orderer import Orderer

BASE = "/participation/v1/channels"
BODY_BYTES_MAX = 1024 * 1024
"""Bytes of a request's body (orderer.yaml, ChannelParticipation.MaxRequestBodySize)."""

PART = "config-block"

_CHANNEL_ID = re.compile(r"[a-z][a-z0-9.-]{0,248}")
_NO_STORE = {"Cache-Control": "no-store"}

Handler = Callable[[Request], Awaitable[Response]]


class _RefusedError(Exception):
    """A request is answered with a status and a text."""

    def __init__(self, status: int, text: str, allow: str = "") -> None:
        super().__init__(text)
        self.response = JSONResponse({"error": text}, status, headers={"Allow": allow} if allow else None)


def participation_app(orderer: Orderer) -> FastAPI:
    """Return the application that serves the API."""
    api = _Api(orderer)
    app = FastAPI(openapi_url=None)
    one = BASE + "/{channel_id}"
    routes: list[tuple[str, str, Handler]] = [
        ("GET", BASE, api.all),
        ("POST", BASE, api.join),
        ("GET", one, api.one),
        ("DELETE", one, api.remove),
        ("GET", one + "/blocks/{block_id}", api.block),
    ]
    for method, path, handler in routes:
        app.add_route(path, _answering(handler), methods=[method])
    app.add_exception_handler(405, _not_allowed)
    return app


class _Api:
    def __init__(self, orderer: Orderer) -> None:
        self._orderer = orderer

    async def all(self, request: Request) -> Response:
        channels = [{"name": name, "url": f"{BASE}/{name}"} for name in sorted(self._orderer.chains)]
        return JSONResponse({"systemChannel": None, "channels": channels or None}, headers=_NO_STORE)

    async def one(self, request: Request) -> Response:
        return JSONResponse(_info(self._chain(request)), headers=_NO_STORE)

    async def block(self, request: Request) -> Response:
        chain = self._chain(request)
        number = await _number_of(chain, request.path_params["block_id"])
        if not 0 <= number < chain.height:
            raise _RefusedError(404, f"block {number} does not exist: the channel has {chain.height} blocks")
        content = await chain.block(number)
        return Response(content, media_type="application/octet-stream", headers=_NO_STORE)

    async def join(self, request: Request) -> Response:
        content_type = request.headers.get("Content-Type", "")
        if not content_type.startswith("multipart/form-data"):
            raise _RefusedError(400, f"unsupported Content-Type: [{content_type}]")
        genesis = _only_part(await _body(request), _boundary(content_type))
        try:
            chain = await self._orderer.join(genesis)
        except ChannelExistsError as error:
            raise _RefusedError(405, f"cannot join: {error}", "GET, DELETE") from error
        except JoinBlockError as error:
            raise _RefusedError(400, f"invalid join block: {error}") from error
        except OrdererError as error:
            raise _RefusedError(400, f"cannot join: {error}") from error
        info = _info(chain)
        return JSONResponse(info, 201, headers={"Location": str(info["url"])})

    async def remove(self, request: Request) -> Response:
        try:
            await self._orderer.remove(_channel_id(request))
        except ChannelMissingError as error:
            raise _RefusedError(404, f"cannot remove: {error}") from error
        except OrdererError as error:
            raise _RefusedError(400, f"cannot remove: {error}") from error
        return Response(status_code=204)

    def _chain(self, request: Request) -> Chain:
        chain = self._orderer.chains.get(_channel_id(request))
        if chain is None:
            raise _RefusedError(404, str(ChannelMissingError()))
        return chain


def _answering(handler: Handler) -> Handler:
    """Return a handler that answers refusals, and serves only who takes JSON."""

    async def answer(request: Request) -> Response:
        accepted = request.headers.get("Accept", "*/*")
        if not any(kind in accepted for kind in ("application/json", "application/*", "*/*")):
            return JSONResponse({"error": "response Content-Type is application/json only"}, 406)
        try:
            return await handler(request)
        except _RefusedError as refused:
            return refused.response

    return answer


async def _not_allowed(request: Request, error: Exception) -> Response:
    text = f"invalid request method: {request.method}"
    return JSONResponse({"error": text}, 405, headers=getattr(error, "headers", None))


def _info(chain: Chain) -> dict[str, Any]:
    return {
        "name": chain.channel_id,
        "url": f"{BASE}/{chain.channel_id}",
        "consensusRelation": "consenter",
        "status": "active",
        "height": chain.height,
    }


def _channel_id(request: Request) -> str:
    channel_id = str(request.path_params["channel_id"])
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


async def _body(request: Request) -> bytes:
    """Return the body, as far as it is not too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise _RefusedError(400, "cannot read form from request body: http: request body too large")
    return body


def _boundary(content_type: str) -> bytes:
    found = re.search(r'boundary="?([^";,]{1,200})"?', content_type)
    if found is None:
        raise _RefusedError(400, "cannot read form from request body: multipart: boundary is empty")
    return b"\r\n--" + found.group(1).encode()


def _only_part(body: bytes, boundary: bytes) -> bytes:
    """Return the content of a form's one part, byte for byte. Source: RFC 7578."""
    pieces = (b"\r\n" + body).split(boundary)
    parts = [piece for piece in pieces[1:] if not piece.startswith(b"--")]
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise _RefusedError(400, "cannot read form from request body: multipart: NextPart: EOF")
    if not any(f'name="{PART}"'.encode() in part.partition(b"\r\n\r\n")[0] for part in parts):
        raise _RefusedError(400, f"form does not contains part key: {PART}")
    if len(parts) != 1:
        raise _RefusedError(400, "form contains too many parts")
    return parts[0].partition(b"\r\n\r\n")[2]
