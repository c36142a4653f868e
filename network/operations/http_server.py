"""A small HTTP/1.1 server for few and short requests: one request a connection, everything bounded.

Rules
- A request has 16 KiB, unless whoever serves wants more, and five seconds; what is longer, slower or malformed is cut
  off or answered 400 or 413.
- A page open in somebody's browser must not reach it: a request that names an ``Origin`` is refused; so is, on a
  loopback address, one for a host whose name is no loopback's.
- With TLS a client may present a certificate, or must; whether a path asks for one is the caller's to say. A tenant's
  certificate does not speak for the organization whose authority issued it: it is refused everywhere. One that says it
  is for less than an operator's work (``network.role_unit``) may look and changes nothing.

Source: RFC 9110, RFC 9112.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import Any

import httptools
import structlog

from network.errors import NetworkError
from network.role_unit import Role, role_of
from network.tenant_unit import looks_like_tenant

REQUEST_BYTES_MAX = 16 * 1024
REQUEST_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
CONNECTIONS_MAX = 64

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received.

    Args:
        method: upper case.
        path: without the query.
        body: within the server's bound.
        has_certificate: whether the client presented a certificate that the server's roots issued.
        headers: by name in lower case.
    """

    method: str
    path: str
    body: bytes
    has_certificate: bool
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class HttpTls:
    """How the server proves itself, and whose certificates it accepts.

    Args:
        certificate: PEM file, with intermediates if any.
        key: PEM file.
        client_roots: PEM files of the authorities that issue clients' certificates.
        client_required: whether nobody gets in without one.
    """

    certificate: Path
    key: Path
    client_roots: tuple[Path, ...]
    client_required: bool = False

    def context(self) -> ssl.SSLContext:
        """Return the server's TLS context.

        Raises:
            OSError: a file cannot be read, or is not what it should be.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        for path in self.client_roots:
            context.load_verify_locations(cafile=path)
        # For operations Fabric asks every client for a certificate and insists on it only where a path does.
        context.verify_mode = ssl.CERT_REQUIRED if self.client_required else ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


class HttpServer:
    """One listening port.

    Args:
        host: address to listen on.
        port: 0 lets the system choose.
        tls: None serves in the clear.
        handler: answers requests.
        request_bytes_max: bytes of a whole request.
    """

    def __init__(
        self,
        host: str,
        port: int,
        tls: HttpTls | None,
        handler: Handler,
        *,
        request_bytes_max: int = REQUEST_BYTES_MAX,
    ) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._handler = handler
        self._request_bytes_max = request_bytes_max
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Begin to serve; return the port.

        Raises:
            NetworkError: the address is taken or the TLS files are unusable.
        """
        try:
            context = None if self._tls is None else self._tls.context()
            self._server = await asyncio.start_server(self._accept, self._host, self._port, ssl=context)
        except (OSError, ssl.SSLError) as error:
            raise NetworkError(
                f"cannot listen on {self._host}:{self._port}: {error.strerror or error}; choose another "
                "port or correct the TLS files"
            ) from error
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop listening and cut what is under way. Idempotent."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            if len(self._running) <= CONNECTIONS_MAX:
                async with asyncio.timeout(REQUEST_TIMEOUT_S * 2):
                    await self._serve(reader, writer)
        except (TimeoutError, ConnectionError, ssl.SSLError):
            return
        except asyncio.CancelledError:
            # Only ``stop`` cancels; asyncio would report the end of its own task as a fault.
            return
        finally:
            self._running.discard(task)
            await _close(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("peercert")
        parsed = _Parsed()
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            response = await _read(reader, parsed, self._request_bytes_max)
        if response is None:
            response = parsed.refusal(loopback_only=_is_loopback(self._host))
        if response is None and not _may_ask(certificate, parsed.method):
            response = Response(403)
        if response is None:
            request = Request(parsed.method, parsed.path, bytes(parsed.body), bool(certificate), parsed.headers)
            try:
                response = await self._handler(request)
            except Exception:  # noqa: BLE001 - the root of a request: the caller hears no more than that
                _log.exception("request failed", path=parsed.path)
                response = Response(500)
        writer.write(_encoded(response, with_body=parsed.method != "HEAD"))
        await writer.drain()


def _may_ask(certificate: Any, method: str) -> bool:
    """Whether a client certificate, as the TLS library tells it, is one for a request of this method."""
    named = chain.from_iterable((certificate or {}).get("subject", ()))
    units = [str(value) for name, value in named if name == "organizationalUnitName"]
    if any(looks_like_tenant(unit) for unit in units):
        return False
    try:
        role = role_of(units)
    except ValueError:
        return False
    return role in (None, Role.OPERATOR) or method in ("GET", "HEAD")


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await writer.wait_closed()
    except (TimeoutError, ConnectionError, ssl.SSLError):
        writer.transport.abort()


class _Parsed:
    """What httptools tells of a request."""

    def __init__(self) -> None:
        self.method = ""
        self.path = ""
        self.body = bytearray()
        self.headers: dict[str, str] = {}
        self.complete = False
        self._url = b""

    def on_url(self, url: bytes) -> None:
        """Keep the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Note the end."""
        self.path = httptools.parse_url(self._url).path.decode("latin-1")
        self.complete = True

    def refusal(self, *, loopback_only: bool) -> Response | None:
        """Return the answer to a request that comes from where none should."""
        if "origin" in self.headers:
            return Response(403)
        host = re.sub(r":\d*$", "", self.headers.get("host", "localhost"))
        # Another site's name that was made to lead here: its pages would read what only this machine may.
        return Response(421) if loopback_only and not _is_loopback(host.strip("[]")) else None


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d+){3}", host) is not None


async def _read(reader: asyncio.StreamReader, parsed: _Parsed, bytes_max: int) -> Response | None:
    """Read one request; return the answer to one that cannot be read."""
    parser = httptools.HttpRequestParser(parsed)
    received = 0
    try:
        while not parsed.complete:
            data = await reader.read(4096)
            received += len(data)
            if received > bytes_max:
                return Response(413)
            if not data:
                raise ConnectionError("the client left")
            parser.feed_data(data)
        parsed.method = parser.get_method().decode("latin-1")
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return Response(400)
    return None


def _encoded(response: Response, *, with_body: bool) -> bytes:
    reason = HTTPStatus(response.status).phrase
    head = [
        f"HTTP/1.1 {response.status} {reason}",
        f"Content-Length: {len(response.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
        *(f"{name}: {value}" for name, value in response.headers.items()),
    ]
    if response.body:
        head.append(f"Content-Type: {response.content_type}")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + (response.body if with_body else b"")
