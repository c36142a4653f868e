"""The writer's two connections to the database, and the one place where its errors become ours.

Rules:
- durable and read-committed whatever the server's defaults say: each statement must see what the writer before it
  committed, and an answer may only follow a commit that is on disk;
- waiting for a lock ends: a writer that was stopped while it held the head must not silence its successor for ever.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from ledger import pack
from ledger.archived import SQLSTATE_ARCHIVED
from ledger.errors import ArchivedError, BooksUnavailableError, FencedError, LedgerError, StaleCopyError

SQLSTATE_FENCED = "DW001"
"""Raised by ``ledger.lock_head`` when the epoch was replaced."""

SQLSTATE_STALE = "DW004"
"""Raised where the books do not stand as the writer's copy says."""

LOCK_TIMEOUT_S = 10
"""Longest wait for the head of the books."""

_SESSION = (
    f"SET default_transaction_isolation = 'read committed'; SET synchronous_commit = on;"
    f" SET lock_timeout = '{LOCK_TIMEOUT_S}s'; SET timezone = 'UTC'"
).encode()


class WriterConnections:
    """One connection for writing, one for looking accounts up beside it.

    Args:
        url: connection URL.
        role: database role to act as; None keeps the connection's own.
    """

    def __init__(self, url: str, role: str | None) -> None:
        self._url = url
        self._role = role
        self._writing: psycopg.Connection[Any] | None = None
        self._looking: psycopg.Connection[Any] | None = None

    def open(self) -> None:
        """Connect.

        Raises:
            BooksUnavailableError: the database cannot be reached.
        """
        self.close()
        try:
            # One after the other, so that the first is closed when the second fails.
            self._writing = self._connect()
            self._looking = self._connect()
        except psycopg.Error as error:
            self.close()
            raise translated(error, 0) from error

    def close(self) -> None:
        """Close both; may be called at any time."""
        for connection in (self._writing, self._looking):
            if connection is not None:
                connection.close()
        self._writing = self._looking = None

    @property
    def standing(self) -> bool:
        """Whether both connections stand, as far as is known."""
        return not any(connection is None or connection.closed for connection in (self._writing, self._looking))

    @property
    def writing(self) -> psycopg.Connection[Any]:
        """The connection for writing.

        Raises:
            BooksUnavailableError: not open.
        """
        return _opened(self._writing)

    @property
    def looking(self) -> psycopg.Connection[Any]:
        """The connection for look-ups; another thread may use it while the writing one is busy."""
        return _opened(self._looking)

    def _connect(self) -> psycopg.Connection[Any]:
        connection: psycopg.Connection[Any] = psycopg.connect(self._url, autocommit=True)
        try:
            pack.register(connection)
            connection.execute(_SESSION)
            if self._role is not None:
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._role)))
        except psycopg.Error:
            connection.close()
            raise
        return connection


def _opened(connection: psycopg.Connection[Any] | None) -> psycopg.Connection[Any]:
    if connection is None:
        raise BooksUnavailableError("the books are not open")
    return connection


def translated(error: psycopg.Error, epoch: int) -> LedgerError:
    """Return our own error for one of the database's; its details may carry values, so only its head is kept."""
    if error.sqlstate == SQLSTATE_FENCED:
        return FencedError(epoch)
    if error.sqlstate == SQLSTATE_STALE:
        return StaleCopyError("the books do not stand as remembered")
    if error.sqlstate == SQLSTATE_ARCHIVED:
        return ArchivedError(error.diag.message_primary or "archived")
    reason = error.diag.message_primary or str(error).splitlines()[0]
    return BooksUnavailableError(f"the database refused the work: {reason}")
