"""The clock of a bank's whole node: where the machine's leaps, no part of the books records a time by it.

Method: a node as `dwaybank up` has it, run in this process on a database server of its own, with a machine's clock that
the test sets; of every service of the books a call that records a time is made over mutual TLS.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import Counter
from collections.abc import AsyncIterator, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from google.protobuf.message import Message
from structlog.testing import capture_logs

from network.errors import RpcError
from network.operations.health import UnhealthyError
from network.operations.log_levels import LogLevels
from network.pb.dwaybank.ledger.v1 import chart_pb2, currencies_pb2, reconciliation_pb2, schedules_pb2
from network.rpc import StatusCode
from node.config import NodeConfig, load_settings, read_url
from node.databases import provision_databases
from node.home import open_home
from node.own_node import (
    LEDGER,
    PERIODS,
    SETTLEMENT,
    TENANTS,
    OwnNode,
    ledger_pb2,
    partner_pb2,
    periods_pb2,
    tenants_pb2,
)
from node.process import CLOCK_IS_RIGHT, NodeProcess
from node.start import prepare_consortium
from tests.support.consortium import free_base_port
from tests.support.gateway_client import Clock
from tests.support.server import CopyingCluster

PACKAGE = "dwaybank.ledger.v1"
LEAP = timedelta(days=10)
ACTOR = "clerk-7"
LEGS = (
    ledger_pb2.Posting(account="cash", side=ledger_pb2.SIDE_DEBIT, amount_minor="100"),
    ledger_pb2.Posting(account="alice", side=ledger_pb2.SIDE_CREDIT, amount_minor="100"),
)


WORKERS = ("settlement.worker_waits", "schedule_worker_waits", "hold_sweep_waits", "webhooks.wait")
"""What looks at the clock at least once a second."""

ROUNDS_S = 2.5
"""In which each looks twice more at least, and must not say it again."""


class BankNode:
    """A bank's node and a connection to it, with a clock to set."""

    def __init__(self, root: Path, server: CopyingCluster) -> None:
        self.home = prepare_consortium(root, free_base_port(), None)
        _, self.consortium = open_home(root)
        self.bank = self.consortium.organization("dwaybank")
        folder = self.home.organization(self.bank)
        provision_databases(server.url(), folder / "secrets", self.bank.name)
        self.config = load_settings(NodeConfig, folder / "node.yaml")
        self.clock = Clock()
        self.process = NodeProcess(self.config, LogLevels(), self.clock)

    def client(self) -> OwnNode:
        """Return a connection of the bank's administrator."""
        return OwnNode(self.home, self.consortium, self.bank)

    def written(self) -> dict[str, int]:
        """Return how many rows each table of the books has, without those that the node's own work fills."""
        with psycopg.connect(read_url(self.config.owner_database_url_file), autocommit=True) as connection:
            names = connection.execute(
                "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
                " AND c.relnamespace::regnamespace::text IN ('ledger', 'partner')"
            ).fetchall()
            return {
                name: connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()[0]  # type: ignore[index]
                for (name,) in names
            }


@pytest.fixture
async def node(tmp_path: Path, durable_cluster: CopyingCluster) -> AsyncIterator[BankNode]:
    made = BankNode(tmp_path / "home", durable_cluster)
    try:
        await made.process.start()
        yield made
    finally:
        await made.process.stop()


def calls() -> list[tuple[str, str, Message]]:
    """Return a call of each service that records a time: service, method, request."""
    payment = partner_pb2.SendPaymentRequest(
        payment_id=str(uuid.uuid4()),
        debtor_account="alice",
        receiver_msp_id="PartnerMSP",
        beneficiary_account="bob",
        asset="EUR",
        amount_minor="5",
    )
    period = periods_pb2.ClosePeriodRequest(actor=ACTOR)
    period.closed_before.FromDatetime(datetime.now(UTC) + LEAP / 2)
    entry = ledger_pb2.NewEntry(idempotency_key=str(uuid.uuid4()), postings=LEGS)
    return [
        (LEDGER, "PostEntries", ledger_pb2.PostEntriesRequest(entries=[entry])),
        (LEDGER, "OpenAccount", _account("bob", ledger_pb2.SIDE_CREDIT)),
        (PERIODS, "ClosePeriod", period),
        (TENANTS, "CreateTenant", tenants_pb2.CreateTenantRequest(tenant="branch", actor=ACTOR)),
        (f"{PACKAGE}.ChartService", "OpenBook", chart_pb2.OpenBookRequest(book="retail", actor=ACTOR)),
        (f"{PACKAGE}.CurrencyService", "RecordRate", _rate()),
        (f"{PACKAGE}.ScheduleService", "CreateSchedule", _schedule()),
        (f"{PACKAGE}.ReconciliationService", "Run", reconciliation_pb2.RunRequest(actor=ACTOR)),
        (SETTLEMENT, "SendPayment", payment),
    ]


async def test_no_service_of_the_books_records_a_time_while_the_clock_is_not_believed(node: BankNode) -> None:
    async with node.client() as client:
        for opening in (_account("cash", ledger_pb2.SIDE_DEBIT), _account("alice", ledger_pb2.SIDE_CREDIT)):
            await client.call(LEDGER, "OpenAccount", opening, ledger_pb2.OpenAccountResponse)
        before = node.written()
        node.clock.ahead = LEAP
        refusals = {method: await _refusal(client, service, method, request) for service, method, request in calls()}
        assert {method for method, code in refusals.items() if code is not StatusCode.UNAVAILABLE} == set()
        assert node.written() == before

        node.clock.ahead = timedelta()
        for service, method, request in calls()[:2]:
            await client.channel.unary(f"/{service}/{method}", request.SerializeToString(), 20)


async def test_each_worker_says_once_that_it_waits_for_the_clock_and_once_that_it_goes_on(node: BankNode) -> None:
    with capture_logs() as lines:
        node.clock.ahead = LEAP
        await _all_said(lines, "")
        await asyncio.sleep(ROUNDS_S)
        node.clock.ahead = timedelta()
        await _all_said(lines, "_no_more")
        await asyncio.sleep(ROUNDS_S)
    told = Counter(line["event"] for line in lines if line["event"].startswith(WORKERS))
    assert told == Counter(f"{worker}{end}" for worker in WORKERS for end in ("", "_no_more"))


async def _all_said(lines: list[MutableMapping[str, Any]], end: str) -> None:
    async with asyncio.timeout(30):
        while not {f"{worker}{end}" for worker in WORKERS} <= {line["event"] for line in lines}:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_node_that_starts_with_a_clock_far_ahead_of_its_books_posts_nothing_until_somebody_says_it_is_right(
    node: BankNode,
) -> None:
    async with node.client() as client:
        for opening in (_account("cash", ledger_pb2.SIDE_DEBIT), _account("alice", ledger_pb2.SIDE_CREDIT)):
            await client.call(LEDGER, "OpenAccount", opening, ledger_pb2.OpenAccountResponse)
        assert await _post(client) == "posted"
    await node.process.stop()
    node.clock.ahead = timedelta(days=365)
    node.process = NodeProcess(node.config, LogLevels(), node.clock)
    with capture_logs() as lines:
        await node.process.start()
    assert "clock_ahead_at_start" in {line["event"] for line in lines}
    async with node.client() as client:
        with pytest.raises(RpcError, match="365 days after the newest entry and block here") as refused:
            await _post(client)
        assert refused.value.code == StatusCode.UNAVAILABLE
        with pytest.raises(UnhealthyError, match=r"`touch clock-is-right` in the node's folder of secrets"):
            await node.process._check_clock()
        said = node.config.writer_key_file.parent / CLOCK_IS_RIGHT
        said.touch()
        # By the clock that is doubted: what was said by another one a year ago says nothing of this.
        with pytest.raises(RpcError, match="365 days after"):
            await _post(client)
        moment = node.clock().timestamp()
        os.utime(said, (moment, moment))
        assert await _post(client) == "posted"
        await node.process._check_clock()


async def _post(client: OwnNode) -> str:
    entry = ledger_pb2.NewEntry(idempotency_key=str(uuid.uuid4()), postings=LEGS)
    request = ledger_pb2.PostEntriesRequest(entries=[entry])
    return (await client.call(LEDGER, "PostEntries", request, ledger_pb2.PostEntriesResponse)).results[0].code


async def _refusal(client: OwnNode, service: str, method: str, request: Message) -> StatusCode | None:
    try:
        await client.channel.unary(f"/{service}/{method}", request.SerializeToString(), 20)
    except RpcError as error:
        # What the own bank is told; of its payments it is told as a partner would be.
        assert service == SETTLEMENT or "clock leapt forward by" in error.message, (method, error.message)
        return StatusCode(error.code)
    return None


def _account(reference: str, side: ledger_pb2.Side) -> ledger_pb2.OpenAccountRequest:
    return ledger_pb2.OpenAccountRequest(account=reference, asset="EUR", normal_side=side)


def _rate() -> Message:
    rate = currencies_pb2.Rate(base="EUR", quote="USD", rate="1.1", source="ecb")
    rate.quoted_at.FromDatetime(datetime.now(UTC))
    return currencies_pb2.RecordRateRequest(rate=rate, actor=ACTOR)


def _schedule() -> Message:
    start = (datetime.now(UTC) + LEAP / 2).replace(tzinfo=None, microsecond=0).isoformat()
    rule = schedules_pb2.Recurrence(start=start, zone="UTC", unit=schedules_pb2.RECURRENCE_UNIT_DAY, count=1)
    order = schedules_pb2.Schedule(schedule_id=str(uuid.uuid4()), actor=ACTOR, postings=LEGS, rule=rule)
    return schedules_pb2.CreateScheduleRequest(schedule=order)
