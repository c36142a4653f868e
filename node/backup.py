"""``dwaybank backup``: all of a running consortium on one machine, from moments that fit together.

The shared ledger refuses a log shorter than its head there, and peers refuse another block under a number that they
hold. So an organization's database must hold every entry that is anchored in the backup's blocks, and the blocks every
block that a backed up peer holds. Both are so when nothing is ordered from before the first copy until after the last
one: a lock, which the kernel frees should this command die, keeps the supervisor's orderer down. Posting goes on.

Two banks settle without the orderer, by steps that each writes down before it tells the other. So their records of
settlements stand still, all at once, from before the first copy until after the last: a lock in each database, which
its server frees should this command die. What a bank's books do beyond its records meanwhile, the step that was
written down last finds done, as after a crash.

Left to others: database servers that are somebody's own, archives and snapshots; and the way back, which is to copy.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from network.topology import Consortium, Organization
from node.disk import sync
from node.errors import ConfigurationError, SupervisorError
from node.home import Home, open_home
from node.lock_file import take_lock
from node.postgres import ClusterSettings, PostgresCluster
from node.start import read_status, running_pid

HOLD_TIMEOUT_S = 60.0
"""For the orderer to finish what it writes and end, and for each bank's settlements to stand still."""

_HOLD_STILL = "LOCK TABLE partner.outgoing, partner.incoming IN EXCLUSIVE MODE"
"""Nobody changes them then, everybody reads; what was signed for a settlement is written with its state."""


def back_up(root: Path, target: Path) -> list[str]:
    """Copy the consortium in ``root`` into the new folder ``target``; return what the operator should know.

    Raises:
        NodeError: with one sentence about what stands in the way; nothing is left of the backup then.
    """
    home, consortium = open_home(root)
    target = target.resolve()
    if target.exists():
        raise ConfigurationError(f"{target} exists: name a folder that does not, one for each backup")
    if target.is_relative_to(home.root):
        raise ConfigurationError(f"{target} lies in what is to be backed up: name a folder outside of {home.root}")
    if consortium.orderer.external:
        raise ConfigurationError(
            "this consortium's orderer is not run by `dwaybank up` and cannot be held: archive each database's "
            "write-ahead log continuously instead"
        )
    building = target.with_name(f"{target.name}.building")
    try:
        with _alone(home):
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(parents=True, mode=0o700)
            try:
                with _nothing_ordered(home), _nothing_settled(home, consortium):
                    for member in consortium.organizations:
                        _copy_organization(home, member, building / member.name)
                    for name in ("consortium.yaml", "crypto", "channel", "orderer"):
                        _copy(home.root / name, building / name)
                _sync_all(building)
                building.rename(target)
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
        sync(target.parent)
    except OSError as error:
        raise ConfigurationError(_not_copied(error, target)) from error
    return [
        f"{member.name}'s database is on a server of your own and not in this backup: when this is restored, compare "
        f"its positions with its partners' (`dwaybank partner positions --org {member.name}`)"
        for member in consortium.organizations
        if _is_given(home, member)
    ]


def _not_copied(error: OSError, target: Path) -> str:
    """Say which file cannot be copied, and why."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        # Of a folder it tells all that failed: source, target and what the system said, as text.
        source, _, said = error.args[0][0]
        reason = re.sub(r"^\[Errno \d+\] |: '.*$", "", str(said))
        return f"{source} cannot be copied or written: {reason}"
    return f"{error.filename or target} cannot be copied or written: {error.strerror or error}"


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Hold the lock of backups, which has the supervisor keep the orderer down, within the block.

    Raises:
        SupervisorError: the consortium does not run, or not all of it, or another backup is made.
    """
    if running_pid(home) is None or read_status(home).get("state") != "running":
        raise SupervisorError(
            f"the consortium in {home.root} is not running: stopped, its folder is copied as it stands (`cp -a`)"
        )
    if left := ", ".join(read_status(home).get("without", [])):
        raise SupervisorError(
            f"{left} was left out when the consortium was started (--without), and what is not there is in no backup: "
            "start it with all, or stop it and copy its folder as it stands (`cp -a`)"
        )
    if (lock := take_lock(home.backup_lock)) is None:
        raise SupervisorError(f"another backup of {home.root} is being made: wait until it has ended")
    with lock:
        yield


@contextmanager
def _nothing_ordered(home: Home) -> Iterator[None]:
    """Have the orderer be down within the block.

    Raises:
        SupervisorError: it does not stop, or did not stay so until the end.
    """
    supervisor = running_pid(home)
    deadline = time.monotonic() + HOLD_TIMEOUT_S
    while not _is_held(home, supervisor):
        if time.monotonic() > deadline:
            raise SupervisorError(
                f"the orderer did not stop within {HOLD_TIMEOUT_S:.0f} s: see {home.logs / 'supervisor.log'}"
            )
        time.sleep(0.1)
    yield
    if not _is_held(home, supervisor):
        raise SupervisorError("the consortium was stopped or started again meanwhile: begin the backup again")


@contextmanager
def _nothing_settled(home: Home, consortium: Consortium) -> Iterator[None]:
    """Have the banks' records of settlements stand still within the block, those of all at once.

    Raises:
        SupervisorError: a database does not answer, or was started again meanwhile.
    """
    member = consortium.organizations[0]
    try:
        with ExitStack() as held:
            locks: list[tuple[Organization, psycopg.Connection]] = []
            for member in consortium.organizations:
                if not _is_given(home, member):
                    url = _cluster(home, member).url(member.name)
                    lock = held.enter_context(psycopg.connect(url, connect_timeout=10))
                    lock.execute(f"SET LOCAL lock_timeout = '{HOLD_TIMEOUT_S:.0f}s'".encode())
                    lock.execute(_HOLD_STILL)
                    locks.append((member, lock))
            yield
            for member, lock in locks:  # noqa: B007 - named where it fails
                lock.execute("SELECT 1")
    except psycopg.Error as error:
        reason = str(error).strip().partition("\n")[0]
        raise SupervisorError(
            f"{member.name}'s settlements could not be held still until the end: {reason}; begin the backup again"
        ) from error


def _is_held(home: Home, supervisor: int | None) -> bool:
    status = read_status(home)
    return (
        supervisor is not None
        and running_pid(home) == supervisor
        and status.get("state") == "running"
        and status.get("held") is True
    )


def _is_given(home: Home, member: Organization) -> bool:
    return home.secret(member, "administrator.url").exists()


def _copy_organization(home: Home, member: Organization, folder: Path) -> None:
    own = home.organization(member)
    folder.mkdir()
    for path in sorted(own.iterdir()):
        if path.is_file() or path.name == "secrets":
            _copy(path, folder / path.name)
    if not _is_given(home, member):
        _cluster(home, member).copy(folder / "postgres")


def _cluster(home: Home, member: Organization) -> PostgresCluster:
    return PostgresCluster(ClusterSettings(home.organization(member) / "postgres", member.postgres_port))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def _sync_all(folder: Path) -> None:
    """Have everything on disk; a copied database is there already, and nobody's to open but its server's account's."""
    for place, folders, files in os.walk(folder):
        if Path(place).name == "postgres":
            folders.clear()
        for path in (*(Path(place, name) for name in files), Path(place)):
            if not path.is_symlink():
                sync(path)
