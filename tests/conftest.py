"""Fixtures every test may use: a real PostgreSQL server for the whole run, a fresh database for each test."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from node.postgres import ClusterSettings, PostgresCluster, free_port

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """A PostgreSQL server from the wheel, without fsync: a test's data need not survive the machine."""
    with tempfile.TemporaryDirectory(prefix="dwaybank-pg-") as folder:
        Path(folder).chmod(0o755)
        cluster = PostgresCluster(ClusterSettings(Path(folder) / "org" / "postgres", free_port(), sync=False))
        (Path(folder) / "org").mkdir(mode=0o755)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def database_url(postgres_cluster: PostgresCluster) -> Iterator[str]:
    """URL of an empty database that is dropped after the test."""
    name = f"test_{next(_numbers)}"
    yield postgres_cluster.create_database(name)
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
