"""Transfers through ``LedgerService`` over mutual TLS: the books in a process of their own, the caller in another.

Requests are encoded before the clock starts and answers are read after it stops: what is measured is the call, the
service and the books, not this client's own making of messages. The rules are the plain ones of ``benchmarks.books``.

    python -m benchmarks.ledger_remote serve URL FOLDER
    python -m benchmarks.ledger_remote call FOLDER PORT SERVER_PID POSTGRES_PID RUNS SCALE
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import structlog

from benchmarks.books import KEYS_A_MS, Load, PlainRules, median_of, new_books, rate_of
from benchmarks.measure import REPOSITORY, cpu_s, latency_ms
from benchmarks.transport import write_certificates
from ledger.audit import verify_books
from ledger.journal import NewEntry
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as pb
from network.rpc import TRANSPORT, Channel, ClientTls, Server, ServerTls
from node.access import Members
from node.books.ledger_service import SERVICE, LedgerService
from node.service import settle_interpreter

PATH = f"/{SERVICE}/PostEntries"
OWNER = "BenchMSP"
TIMEOUT_S = 60
WARM_UP_CALLS = 100


@dataclass(frozen=True, slots=True)
class Kind:
    """How the books are called.

    Args:
        what: as the result names it.
        callers: at once, each of whom waits for its answer.
        connections: shared by the callers.
        calls: of each caller in a run.
        transfers: of each call.
    """

    what: str
    callers: int
    connections: int
    calls: int
    transfers: int


LOADS = (
    # As many as fill the writer's batches of 12,000, as 4,000 entries take, and as leave it a third of them.
    Kind("transfers, 200 a call", callers=60, connections=2, calls=25, transfers=200),
    Kind("transfers, 200 a call, 24 callers", callers=24, connections=2, calls=25, transfers=200),
    Kind("transfers, 200 a call, 8 callers", callers=8, connections=2, calls=25, transfers=200),
    Kind("transfers, 1,000 callers", callers=1_000, connections=4, calls=5, transfers=1),
    Kind("one transfer at a time", callers=1, connections=1, calls=500, transfers=1),
)


def remote_rows(url: str, transport: str, server_pid: int, runs: int, scale: float) -> list[dict[str, Any]]:
    """Measure through one transport on books of their own, and prove these afterwards."""
    with TemporaryDirectory(prefix="dwaybank-bench-") as folder:
        write_certificates(Path(folder))
        with _serving(transport, url, folder) as (port, books_pid):
            numbers = (port, str(books_pid), str(server_pid), str(runs), str(scale))
            calling = _start(transport, "call", folder, *numbers)
            output, _ = calling.communicate()
            if calling.returncode:
                raise RuntimeError(f"the benchmark's client failed with {calling.returncode}")
    with psycopg.connect(url) as connection:
        findings = verify_books(connection)
    assert not findings, findings
    rows: list[dict[str, Any]] = json.loads(output)
    return rows


@contextmanager
def _serving(transport: str, url: str, folder: str) -> Iterator[tuple[str, int]]:
    process = _start(transport, "serve", url, folder)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _start(transport: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ledger_remote", *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"DWAYBANK_TRANSPORT": transport, "GRPC_VERBOSITY": "ERROR"},
        stdout=subprocess.PIPE,
        text=True,
    )


async def serve(url: str, folder: Path) -> None:
    """Serve the books until terminated; print the port."""
    pem = _pem(folder)
    books = new_books(url, PlainRules())
    await books.start()
    server = Server("127.0.0.1", 0, ServerTls(pem["cert.pem"], pem["key.pem"], pem["ca.pem"]))
    LedgerService(books, Members(OWNER, {OWNER: [pem["ca.pem"]]})).register(server)
    port = await server.start()
    settle_interpreter()
    print(port, flush=True)
    await asyncio.Event().wait()


async def call(folder: Path, port: str, pids: Sequence[int], runs: int, scale: float) -> None:
    """Measure each load; print the rows.

    Args:
        pids: of the books' process and of PostgreSQL.
    """
    pem = _pem(folder)
    tls = ClientTls(pem["ca.pem"], pem["cert.pem"], pem["key.pem"])
    load = Load("uniform")
    rows = []
    for kind in LOADS:
        load.keys_a_ms = 1 if kind.callers == kind.transfers == 1 else KEYS_A_MS
        channels = [Channel(f"localhost:{port}", tls) for _ in range(kind.connections)]
        await _post(channels, [_requests(load, WARM_UP_CALLS // kind.connections, kind.transfers) for _ in channels])
        calls = max(1, round(kind.calls * scale))
        measured = [await _one_run(channels, load, kind, calls, pids) for _ in range(runs)]
        for channel in channels:
            await channel.close()
        rows.append(_row(kind, calls * kind.callers * kind.transfers, measured))
    print(json.dumps(rows))


async def _one_run(
    channels: Sequence[Channel], load: Load, kind: Kind, calls: int, pids: Sequence[int]
) -> tuple[float, list[float], list[float]]:
    """Return seconds of the clock, latencies, and CPU seconds of this client, the books and PostgreSQL."""
    work = [_requests(load, calls, kind.transfers) for _ in range(kind.callers)]
    before, begun = _cpu(pids), time.perf_counter()
    answered = await _post(channels, work)
    took, after = time.perf_counter() - begun, _cpu(pids)
    for reply in (reply for _, replies in answered for reply in replies):
        results = pb.PostEntriesResponse.FromString(reply).results
        assert len(results) == kind.transfers and {result.code for result in results} == {"posted"}
    latencies = [latency for own, _ in answered for latency in own]
    return took, latencies, [now - was for now, was in zip(after, before, strict=True)]


def _row(kind: Kind, count: int, measured: Sequence[tuple[float, list[float], list[float]]]) -> dict[str, Any]:
    walls, latencies, cpu = zip(*measured, strict=True)
    each_us = [round(sum(spent) / len(measured) / count * 1e6, 1) for spent in zip(*cpu, strict=True)]
    return {
        "what": kind.what,
        "load": f"gRPC, {TRANSPORT}",
        **rate_of(count, walls),
        **dict(zip(("client_us", "books_us", "postgres_us"), each_us, strict=True)),
        **median_of([latency_ms(run) for run in latencies]),
    }


async def _post(channels: Sequence[Channel], work: Sequence[Sequence[bytes]]) -> list[tuple[list[float], list[bytes]]]:
    """Let each caller make its calls, one after the other; return latencies and answers of each."""

    async def caller(channel: Channel, requests: Sequence[bytes]) -> tuple[list[float], list[bytes]]:
        latencies, replies = [], []
        for request in requests:
            begun = time.perf_counter()
            replies.append(await channel.unary(PATH, request, TIMEOUT_S))
            latencies.append(time.perf_counter() - begun)
        return latencies, replies

    return await asyncio.gather(*(caller(channels[n % len(channels)], own) for n, own in enumerate(work)))


def _requests(load: Load, calls: int, transfers: int) -> list[bytes]:
    return [
        pb.PostEntriesRequest(entries=[_message(entry) for entry in load.entries(transfers)]).SerializeToString()
        for _ in range(calls)
    ]


def _message(entry: NewEntry) -> pb.NewEntry:
    debit, credit = entry.postings
    amount = str(debit.amount)
    return pb.NewEntry(
        idempotency_key=str(entry.key),
        postings=[
            pb.Posting(account=debit.account, side=pb.SIDE_DEBIT, amount_minor=amount),
            pb.Posting(account=credit.account, side=pb.SIDE_CREDIT, amount_minor=amount),
        ],
    )


def _cpu(pids: Sequence[int]) -> list[float]:
    return [time.process_time(), *(cpu_s(pid) for pid in pids)]


def _pem(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("ca.pem", "cert.pem", "key.pem")}


def main() -> None:
    """Be one end of the calls."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    role, *given = sys.argv[1:]
    if role == "serve":
        url, folder = given
        asyncio.run(serve(url, Path(folder)))
    else:
        folder, port, books_pid, server_pid, runs, scale = given
        asyncio.run(call(Path(folder), port, (int(books_pid), int(server_pid)), int(runs), float(scale)))


if __name__ == "__main__":
    main()
