"""What many integration tests begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from node.postgres import PostgresCluster
from tests.support.banks import Bank, two_banks
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
