"""The load of a benchmark, as one process of its own: so many calls in flight, for so long, over so many connections.

A closed loop: every worker sends its next call when the last one is answered. Prints one line of JSON: counts, latency
percentiles, errors by text, and the CPU time this client itself took.

    python -m benchmarks.load_client --home DIR submit --concurrency 64 --seconds 10
    python -m benchmarks.load_client --peer HOST:PORT --roots FILE --user DIR --msp-id ID submit
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from benchmarks.consortium import Running
from benchmarks.measure import REPOSITORY, latency_ms
from network.client import GatewayClient
from network.errors import NetworkError
from network.identity import SigningIdentity
from network.rpc import Channel, ClientTls
from node.home import open_home
from node.own_node import LEDGER, OwnNode, ledger_pb2
from node.service import settle_interpreter

VALUE_BYTES = 100
ACCOUNTS = 200
SEEDED_KEY = "seeded"

Operation = Callable[[Channel], Awaitable[int]]
"""One call; returns how many operations it stood for."""


async def run_load(
    channels: Sequence[Channel], operation: Operation, concurrency: int, warm_up_s: float, seconds: float
) -> dict[str, Any]:
    """Keep ``concurrency`` calls in flight and measure those that start after the warm-up."""
    errors: Counter[str] = Counter()
    latencies: list[float] = []
    done = 0
    begin = time.perf_counter() + warm_up_s
    end = begin + seconds

    async def work(channel: Channel) -> None:
        nonlocal done
        while (started := time.perf_counter()) < end:
            try:
                count = await operation(channel)
            except NetworkError as error:
                errors[_shortened(error)] += 1
                continue
            if started >= begin:
                latencies.append(time.perf_counter() - started)
                done += count

    workers = [asyncio.create_task(work(channels[n % len(channels)])) for n in range(concurrency)]
    await asyncio.sleep(warm_up_s)
    _say({"event": "begin"})
    cpu_before = time.process_time()
    await asyncio.gather(*workers)
    elapsed = time.perf_counter() - begin
    _say({"event": "end"})
    client_cpu_s = time.process_time() - cpu_before
    return {
        "concurrency": concurrency,
        "operations": done,
        "seconds": round(elapsed, 2),
        "per_second": round(done / elapsed, 1),
        **latency_ms(latencies),
        "errors": dict(errors),
        "client_cpu_ms": round(client_cpu_s * 1000 / max(done, 1), 3),
    }


def submit_operation(clients: Mapping[Channel, GatewayClient]) -> Operation:
    """One transaction: endorsed, ordered, committed as VALID, under a key of its own."""
    run = secrets.token_hex(6)
    value = secrets.token_hex(VALUE_BYTES // 2)
    count = 0

    async def operation(channel: Channel) -> int:
        nonlocal count
        count += 1
        await clients[channel].submit("benchmark", "Put", f"{run}-{count}", value)
        return 1

    return operation


def evaluate_operation(clients: Mapping[Channel, GatewayClient]) -> Operation:
    """One read of one key."""

    async def operation(channel: Channel) -> int:
        await clients[channel].evaluate("benchmark", "Get", SEEDED_KEY)
        return 1

    return operation


def post_operation(batch: int) -> Operation:
    """One call that posts ``batch`` transfers between accounts of the bank."""
    count = 0

    async def operation(channel: Channel) -> int:
        nonlocal count
        count += 1
        request = ledger_pb2.PostEntriesRequest(entries=[new_transfer(count * batch + n) for n in range(batch)])
        raw = await channel.unary(f"/{LEDGER}/PostEntries", request.SerializeToString(), 30)
        reply = ledger_pb2.PostEntriesResponse.FromString(raw)
        refused = [result.code for result in reply.results if result.code != "posted"]
        if refused:
            raise NetworkError(f"an entry was refused: {refused[0]}")
        return batch

    return operation


OPERATIONS = {"submit": submit_operation, "submit_asking": submit_operation, "evaluate": evaluate_operation}
"""The second asks for each commit by a call, the first hears of them by a stream of blocks."""


def new_transfer(number: int) -> ledger_pb2.NewEntry:
    """Return a transfer of one unit between two of the benchmark's accounts."""
    debtor = number % ACCOUNTS
    creditor = (debtor + 1 + number // ACCOUNTS % (ACCOUNTS - 1)) % ACCOUNTS
    effective = Timestamp()
    effective.FromDatetime(datetime.now(UTC))
    return ledger_pb2.NewEntry(
        idempotency_key=str(uuid.uuid4()),
        postings=[
            ledger_pb2.Posting(account=f"bench-{debtor}", side=ledger_pb2.SIDE_DEBIT, amount_minor="1"),
            ledger_pb2.Posting(account=f"bench-{creditor}", side=ledger_pb2.SIDE_CREDIT, amount_minor="1"),
        ],
        effective_at=effective,
        description="benchmark",
    )


async def open_accounts(node: OwnNode) -> None:
    """Open the accounts transfers go between; they may go below zero, so that no order of transfers is refused."""
    for number in range(ACCOUNTS):
        request = ledger_pb2.OpenAccountRequest(
            account=f"bench-{number}", asset="EUR", normal_side=ledger_pb2.SIDE_CREDIT, floor_minor=""
        )
        await node.call(LEDGER, "OpenAccount", request, ledger_pb2.OpenAccountResponse)


class UnderLoad(Protocol):
    """What a load client is set on."""

    def client_options(self) -> Sequence[str]:
        """The options by which the client finds it."""

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds each of its parts has used so far."""


async def start_client(
    under_load: UnderLoad, *arguments: str
) -> tuple[dict[str, Any], dict[str, float], dict[str, float]]:
    """Run this module in a process of its own.

    Returns:
        Its result, and the CPU seconds of what it was set on at the begin and the end of what it measured.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.load_client", *under_load.client_options(), *arguments,
        stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY,
    )  # fmt: skip
    assert process.stdout is not None
    found: dict[str, Any] = {}
    cpu: dict[str, dict[str, float]] = {}
    async for line in process.stdout:
        content = json.loads(line)
        if "event" in content:
            cpu[content["event"]] = under_load.cpu_s()
        else:
            found = content
    if await process.wait() != 0 or not found:
        raise RuntimeError(f"the load client ended with status {process.returncode}")
    return found, cpu["begin"], cpu["end"]


def _identity(running: Running) -> SigningIdentity:
    return SigningIdentity.from_msp_folder(running.home.user(running.bank, "User1") / "msp", running.bank.msp_id)


def _shortened(error: NetworkError) -> str:
    details = getattr(error, "details", None)
    first = f" ({str(details[0])[:200]})" if isinstance(details, list | tuple) and details else ""
    return f"{type(error).__name__}: {str(error)[:160]}{first}"


def _say(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


async def _main(options: argparse.Namespace) -> None:
    async with AsyncExitStack() as connections:
        connect = _at_peer if options.peer else _at_home
        channels, operation = await connect(options, connections)
        settle_interpreter()
        _say(await run_load(channels, operation, options.concurrency, options.warm_up, options.seconds))


async def _at_home(options: argparse.Namespace, connections: AsyncExitStack) -> tuple[list[Channel], Operation]:
    """Connect to the bank's node of a consortium of ours."""
    running = Running(*open_home(options.home))
    nodes = [await connections.enter_async_context(running.node()) for _ in range(options.connections)]
    channels = [node.channel for node in nodes]
    if options.operation == "post":
        await open_accounts(nodes[0])
        return channels, post_operation(options.batch)
    return channels, await _of_clients(
        options.operation, channels, connections, _identity(running), running.consortium.channel
    )


async def _at_peer(options: argparse.Namespace, connections: AsyncExitStack) -> tuple[list[Channel], Operation]:
    """Connect to any peer, as a user of its organization."""
    tls = ClientTls(options.roots.read_bytes())
    channels = [Channel(options.peer, tls) for _ in range(options.connections)]
    for channel in channels:
        connections.push_async_callback(channel.close)
    identity = SigningIdentity.from_msp_folder(options.user / "msp", options.msp_id)
    return channels, await _of_clients(options.operation, channels, connections, identity, options.channel)


async def _of_clients(
    operation: str,
    channels: Sequence[Channel],
    connections: AsyncExitStack,
    identity: SigningIdentity,
    channel_id: str,
) -> Operation:
    clients = {channel: GatewayClient(channel, identity, channel_id) for channel in channels}
    if operation == "submit":
        for client in clients.values():
            await connections.enter_async_context(client.following_commits())
    return OPERATIONS[operation](clients)


def main() -> None:
    """Entry of the client's process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load_client")
    parser.add_argument("--home", type=Path, help="of a consortium; the bank's node is called")
    parser.add_argument("--peer", help="host:port of any other peer")
    parser.add_argument("--roots", type=Path, help="its TLS authority")
    parser.add_argument("--user", type=Path, help="folder with a user's msp")
    parser.add_argument("--msp-id")
    parser.add_argument("--channel", default="anchors")
    parser.add_argument("operation", choices=(*OPERATIONS, "post"))
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--warm-up", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    profile = os.environ.get("DWAYBANK_PROFILE_CLIENT")
    if profile is None:
        asyncio.run(_main(parser.parse_args()))
        return
    import cProfile

    profiler = cProfile.Profile()
    profiler.runcall(asyncio.run, _main(parser.parse_args()))
    profiler.dump_stats(profile)


if __name__ == "__main__":
    main()
