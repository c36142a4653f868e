"""Small database transactions sent at once: all or nothing, whatever the server answers and however often."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from ledger.script import Statement
from ledger.sending import PREPARED_MAX, Sending, WriterConnection

INSERT = b"INSERT INTO noted VALUES (%s)"


@pytest.fixture
def connection(database_url: str) -> Iterator[WriterConnection]:
    with WriterConnection.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE noted (number bigint PRIMARY KEY)")
        yield connection


def send(connection: WriterConnection, *statements: tuple[bytes, Sequence[Any]], prepare: bool | None = True) -> None:
    Sending(connection, [Statement(text, arguments, prepare) for text, arguments in statements]).wait()


def noted(connection: WriterConnection) -> list[int]:
    return [number for (number,) in connection.execute("SELECT number FROM noted ORDER BY 1").fetchall()]


def prepared(connection: WriterConnection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM pg_prepared_statements").fetchall()}


@pytest.mark.parametrize("prepare", [True, False, None])
def test_statements_are_one_transaction(connection: WriterConnection, prepare: bool | None) -> None:
    send(connection, (INSERT, (1,)), (INSERT, (2,)), (b"SELECT 1", ()), prepare=prepare)
    with pytest.raises(psycopg.errors.UniqueViolation) as told:
        send(connection, (INSERT, (3,)), (INSERT, (2,)), (INSERT, (4,)), prepare=prepare)
    assert told.value.diag.constraint_name == "noted_pkey"
    assert noted(connection) == [1, 2]
    send(connection, (INSERT, (3,)), prepare=prepare)
    assert noted(connection) == [1, 2, 3]


def test_statement_is_parsed_once_for_all_sendings(connection: WriterConnection) -> None:
    send(connection, (INSERT, (1,)), (INSERT, (2,)))
    send(connection, (INSERT, (3,)))
    assert len(prepared(connection)) == 1
    # Another kind of value is another statement to the server.
    send(connection, (b"SELECT %s", (2,)))
    send(connection, (b"SELECT %s", ("2",)))
    assert len(prepared(connection)) == 3


def test_statement_that_the_server_never_came_to_is_prepared_the_next_time(connection: WriterConnection) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        send(connection, (b"SELECT FROM absent", ()), (INSERT, (1,)))
    assert prepared(connection) == set()
    connection.execute("CREATE TABLE absent ()")
    send(connection, (b"SELECT FROM absent", ()), (INSERT, (1,)))
    assert noted(connection) == [1]


def test_only_so_many_statements_stay_prepared(connection: WriterConnection) -> None:
    texts = [b"SELECT %d" % number for number in range(PREPARED_MAX + 2)]
    for text in (*texts, *texts):
        send(connection, (text, ()))
    assert len(prepared(connection)) == PREPARED_MAX == len(connection.prepared)


def test_statements_that_psycopg_lets_the_server_forget_are_prepared_again(connection: WriterConnection) -> None:
    send(connection, (INSERT, (1,)))
    connection.execute("BEGIN")
    connection.execute("SELECT 1", prepare=True)
    connection.rollback()
    assert prepared(connection) == set()
    send(connection, (INSERT, (2,)))
    assert noted(connection) == [1, 2]


def test_statements_forgotten_behind_our_back_are_told_once(connection: WriterConnection) -> None:
    send(connection, (INSERT, (1,)), (b"SELECT 1", ()))
    connection.execute("DEALLOCATE ALL")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        send(connection, (INSERT, (2,)), (b"SELECT 1", ()))
    send(connection, (INSERT, (3,)), (b"SELECT 1", ()))
    assert noted(connection) == [1, 3]


def test_value_that_cannot_be_sent_leaves_the_connection_whole(connection: WriterConnection) -> None:
    with pytest.raises(psycopg.ProgrammingError):
        send(connection, (INSERT, (1,)), (INSERT, (object(),)))
    assert noted(connection) == []


def test_more_than_a_socket_holds_is_sent_all_the_same(connection: WriterConnection) -> None:
    send(connection, (b"SELECT %s", (bytes(30_000_000),)), (INSERT, (1,)))
    assert noted(connection) == [1]


def test_descriptor_above_those_that_select_knows_is_waited_at(database_url: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with WriterConnection.connect(database_url, autocommit=True) as connection:
            assert connection.pgconn.socket > 1023
            send(connection, (b"SELECT %s", (bytes(30_000_000),)))
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_lost_connection_is_told_and_closed(connection: WriterConnection, database_url: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        send(connection, (INSERT, (1,)), (b"SELECT pg_terminate_backend(pg_backend_pid())", ()), (INSERT, (2,)))
    assert connection.closed
    with pytest.raises(psycopg.OperationalError):
        send(connection, (INSERT, (1,)))
    with psycopg.connect(database_url) as other:
        assert other.execute("SELECT count(*) FROM noted").fetchone() == (0,)


def test_answers_are_taken_as_they_come(connection: WriterConnection, database_url: str) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE noted")
        sending = Sending(connection, [Statement(INSERT, (1,), True)])
        assert not sending.ended()
    sending.wait()
    assert noted(connection) == [1]
