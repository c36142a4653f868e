"""How fast one peer checks and commits blocks that are already ordered, as after an outage.

A consortium orders transactions under load first; then a committer of its own, on an empty database of a fresh server
and with nothing else running, takes their blocks as an orderer would send them. It endorsed none of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import psycopg
from fabric_protos.common import common_pb2

from benchmarks.books import cluster
from benchmarks.consortium import Running, running_consortium
from benchmarks.load_client import start_client
from benchmarks.measure import Result, cpu_s
from benchmarks.network import seed
from network.block import as_ordered, parse_block
from network.client import GatewayClient
from network.identity import SigningIdentity
from node.peer.committer import CommittedBlock, Committer, CommitterSettings
from node.peer.database import migrate
from node.peer.errors import ChannelStoppedError
from node.peer.own_endorsements import OwnEndorsements

CONCURRENCY = 256
SECONDS = 60
RUNS = 3
TX_PER_S_MIN = 5000


def run() -> Result:
    """Have blocks made, then commit them anew."""
    result = Result("catch_up", "One peer catching up: signatures, policies, MVCC, commit with fsync")
    with running_consortium() as running:
        settings, blocks = asyncio.run(_ordered(running))
    transactions = sum(len(block.data.data) for block in blocks)
    with cluster() as server:
        assert server.pid is not None
        rates = []
        for number in range(RUNS):
            before = time.process_time(), cpu_s(server.pid), time.perf_counter()
            asyncio.run(_commit(replace(settings, url=server.create_database(f"catch_up_{number}")), blocks))
            peer_s, database_s, wall_s = (
                now - then
                for now, then in zip((time.process_time(), cpu_s(server.pid), time.perf_counter()), before, strict=True)
            )
            rates.append(transactions / wall_s)
            result.rows.append(
                {
                    "run": number + 1,
                    "blocks": len(blocks),
                    "transactions": transactions,
                    "per_second": round(rates[-1]),
                    "peer_us": round(peer_s / transactions * 1e6),
                    "postgres_us": round(database_s / transactions * 1e6),
                }
            )
    result.at_least("transactions checked and committed a second, best run", TX_PER_S_MIN, max(rates))
    return result


async def _ordered(running: Running) -> tuple[CommitterSettings, Sequence[common_pb2.Block]]:
    """Load the consortium; return what a committer of its channel needs, and the blocks as its orderer sent them."""
    await seed(running)
    await start_client(
        running, "submit", "--concurrency", str(CONCURRENCY), "--connections", "4", "--seconds", str(SECONDS),
        "--warm-up", "0",
    )  # fmt: skip
    async with running.node() as node:
        identity = SigningIdentity.from_msp_folder(
            running.home.user(running.bank, "User1") / "msp", running.bank.msp_id
        )
        client = GatewayClient(node.channel, identity, running.consortium.channel)
        newest = await client.submit("benchmark", "Put", "last", "value")
        blocks = [parse_block(as_ordered(block)) async for block in client.blocks(1, stop=newest.block_number)]
    genesis = running.home.genesis.read_bytes()
    settings = CommitterSettings("", running.consortium.channel, genesis, identity.creator, OwnEndorsements())
    return settings, blocks


async def _commit(settings: CommitterSettings, blocks: Sequence[common_pb2.Block]) -> None:
    """Check and commit the blocks; every one must be committed."""
    with psycopg.connect(settings.url) as owner:
        migrate(owner)
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def committed(block: CommittedBlock) -> None:
        assert not any(block.validation.flags), "a transaction of the load is not valid"
        if block.number == len(blocks):
            done.set_result(None)

    def stop(error: ChannelStoppedError) -> None:
        done.set_exception(error)

    committer = Committer(settings, committed, stop)
    await asyncio.to_thread(committer.open)
    committer.start()
    for block in blocks:
        await committer.put(block)
    await done
    await committer.stop()
