"""The real books and the model, driven side by side through everything that can be asked and much that can go wrong.

Method: a hypothesis state machine on a real PostgreSQL, an empty ledger for each run. Requests come in random batches:
new, repeated, with another body, linked, captures, reversals. Between them writers die at every point, the server drops
them, a second one takes over. After each step every answer, balance and hold is that of the model, which never dies; at
the end also every statement, balance in time, leaf and refusal that is kept, and the audit finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ledger.audit import recompute_leaves
from ledger.balances import trial_balance
from ledger.balances_in_time import balance_at
from ledger.errors import BooksUnavailableError, FencedError, StaleCopyError
from ledger.prepared import PreparedBatch
from ledger.statements import statement_page
from ledger.verify import Verification
from node.postgres import PostgresCluster
from tests.support.books import new_writer, verify
from tests.support.database_stage import DatabaseStage, EmptyLedgers, answer_of
from tests.support.ledger_commands import ACCOUNTS, NAMES, Idea, Planner, after_days, batches, names, terms
from tests.support.ledger_model import Request, chains_of
from tests.support.ledger_stage import ModelStage, key_of, real_key, real_request
from tests.support.server import named_binaries

RUNS = 50 if named_binaries() is None else 20
"""Of another server only that it judges alike is asked: these are the first of the same ledgers."""

STEPS = 30

FAILURES = (
    "die_before_the_commit",
    "die_before_the_answer",
    "lose_the_server_before_the_commit",
    "lose_the_server_between_batches",
    "lose_the_server_while_rows_are_ahead",
    "forget_the_copy_while_rows_are_ahead",
    "reconnect",
    "be_taken_over",
)


class LedgerMachine(RuleBasedStateMachine):
    """Books and model side by side."""

    ledgers: ClassVar[EmptyLedgers]
    striped: ClassVar[dict[str, int]] = {}
    """Accounts that are opened with so many stripes."""

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.truth = ModelStage()
        self.planner = Planner(self.truth.model)

    @initialize(partition_entries=st.integers(1, 7) | st.just(1_000_000))
    def begin(self, partition_entries: int) -> None:
        """Open books whose journal is divided after every so many entries: nothing may depend on it."""
        self.folder = Path(self.open.enter_context(TemporaryDirectory()))
        url = self.open.enter_context(self.ledgers.fresh(partition_entries))
        self.books = self.open.enter_context(DatabaseStage(url))
        for name, plain in ACCOUNTS.items():
            account = replace(plain, stripes=self.striped.get(name, 0))
            self.books.open_account(name, account)
            self.truth.open_account(name, account)

    # What is asked ----------------------------------------------------------------------------------------------------

    @rule(drawn=batches)
    def post(self, drawn: list[Idea]) -> None:
        self._post(self._plan(drawn))

    @rule(drawn=st.lists(batches, min_size=2, max_size=3))
    def post_while_the_batch_before_is_under_way(self, drawn: list[list[Idea]]) -> None:
        """Prepare the next batch before the one before it is committed, as the collector does."""
        waiting: list[tuple[list[Request], PreparedBatch]] = []
        for ideas in drawn:
            requests = self._plan(ideas)
            if requests:
                waiting.append((requests, self._prepare(requests)))
            if len(waiting) == 2:
                self._commit(*waiting.pop(0))
        for requests, batch in waiting:
            self._commit(requests, batch)

    @rule(drawn=batches)
    def rehearse(self, drawn: list[Idea]) -> None:
        requests = self._plan(drawn)
        if requests:
            assert self.books.dry_run(requests) == self.truth.dry_run(requests)

    @rule(count=st.integers(1, 12))
    def repeat_what_was_asked(self, count: int) -> None:
        requests = self.planner.asked[-count:]
        self._post(requests)

    @rule(seconds=st.integers(1, 4), sweep=st.booleans())
    def wait(self, seconds: int, sweep: bool) -> None:
        self.books.wait(seconds)
        self.truth.wait(seconds)
        if sweep:
            assert self.books.expire_holds() == self.truth.expire_holds()

    @rule(name=names, changed=terms)
    def set_terms(self, name: int, changed: dict[str, Any]) -> None:
        got = self.books.set_terms(NAMES[name], changed)
        assert got == self.truth.set_terms(NAMES[name], changed)

    @rule(days=st.one_of(st.none(), st.integers(-35, 2)))
    def close_or_reopen_period(self, days: int | None) -> None:
        if days is None:
            assert self.books.reopen_period() == self.truth.reopen_period()
        else:
            assert self.books.close_period(after_days(days)) == self.truth.close_period(after_days(days))

    @rule(before=batches, after=batches, years_later=st.booleans(), end=st.booleans())
    def archive(self, before: list[Idea], after: list[Idea], years_later: bool, end: bool) -> None:
        """Sometimes years later: then nothing is placed, and the books are closed up to there."""
        self._post(self._plan(before))
        if years_later:
            self.wait(3 * 366 * 86_400, sweep=True)
            now = self.truth.now
            assert self.books.close_period(now) == self.truth.close_period(now)
        if end:
            self.books.end_part()
        self._post(self._plan(after))
        self.truth.model.archive(self.books.archive(self.folder))

    @rule()
    def restore(self) -> None:
        self.truth.model.archive(self.books.restore(self.folder))

    # What goes wrong --------------------------------------------------------------------------------------------------

    @rule(what=st.sampled_from(FAILURES), drawn=batches)
    def fail(self, what: str, drawn: list[Idea]) -> None:
        """One rule for all that goes wrong, so that most steps go well and the books grow."""
        getattr(self, what)(self._plan(drawn))

    def die_before_the_commit(self, requests: list[Request]) -> None:
        """A prepared batch that nobody commits never happened."""
        self._prepare(requests)
        self.books.writer.close()
        self._succeed()

    def die_before_the_answer(self, requests: list[Request]) -> None:
        """What was committed stands, although nobody heard of it: the next one posts it again."""
        self.books.post(requests)
        self.truth.post(requests)
        self.books.writer.close()
        self._succeed()
        self._post(requests)

    def lose_the_server_before_the_commit(self, requests: list[Request]) -> None:
        batch = self._prepare(requests)
        self._terminate_backends()
        if batch.writes:
            with pytest.raises(BooksUnavailableError):
                self.books.writer.commit(batch)
        self.books.writer.reconnect()
        self._post(requests)

    def lose_the_server_while_rows_are_ahead(self, requests: list[Request]) -> None:
        batches = self._prepare_both_halves(requests)
        self._terminate_backends()
        for batch in batches:
            if batch.writes:
                with pytest.raises((BooksUnavailableError, StaleCopyError)):
                    self.books.writer.commit(batch)
        self.books.writer.reconnect()
        self._post(requests)

    def forget_the_copy_while_rows_are_ahead(self, requests: list[Request]) -> None:
        """Whoever prepared batches may forget the copy: they are void, and their rows with them."""
        batches = self._prepare_both_halves(requests)
        self.books.writer.forget()
        for batch in batches:
            with pytest.raises(StaleCopyError):
                self.books.writer.commit(batch)
        self._post(requests)

    def _prepare_both_halves(self, requests: list[Request]) -> list[PreparedBatch]:
        chains = chains_of(requests)
        halves = chains[: len(chains) // 2], chains[len(chains) // 2 :]
        return [self._prepare([request for chain in half for request in chain]) for half in halves if half]

    def lose_the_server_between_batches(self, requests: list[Request]) -> None:
        self._terminate_backends()
        with pytest.raises(BooksUnavailableError):
            self.books.writer.expire_holds()
        self.books.writer.ensure_connected()
        self._post(requests)

    def reconnect(self, requests: list[Request]) -> None:
        self.books.writer.reconnect()
        self._post(requests)

    def be_taken_over(self, requests: list[Request]) -> None:
        """The old writer, prepared or not, is fenced and leaves no trace."""
        fenced = self.books.writer
        batch = self._prepare(requests)
        self._succeed()
        try:
            if batch.writes:
                with pytest.raises((FencedError, StaleCopyError)):
                    fenced.commit(batch)
                with pytest.raises(FencedError):
                    fenced.post([real_request(request) for request in requests])
            with pytest.raises(FencedError):
                fenced.reconnect()
        finally:
            fenced.close()

    # How it is compared -----------------------------------------------------------------------------------------------

    @invariant()
    def balances_are_equal(self) -> None:
        rows = self.books.connection.execute("SELECT reference, balance, held FROM ledger.account_view").fetchall()
        wanted = {(name, *self.truth.money(name)) for name in ACCOUNTS}
        assert set(rows) == wanted
        stripes = self.books.connection.execute(
            "SELECT reference, balance FROM ledger.account WHERE stripe_of IS NOT NULL"
        ).fetchall()
        assert dict(stripes) == {
            f"{name}#{number:02}": balance
            for name in self.striped
            for number, balance in enumerate(self.truth.model.stripes(name), 1)
        }

    @invariant()
    def holds_are_equal(self) -> None:
        rows = self.books.connection.execute("SELECT id, state, captured FROM ledger.hold").fetchall()
        states = {1: "placed", 2: "captured", 3: "released", 4: "expired"}
        got = {number: (states[state], captured) for number, state, captured in rows}
        assert got == {key_of(n): (hold.state, hold.captured) for n, hold in self.truth.model.holds.items()}

    def teardown(self) -> None:
        try:
            if self.truth.model.archived:
                self._compare_archived()
            while self.truth.model.archived:
                self.restore()
            self._compare_all()
        finally:
            self.open.close()

    def _compare_all(self) -> None:
        connection, model = self.books.connection, self.truth.model
        assert self.books.findings() == []
        leaves = list(recompute_leaves(connection, verify))
        assert [leaf.seq for leaf in leaves] == list(range(1, len(model.entries) + 1))
        assert all(leaf.covered and leaf.unchanged for leaf in leaves)
        for name in ACCOUNTS:
            lines = reversed(statement_page(connection, name, entry_count_max=500).lines)
            got = [(line.seq, line.side.name.lower(), line.amount, line.balance_after) for line in lines]
            wanted = model.statement(name)
            if name in self.striped:
                got, wanted = by_entry(got), by_entry(wanted)
            assert (name, got) == (name, wanted)
        assert all(line.debit == line.credit for line in trial_balance(connection))
        self._compare_entries()
        self._compare_refusals()
        self._compare_balances_in_time()

    def _compare_archived(self) -> None:
        """What is left, while some of it is archived: it is sound, fits to its files, and gives later balances."""
        files = [self.folder / name for name in self.books.archives()]
        report = Verification(self.books.url, verify, workers=1, archive_files=files).run()
        assert (report.findings, len(report.proved_files)) == ([], len(files))
        self._compare_balances_in_time(self.truth.model.archived_until())
        assert self.books.findings() == []

    def _compare_balances_in_time(self, after: datetime | None = None) -> None:
        """At pairs of times around what was posted and what it counts for, the edges included."""
        model = self.truth.model
        posted = sorted({e.posted_at for e in model.entries if after is None or e.posted_at >= after})
        effective = sorted({e.effective_at for e in model.entries if after is None or e.effective_at >= after})
        for known_at in (None, *posted[:: max(1, len(posted) // 3)]):
            for effective_at in (None, *effective[:: max(1, len(effective) // 3)]):
                for name in ACCOUNTS:
                    pair = {"known_at": known_at, "effective_at": effective_at}
                    got = balance_at(self.books.connection, name, **pair).balance
                    assert (name, pair, got) == (name, pair, model.balance(name, **pair))

    def _compare_entries(self) -> None:
        rows = self.books.connection.execute(
            "SELECT seq, key, posted_at, effective_at, reverses, chain_seq, hold_id FROM ledger.entry_view ORDER BY seq"
        ).fetchall()
        wanted = [
            (
                posted.seq, key_of(posted.body.key), posted.posted_at, posted.effective_at, posted.body.reverses,
                posted.chain_seq, None if posted.body.hold is None else key_of(posted.body.hold),
            )
            for posted in self.truth.model.entries
        ]  # fmt: skip
        assert rows == wanted

    def _compare_refusals(self) -> None:
        refusals = self.truth.model.refusals
        rows = self.books.connection.execute(
            "SELECT number, after_seq, key, code, chained FROM ledger.refusal ORDER BY number"
        ).fetchall()
        assert rows == [
            (number, kept.after_seq, real_key(kept.request), kept.code, kept.chained)
            for number, kept in enumerate(refusals, 1)
        ]
        binding = self.books.connection.execute("SELECT seq FROM ledger.entry WHERE refusals IS NOT NULL").fetchall()
        after = {kept.after_seq + 1 for kept in refusals if kept.after_seq < len(self.truth.model.entries)}
        assert {seq for (seq,) in binding} == after

    # Steps of the above -----------------------------------------------------------------------------------------------

    def _plan(self, drawn: list[Idea]) -> list[Request]:
        return self.planner.plan(drawn, self.truth.now)

    def _post(self, requests: list[Request]) -> None:
        got = self.books.post(requests)
        wanted = self.truth.post(requests)
        assert list(zip(requests, got, strict=True)) == list(zip(requests, wanted, strict=True))

    def _prepare(self, requests: list[Request]) -> PreparedBatch:
        return self.books.writer.prepare([real_request(request) for request in requests])

    def _commit(self, requests: list[Request], batch: PreparedBatch) -> None:
        try:
            got = [answer_of(result) for result in self.books.writer.commit(batch)]
        except StaleCopyError:  # of a key that stands: all of it is judged again, as the collector does
            self.books.writer.forget()
            got = self.books.post(requests)
        wanted = self.truth.post(requests)
        assert list(zip(requests, got, strict=True)) == list(zip(requests, wanted, strict=True))

    def _succeed(self) -> None:
        """A new writer takes the books over."""
        self.books.writer = new_writer(self.books.url, self.books.clock)
        self.books.writer.open()

    def _terminate_backends(self) -> None:
        """Drop every connection to this ledger but the test's own, and wait until they are gone."""
        self.books.connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def by_entry(lines: list[tuple[int, str, int, int]]) -> dict[int, tuple[str, int, int]]:
    """Side, sum and last balance of each entry: postings on stripes stand in parts."""
    sums: dict[int, tuple[str, int, int]] = {}
    for seq, side, amount, balance in lines:
        sums[seq] = side, sums.get(seq, (side, 0, 0))[1] + amount, balance
    return sums


@pytest.fixture(scope="module")
def empty_ledgers(postgres_cluster: PostgresCluster) -> Iterator[EmptyLedgers]:
    ledgers = EmptyLedgers(postgres_cluster)
    yield ledgers
    ledgers.close()


SETTINGS = settings(
    max_examples=RUNS,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("by_columns", [False, True], ids=["as batches come", "by columns, rows sent ahead"])
def test_books_and_model_agree_on_everything(
    empty_ledgers: EmptyLedgers, by_columns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_columns:  # what only large batches meet otherwise
        monkeypatch.setattr("ledger.batch.RUN_ENTRIES_MIN", 1)
        monkeypatch.setattr("ledger.prepared.INSERTED_ROWS_MAX", 0)
        monkeypatch.setattr("ledger.posting.LOOKUP_ENTRIES_MAX", 0)
        monkeypatch.setattr("ledger.posting.LOOKUPS_AFTER_REPEAT", 2)
    LedgerMachine.ledgers = empty_ledgers
    run_state_machine_as_test(LedgerMachine, settings=SETTINGS)


class StripedMachine(LedgerMachine):
    """The same, with some accounts striped: nothing but holds may tell."""

    striped: ClassVar[dict[str, int]] = {"cash": 3, "alice": 2, "carol": 64}


def test_striped_accounts_give_the_answers_of_any_other(empty_ledgers: EmptyLedgers) -> None:
    StripedMachine.ledgers = empty_ledgers
    run_state_machine_as_test(StripedMachine, settings=SETTINGS)


def test_a_ledger_of_the_machine_is_empty_at_first(empty_ledgers: EmptyLedgers) -> None:
    with empty_ledgers.fresh() as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.entry").fetchone() == (0,)
