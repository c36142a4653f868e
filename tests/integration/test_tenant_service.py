"""Tenants over the node's own port: who a certificate speaks for, what each method lets him do, and that nothing tells
him of others; real mutual TLS, a real database whose owner is no superuser, a node that has its own roles only.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.hold import NewHold
from ledger.journal import transfer
from ledger.schedule_store import list_runs
from network.pb.dwaybank.ledger.v1 import (
    chart_pb2,
    currencies_pb2,
    events_pb2,
    ledger_pb2,
    periods_pb2,
    reconciliation_pb2,
    schedules_pb2,
    tenants_pb2,
)
from network.rpc import RpcError, StatusCode
from node.books import event_service
from node.books.books import Books
from node.books.chart_service import ChartService
from node.books.currency_service import CurrencyService
from node.books.event_service import EventService
from node.books.ledger_service import LedgerService
from node.books.period_service import PeriodService
from node.books.reconciliation_service import ReconciliationService
from node.books.tenant_service import TenantService
from node.databases import provision_databases
from node.postgres import PostgresCluster
from node.schedules.schedule_service import ScheduleService
from node.schedules.worker import ScheduleWorker
from node.webhooks.webhooks import Webhooks, WebhookSettings
from tests.support.books import START, Clock, key, new_writer
from tests.support.own_service import Port, ServiceClient, open_port
from tests.support.tenancy import (
    ACME,
    BOLT,
    CLEARED,
    SPANNING,
    fill,
    hold_of,
    monitor_of,
    schedule_of,
)

R = TypeVar("R", bound=Message)
PACKAGE = "dwaybank.ledger.v1"
FILES = (
    chart_pb2, currencies_pb2, events_pb2, ledger_pb2, periods_pb2, reconciliation_pb2, schedules_pb2, tenants_pb2,
)  # fmt: skip
METHODS = {
    f"{service.name}/{method.name}": method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}

FOR_TENANTS = {
    "LedgerService/OpenAccount", "LedgerService/GetAccount", "LedgerService/ListAccounts", "LedgerService/PostEntries",
    "LedgerService/GetEntry", "LedgerService/GetStatement", "LedgerService/PlaceHold", "LedgerService/CaptureHold",
    "LedgerService/ReleaseHold", "LedgerService/ListDayChanges", "LedgerService/GetTrialBalance",
    "PeriodService/GetBalanceAt", "PeriodService/GetTrialBalanceAt", "PeriodService/GetStatementBetween",
    "ChartService/ListBooks", "ChartService/GetChart", "ChartService/ListChartChanges", "ChartService/ListMisfits",
    "ChartService/PlaceAccount", "ChartService/GetCodeBalances", "ChartService/SearchAccounts",
    "ChartService/SetMetadata", "ChartService/ListMetadataChanges", "ChartService/SetAlias",
    "ChartService/ListAliasChanges", "ChartService/ResolveAliases", "ChartService/ListAccountChanges",
    "EventService/FollowOutbox", "EventService/SetMonitor", "EventService/DropMonitor", "EventService/ListMonitors",
    "ScheduleService/CreateSchedule", "ScheduleService/GetSchedule", "ScheduleService/ListSchedules",
    "ScheduleService/ListRuns", "ScheduleService/ChangeSchedule",
    "ReconciliationService/ListExceptions", "ReconciliationService/ListMatches", "ReconciliationService/ListDecisions",
    "ReconciliationService/GetStatus",
}  # fmt: skip
"""Whoever offers another method to tenants adds it here, and a test of what it tells below."""


@dataclass
class Node:
    books: Books
    port: Port
    clock: Clock

    def client(self, service: str, *units: str) -> ServiceClient:
        return self.port.client(f"{PACKAGE}.{service}", "OwnMSP", *units)

    async def ask(self, path: str, request: Message, reply: type[R], *, tenant: str | None = ACME) -> R:
        service, method = path.split("/")
        return await self.client(service, *_units(tenant)).ask(method, request, reply)

    async def refusal(self, path: str, request: Message, *, tenant: str | None = ACME) -> tuple[StatusCode, str]:
        service, method = path.split("/")
        return await self.client(service, *_units(tenant)).refusal(method, request)


def _units(tenant: str | None) -> tuple[str, ...]:
    return () if tenant is None else (f"tenant:{tenant}",)


@pytest.fixture(scope="module")
def node_url(postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Books with two tenants in a database that its roles have least rights in."""
    folder = tmp_path_factory.mktemp("secrets")
    provision_databases(postgres_cluster.url(), folder, "tenant_service")
    fill((folder / "owner.url").read_text())
    yield (folder / "node.url").read_text()
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE tenant_service WITH (FORCE)")
        for part in ("owner", "node", "gateway"):
            connection.execute(f"DROP ROLE tenant_service_{part}".encode())


@asynccontextmanager
async def open_node(url: str, folder: Path) -> AsyncIterator[Node]:
    clock = Clock(START.replace(year=2027))
    books = Books(url, new_writer(url, clock), now=clock)
    webhooks = Webhooks(url, secrets_folder=folder, bell=books.bell, now=clock, settings=WebhookSettings())
    await books.start()
    await webhooks.start()
    try:
        make = lambda members: [  # noqa: E731
            LedgerService(books, members),
            PeriodService(books, members),
            ChartService(books, members, now=clock),
            EventService(books, webhooks, members),
            ScheduleService(books, members, now=clock),
            CurrencyService(books, members, now=clock),
            TenantService(books, members, now=clock),
            ReconciliationService(books, members, now=clock, pseudonym_key=None),
        ]
        async with open_port(make) as port:
            yield Node(books, port, clock)
    finally:
        await webhooks.stop()
        await books.stop()


@pytest.fixture
async def node(node_url: str, tmp_path: Path) -> AsyncIterator[Node]:
    async with open_node(node_url, tmp_path) as node:
        yield node


def transfer_of(number: int, debit: str, credit: str, amount: str = "5", **more: Any) -> ledger_pb2.NewEntry:
    return ledger_pb2.NewEntry(
        idempotency_key=str(key(number)),
        postings=[
            ledger_pb2.Posting(account=debit, side=ledger_pb2.SIDE_DEBIT, amount_minor=amount),
            ledger_pb2.Posting(account=credit, side=ledger_pb2.SIDE_CREDIT, amount_minor=amount),
        ],
        **more,
    )


async def codes(node: Node, *entries: ledger_pb2.NewEntry, tenant: str | None = ACME, dry: bool = False) -> list[str]:
    request = ledger_pb2.PostEntriesRequest(entries=entries, dry_run=dry)
    reply = await node.ask("LedgerService/PostEntries", request, ledger_pb2.PostEntriesResponse, tenant=tenant)
    return [result.code for result in reply.results]


# Who calls ------------------------------------------------------------------------------------------------------------


async def test_a_tenant_calls_what_is_for_tenants_and_nothing_else(node: Node) -> None:
    for path, described in METHODS.items():
        service, method = path.split("/")
        if described.server_streaming:
            continue
        code, message = StatusCode.OK, ""
        try:
            await node.client(service, "tenant:acme").raw(method, b"")
        except RpcError as error:
            code, message = StatusCode(error.code), error.message
        if path in FOR_TENANTS:
            assert code in (StatusCode.OK, StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND), (path, message)
        else:
            assert (code, "this method is not for tenants" in message) == (StatusCode.PERMISSION_DENIED, True), path


def test_every_method_for_tenants_is_one() -> None:
    assert set(METHODS) >= FOR_TENANTS


SLIPS = {
    ("tenant:nobody",): "know no tenant",
    ("tenant: acme",): "know no tenant",
    ("tenant:acme", "tenant:bolt"): "name one tenant",
    ("tenant:",): "name one tenant",
    ("Tenant:acme",): "name one tenant",
    (" tenant:acme",): "name one tenant",
    ("tenant=acme",): "name one tenant",
    ("tenants",): "name one tenant",
}
"""Units of certificates, and why they are refused."""


async def test_a_certificate_that_names_no_known_tenant_is_refused(node: Node) -> None:
    """A slip in a certificate must never turn a tenant into the whole organization."""
    for units, reason in SLIPS.items():
        client = node.client("LedgerService", *units)
        code, message = await client.refusal("ListAccounts", ledger_pb2.ListAccountsRequest())
        assert (code, reason in message) == (StatusCode.PERMISSION_DENIED, True), (units, message)


async def test_other_units_change_nothing_and_another_member_stays_out(node: Node) -> None:
    request, reply = ledger_pb2.ListAccountsRequest(page_size=100), ledger_pb2.ListAccountsResponse
    whole = await node.client("LedgerService", "client", "branch-12").ask("ListAccounts", request, reply)
    assert {"bank:vault", "bolt:cash", "acme:cash"} <= {account.account for account in whole.accounts}
    stranger = node.port.client(f"{PACKAGE}.LedgerService", "OtherMSP", "tenant:acme")
    assert (await stranger.refusal("ListAccounts", request))[0] is StatusCode.PERMISSION_DENIED


# Reading --------------------------------------------------------------------------------------------------------------


def account_questions(account: str) -> dict[str, tuple[Message, type[Message]]]:
    """Every method for tenants that is asked about one account to be read."""
    return {
        "LedgerService/GetAccount": (ledger_pb2.GetAccountRequest(account=account), ledger_pb2.GetAccountResponse),
        "LedgerService/GetStatement": (
            ledger_pb2.GetStatementRequest(account=account),
            ledger_pb2.GetStatementResponse,
        ),
        "PeriodService/GetBalanceAt": (
            periods_pb2.GetBalanceAtRequest(account=account),
            periods_pb2.GetBalanceAtResponse,
        ),
        "PeriodService/GetStatementBetween": (
            periods_pb2.GetStatementBetweenRequest(account=account, order=periods_pb2.STATEMENT_ORDER_EFFECT),
            periods_pb2.GetStatementBetweenResponse,
        ),
        "ChartService/ListMetadataChanges": (
            chart_pb2.ListMetadataChangesRequest(account=account),
            chart_pb2.ListMetadataChangesResponse,
        ),
        "ChartService/ListAccountChanges": (
            chart_pb2.ListAccountChangesRequest(account=account),
            chart_pb2.ListAccountChangesResponse,
        ),
        "ChartService/SetMetadata": (
            chart_pb2.SetMetadataRequest(account=account, metadata={"a": "b"}, actor="x"),
            chart_pb2.SetMetadataResponse,
        ),
        "ChartService/PlaceAccount": (
            chart_pb2.PlaceAccountRequest(account=account, actor="x"),
            chart_pb2.PlaceAccountResponse,
        ),
        "EventService/SetMonitor": (
            events_pb2.SetMonitorRequest(
                monitor=events_pb2.Monitor(
                    monitor_id=str(uuid.uuid4()), account=account, field="balance", operator=">=", value_minor="9"
                )
            ),
            events_pb2.SetMonitorResponse,
        ),
        "ChartService/SetAlias": (
            chart_pb2.SetAliasRequest(alias="@acme:new", account=account, actor="x", move=True),
            chart_pb2.SetAliasResponse,
        ),
    }


async def test_an_account_of_another_is_not_found_with_the_very_same_answer(node: Node) -> None:
    for path, (request, reply) in account_questions("acme:alice").items():
        assert await node.ask(path, request, reply)
    for path in account_questions(""):
        answers = set()
        for account in ("bolt:alice", "bank:vault", "bank:clearing", "acme:nobody"):
            code, message = await node.refusal(path, account_questions(account)[path][0])
            answers.add((code, message.replace(account, "?")))
        assert len(answers) == 1, (path, answers)
        assert next(iter(answers))[0] is StatusCode.NOT_FOUND, path


async def test_lists_hold_a_tenants_own(node: Node) -> None:
    """Every list for tenants, asked with no filter: some of his, none of another's."""
    lists: dict[str, tuple[Message, type[Message]]] = {
        "LedgerService/ListAccounts": (ledger_pb2.ListAccountsRequest(), ledger_pb2.ListAccountsResponse),
        "ChartService/ListBooks": (chart_pb2.ListBooksRequest(), chart_pb2.ListBooksResponse),
        "ChartService/SearchAccounts": (chart_pb2.SearchAccountsRequest(), chart_pb2.SearchAccountsResponse),
        "ChartService/ListAliasChanges": (
            chart_pb2.ListAliasChangesRequest(alias="@acme:main"),
            chart_pb2.ListAliasChangesResponse,
        ),
        "ChartService/ResolveAliases": (
            chart_pb2.ResolveAliasesRequest(names=["@acme:main"]),
            chart_pb2.ResolveAliasesResponse,
        ),
        "ChartService/GetChart": (chart_pb2.GetChartRequest(book="acme-main"), chart_pb2.GetChartResponse),
        "ChartService/ListChartChanges": (
            chart_pb2.ListChartChangesRequest(book="acme-main"),
            chart_pb2.ListChartChangesResponse,
        ),
        "ChartService/ListMisfits": (
            chart_pb2.ListMisfitsRequest(book="acme-main"),
            chart_pb2.ListMisfitsResponse,
        ),
        "ChartService/GetCodeBalances": (
            chart_pb2.GetCodeBalancesRequest(book="acme-main"),
            chart_pb2.GetCodeBalancesResponse,
        ),
        "EventService/ListMonitors": (events_pb2.ListMonitorsRequest(), events_pb2.ListMonitorsResponse),
        "ScheduleService/ListSchedules": (
            schedules_pb2.ListSchedulesRequest(),
            schedules_pb2.ListSchedulesResponse,
        ),
        "ReconciliationService/ListExceptions": (
            reconciliation_pb2.ListExceptionsRequest(page_size=200),
            reconciliation_pb2.ListExceptionsResponse,
        ),
        "ReconciliationService/ListMatches": (
            reconciliation_pb2.ListMatchesRequest(),
            reconciliation_pb2.ListMatchesResponse,
        ),
        "ReconciliationService/GetStatus": (
            reconciliation_pb2.GetStatusRequest(),
            reconciliation_pb2.GetStatusResponse,
        ),
    }
    for path, (request, reply) in lists.items():
        told = str(await node.ask(path, request, reply))
        assert ACME in told or "acme" in told, path
        assert BOLT not in told and "bank:" not in told, path


async def test_books_of_another_are_empty_or_unknown(node: Node) -> None:
    for book in ("bolt-main", "main", "none-at-all"):
        code, message = await node.refusal("ChartService/GetChart", chart_pb2.GetChartRequest(book=book))
        assert (code, message) == (StatusCode.NOT_FOUND, f"book '{book}' does not exist")
        request = chart_pb2.GetCodeBalancesRequest(book=book)
        assert not (await node.ask("ChartService/GetCodeBalances", request, chart_pb2.GetCodeBalancesResponse)).balances
    code, message = await node.refusal(
        "ChartService/ResolveAliases", chart_pb2.ResolveAliasesRequest(names=["@bolt:main"])
    )
    assert (code, message) == (StatusCode.NOT_FOUND, "alias '@bolt:main' stands for no account")


async def test_entries_show_as_far_as_they_are_his(node: Node) -> None:
    async def find(number: int) -> ledger_pb2.Entry:
        request = ledger_pb2.GetEntryRequest(idempotency_key=str(key(number)))
        return (await node.ask("LedgerService/GetEntry", request, ledger_pb2.GetEntryResponse)).entry

    assert len((await find(1000)).postings) == 2
    assert [posting.account for posting in (await find(CLEARED[ACME])).postings] == ["acme:alice"]
    for number in (2000, CLEARED[BOLT], SPANNING, 123456):
        request = ledger_pb2.GetEntryRequest(idempotency_key=str(key(number)))
        code, message = await node.refusal("LedgerService/GetEntry", request)
        assert (code, message) == (StatusCode.NOT_FOUND, f"entry {key(number)} does not exist")


async def test_sums_and_day_changes_are_his(node: Node) -> None:
    sums = await node.ask(
        "LedgerService/GetTrialBalance", ledger_pb2.GetTrialBalanceRequest(), ledger_pb2.GetTrialBalanceResponse
    )
    whole = await node.ask(
        "LedgerService/GetTrialBalance",
        ledger_pb2.GetTrialBalanceRequest(),
        ledger_pb2.GetTrialBalanceResponse,
        tenant=None,
    )
    assert sums.entry_count == 0 and whole.entry_count > 100
    assert {line.account_count for line in sums.lines} == {2, 3}
    at = await node.ask(
        "PeriodService/GetTrialBalanceAt", periods_pb2.GetTrialBalanceAtRequest(), periods_pb2.GetTrialBalanceAtResponse
    )
    assert list(at.lines) == list(sums.lines)
    changes = await node.ask(
        "LedgerService/ListDayChanges",
        ledger_pb2.ListDayChangesRequest(accounts=["acme:cash", "bolt:cash", "bank:clearing"]),
        ledger_pb2.ListDayChangesResponse,
    )
    assert {change.account for change in changes.changes} == {"acme:cash"}


# Posting --------------------------------------------------------------------------------------------------------------


async def test_postings_keep_within_the_tenants_books(node: Node) -> None:
    asked = [
        transfer_of(5001, "acme:cash", "acme:alice"),
        transfer_of(5002, "acme:cash", "bolt:alice"),
        transfer_of(5003, "bank:vault", "acme:alice"),
        transfer_of(5004, "acme:cash", "acme:nobody"),
        transfer_of(5005, "bank:clearing", "acme:alice"),
        transfer_of(5006, "bolt:cash", "bolt:alice"),
    ]
    expected = ["posted", "account_not_found", "account_not_found", "account_not_found", "posted", "account_not_found"]
    assert await codes(node, *asked, dry=True) == expected
    assert await codes(node, *asked) == expected
    taken = "exists_with_different_body"
    assert await codes(node, *asked, tenant=BOLT) == [taken, *["account_not_found"] * 3, taken, "posted"]
    assert await codes(node, transfer_of(5007, "acme:cash", "bolt:alice"), tenant=None) == ["posted"]


async def test_who_acts_for_a_tenant_is_on_record(node: Node) -> None:
    asked = [
        transfer_of(5101, "acme:cash", "acme:alice", actor="clerk-7"),
        transfer_of(5102, "acme:cash", "acme:alice"),
        transfer_of(5103, "acme:cash", "acme:alice", actor="bolt:clerk"),
    ]
    assert await codes(node, *asked) == ["posted"] * 3
    assert await codes(node, *asked) == ["exists"] * 3
    for number, actor in ((5101, "acme:clerk-7"), (5102, "acme:unnamed"), (5103, "acme:bolt:clerk")):
        entry = await node.books.find_entry(key(number))
        assert entry is not None and entry.actor == actor


async def test_a_tenant_takes_back_what_touches_nobody_else(node: Node) -> None:
    posted = await node.books.post_batch(
        [transfer(key(5201), "acme:cash", "bolt:alice", 5), transfer(key(5202), "acme:cash", "acme:alice", 5)]
    )
    asked = [transfer_of(5203 + n, "acme:alice", "acme:cash", reverses=result.seq) for n, result in enumerate(posted)]
    assert await codes(node, *asked, transfer_of(5209, "acme:alice", "acme:cash", reverses=10**9)) == [
        "entry_not_found", "posted", "entry_not_found",
    ]  # fmt: skip


async def test_no_account_is_shared_any_longer_once_the_organization_says_so(node: Node) -> None:
    share, reply = tenants_pb2.ShareAccountRequest, tenants_pb2.ShareAccountResponse
    path = "TenantService/ShareAccount"
    assert (await node.ask(path, share(account="bank:vault", shared=True, actor="x"), reply, tenant=None)).changed
    assert await codes(node, transfer_of(5301, "bank:vault", "acme:alice")) == ["posted"]
    shared = await node.ask(
        "TenantService/ListSharedAccounts",
        tenants_pb2.ListSharedAccountsRequest(),
        tenants_pb2.ListSharedAccountsResponse,
        tenant=None,
    )
    assert list(shared.accounts) == ["bank:clearing", "bank:vault"]
    assert (await node.ask(path, share(account="bank:vault", shared=False, actor="x"), reply, tenant=None)).changed
    assert not (await node.ask(path, share(account="bank:vault", actor="x"), reply, tenant=None)).changed
    assert await codes(node, transfer_of(5302, "bank:vault", "acme:alice")) == ["account_not_found"]
    assert (await node.refusal(path, share(account="none", shared=True, actor="x"), tenant=None))[0] == 5


# Holds ----------------------------------------------------------------------------------------------------------------


def hold_request(hold_id: uuid.UUID, account: str) -> ledger_pb2.PlaceHoldRequest:
    return ledger_pb2.PlaceHoldRequest(
        hold_id=str(hold_id), account=account, amount_minor="5", expires_at=Timestamp(seconds=4_000_000_000)
    )


async def test_holds_are_his_on_his_accounts(node: Node) -> None:
    async def place(number: int, account: str, tenant: str | None = ACME) -> tuple[str, bool]:
        request = hold_request(key(number), account)
        reply = await node.ask("LedgerService/PlaceHold", request, ledger_pb2.PlaceHoldResponse, tenant=tenant)
        return reply.code, reply.HasField("hold")

    async def release(hold_id: uuid.UUID, tenant: str | None = ACME) -> tuple[str, bool]:
        request = ledger_pb2.ReleaseHoldRequest(hold_id=str(hold_id))
        reply = await node.ask("LedgerService/ReleaseHold", request, ledger_pb2.ReleaseHoldResponse, tenant=tenant)
        return reply.code, reply.HasField("hold")

    async def capture(hold_id: uuid.UUID, number: int) -> tuple[str, bool]:
        request = ledger_pb2.CaptureHoldRequest(
            hold_id=str(hold_id), entry=transfer_of(number, "acme:alice", "acme:bob", "1")
        )
        reply = await node.ask("LedgerService/CaptureHold", request, ledger_pb2.CaptureHoldResponse)
        return reply.result.code, reply.HasField("hold")

    assert await place(5401, "acme:alice") == ("placed", True)
    for account in ("bolt:alice", "bank:vault", "bank:clearing", "acme:nobody"):
        assert await place(5402, account) == ("account_not_found", False)
    assert await place(5401, "bolt:alice", BOLT) == ("exists_with_different_body", False)
    assert await capture(key(5401), 5410) == ("posted", True)
    assert await release(key(5401), BOLT) == ("hold_not_found", False)
    assert await release(key(5401)) == ("released", True)
    # The organization's hold on his account he sees, and cannot lift.
    organizations, others = hold_of(ACME, by_tenant=False), hold_of(BOLT, by_tenant=True)
    assert await capture(organizations, 5411) == ("hold_not_found", True)
    assert await capture(others, 5412) == ("hold_not_found", False)
    assert (
        await release(organizations) == await release(others) == await release(key(5499)) == ("hold_not_found", False)
    )
    await node.books.place_hold(NewHold(key(5403), "acme:alice", 5, node.clock().replace(year=2099)))
    assert await release(key(5403)) == ("hold_not_found", False)
    # His own, placed with a writer before this one; it has expired since.
    assert await release(hold_of(ACME, by_tenant=True)) == ("hold_expired", True)


# Accounts and names ---------------------------------------------------------------------------------------------------


def opening(account: str, **more: Any) -> ledger_pb2.OpenAccountRequest:
    return ledger_pb2.OpenAccountRequest(
        **{"account": account, "asset": "EUR", "normal_side": ledger_pb2.SIDE_CREDIT, "book": "acme-main"} | more
    )


async def test_accounts_open_under_the_tenants_name_in_his_books(node: Node) -> None:
    path, reply = "LedgerService/OpenAccount", ledger_pb2.OpenAccountResponse
    opened = await node.ask(path, opening("acme:new", alias="@acme:new-one"), reply)
    assert opened.created and not (await node.ask(path, opening("acme:new", alias="@acme:new-one"), reply)).created
    for request, field in (
        (opening("bolt:alice"), "account"),
        (opening("anything"), "account"),
        (opening("acme"), "account"),
        (opening("acme:x", alias="@bolt:main"), "alias"),
        (opening("acme:x", alias="@x"), "alias"),
        (opening("acme:x", book="bolt-main"), "book"),
        (opening("acme:x", book="main"), "book"),
        (opening("acme:x", book="none"), "book"),
    ):
        code, message = await node.refusal(path, request)
        assert code is StatusCode.INVALID_ARGUMENT and message.startswith(field), message
    placed = await node.books.read(lambda connection: connection.execute(
        "SELECT opened_by FROM ledger.account_place JOIN ledger.account ON id = account_id WHERE reference = 'acme:new'"
    ).fetchall())  # fmt: skip
    assert placed == [("acme:unnamed",)]


async def test_aliases_are_his_or_not_touched(node: Node) -> None:
    path, reply = "ChartService/SetAlias", chart_pb2.SetAliasResponse

    def alias(name: str, account: str = "", **more: Any) -> chart_pb2.SetAliasRequest:
        return chart_pb2.SetAliasRequest(alias=name, account=account, actor="clerk", **more)

    assert (await node.ask(path, alias("@acme:bob", "acme:bob"), reply)).changed
    assert (await node.ask(path, alias("@acme:bob"), reply)).changed
    for name in ("@bolt:main", "@x"):
        for request in (alias(name, "acme:bob", move=True), alias(name)):
            assert (await node.refusal(path, request))[0] is StatusCode.INVALID_ARGUMENT
    # One the organization gave to an account that is not his.
    assert (await node.ask(path, alias("@acme:vault", "bank:vault"), reply, tenant=None)).changed
    for request in (alias("@acme:vault", "acme:bob", move=True), alias("@acme:vault")):
        assert (await node.refusal(path, request))[0] is StatusCode.ALREADY_EXISTS


# Monitors and schedules -----------------------------------------------------------------------------------------------


async def test_monitors_are_dropped_by_who_set_them(node: Node) -> None:
    path, reply = "EventService/DropMonitor", events_pb2.DropMonitorResponse

    def drop(monitor: uuid.UUID) -> events_pb2.DropMonitorRequest:
        return events_pb2.DropMonitorRequest(monitor_id=str(monitor))

    for foreign in (monitor_of(ACME, by_tenant=False), monitor_of(BOLT, by_tenant=True), key(5555)):
        assert (await node.refusal(path, drop(foreign)))[0] is StatusCode.NOT_FOUND
    assert (await node.ask(path, drop(monitor_of(ACME, by_tenant=True)), reply)).dropped
    assert (await node.ask(path, drop(monitor_of(BOLT, by_tenant=True)), reply, tenant=None)).dropped


async def test_schedules_are_changed_by_who_ordered_them(node: Node) -> None:
    def change(schedule: uuid.UUID) -> schedules_pb2.ChangeScheduleRequest:
        return schedules_pb2.ChangeScheduleRequest(
            schedule_id=str(schedule), change=schedules_pb2.SCHEDULE_CHANGE_CANCEL, actor="clerk"
        )

    path, reply = "ScheduleService/ChangeSchedule", schedules_pb2.ChangeScheduleResponse
    for foreign in (schedule_of(BOLT, by_tenant=True), key(5555)):
        code, message = await node.refusal(path, change(foreign))
        assert (code, message) == (StatusCode.NOT_FOUND, f"schedule {foreign} does not exist")
    code, message = await node.refusal(path, change(schedule_of(ACME, by_tenant=False)))
    assert code is StatusCode.ALREADY_EXISTS and "ordered by the organization" in message
    assert (await node.ask(path, change(schedule_of(ACME, by_tenant=True)), reply)).changed
    runs = schedules_pb2.ListRunsRequest(schedule_id=str(schedule_of(BOLT, by_tenant=True)))
    assert (await node.refusal("ScheduleService/ListRuns", runs))[0] is StatusCode.NOT_FOUND


async def test_a_schedule_keeps_within_the_books_its_tenant_has_when_it_is_due(node: Node) -> None:
    def order(number: int, debit: str, credit: str) -> schedules_pb2.CreateScheduleRequest:
        return schedules_pb2.CreateScheduleRequest(
            schedule=schedules_pb2.Schedule(
                schedule_id=str(key(number)),
                actor="clerk",
                postings=transfer_of(1, debit, credit).postings,
                rule=schedules_pb2.Recurrence(
                    start=f"{node.clock():%Y-%m-%dT%H:%M:%S}", zone="UTC", unit=schedules_pb2.RECURRENCE_UNIT_ONCE
                ),
            )
        )

    path, reply = "ScheduleService/CreateSchedule", schedules_pb2.CreateScheduleResponse
    for credit in ("bolt:alice", "bank:vault", "acme:nobody"):
        assert (await node.refusal(path, order(5600, "acme:cash", credit)))[0] is StatusCode.NOT_FOUND
    created = await node.ask(path, order(5601, "acme:cash", "bank:clearing"), reply)
    assert created.created and created.schedule.actor == "acme:clerk"
    share = tenants_pb2.ShareAccountRequest(account="bank:clearing", shared=False, actor="x")
    await node.ask("TenantService/ShareAccount", share, tenants_pb2.ShareAccountResponse, tenant=None)
    worker = ScheduleWorker(node.books, epoch=lambda: node.books.epoch, now=node.clock)
    node.clock.move(seconds=5)
    assert await worker.work_once() == 1
    assert [run.code for run in await node.books.read(list_runs, key(5601))] == ["account_not_found"]
    share.shared = True
    await node.ask("TenantService/ShareAccount", share, tenants_pb2.ShareAccountResponse, tenant=None)


# The outbox -----------------------------------------------------------------------------------------------------------


async def test_the_stream_tells_a_tenant_of_his_own_and_its_cursor_tells_no_more(node: Node) -> None:
    stream = node.client("EventService", "tenant:acme")._channel.server_stream(
        f"/{PACKAGE}.EventService/FollowOutbox", events_pb2.FollowOutboxRequest().SerializeToString(), 20.0
    )
    told: list[events_pb2.FollowOutboxResponse] = []

    async def listen() -> None:
        async for data in stream:
            told.append(events_pb2.FollowOutboxResponse.FromString(data))
            if '"amount_minor":"4242"' in told[-1].payload_json:
                return

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.2)
    await node.books.post_batch([transfer(key(5700 + n), "bolt:cash", "bolt:alice", 1) for n in range(20)])
    await asyncio.sleep(0.2)
    await node.books.post(transfer(key(5799), "acme:cash", "bolt:alice", 4242))
    await asyncio.wait_for(listening, 15)
    assert all(event.kind for event in told), "a cursor without an event tells how much others do"
    assert BOLT not in str(told) and "bank:" not in str(told)
    assert len(told) > 70


async def test_no_cursor_tells_a_tenant_how_far_the_books_have_come(node: Node) -> None:
    request = events_pb2.FollowOutboxRequest(cursor="1000000.0").SerializeToString()
    stream = node.client("EventService", "tenant:acme")._channel.server_stream(
        f"/{PACKAGE}.EventService/FollowOutbox", request, 20.0
    )
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 1)


async def test_one_tenant_cannot_take_all_streams(node: Node) -> None:
    client = node.client("EventService", "tenant:acme")
    path = f"/{PACKAGE}.EventService/FollowOutbox"
    request = events_pb2.FollowOutboxRequest().SerializeToString()
    streams = [client._channel.server_stream(path, request, 20.0) for _ in range(8)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(Exception, match="8 readers follow already"):
        await anext(client._channel.server_stream(path, request, 20.0))
    await anext(node.client("EventService", "tenant:bolt")._channel.server_stream(path, request, 20.0))


async def test_tenants_together_cannot_take_the_organizations_streams(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_service, "FOLLOWERS_MAX", 2)
    path = f"/{PACKAGE}.EventService/FollowOutbox"
    request = events_pb2.FollowOutboxRequest().SerializeToString()

    def follow(*units: str) -> AsyncIterator[bytes]:
        return node.client("EventService", *units)._channel.server_stream(path, request, 20.0)

    streams = [follow("tenant:acme"), follow("tenant:bolt")]
    for stream in streams:
        await anext(stream)
    with pytest.raises(Exception, match="readers follow already"):
        await anext(follow("tenant:acme"))
    streams += [follow(), follow()]
    for stream in streams[2:]:
        await anext(stream)
    with pytest.raises(Exception, match="2 readers follow already"):
        await anext(follow())


# The organization's decisions -----------------------------------------------------------------------------------------


async def test_tenants_are_managed_over_the_port(node: Node) -> None:
    async def ask(method: str, request: Message, reply: type[R]) -> R:
        return await node.ask(f"TenantService/{method}", request, reply, tenant=None)

    created = await ask("CreateTenant", tenants_pb2.CreateTenantRequest(tenant="core", actor="x"), _created)
    assert created.created
    await node.ask(
        "ChartService/OpenBook",
        chart_pb2.OpenBookRequest(book="core", actor="x"),
        chart_pb2.OpenBookResponse,
        tenant=None,
    )
    give = tenants_pb2.GiveBookRequest(book="core", tenant="core", actor="x")
    assert (await ask("GiveBook", give, tenants_pb2.GiveBookResponse)).changed
    assert not (await ask("GiveBook", give, tenants_pb2.GiveBookResponse)).changed
    listed = await ask("ListTenants", tenants_pb2.ListTenantsRequest(), tenants_pb2.ListTenantsResponse)
    assert [(item.tenant, list(item.books)) for item in listed.tenants] == [
        ("acme", ["acme-main"]), ("bolt", ["bolt-main"]), ("core", ["core"]),
    ]  # fmt: skip
    books = chart_pb2.ListBooksRequest()
    seen = await node.ask("ChartService/ListBooks", books, chart_pb2.ListBooksResponse, tenant="core")
    assert [book.book for book in seen.books] == ["core"]
    give.tenant = ""
    assert (await ask("GiveBook", give, tenants_pb2.GiveBookResponse)).changed
    assert not (await node.ask("ChartService/ListBooks", books, chart_pb2.ListBooksResponse, tenant="core")).books
    for method, request, code in (
        ("CreateTenant", tenants_pb2.CreateTenantRequest(tenant="No", actor="x"), StatusCode.INVALID_ARGUMENT),
        ("CreateTenant", tenants_pb2.CreateTenantRequest(tenant="ok"), StatusCode.INVALID_ARGUMENT),
        ("GiveBook", tenants_pb2.GiveBookRequest(book="none", tenant="acme", actor="x"), StatusCode.NOT_FOUND),
        (
            "GiveBook",
            tenants_pb2.GiveBookRequest(book="bolt-main", tenant="acme", actor="x"),
            StatusCode.ALREADY_EXISTS,
        ),
        ("BindLogin", tenants_pb2.BindLoginRequest(login="none", tenant="acme", actor="x"), StatusCode.NOT_FOUND),
        ("ListTenantChanges", tenants_pb2.ListTenantChangesRequest(page_token="x"), StatusCode.INVALID_ARGUMENT),
    ):
        assert (await node.refusal(f"TenantService/{method}", request, tenant=None))[0] is code, (method, request)
    first = await ask(
        "ListTenantChanges", tenants_pb2.ListTenantChangesRequest(page_size=2), tenants_pb2.ListTenantChangesResponse
    )
    rest = await ask(
        "ListTenantChanges",
        tenants_pb2.ListTenantChangesRequest(page_token=first.next_page_token),
        tenants_pb2.ListTenantChangesResponse,
    )
    assert [change.number for change in (*first.changes, *rest.changes)] == list(range(1, 3 + len(rest.changes)))


_created = tenants_pb2.CreateTenantResponse


async def test_the_books_stay_sound(node: Node) -> None:
    assert await node.books.verify() == []
