"""The PostgreSQL that tests run on: the wheel's, or the one whose ``bin`` folder ``DWAYBANK_TEST_POSTGRES`` names.

With another server named, only the tests that use a database run, all of them (``tests/conftest.py``). Migrations run
once for each server: what is made anew for a test is a copy, unless the test is about migrating.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from node.ports import free_port
from node.postgres import ClusterSettings, PostgresCluster
from node.schemas import prepare_schemas

VARIABLE = "DWAYBANK_TEST_POSTGRES"
EXAMPLE = "/usr/lib/postgresql/15/bin"
HOW_TO_ENABLE = (
    f"no other PostgreSQL was named: set {VARIABLE} to the bin folder of version 15, 16 or 17 and every test that uses "
    f"a database runs on it (Debian: apt-get install postgresql-15, then {EXAMPLE})"
)

ENGLISH = ("--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8")
"""A server of somebody's own mostly orders text as a language does, the wheel's by code points: both must do."""

PREFIX = "dwaybank-pg-"
MEMORY = Path("/dev/shm")
MEMORY_FREE_BYTES_MIN = 6 * 2**30
"""Twice what a test's server may come to: its write-ahead log alone may take 2 GiB."""


def named_binaries() -> Path | None:
    """Return the ``bin`` folder that was named, or nothing; end the run where it holds no server."""
    folder = os.environ.get(VARIABLE, "")
    if not folder:
        return None
    if not os.access(Path(folder) / "postgres", os.X_OK):
        raise pytest.UsageError(f"{VARIABLE}={folder}: no PostgreSQL server there; name a bin folder such as {EXAMPLE}")
    return Path(folder)


def server_version(binaries: Path) -> str:
    """Return what the server says of itself, such as ``15.18``."""
    said = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+\.\d+", said)
    assert found is not None, said
    return found.group()


class CopyingCluster(PostgresCluster):
    """A server whose new databases come migrated, as copies of one: a tenth of what the migrations take."""

    _MIGRATED = "migrated"

    def __init__(self, settings: ClusterSettings) -> None:
        super().__init__(settings)
        self._kept: psycopg.Connection[Any] | None = None

    def stop(self, timeout_s: float = 20.0) -> None:
        """Stop the server."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        super().stop(timeout_s)

    def create_database(self, name: str) -> str:
        """Create a database with all schemas of a node, nothing in them, where absent; return its URL."""
        known = self._names()
        if self._MIGRATED not in known:
            prepare_schemas(self.create_empty_database(self._MIGRATED))
        return self.url(name) if name in known else self.copy_database(self._MIGRATED, name)

    def create_empty_database(self, name: str) -> str:
        """Create a database without any schema where absent, and return its URL."""
        return super().create_database(name)

    def copy_database(self, source: str, name: str) -> str:
        """Make a database like another one, which nobody may use meanwhile; return its URL."""
        # Cheaper than through the write-ahead log by half.
        copying = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self._administrator().execute(copying.format(sql.Identifier(name), sql.Identifier(source)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever uses it."""
        self._administrator().execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _names(self) -> set[str]:
        return {name for (name,) in self._administrator().execute("SELECT datname FROM pg_database")}

    def _administrator(self) -> psycopg.Connection[Any]:
        # Kept for all tests: three connections to make and drop a database cost as much as making it.
        if self._kept is None or self._kept.closed:
            self._kept = psycopg.connect(self.url(), autocommit=True)
        return self._kept


@contextlib.contextmanager
def running_cluster(*, sync: bool) -> Iterator[CopyingCluster]:
    """Give a server of one's own in a new folder that its account may enter, and end it afterwards.

    Args:
        sync: whether it lies on the disk and writes through to it, always where a test is about what survives; else it
            lies in memory where there is room, because a new database is 300 new files, and a disk is slow in those.
    """
    prefix = f"{PREFIX}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=None if sync else _memory_folder()) as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "org").mkdir(mode=0o755)
        settings = ClusterSettings(Path(folder) / "org" / "postgres", free_port(), sync=sync)
        if binaries := named_binaries():
            settings = replace(settings, binaries=binaries, locale=ENGLISH)
        made = PostgresCluster(settings)
        made.prepare()
        if not sync:
            _believe(str(conninfo_to_dict(made.url())["user"]), settings.folder / "data" / "pg_hba.conf")
        # Only now: making the cluster took a second, in which another test may have been given the same port.
        cluster = CopyingCluster(replace(settings, port=free_port()))
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


def _believe(role: str, rules: Path) -> None:
    # Tests connect tens of thousands of times, and proving a password costs as much as all the rest of a connection.
    # Other roles still prove theirs, and so does everybody who comes through TCP.
    rules.write_text(f"local all {role} trust\n{rules.read_text()}")


def _memory_folder() -> Path | None:
    for left in MEMORY.glob(f"{PREFIX}[0-9]*-*"):
        # A run that was killed cannot tidy up, and what it left takes memory.
        process = left.name.removeprefix(PREFIX).partition("-")[0]
        if process.isdigit() and not Path("/proc", process).exists():
            shutil.rmtree(left, ignore_errors=True)
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < MEMORY_FREE_BYTES_MIN:
        return None
    return MEMORY
