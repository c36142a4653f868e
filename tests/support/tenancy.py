"""Books of an organization with two tenants, each with everything that books can hold; every text of a tenant's has his
name in it, so that it is known wherever it turns up."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import psycopg

from ledger.account import NewAccount, Side, Terms
from ledger.balances import open_new_account
from ledger.chart import Chart, ChartRule
from ledger.hold import HoldRelease, NewHold
from ledger.journal import NewEntry, Posting, ResultCode, Scope, transfer
from ledger.metadata import set_alias, set_metadata
from ledger.monitor_store import set_monitor
from ledger.monitors import Field, Monitor, Operator
from ledger.posting import AccountTerms, Writer
from ledger.reconciliation.queue import Decision, ExceptionState, decide_exceptions, list_exceptions
from ledger.reconciliation.records import ExternalRecord, ExternalStatement, StatementFile
from ledger.reconciliation.rules import STANDARD_RULES
from ledger.reconciliation.store import import_statement_file, run_reconciliation
from ledger.recurrence import Recurrence, Unit
from ledger.schedule import Schedule, Template, skipped
from ledger.schedule_store import change_schedule, create_schedule, find_schedule, record_runs
from ledger.structure import define_chart, open_book, open_portfolio, open_segment, place_account
from ledger.tenants import bind_login, create_tenant, find_scope, give_book, seen_by, share_account
from tests.support.books import START, Clock, key, open_writer

Connection = psycopg.Connection[Any]

ACME, BOLT = "acme", "bolt"
TENANTS = (ACME, BOLT)
OPERATOR: dict[str, Any] = {"actor": "operator", "now": START}
SPANNING, CLEARED = 900, {ACME: 901, BOLT: 902}
"""Keys of the entry that touches both tenants, and of each tenant's entry with the shared account."""

_FIRST_KEY = {ACME: 1000, BOLT: 2000}
_NEVER_NOW = START + timedelta(days=2)


def hold_of(tenant: str, *, by_tenant: bool) -> uuid.UUID:
    """A hold on the tenant's account, placed by him or by the organization."""
    return key(_FIRST_KEY[tenant] + (800 if by_tenant else 801))


def monitor_of(tenant: str, *, by_tenant: bool) -> uuid.UUID:
    """A monitor of the tenant's account, set by him or by the organization."""
    return key(_FIRST_KEY[tenant] + (810 if by_tenant else 811))


def schedule_of(tenant: str, *, by_tenant: bool) -> uuid.UUID:
    """A schedule on the tenant's accounts, ordered by him or by the organization."""
    return key(_FIRST_KEY[tenant] + (820 if by_tenant else 821))


def scope_of(connection: Connection, tenant: str) -> Scope:
    """What requests of a tenant keep within."""
    scope = find_scope(connection, tenant)
    assert scope is not None
    return scope


def fill(url: str) -> None:
    """Make the books."""
    clock = Clock()
    with open_writer(url, clock) as writer, psycopg.connect(url, autocommit=True) as connection:
        for tenant in TENANTS:
            create_tenant(connection, tenant, **OPERATOR)
            open_book(connection, f"{tenant}-main", **OPERATOR)
            give_book(connection, f"{tenant}-main", tenant, **OPERATOR)
        for reference in ("bank:clearing", "bank:vault"):
            open_new_account(connection, NewAccount(reference, "EUR", Side.DEBIT, Terms()), now=START)
        assert share_account(writer.run, "bank:clearing", shared=True, **OPERATOR)
        for tenant in TENANTS:
            _open_accounts(connection, tenant)
        for tenant in TENANTS:
            _post(writer, scope_of(connection, tenant), clock, tenant)
            _ask_for(writer, connection, tenant)
            _reconcile(connection, tenant)
        both = transfer(key(SPANNING), "acme:alice", "bolt:alice", 77, description="from one tenant to another")
        assert [result.code for result in writer.post([both])] == [ResultCode.POSTED]


def _open_accounts(connection: Connection, tenant: str) -> None:
    by: dict[str, Any] = {"actor": f"{tenant}:clerk", "now": START}
    book = f"{tenant}-main"
    open_portfolio(connection, book, f"{tenant}-branch", **by)
    open_segment(connection, book, f"{tenant}-people", **by)
    patterns = ((f"{tenant}:cash", Side.DEBIT), (f"{tenant}:*", Side.CREDIT), ("alike:*", Side.CREDIT))
    rules = tuple(ChartRule(pattern, side, negative=True) for pattern, side in patterns)
    define_chart(connection, Chart(book, rules), **by)
    for name, asset, side in (
        ("cash", "EUR", Side.DEBIT),
        ("alice", "EUR", Side.CREDIT),
        ("bob", "EUR", Side.CREDIT),
        ("taro", "JPY", Side.CREDIT),
        ("yen", "JPY", Side.DEBIT),
    ):
        more: dict[str, Any] = {"book": book, "metadata": {"owner": f"{tenant}-{name}"}}
        new = NewAccount(f"{tenant}:{name}", asset, side, Terms(), stripes=2 if name == "taro" else 0, **more)
        open_new_account(connection, new, now=START, actor=f"{tenant}:clerk")
    set_metadata(connection, f"{tenant}:alice", {"owner": f"{tenant}-other"}, **by)
    set_alias(connection, f"@{tenant}:main", f"{tenant}:alice", **by)
    set_alias(connection, f"@{tenant}:main", f"{tenant}:bob", move=True, **by)
    place_account(connection, f"{tenant}:alice", portfolio=f"{tenant}-branch", segment=f"{tenant}-people", **by)


def _post(writer: Writer, scope: Scope, clock: Clock, tenant: str) -> None:
    keys = iter(range(_FIRST_KEY[tenant], _FIRST_KEY[tenant] + 500))
    cash, alice, bob = f"{tenant}:cash", f"{tenant}:alice", f"{tenant}:bob"

    odd = 0 if tenant == ACME else 5000

    def post(*entries: NewEntry) -> list[int]:
        clock.move(seconds=1)
        results = writer.post(entries)
        assert [result.code for result in results] == [ResultCode.POSTED] * len(results)
        return [result.seq for result in results]

    post(*(transfer(key(next(keys)), cash, alice if n % 2 else bob, odd + 1000 + n, scope=scope) for n in range(70)))
    three = (Posting(alice, Side.DEBIT, 7), Posting(bob, Side.CREDIT, 5), Posting(cash, Side.CREDIT, 2))
    two_assets = (
        Posting(cash, Side.DEBIT, 11),
        Posting(alice, Side.CREDIT, 11),
        Posting(f"{tenant}:yen", Side.DEBIT, 1900),
        Posting(f"{tenant}:taro", Side.CREDIT, 1900),
    )
    post(NewEntry(key(next(keys)), three, actor=f"{tenant}:clerk", settlement_id=f"{tenant}-s1"))
    post(NewEntry(key(next(keys)), two_assets))
    texts = {"description": f"rent of {tenant}", "metadata": (("invoice", f"{tenant}-4711"),)}
    (told,) = post(transfer(key(next(keys)), cash, alice, 9, effective_at=START - timedelta(days=3), **texts))
    post(transfer(key(next(keys)), alice, cash, 4, reverses=told))
    post(transfer(key(next(keys)), alice, bob, 5, linked=True), transfer(key(next(keys)), bob, alice, 2))
    cleared = transfer(
        key(CLEARED[tenant]), "bank:clearing", alice, 50, scope=scope, description=f"payment of {tenant}"
    )
    post(cleared)
    terms = AccountTerms("open", -(10**9), 0, 10**12)
    assert writer.set_account_terms(bob, terms, f"{tenant}:clerk") == "changed"


def _ask_for(writer: Writer, connection: Connection, tenant: str) -> None:
    """Hold, watch and order, as the tenant and as the organization on his accounts."""
    scope = scope_of(connection, tenant)
    alice, bob = f"{tenant}:alice", f"{tenant}:bob"
    for by_tenant in (True, False):
        own = scope if by_tenant else None
        number = scope.tenant if by_tenant else None
        hold = NewHold(hold_of(tenant, by_tenant=by_tenant), alice, _FIRST_KEY[tenant] // 2, _NEVER_NOW, scope=own)
        freed = key(hold.id.int + 30)
        results = writer.post([hold, NewHold(freed, alice, 5, _NEVER_NOW, scope=own), HoldRelease(freed, scope=own)])
        assert {result.code for result in results} == {ResultCode.POSTED}
        monitor = Monitor(monitor_of(tenant, by_tenant=by_tenant), bob, Field.BALANCE, Operator.AT_LEAST, 10**6)
        assert set_monitor(writer.run, monitor, START, number) == "created"
        template = Template(
            (Posting(alice, Side.DEBIT, 5), Posting(bob, Side.CREDIT, 5)), description=f"rent of {tenant}"
        )
        rule = Recurrence(START.replace(tzinfo=None), "UTC", Unit.DAY, count=3)
        schedule = Schedule(schedule_of(tenant, by_tenant=by_tenant), f"{tenant}:clerk", template, rule)
        kept, _ = create_schedule(connection, schedule, START, tenant=number)
        assert record_runs(connection, writer.epoch, [(schedule, *skipped(schedule, kept.state, START))]) == [True]
        assert change_schedule(connection, schedule.id, "pause", actor=f"{tenant}:clerk", now=START)
        assert find_schedule(connection, schedule.id).schedule == schedule


def _reconcile(connection: Connection, tenant: str) -> None:
    day, odd = date(2026, 3, 2), 0 if tenant == ACME else 5000
    records = tuple(
        ExternalRecord(f"r{n}", n, change, day, day, (f"{tenant}-ref",), f"party of {tenant}")
        for n, change in ((1, odd + 1001), (2, 31337))
    )
    statement = ExternalStatement(
        account=f"{tenant}:cash", asset="EUR", reference=f"{tenant}-march", first_day=day, last_day=day, opening=0,
        closing=sum(record.change for record in records), records=records,
    )  # fmt: skip
    file = StatementFile(hashlib.sha256(tenant.encode()).digest(), "camt.053", (statement,))
    import_statement_file(connection, file, **OPERATOR)
    done = run_reconciliation(connection, STANDARD_RULES, accounts=[f"{tenant}:cash"], **OPERATOR)
    assert done.matched
    (item,) = [
        found
        for found in list_exceptions(connection, account=f"{tenant}:cash", count_max=500)
        if found.difference == 31337
    ]
    decide_exceptions(connection, [item.id], Decision.EXPLAINED, reason=f"{tenant} knows", **OPERATOR)
    assert list_exceptions(connection, account=f"{tenant}:cash", states=[ExceptionState.EXPLAINED])


@contextmanager
def acting_for(url: str, tenant: str) -> Iterator[Connection]:
    """A connection of the application that sees what a tenant sees."""
    with psycopg.connect(url, autocommit=True) as connection, seen_by(connection, tenant):
        yield connection


def make_login(connection: Connection, name: str, tenant: str | None, *, password: str = "secret") -> None:
    """Make a login of the kind that tenants get, bound to a tenant or to none."""
    connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE dwaybank_tenant".encode())
    if tenant is not None:
        assert bind_login(connection, name, tenant, **OPERATOR)
