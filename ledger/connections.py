"""The writer's three connections to the database, and the one place where its errors become ours.

Rules:
- durable and read-committed whatever the server's defaults say: each statement must see what the writer before it
  committed, and an answer may only follow a commit that is on disk;
- every statement is planned once: a plan made anew for each batch costs more than it could save;
- waiting for a lock ends: a writer that was stopped while it held the head must not silence its successor for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from ledger import pack
from ledger.archived import SQLSTATE_ARCHIVED
from ledger.errors import ArchivedError, BooksUnavailableError, FencedError, LedgerError, StaleCopyError
from ledger.sending import WriterConnection

SQLSTATE_FENCED = "DW001"
"""Raised by ``ledger.lock_head`` when the epoch was replaced."""

SQLSTATE_STALE = "DW004"
"""Raised where the books do not stand as the writer's copy says."""

LOCK_TIMEOUT_S = 10
"""Longest wait for the head of the books."""

_SESSION = (
    f"SET default_transaction_isolation = 'read committed'; SET synchronous_commit = on;"
    f" SET lock_timeout = '{LOCK_TIMEOUT_S}s'; SET timezone = 'UTC'; SET plan_cache_mode = force_generic_plan"
).encode()


class WriterConnections:
    """Two connections for writing, so that rows of a batch travel while the one before commits, and one for looking up.

    Args:
        url: connection URL.
        role: database role to act as; None keeps the connection's own.
    """

    def __init__(self, url: str, role: str | None) -> None:
        self._url = url
        self._role = role
        self._all: list[WriterConnection] = []
        self._free: list[WriterConnection] = []

    def open(self) -> None:
        """Connect.

        Raises:
            BooksUnavailableError: the database cannot be reached.
        """
        self.close()
        try:
            # One after the other, so that the first are closed when another fails.
            for _ in range(3):
                self._all.append(self._connect())
        except psycopg.Error as error:
            self.close()
            raise translated(error, 0) from error
        self._free.extend(self._all[1:])

    def close(self) -> None:
        """Close all; may be called at any time."""
        self._free.clear()
        for connection in self._all:
            connection.close()
        self._all = []

    @property
    def standing(self) -> bool:
        """Whether all connections stand, as far as is known."""
        return bool(self._all) and not any(connection.closed for connection in self._all)

    def take(self) -> WriterConnection | None:
        """Take a connection for writing, None where none is free; ``give_back`` it."""
        return self._free.pop() if self._free else None

    def give_back(self, connection: WriterConnection) -> None:
        """Let others write on a connection; one of before the last ``open`` is forgotten."""
        if any(connection is own for own in self._all[1:]):
            self._free.append(connection)

    @contextmanager
    def writing(self) -> Iterator[WriterConnection]:
        """Take a connection for writing for a while.

        Raises:
            BooksUnavailableError: not open, or more is under way than there are connections.
        """
        connection = self.take()
        if connection is None:
            raise BooksUnavailableError("the books are not open, or busy")
        try:
            yield connection
        finally:
            self.give_back(connection)

    @property
    def looking(self) -> psycopg.Connection[Any]:
        """The connection for look-ups; another thread may use it while others are busy."""
        if not self._all:
            raise BooksUnavailableError("the books are not open")
        return self._all[0]

    def _connect(self) -> WriterConnection:
        connection = WriterConnection.connect(self._url, autocommit=True)
        try:
            pack.register(connection)
            connection.execute(_SESSION)
            if self._role is not None:
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._role)))
        except psycopg.Error:
            connection.close()
            raise
        return connection


def translated(error: psycopg.Error, epoch: int) -> LedgerError:
    """Return our own error for one of the database's; its details may carry values, so only its head is kept."""
    if error.sqlstate == SQLSTATE_FENCED:
        return FencedError(epoch)
    if error.sqlstate == SQLSTATE_STALE:
        return StaleCopyError("the books do not stand as remembered")
    if isinstance(error, psycopg.errors.InvalidSqlStatementName):
        return StaleCopyError("the server does not remember the statements that were prepared")
    if isinstance(error, psycopg.errors.UndefinedTable) or (
        isinstance(error, psycopg.errors.CheckViolation) and not error.diag.constraint_name
    ):
        return StaleCopyError("the journal is not divided as remembered")
    if error.sqlstate == SQLSTATE_ARCHIVED:
        return ArchivedError(error.diag.message_primary or "archived")
    reason = error.diag.message_primary or str(error).splitlines()[0]
    return BooksUnavailableError(f"the database refused the work: {reason}")
