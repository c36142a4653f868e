"""What many integration tests begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from node.postgres import PostgresCluster
from tests.support.banks import Bank, two_banks
from tests.support.gateway_client import Clock, gateway_config, running_gateway
from tests.support.node_in_memory import NodeInMemory
from tests.support.rich_books import Copies, fill
from tests.support.server import CopyingCluster


@pytest.fixture
async def banks(postgres_cluster: PostgresCluster) -> AsyncIterator[tuple[Bank, Bank]]:
    async with two_banks(postgres_cluster) as both:
        yield both


@pytest.fixture
async def node() -> AsyncIterator[NodeInMemory]:
    served = NodeInMemory()
    await served.start()
    yield served
    await served.stop()


@pytest.fixture
def clock() -> Clock:
    """The clock of the gateway that ``client`` reaches, to be moved."""
    return Clock()


@pytest.fixture
async def client(
    request: pytest.FixtureRequest, database_url: str, node: NodeInMemory, tmp_path: Path, clock: Clock
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway before ``node``, configured as usual but for the module's own ``GATEWAY``."""
    config = gateway_config(tmp_path, database_url, node.address, **getattr(request.module, "GATEWAY", {}))
    async with running_gateway(config, clock) as (_, http):
        yield http


@pytest.fixture(scope="module")
def copies(request: pytest.FixtureRequest, postgres_cluster: CopyingCluster) -> Iterator[Copies]:
    """Books that the module's own ``fill`` made, those with everything where it has none."""
    made = Copies(postgres_cluster, getattr(request.module, "fill", fill))
    yield made
    made.close()


@pytest.fixture
def url(copies: Copies) -> Iterator[str]:
    """URL of a copy of these books."""
    with copies.copy() as copied:
        yield copied
