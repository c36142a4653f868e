"""Balances in time and closed periods on a real PostgreSQL: the worked example of docs/balances-in-time.md to the last
figure, one large random set of books against the definition, and what a close refuses."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from ledger.account import Side
from ledger.audit import verify_books
from ledger.balances import find_account
from ledger.balances_in_time import balance_at, snapshot, trial_balance_at, verify_times
from ledger.errors import ConflictError, FencedError, InvalidValueError, NotFoundError, StaleCopyError
from ledger.journal import NewEntry, Posting, ResultCode, transfer
from ledger.migrate import apply_migrations
from ledger.money import format_decimal
from ledger.periods import (
    Period,
    PeriodLine,
    close_period,
    list_periods,
    reopen_period,
    report_digest,
    report_periods,
    verify_periods,
)
from ledger.posting import Writer
from ledger.queries import SQL_FOLDER
from ledger.schema import migrate
from ledger.statements import StatementLine, effect_page, statement_page
from tests.support.books import Clock, key, new_writer, open_accounts, open_writer
from tests.support.shared_data import REPOSITORY
from tests.support.time_model import TimeModel

PAGE = REPOSITORY / "docs" / "balances-in-time.md"


def day(month: int, number: int, hour: int = 9) -> datetime:
    return datetime(2026, month, number, hour, tzinfo=UTC)


class Bench(NamedTuple):
    writer: Writer
    connection: psycopg.Connection[Any]
    clock: Clock
    url: str

    def post(self, number: int, debit: str, credit: str, amount: int, effective_at: datetime | None = None) -> int:
        (result,) = self.writer.post([transfer(key(number), debit, credit, amount, effective_at=effective_at)])
        assert result.code is ResultCode.POSTED
        return int(result.seq)

    def code(self, number: int, effective_at: datetime | None) -> ResultCode:
        (result,) = self.writer.post([transfer(key(number), "cash", "alice", 1, effective_at=effective_at)])
        return ResultCode(result.code)

    def alice(self, known_at: datetime | None, effective_at: datetime | None) -> int:
        return balance_at(self.connection, "alice", known_at=known_at, effective_at=effective_at).balance

    def report(self) -> list[Period]:
        report_periods(self.connection, now=self.clock())
        return list_periods(self.connection)


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    clock = Clock(day(3, 1))
    with open_writer(database_url, clock) as writer, psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        open_accounts(connection, "cash EUR debit -\nalice EUR credit -\nfees EUR credit -")
        yield Bench(writer, connection, clock, database_url)
        assert verify_periods(connection) == []
        assert verify_times(connection) == []
        assert verify_books(connection) == []


@pytest.fixture
def spring(bench: Bench) -> Bench:
    """The entries of the worked example."""
    bench.post(1, "cash", "alice", 100_000)
    bench.clock.moment = day(3, 28)
    bench.post(2, "alice", "fees", 1_200)
    bench.clock.moment = day(4, 2)
    bench.post(3, "cash", "alice", 25_000, day(3, 20, 12))
    bench.clock.moment = day(4, 3)
    bench.post(4, "alice", "cash", 10_000, day(4, 10, 12))
    bench.clock.moment = day(4, 4)
    return bench


# The worked example --------------------------------------------------------------------------------------------------


def euros(amount: int) -> str:
    return format_decimal(amount, 2)


def test_worked_example_table_of_both_times(spring: Bench) -> None:
    effective = [(3, 10), (3, 31), (4, 9), (4, 30)]
    rows = []
    for known in [(3, 31), (4, 2), (4, 4)]:
        cells = [euros(spring.alice(day(*known, 23), day(*moment, 23))) for moment in effective]
        rows.append(f"| {day(*known):%-d %B} | {' | '.join(cells)} |")
    text = PAGE.read_text(encoding="utf-8")
    for row in rows:
        assert row in text
    assert len(set(rows)) == 3


def statement_rows(lines: tuple[StatementLine, ...]) -> str:
    return "\n".join(
        f"| {line.seq} | {line.posted_at:%-d %B} | {line.effective_at:%-d %B} | {line.side.name.lower()} "
        f"| {euros(line.amount)} | {euros(line.balance_after)} |"
        for line in reversed(lines)
    )


def test_worked_example_statements_of_both_orders(spring: Bench) -> None:
    text = PAGE.read_text(encoding="utf-8")
    by_posting = statement_rows(statement_page(spring.connection, "alice").lines)
    by_effect = statement_rows(effect_page(spring.connection, "alice").lines)
    assert by_posting != by_effect
    assert by_posting in text
    assert by_effect in text


def period_rows(lines: tuple[PeriodLine, ...]) -> str:
    return "\n".join(
        f"| {line.asset} | {euros(line.debit)} | {euros(line.credit)} | {euros(line.debit_turnover)} "
        f"| {euros(line.credit_turnover)} |"
        for line in lines
    )


def test_worked_example_close_of_march_and_its_reopening(spring: Bench) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert close_period(spring.writer, day(4, 1, 0), actor="accountant-7") == 1
    assert spring.code(5, day(3, 31)) is ResultCode.PERIOD_CLOSED
    assert spring.code(5, day(4, 1, 0)) is ResultCode.POSTED
    (march,) = spring.report()
    assert march.report is not None and march.report.entry_count == 3
    assert period_rows(march.report.lines) in text

    reopen_period(spring.writer, 1, actor="accountant-7", reason="late fee of 30 March")
    spring.post(6, "alice", "fees", 300, day(3, 30))
    assert close_period(spring.writer, day(4, 1, 0), actor="accountant-7") == 2
    first, second = spring.report()
    assert first.report == march.report
    assert first.reopening is not None and first.reopening.reason == "late fee of 30 March"
    assert second.report is not None and second.report.entry_count == 4
    assert period_rows(second.report.lines) in text
    assert spring.code(7, day(3, 31)) is ResultCode.PERIOD_CLOSED


# Closing -------------------------------------------------------------------------------------------------------------


def test_close_of_a_time_that_is_not_over_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidValueError, match="is not over yet"):
        close_period(bench.writer, bench.clock() + timedelta(microseconds=1), actor="a")
    assert list_periods(bench.connection) == []


def test_close_moves_forward_only(bench: Bench) -> None:
    bench.post(1, "cash", "alice", 5)
    bench.clock.move(days=2)
    close_period(bench.writer, day(3, 2), actor="a")
    for earlier in (day(3, 2), day(3, 1)):
        with pytest.raises(ConflictError, match="moves forward only"):
            close_period(bench.writer, earlier, actor="a")
    assert close_period(bench.writer, day(3, 3), actor="a") == 2


def test_entry_without_an_effective_time_is_never_refused_by_a_close(bench: Bench) -> None:
    close_period(bench.writer, bench.clock(), actor="a")
    bench.clock.move(days=-3)
    assert bench.code(1, None) is ResultCode.POSTED
    assert find_account(bench.connection, "alice").balance == 1


def test_batch_judged_before_a_close_cannot_be_committed_after_it(bench: Bench) -> None:
    backdated = transfer(key(2), "cash", "alice", 1, effective_at=day(3, 1, 8))
    prepared = bench.writer.prepare([backdated])
    close_period(bench.writer, day(3, 1, 9), actor="a")
    with pytest.raises(StaleCopyError):
        bench.writer.commit(prepared)
    (result,) = bench.writer.post([backdated])
    assert result.code is ResultCode.PERIOD_CLOSED


def test_first_moment_after_the_close_is_open(bench: Bench) -> None:
    bench.clock.move(days=2)
    close_period(bench.writer, day(3, 2), actor="a")
    codes = [bench.code(2, day(3, 2) - timedelta(microseconds=1)), bench.code(2, day(3, 2))]
    assert codes == [ResultCode.PERIOD_CLOSED, ResultCode.POSTED]


def test_replaced_writer_can_neither_close_nor_reopen(bench: Bench) -> None:
    successor = new_writer(bench.url, bench.clock)
    successor.open()
    try:
        with pytest.raises(FencedError):
            close_period(bench.writer, bench.clock(), actor="a")
        assert close_period(successor, bench.clock(), actor="a") == 1
        with pytest.raises(FencedError):
            reopen_period(bench.writer, 1, actor="a", reason="r")
    finally:
        successor.close()


def test_only_the_last_closed_period_opens_again(bench: Bench) -> None:
    bench.clock.move(days=5)
    for number in (2, 3, 4):
        close_period(bench.writer, day(3, number), actor="a")
    with pytest.raises(NotFoundError, match="period 9 does not exist"):
        reopen_period(bench.writer, 9, actor="a", reason="r")
    with pytest.raises(ConflictError, match="only the last closed one opens"):
        reopen_period(bench.writer, 2, actor="a", reason="r")
    reopen_period(bench.writer, 3, actor="a", reason="r")
    with pytest.raises(ConflictError):
        reopen_period(bench.writer, 3, actor="a", reason="r")
    assert bench.code(1, day(3, 2, 23)) is ResultCode.PERIOD_CLOSED
    reopen_period(bench.writer, 2, actor="a", reason="r")
    assert bench.code(1, day(3, 2, 23)) is ResultCode.POSTED
    assert close_period(bench.writer, day(3, 4), actor="a") == 4
    assert [period.opened_at for period in list_periods(bench.connection)] == [None, day(3, 2), day(3, 3), day(3, 2)]


@pytest.mark.parametrize(
    ("field", "given"), [("actor", {"actor": "Jane Doe"}), ("actor", {"actor": ""}), ("reason", {"reason": ""})]
)
def test_malformed_actor_or_reason_is_refused_by_name(bench: Bench, field: str, given: dict[str, str]) -> None:
    with pytest.raises(InvalidValueError, match=field):
        reopen_period(bench.writer, 1, **{"actor": "a", "reason": "r", **given})


def test_report_binds_the_one_before_and_its_change_is_found(bench: Bench) -> None:
    bench.post(1, "cash", "alice", 5)
    bench.clock.move(days=2)
    close_period(bench.writer, day(3, 2), actor="a")
    close_period(bench.writer, day(3, 3), actor="a")
    first, second = bench.report()
    assert first.report is not None and second.report is not None
    assert second.report.digest == report_digest(
        second, second.report.entry_count, second.report.lines, first.report.digest
    )
    assert bench.report() == [first, second]
    change = "UPDATE ledger.period_report SET lines = jsonb_set(lines, '{0,debit}', '\"6\"') WHERE number = 1"
    with pytest.raises(psycopg.Error, match="history cannot be edited"):
        bench.connection.execute(change)
    with bench.connection.transaction(force_rollback=True):
        bench.connection.execute("SET LOCAL session_replication_role = replica")
        bench.connection.execute(change)
        assert verify_periods(bench.connection) == [
            "period 1: its report differs from what the entries give",
            "period 1: its digest does not cover its report",
        ]


def test_control_view_shows_each_period_with_debits_equal_to_credits(spring: Bench) -> None:
    close_period(spring.writer, day(4, 1, 0), actor="a")
    spring.report()
    rows = spring.connection.execute(
        "SELECT number, standing, asset, debit = credit, debit_turnover = credit_turnover FROM ledger.control_period"
    ).fetchall()
    assert rows == [(1, True, "EUR", True, True)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ledger.period VALUES (1, '-infinity', now(), now(), 0, 'a')",
        "INSERT INTO ledger.period_report VALUES (1, now(), 0, '[]', sha256(''))",
        "DELETE FROM ledger.period_reopening",
        "UPDATE ledger.head SET closed_before = '-infinity'",
        "DELETE FROM ledger.dated_posting",
        "UPDATE ledger.dated_sum SET total = 0",
    ],
)
def test_application_role_may_change_no_table_of_periods(bench: Bench, statement: str) -> None:
    with bench.connection.transaction(force_rollback=True):
        bench.connection.execute("SET LOCAL ROLE dwaybank_application")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            bench.connection.execute(statement.encode())


# One large set of books ---------------------------------------------------------------------------------------------


KINDS = {
    "cash": ("EUR", Side.DEBIT),
    "alice": ("EUR", Side.CREDIT),
    "fees": ("EUR", Side.CREDIT),
    "dollars": ("USD", Side.DEBIT),
    "carol": ("USD", Side.CREDIT),
}


class RandomBooks:
    """Some thousand postings on few accounts, in commits of one to three hundred entries, a third of them dated."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.random = random.Random(seed)
        self.model = TimeModel(KINDS)
        self.number = 0
        open_accounts(bench.connection, "dollars USD debit -\ncarol USD credit -")

    def fill(self) -> None:
        for size in (1, 300, 2, 40, 150, 3, 1, 200, 30, 80, 5):
            self.bench.clock.move(seconds=self.random.choice([0, 1, 3600]))
            self.commit(size)
            if self.random.random() < 0.5:
                snapshot(self.bench.connection, block=16)

    def commit(self, size: int) -> None:
        now = self.bench.clock()
        batch = [self.entry(now) for _ in range(size)]
        for entry, result in zip(batch, self.bench.writer.post(batch), strict=True):
            assert result.code is ResultCode.POSTED
            legs = [(posting.account, posting.side, posting.amount) for posting in entry.postings]
            self.model.add(result.seq, legs, now, entry.effective_at)

    def entry(self, now: datetime) -> NewEntry:
        self.number += 1
        euro = self.random.sample(["cash", "alice", "fees"], 2)
        debit, credit = self.random.choice([euro, euro, self.random.sample(["dollars", "carol"], 2)])
        first, second = self.random.randint(1, 90), self.random.randint(1, 90)
        postings = [Posting(debit, Side.DEBIT, first + second), Posting(credit, Side.CREDIT, first + second)]
        if self.random.random() < 0.3:
            postings[1:] = [Posting(credit, Side.CREDIT, first), Posting(credit, Side.CREDIT, second)]
        shift = self.random.choice([None, None, self.random.randint(-7200, 7200)])
        effective_at = None if shift is None else now + timedelta(seconds=shift)
        return NewEntry(key(self.number), tuple(postings), effective_at=effective_at)

    def moment(self) -> datetime:
        posting = self.random.choice(self.model.postings)
        chosen = self.random.choice([posting.posted_at, posting.effective_at])
        return chosen + timedelta(microseconds=self.random.choice([-1, 0, 1]))


@pytest.mark.parametrize("seed", [1, 2])
def test_random_books_equal_the_definition_at_any_pair(bench: Bench, seed: int) -> None:
    books = RandomBooks(bench, seed)
    books.fill()
    for _ in range(60):
        pair = {"known_at": books.moment(), "effective_at": books.moment()}
        for account in KINDS:
            assert balance_at(bench.connection, account, **pair).balance == books.model.balance(account, **pair)
        got = {line.asset: (line.debit, line.credit) for line in trial_balance_at(bench.connection, **pair)}
        assert got == books.model.trial_balance(**pair)
        assert all(debit == credit for debit, credit in got.values())


def test_sums_made_beforehand_change_no_answer(bench: Bench) -> None:
    books = RandomBooks(bench, 3)
    books.fill()
    pairs = [(books.moment(), books.moment()) for _ in range(40)]
    derived = ("dated_block", "dated_sum", "dated_run", "dated_pending")
    answers = []
    for block in (None, 2, 64):
        for table in derived:
            bench.connection.execute(f"TRUNCATE ledger.{table}".encode())
        bench.connection.execute("UPDATE ledger.dated_progress SET seq = 0")
        if block is not None:
            snapshot(bench.connection, block=block)
            assert bench.connection.execute("SELECT count(*) > 3 FROM ledger.dated_block").fetchone() == (True,)
        balances = [[balance_at(bench.connection, a, known_at=k, effective_at=e) for a in KINDS] for k, e in pairs]
        answers.append((balances, [effect_page(bench.connection, a, entry_count_max=500) for a in KINDS]))
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("DELETE FROM ledger.dated_posting WHERE seq = 5", "is not among the dated postings"),
        ("UPDATE ledger.dated_posting SET change = change + 1 WHERE seq = 5", "is not among the dated postings"),
        ("UPDATE ledger.dated_posting SET effective_at = posted_at WHERE seq = 5", "is not among the dated postings"),
        ("UPDATE ledger.mark SET number = number + 1", "is marked at another place"),
        ("UPDATE ledger.dated_block SET total = 0 WHERE level = 0", "whose total is not"),
        ("UPDATE ledger.dated_sum SET total = total + 1 WHERE level = 1", "whose sums by time are not"),
        ("DELETE FROM ledger.dated_sum WHERE level = 0", "whose sums by time are not"),
        ("UPDATE ledger.dated_run SET first_seq = 1", "ends a run that is not"),
    ],
)
def test_changed_row_that_balances_in_time_rest_on_is_found(bench: Bench, change: str, problem: str) -> None:
    bench.post(1, "cash", "alice", 7)
    bench.clock.move(hours=1)
    times = [bench.clock() - timedelta(days=1 + i % 9) for i in range(100)]
    bench.writer.post([transfer(key(10 + i), "cash", "alice", 1, effective_at=time) for i, time in enumerate(times)])
    snapshot(bench.connection, block=3)
    with bench.connection.transaction(force_rollback=True):
        bench.connection.execute("SET LOCAL session_replication_role = replica")
        bench.connection.execute(change.encode())
        found = verify_times(bench.connection)
        assert any(problem in finding.problem for finding in found)
    assert bench.connection.execute("SELECT count(*) FROM ledger.dated_block WHERE level = 1").fetchone() == (2,)


def test_runs_of_dated_entries_are_leapt_over(bench: Bench) -> None:
    bench.post(1, "cash", "alice", 7)
    bench.clock.move(hours=1)
    old = bench.clock() - timedelta(days=400)
    for start in (10, 110):
        bench.writer.post([transfer(key(start + i), "cash", "alice", 1, effective_at=old) for i in range(100)])
        snapshot(bench.connection, block=90)
    runs = bench.connection.execute(
        "SELECT first_seq, last_seq, previous_seq FROM ledger.dated_run WHERE account_id = 1 ORDER BY first_seq"
    ).fetchall()
    assert runs == [(2, 91, 1), (92, 181, 91)]
    page = effect_page(bench.connection, "alice", entry_count_max=2)
    assert [(line.seq, line.balance_after) for line in page.lines] == [(1, 207), (201, 200)]


def test_random_books_close_with_the_figures_of_the_definition(bench: Bench) -> None:
    books = RandomBooks(bench, 4)
    books.fill()
    before, moments = None, sorted({books.moment() for _ in range(4)} | {bench.clock()})
    moments = [moment for moment in moments if moment <= bench.clock()]
    for moment in moments:
        close_period(bench.writer, moment, actor="a")
    for period, moment in zip(bench.report(), moments, strict=True):
        assert period.report is not None
        balances = books.model.trial_balance(None, moment - timedelta(microseconds=1))
        turnover = books.model.turnover(before, moment)
        wanted = [
            PeriodLine(asset, *balances[asset], *turnover.get(asset, (0, 0)))
            for asset in sorted(balances)
            if any(balances[asset]) or asset in turnover
        ]
        assert list(period.report.lines) == wanted
        within = {p.seq for p in books.model.postings if (before is None or p.effective_at >= before)}
        within &= {p.seq for p in books.model.postings if p.effective_at < moment}
        assert period.report.entry_count == len(within)
        before = moment


# Books from before ---------------------------------------------------------------------------------------------------

ROW = """
    INSERT INTO ledger.entry (
        seq, key, request_hash, posted_at, effective_at, posting_account, posting_asset, posting_amount,
        posting_balance, posting_previous, decision_id, decision_outcome, decision_leaf, salt, leaf
    )
    VALUES (
        %(seq)s, %(key)s, %(hash)s, %(posted_at)s, %(effective_at)s, ARRAY[1, 2], ARRAY[1, 1], ARRAY[%(n)s, -%(n)s],
        ARRAY[%(sum)s, %(sum)s], ARRAY[%(previous)s, %(previous)s], %(key)s, 1, %(hash)s, %(hash)s, %(hash)s
    )
"""
"""A row as the first release wrote it; it stands here, as nothing of ours writes such rows any more."""


def test_books_from_before_this_migration_answer_for_any_pair(empty_database_url: str, tmp_path: Path) -> None:
    model = TimeModel({"cash": ("AED", Side.DEBIT), "alice": ("AED", Side.CREDIT)})
    for name in ("0001_books.sql", "0002_no_nulls_inside.sql"):
        (tmp_path / name).write_bytes((SQL_FOLDER / "migrations" / name).read_bytes())
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        apply_migrations(connection, "ledger", tmp_path)
        connection.execute("SET session_replication_role = replica")
        total = 0
        for seq in range(1, 301):
            posted_at = day(3, 1) + timedelta(minutes=seq)
            effective_at = posted_at + timedelta(minutes=(seq % 7 - 3) * 30) * (seq % 3 == 0)
            total += seq
            row = {"seq": seq, "key": key(seq), "hash": bytes(32), "n": seq, "sum": total, "previous": seq - 1}
            connection.execute(ROW, {**row, "posted_at": posted_at, "effective_at": effective_at})
            legs = [("cash", Side.DEBIT, seq), ("alice", Side.CREDIT, seq)]
            model.add(seq, legs, posted_at, effective_at)
        for reference, side in (("cash", 1), ("alice", 2)):
            connection.execute(
                "INSERT INTO ledger.account"
                " (reference, asset_id, normal_side, balance, last_seq, posting_count, opened_at)"
                " VALUES (%s, 1, %s, %s, 300, 300, %s)",
                (reference, side, total, day(3, 1)),
            )
        connection.execute("SET session_replication_role = origin")
        migrate(connection)
        marks = connection.execute(
            "SELECT number, seq FROM ledger.mark WHERE account_id = 2 ORDER BY number"
        ).fetchall()
        assert marks == [(64, 64), (128, 128), (192, 192), (256, 256)]
        for posting in model.postings[::9]:
            for other in model.postings[::25]:
                pair = {"known_at": posting.posted_at, "effective_at": other.effective_at}
                assert balance_at(connection, "alice", **pair).balance == model.balance("alice", **pair)
        lines = effect_page(connection, "alice", entry_count_max=500).lines
        assert [line.balance_after for line in lines] == [
            p.balance_after for p in model.statement("alice", by_effect=True)
        ]
