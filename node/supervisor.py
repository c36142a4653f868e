"""Runs a whole consortium on one machine: ``dwaybank up`` starts one of these, ``dwaybank down`` ends it.

Order of start: database clusters and orderer · nodes · gateways and portals; order of stop: the reverse. Only one
supervisor may hold a data directory (a lock on ``run/lock``, freed by the kernel when it dies). ``run/status.json``
tells the command line how far the start has come and who listens where.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import Any, TextIO

import structlog

from network.errors import NetworkError
from network.operations.log_lines import write_log_lines
from network.topology import Consortium, Organization
from node.config import read_url
from node.databases import provision_databases
from node.errors import NodeError, SupervisorError, one_line
from node.gateway_settings import write_gateway_settings
from node.home import Home, open_home
from node.liveness import question_for
from node.lock_file import is_locked, take_lock
from node.portal_settings import write_portal_settings
from node.postgres import ClusterSettings, PostgresCluster
from node.processes import ManagedCluster, ManagedProcess, ProcessSpec, stop_all

_ROOMS = {"gateway": ("-m", "gateway"), "portal": ("-m", "gateway.portal")}
"""Programs of a room of their own."""

FREE_BYTES_START = 32 * 1024 * 1024
"""Without room for some of its write-ahead log no database server starts, and what else fails is told nowhere."""

log = structlog.get_logger(__name__)


class Status:
    """``run/status.json``: replaced as a whole, so a reader never sees half of it.

    While a full disk keeps it from being written the consortium goes on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: dict[str, Any] = {"pid": os.getpid(), "state": "starting", "step": "", "error": ""}
        self._started = time.monotonic()
        self._told = True

    def beat(self) -> None:
        """Show that somebody watches still: by the file's time, which takes no room."""
        with contextlib.suppress(OSError):
            os.utime(self._path)

    def update(self, **changes: Any) -> bool:
        """Change some fields and write the file; tell whether that was possible."""
        self._content |= changes | {"elapsed_s": round(time.monotonic() - self._started, 2)}
        building = self._path.with_suffix(".building")
        try:
            building.write_text(json.dumps(self._content), encoding="utf-8")
            building.replace(self._path)
        except OSError as error:
            if self._told:
                log.error("status cannot be told", file=str(self._path), reason=error.strerror)
            self._told = False
        else:
            self._told = True
        return self._told


class Supervisor:
    """The consortium's processes, from first start to orderly end.

    Args:
        home: the data directory.
        consortium: who is in it.
        status: where it is told how far the start has come.
        without: names of organizations none of whose processes are started.
    """

    def __init__(
        self, home: Home, consortium: Consortium, status: Status, without: frozenset[str] = frozenset()
    ) -> None:
        self._home = home
        self._consortium = consortium
        self._without = sorted(without)
        self._members = [member for member in consortium.organizations if member.name not in without]
        self._status = status
        self._clusters: dict[str, ManagedCluster] = {}
        self._held, self._held_trouble = False, ""
        self._orderers = (
            []
            if consortium.orderer.external
            else [self._process("orderer", consortium.orderer.port, "orderer", home.orderer / "orderer.yaml")]
        )
        self._nodes = [
            self._process(f"{member.name}-node", member.node_port, "node", home.organization(member) / "node.yaml")
            for member in self._members
        ]
        self._gateways = [
            self._process(
                f"{member.name}-gateway", member.gateway_port, "gateway", home.organization(member) / "gateway.yaml"
            )
            for member in self._members
            if member.gateway_port is not None
        ]
        self._portals = [
            self._process(
                f"{member.name}-portal", member.portal_port, "portal", home.organization(member) / "portal.yaml"
            )
            for member in self._members
            if member.portal_port is not None
        ]

    async def start(self) -> None:
        """Start everything and return when all of it accepts connections.

        Raises:
            NodeError: one sentence about the first part that did not start.
        """
        self._refuse_lost_data()
        self._refuse_full_disk()
        self._refuse_taken_ports()
        # Anew, and by us: one that another account's backup left may be a file that we may not read.
        self._home.backup_lock.unlink(missing_ok=True)
        self._home.backup_lock.touch()
        self._status.update(step="starting database servers and orderer")
        for orderer in self._orderers:
            await orderer.start()
        await asyncio.gather(*(self._start_database(member) for member in self._members))
        for orderer in self._orderers:
            await orderer.wait_until_ready()
        doors = (*self._gateways, *self._portals)
        for step, processes in (("starting nodes", self._nodes), ("starting gateways", doors)):
            self._status.update(step=step)
            for process in processes:
                await process.start()
            awaited = {process.spec.name for process in processes}
            await asyncio.gather(*(self._await_ready(process, step, awaited) for process in processes))
        self._status.update(state="running", step="", processes=self.describe())

    async def watch(self) -> None:
        """Keep the status file fresh until cancelled, and the orderer down while a backup is made."""
        shown = self.describe()
        self._status.update(beats=True)
        while True:
            await asyncio.sleep(0.5)
            self._status.beat()
            await self._yield_to_backup()
            current = self.describe()
            if current != shown and self._status.update(processes=current):
                shown = current

    async def stop(self) -> None:
        """Stop everything in reverse order."""
        self._status.update(state="stopping")
        await stop_all([*self._gateways, *self._portals])
        await stop_all(self._nodes)
        await stop_all(self._orderers)
        await asyncio.gather(*(cluster.stop() for cluster in self._clusters.values()))
        self._status.update(state="stopped", processes=[])

    def describe(self) -> list[dict[str, object]]:
        """Name, pid, port and restarts of each process."""
        rows: list[dict[str, object]] = [
            {"name": process.spec.name, "pid": process.pid, "port": process.spec.port, "restarts": process.restarts}
            for process in (*self._orderers, *self._nodes, *self._gateways, *self._portals)
        ]
        for member in self._members:
            cluster = self._clusters.get(member.name)
            if cluster is not None:
                rows.append(
                    {
                        "name": cluster.name,
                        "pid": cluster.cluster.pid,
                        "port": member.postgres_port,
                        "restarts": cluster.restarts,
                    }
                )
        return rows

    async def _yield_to_backup(self) -> None:
        """Stop the orderer when a backup begins, and start it again when it has ended: ``node/backup.py`` says why."""
        try:
            wanted = is_locked(self._home.backup_lock)
            if wanted == self._held:
                return
            # Told before it is so: a backup that begins now must not take an orderer that is being started for held.
            if not wanted and not self._status.update(held=False):
                return
            for orderer in self._orderers:
                await (orderer.stop() if wanted else orderer.start())
        except OSError as error:
            # No room for its log, no memory for one more process: tried again, either may come back.
            if self._held_trouble != (trouble := one_line(error)):
                log.error("orderer cannot be held or started", reason=trouble)
                self._held_trouble = trouble
            self._status.update(held=self._held)
            return
        self._held, self._held_trouble = wanted, ""
        log.info("nothing is ordered while a backup is made" if wanted else "backup ended, orderer started")
        self._status.update(held=wanted, processes=self.describe())

    async def _await_ready(self, process: ManagedProcess, step: str, awaited: set[str]) -> None:
        """Wait for one of several, and tell for which the start waits still."""
        try:
            await process.wait_until_ready()
        except SupervisorError as error:
            member = process.spec.name.rpartition("-")[0]
            raise SupervisorError(f"{error}{self._way_out_without(member)}") from error
        awaited.discard(process.spec.name)
        self._status.update(step=f"{step}: {', '.join(sorted(awaited))}" if awaited else step)

    def _process(self, name: str, port: int | None, command: str, settings: Path) -> ManagedProcess:
        assert port is not None
        module = _ROOMS.get(command, ("-m", "node", command))
        return ManagedProcess(
            ProcessSpec(
                name,
                (*module, "--config", str(settings)),
                port,
                self._home.logs / f"{name}.log",
                lambda: question_for(self._home, name, port),
            )
        )

    async def _start_database(self, member: Organization) -> None:
        try:
            await self._start_own_database(member)
        except (NodeError, OSError) as error:
            raise SupervisorError(
                f"{member.name}'s database: {one_line(error)}{self._way_out_without(member.name)}"
            ) from error

    def _way_out_without(self, *members: str) -> str:
        """Return the way out for all but members that do not start; empty where there are no others."""
        if len(members) == len(self._members):
            return ""
        options = " ".join(f"--without {name}" for name in (*self._without, *members))
        return f"; until that is mended `dwaybank up {options}` starts the others"

    async def _start_own_database(self, member: Organization) -> None:
        given = self._home.secret(member, "administrator.url")
        if given.exists():
            administrator_url = read_url(given)
        else:
            folder = self._home.organization(member) / "postgres"
            cluster = PostgresCluster(ClusterSettings(folder, member.postgres_port, kept=True))
            managed = ManagedCluster(f"{member.name}-postgres", cluster)
            await asyncio.to_thread(cluster.prepare)
            self._clusters[member.name] = managed
            await managed.start()
            administrator_url = cluster.url()
        await asyncio.to_thread(
            provision_databases, administrator_url, self._home.organization(member) / "secrets", member.name
        )
        if member.gateway_port is not None:
            write_gateway_settings(self._home, self._consortium, member)
        if member.portal_port is not None:
            write_portal_settings(self._home, self._consortium, member)

    def _refuse_lost_data(self) -> None:
        """Refuse to begin with empty books, or another chain, where the old ones are only not mounted."""
        lost = {
            member.name: data
            for member in self._members
            if not self._home.secret(member, "administrator.url").exists()
            and self._home.secret(member, "owner.url").exists()
            # Not the folder: of what is not mounted an empty one is left.
            and not (data := self._home.organization(member) / "postgres" / "data" / "PG_VERSION").exists()
        }
        blocks = self._home.orderer / "blocks" / self._consortium.channel / "blocks"
        # Nodes start when the orderer has begun its chain, and a first start may be killed before.
        is_chain_lost = self._orderers and not blocks.exists() and any(self._home.logs.glob("*-node.log"))
        missing = [*(str(data) for data in lost.values()), *([str(blocks)] if is_chain_lost else [])]
        if not missing:
            return
        way_out = "" if is_chain_lost else self._way_out_without(*lost)
        if is_chain_lost and not lost:
            way_out = "; if it is lost, `dwaybank rebuild-orderer` writes it anew from the peers' blocks"
        raise SupervisorError(
            f"{', '.join(missing)} is missing, and was there at an earlier start: mount it or put it back from a "
            f"backup; nothing was changed{way_out}"
        )

    def _refuse_full_disk(self) -> None:
        free_bytes = shutil.disk_usage(self._home.root).free
        if free_bytes < FREE_BYTES_START:
            raise SupervisorError(
                f"{self._home.root} has {free_bytes // 2**20} MiB free, and a start needs {FREE_BYTES_START // 2**20}: "
                "make room on its file system"
            )

    def _refuse_taken_ports(self) -> None:
        for port in self._consortium.ports():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise SupervisorError(
                        f"port {port} is in use: stop what listens there, or start with another --base-port and --home"
                    ) from error


def hold_lock(home: Home) -> TextIO:
    """Take the data directory for this process, for as long as the returned file stays open.

    Raises:
        SupervisorError: another supervisor holds it.
    """
    for folder in (home.run, home.logs):
        folder.mkdir(exist_ok=True)
    if (lock := take_lock(home.lock)) is None:
        raise SupervisorError(
            f"the consortium in {home.root} is running already, or another command works on its data: "
            "`dwaybank status` shows which"
        )
    return lock


async def supervise(home: Home, consortium: Consortium, without: frozenset[str]) -> int:
    """Run the consortium until SIGTERM or SIGINT; return the process's exit status."""
    status = Status(home.run / "status.json")
    status.update(without=sorted(without))
    supervisor = Supervisor(home, consortium, status, without)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    starting = asyncio.create_task(supervisor.start())
    interrupted = asyncio.create_task(stopping.wait())
    await asyncio.wait((starting, interrupted), return_when=asyncio.FIRST_COMPLETED)
    failure = ""
    if starting.done() and (error := starting.exception()) is not None:
        if not isinstance(error, NodeError | NetworkError | OSError):
            raise error
        failure = one_line(error)
        log.error("start failed", reason=failure)
    elif starting.done():
        watching = asyncio.create_task(supervisor.watch())
        await interrupted
        watching.cancel()
    interrupted.cancel()
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await supervisor.stop()
    if failure:
        status.update(state="failed", error=failure)
        # Whoever started this reads it here too: on a full disk neither status nor log can hold it.
        with contextlib.suppress(BrokenPipeError):  # it did not wait
            print(failure, flush=True)  # noqa: T201
    return 1 if failure else 0


def main(root: Path, without: frozenset[str] = frozenset()) -> int:
    """Entry of the supervisor's own process: the home exists already."""
    write_log_lines()
    home, consortium = open_home(root)
    try:
        lock = hold_lock(home)
    except (SupervisorError, OSError) as error:
        print(error, flush=True)  # noqa: T201 - the command line that started us reads it
        return 1
    with lock:
        return asyncio.run(supervise(home, consortium, without))
