"""The embedded PostgreSQL launcher, against real servers in real folders."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from node import postgres
from node.errors import PostgresError
from node.ports import free_port
from node.postgres import ClusterSettings, PostgresCluster
from node.processes import ManagedCluster
from tests.support.consortium import eventually, home_folder
from tests.support.server import CopyingCluster


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place for a cluster; not below pytest's own folder, which any other run of pytest that begins shuts again."""
    root = home_folder()
    yield root / "org" / "postgres"
    shutil.rmtree(root)


@pytest.mark.skipif(os.geteuid() != 0, reason="run as root: only then the server has another account than we")
def test_link_that_the_servers_account_laid_gives_it_no_file_of_roots(folder: Path) -> None:
    roots_own = folder.parent / "shadow"
    folder.mkdir(parents=True)
    roots_own.mkdir(mode=0o700)
    (folder / "socket").symlink_to(roots_own)
    (folder / "server.log").symlink_to(folder.parent / "crontab")
    with pytest.raises(PostgresError, match=r"cannot be used: Too many levels of symbolic links"):
        PostgresCluster(ClusterSettings(folder, free_port(), sync=False)).start()
    assert not (folder.parent / "crontab").exists()
    (folder / "server.log").unlink()
    cluster = PostgresCluster(ClusterSettings(folder, free_port(), sync=False))
    with pytest.raises(PostgresError, match="ended at start"):
        cluster.start()
    assert roots_own.stat().st_uid == 0
    assert roots_own.owner() == "root"


@pytest.mark.skipif(os.geteuid() != 0, reason="run as root: only then the server has another account than we")
def test_link_in_place_of_the_password_gives_nobody_a_file_of_roots(folder: Path) -> None:
    folder.mkdir(parents=True)
    password = folder / "superuser.password"
    (folder.parent / "shadow").write_text("root:secret")
    password.symlink_to(folder.parent / "shadow")
    cluster = PostgresCluster(ClusterSettings(folder, free_port(), sync=False))
    with pytest.raises(PostgresError, match=r"superuser\.password cannot be read: Too many levels of symbolic links"):
        cluster.url()
    (folder / "server.log").symlink_to(folder.parent / "shadow")
    with pytest.raises(PostgresError, match=r"server\.log cannot be read: Too many levels of symbolic links"):
        cluster._reason()
    password.unlink()
    os.mkfifo(password)
    with pytest.raises(PostgresError, match=r"superuser\.password is no file"):
        cluster.url()


def test_why_a_recovery_fails_is_told_and_not_that_it_was_under_way(folder: Path) -> None:
    cluster = PostgresCluster(ClusterSettings(folder, free_port()))
    cluster.start()
    with psycopg.connect(cluster.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT n FROM generate_series(1, 100000) n")
        (file,) = connection.execute("SELECT pg_relation_filepath('kept')").fetchone() or ("",)
    assert cluster.pid is not None
    os.kill(cluster.pid, signal.SIGKILL)
    cluster.stop()
    (folder / "data" / file).rename(folder / "away")
    (folder / "data" / file).mkdir()

    ended = threading.Event()
    others = [threading.Thread(target=ask_until, args=(cluster.url(), ended)) for _ in range(4)]
    for other in others:
        other.start()
    try:
        with pytest.raises(PostgresError, match=rf"ended at start: .*file \"{file}\": File exists"):
            cluster.start()
    finally:
        ended.set()
        for other in others:
            other.join()
        cluster.stop()


def test_recovery_that_takes_long_is_waited_for_and_not_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = PostgresCluster(ClusterSettings(folder, free_port()))
    cluster.start()
    with psycopg.connect(cluster.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT n FROM generate_series(1, 300000) n")
    assert cluster.pid is not None
    os.kill(cluster.pid, signal.SIGKILL)
    cluster.stop()
    monkeypatch.setattr(postgres, "START_TIMEOUT_S", 1.0)
    cluster.launch()
    try:
        recovering = child_of(cluster.pid or 0, b"startup")
        os.kill(recovering, signal.SIGSTOP)
        threading.Timer(3, os.kill, (recovering, signal.SIGCONT)).start()
        cluster.wait_until_ready()
        with psycopg.connect(cluster.url()) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (300000,)
    finally:
        cluster.stop()


def child_of(server: int, title: bytes) -> int:
    """Return a server's child of this title as soon as it is there."""
    while True:
        for child in Path(f"/proc/{server}/task/{server}/children").read_text().split():
            with contextlib.suppress(OSError):
                if title in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)


def ask_until(url: str, ended: threading.Event) -> None:
    """Knock at a server as a node does whose connections are gone."""
    while not ended.is_set():
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url):
            pass


def test_server_that_ended_has_no_process_id(folder: Path) -> None:
    cluster = PostgresCluster(ClusterSettings(folder, free_port(), sync=False))
    cluster.start()
    try:
        assert cluster.pid is not None
        os.kill(cluster.pid, signal.SIGKILL)
        while cluster.poll() is None:
            time.sleep(0.01)
        assert cluster.pid is None
    finally:
        cluster.stop()


def test_server_that_takes_no_signal_is_killed_and_starts_again(folder: Path) -> None:
    cluster = PostgresCluster(ClusterSettings(folder, free_port(), sync=False))
    cluster.start()
    server = cluster.pid
    assert server is not None
    os.kill(server, signal.SIGSTOP)
    cluster.stop(timeout_s=0.5)
    assert not Path(f"/proc/{server}").exists()
    cluster.start()
    cluster.stop()


def test_cluster_killed_after_commit_then_restarted_keeps_what_was_committed(folder: Path) -> None:
    settings = ClusterSettings(folder, free_port())
    cluster = PostgresCluster(settings)
    cluster.start()
    with psycopg.connect(cluster.create_database("books")) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
    assert cluster.pid is not None
    os.kill(cluster.pid, signal.SIGKILL)
    cluster.stop()

    again = PostgresCluster(settings)
    again.start()
    try:
        with psycopg.connect(again.url("books")) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
    finally:
        again.stop()


def test_cluster_on_taken_port_is_refused_in_one_sentence(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cluster = PostgresCluster(ClusterSettings(folder, taken.getsockname()[1], sync=False))
        with pytest.raises(PostgresError, match=r"port \d+ for PostgreSQL is in use"):
            cluster.start()


def test_cluster_in_foreign_folder_is_refused_and_leaves_it_alone(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "thesis.txt").write_text("mine")
    with pytest.raises(PostgresError, match="holds files that are no PostgreSQL cluster"):
        PostgresCluster(ClusterSettings(folder, free_port(), sync=False)).start()
    assert (folder / "data" / "thesis.txt").read_text() == "mine"


def test_connection_without_password_is_refused(folder: Path) -> None:
    settings = ClusterSettings(folder, free_port(), sync=False)
    cluster = PostgresCluster(settings)
    cluster.start()
    try:
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://dwaybank_admin:wrong@127.0.0.1:{settings.port}/postgres")
    finally:
        cluster.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="run as root: only then the server has another account than we")
def test_copy_made_as_root_writes_only_where_the_servers_account_may(
    postgres_cluster: CopyingCluster, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)  # as root's own backups lie where the account may not enter
    postgres_cluster.copy(tmp_path / "copy")
    data = tmp_path / "copy" / "data"
    assert {path.lstat().st_uid for path in (data, *data.rglob("*"))} == {postgres_cluster._account.pw_uid}
    password = tmp_path / "copy" / "superuser.password"
    assert (password.stat().st_uid, stat.S_IMODE(password.stat().st_mode)) == (0, 0o600)

    # What the account has put among its tablespaces is a place that it may not write to, and root may.
    place = tmp_path / "roots-own" / "made"
    link = postgres_cluster._data / "pg_tblspc" / "99999"
    link.symlink_to(place)
    try:
        with pytest.raises(PostgresError, match=r"pg_basebackup ended with 1: .*Permission denied"):
            postgres_cluster.copy(tmp_path / "another")
    finally:
        link.unlink()
    assert not place.parent.exists()


async def test_server_that_cannot_be_started_again_is_told_once_and_again_when_it_runs(folder: Path) -> None:
    cluster = PostgresCluster(ClusterSettings(folder, free_port(), sync=False))
    await asyncio.to_thread(cluster.prepare)
    managed = ManagedCluster("bank-postgres", cluster)
    await managed.start()

    async def tried_again() -> bool:
        return managed.restarts >= 4

    async def runs() -> bool:
        return any(line["event"].endswith("_no_more") for line in lines)

    try:
        with capture_logs() as lines:
            (version := folder / "data" / "PG_VERSION").rename(folder / "away")
            os.kill(cluster.pid or 0, signal.SIGKILL)
            await eventually(tried_again, "four tries to start it")
            (folder / "away").rename(version)
            await eventually(runs, "it runs again")
    finally:
        await managed.stop()
    told = [line["event"] for line in lines if line["event"].startswith("database server does")]
    assert told == ["database server does not start", "database server does not start_no_more"]
    assert sum(line["event"].startswith("database server ended") for line in lines) <= 2


async def test_server_whose_backend_is_killed_ends_and_is_started_again(folder: Path) -> None:
    cluster = PostgresCluster(ClusterSettings(folder, free_port(), sync=False, kept=True))
    await asyncio.to_thread(cluster.prepare)
    managed = ManagedCluster("bank-postgres", cluster)
    await managed.start()

    async def runs_again() -> bool:
        if not managed.restarts:
            return False
        with contextlib.suppress(psycopg.OperationalError):
            async with await psycopg.AsyncConnection.connect(cluster.url()) as connection:
                return await (await connection.execute("SELECT 1")).fetchone() == (1,)
        return False

    try:
        first = cluster.pid
        async with await psycopg.AsyncConnection.connect(cluster.url()) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
        await eventually(runs_again, "another server answers")
        assert cluster.pid != first
    finally:
        await managed.stop()
