"""The operations service over HTTP: Fabric's paths, forms and codes; mutual TLS; and callers who mean no good."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from network.errors import NetworkError
from network.operations.health import HealthChecks, UnhealthyError
from network.operations.http_server import CONNECTIONS_MAX, REQUEST_BYTES_MAX, HttpTls
from network.operations.log_levels import LogLevels
from network.operations.metrics import Metrics
from network.operations.service import OperationsService
from network.role_unit import Role
from tests.support.certificates import Authority

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class World:
    """A service and what stands behind it."""

    def __init__(self, tls: HttpTls | None = None, host: str = "127.0.0.1") -> None:
        self.levels = LogLevels()
        self.checks = HealthChecks(lambda: NOW)
        self.problem = ""
        self.checks.add("database", self._check)
        self.service = OperationsService(
            host, 0, tls, metrics=Metrics(), checks=self.checks, levels=self.levels, version="1.2.3"
        )
        self.port = 0

    async def _check(self) -> None:
        if self.problem == "fault":
            raise RuntimeError("a fault with a secret")
        if self.problem:
            raise UnhealthyError(self.problem)

    async def ask(self, path: str, method: str = "GET", **options: Any) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.request(method, f"http://127.0.0.1:{self.port}{path}", **options)

    async def raw(self, request: bytes, *, end: bool = False) -> bytes:
        """Send bytes and return everything that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        if end:
            writer.write_eof()
        try:
            async with asyncio.timeout(20):
                return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.port = await made.service.start()
    yield made
    await made.service.stop()


async def test_health_has_fabrics_form(world: World) -> None:
    answer = await world.ask("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "OK", "time": NOW.isoformat()})
    world.problem = "the database does not answer"
    answer = await world.ask("/healthz")
    assert (answer.status_code, answer.json()) == (
        503,
        {
            "status": "Service Unavailable",
            "time": NOW.isoformat(),
            "failed_checks": [{"component": "database", "reason": "the database does not answer"}],
        },
    )


async def test_part_that_hangs_is_not_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("network.operations.health.CHECK_TIMEOUT_S", 0.2)

    async def hang() -> None:
        await asyncio.Event().wait()

    world.checks.add("peer", hang)
    answer = await world.ask("/healthz")
    assert answer.status_code == 503
    assert answer.json()["failed_checks"] == [{"component": "peer", "reason": "no answer within 0 s"}]


async def test_version_and_metrics(world: World) -> None:
    assert (await world.ask("/version")).json() == {"CommitSHA": "", "Version": "1.2.3"}
    answer = await world.ask("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'fabric_version{version="1.2.3"} 1\n' in answer.text
    head = await world.ask("/metrics", "HEAD")
    assert (head.status_code, head.content) == (200, b"")


async def test_log_levels_are_read_and_set_as_in_fabric(world: World) -> None:
    assert (await world.ask("/logspec")).json() == {"spec": "info"}
    answer = await world.ask("/logspec", "PUT", content=b'{"spec":"node.peer=debug:warning"}')
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await world.ask("/logspec")).json() == {"spec": "node.peer=debug:warning"}
    refused = await world.ask("/logspec", "PUT", content=b'{"spec":"loud"}')
    assert refused.status_code == 400
    assert refused.json() == {"error": "invalid logging specification 'loud': bad segment 'loud'"}
    for body in (b"", b"{", b"[]", b'{"spec":7}', b'{"level":"info"}'):
        assert (await world.ask("/logspec", "PUT", content=body)).status_code == 400
    assert world.levels.spec == "node.peer=debug:warning"


async def test_other_paths_and_methods_are_refused(world: World) -> None:
    assert (await world.ask("/")).status_code == 404
    refused = await world.ask("/logspec", "DELETE")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, PUT")
    assert (await world.ask("/healthz?x=1")).status_code == 200


async def test_fault_of_a_check_is_a_500_without_its_words(world: World) -> None:
    world.problem = "fault"
    answer = await world.ask("/healthz")
    assert (answer.status_code, answer.content) == (500, b"")


async def test_pages_in_a_browser_are_kept_out(world: World) -> None:
    assert (await world.ask("/metrics", headers={"Origin": "https://evil.example"})).status_code == 403
    assert (await world.ask("/metrics", headers={"Host": "evil.example:9443"})).status_code == 421
    for host in ("localhost:1", "127.0.0.1", "[::1]:7"):
        assert (await world.ask("/version", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n", 400),
        (b"GET http:///\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * REQUEST_BYTES_MAX + b"\r\n\r\n", 413),
        (b"PUT /logspec HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n" + b"a" * 99_999, 413),
        (b"PUT /logspec HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400),
    ],
)
async def test_malformed_or_oversized_request_is_refused(world: World, request_: bytes, status: int) -> None:
    answer = await world.raw(request_)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:80]
    assert (await world.ask("/version")).status_code == 200


async def test_slow_and_silent_callers_are_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("network.operations.http_server.REQUEST_TIMEOUT_S", 0.3)
    assert await world.raw(b"GET /healthz HTTP/1.1\r\n") == b""
    assert await world.raw(b"GET /healthz", end=True) == b""
    monkeypatch.undo()
    assert (await world.ask("/version")).status_code == 200


async def test_crowd_of_idle_connections_leaves_room_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("network.operations.http_server.REQUEST_TIMEOUT_S", 2)
    crowd = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(CONNECTIONS_MAX)]
    await asyncio.sleep(0.05)
    request = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert await world.raw(request) == b""
    async with asyncio.timeout(20):
        while not (await world.raw(request)).startswith(b"HTTP/1.1 200 "):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    for _, writer in crowd:
        await closed(writer)


async def test_stop_cuts_what_is_under_way(world: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    await asyncio.sleep(0.05)
    await world.service.stop()
    await world.service.stop()
    assert await reader.read() == b""
    await closed(writer)
    with pytest.raises(httpx.ConnectError):
        await world.ask("/version")


async def test_taken_port_is_said_in_one_sentence(world: World) -> None:
    with pytest.raises(NetworkError, match=f"cannot listen on 127.0.0.1:{world.port}"):
        await OperationsService(
            "127.0.0.1",
            world.port,
            None,
            metrics=Metrics(),
            checks=HealthChecks(lambda: NOW),
            levels=LogLevels(),
            version="1",
        ).start()


async def test_with_tls_metrics_and_levels_want_a_certificate_and_health_does_not(tmp_path: Path) -> None:
    own, clients, strangers = Authority("own"), Authority("clients"), Authority("strangers")

    def files(authority: Authority, name: str, *units: str) -> tuple[Path, Path]:
        paths = tmp_path / f"{name}.crt", tmp_path / f"{name}.key"
        for path, content in zip(paths, authority.issue(name, *units), strict=True):
            path.write_bytes(content)
        return paths

    (tmp_path / "own.pem").write_bytes(own.pem)
    (tmp_path / "clients.pem").write_bytes(clients.pem)
    world = World(HttpTls(*files(own, "server"), (tmp_path / "clients.pem",)))
    port = await world.service.start()

    async def ask(path: str, certificate: tuple[Path, Path] | None, method: str = "GET") -> int:
        context = ssl.create_default_context(cafile=tmp_path / "own.pem")
        if certificate is not None:
            context.load_cert_chain(*certificate)
        async with httpx.AsyncClient(verify=context) as client:
            levels = {"spec": "info"} if method == "PUT" else None
            return (await client.request(method, f"https://localhost:{port}{path}", json=levels)).status_code

    try:
        operator = files(clients, "operator")
        assert [await ask(path, None) for path in ("/healthz", "/version", "/metrics", "/logspec")] == [
            200,
            200,
            401,
            401,
        ]
        assert [await ask(path, operator) for path in ("/healthz", "/metrics", "/logspec")] == [200, 200, 200]
        for unit in ("tenant:acme", "Tenant acme"):
            tenant = files(clients, "tenant", "operations", unit)
            assert [await ask(path, tenant) for path in ("/healthz", "/metrics", "/logspec")] == [403, 403, 403]
        for units, looks, changes in (
            ((), 200, 204),
            (("operations", Role.OPERATOR), 200, 204),
            ((Role.READER,), 200, 403),
            ((Role.POSTER,), 200, 403),
            ((Role.GATEWAY,), 200, 403),
            (("role:Reader",), 403, 403),
        ):
            one = files(clients, "one", *units)
            assert [await ask(path, one) for path in ("/healthz", "/metrics", "/logspec")] == [looks] * 3, units
            assert await ask("/logspec", one, "PUT") == changes, units
        with pytest.raises(httpx.TransportError):
            await ask("/healthz", files(strangers, "stranger"))
        with pytest.raises(httpx.TransportError):
            async with httpx.AsyncClient() as client:
                await client.get(f"http://localhost:{port}/healthz")
        assert json.dumps(await ask("/healthz", None)) == "200"
    finally:
        await world.service.stop()
