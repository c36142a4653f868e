"""Lists longer than a page: each goes on where the one before it ended, in the stores, through the node's port, at the
command line and in the portal; nothing is left out because there is too much of it.

Method: a regulator's own database with 501 of everything, a port with the real services and mutual TLS, the real portal
and command line in front of it.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from gateway.portal.app import create_portal
from gateway.portal.config import load_portal_config
from gateway.portal.roles import Role
from gateway.portal.routes.overview import unsettled_of
from gateway.portal.sessions import COOKIE, Person
from network.rpc import Server
from network.topology import default_consortium
from node.access import Members
from node.anchor.database import Database, migrate
from node.audit.cases import Cases
from node.audit.control_totals import TotalsStore
from node.audit.demand_store import DemandStore
from node.audit.disclosure_service import DisclosureService
from node.audit.finding_service import FindingService
from node.audit.findings import Findings
from node.audit.index import AuditIndex, SearchFilter
from node.audit.pages import PAGE_SIZE_MAX, PageTokenError
from node.audit.passkeys import Passkeys
from node.audit.portal_service import PortalService
from node.audit.receipt_service import ReceiptService
from node.audit.receipts import ReceiptStore
from node.config import NodeConfig, load_settings
from node.home import Home, prepare_home
from node.portal_settings import write_portal_settings
from node.reports.maker import ReportMaker
from node.reports.report_service import ReportService
from tests.support.command_line import invoke
from tests.support.consortium import free_base_port

OWN, BANK, PARTNER = "RegulatorMSP", "DwaybankMSP", "PartnerMSP"
COUNT = PAGE_SIZE_MAX + 1
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
Page = Callable[[int, str], tuple[list[Any], str]]


class Stores:
    """The regulator's own records."""

    def __init__(self, url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            migrate(connection)
        self.database = Database(url)
        self.database.open()
        self.index = AuditIndex(self.database, lambda: NOON)
        self.findings = Findings(OWN, self.database, self.index, None, {}, secrets.token_bytes)  # type: ignore[arg-type]
        self.demands = DemandStore(OWN, self.database, self.index)
        self.totals = TotalsStore(self.database)
        self.receipts = ReceiptStore(OWN, self.database)
        self.cases = Cases(self.database)
        nothing: Any = None  # what only makes reports, and not lists them
        more = dict.fromkeys(("source", "blocks", "disclosed", "obligations"), nothing)
        self.maker = ReportMaker("audit", nothing, database=self.database, now=lambda: NOON, **more)

    def add(self, number: int) -> None:
        """Keep one more of everything; each two stand in one block, or are of one time."""
        block, tx = 1 + number // 2, number % 2
        one, at = (BANK, PARTNER)[tx], NOON + timedelta(seconds=block)
        self._record("finding", f"{number:032x}", block, tx, BANK, finding(number))
        self._record("demand", f"{number:032x}", block, tx, BANK, demand(number))
        self._record("checkpoint", f"{number}", block, tx, one, {})
        self._put("audit", "put_opened_totals", one, block, at, '{"EUR":{"credits":"1","debits":"1"}}', bytes(32))
        self._put("audit", "put_receipt", block, one, number.to_bytes(32, "big"), at, "{}")
        self._put("reports", "put_report", "daily", at, "ada", b"", "{}")
        self.cases.open(f"case {number}", "ada", at)

    def _record(self, kind: str, key: str, block: int, tx: int, about: str, body: dict[str, Any]) -> None:
        at = (block, tx, "audit", f"{kind}~{key}", kind, about, f"{block:064x}", NOON)
        self._put("audit", "put_record", *at, 1, block, about, json.dumps(body))

    def _put(self, room: str, query: str, *row: Any) -> None:
        self.database.fetch(query, row, f"node.{room}")


def finding(number: int) -> dict[str, Any]:
    step = {"status": "open", "by": OWN, "timestamp": NOON.isoformat(), "transaction_id": "0"}
    told = {"finding_id": f"{number:032x}", "organization": BANK, "opened_by": OWN, "kind": "other", "subject": "log"}
    return told | {"status": "open", "evidence": "00" * 32, "steps": [step]}


def demand(number: int) -> dict[str, Any]:
    told = {"demand_id": f"{number:032x}", "organization": BANK, "demanding_organization": OWN}
    return told | {"seqs": [1], "purpose": "spot_check"}


@pytest.fixture
def stores(database_url: str) -> Iterator[Stores]:
    made = Stores(database_url)
    for number in range(COUNT):
        made.add(number)
    yield made
    made.database.close()


def lists_of(stores: Stores) -> dict[str, Page]:
    return {
        "findings": lambda size, token: stores.findings.page("", "", size, token),
        "demands": lambda size, token: stores.demands.page("", "", size, token),
        "totals": lambda size, token: stores.totals.page("", size, token),
        "receipts": stores.receipts.page,
        "cases": stores.cases.page,
        "reports": lambda size, token: stores.maker.page("", size, token),
        "records": lambda size, token: stores.index.search(SearchFilter(kind="finding"), size, token),
    }


def walk(page: Page, size: int) -> list[list[Any]]:
    pages: list[list[Any]] = []
    token = ""
    while not pages or token:
        found, token = page(size, token)
        pages.append(found)
    return pages


def test_pages_follow_one_another_to_the_end(stores: Stores) -> None:
    for name, page in lists_of(stores).items():
        whole, rest = walk(page, 10_000)
        assert (name, len(whole), len(rest)) == (name, PAGE_SIZE_MAX, COUNT - PAGE_SIZE_MAX)
        assert (name, [len(each) for each in walk(page, 200)]) == (name, [200, 200, 101])
        for size in (200, 167):
            assert (name, [line for each in walk(page, size) for line in each]) == (name, [*whole, *rest])
        assert max(Counter(map(repr, [*whole, *rest])).values()) == 1, name


def test_what_moves_to_the_front_meanwhile_pushes_nothing_out(stores: Stores) -> None:
    before = {name: (page, *page(200, "")) for name, page in lists_of(stores).items()}
    rest = {name: page(0, token) for name, (page, _, token) in before.items()}
    stores.add(COUNT)
    for name, (page, first, token) in before.items():
        assert (name, page(0, token)) == (name, rest[name])
        assert (name, page(200, "")[0] == first) == (name, False)


@pytest.mark.parametrize("token", ["x", "e30=", "WyIxIl0=", "bnVsbA==", "WzEsIDIsIDNd", "é"])
def test_tokens_of_nobody_are_refused(stores: Stores, token: str) -> None:
    for name, page in lists_of(stores).items():
        if (name, token) != ("reports", "WyIxIl0="):
            with pytest.raises(PageTokenError, match="page_token"):
                page(5, token)


@pytest.fixture
async def regulator(stores: Stores, tmp_path: Path) -> AsyncIterator[Home]:
    """A home whose regulator's node serves its lists, and nothing else."""
    home, consortium = prepare_home(tmp_path / "home", lambda: default_consortium(free_base_port()), BEGAN, {})
    (own,) = (each for each in consortium.organizations if each.msp_id == OWN)
    write_portal_settings(home, consortium, own)
    tls = load_settings(NodeConfig, home.organization(own) / "node.yaml").tls
    members = Members(OWN, {msp_id: [path.read_bytes() for path in paths] for msp_id, paths in tls.roots.items()})
    server = Server("127.0.0.1", own.node_port, tls.server())
    nothing: Any = None  # what these lists do not ask
    for service in (
        FindingService(stores.findings, members),
        DisclosureService(nothing, nothing, stores.demands, members),
        ReceiptService(nothing, stores.receipts, nothing, stores.totals, members),
        PortalService(stores.cases, Passkeys(stores.database), list, members, lambda: NOON),
        ReportService(stores.maker, members),
    ):
        service.register(server)
    await server.start()
    yield home
    await server.stop(0)


async def test_commands_list_all_there_is(regulator: Home) -> None:
    for count, *command in (
        (COUNT, "audit", "findings"), (COUNT, "audit", "demands"), (COUNT, "audit", "totals"),
        (COUNT, "audit", "receipts", "--limit", "1000"), (500, "audit", "receipts", "--limit", "500"),
        (COUNT, "report", "list"),
    ):  # fmt: skip
        done = await asyncio.to_thread(invoke, [*command, "--org", "regulator", "--home", str(regulator.root)])
        assert done.exit_code == 0, done.output
        assert (command, len(set(done.output.splitlines()))) == (command, count)


async def test_the_portal_leads_from_each_page_to_the_next(regulator: Home) -> None:
    portal = create_portal(load_portal_config(regulator.root / "regulator" / "portal.yaml"))
    async with portal.router.lifespan_context(portal):
        secret, _ = portal.state.services.sessions.begin(Person("ada", Role.SUPERVISOR, "certificate"))
        (origin, *_) = portal.state.services.config.served_origins
        transport = httpx.ASGITransport(portal)
        async with httpx.AsyncClient(transport=transport, base_url=origin, cookies={COOKIE: secret}) as browser:
            for path in ("/findings", "/findings?status=open", "/demands?state=waiting", "/cases", "/reports"):
                first = await browser.get(path)
                (link,) = re.findall(r'<a href="([^"]*page_token=[^"]*)">Next page</a>', first.text)
                second = await browser.get(unescape(link))
                shown = [len(re.findall(r"<tr><th scope=\"row\"", page.text)) for page in (first, second)]
                assert (path, shown) == (path, [PAGE_SIZE_MAX, 1])
                assert "Next page" not in second.text
        assert len(await unsettled_of(portal.state.services.node)) == COUNT
