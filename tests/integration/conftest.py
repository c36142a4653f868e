"""What many integration tests begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from node.postgres import PostgresCluster
from tests.support.banks import Bank, two_banks
from tests.support.node_in_memory import NodeInMemory


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
