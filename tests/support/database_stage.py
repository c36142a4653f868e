"""The real books as a stage: the writer on a real PostgreSQL, on a ledger that is emptied before each use."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from ledger.account import NewAccount, Side, Terms
from ledger.archive import Archivist
from ledger.archive_state import standing_archives
from ledger.archived import archived_seq
from ledger.audit import Finding, verify_books
from ledger.balances import find_account, open_new_account
from ledger.errors import ArchivedError, ArchiveRefusedError, ConflictError, InvalidValueError, NotFoundError
from ledger.journal import EntryResult
from ledger.journal_parts import end_part
from ledger.periods import close_period, list_periods, reopen_period, report_periods
from ledger.posting import AccountTerms, Writer
from ledger.schema import migrate
from node.postgres import PostgresCluster
from tests.support.accounting_table import START
from tests.support.books import Clock, new_writer, sign, verify
from tests.support.ledger_model import Account, Answer, Request
from tests.support.ledger_stage import real_request

_numbers = itertools.count(1)

_TABLES = b"""
    SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = 'ledger' ORDER BY 1
"""
_EVER = datetime(9000, 1, 1, tzinfo=UTC)
_ANY = "SELECT EXISTS (SELECT FROM {})"


class EmptyLedgers:
    """One migrated database, emptied again for each use: far cheaper than a new one each time."""

    def __init__(self, cluster: PostgresCluster) -> None:
        self._cluster = cluster
        self._name = f"ledger_{next(_numbers)}"
        self.url = cluster.create_database(self._name)
        with psycopg.connect(self.url, autocommit=True) as connection:
            migrate(connection)
            tables = [row[0] for row in connection.execute(_TABLES)]
            # What stands in a new ledger, such as assets, stays; the head is set back, partitions are made anew.
            empty = [
                table for table in tables if connection.execute(_ANY.format(table).encode()).fetchone() == (False,)
            ]
            head = connection.execute("SELECT head::text FROM ledger.head").fetchone()
        assert head is not None
        self._emptying = "SET session_replication_role = replica; " + "".join(f"DELETE FROM {t}; " for t in empty)
        self._head = head

    @contextmanager
    def fresh(self, partition_entries: int = 1_000_000) -> Iterator[str]:
        """Yield the URL of an empty ledger; no other may be in use.

        Args:
            partition_entries: entries in each partition of the journal.
        """
        with psycopg.connect(self.url) as connection:
            # With this setting triggers are silent, those that keep history as well: a test's right, nobody else's.
            connection.execute(self._emptying.encode())
            divide_journal(connection, partition_entries)
            connection.execute("DELETE FROM ledger.head")
            connection.execute("INSERT INTO ledger.head SELECT (%s::ledger.head).*", self._head)
        yield self.url

    def close(self) -> None:
        """Drop it."""
        with psycopg.connect(self._cluster.url(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {self._name} WITH (FORCE)".encode())


def divide_journal(connection: psycopg.Connection[Any], partition_entries: int) -> None:
    """Give an empty journal partitions of so many entries; triggers must be silent."""
    for (table,) in connection.execute("SELECT table_name FROM ledger.partition").fetchall():
        connection.execute(f"DROP TABLE ledger.{table}".encode())
    connection.execute("DELETE FROM ledger.partition")
    connection.execute("UPDATE ledger.partition_size SET entries = %s", (partition_entries,))
    connection.execute("SELECT ledger.make_partitions(1)")


class DatabaseStage:
    """A writer and a reader of one ledger.

    Args:
        url: of an empty ledger.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = Clock(START)
        self.writer: Writer = new_writer(url, self.clock)

    def __enter__(self) -> DatabaseStage:
        self.connection: psycopg.Connection[Any] = psycopg.connect(self.url, autocommit=True)
        self.writer.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()
        self.connection.close()

    def open_account(self, name: str, account: Account) -> None:
        terms = Terms(account.floor, account.overdraft, account.ceiling)
        new = NewAccount(name, account.asset, Side[account.normal_side.upper()], terms, stripes=account.stripes)
        open_new_account(self.connection, new, now=self.clock())

    def post(self, requests: Sequence[Request]) -> list[Answer]:
        return [answer_of(result) for result in self.writer.post([real_request(request) for request in requests])]

    def dry_run(self, requests: Sequence[Request]) -> list[Answer]:
        return [answer_of(result) for result in self.writer.dry_run([real_request(request) for request in requests])]

    def expire_holds(self) -> int:
        return self.writer.expire_holds()

    def set_terms(self, name: str, terms: dict[str, int | str | None]) -> str:
        """Change some of the terms and leave the others as they are."""
        try:
            known = find_account(self.connection, name)
        except NotFoundError:
            wanted: dict[str, Any] = {"status": "open", "floor": 0, "overdraft": 0, "ceiling": None}
        else:
            wanted = {key: getattr(known, key) for key in ("status", "floor", "overdraft", "ceiling")}
        return self.writer.set_account_terms(name, AccountTerms(**(wanted | terms)), "tester")

    def close_period(self, before: datetime) -> str:
        if before > self.clock():
            with pytest.raises(InvalidValueError):
                close_period(self.writer, before, actor="tester")
            return "not_over_yet"
        try:
            close_period(self.writer, before, actor="tester")
        except ConflictError:
            return "not_after_last"
        return "closed"

    def reopen_period(self) -> str:
        standing = [period.number for period in list_periods(self.connection) if period.reopening is None]
        try:
            reopen_period(self.writer, max(standing, default=1), actor="tester", reason="found late")
        except NotFoundError:
            return "period_not_found"
        except ConflictError:
            return "period_not_found"
        except ArchivedError:
            return "archived"
        return "reopened"

    def archive(self, folder: Path) -> int:
        """Archive whatever may go; return the newest entry that is archived now."""
        report_periods(self.connection, now=self.clock())
        with suppress(ArchiveRefusedError):
            list(self._archivist().archive(folder, before=_EVER, proved_seq=10**9))
        return archived_seq(self.connection)

    def end_part(self) -> None:
        """Let the open partition end; a writer that is not told has its next prepared batch refused."""
        end_part(self.connection)
        self.writer.forget()

    def archive_all(self) -> int:
        """The same, into a folder that nobody needs."""
        with TemporaryDirectory() as folder:
            return self.archive(Path(folder))

    def restore(self, folder: Path) -> int:
        """Restore the newest archive, if there is one; return the newest entry that is archived now."""
        for name in self.archives()[-1:]:
            self._archivist().restore(folder / name)
        return archived_seq(self.connection)

    def _archivist(self) -> Archivist:
        return Archivist(self.url, "DwaybankMSP", sign=sign, verify=verify, actor="tester", now=self.clock)

    def archives(self) -> list[str]:
        """Return the names of the archives' files, oldest first."""
        return [archive.record.file_name for archive in standing_archives(self.connection)]

    def wait(self, seconds: int) -> None:
        self.clock.move(seconds=seconds)

    def money(self, name: str) -> tuple[int, int]:
        account = find_account(self.connection, name)
        return account.balance, account.held

    def findings(self) -> list[Finding]:
        return verify_books(self.connection, verify)


def answer_of(result: Any) -> Answer:
    """Return a result of the books as the model says it."""
    return Answer(result.code.text, result.seq if isinstance(result, EntryResult) else None)
