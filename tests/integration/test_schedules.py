"""Scheduled entries on real books: each occurrence is posted once for ever, whoever dies in between, and what became of
each is on record.

Method: a clock that is moved by hand, the worker's own rounds; deaths are a process of its own that is killed between
two of its steps.
"""

from __future__ import annotations

import asyncio
import dataclasses
import doctest
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from ledger.account import Side
from ledger.audit import verify_books
from ledger.balances import find_account
from ledger.errors import BooksUnavailableError, ConflictError, InvalidValueError, LedgerError, NotFoundError
from ledger.journal import Posting, ResultCode, transfer
from ledger.recurrence import Recurrence, Unit
from ledger.schedule import CatchUp, Run, Schedule, Status, Template, run_key
from ledger.schedule_store import (
    audit_schedules,
    change_schedule,
    create_schedule,
    due_schedules,
    find_schedule,
    list_runs,
    list_schedules,
    record_runs,
)
from ledger.schema import migrate
from ledger.statements import find_entry
from node.books.books import Books
from node.schedules.worker import ScheduleWorker
from tests.support.books import START, Clock, key, new_writer, open_accounts
from tests.support.shared_data import REPOSITORY

Connection = psycopg.Connection[Any]
DAY = timedelta(days=1)
ACCOUNTS = """
cash EUR debit  -
ann  EUR credit 0
rent EUR credit -
usd  USD credit -
"""
RENT = Schedule(
    uuid.UUID(int=7),
    "ann",
    Template((Posting("ann", Side.DEBIT, 500), Posting("rent", Side.CREDIT, 500)), description="rent"),
    Recurrence(START.replace(tzinfo=None), "UTC", Unit.DAY, count=3),
)

DYING = """
import asyncio, os, signal, sys
from datetime import datetime
from ledger.schedule_store import record_runs
from node.books.books import Books
from node.schedules.worker import ScheduleWorker
from tests.support.books import Clock, new_writer

url, now, where = sys.argv[1:]
clock = Clock(datetime.fromisoformat(now))

class DyingBooks(Books):
    async def post_batch(self, entries):
        die(bool(entries) and where == "before posting")
        return await super().post_batch(entries)

    async def read(self, work, /, *arguments, **named):
        die(work is record_runs and where == "before recording")
        result = await super().read(work, *arguments, **named)
        die(work is record_runs and where == "after recording")
        return result

def die(now):
    if now:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    writer = new_writer(url, clock)
    books = DyingBooks(url, writer, now=clock)
    await books.start()
    worker = ScheduleWorker(books, epoch=lambda: writer.epoch, now=clock)
    while await worker.work_once():
        pass

asyncio.run(main())
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as made:
        migrate(made)
        open_accounts(made, ACCOUNTS)
        yield made


@dataclasses.dataclass
class Node:
    """The parts of a node that matter here."""

    books: Books
    worker: ScheduleWorker
    clock: Clock

    async def settle(self) -> int:
        """Work until nothing is due; return how many occurrences were settled or tried."""
        total = 0
        while done := await self.worker.work_once():
            total += done
        return total

    async def pay_in(self, number: int, amount: int) -> None:
        result = await self.books.post(transfer(key(number), "cash", "ann", amount))
        assert result.code is ResultCode.POSTED


async def new_node(url: str, clock: Clock, **more: Any) -> Node:
    writer = new_writer(url, clock)
    books = Books(url, writer, now=clock)
    await books.start()
    return Node(books, ScheduleWorker(books, epoch=lambda: writer.epoch, now=clock, **more), clock)


@pytest.fixture
async def node(connection: Connection, database_url: str) -> AsyncIterator[Node]:
    made = await new_node(database_url, Clock())
    try:
        yield made
    finally:
        await made.books.stop()


def told(connection: Connection, schedule: Schedule = RENT) -> str:
    """What became of a schedule's occurrences: day, try and code of each."""
    runs = list_runs(connection, schedule.id)
    return " ".join(f"{(run.due_at - START).days}.{run.attempt}:{run.code}" for run in runs)


async def test_each_occurrence_is_posted_when_due_with_its_own_effective_time(
    node: Node, connection: Connection
) -> None:
    await node.pay_in(1, 5000)
    kept, created = create_schedule(connection, RENT, START - DAY)
    assert created
    assert create_schedule(connection, RENT, START)[1] is False
    with pytest.raises(ConflictError, match="another order"):
        create_schedule(connection, dataclasses.replace(RENT, actor="eve"), START)
    assert kept.state.wake_at == START

    node.clock.moment = START - timedelta(seconds=1)
    assert await node.settle() == 0
    for day in range(3):
        node.clock.moment = START + day * DAY + timedelta(minutes=5)
        assert await node.settle() == 1
        assert await node.settle() == 0
        run = list_runs(connection, RENT.id)[-1]
        entry = find_entry(connection, run_key(RENT.id, START + day * DAY))
        assert (run.code, run.seq, run.at) == ("posted", entry.seq, node.clock.moment)
        assert (entry.effective_at, entry.posted_at) == (START + day * DAY, node.clock.moment)
    assert told(connection) == "0.1:posted 1.1:posted 2.1:posted"
    assert find_schedule(connection, RENT.id).state.status is Status.FINISHED
    assert find_account(connection, "rent").balance == 1500
    with pytest.raises(ConflictError, match="has ended"):
        change_schedule(connection, RENT.id, "resume", actor="ann", now=START)
    assert verify_books(connection) == []


async def test_refusal_for_now_is_tried_again_and_given_up_in_the_end(node: Node, connection: Connection) -> None:
    create_schedule(connection, RENT, START)
    assert await node.settle() == 1
    node.clock.move(minutes=59)
    assert await node.settle() == 0
    node.clock.move(minutes=1)
    await node.pay_in(1, 500)
    assert await node.settle() == 1
    node.clock.moment = START + DAY
    for _ in range(3):
        assert await node.settle() == 1
        node.clock.move(hours=1)
    assert await node.settle() == 0
    assert told(connection) == (
        "0.1:exceeds_available 0.2:posted 1.1:exceeds_available 1.2:exceeds_available 1.3:exceeds_available"
    )
    state = find_schedule(connection, RENT.id).state
    assert (state.status, state.attempts, state.wake_at) == (Status.ACTIVE, 0, START + 2 * DAY)
    page = list_runs(connection, RENT.id, after=(START, 1), count_max=2)
    assert [(run.number, run.attempt) for run in page] == [(1, 2), (2, 1)]


async def test_refusal_for_good_pauses_until_someone_resumes(node: Node, connection: Connection) -> None:
    await node.pay_in(1, 5000)
    wrong = Template((Posting("ann", Side.DEBIT, 5), Posting("nobody", Side.CREDIT, 5)))
    create_schedule(connection, dataclasses.replace(RENT, template=wrong), START)
    node.clock.moment = START + DAY
    assert await node.settle() == 1
    assert find_schedule(connection, RENT.id).state.status is Status.PAUSED
    assert await node.settle() == 0
    open_accounts(connection, "nobody EUR credit -")
    assert change_schedule(connection, RENT.id, "resume", actor="operator", now=node.clock.moment)
    assert not change_schedule(connection, RENT.id, "resume", actor="operator", now=node.clock.moment)
    assert await node.settle() == 1
    assert told(connection) == "0.1:account_not_found 1.1:posted"
    changes = connection.execute("SELECT number, actor, what FROM ledger.schedule_change ORDER BY number").fetchall()
    assert changes == [(1, "ann", "create"), (2, "operator", "resume")]


async def test_resumed_schedule_waits_until_it_is_due_and_a_try_that_waited_comes_at_once(
    node: Node, connection: Connection
) -> None:
    async def settle_after_a_pause(minutes: int) -> int:
        assert change_schedule(connection, RENT.id, "pause", actor="ann", now=node.clock.moment)
        node.clock.move(minutes=minutes)
        assert change_schedule(connection, RENT.id, "resume", actor="ann", now=node.clock.moment)
        return await node.settle()

    create_schedule(connection, RENT, START - DAY)
    node.clock.moment = START - DAY
    assert await settle_after_a_pause(5) == 0
    assert find_schedule(connection, RENT.id).state.wake_at == START
    node.clock.moment = START
    assert await node.settle() == 1
    await node.pay_in(1, 5000)
    assert await settle_after_a_pause(5) == 1
    assert await settle_after_a_pause(5) == 0
    assert told(connection) == "0.1:exceeds_available 0.2:posted"
    assert find_schedule(connection, RENT.id).state.wake_at == START + DAY


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        (CatchUp.ALL, "0.1:posted 1.1:posted 2.1:posted"),
        (CatchUp.LATEST, "0.1:skipped 1.1:skipped 2.1:posted"),
        (CatchUp.SKIP, "0.1:skipped 1.1:skipped 2.1:skipped"),
    ],
)
async def test_missed_occurrences_are_made_up_for_as_the_policy_says(
    connection: Connection, database_url: str, catch_up: CatchUp, expected: str
) -> None:
    create_schedule(connection, dataclasses.replace(RENT, catch_up=catch_up), START)
    node = await new_node(database_url, Clock(START + 30 * DAY))
    await node.pay_in(1, 5000)
    assert await node.settle() == 3
    await node.books.stop()
    assert told(connection) == expected
    row = connection.execute(
        "SELECT count(*), count(DISTINCT effective_at) FROM ledger.entry WHERE effective_at < %s", (START + 4 * DAY,)
    ).fetchone()
    assert row == (expected.count("posted"), expected.count("posted"))


async def test_many_schedules_are_posted_together_and_one_refused_stops_no_other(
    node: Node, connection: Connection
) -> None:
    await node.pay_in(1, 100_000)
    rich = Template((Posting("ann", Side.DEBIT, 10**9), Posting("rent", Side.CREDIT, 10**9)))
    mixed = Template((Posting("ann", Side.DEBIT, 1), Posting("usd", Side.CREDIT, 1)))
    once = Recurrence(START.replace(tzinfo=None), "UTC", Unit.ONCE)
    for number in range(30):
        template = {7: rich, 9: mixed}.get(number, RENT.template)
        create_schedule(connection, Schedule(uuid.UUID(int=100 + number), "ann", template, once), START)
    assert await node.settle() == 30
    rows = connection.execute("SELECT code, count(*) FROM ledger.schedule_run GROUP BY code ORDER BY code").fetchall()
    assert rows == [("asset_mismatch", 1), ("exceeds_available", 1), ("posted", 28)]
    assert find_account(connection, "rent").balance == 28 * 500
    assert len(list_schedules(connection, count_max=20)) == 20
    assert len(list_schedules(connection, after=uuid.UUID(int=119))) == 10


def die(url: str, where: str, now: datetime = START) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", DYING, url, now.isoformat(), where],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        timeout=60,
        check=False,
        capture_output=True,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


async def test_deaths_between_any_two_steps_lose_and_double_nothing(connection: Connection, database_url: str) -> None:
    node = await new_node(database_url, Clock())
    await node.pay_in(1, 5000)
    await node.books.stop()
    create_schedule(connection, RENT, START)
    for day, where in enumerate(("before posting", "before recording", "after recording")):
        die(database_url, where, START + day * DAY)
        after = await new_node(database_url, Clock(START + day * DAY))
        assert await after.settle() == (where != "after recording")
        await after.books.stop()
        assert find_account(connection, "rent").balance == 500 * (day + 1)
    assert told(connection) == "0.1:posted 1.1:exists 2.1:posted"
    assert verify_books(connection) == []
    assert audit_schedules(connection) == []


async def test_cancelling_records_what_was_posted_before_the_death(connection: Connection, database_url: str) -> None:
    node = await new_node(database_url, Clock())
    await node.pay_in(1, 5000)
    await node.books.stop()
    create_schedule(connection, RENT, START)
    die(database_url, "before recording")
    assert told(connection) == ""
    with pytest.raises(ConflictError, match="still needed"):
        change_schedule(connection, RENT.id, "forget", actor="ann", now=START)
    assert change_schedule(connection, RENT.id, "cancel", actor="ann", now=START)
    assert told(connection) == "0.1:exists"
    assert due_schedules(connection, START + 99 * DAY, 10) == ([], [])

    assert change_schedule(connection, RENT.id, "forget", actor="ann", now=START)
    assert not change_schedule(connection, RENT.id, "forget", actor="ann", now=START)
    assert find_schedule(connection, RENT.id).schedule.template.description == ""


async def test_death_after_a_cancel_is_named_by_the_audit_and_recorded_by_cancelling_again(
    connection: Connection, database_url: str
) -> None:
    node = await new_node(database_url, Clock())
    await node.pay_in(1, 5000)
    await node.books.stop()
    create_schedule(connection, RENT, START)
    connection.execute(  # what a posting under way finds when the order is cancelled before it commits
        "CREATE FUNCTION cancel() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" PERFORM ledger.schedule_change('{RENT.id}', 'cancel', 'ann', now(), NULL); RETURN NULL; END $$".encode()
    )
    connection.execute("CREATE TRIGGER cancels BEFORE INSERT ON ledger.entry_1 EXECUTE FUNCTION cancel()")
    die(database_url, "before recording")
    (finding,) = audit_schedules(connection)
    assert (finding.due_at, finding.problem) == (
        START,
        "it was posted while its schedule was cancelled, and no record says so",
    )
    assert not change_schedule(connection, RENT.id, "cancel", actor="ann", now=START)
    assert told(connection) == "0.1:exists"
    assert audit_schedules(connection) == []


async def test_history_changed_past_every_rule_is_named_by_the_audit(node: Node, connection: Connection) -> None:
    await node.pay_in(1, 5000)
    create_schedule(connection, RENT, START)
    node.clock.moment = START + 9 * DAY
    assert await node.settle() == 3
    assert audit_schedules(connection) == []
    connection.execute("ALTER TABLE ledger.schedule_run DISABLE TRIGGER ALL")
    connection.execute("UPDATE ledger.schedule_run SET code = 'skipped', seq = NULL WHERE number = 1")
    connection.execute("DELETE FROM ledger.schedule_run WHERE number = 2")
    connection.execute("UPDATE ledger.schedule_run SET key = gen_random_uuid() WHERE number = 3")
    assert [(finding.due_at, finding.problem) for finding in audit_schedules(connection)] == [
        (START, "it was posted, and no record says so"),
        (START + 2 * DAY, "its record names an entry that does not stand under its key"),
        (START + 2 * DAY, "occurrence 3 is on record, occurrence 2 is not"),
    ]


async def test_foreign_entry_under_the_key_of_an_occurrence_pauses_the_schedule(
    node: Node, connection: Connection
) -> None:
    await node.pay_in(1, 5000)
    create_schedule(connection, RENT, START)
    foreign = await node.books.post(transfer(run_key(RENT.id, START), "ann", "rent", 1))
    assert foreign.code is ResultCode.POSTED
    assert await node.settle() == 1
    assert told(connection) == "0.1:exists_with_different_body"
    assert find_schedule(connection, RENT.id).state.status is Status.PAUSED


async def test_missed_occurrence_that_was_posted_before_the_death_is_not_called_skipped(
    connection: Connection, database_url: str
) -> None:
    node = await new_node(database_url, Clock())
    await node.pay_in(1, 5000)
    await node.books.stop()
    create_schedule(connection, dataclasses.replace(RENT, catch_up=CatchUp.SKIP), START)
    die(database_url, "before recording")
    after = await new_node(database_url, Clock(START + 30 * DAY))
    assert await after.settle() == 3
    await after.books.stop()
    assert told(connection) == "0.1:exists 1.1:skipped 2.1:skipped"


async def test_node_that_was_replaced_neither_posts_nor_records(
    node: Node, connection: Connection, database_url: str
) -> None:
    await node.pay_in(1, 5000)
    create_schedule(connection, RENT, START)
    successor = await new_node(database_url, Clock())
    with pytest.raises(LedgerError):
        await node.worker.work_once()
    kept = find_schedule(connection, RENT.id)
    believed = Run(START, 1, 1, "exceeds_available", None, START)
    with pytest.raises(BooksUnavailableError, match="epoch"):
        await node.books.read(record_runs, 1, [(kept.schedule, believed, kept.state)])
    assert told(connection) == ""
    assert await successor.settle() == 1
    await successor.books.stop()
    assert told(connection) == "0.1:posted"


async def test_second_record_of_an_occurrence_changes_nothing(node: Node, connection: Connection) -> None:
    await node.pay_in(1, 5000)
    kept, _ = create_schedule(connection, RENT, START)
    run = Run(START, 1, 1, "exceeds_available", None, START)
    assert record_runs(connection, 1, [(RENT, run, dataclasses.replace(kept.state, attempts=1))]) == [True]
    assert record_runs(connection, 1, [(RENT, run, dataclasses.replace(kept.state, attempts=1))]) == [False]
    with pytest.raises(psycopg.Error, match="no entry stands under the key"):
        record_runs(connection, 1, [(RENT, dataclasses.replace(run, attempt=2, code="posted", seq=1), kept.state)])
    assert await node.settle() == 1
    assert told(connection) == "0.1:exceeds_available 0.2:posted"


async def test_schedule_nobody_can_read_is_paused_and_stops_no_other(node: Node, connection: Connection) -> None:
    await node.pay_in(1, 5000)
    create_schedule(connection, RENT, START)
    connection.execute(
        "INSERT INTO ledger.schedule (id, definition, created_at, step, number, due_at, key, wake_at)"
        """ VALUES (%s, '{"actor": "ann", "zone": "Gone/Gone"}', %s, 0, 1, %s, %s, %s)""",
        (uuid.UUID(int=6), START, START, uuid.UUID(int=6), START),
    )
    connection.execute(
        "INSERT INTO ledger.schedule_change VALUES (%s, 1, 'ann', 'create', %s)", (uuid.UUID(int=6), START)
    )
    assert await node.settle() == 1
    assert connection.execute("SELECT id, status FROM ledger.schedule ORDER BY id").fetchall() == [
        (uuid.UUID(int=6), 2),
        (RENT.id, 1),
    ]


async def test_worker_runs_by_itself_and_takes_pause_and_cancel(database_url: str, connection: Connection) -> None:
    node = await new_node(database_url, Clock(START - DAY), interval_s=0.01)
    await node.pay_in(1, 5000)
    create_schedule(connection, RENT, START)
    await node.worker.start()

    async def until(expected: str) -> None:
        async with asyncio.timeout(20):
            while told(connection) != expected:  # noqa: ASYNC110 - the change happens in the database
                await asyncio.sleep(0.01)

    node.clock.moment = START
    await until("0.1:posted")
    assert change_schedule(connection, RENT.id, "pause", actor="ann", now=START)
    node.clock.moment = START + DAY
    await asyncio.sleep(0.1)
    assert told(connection) == "0.1:posted"
    assert change_schedule(connection, RENT.id, "resume", actor="ann", now=START + DAY)
    await until("0.1:posted 1.1:posted")
    assert change_schedule(connection, RENT.id, "cancel", actor="ann", now=START + DAY)
    node.clock.moment = START + 9 * DAY
    await asyncio.sleep(0.1)
    await node.worker.stop()
    await node.books.stop()
    assert told(connection) == "0.1:posted 1.1:posted"


def test_application_may_use_the_doors_and_nothing_else(connection: Connection) -> None:
    connection.execute("SET ROLE dwaybank_application")
    create_schedule(connection, RENT, START)
    assert change_schedule(connection, RENT.id, "pause", actor="ann", now=START)
    for statement in (
        "UPDATE ledger.schedule SET status = 1",
        "INSERT INTO ledger.schedule_run (schedule_id, due_at, attempt) VALUES (gen_random_uuid(), now(), 1)",
        "DELETE FROM ledger.schedule_change",
        "UPDATE ledger.fx_rate SET rate = '2'",
        "INSERT INTO ledger.asset (code, scale) VALUES ('XXX', 2)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())
    connection.execute("RESET ROLE")
    for statement in (
        "UPDATE ledger.schedule SET definition = '{}'",
        "UPDATE ledger.schedule SET id = gen_random_uuid()",
        "UPDATE ledger.schedule_change SET actor = 'eve'",
        "TRUNCATE ledger.schedule_run",
        "DELETE FROM ledger.schedule",
    ):
        with pytest.raises(psycopg.Error, match="history cannot be edited"):
            connection.execute(statement.encode())


def test_orders_and_changes_that_cannot_be_are_refused(connection: Connection) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        find_schedule(connection, RENT.id)
    for what in ("pause", "forget"):
        with pytest.raises(NotFoundError, match="does not exist"):
            change_schedule(connection, RENT.id, what, actor="ann", now=START)
    with pytest.raises(InvalidValueError, match="what"):
        change_schedule(connection, RENT.id, "explode", actor="ann", now=START)
    with pytest.raises(InvalidValueError, match="actor"):
        change_schedule(connection, RENT.id, "pause", actor="a b", now=START)
    with pytest.raises(InvalidValueError, match="page_size"):
        list_runs(connection, RENT.id, count_max=0)


async def test_examples_of_the_page_are_true(node: Node, connection: Connection) -> None:
    await node.pay_in(1, 10_000_00)
    loop = asyncio.get_running_loop()
    known = {
        "connection": connection,
        "now": START,
        "uuid": uuid,
        "datetime": datetime,
        "settle": lambda: asyncio.run_coroutine_threadsafe(node.settle(), loop).result(20) and None,
    }
    page = str(REPOSITORY / "docs" / "schedules.md")
    result = await asyncio.to_thread(doctest.testfile, page, module_relative=False, globs=known)
    assert result.attempted > 10
    assert result.failed == 0
