"""Sends the statements of a small database transaction, and takes their answers when they come.

psycopg's own pipeline does the same with twice the processor time, and lets its caller wait: one that posts one entry
after the other spends a tenth of his time in handing each to a thread that may wait (``docs/benchmarks.md``).

Source: PostgreSQL, libpq, "Pipeline Mode": all statements up to a synchronisation are one database transaction.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
import psycopg.abc
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult

from ledger.script import Statement

PREPARED_MAX = 100
"""Statements kept prepared on a connection; the oldest makes room."""

_Key = tuple[bytes, tuple[int, ...]]


class WriterConnection(psycopg.Connection[Any]):
    """A connection that ``Sending`` can use."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.prepared: dict[_Key, bytes] = {}
        """Names of statements that the server has parsed, by text and types of the arguments."""
        self.named = 0
        """How many names were given: none is given twice."""

    def rollback(self) -> None:
        """Roll back; psycopg lets the server forget all that is prepared then, and not only its own."""
        super().rollback()
        self.prepared.clear()


class _Command(NamedTuple):
    """A statement in the server's form; ``types`` names what kinds its values have."""

    text: bytes
    types: tuple[int, ...]
    formats: Sequence[Format]
    values: Sequence[Any]
    prepare: bool


class Sending:
    """One database transaction on its way.

    Args:
        connection: in autocommit mode, and nobody else's until ``ended`` returned true or raised.
        statements: few and small: all of them are sent before this returns.
    Raises:
        psycopg.Error: a value cannot be sent, or the connection was lost; nothing of it stands.
    """

    def __init__(self, connection: WriterConnection, statements: Sequence[Statement]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._asked: list[tuple[_Key, bytes] | None] = []
        """What each answer will be to: a statement to be prepared, with its name, or anything else."""
        self._names: dict[_Key, bytes] = {}
        """Of the statements that are being prepared."""
        self._refusal: PGresult | None = None
        self.socket = self._pgconn.socket
        """To wait at until it can be read."""
        transformer = Transformer(connection)
        commands = [_command(transformer, statement) for statement in statements]
        try:
            self._pgconn.enter_pipeline_mode()
            for command in commands:
                self._send(command)
            self._pgconn.pipeline_sync()
            while self._pgconn.flush():
                _wait(self.socket, select.POLLOUT)
        except BaseException:
            connection.close()
            raise

    def ended(self) -> bool:
        """Take the answers that have come; true once all have, and the transaction is committed.

        Raises:
            psycopg.Error: the database refused it, and nothing of it stands; or the connection was lost, and whether it
                stands is unknown.
        """
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    # Stands between the answers to two statements, and behind the last of a connection that is lost.
                    if self._pgconn.status == ConnStatus.BAD:
                        raise psycopg.OperationalError("the connection was lost")
                    continue
                if result.status == ExecStatus.PIPELINE_SYNC:
                    self._pgconn.exit_pipeline_mode()
                    break
                self._take(result)
            else:
                return False
        except BaseException:
            self._connection.close()
            raise
        if self._refusal is not None:
            error = error_from_result(self._refusal)
            if isinstance(error, psycopg.errors.InvalidSqlStatementName):
                # Someone let the server forget them.
                self._connection.prepared.clear()
            raise error
        return True

    def wait(self) -> None:
        """Return once it is committed; raises what ``ended`` raises."""
        while not self.ended():
            _wait(self.socket, select.POLLIN)

    def _send(self, command: _Command) -> None:
        if not command.prepare:
            self._ask(None)
            self._pgconn.send_query_params(command.text, command.values, command.types, command.formats, Format.BINARY)
            return
        key = (command.text, command.types)
        name = self._connection.prepared.get(key) or self._names.get(key) or self._prepare(key)
        self._ask(None)
        self._pgconn.send_query_prepared(name, command.values, command.formats, Format.BINARY)

    def _prepare(self, key: _Key) -> bytes:
        prepared = self._connection.prepared
        if len(prepared) >= PREPARED_MAX:
            self._ask(None)
            self._pgconn.send_query_params(b"DEALLOCATE " + prepared.pop(next(iter(prepared))), None)
        self._connection.named += 1
        name = self._names[key] = b"books_%d" % self._connection.named
        self._ask((key, name))
        self._pgconn.send_prepare(name, *key)
        return name

    def _ask(self, prepared: tuple[_Key, bytes] | None) -> None:
        self._asked.append(prepared)

    def _take(self, result: PGresult) -> None:
        asked = self._asked.pop(0)
        if result.status == ExecStatus.FATAL_ERROR:
            self._refusal = result
        elif asked is not None and result.status == ExecStatus.COMMAND_OK:
            self._connection.prepared.update((asked,))


def _wait(socket: int, event: int) -> None:
    # Not ``select``, which knows no descriptor above 1023: a node has more connections.
    poll = select.poll()
    poll.register(socket, event)
    poll.poll()


def _command(transformer: psycopg.abc.Transformer, statement: Statement) -> _Command:
    arguments = statement.arguments
    values = transformer.dump_sequence(arguments, [PyFormat.BINARY] * len(arguments))
    text, *others = statement.text.split(b"%s")
    for number, other in enumerate(others, 1):
        text += b"$%d%b" % (number, other)
    assert transformer.types is not None and transformer.formats is not None
    return _Command(text, transformer.types, transformer.formats, values, bool(statement.prepare))
