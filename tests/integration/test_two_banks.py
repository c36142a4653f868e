"""Two banks end to end without a channel: gateways over HTTP, nodes over mutual TLS, real books in PostgreSQL.

Method: certificates as the product generates them; each node serves the real ledger and settlement services on one
port; customers act through each bank's gateway, an operator pays cash in through the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from ledger.posting import Writer
from ledger.schema import migrate as migrate_ledger
from network.crypto_material import OrganizationSpec, generate_organization
from network.errors import RpcError
from network.identity import SigningIdentity
from network.msp import Msp, MspManager
from network.msp_folder import read_msp_config
from network.pb.dwaybank.ledger.v1 import ledger_pb2
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Channel, ClientTls, Server, ServerTls, StatusCode
from node.access import Members
from node.books.books import Books
from node.books.ledger_service import LedgerService
from node.partner.database import migrate as migrate_partner
from node.partner.partner import PartnerArea
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.books import PlainRules, sign
from tests.support.gateway_client import CustomerAgent, gateway_config, running_gateway

LEDGER = "/dwaybank.ledger.v1.LedgerService"
SETTLEMENT = "/dwaybank.partner.v1.SettlementService"
SPECS = {
    "DwaybankMSP": OrganizationSpec("DwayBank", "DwaybankMSP", "dwaybank.test", "peer", ("node",), ("Node", "Gateway")),
    "PartnerMSP": OrganizationSpec("Partner", "PartnerMSP", "partner.test", "peer", ("node",), ("Node", "Gateway")),
}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Network:
    """Certificates, databases and ports of both banks."""

    root: Path
    urls: dict[str, str]
    ports: dict[str, int]

    def folder(self, msp_id: str) -> Path:
        return SPECS[msp_id].folder(self.root)

    def tls_root(self, msp_id: str) -> bytes:
        [path] = (self.folder(msp_id) / "tlsca").glob("*.pem")
        return path.read_bytes()

    def client_tls(self, msp_id: str, user: str) -> ClientTls:
        folder = self.folder(msp_id) / "users" / f"{user}@{SPECS[msp_id].domain}" / "tls"
        roots = b"".join(self.tls_root(member) for member in SPECS)
        return ClientTls(roots, (folder / "client.crt").read_bytes(), (folder / "client.key").read_bytes())

    def channel(self, caller: str, called: str, user: str = "Admin") -> Channel:
        return Channel(f"127.0.0.1:{self.ports[called]}", self.client_tls(caller, user))


class NodeOfBank:
    """The books and the settlement of one bank behind one port."""

    def __init__(self, network: Network, msp_id: str) -> None:
        self.network = network
        self.msp_id = msp_id
        self.partner_id = next(other for other in SPECS if other != msp_id)

    async def start(self) -> None:
        network, msp_id = self.network, self.msp_id
        folder, url = network.folder(msp_id), network.urls[msp_id]
        host = folder / "peers" / f"node.{SPECS[msp_id].domain}" / "tls"
        roots = b"".join(network.tls_root(member) for member in SPECS)
        tls = ServerTls((host / "server.crt").read_bytes(), (host / "server.key").read_bytes(), roots)
        members = Members(msp_id, {member: [network.tls_root(member)] for member in SPECS})
        msps = MspManager(
            [Msp.from_config(read_msp_config(network.folder(member) / "msp", member)) for member in SPECS]
        )
        self.books = Books(url, Writer(url, sign=sign, decider=PlainRules(), now=_now), now=_now)
        user = folder / "users" / f"Node@{SPECS[msp_id].domain}" / "msp"
        self.area = PartnerArea(
            url,
            books=self.books,
            identity=SigningIdentity.from_msp_folder(user, msp_id),
            partners={self.partner_id: network.channel(msp_id, self.partner_id, "Node")},
            members=members,
            msps=lambda: msps,
            now=_now,
        )
        self.server = Server("127.0.0.1", network.ports[msp_id], tls)
        self.server.enable_health()
        LedgerService(self.books, members).register(self.server)
        self.area.register(self.server)
        await self.books.start()
        await self.area.start()
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop(0)
        await self.area.stop()
        await self.books.stop()

    async def deposit(self, account: str, amount: int) -> None:
        """Pay cash in, as the bank's operator."""
        channel = self.network.channel(self.msp_id, self.msp_id)
        vault = ledger_pb2.OpenAccountRequest(account="cash-EUR", asset="EUR", normal_side=ledger_pb2.SIDE_DEBIT)
        await channel.unary(f"{LEDGER}/OpenAccount", vault.SerializeToString(), 5)
        entry = ledger_pb2.NewEntry(idempotency_key=str(uuid.uuid4()))
        entry.postings.add(account="cash-EUR", side=ledger_pb2.SIDE_DEBIT, amount_minor=str(amount))
        entry.postings.add(account=account, side=ledger_pb2.SIDE_CREDIT, amount_minor=str(amount))
        request = ledger_pb2.PostEntriesRequest(entries=[entry])
        answer = await channel.unary(f"{LEDGER}/PostEntries", request.SerializeToString(), 5)
        assert ledger_pb2.PostEntriesResponse.FromString(answer).results[0].code == "posted"
        await channel.close()


@pytest.fixture
def network(postgres_cluster: PostgresCluster, tmp_path: Path) -> Network:
    urls = {}
    for msp_id, spec in SPECS.items():
        generate_organization(tmp_path, spec, _now() - timedelta(minutes=5))
        urls[msp_id] = postgres_cluster.create_database(f"two_{msp_id.lower()}_{uuid.uuid4().hex[:8]}")
        with psycopg.connect(urls[msp_id]) as connection:
            migrate_ledger(connection)
            migrate_partner(connection)
    return Network(tmp_path, urls, {msp_id: free_port() for msp_id in SPECS})


@pytest.fixture
async def banks(network: Network) -> AsyncIterator[tuple[NodeOfBank, NodeOfBank]]:
    here, there = (NodeOfBank(network, msp_id) for msp_id in SPECS)
    await here.start()
    await there.start()
    yield here, there
    for bank in (here, there):
        await bank.stop()


@contextlib.asynccontextmanager
async def customers(network: Network, folder: Path) -> AsyncIterator[tuple[CustomerAgent, CustomerAgent]]:
    """Maria banks with DwayBank, Karel with the partner; each through a gateway of his own bank."""
    async with contextlib.AsyncExitStack() as stack:
        agents = []
        for msp_id, name in (("DwaybankMSP", "maria"), ("PartnerMSP", "karel")):
            tls = network.client_tls(msp_id, "Gateway")
            place = folder / name
            place.mkdir()
            for file, content in (("crt", tls.certificate_pem), ("key", tls.key_pem), ("roots", tls.roots_pem)):
                assert content is not None
                (place / file).write_bytes(content)
            config = gateway_config(
                place,
                network.urls[msp_id],
                f"127.0.0.1:{network.ports[msp_id]}",
                tls={"certificate": place / "crt", "key": place / "key", "roots": place / "roots"},
                organization={"msp_id": msp_id, "display_name": msp_id},
                partners=[{"msp_id": other, "display_name": other} for other in SPECS if other != msp_id],
            )
            _, client = await stack.enter_async_context(running_gateway(config))
            agents.append(await CustomerAgent(client, f"{name}@example.org").sign_up())
        yield agents[0], agents[1]


async def _available(agent: CustomerAgent, account: str) -> int:
    return int((await agent.get(f"/v1/accounts/{account}/balance")).json()["available_minor"])


async def _positions(network: Network, msp_id: str) -> list[tuple[str, bool]]:
    channel = network.channel(msp_id, msp_id)
    answer = await channel.unary(f"{SETTLEMENT}/ComparePositions", b"", 5)
    await channel.close()
    return [(row.own_minor, row.agree) for row in partner_pb2.ComparePositionsResponse.FromString(answer).comparisons]


async def test_customer_pays_a_customer_of_the_other_bank_and_both_books_agree(
    banks: tuple[NodeOfBank, NodeOfBank], network: Network, tmp_path: Path
) -> None:
    here, _ = banks
    async with customers(network, tmp_path) as (maria, karel):
        debtor, creditor = await maria.open_account(), await karel.open_account()
        await here.deposit(debtor, 50_000)
        key = str(uuid.uuid4())
        paid = await maria.pay(debtor, creditor, "12500", key, creditor_bank="PartnerMSP", description="Invoice 7")
        assert (paid.status_code, paid.json()["state"]) == (201, "completed"), paid.text
        assert (
            await maria.pay(debtor, creditor, "12500", key, creditor_bank="PartnerMSP", description="Invoice 7")
        ).json() == (paid.json())
        assert (await _available(maria, debtor), await _available(karel, creditor)) == (37_500, 12_500)
        [out] = (await maria.get(f"/v1/accounts/{debtor}/statement?page_size=1")).json()["lines"]
        [into] = (await karel.get(f"/v1/accounts/{creditor}/statement")).json()["lines"]
        assert (out["direction"], into["direction"]) == ("out", "in")
        assert out["settlement_id"] == into["settlement_id"] != ""
        assert out["description"] == "Invoice 7"
        assert await _positions(network, "DwaybankMSP") == [("-12500", True)]
        assert await _positions(network, "PartnerMSP") == [("12500", True)]


async def test_refusals_of_either_bank_reach_the_customer_as_422(
    banks: tuple[NodeOfBank, NodeOfBank], network: Network, tmp_path: Path
) -> None:
    here, _ = banks
    async with customers(network, tmp_path) as (maria, karel):
        debtor, creditor = await maria.open_account(), await karel.open_account()
        await here.deposit(debtor, 100)
        for beneficiary, amount, code in (
            ("cust-nobody", "50", "account_not_found"),
            (creditor, "101", "exceeds_available"),
        ):
            answer = await maria.pay(debtor, beneficiary, amount, creditor_bank="PartnerMSP")
            assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
        assert await _available(maria, debtor) == 100


async def test_payment_while_the_partner_is_down_arrives_when_he_is_back(
    banks: tuple[NodeOfBank, NodeOfBank], network: Network, tmp_path: Path
) -> None:
    here, there = banks
    async with customers(network, tmp_path) as (maria, karel):
        debtor, creditor = await maria.open_account(), await karel.open_account()
        await here.deposit(debtor, 100)
        await there.stop()
        sent = await maria.pay(debtor, creditor, "100", creditor_bank="PartnerMSP")
        assert (sent.status_code, sent.json()["state"]) == (202, "held"), sent.text
        assert await _available(maria, debtor) == 0
        await there.start()
        state = "held"
        for _ in range(100):
            state = (await maria.get(f"/v1/transfers/{sent.json()['transfer_id']}")).json()["state"]
            if state == "completed":
                break
            await asyncio.sleep(0.1)
        assert state == "completed"
        assert await _available(karel, creditor) == 100


async def test_other_bank_may_not_use_the_services_of_our_own_programs(
    banks: tuple[NodeOfBank, NodeOfBank], network: Network
) -> None:
    channel = network.channel("PartnerMSP", "DwaybankMSP")
    for path in (f"{LEDGER}/ListAccounts", f"{SETTLEMENT}/ComparePositions", f"{SETTLEMENT}/SendPayment"):
        with pytest.raises(RpcError) as refused:
            await channel.unary(path, b"", 5)
        assert refused.value.code == StatusCode.PERMISSION_DENIED
    await channel.close()
