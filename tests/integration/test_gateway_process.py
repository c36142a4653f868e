"""The gateway as a process of its own: starts from its file, finishes what is under way when told to stop, ends with 0.

Method: ``python -m gateway`` on a free port, reached over TCP, stopped by the signal a supervisor sends.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from node.ports import free_port
from tests.support.certificates import Authority
from tests.support.gateway_client import CustomerAgent
from tests.support.gateway_process import gateway_process, until_ready
from tests.support.node_in_memory import NodeInMemory


def _settings(folder: Path, database_url: str, node_address: str, port: int, **changes: Any) -> Path:
    (folder / "jwt").write_bytes(b"0123456789abcdef" * 4)
    fields = {
        "listen": {"host": "127.0.0.1", "port": port},
        "database_url": database_url,
        "node": {"address": node_address, "timeout_s": 5},
        "jwt_secret_file": "jwt",
        "organization": {"msp_id": "DwaybankMSP", "display_name": "DwayBank"},
        "assets": [{"code": "EUR", "scale": 2}],
        "password_cost": {"memory_kib": 8192, "iterations": 1},
    }
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(fields | changes))
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_gateway_asked_to_stop_answers_what_is_under_way_and_ends_with_zero(
    database_url: str, node: NodeInMemory, tmp_path: Path, number: signal.Signals
) -> None:
    books, address = node, node.address
    port = free_port()
    with gateway_process(_settings(tmp_path, database_url, address, port)) as process:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            await until_ready(client)
            maria = await CustomerAgent(client, "maria@example.org").sign_up()
            here, there = await maria.open_account(), await maria.open_account()
            books.deposit(here, 100)
            books.pause_s, asked = 0.7, len(books.calls)
            paying = asyncio.create_task(maria.pay(here, there, "40"))
            async with asyncio.timeout(10):
                while len(books.calls) == asked:  # noqa: ASYNC110 - the books have no event for it
                    await asyncio.sleep(0.01)
            process.send_signal(number)
            assert (await paying).status_code == 201
        assert await asyncio.to_thread(process.wait, 30) == 0
        assert books.accounts[there].balance == 40


@pytest.mark.every_postgres
async def test_gateways_started_together_on_an_empty_database_both_come_up(
    database_url: str, node: NodeInMemory, tmp_path: Path
) -> None:
    ports = [free_port(), free_port()]
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    files = [_settings(folder, database_url, node.address, port) for folder, port in zip(folders, ports, strict=True)]
    with gateway_process(files[0]), gateway_process(files[1]):
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[0]}", timeout=10) as first,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[1]}", timeout=10) as second,
        ):
            await asyncio.gather(until_ready(first), until_ready(second))
            maria = await CustomerAgent(first, "maria@example.org").sign_up()
            account = await maria.open_account()
            maria.client = second
            assert (await maria.get(f"/v1/accounts/{account}")).status_code == 200


async def test_gateway_without_its_node_lives_but_is_not_ready(database_url: str, tmp_path: Path) -> None:
    port = free_port()
    with gateway_process(_settings(tmp_path, database_url, f"127.0.0.1:{free_port()}", port)):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            for _ in range(1_000):
                try:
                    alive = await client.get("/v1/health")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
            assert alive.status_code == 200
            answer = await client.get("/v1/ready")
            assert (answer.status_code, answer.json()["code"]) == (503, "node_unavailable")


async def test_gateway_serves_over_tls_where_it_has_a_certificate(
    database_url: str, node: NodeInMemory, tmp_path: Path
) -> None:
    authority = Authority("ca")
    certificate, key = authority.issue("gateway")
    (tmp_path / "server.crt").write_bytes(certificate)
    (tmp_path / "server.key").write_bytes(key)
    port = free_port()
    files = {"certificate": "server.crt", "key": "server.key"}
    trusted = ssl.create_default_context(cadata=authority.pem.decode())
    with gateway_process(_settings(tmp_path, database_url, node.address, port, server_tls=files)):
        async with httpx.AsyncClient(base_url=f"https://localhost:{port}", verify=trusted, timeout=10) as client:
            await until_ready(client)
            await CustomerAgent(client, "maria@example.org").sign_up()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            with pytest.raises(httpx.TransportError):
                await client.get("/v1/health")


def test_gateway_whose_certificate_and_key_do_not_belong_together_says_so(database_url: str, tmp_path: Path) -> None:
    authority = Authority("ca")
    (tmp_path / "server.crt").write_bytes(authority.issue("gateway")[0])
    (tmp_path / "server.key").write_bytes(authority.issue("gateway")[1])
    files = {"certificate": "server.crt", "key": "server.key"}
    with gateway_process(_settings(tmp_path, database_url, "127.0.0.1:1", free_port(), server_tls=files)) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "server.key" in output and "Traceback" not in output and "PRIVATE KEY" not in output


def test_gateway_on_a_port_in_use_ends_with_one_sentence(database_url: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with gateway_process(_settings(tmp_path, database_url, "127.0.0.1:1", port)) as process:
            output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert str(port) in output and "Traceback" not in output


def test_gateway_whose_operations_port_is_taken_names_that_one_and_shows_no_trace(
    database_url: str, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        operations, own = taken.getsockname()[1], free_port()
        settings = _settings(tmp_path, database_url, "127.0.0.1:1", own, operations={"port": operations})
        with gateway_process(settings) as process:
            output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"gateway: operations: cannot listen on 127.0.0.1:{operations}" in output
    assert str(own) not in output and "Traceback" not in output


def test_gateway_without_its_database_ends_with_one_sentence_and_no_password(tmp_path: Path) -> None:
    url = f"postgresql://maria:hush-hush@127.0.0.1:{free_port()}/none"
    with gateway_process(_settings(tmp_path, url, "127.0.0.1:1", free_port())) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "hush-hush" not in output and "Traceback" not in output and "database_url" in output
