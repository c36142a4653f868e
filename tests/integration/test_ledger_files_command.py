"""``dwaybank ledger verify|export|import`` from the command line, with the roles that a consortium gives itself."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psycopg
import pytest
from nacl.signing import SigningKey
from typer.testing import CliRunner

from ledger.errors import CheckpointError, ImportRefusedError
from ledger.journal import transfer
from ledger.posting import Writer
from ledger.schema import migrate
from network.topology import default_consortium
from node.anchor.books import Books
from node.anchor.database import Database
from node.anchor.database import migrate as migrate_log
from node.anchor.sealer import Sealer
from node.anchor.store import LogStore
from node.cli import app
from node.databases import provision_databases
from node.errors import ConfigurationError, PostgresError
from node.home import Home, prepare_home
from node.postgres import PostgresCluster
from tests.support.books import Clock, PlainRules, key, open_accounts

ENTRIES = 40
_numbers = count(1)


def provide(cluster: PostgresCluster, home: Home, database: str) -> None:
    """Give the organization a database of its own, with the schemas that its node makes at start."""
    secrets = home.root / "dwaybank" / "secrets"
    for name in ("owner.url", "node.url", "gateway.url"):
        (secrets / name).unlink(missing_ok=True)
    provision_databases(cluster.url(), secrets, database)
    with psycopg.connect((secrets / "owner.url").read_text(), autocommit=True) as connection:
        migrate(connection)
        migrate_log(connection)


def url_of(home: Home, role: str) -> str:
    return (home.root / "dwaybank" / "secrets" / f"{role}.url").read_text()


async def seal(home: Home) -> str:
    """Seal all that stands; return the root."""
    database = Database(url_of(home, "node"))
    database.open()
    signing = SigningKey((home.root / "dwaybank" / "secrets" / "writer.key").read_bytes())
    books, store = Books(database, bytes(signing.verify_key)), LogStore(database)
    head = await Sealer("DwaybankMSP", SigningKey.generate(), books, store, Clock()).seal()
    database.close()
    return head.root.hex()


@pytest.fixture
async def home(postgres_cluster: PostgresCluster, tmp_path: Path) -> Home:
    root = tmp_path / "consortium"
    home = prepare_home(root, lambda: default_consortium(31_000), datetime(2026, 1, 1, tzinfo=UTC), {})[0]
    provide(postgres_cluster, home, f"files_{next(_numbers)}")
    signing = SigningKey((root / "dwaybank" / "secrets" / "writer.key").read_bytes())
    clock = Clock()
    writer = Writer(
        url_of(home, "node"), sign=lambda digest: signing.sign(digest).signature, decider=PlainRules(), now=clock
    )
    writer.open()
    with psycopg.connect(url_of(home, "node"), autocommit=True) as connection:
        open_accounts(connection, "cash EUR debit -\nalice EUR credit -")
    for number in range(1, ENTRIES + 1):
        writer.post([transfer(key(number), "cash", "alice", number)])
    writer.close()
    await seal(home)
    return home


def run(home: Home, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["ledger", *arguments, "--home", str(home.root)], catch_exceptions=False)
    return done.exit_code, done.stdout


def tamper(cluster: PostgresCluster, home: Home, statement: str) -> None:
    name = url_of(home, "owner").rpartition("/")[2].partition("?")[0]
    with psycopg.connect(cluster.url(name), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement.encode()).rowcount == 1


def test_verify_proves_books_and_log_and_names_what_is_wrong(home: Home, postgres_cluster: PostgresCluster) -> None:
    assert run(home, "verify", "--workers", "1") == (0, "40 entries and 2 accounts proved: 0 findings\n")
    tamper(postgres_cluster, home, "UPDATE ledger.entry SET amount = 900 WHERE seq = 7")
    code, text = run(home, "verify", "--workers", "1")
    assert code == 1
    assert text.startswith("entry 7: its row does not give the leaf that stands with it\n")
    assert "entry 7: its row does not give the leaf that was sealed in the log\n" in text
    code, text = run(home, "verify", "--json", "--workers", "1")
    report = json.loads(text)
    assert (code, report["entries"], report["accounts"], report["resumed_after"]) == (1, 40, 2, 0)
    assert report["findings"][0] == {
        "seq": 7, "subject": "entry 7", "problem": "its row does not give the leaf that stands with it",
    }  # fmt: skip


def test_verify_tells_a_log_that_was_changed(home: Home, postgres_cluster: PostgresCluster) -> None:
    tamper(postgres_cluster, home, "UPDATE log.checkpoint SET root = sha256(root) WHERE size = 40")
    assert run(home, "verify", "--workers", "1") == (
        1,
        "log: does not hash to the root that was sealed for 40 leaves\n40 entries and 2 accounts proved: 1 findings\n",
    )


def test_verify_refuses_a_checkpoint_that_is_none(home: Home, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text("{}")
    with pytest.raises(CheckpointError):
        run(home, "verify", "--workers", "1", "--checkpoint", str(tmp_path / "checkpoint"))


async def test_books_go_out_and_into_a_new_database(
    home: Home, postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    file, again = tmp_path / "books.jsonl", tmp_path / "again.jsonl"
    code, text = run(home, "export", str(file))
    root = re.search(r"root ([0-9a-f]{64})", text)
    assert (code, root is not None) == (0, True)
    with pytest.raises(ImportRefusedError, match="is not empty"):
        run(home, "import", str(file))
    provide(postgres_cluster, home, f"files_{next(_numbers)}")
    code, text = run(home, "import", str(file))
    assert code == 0
    assert root is not None and root.group(1) in text
    assert run(home, "verify", "--workers", "1")[0] == 0
    assert await seal(home) == root.group(1)
    assert run(home, "verify", "--workers", "1")[0] == 0
    assert run(home, "export", str(again))[0] == 0
    assert again.read_bytes() == file.read_bytes()


def test_file_and_database_that_cannot_be_used_are_told_in_a_sentence(home: Home, tmp_path: Path) -> None:
    for arguments in (("export", str(tmp_path / "no" / "books")), ("import", str(tmp_path / "no"))):
        with pytest.raises(ConfigurationError, match="No such file"):
            run(home, *arguments)
    with pytest.raises(PostgresError, match="cannot be used"):
        run(home, "import", str(tmp_path / "no"), "--database-url", url_of(home, "node"))
