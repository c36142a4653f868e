"""The example of docs/tenants.md, run as it stands: its commands beside a node with real certificates, its SQL with the
logins it makes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from ledger.schema import migrate
from network.rpc import Server
from network.topology import default_consortium
from node.access import Members
from node.books.books import Books
from node.books.ledger_service import LedgerService
from node.books.tenant_service import TenantService
from node.config import NodeConfig, load_settings
from node.home import Home, prepare_home, write_secret
from tests.support.books import new_writer
from tests.support.command_line import invoke
from tests.support.consortium import free_base_port
from tests.support.shared_data import REPOSITORY

PAGE = REPOSITORY / "docs" / "tenants.md"
BLOCK = re.compile(r"^```(console|sql)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Stage:
    home: Home
    url: str

    async def command(self, arguments: str) -> str:
        """Run a command of the page and return what it prints, as the page shows it."""
        import shlex

        whole = [*shlex.split(arguments), "--home", str(self.home.root)]
        done = await asyncio.to_thread(invoke, whole, catch_exceptions=True)
        told = done.output.strip("\n") if done.exit_code == 0 else f"error: {done.exception}"
        return "\n".join(line.rstrip() for line in told.splitlines())

    def sql(self, block: str) -> str:
        """Run a block of SQL as whom its first line says; return the block with the rows found below each query."""
        first, *rest = block.strip().splitlines()
        login = first.removeprefix("-- as ")
        user = {} if login == "the administrator" else {"user": login, "password": "secret"}
        shown = [first]
        with psycopg.connect(self.url, autocommit=True, **user) as connection:  # type: ignore[arg-type]
            for statement in (line for line in rest if not line.startswith("-- ")):
                done = connection.execute(statement.encode())
                shown.append(statement)
                if done.description is not None:
                    shown += [("-- " + " | ".join(str(value or "") for value in row)).rstrip() for row in done]
        return "\n".join(shown)


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    base = free_base_port()
    home, consortium = prepare_home(
        tmp_path / "consortium", lambda: default_consortium(base), datetime(2026, 1, 1, tzinfo=UTC), {}
    )
    bank = consortium.organizations[0]
    write_secret(home.secret(bank, "node.url"), database_url.encode())
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
    config = load_settings(NodeConfig, home.organization(bank) / "node.yaml")
    members = Members(config.msp_id, config.tls.roots_by_msp())
    books = Books(database_url, new_writer(database_url, now), now=now)  # type: ignore[arg-type]
    server = Server(config.host, config.port, config.tls.server())
    await books.start()
    LedgerService(books, members).register(server)
    TenantService(books, members, now=now).register(server)
    await server.start()
    try:
        yield Stage(home, database_url)
    finally:
        await server.stop(0)
        await books.stop()
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("DROP OWNED BY acme_reports; DROP ROLE acme_reports")


def matches(shown: str, found: str) -> bool:
    """Whether a line of the page is what was printed; an ellipsis stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), found) is not None


async def test_the_page_shows_what_happens(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ops-user")
    ran = 0
    for kind, block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "sql":
            assert (await asyncio.to_thread(stage.sql, block)).splitlines() == block.strip().splitlines()
            continue
        for told in block.split("$ dwaybank ")[1:]:
            command, *shown = told.rstrip("\n").split("\n")
            found = (await stage.command(command)).splitlines()
            assert len(found) == len(shown) and all(map(matches, shown, found)), (command, found)
            ran += 1
    assert ran > 20
    assert await stage.command("ledger tenant login acme_reports") == "login acme_reports: sees nothing"
    assert await stage.command("ledger tenant revoke --book bolt-retail") == "book bolt-retail: now the organization's"
    assert await stage.command("ledger tenant share bank:clearing --end") == "bank:clearing: not shared"
    assert await stage.command("account list --user bolt") == ""
    told = await stage.command("statement acme:alice --from 2026-01-01 --user acme")
    assert told == "error: a statement of a time is read from the database itself: leave --user acme out"
