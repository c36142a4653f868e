"""Customers of the one consortium that all journeys share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from network.topology import Organization
from tests.support.customer import Customer


@pytest.fixture
async def sign_up() -> AsyncIterator[Callable[[Organization, str], Awaitable[Customer]]]:
    """Make customers who have registered, logged in and opened an account."""
    async with AsyncExitStack() as browsers:

        async def make(bank: Organization, name: str) -> Customer:
            customer = Customer(bank, name)
            browsers.push_async_callback(customer.close)
            await customer.sign_up()
            return customer

        yield make
