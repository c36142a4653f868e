"""Orderers that forge, withhold and equivocate: each is named, counted and left, and nothing of it is committed.

Method: a network makes a chain; a new peer takes it from two orderers of which one is hostile: it gives the true blocks
but for what a test changes, signed with the orderer's own key where that is the point.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import LiteralString

import psycopg
import pytest
import pytest_asyncio
from fabric_protos.common import common_pb2

from network import rpc
from network.block import data_hash, header_hash, last_config_number, parse_block, sign_block
from network.operations.metrics import Metrics
from node.operations.peer_metrics import PeerMetrics
from node.peer.database import migrate
from node.peer.gateway.orderers import OrdererEndpoint
from node.peer.peer import Peer
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, ORDERER, Material, make_material
from tests.support.hostile_orderer import HostileOrderer
from tests.support.peer_network import PeerNetwork, host_tls, running_network, tls_roots

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

_numbers = itertools.count()

BAD = 6
"""The block that is not what it should be."""

UNWATCHED_S = 600.0


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    async with running_network(material, postgres_cluster, tmp_path_factory.mktemp("net"), "hostile") as network:
        for number in range(9):
            await network.client().submit("pc", "Put", f"k{number}", "x")
        await network.wait_for_height(network.peer().height)
        yield network


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain(network: PeerNetwork) -> list[common_pb2.Block]:
    """The true blocks."""
    found = [parse_block(await network.peer().block(number) or b"") for number in range(network.peer().height)]
    assert len(found) > BAD + 3
    return found


@dataclass
class Attacked:
    """A peer, the orderers it was told of, and what it counted."""

    peer: Peer
    orderers: list[HostileOrderer]
    metrics: Metrics
    true: list[common_pb2.Block]

    async def faults(self) -> dict[str, float]:
        """Return the faults counted, by the place of the orderer and kind."""
        places = {orderer.address: number for number, orderer in enumerate(self.orderers)}
        found: dict[str, float] = {}
        for line in (await self.metrics.text()).splitlines():
            if line.startswith("dwaybank_orderer_faults{"):
                labels = dict(part.split("=", 1) for part in line[line.index("{") + 1 : line.index("}")].split(","))
                orderer = places[labels["orderer"].strip('"')]
                found[f"{orderer} {labels['fault'].strip(chr(34))}"] = float(line.rpartition(" ")[2])
        return found

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline = asyncio.get_running_loop().time() + 30
        while not holds():
            assert asyncio.get_running_loop().time() < deadline, (
                self.peer.height,
                self.peer.stopped,
                await self.faults(),
            )
            await asyncio.sleep(0.02)

    async def counted(self, **faults: int) -> None:
        """Wait until these faults of the second orderer are counted, and no others."""
        expected = {f"1 {fault}": number for fault, number in faults.items()}
        deadline = asyncio.get_running_loop().time() + 30
        while await self.faults() != expected:
            assert asyncio.get_running_loop().time() < deadline, await self.faults()
            await asyncio.sleep(0.02)

    async def has_the_true_chain(self) -> None:
        """Wait for its end, and compare."""
        await self.until(lambda: self.peer.height == len(self.true))
        for number, block in enumerate(self.true):
            assert header_hash(parse_block(await self.peer.block(number) or b"").header) == header_hash(block.header)


Start = Callable[..., AbstractAsyncContextManager[Attacked]]


@pytest.fixture
def fresh(network: PeerNetwork, postgres_cluster: PostgresCluster) -> Start:
    """Start a new peer of the bank's with orderers that give these blocks."""

    @asynccontextmanager
    async def start(
        true: list[common_pb2.Block],
        *stories: Sequence[common_pb2.Block | None],
        watch_interval_s: float = 0.6,
        prepared: LiteralString = "",
    ) -> AsyncIterator[Attacked]:
        tls = rpc.ServerTls(*host_tls(network.material, ORDERER), tls_roots(network.material))
        orderers = [HostileOrderer(free_port(), tls, blocks) for blocks in stories]
        for orderer in orderers:
            await orderer.start()
        url = postgres_cluster.create_database(f"attacked_{next(_numbers)}")
        with psycopg.connect(url) as owner:
            migrate(owner)
            owner.execute(prepared)
        metrics = Metrics()
        settings = replace(
            network.members[BANK].settings,
            database_url=url,
            orderers=[OrdererEndpoint(orderer.address, ORDERER) for orderer in orderers],
            watch_interval_s=watch_interval_s,
        )
        peer = Peer(settings, metrics=PeerMetrics(metrics))
        await peer.start()
        try:
            yield Attacked(peer, orderers, metrics, true)
        finally:
            await peer.stop()
            for orderer in orderers:
                await orderer.stop()

    return start


def copy(block: common_pb2.Block) -> common_pb2.Block:
    found = common_pb2.Block()
    found.CopyFrom(block)
    return found


def signed_again(block: common_pb2.Block, material: Material) -> common_pb2.Block:
    """Sign a changed block with the orderer's own key."""
    last_config = last_config_number(block)
    block.metadata.metadata[common_pb2.SIGNATURES] = b""
    sign_block(block, material.signer(ORDERER, "orderer"), last_config=last_config)
    return block


def other_signature(block: common_pb2.Block, material: Material) -> common_pb2.Block:
    last_config = last_config_number(block)
    block.metadata.metadata[common_pb2.SIGNATURES] = b""
    sign_block(block, material.signer(BANK, "peer"), last_config=last_config)
    return block


def no_signature(block: common_pb2.Block, material: Material) -> common_pb2.Block:
    block.metadata.metadata[common_pb2.SIGNATURES] = b""
    return block


def other_previous_hash(block: common_pb2.Block, material: Material) -> common_pb2.Block:
    block.header.previous_hash = b"x" * 32
    return signed_again(block, material)


def other_data_hash(block: common_pb2.Block, material: Material) -> common_pb2.Block:
    block.header.data_hash = b"x" * 32
    return signed_again(block, material)


def other_data(block: common_pb2.Block, material: Material) -> common_pb2.Block:
    block.data.data.append(block.data.data[0])
    return block


def other_number(block: common_pb2.Block, material: Material) -> common_pb2.Block:
    block.header.number += 2
    return signed_again(block, material)


FORGERIES = [other_signature, no_signature, other_previous_hash, other_data_hash, other_data, other_number]


@pytest.mark.parametrize("forge", FORGERIES)
async def test_forged_block_is_named_counted_and_taken_from_another(
    fresh: Start,
    chain: list[common_pb2.Block],
    material: Material,
    forge: Callable[[common_pb2.Block, Material], common_pb2.Block],
    capsys: pytest.CaptureFixture[str],
) -> None:
    story = [*chain[:BAD], forge(copy(chain[BAD]), material), *chain[BAD + 1 :]]
    # Who looks at headers beside would count the same block a second time, where that takes long enough.
    async with fresh(chain, story, chain, watch_interval_s=UNWATCHED_S) as attacked:
        await attacked.has_the_true_chain()
        assert await attacked.faults() == {"0 forged": 1}
        assert attacked.peer.stopped is None
        address = attacked.orderers[0].address
    told = capsys.readouterr().out
    assert "block refused" in told
    assert address in told


async def test_block_that_every_orderer_forges_stops_the_channel(
    fresh: Start, chain: list[common_pb2.Block], material: Material
) -> None:
    stories = [
        [*chain[:BAD], forge(copy(chain[BAD]), material), *chain[BAD + 1 :]]
        for forge in (other_data_hash, other_signature)
    ]
    async with fresh(chain, *stories, watch_interval_s=UNWATCHED_S) as attacked:
        await attacked.until(lambda: attacked.peer.stopped is not None)
        assert attacked.peer.height == BAD
        assert f"block {BAD}" in str(attacked.peer.stopped)
        assert await attacked.faults() == {"0 forged": 1, "1 forged": 1}


async def test_withheld_blocks_are_taken_from_another(
    fresh: Start, chain: list[common_pb2.Block], capsys: pytest.CaptureFixture[str]
) -> None:
    async with fresh(chain, chain[:BAD], chain) as attacked:
        await attacked.has_the_true_chain()
        assert await attacked.faults() == {"0 withheld": 1}
    assert "orderer withholds blocks" in capsys.readouterr().out


async def test_silence_of_all_is_no_fault(fresh: Start, chain: list[common_pb2.Block]) -> None:
    async with fresh(chain, chain, chain) as attacked:
        await attacked.has_the_true_chain()
        await asyncio.sleep(1.5)
        assert await attacked.faults() == {}
        assert attacked.orderers[1].given == 0


async def test_block_that_waits_to_be_committed_is_not_withheld(fresh: Start, chain: list[common_pb2.Block]) -> None:
    slow = """
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN IF NEW.block_number = 6 THEN PERFORM pg_sleep(4); END IF; RETURN NEW; END$$;
        CREATE TRIGGER slow BEFORE INSERT ON channel.block FOR EACH ROW EXECUTE FUNCTION slow()"""
    async with fresh(chain, chain, chain, prepared=slow) as attacked:
        await attacked.has_the_true_chain()
        assert await attacked.faults() == {}
        assert attacked.orderers[1].given == 0


async def test_second_block_of_one_number_is_never_committed_and_its_orderer_named(
    fresh: Start,
    chain: list[common_pb2.Block],
    material: Material,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Signed with the orderer's own key and whole in itself: only that there are two of them tells."""
    other = copy(chain[-1])
    del other.data.data[:]
    other.data.data.append(chain[BAD].data.data[0])
    other.header.data_hash = data_hash(other.data)
    story = [*chain[:-1], signed_again(other, material)]
    async with fresh(chain, chain, story) as attacked:
        await attacked.has_the_true_chain()
        await attacked.counted(equivocated=1)
        assert attacked.peer.current_block_hash == header_hash(chain[-1].header)
        assert attacked.peer.stopped is None
    told = capsys.readouterr().out
    assert "orderers equivocate" in told
    assert header_hash(other.header).hex() in told


async def test_orderers_whose_chains_part_are_named_whichever_is_asked(
    fresh: Start, chain: list[common_pb2.Block], material: Material
) -> None:
    """The other one is asked first: what it gave holds in itself; that the rest tell another story is noticed."""
    other = copy(chain[BAD])
    del other.data.data[:]
    other.data.data.append(chain[BAD - 1].data.data[0])
    other.header.data_hash = data_hash(other.data)
    story = [*chain[:BAD], signed_again(other, material)]
    async with fresh(chain, story, chain[: BAD + 1]) as attacked:
        await attacked.counted(equivocated=1)
        assert attacked.peer.height == BAD + 1


async def test_forged_headers_turn_nobody_away(fresh: Start, chain: list[common_pb2.Block], material: Material) -> None:
    """One that claims a next block it cannot show signed is not believed to know more."""
    claimed = other_signature(copy(chain[BAD]), material)
    async with fresh(chain[:BAD], chain[:BAD], [*chain[:BAD], claimed]) as attacked:
        await attacked.has_the_true_chain()
        await attacked.counted(forged=1)
        await asyncio.sleep(1)
        assert await attacked.faults() == {"1 forged": 1}
