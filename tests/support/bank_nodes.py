"""Two banks as their nodes run them, in one process: books in PostgreSQL, gRPC over mutual TLS, signatures, all real.

Everything a settlement does passes a gate with a name (``GATES``): a call to the books, to the records, or across the
line, before and after. A test may lose something there: a bank (its coroutines never go on, its port closes, only the
database remains), a bank's database (every connection ends, none is let in), or the line.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from ledger.account import Side
from ledger.journal import NewEntry, Posting
from ledger.posting import Writer
from ledger.schema import migrate as migrate_ledger
from network.crypto_material import OrganizationSpec, generate_organization
from network.errors import RpcError
from network.identity import SigningIdentity
from network.msp import Msp, MspManager
from network.msp_folder import read_msp_config
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Channel, ClientTls, Server, ServerTls, StatusCode
from node.access import Members
from node.books.books import Books
from node.partner.database import migrate as migrate_partner
from node.partner.partner import PartnerArea
from node.postgres import PostgresCluster, free_port
from tests.support.books import PlainRules, sign

SETTLEMENT = "/dwaybank.partner.v1.SettlementService"
PAYER, PAYEE = "DwaybankMSP", "PartnerMSP"
SPECS = {
    PAYER: OrganizationSpec("DwayBank", PAYER, "dwaybank.test", "peer", ("node",), ("Node",)),
    PAYEE: OrganizationSpec("Partner", PAYEE, "partner.test", "peer", ("node",), ("Node",)),
}

GATES = tuple(
    (bank, call, when)
    for bank, calls in (
        (PAYER, ("add_outgoing", "place_hold", "PrepareSettlement", "post", "CompleteSettlement", "change_outgoing")),
        (PAYEE, ("find_account", "add_incoming", "change_incoming", "post")),
    )
    for call in calls
    for when in ("before", "after")
)
"""Where something may be lost while a payment goes on: whose call, which, and on which side of it."""

Gate = Callable[[str, str, str], Awaitable[None]]


def now() -> datetime:
    """The clock of both banks."""
    return datetime.now(UTC)


class Material:
    """Certificates of both banks, made once.

    Args:
        root: folder for them.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        for spec in SPECS.values():
            generate_organization(root, spec, now() - timedelta(minutes=5))
        self.msps = MspManager([Msp.from_config(read_msp_config(self._folder(one) / "msp", one)) for one in SPECS])

    def members(self, msp_id: str) -> Members:
        """Return who issued which client certificate, as one bank's node knows it."""
        return Members(msp_id, {one: [self._tls_root(one)] for one in SPECS})

    def identity(self, msp_id: str) -> SigningIdentity:
        """Return what a bank's node signs with."""
        user = f"Node@{SPECS[msp_id].domain}"
        return SigningIdentity.from_msp_folder(self._folder(msp_id) / "users" / user / "msp", msp_id)

    def server_tls(self, msp_id: str) -> ServerTls:
        """Return how a bank's node proves itself."""
        host = self._folder(msp_id) / "peers" / f"node.{SPECS[msp_id].domain}" / "tls"
        return ServerTls((host / "server.crt").read_bytes(), (host / "server.key").read_bytes(), self._roots())

    def channel(self, caller: str, port: int) -> Channel:
        """Return a connection made with a bank's own certificate."""
        user = self._folder(caller) / "users" / f"Node@{SPECS[caller].domain}" / "tls"
        certificate, key = (user / "client.crt").read_bytes(), (user / "client.key").read_bytes()
        return Channel(f"127.0.0.1:{port}", ClientTls(self._roots(), certificate, key))

    def _folder(self, msp_id: str) -> Path:
        return SPECS[msp_id].folder(self._root)

    def _tls_root(self, msp_id: str) -> bytes:
        [path] = (self._folder(msp_id) / "tlsca").glob("*.pem")
        return path.read_bytes()

    def _roots(self) -> bytes:
        return b"".join(self._tls_root(one) for one in SPECS)


class Database:
    """A bank's database, which can be lost and come back.

    Args:
        cluster: the server.
        name: of the database.
    """

    def __init__(self, cluster: PostgresCluster, name: str) -> None:
        self.url = cluster.create_database(name)
        self._administrator = cluster.url()
        self._name = name
        with psycopg.connect(self.url) as connection:
            migrate_ledger(connection)
            migrate_partner(connection)

    def lose(self) -> None:
        """End every connection and let nobody in."""
        with psycopg.connect(self._administrator, autocommit=True) as connection:
            name = sql.Identifier(self._name)
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (self._name,)
            )

    def bring_back(self) -> None:
        """Let everybody in again."""
        with psycopg.connect(self._administrator, autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(self._name)))


class _Gated:
    """Anything whose calls pass the gate."""

    def __init__(self, real: Any, bank: NodeOfBank, names: tuple[str, ...]) -> None:
        self._real, self._bank, self._names = real, bank, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._bank.gated(name, found) if name in self._names and inspect.iscoroutinefunction(found) else found


@dataclass
class Line:
    """A bank's connection to the other, which may be cut."""

    real: Channel
    bank: NodeOfBank

    async def unary(self, path: str, request: bytes, timeout_s: float | None) -> bytes:
        """Make a call."""
        method = path.rsplit("/", 1)[1]
        if method == "GetVersion":
            return await self._uncut(path, request, timeout_s)
        return bytes(await self.bank.gated(method, self._uncut)(path, request, timeout_s))

    async def close(self) -> None:
        """Close the connection."""
        await self.real.close()

    async def _uncut(self, path: str, request: bytes, timeout_s: float | None) -> bytes:
        self._check()
        answer = await self.real.unary(path, request, timeout_s)
        self._check()
        return answer

    def _check(self) -> None:
        if self.bank.line_cut:
            raise RpcError(StatusCode.UNAVAILABLE, "the line is cut")


@dataclass
class NodeOfBank:
    """The books and the settlement of one bank behind one port."""

    material: Material
    msp_id: str
    database: Database
    port: int
    partner_port: int
    hold_lifetime: timedelta
    gate: Gate | None = None
    line_cut: bool = False
    alive: bool = False
    _life: int = field(default=0)

    async def start(self) -> None:
        """Come up with nothing but the database."""
        self._life += 1
        url = self.database.url
        partner = PAYEE if self.msp_id == PAYER else PAYER
        self.books = Books(url, Writer(url, sign=sign, decider=PlainRules(), now=now), now=now)
        line = Line(self.material.channel(self.msp_id, self.partner_port), self)
        members = self.material.members(self.msp_id)
        self.area = PartnerArea(
            url,
            books=_Gated(self.books, self, ("find_account", "place_hold", "post")),  # type: ignore[arg-type]
            identity=self.material.identity(self.msp_id),
            partners={partner: line},  # type: ignore[dict-item]
            members=members,
            msps=lambda: self.material.msps,
            now=now,
            hold_lifetime=self.hold_lifetime,
        )
        store: Any = self.area._store
        for name in ("add_outgoing", "change_outgoing", "add_incoming", "change_incoming"):
            setattr(store, name, self.gated(name, getattr(store, name)))
        self._server = Server("127.0.0.1", self.port, self.material.server_tls(self.msp_id))
        self.area.register(self._server)
        # Before anything works: what passes a gate of a bank that is not alive never goes on.
        self.alive = True
        await self.books.start()
        await self.area.start()
        await self._server.start()
        self._own = self.material.channel(self.msp_id, self.port)

    async def stop(self) -> None:
        """Go down; what is under way is lost, but for what the database has."""
        if not self.alive:
            return
        self.alive = False
        await self._own.close()
        await self._server.stop(0)
        await self.area.stop()
        await self.books.stop()

    async def bury(self) -> None:
        """Take away what is left of a bank that died: its port, its connections."""
        self.alive = True
        await self.stop()

    def gated(self, name: str, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Return work that passes the gate before and after; in a bank that died it never goes on."""
        life = self._life

        @functools.wraps(work)
        async def passing(*arguments: Any, **named: Any) -> Any:
            await self._pass(name, "before", life)
            result = await work(*arguments, **named)
            await self._pass(name, "after", life)
            return result

        return passing

    async def _pass(self, name: str, when: str, life: int) -> None:
        if self.gate is not None:
            await self.gate(self.msp_id, name, when)
        if not self.alive or life != self._life:
            await asyncio.Event().wait()

    async def ask(self, method: str, request: Any, reply: Any, timeout_s: float = 10.0) -> Any:
        """Call the bank's own service, as its gateway does."""
        return reply.FromString(await self._own.unary(f"{SETTLEMENT}/{method}", request.SerializeToString(), timeout_s))

    async def open_customer(self, amount: int = 0) -> str:
        """Open a customer's account with some cash in it."""
        account = f"cust-{uuid.uuid4().hex}"
        await self.books.open_account(account, "EUR", Side.CREDIT, 0)
        await self.books.open_account("cash-EUR", "EUR", Side.DEBIT, None)
        if amount:
            postings = (Posting("cash-EUR", Side.DEBIT, amount), Posting(account, Side.CREDIT, amount))
            assert (await self.books.post(NewEntry(uuid.uuid4(), postings))).seq is not None
        return account

    async def balance(self, account: str) -> tuple[int, int]:
        """Return balance and held money of an account."""
        found = await self.books.find_account(account)
        return (found.balance, found.held) if found is not None else (0, 0)

    async def payment(self, payment_id: str) -> partner_pb2.Payment:
        """Return a payment as it stands."""
        request = partner_pb2.GetPaymentRequest(payment_id=payment_id)
        return (await self.ask("GetPayment", request, partner_pb2.GetPaymentResponse)).payment


async def two_nodes(
    material: Material, cluster: PostgresCluster, name: str, hold_lifetime: timedelta
) -> tuple[NodeOfBank, NodeOfBank]:
    """Return the paying and the receiving bank, both up."""
    ports = free_port(), free_port()
    banks = [
        NodeOfBank(
            material, msp_id, Database(cluster, f"{name}_{number}"), ports[number], ports[1 - number], hold_lifetime
        )
        for number, msp_id in enumerate(SPECS)
    ]
    for bank in banks:
        await bank.start()
    return banks[0], banks[1]
