"""An operator brings a PostgreSQL server: two organizations keep their books, logs and peers there, each apart."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from node.postgres import PostgresCluster
from tests.support.consortium import RunningConsortium, own_consortium


@pytest.fixture
def banks_on_one_server(durable_cluster: PostgresCluster) -> Iterator[RunningConsortium]:
    """The regulator keeps the embedded server."""
    url = durable_cluster.url()
    with own_consortium({"dwaybank": url, "partner": url}) as running:
        yield running


async def test_two_organizations_work_on_a_server_of_their_own(
    banks_on_one_server: RunningConsortium, durable_cluster: PostgresCluster
) -> None:
    running = banks_on_one_server
    for organization, customer, paid_in in ((running.bank, "alice", 12_50), (running.partner, "bob", 7_00)):
        await running.open_account(organization, customer)
        await running.deposit(organization, customer, paid_in)
    statuses = await running.settled()
    proved = running.command("ledger", "verify")

    assert proved.returncode == 0, proved.stderr
    assert [status.attested_size for status in statuses] == [1, 1, 0]
    for organization, paid_in in ((running.bank, 12_50), (running.partner, 7_00)):
        assert not (running.home.organization(organization) / "postgres").exists()
        with psycopg.connect(durable_cluster.url(organization.name)) as connection:
            assert connection.execute("SELECT sum(amount) FROM ledger.entry").fetchone() == (paid_in,)
