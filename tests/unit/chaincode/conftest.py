"""Every contract test runs twice: in process and over a chaincode stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.support.contract_runner import InProcessRunner, Runner, StreamRunner


@pytest.fixture(params=["in_process", "stream"])
async def runner(request: pytest.FixtureRequest) -> AsyncIterator[Runner]:
    async with AsyncExitStack() as stack:
        yield InProcessRunner() if request.param == "in_process" else StreamRunner(stack)
