"""A bank's node as it runs, with the database role it runs with: it offers every service of the books and names them,
and posts what was ordered. What each service does is tested beside it."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grpc_reflection.v1alpha import reflection_pb2

from network.pb.dwaybank.ledger.v1 import (
    chart_pb2,
    currencies_pb2,
    ledger_pb2,
    reconciliation_pb2,
    schedules_pb2,
)
from node.own_node import OwnNode
from tests.support.command_line import invoke
from tests.support.consortium import RunningConsortium

PACKAGE = "dwaybank.ledger.v1"
SERVICES = ("LedgerService", "PeriodService", "EventService", "ScheduleService", "ChartService", "CurrencyService")
RECONCILIATION = f"{PACKAGE}.ReconciliationService"
STATEMENTS = Path(__file__).resolve().parents[2] / "fixtures" / "statements"
DEBIT, CREDIT = ledger_pb2.SIDE_DEBIT, ledger_pb2.SIDE_CREDIT
POSTED_WITHIN_S = 30.0


async def test_node_names_every_service_of_the_books(consortium: RunningConsortium) -> None:
    async with consortium.node(consortium.bank) as node:
        asked = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
        path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        replies = node.channel.bidi(path, _once(asked), 10)
        async for data in replies:
            listed = reflection_pb2.ServerReflectionResponse.FromString(data).list_services_response.service
            break
    names = {service.name for service in listed}
    assert {f"{PACKAGE}.{name}" for name in SERVICES} | {RECONCILIATION} <= names


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_node_posts_what_was_ordered(consortium: RunningConsortium) -> None:
    bank = consortium.bank
    payer, payee = f"payer-{uuid.uuid4().hex[:8]}", f"payee-{uuid.uuid4().hex[:8]}"
    for account in (payer, payee):
        await consortium.open_account(bank, account)
    await consortium.deposit(bank, payer, 900)
    order = schedules_pb2.Schedule(
        schedule_id=str(uuid.uuid4()),
        actor="clerk-7",
        postings=[
            ledger_pb2.Posting(account=payer, side=DEBIT, amount_minor="400"),
            ledger_pb2.Posting(account=payee, side=CREDIT, amount_minor="400"),
        ],
        rule=schedules_pb2.Recurrence(
            start=(datetime.now(UTC) - timedelta(days=1)).replace(tzinfo=None, microsecond=0).isoformat(),
            zone="UTC",
            unit=schedules_pb2.RECURRENCE_UNIT_DAY,
            count=2,
        ),
    )
    request = schedules_pb2.ListRunsRequest(schedule_id=order.schedule_id)
    service, deadline = f"{PACKAGE}.ScheduleService", time.monotonic() + POSTED_WITHIN_S
    async with consortium.node(bank) as node:
        create = schedules_pb2.CreateScheduleRequest(schedule=order)
        await node.call(service, "CreateSchedule", create, schedules_pb2.CreateScheduleResponse)
        while True:
            runs = (await node.call(service, "ListRuns", request, schedules_pb2.ListRunsResponse)).runs
            if len(runs) == 2 or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
    assert [(run.number, run.code) for run in runs] == [(1, "posted"), (2, "posted")]
    assert (await consortium.account(bank, payee)).balance_minor == "800"


async def test_node_writes_chart_rates_and_statements_with_its_own_role(consortium: RunningConsortium) -> None:
    async with consortium.node(consortium.bank) as node:
        await _define_chart(node)
        await _record_rate(node)
        await _reconcile(consortium, node)


async def _define_chart(node: OwnNode) -> None:
    service, book = f"{PACKAGE}.ChartService", f"book-{uuid.uuid4().hex[:8]}"
    opening = chart_pb2.OpenBookRequest(book=book, actor="clerk-7")
    assert (await node.call(service, "OpenBook", opening, chart_pb2.OpenBookResponse)).created
    rules = [chart_pb2.ChartRule(pattern=f"{book}:*", normal_side=CREDIT, floor_minor="0")]
    chart = chart_pb2.Chart(book=book, rules=rules, enforced=True)
    define = chart_pb2.DefineChartRequest(chart=chart, actor="clerk-7")
    assert (await node.call(service, "DefineChart", define, chart_pb2.DefineChartResponse)).version == 2
    account = ledger_pb2.OpenAccountRequest(
        account=f"{book}:1", asset="EUR", book=book, by_chart=True, alias=f"@{book}"
    )
    opened = await node.call(f"{PACKAGE}.LedgerService", "OpenAccount", account, ledger_pb2.OpenAccountResponse)
    assert opened.created and opened.account.floor_minor == "0"
    names = chart_pb2.ResolveAliasesRequest(names=[f"@{book}"])
    found = await node.call(service, "ResolveAliases", names, chart_pb2.ResolveAliasesResponse)
    assert list(found.accounts) == [f"{book}:1"]


async def _record_rate(node: OwnNode) -> None:
    service = f"{PACKAGE}.CurrencyService"
    rate = currencies_pb2.Rate(base="EUR", quote="USD", rate="1.0843", source=uuid.uuid4().hex)
    rate.quoted_at.FromDatetime(datetime(2026, 3, 2, tzinfo=UTC))
    record = currencies_pb2.RecordRateRequest(rate=rate, actor="rate-feed")
    assert (await node.call(service, "RecordRate", record, currencies_pb2.RecordRateResponse)).created
    chosen = currencies_pb2.RateChoice(base="EUR", quote="USD", source=rate.source, at=rate.quoted_at)
    asked = currencies_pb2.GetRateRequest(choice=chosen)
    assert (await node.call(service, "GetRate", asked, currencies_pb2.GetRateResponse)).rate == rate


async def _reconcile(consortium: RunningConsortium, node: OwnNode) -> None:
    for code in ("EUR", "JPY"):
        request = ledger_pb2.OpenAccountRequest(account=f"nostro-{code}", asset=code, normal_side=DEBIT)
        await node.call(f"{PACKAGE}.LedgerService", "OpenAccount", request, ledger_pb2.OpenAccountResponse)
    file = reconciliation_pb2.ImportStatementRequest(
        file=(STATEMENTS / "correspondent-2026-03.mt940").read_bytes(),
        settings=(STATEMENTS / "correspondent.yaml").read_text(encoding="utf-8"),
        actor="treasury",
    )
    await node.call(RECONCILIATION, "ImportStatement", file, reconciliation_pb2.ImportStatementResponse)
    run = reconciliation_pb2.RunRequest(accounts=["nostro-EUR"], actor="treasury")
    await node.call(RECONCILIATION, "Run", run, reconciliation_pb2.RunResponse)
    asked = reconciliation_pb2.GetStatusRequest(account="nostro-EUR")
    status = await node.call(RECONCILIATION, "GetStatus", asked, reconciliation_pb2.GetStatusResponse)
    assert [(item.account, item.open > 0) for item in status.accounts] == [("nostro-EUR", True)]


def command(consortium: RunningConsortium, *words: str) -> str:
    done = invoke([*words, "--home", str(consortium.root)])
    assert done.exit_code == 0, done.output
    return done.output


def test_command_line_exchanges_and_revalues_at_a_rate_on_record(consortium: RunningConsortium) -> None:
    mine, source = f"fx{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    sides = {"debit": ("usd-counter", "usd-revaluation", "loss"), "credit": ("ann-eur", "ann-usd", "eur", "gain")}
    for side, names in sides.items():
        for name in names:
            asset = "EUR" if name in ("ann-eur", "eur") else "USD"
            opening = ("account", "open", f"{mine}:{name}", "--asset", asset, "--normal-side", side)
            command(consortium, *opening, "--floor-minor", "")
    for text, moment in (("1.0843", "2026-03-02T15:00:00Z"), ("1.09", "2026-03-03T15:00:00Z")):
        command(consortium, "rate", "record", "EUR/USD", text, "--source", source, "--quoted-at", moment)
    legs = ("--debit", f"{mine}:ann-eur", "--debit-position", f"{mine}:eur", "--credit", f"{mine}:ann-usd")
    chosen = ("EUR/USD", "--source", source, "--at", "2026-03-02T16:00:00Z", "--amount", "100.00", "--given", "EUR")
    exchange = ("rate", "exchange", *chosen, *legs, "--credit-position", f"{mine}:usd-counter")
    assert command(consortium, *exchange, "--dry-run").splitlines()[-1] == "nothing was posted: a dry run"
    told = [line.split() for line in command(consortium, *exchange).splitlines()]
    assert told[0][:4] == ["at", "1.0843", "EUR/USD", "of"]
    assert [(side, int(amount)) for side, _, amount, *_ in told[1:5]] == [
        ("debit", 10000), ("credit", 10000), ("debit", 10843), ("credit", 10843)
    ]  # fmt: skip
    closing = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    accounts = {"account": "eur", "counter": "usd-counter", "revaluation": "usd-revaluation"}
    accounts |= {"gain": "gain", "loss": "loss"}
    position = [word for name, account in accounts.items() for word in (f"--{name}", f"{mine}:{account}")]
    revalue = ("rate", "revalue", "EUR/USD", "--source", source, "--at", closing, "--on", closing[:10], *position)
    assert "57 minor units" in command(consortium, *revalue)
    assert "stands at its value already: 10900 minor units" in command(consortium, *revalue)


def test_command_line_opens_an_account_by_the_chart_through_the_node(consortium: RunningConsortium) -> None:
    book = f"book-{uuid.uuid4().hex[:8]}"
    chart = consortium.root.parent / "chart.yaml"
    chart.write_text(f"book: {book}\nenforced: true\nrules:\n- {{pattern: '{book}:*', normal_side: credit}}\n")
    command(consortium, "chart", "open-book", book)
    command(consortium, "chart", "define", str(chart))
    opening = ("account", "open", f"{book}:1", "--by-chart", "--book", book, "--alias", f"@{book}", "--actor")
    assert command(consortium, *opening, "clerk-7") == f"{book}:1: opened\n"
    assert command(consortium, *opening, "clerk-8") == f"{book}:1: was open already\n"
    assert f"@{book}" in command(consortium, "chart", "find", "--book", book)


async def test_clerk_holds_captures_takes_back_and_freezes_on_the_command_line(consortium: RunningConsortium) -> None:
    bank = consortium.bank
    payer, payee = f"payer-{uuid.uuid4().hex[:8]}", f"payee-{uuid.uuid4().hex[:8]}"
    for account in (payer, payee):
        await consortium.open_account(bank, account)
    await consortium.deposit(bank, payer, 900)
    where = ("--home", str(consortium.root))

    def run(*arguments: str) -> str:
        done = invoke([*arguments, *where], catch_exceptions=True)
        return done.output if done.exit_code == 0 else f"refused: {done.exception}"

    hold, pay = str(uuid.uuid4()), ("post", "--debit", payer, "--credit", payee)
    assert "placed: hold" in await asyncio.to_thread(
        run, "hold", "place", payer, "8.00", "--until", "2199-12-31", "--id", hold
    )
    assert "exceeds_available" in await asyncio.to_thread(run, *pay, "--amount", "2.00")
    assert "would be posted" in await asyncio.to_thread(run, *pay, "--amount", "3.00", "--hold", hold, "--dry-run")
    captured = await asyncio.to_thread(run, *pay, "--amount", "3.00", "--hold", hold, "--meta", "order=7")
    seq = captured.split("entry ")[1].split(",")[0]
    assert "released: hold" in await asyncio.to_thread(run, "hold", "release", hold)
    back = ("post", "--debit", payee, "--credit", payer, "--reverses", seq)
    assert "exceeds_original" in await asyncio.to_thread(run, *back, "--amount", "3.01")
    assert "posted: entry" in await asyncio.to_thread(run, *back, "--amount", "3.00")
    assert "balance 9.00 EUR, held 0.00" in await asyncio.to_thread(run, "balance", payer)
    terms = ("account", "terms", payer)
    assert "below_floor" in await asyncio.to_thread(run, *terms, "--floor", "9.01")
    assert "--ceiling ''" in await asyncio.to_thread(run, *terms, "--ceiling", "")
    changed = await asyncio.to_thread(run, *terms, "--status", "frozen", "--floor", "0", "--overdraft", "5.00")
    assert f"changed: {payer} is frozen, floor 0.00 EUR, overdraft 5.00 EUR, ceiling none" in changed
    fees, vault = f"fees-{uuid.uuid4().hex[:8]}", f"vault-{uuid.uuid4().hex[:8]}"
    assert "opened" in await asyncio.to_thread(run, "account", "open", fees, "--stripes", "8")
    own = ("account", "open", vault, "--normal-side", "debit", "--floor-minor", "", "--stripes", "2")
    assert "opened" in await asyncio.to_thread(run, *own)
    for cents in (1, 2, 3):
        amount = ("--amount", f"0.0{cents}")
        assert "posted" in await asyncio.to_thread(run, "post", "--debit", vault, "--credit", fees, *amount)
    assert "balance 0.06 EUR" in await asyncio.to_thread(run, "balance", fees)
    assert (await asyncio.to_thread(run, "account", "list", fees)).count(fees) == 1
    balances = [line.split()[-2] for line in (await asyncio.to_thread(run, "statement", fees)).splitlines()]
    assert balances == ["0.06", "0.03", "0.01"]
    key = str(uuid.uuid4())
    assert "account_frozen" in await asyncio.to_thread(run, *pay, "--amount", "1.00", "--key", key)
    told = await asyncio.to_thread(run, "ledger", "refusals", "--code", "account_frozen", "--key", key)
    assert re.fullmatch(rf"20\S+ \S+  refusal +\d+  after entry +\d+  entry   {key}  account_frozen\n", told), told
    listed = ("ledger", "refusals", "--limit", "2", "--json", "--from", "2026-01-01")
    newest, before = map(json.loads, (await asyncio.to_thread(run, *listed)).splitlines())
    assert (newest["key"], newest["code"]) == (key, "account_frozen")
    assert (before["code"], int(newest["number"]) - int(before["number"])) == ("exceeds_original", 1)
    assert await asyncio.to_thread(run, "ledger", "refusals", "--to", "2020-01-01") == ""
    assert "give one of account_closed" in await asyncio.to_thread(run, "ledger", "refusals", "--code", "posted")
