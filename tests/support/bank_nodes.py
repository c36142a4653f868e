"""Two banks as their nodes run them, in one process, with the shared ledger between them: all of it real.

Each bank has its books and its peer's state in PostgreSQL, serves gRPC over mutual TLS and signs what it says; a third
member and an orderer complete the network. What the banks say to one another goes through a ``Link``. Everything a
payment does, up to the obligation on the shared ledger, passes a gate with a name (``GATES``): a call to the books, to
the records, across the link, or to the contract, before and after. A test may lose something there: a bank (its
coroutines never go on, its ports close, only the database remains), a bank's database (every connection ends, none is
let in), the link, the orderer, the third member.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ledger.account import Side
from ledger.journal import NewEntry, Posting
from ledger.posting import Writer
from ledger.schema import migrate as migrate_ledger
from network.client import GatewayClient
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Channel, ClientTls, Server
from node.access import Members
from node.books.books import Books
from node.partner.database import migrate as migrate_partner
from node.partner.obligation import Recorded
from node.partner.obligation_area import ObligationArea
from node.partner.partner import PartnerArea
from node.peer.gateway.endorsers import PeerEndpoint
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.books import PlainRules, sign
from tests.support.consortium_in_memory import BANK, CHANNEL, DOMAINS, PARTNER, REGULATOR, Material
from tests.support.link import Link
from tests.support.obligations import settling_network
from tests.support.peer_network import MEMBERS, Member, PeerNetwork, tls_roots

SETTLEMENT = "/dwaybank.partner.v1.SettlementService"
PAYER, PAYEE = BANK, PARTNER

GATES = tuple(
    (bank, call, when)
    for bank, calls in (
        (PAYER, ("add_outgoing", "place_hold", "PrepareSettlement", "post", "CompleteSettlement", "change_outgoing")),
        (PAYER, ("Propose", "change_obligation")),
        (PAYEE, ("find_account", "add_incoming", "change_incoming", "post")),
        (PAYEE, ("Agree", "change_obligation")),
    )
    for call in calls
    for when in ("before", "after")
)
"""Where something may be lost while a payment goes on: whose call, which, and on which side of it."""

Gate = Callable[[str, str, str], Awaitable[None]]


def now() -> datetime:
    """The clock of both banks."""
    return datetime.now(UTC)


class Database:
    """A bank's databases, which can be lost and come back: that of its books and records, and its peer's.

    Args:
        cluster: the server.
        name: of the books'.
        peer_url: of the peer's.
    """

    def __init__(self, cluster: PostgresCluster, name: str, peer_url: str) -> None:
        self.url = cluster.create_database(name)
        self._administrator = cluster.url()
        self._names = [name, str(conninfo_to_dict(peer_url)["dbname"])]
        with psycopg.connect(self.url) as connection:
            migrate_ledger(connection)
            migrate_partner(connection)

    def lose(self) -> None:
        """End every connection and let nobody in."""
        self._allow("false")
        with psycopg.connect(self._administrator, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY (%s)", (self._names,)
            )

    def bring_back(self) -> None:
        """Let everybody in again."""
        self._allow("true")

    def _allow(self, allowed: str) -> None:
        with psycopg.connect(self._administrator, autocommit=True) as connection:
            for name in self._names:
                connection.execute(
                    sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), sql.SQL(allowed))
                )


class _Gated:
    """Anything whose calls pass the gate, under the names of its methods."""

    def __init__(self, real: Any, bank: NodeOfBank, names: tuple[str, ...]) -> None:
        self._real, self._bank, self._names = real, bank, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._bank.gated(name, found) if name in self._names and inspect.iscoroutinefunction(found) else found


class _GatedLine(_Gated):
    """The connection to the other bank's node; its calls pass the gate under their methods' names."""

    def __init__(self, real: Channel, bank: NodeOfBank) -> None:
        super().__init__(real, bank, ())

    async def unary(self, path: str, request: bytes, timeout_s: float | None) -> bytes:
        """Make a call."""
        method = path.rsplit("/", 1)[1]
        return bytes(await self._bank.gated(method, self._real.unary)(path, request, timeout_s))


class _GatedGateway(_Gated):
    """The own peer's gateway; what it submits passes the gate under the function's name."""

    def __init__(self, real: GatewayClient, bank: NodeOfBank) -> None:
        super().__init__(real, bank, ())

    async def submit(self, chaincode: str, function: str, *args: bytes | str, **more: Any) -> Any:
        """Submit."""
        return await self._bank.gated(function, self._real.submit)(chaincode, function, *args, **more)


class _Findings:
    """Notes what the watch over the other bank would open findings about: here both are honest, so nothing."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def was_opened(self, organization: str, kind: str, subject: str) -> bool:
        """Whether this was noted before."""
        return f"{organization} {kind} {subject}" in self.opened

    async def open(self, organization: str, kind: str, subject: str, evidence: str) -> dict[str, Any]:
        """Note it."""
        del evidence
        self.opened.append(f"{organization} {kind} {subject}")
        return {}


@dataclass
class NodeOfBank:
    """The books, the peer and the settlement of one bank.

    Args:
        member: its peer.
        partner_ports: where this bank reaches the node of each of the others.
    """

    material: Material
    member: Member
    database: Database
    port: int
    partner_ports: dict[str, int]
    hold_lifetime: timedelta
    gate: Gate | None = None
    alive: bool = False
    watched: str = ""
    _life: int = field(default=0)
    findings: _Findings = field(default_factory=_Findings)

    @property
    def msp_id(self) -> str:
        """This bank."""
        return self.member.msp_id

    async def start(self) -> None:
        """Come up with nothing but the databases; the peer runs already the first time."""
        if self._life:
            await self.member.start()
        self._life += 1
        url = self.database.url
        self.books = Books(url, Writer(url, sign=sign, decider=PlainRules(), now=now), now=now)
        members = Members(self.msp_id, {one: [_tls_root(self.material, one)] for one in MEMBERS})
        books: Any = _Gated(self.books, self, ("find_account", "place_hold", "post"))
        others = {one: self._channel(port) for one, port in self.partner_ports.items()}
        partner = PAYEE if self.msp_id == PAYER else PAYER
        self._peer = self._channel(self.member.port)
        gateway: Any = _GatedGateway(GatewayClient(self._peer, self.material.signer(self.msp_id), CHANNEL, now), self)
        self.obligations = ObligationArea(
            self.msp_id,
            url,
            gateway=gateway,
            books=self.books,
            findings=self.findings,
            partners=frozenset({partner}),
            others=others,
            members=members,
            now=now,
            random_bytes=secrets.token_bytes,
        )
        self.area = PartnerArea(
            url,
            books=books,
            identity=self.material.signer(self.msp_id),
            partners={partner: _GatedLine(others[partner], self)},  # type: ignore[dict-item]
            members=members,
            msps=lambda: self.member.peer.config.msps,
            now=now,
            beyond_line=self.obligations.beyond_line,
            hold_lifetime=self.hold_lifetime,
        )
        self._gate_records()
        self._server = Server("127.0.0.1", self.port, self.member.tls)
        self.area.register(self._server)
        self.obligations.register(self._server)
        # Before anything works: what passes a gate of a bank that is not alive never goes on.
        self.alive = True
        await self.books.start()
        await self.obligations.start()
        await self.area.start()
        await self._server.start()
        self._own = self._channel(self.port)

    async def stop(self) -> None:
        """Go down, all but the peer; what is under way is lost, but for what the database has."""
        if not self.alive:
            return
        self.alive = False
        await self._own.close()
        await self._server.stop(0)
        await self.area.stop()
        await self.obligations.stop()
        await self._peer.close()
        await self.books.stop()

    async def bury(self) -> None:
        """Take away what is left of a bank that died: its ports, its connections, its peer."""
        self.alive = True
        await self.stop()
        await self.member.stop()

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

    def _gate_records(self) -> None:
        store: Any = self.area._store
        for name in ("add_outgoing", "change_outgoing", "add_incoming", "change_incoming"):
            setattr(store, name, self.gated(name, getattr(store, name)))
        kept: Any = self.obligations._store
        change = kept.change
        passing = self.gated("change_obligation", change)

        async def of_watched(recorded: Sequence[Recorded], **named: Any) -> None:
            # Obligations of earlier payments are looked at, too.
            concerned = any(each.settlement_id == self.watched for each in recorded)
            await (passing if concerned else change)(recorded, **named)

        kept.change = of_watched

    async def _pass(self, name: str, when: str, life: int) -> None:
        if self.gate is not None:
            await self.gate(self.msp_id, name, when)
        if not self.alive or life != self._life:
            await asyncio.Event().wait()

    def _channel(self, port: int) -> Channel:
        return Channel(f"localhost:{port}", node_tls(self.material, self.msp_id))

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


@dataclass
class TwoBanks:
    """Both banks, what lies between them, and the network they share."""

    payer: NodeOfBank
    payee: NodeOfBank
    link: Link
    network: PeerNetwork


@asynccontextmanager
async def two_banks(
    cluster: PostgresCluster, folder: Path, name: str, hold_lifetime: timedelta
) -> AsyncIterator[TwoBanks]:
    """Run a network of three members and both banks' nodes on it."""
    ports = {msp_id: free_port() for msp_id in MEMBERS}
    node_ports = {msp_id: free_port() for msp_id in MEMBERS}
    async with Link() as link:
        # The banks' peers ask one another to endorse over the same line on which their nodes speak.
        between = {one: (await link.route(ports[one]), await link.route(node_ports[one])) for one in (PAYER, PAYEE)}
        by_member = {
            one: {
                "other_peers": [
                    PeerEndpoint(f"localhost:{between[other][0]}", other),
                    PeerEndpoint(f"localhost:{ports[REGULATOR]}", REGULATOR),
                ]
            }
            for one, other in ((PAYER, PAYEE), (PAYEE, PAYER))
        }
        async with settling_network(cluster, folder, name, ports=ports, by_member=by_member) as network:
            banks = []
            for one, other in ((PAYER, PAYEE), (PAYEE, PAYER)):
                member = network.members[one]
                database = Database(cluster, f"{name}_{one}".lower(), member.settings.database_url)
                reached = {other: between[other][1], REGULATOR: node_ports[REGULATOR]}
                banks.append(NodeOfBank(network.material, member, database, node_ports[one], reached, hold_lifetime))
            for bank in banks:
                await bank.start()
            try:
                yield TwoBanks(*banks, link, network)
            finally:
                for bank in banks:
                    await bank.stop()


def node_tls(material: Material, msp_id: str) -> ClientTls:
    """Return mutual TLS for an organization's node as a client."""
    folder = material.root / "peerOrganizations" / DOMAINS[msp_id] / "users" / f"Node@{DOMAINS[msp_id]}" / "tls"
    return ClientTls(tls_roots(material), (folder / "client.crt").read_bytes(), (folder / "client.key").read_bytes())


def _tls_root(material: Material, msp_id: str) -> bytes:
    [path] = (material.root / "peerOrganizations" / DOMAINS[msp_id] / "tlsca").glob("*.pem")
    return path.read_bytes()
