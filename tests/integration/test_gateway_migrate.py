"""Schema ``gateway`` is brought up to date once, by a role that may do nothing else, and never by changed files.

Method: real PostgreSQL; the roles are those that a new consortium's database gets.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import ProgrammingError

import gateway
from gateway.errors import ConfigurationError
from gateway.migrate import migrate
from node.databases import provision_databases
from node.postgres import PostgresCluster

FILES = sorted(path.name for path in (Path(gateway.__file__).parent / "sql" / "migrations").glob("*.sql"))


def _engine(url: str) -> Engine:
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    made = _engine(empty_database_url)
    yield made
    made.dispose()


def test_migration_runs_each_file_once(engine: Engine) -> None:
    assert migrate(engine) == FILES
    assert migrate(engine) == []


def test_migration_refuses_a_file_that_changed_after_it_ran(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE gateway.migration SET digest = 'x' WHERE name LIKE '0002%'"))
    with pytest.raises(ConfigurationError, match=r"0002_transfers\.sql changed"):
        migrate(engine)


def test_migration_refuses_a_database_of_a_newer_release(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO gateway.migration VALUES ('0099_later.sql', 'x')"))
    with pytest.raises(ConfigurationError, match=r"0099_later\.sql"):
        migrate(engine)


def test_migration_works_for_the_role_that_owns_the_schema_and_may_see_nothing_else(
    postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    provision_databases(postgres_cluster.url(), tmp_path, "gateway_role")
    engine = _engine((tmp_path / "gateway.url").read_text())
    try:
        assert migrate(engine) == FILES
        with pytest.raises(ProgrammingError), engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA other"))
        with psycopg.connect((tmp_path / "node.url").read_text(), autocommit=True) as node:
            asked = node.execute("SELECT * FROM gateway.customers_of(%s, %s)", ("ab" * 16, ["alice"])).fetchall()
            assert asked == []
            for table in ("customer", "customer_account", "customer_disclosure", "transfer"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    node.execute(f"SELECT * FROM gateway.{table}".encode())
    finally:
        engine.dispose()


def test_database_itself_refuses_what_the_gateway_would_never_write(engine: Engine, empty_database_url: str) -> None:
    migrate(engine)
    customer = (
        "INSERT INTO gateway.customer VALUES"
        " ('00000000-0000-0000-0000-000000000001', '{email}', '{name}', 'h', '{status}', now())"
    )
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(customer.format(email="a@b.c", name="A", status="active").encode())
        for email, name, status in (
            ("A@b.c", "A", "active"),
            ("a@b.c", "A", "active"),
            ("c@b.c", "", "active"),
            ("d@b.c", "A", "root"),
        ):
            with pytest.raises(psycopg.IntegrityError):
                connection.execute(customer.format(email=email, name=name, status=status).encode())
