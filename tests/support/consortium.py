"""A whole consortium as real processes, ended with the test run whatever happens.

The supervisor is our child and ends with us (a signal at the parent's death, from the kernel), its processes end with
it, so that even a killed test run leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from network.block import header_hash, parse_block, recorded_commit_hash
from network.client import GatewayClient
from network.errors import RpcError
from network.identity import SigningIdentity
from network.rpc import Channel, ClientTls
from network.topology import Consortium, Organization, default_consortium
from node.child import ending_with_parent
from node.home import Home, open_home, tls_roots
from node.own_node import AUDIT, LEDGER, SETTLEMENT, OwnNode, audit_pb2, ledger_pb2, partner_pb2
from node.ports import claim, single_ports
from node.postgres import ClusterSettings, PostgresCluster
from node.start import read_status

REPOSITORY = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
DEBIT, CREDIT = ledger_pb2.SIDE_DEBIT, ledger_pb2.SIDE_CREDIT


class RunningConsortium:
    """A consortium that runs, and short ways to everything in it.

    Args:
        root: its data directory; made by the supervisor where absent.
        base_port: first of its ports.
        database_urls: PostgreSQL servers of organizations' own, by organization.
    """

    def __init__(self, root: Path, base_port: int, database_urls: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.base_port = base_port
        self._own_servers = [
            f"--database-url={organization}={url}" for organization, url in (database_urls or {}).items()
        ]
        self._supervisor: subprocess.Popen[bytes] | None = None
        self.home: Home
        self.consortium: Consortium

    def start(self) -> None:
        """Start all processes and return when all of them answer and the contracts are defined."""
        self.stop()
        output = (self.root.parent / "supervisor.output").open("ab")
        with output:
            self._supervisor = subprocess.Popen(
                [
                    *DWAYBANK,
                    "up",
                    "--foreground",
                    f"--home={self.root}",
                    f"--base-port={self.base_port}",
                    *self._own_servers,
                ],
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=ending_with_parent(signal.SIGTERM),
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            status = read_status(Home(self.root))
            if status.get("state") == "running" and status.get("pid") == self._supervisor.pid:
                break
            if self._supervisor.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"the consortium did not start: {self._words()}")
            time.sleep(0.05)
        self.home, self.consortium = open_home(self.root)
        asyncio.run(self._wait_for_logs(deadline))

    def stop(self) -> None:
        """End all processes; harmless when they have ended."""
        if self._supervisor is None:
            return
        if self._supervisor.poll() is None:
            self._supervisor.send_signal(signal.SIGCONT)
            self._supervisor.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._supervisor.wait(STOP_TIMEOUT_S)
        if self._supervisor.poll() is None:
            self._supervisor.kill()
            self._supervisor.wait()
        self._supervisor = None

    # --- who takes part ----------------------------------------------------------------------------------------

    @property
    def bank(self) -> Organization:
        """DwayBank."""
        return self.consortium.organization("dwaybank")

    @property
    def partner(self) -> Organization:
        """The bank it settles with."""
        return self.consortium.organization("partner")

    @property
    def regulator(self) -> Organization:
        """Who audits."""
        return self.consortium.organization("regulator")

    @property
    def supervisor_pid(self) -> int:
        """Process id of the supervisor."""
        assert self._supervisor is not None
        return self._supervisor.pid

    @property
    def genesis_hash(self) -> bytes:
        """What everybody trusts."""
        return header_hash(parse_block(self.home.genesis.read_bytes()).header)

    def processes(self) -> Mapping[str, dict[str, Any]]:
        """Every process by name, as the supervisor last wrote it down."""
        return {row["name"]: row for row in read_status(self.home)["processes"]}

    # --- talking to nodes --------------------------------------------------------------------------------------

    def node(self, organization: Organization, user: str = "Admin") -> OwnNode:
        """Return a connection to an organization's node, as one of its users."""
        return OwnNode(self.home, self.consortium, organization, user)

    def foreign_channel(self, server: Organization, client: Organization, user: str = "Admin") -> Channel:
        """Return a connection to one member's node with another member's client certificate."""
        tls = self.home.user(client, user) / "tls"
        certificate, key = (tls / "client.crt").read_bytes(), (tls / "client.key").read_bytes()
        return Channel(f"127.0.0.1:{server.node_port}", ClientTls(self.tls_roots(server), certificate, key))

    def tls_roots(self, organization: Organization) -> bytes:
        """Return the TLS authorities of a member."""
        return b"".join(path.read_bytes() for path in tls_roots(self.home, self.consortium)[organization.msp_id])

    async def anchor_status(self, organization: Organization) -> audit_pb2.GetAnchorStatusResponse:
        """Ask a node how far it is."""
        async with self.node(organization) as node:
            return await node.call(
                AUDIT, "GetAnchorStatus", audit_pb2.GetAnchorStatusRequest(), audit_pb2.GetAnchorStatusResponse
            )

    async def settled(self, timeout_s: float = 60.0) -> list[audit_pb2.GetAnchorStatusResponse]:
        """Return all nodes' status once everything posted is attested and all peers hold the same chain."""
        deadline = time.monotonic() + timeout_s
        while True:
            found: list[audit_pb2.GetAnchorStatusResponse] = []
            with contextlib.suppress(RpcError):
                found = [await self.anchor_status(member) for member in self.consortium.organizations]
                attested = all(status.posted_seq == status.attested_size for status in found)
                if attested and len({(status.block_height, status.commit_hash) for status in found}) == 1:
                    return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"not everything was attested within {timeout_s:.0f} s: {found}")
            await asyncio.sleep(0.2)

    async def open_account(self, organization: Organization, account: str, **changes: Any) -> ledger_pb2.Account:
        """Open an account: a customer's unless ``changes`` say otherwise."""
        fields: dict[str, Any] = {"asset": "EUR", "normal_side": CREDIT, "floor_minor": "0"} | changes
        request = ledger_pb2.OpenAccountRequest(account=account, **fields)
        async with self.node(organization) as node:
            return (await node.call(LEDGER, "OpenAccount", request, ledger_pb2.OpenAccountResponse)).account

    async def account(self, organization: Organization, account: str) -> ledger_pb2.Account:
        """Return an account as the books state it."""
        request = ledger_pb2.GetAccountRequest(account=account)
        async with self.node(organization) as node:
            return (await node.call(LEDGER, "GetAccount", request, ledger_pb2.GetAccountResponse)).account

    async def post(self, organization: Organization, *entries: ledger_pb2.NewEntry) -> list[ledger_pb2.EntryResult]:
        """Post entries in one call."""
        request = ledger_pb2.PostEntriesRequest(entries=entries)
        async with self.node(organization) as node:
            return list((await node.call(LEDGER, "PostEntries", request, ledger_pb2.PostEntriesResponse)).results)

    async def deposit(self, organization: Organization, account: str, amount_minor: int, description: str = "") -> int:
        """Pay cash in, as a teller does; return the entry's number."""
        vault = "cash-vault-EUR"
        await self.open_account(organization, vault, normal_side=DEBIT, floor_minor="")
        results = await self.post(organization, new_entry(vault, account, amount_minor, description))
        assert results[0].code == "posted", results
        return results[0].seq

    async def compare_positions(self, organization: Organization) -> list[partner_pb2.PositionComparison]:
        """Let a bank compare its positions with its partners'."""
        async with self.node(organization) as node:
            reply = await node.call(
                SETTLEMENT,
                "ComparePositions",
                partner_pb2.ComparePositionsRequest(),
                partner_pb2.ComparePositionsResponse,
            )
        return list(reply.comparisons)

    async def audit(self, auditor: Organization, audited: Organization) -> audit_pb2.AuditBooksResponse:
        """Let one organization's node audit another's books."""
        request = audit_pb2.AuditBooksRequest(organization=audited.msp_id)
        async with self.node(auditor) as node:
            return await node.call(AUDIT, "AuditBooks", request, audit_pb2.AuditBooksResponse, 120)

    async def until_restarted(
        self, before: Mapping[str, dict[str, Any]], names: Sequence[str], timeout_s: float = 60.0
    ) -> None:
        """Wait until processes run again after they ended, and answer on their ports."""

        async def again() -> bool:
            now = self.processes()
            return all(
                now[name]["restarts"] > before[name]["restarts"]
                and now[name]["pid"]
                and listens(int(now[name]["port"]))
                for name in names
            )

        await eventually(again, f"{', '.join(names)} started again", timeout_s)

    async def blocks(self, organization: Organization, up_to: int | None = None) -> list[bytes]:
        """Return every block of a member's peer, as that peer delivers it."""
        async with self.node(organization) as node:
            last = up_to if up_to is not None else (await self.anchor_status(organization)).block_height - 1
            identity = SigningIdentity.from_msp_folder(
                self.home.user(organization, "Admin") / "msp", organization.msp_id
            )
            client = GatewayClient(node.channel, identity, self.consortium.channel)
            found = []
            async with aclosing(client.blocks(0)) as stream:
                async for block in stream:
                    found.append(block.SerializeToString())
                    if len(found) > last:
                        return found
        raise AssertionError("the peer ended its stream")

    async def commit_hash_of_block(self, organization: Organization, number: int) -> bytes:
        """Return the commit hash a member's peer recorded in a block."""
        return recorded_commit_hash(parse_block((await self.blocks(organization, number))[number]))

    # --- beside the front doors --------------------------------------------------------------------------------

    def superuser(self, organization: Organization) -> psycopg.Connection:
        """Return a connection that may do anything in an organization's database."""
        folder = self.home.organization(organization) / "postgres"
        url = PostgresCluster(ClusterSettings(folder, organization.postgres_port)).url(organization.name)
        return psycopg.connect(url, autocommit=True)

    @contextlib.contextmanager
    def kept_down(self, process: str) -> Iterator[None]:
        """Kill a process and keep it down: the supervisor sleeps meanwhile."""
        os.kill(self.supervisor_pid, signal.SIGSTOP)
        try:
            os.kill(self.processes()[process]["pid"], signal.SIGKILL)
            yield
        finally:
            os.kill(self.supervisor_pid, signal.SIGCONT)

    def command(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ``dwaybank`` with this home."""
        return dwaybank(*arguments, "--home", self.root)

    def log_text(self) -> str:
        """Everything the processes wrote."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.home.logs.glob("*.log")))

    async def _wait_for_logs(self, deadline: float) -> None:
        # Both banks' logs are registered once the first search finds them: from then on entries are anchored.
        request = audit_pb2.SearchAuditRequest(kind="log", page_size=10)
        while True:
            with contextlib.suppress(RpcError):
                async with self.node(self.regulator) as node:
                    reply = await node.call(AUDIT, "SearchAudit", request, audit_pb2.SearchAuditResponse)
                if len({record.organization for record in reply.records}) == 2:
                    return
            if time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"the banks' logs were not registered: {self._words()}")
            await asyncio.sleep(0.1)

    def _words(self) -> str:
        text = (self.root.parent / "supervisor.output").read_text(errors="replace")
        if (self.root / "logs").is_dir():
            text += Home(self.root).run.joinpath("status.json").read_text() + self.log_text()[-4_000:]
        return text


DWAYBANK = (sys.executable, "-m", "node")


def dwaybank(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    command = [*DWAYBANK, *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=180)


@contextlib.contextmanager
def own_consortium(database_urls: Mapping[str, str] | None = None) -> Iterator[RunningConsortium]:
    """Give a consortium that ends with the block."""
    folder = home_folder()
    running = RunningConsortium(folder / "home", free_base_port(), database_urls)
    try:
        running.start()
        yield running
    finally:
        remove_home(running, folder)


def home_folder() -> Path:
    """Return a new folder that the database server's account may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="dwaybank-scenario-"))
    folder.chmod(0o755)
    return folder


def free_base_port() -> int:
    """Return a base port whose whole range is free, given to no other process and none that ``free_port`` gives."""
    end = single_ports().start
    bases = range(min(10_000, end - 4_000), end, 100)
    for base in random.SystemRandom().sample(bases, len(bases)):
        if all(_is_free(port) for port in default_consortium(base).ports()) and claim(base):
            return base
    raise RuntimeError("no free range of ports")


def new_entry(
    debit: str, credit: str, amount_minor: int | str, description: str = "", key: str | None = None
) -> ledger_pb2.NewEntry:
    """Return an entry of two postings."""
    return ledger_pb2.NewEntry(
        idempotency_key=key or str(uuid.uuid4()),
        postings=[
            ledger_pb2.Posting(account=debit, side=DEBIT, amount_minor=str(amount_minor)),
            ledger_pb2.Posting(account=credit, side=CREDIT, amount_minor=str(amount_minor)),
        ],
        effective_at=stamp(datetime.now(UTC)),
        description=description,
    )


def stamp(moment: datetime) -> Timestamp:
    """Return a moment in protobuf's form."""
    found = Timestamp()
    found.FromDatetime(moment)
    return found


async def eventually(check: Callable[[], Any], what: str, timeout_s: float = 30.0) -> Any:
    """Return what an async check gives once it is true."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = None
        with contextlib.suppress(RpcError):
            found = await check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:.0f} s: {what}")
        await asyncio.sleep(0.1)


def listens(port: int) -> bool:
    """Tell whether somebody accepts connections on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def process_is_alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def remove_home(running: RunningConsortium, folder: Path) -> None:
    """End a consortium and forget its folder."""
    running.stop()
    shutil.rmtree(folder, ignore_errors=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
