"""Striped accounts on a real PostgreSQL: to callers like any other, underneath a row and a chain for each stripe.

What any account answers is compared with the model in tests/property/test_ledger_machine.py; here stands what is
special: which rows move, what a leaf names, pages of the merged statement, what is refused, and what nobody may do.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ledger.account import Account, NewAccount, Side, Terms
from ledger.audit import recompute_leaves, verify_books
from ledger.balances import find_account, list_accounts, open_new_account, trial_balance
from ledger.balances_in_time import balance_at, trial_balance_at
from ledger.canonical import decode_entry
from ledger.chart import Chart, ChartRule
from ledger.errors import ConflictError, InvalidValueError, StaleCopyError
from ledger.hold import NewHold
from ledger.journal import NewEntry, Posting, transfer
from ledger.money import AMOUNT_MAX
from ledger.posting import AccountTerms, Writer
from ledger.reconciliation import day_changes
from ledger.rows import disclose
from ledger.statements import StatementLine, effect_page, find_entry, statement_lines, statement_page
from ledger.structure import code_balances, define_chart, list_misfits
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as pb
from network.rpc import StatusCode
from node.books.ledger_service import SERVICE, LedgerService
from tests.support.books import START, Clock, key, new_writer, open_accounts, open_writer, verify
from tests.support.own_service import open_books, open_port

ACCOUNTS = "cash EUR debit -\nalice EUR credit 0\n"
FOUR = NewAccount("busy", "EUR", Side.CREDIT, Terms(0), stripes=4)


@dataclass
class Bench:
    writer: Writer
    connection: psycopg.Connection[tuple[Any, ...]]
    clock: Clock
    url: str

    def post(self, *entries: NewEntry) -> list[str]:
        return [result.code.text for result in self.writer.post(entries)]

    def stripes(self) -> list[int]:
        rows = self.connection.execute("SELECT balance FROM ledger.account WHERE stripe_of IS NOT NULL ORDER BY id")
        return [balance for (balance,) in rows]  # type: ignore[misc]

    def busy(self) -> Account:
        return find_account(self.connection, "busy")


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    clock = Clock()
    with (
        open_writer(database_url, clock) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, ACCOUNTS)
        assert open_new_account(connection, FOUR, now=START)[1]
        yield Bench(writer, connection, clock, database_url)
        assert verify_books(connection, verify) == []
        assert all(leaf.covered and leaf.unchanged for leaf in recompute_leaves(connection, verify))


def fill(bench: Bench) -> None:
    """40, 41, 42 and 43 on the stripes."""
    entries = [transfer(key(number), "cash", "busy", 40 + number % 4) for number in range(4, 8)]
    assert bench.post(*entries) == ["posted"] * 4
    assert bench.stripes() == [40, 41, 42, 43]


def test_opened_once_with_its_stripes_and_not_otherwise(bench: Bench) -> None:
    account, created = open_new_account(bench.connection, FOUR, now=START)
    assert (created, account.stripes, account.balance) == (False, 4, 0)
    for other in (
        NewAccount("busy", "EUR", Side.CREDIT, Terms(0)),
        NewAccount("busy", "EUR", Side.CREDIT, Terms(0), stripes=5),
        NewAccount("alice", "EUR", Side.CREDIT, Terms(0), stripes=2),
    ):
        with pytest.raises(ConflictError):
            open_new_account(bench.connection, other, now=START)
    assert [account.facts.reference for account in list_accounts(bench.connection)] == ["alice", "busy", "cash"]
    stripes = bench.connection.execute("SELECT reference, floor FROM ledger.account WHERE stripe_of IS NOT NULL")
    assert stripes.fetchall() == [(f"busy#0{number}", 0) for number in range(1, 5)]


@pytest.mark.parametrize(
    ("change", "account"),
    [
        ("normal_side = 1 WHERE reference = 'busy'", "busy"),
        ("asset_id = (SELECT id FROM ledger.asset WHERE code = 'JPY') WHERE reference = 'busy'", "busy"),
        ("floor = NULL WHERE reference = 'busy'", "busy"),
        ("reference = 'busier' WHERE reference = 'busy'", "busier"),
        ("shared = true WHERE reference = 'busy'", "busy"),
        ("stripes = 5 WHERE reference = 'busy'", "busy"),
        ("stripe_of = (SELECT id FROM ledger.account WHERE reference = 'alice') WHERE reference = 'busy#04'", "alice"),
        ("stripe_of = NULL, reference = 'other' WHERE reference = 'busy#04'", "busy"),
    ],
)
def test_verify_tells_of_an_account_that_is_not_as_its_stripes_are(bench: Bench, change: str, account: str) -> None:
    """It has no postings of its own: no leaf names its asset, its side or its name."""
    fill(bench)
    run = bench.connection.execute
    run("SET session_replication_role = replica")
    run("CREATE TEMPORARY TABLE kept AS SELECT * FROM ledger.account")
    run(f"UPDATE ledger.account SET {change}".encode())
    found = [f"{finding.subject}: {finding.problem}" for finding in verify_books(bench.connection, verify)]
    assert f"account {account}: and its stripes are not alike, or not as many as it says" in found
    run(
        "UPDATE ledger.account SET reference = kept.reference, asset_id = kept.asset_id, floor = kept.floor,"
        " normal_side = kept.normal_side, shared = kept.shared, stripes = kept.stripes, stripe_of = kept.stripe_of"
        " FROM kept WHERE kept.id = account.id"
    )
    run("RESET session_replication_role")


def test_only_stripes_move_and_the_leaf_names_them(bench: Bench) -> None:
    fill(bench)
    assert bench.post(transfer(key(9), "busy", "alice", 100)) == ["posted"]
    assert bench.stripes() == [40, 0, 0, 26]
    row = bench.connection.execute("SELECT balance, last_seq FROM ledger.account WHERE reference = 'busy'").fetchone()
    assert row == (0, 0)
    postings = decode_entry(disclose(bench.connection, 5).canonical).postings
    told = [(posting.account, posting.side.name, posting.amount) for posting in postings]
    assert told == [
        ("busy#02", "DEBIT", 41), ("busy#03", "DEBIT", 42), ("busy#04", "DEBIT", 17), ("alice", "CREDIT", 100),
    ]  # fmt: skip
    found = find_entry(bench.connection, key(9))
    assert [posting.account for posting in found.postings] == ["busy#02", "busy#03", "busy#04", "alice"]
    assert (bench.busy().balance, bench.busy().posting_count) == (66, 7)


def test_refused_only_where_the_sum_does_not_suffice(bench: Bench) -> None:
    fill(bench)
    assert bench.post(transfer(key(9), "busy", "alice", 167)) == ["exceeds_available"]
    assert bench.post(transfer(key(9), "busy", "alice", 166), transfer(key(10), "busy", "alice", 1)) == [
        "posted",
        "exceeds_available",
    ]
    assert bench.stripes() == [0, 0, 0, 0]
    assert bench.post(transfer(key(11), "cash", "busy", AMOUNT_MAX)) == ["balance_overflow"]


def test_repeats_are_told_by_what_was_asked_not_by_where_it_stands(bench: Bench) -> None:
    fill(bench)
    divided = transfer(key(9), "busy", "alice", 100, description="rent")
    bench.post(divided)
    for forgotten in (False, True):
        if forgotten:
            bench.writer.forget()
        assert bench.post(divided) == ["exists"]
        assert bench.post(transfer(key(9), "busy", "alice", 99)) == ["exists_with_different_body"]
        assert bench.post(transfer(key(5), "cash", "busy", 41)) == ["exists"]
        assert bench.post(transfer(key(5), "cash", "busy", 42)) == ["exists_with_different_body"]


def test_many_at_once_stand_on_the_stripes_of_their_keys_and_are_known_again(bench: Bench) -> None:
    many = [transfer(key(number), "cash", "busy", number) for number in range(1, 81)]
    few = [transfer(key(900 + number), "busy", "alice", 800 + number) for number in range(3)]
    assert bench.post(*many[:50], *few, *many[50:]) == ["posted"] * 50 + [
        "posted", "exceeds_available", "exceeds_available",
    ] + ["posted"] * 30  # fmt: skip
    assert bench.busy().balance == sum(range(1, 81)) - 800 == sum(bench.stripes())
    told = bench.connection.execute("SELECT count(*) FROM ledger.entry WHERE request_hash IS NULL").fetchone()
    # All in columns but the divided one, and the one that binds what was refused before it.
    assert told == (79,)
    for forgotten in (False, True):
        if forgotten:
            bench.writer.forget()
        assert set(bench.post(*many)) == {"exists"}
    other = [transfer(entry.key, "cash", "busy", 1 + number) for number, entry in enumerate(many[10:40])]
    assert set(bench.post(*other)) == {"exists_with_different_body"}


def test_a_stripe_is_nobodys_to_name(bench: Bench) -> None:
    assert bench.post(NewEntry(key(1), (Posting("cash", Side.DEBIT, 1), Posting("busy#01", Side.CREDIT, 1)))) == [
        "account_not_found"
    ]
    with pytest.raises(InvalidValueError):
        NewAccount("busy#01", "EUR", Side.CREDIT, Terms(0))
    with pytest.raises(psycopg.errors.CheckViolation):
        bench.connection.execute(
            "INSERT INTO ledger.account (reference, asset_id, normal_side, opened_at) VALUES ('x#01', 1, 1, now())"
        )


def test_linked_dry_and_reversed_entries_leave_stripes_as_they_must(bench: Bench) -> None:
    fill(bench)
    chain = [transfer(key(9), "busy", "alice", 90, linked=True), transfer(key(10), "busy", "alice", 90)]
    assert bench.post(*chain) == ["linked_failed", "exceeds_available"]
    assert bench.stripes() == [40, 41, 42, 43]
    assert [result.code.text for result in bench.writer.dry_run([transfer(key(9), "busy", "alice", 90)])] == ["posted"]
    assert bench.stripes() == [40, 41, 42, 43]
    assert bench.post(transfer(key(11), "busy", "alice", 90)) == ["posted"]
    assert bench.stripes() == [0, 34, 42, 0]
    taken_back = transfer(key(12), "alice", "busy", 60, reverses=5)
    too_much = transfer(key(13), "alice", "busy", 31, reverses=5)
    rest = transfer(key(14), "alice", "busy", 30, reverses=5, effective_at=START - timedelta(days=2))
    assert bench.post(taken_back, too_much, rest) == ["posted", "exceeds_original", "posted"]
    bench.writer.forget()
    assert bench.post(transfer(key(15), "alice", "busy", 1, reverses=5)) == ["exceeds_original"]
    assert bench.busy().balance == 166


def lines(found: list[StatementLine]) -> list[tuple[int, int, int]]:
    return [(line.seq, line.amount if line.side is Side.CREDIT else -line.amount, line.balance_after) for line in found]


def test_statement_merges_the_chains_page_by_page(bench: Bench) -> None:
    total, wanted = 0, []
    for number in range(1, 41):
        bench.clock.move(seconds=1)
        if number % 5 == 0:
            bench.post(transfer(key(number), "busy", "alice", 9))
        else:
            bench.post(transfer(key(number), "cash", "busy", number))
    whole = list(statement_lines(bench.connection, "busy", by_effect=False))
    for line in reversed(whole):
        total += line.amount if line.side is Side.CREDIT else -line.amount
        wanted.append(total)
    assert [line.balance_after for line in whole] == wanted[::-1]
    assert total == bench.busy().balance
    for size in (1, 7, 40):
        paged: list[StatementLine] = []
        page = statement_page(bench.connection, "busy", entry_count_max=size)
        paged += page.lines
        while page.next_seq:
            page = statement_page(bench.connection, "busy", from_seq=page.next_seq, entry_count_max=size)
            paged += page.lines
        assert paged == whole
    since, until = START + timedelta(seconds=10), START + timedelta(seconds=30)
    between = list(statement_lines(bench.connection, "busy", by_effect=False, since=since, until=until))
    assert lines(between) == [line for line in lines(whole) if 10 <= line[0] <= 30]
    assert statement_page(bench.connection, "busy", until=START).lines == ()


def test_balances_in_time_and_trial_balances_are_those_of_the_sum(bench: Bench) -> None:
    open_new_account(bench.connection, NewAccount("wide", "EUR", Side.DEBIT, Terms(), stripes=3), now=START)
    for number in range(1, 8):
        bench.clock.move(seconds=1)
        back = START - timedelta(days=number) if number % 2 else None
        bench.post(transfer(key(number), "wide", "busy", 10 * number, effective_at=back))
    bench.post(transfer(key(8), "cash", "wide", 500))
    for seconds in range(9):
        known = START + timedelta(seconds=seconds)
        found = balance_at(bench.connection, "busy", known_at=known, effective_at=known)
        assert found.balance == sum(10 * n for n in range(1, 8) if n <= seconds)
        early = balance_at(bench.connection, "busy", known_at=known, effective_at=START - timedelta(days=4))
        assert early.balance == sum(10 * n for n in (5, 7) if n <= seconds)
    (line,) = trial_balance(bench.connection)
    assert (line.debit, line.credit, line.account_count) == (500, 500, 4)
    (later,) = trial_balance_at(bench.connection)
    assert (later.debit, later.credit, later.account_count) == (500, 500, 4)
    assert sorted(bench.stripes())[0] < 0 < sorted(bench.stripes())[-1]
    changes = [(change.account, change.change) for change in day_changes(bench.connection, ["busy", "cash"])]
    assert sum(change for account, change in changes if account == "busy") == 280
    assert ("cash", 500) in changes


# Terms ----------------------------------------------------------------------------------------------------------------


def test_terms_are_those_of_all_stripes_and_judged_on_the_whole(bench: Bench) -> None:
    fill(bench)

    def set_terms(status: str, floor: int | None, overdraft: int = 0, ceiling: int | None = None) -> str:
        return bench.writer.set_account_terms("busy", AccountTerms(status, floor, overdraft, ceiling), "clerk")

    assert set_terms("open", 0) == "unchanged"
    assert set_terms("closed", 0) == "account_not_empty"
    for floor, overdraft, ceiling in ((-5, 0, None), (0, 5, None), (0, 0, 500)):
        assert set_terms("open", floor, overdraft, ceiling) == "account_striped"
    assert set_terms("frozen", 0) == "changed"
    assert bench.post(transfer(key(20), "cash", "busy", 1)) == ["account_frozen"]
    assert set_terms("open", None) == "changed"
    assert bench.post(transfer(key(21), "busy", "alice", 300)) == ["posted"]
    assert bench.stripes() == [40, -259, 42, 43]
    assert bench.post(transfer(key(22), "cash", "busy", 200)) == ["posted"]
    assert set_terms("open", 0) == "below_floor"
    assert bench.post(transfer(key(25), "cash", "busy", 259)) == ["posted"]
    assert set_terms("open", 0) == "changed"
    rows = bench.connection.execute("SELECT DISTINCT terms, status, floor FROM ledger.account WHERE reference ~ 'busy'")
    assert rows.fetchall() == [(3, 1, 0)]
    assert bench.post(transfer(key(26), "busy", "cash", bench.busy().balance)) == ["posted"]
    assert set_terms("closed", 0) == "changed"
    assert bench.post(transfer(key(27), "cash", "busy", 1)) == ["account_closed"]


def test_holds_monitors_statements_by_effect_and_bank_statements_are_refused(bench: Bench) -> None:
    fill(bench)
    (held,) = bench.writer.post([NewHold(key(50), "busy", 1, START + timedelta(hours=1))])
    assert (held.code.text, held.hold) == ("account_striped", None)
    with pytest.raises(InvalidValueError, match="in the order of posting only"):
        effect_page(bench.connection, "busy")
    monitor = "SELECT ledger.set_monitor(%s, %s, 'busy', 1::smallint, 1::smallint, 5, 9, now(), NULL)"
    assert bench.connection.execute(monitor, (bench.writer.epoch, key(1))).fetchone() == ("account_striped",)
    statement = '[{"number": 1, "account": "busy", "asset": "EUR"}]'
    given = bench.connection.execute("SELECT account_id FROM ledger.reconcile_given_statements(%s)", (statement,))
    assert given.fetchall() == [(None,)]


def test_chart_whose_terms_no_stripe_can_keep_opens_nothing(bench: Bench) -> None:
    rules = (
        ChartRule("loan:{number}", Side.CREDIT, negative=True, terms=Terms(-500)),
        ChartRule("fund:{number}", Side.CREDIT),
    )
    define_chart(bench.connection, Chart("main", rules, enforced=True), actor="clerk", now=START)
    with pytest.raises(InvalidValueError, match="terms of its chart"):
        open_new_account(bench.connection, NewAccount("loan:7", "EUR", stripes=2), now=START)
    assert list_accounts(bench.connection, prefix="loan") == []
    account, created = open_new_account(bench.connection, NewAccount("fund:7", "EUR", stripes=2), now=START)
    assert (created, account.stripes, account.floor) == (True, 2, 0)
    assert bench.post(transfer(key(1), "cash", "fund:7", 30), transfer(key(2), "cash", "fund:7", 12)) == ["posted"] * 2
    (fund,) = [line for line in code_balances(bench.connection) if line.code == "fund"]
    assert (fund.debit, fund.credit, fund.account_count) == (0, 42, 1)
    assert [misfit.reference for misfit in list_misfits(bench.connection, "main")] == ["alice", "busy", "cash"]


# What nobody may do ---------------------------------------------------------------------------------------------------


def test_writer_that_knows_the_account_without_its_stripes_is_refused_and_learns(bench: Bench) -> None:
    open_new_account(bench.connection, NewAccount("late", "EUR", Side.CREDIT, Terms(0)), now=START)
    assert bench.post(transfer(key(1), "late", "alice", 1)) == ["exceeds_available"]
    waiting = bench.writer.prepare([transfer(key(2), "cash", "late", 5)])
    bench.connection.execute("SELECT ledger.stripe_account('late', 2::smallint)")
    with pytest.raises(StaleCopyError):
        bench.writer.commit(waiting)
    assert bench.post(transfer(key(2), "cash", "late", 5)) == ["posted"]
    assert find_account(bench.connection, "late").balance == 5
    for reference in ("late", "busy#01", "nobody"):
        with pytest.raises(psycopg.Error, match="was used already, or has stripes"):
            bench.connection.execute("SELECT ledger.stripe_account(%s, 2::smallint)", (reference,))


@pytest.mark.parametrize(
    "change",
    ["balance = 5", "held = 5", "last_seq = 5", "stripes = 65", "floor = -5", "overdraft = 5", "ceiling = 5"],
)
def test_own_row_of_a_striped_account_keeps_still(bench: Bench, change: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        bench.connection.execute(f"UPDATE ledger.account SET {change} WHERE reference = 'busy'".encode())


def test_stripe_keeps_the_terms_of_stripes(bench: Bench) -> None:
    for change in ("floor = -5", "overdraft = 5", "ceiling = 5", "stripes = 2", "balance = -1"):
        with pytest.raises(psycopg.errors.CheckViolation):
            bench.connection.execute(f"UPDATE ledger.account SET {change} WHERE reference = 'busy#01'".encode())


def test_successor_reads_the_stripes_as_they_stand(bench: Bench) -> None:
    fill(bench)
    successor = new_writer(bench.url, bench.clock)
    successor.open()
    try:
        (result,) = successor.post([transfer(key(9), "busy", "alice", 166)])
        assert result.code.text == "posted"
    finally:
        successor.close()


# Service --------------------------------------------------------------------------------------------------------------


async def test_service_opens_and_tells_striped_accounts(database_url: str) -> None:
    async with open_books(database_url, Clock()) as books, open_port(lambda m: [LedgerService(books, m)]) as port:
        client = port.client(SERVICE)
        request = pb.OpenAccountRequest(
            account="busy", asset="EUR", normal_side=pb.SIDE_CREDIT, floor_minor="0", stripes=8
        )
        opened = await client.ask("OpenAccount", request, pb.OpenAccountResponse)
        assert (opened.created, opened.account.stripes, opened.account.balance_minor) == (True, 8, "0")
        request.stripes = 0
        code, message = await client.refusal("OpenAccount", request)
        assert code is StatusCode.ALREADY_EXISTS and "stripes" in message
        request.stripes = 99
        code, message = await client.refusal("OpenAccount", request)
        assert code is StatusCode.INVALID_ARGUMENT and message.startswith("stripes")
        listed = await client.ask("ListAccounts", pb.ListAccountsRequest(), pb.ListAccountsResponse)
        assert [account.account for account in listed.accounts] == ["busy"]
        hold = pb.PlaceHoldRequest(hold_id=str(uuid.uuid4()), account="busy", amount_minor="1")
        hold.expires_at.FromDatetime(START + timedelta(hours=1))
        assert (await client.ask("PlaceHold", hold, pb.PlaceHoldResponse)).code == "account_striped"
        for name in ("GetStatement", "GetAccount"):
            code, _ = await client.refusal(name, getattr(pb, f"{name}Request")(account="busy#01"))
            assert code is StatusCode.INVALID_ARGUMENT
