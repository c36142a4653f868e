"""``dwaybank ledger verify|export|import|partitions|archive|restore`` from the command line, with the roles that a
consortium gives itself."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psycopg
import pytest
from nacl.signing import SigningKey

from ledger.errors import ArchiveRefusedError, CheckpointError, ImportRefusedError
from ledger.journal import transfer
from ledger.periods import close_period, report_periods
from ledger.posting import Writer
from ledger.schema import migrate
from network.topology import default_consortium
from node.anchor.books import Books
from node.anchor.database import Database
from node.anchor.database import migrate as migrate_log
from node.anchor.sealer import Sealer
from node.anchor.store import LogStore
from node.databases import provision_databases
from node.errors import ConfigurationError, PostgresError
from node.home import Home, prepare_home
from node.postgres import PostgresCluster
from tests.support.books import START, Clock, PlainRules, key, open_accounts
from tests.support.command_line import invoke

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
    done = invoke(["ledger", *arguments, "--home", str(home.root)])
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


def close_books(cluster: PostgresCluster, home: Home, anchored: int) -> None:
    """Close everything posted so far, post one entry more, and let the index say what the shared ledger holds."""
    signing = SigningKey((home.root / "dwaybank" / "secrets" / "writer.key").read_bytes())
    clock = Clock(START + timedelta(days=1))
    writer = Writer(
        url_of(home, "node"), sign=lambda digest: signing.sign(digest).signature, decider=PlainRules(), now=clock
    )
    writer.open()
    close_period(writer, clock(), actor="auditor-1")
    writer.post([transfer(key(ENTRIES + 1), "cash", "alice", 1)])
    writer.close()
    with psycopg.connect(url_of(home, "owner"), autocommit=True) as connection:
        report_periods(connection, now=clock())
    for number, kind in enumerate(("checkpoint", "epoch")):
        row = f"(1, {number}, 'audit', '{kind}', '{kind}', 'DwaybankMSP', 'tx', now(), 1, {anchored}, 'x', '{{}}')"
        tamper(cluster, home, f"INSERT INTO log.audit_record VALUES {row}")


def archive(home: Home, folder: Path, before: str = "2026-03-03") -> tuple[int, str]:
    return run(home, "archive", str(folder), "--before", before, "--actor", "ops")


async def test_parts_of_the_journal_go_out_and_come_back(
    home: Home, postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    assert run(home, "partitions")[1].startswith("open      entries 1 to 8388608 ")
    assert run(home, "partitions", "--end", "--entries", "100")[0] == 0
    close_books(postgres_cluster, home, ENTRIES)
    code, text = archive(home, tmp_path)
    file = tmp_path / "DwaybankMSP-1-40.jsonl"
    assert (code, text.startswith(f"archived: entries 1 to 40, {file.name}, {file.stat().st_size} bytes")) == (0, True)
    parts = [json.loads(line) for line in run(home, "partitions", "--json")[1].splitlines()]
    assert [(part["state"], part["first_seq"], part["last_seq"]) for part in parts] == [
        ("archived", 1, 40), ("open", 41, 140),
    ]  # fmt: skip
    assert parts[0]["sha256"] in text
    for given, proved in (((), "not proved here"), (("--archive", str(file)), "proved")):
        code, text = run(home, "verify", "--workers", "1", *given)
        assert code == 0
        assert re.search(rf"entries 1 to 40 are archived in {file.name}, SHA-256 [0-9a-f]{{64}}; {proved}", text)
        assert text.endswith("1 entries and 2 accounts proved: 0 findings\n")
    report = json.loads(run(home, "verify", "--workers", "1", "--json", "--archive", str(file))[1])
    assert [(each["file"], each["proved"]) for each in report["archived"]] == [(file.name, True)]
    # The log is that of all entries, whatever is archived.
    books = tmp_path / "books.jsonl"
    exported = run(home, "export", str(books))[1]
    assert await seal(home) in exported
    code, text = run(home, "restore", str(file), "--actor", "ops")
    assert (code, text.startswith("restored: entries 1 to 40")) == (0, True)
    assert run(home, "verify", "--workers", "1") == (0, "41 entries and 2 accounts proved: 0 findings\n")


def test_archive_that_may_not_be_made_names_every_obstacle(
    home: Home, postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveRefusedError) as first:
        archive(home, tmp_path)
    told = str(first.value)
    assert (
        "it holds the newest entry, which stays: let it end with the period (`dwaybank ledger partitions --end`)"
        in told
    )
    assert "no period is closed: close the period first" in told
    assert "entry 1 is not anchored yet, or its decision is not" in told
    run(home, "partitions", "--end")
    close_books(postgres_cluster, home, ENTRIES - 1)
    with pytest.raises(ArchiveRefusedError, match=r"^entries 1 to 40: entry 40 is not anchored yet, or its decision"):
        archive(home, tmp_path)
    with pytest.raises(ArchiveRefusedError, match="which is not before 2026-03-02"):
        archive(home, tmp_path, "2026-03-02")
    for bad, reason in (("soon", "--before soon: write a day"), ("2026-13-01", "--before 2026-13-01: write a day")):
        with pytest.raises(ConfigurationError, match=reason):
            archive(home, tmp_path, bad)
    assert list(tmp_path.glob("*.jsonl*")) == []
    tamper(postgres_cluster, home, f"UPDATE log.audit_record SET to_seq = {ENTRIES} WHERE kind = 'epoch'")
    with pytest.raises(ArchiveRefusedError, match="entry 40 is not anchored yet"):
        archive(home, tmp_path)
    tamper(postgres_cluster, home, f"UPDATE log.audit_record SET to_seq = {ENTRIES} WHERE kind = 'checkpoint'")
    with pytest.raises(ConfigurationError, match="No such file"):
        archive(home, tmp_path / "no")
    assert archive(home, tmp_path)[0] == 0


def test_file_of_an_archive_that_is_gone_or_damaged_is_named(
    home: Home, postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    run(home, "partitions", "--end")
    close_books(postgres_cluster, home, ENTRIES)
    archive(home, tmp_path)
    file, damaged, text = tmp_path / "DwaybankMSP-1-40.jsonl", tmp_path / "damaged.jsonl", tmp_path / "text"
    text.write_text("no archive\n")
    damaged.write_bytes(file.read_bytes().replace(b'"7"', b'"8"', 1))
    for arguments in (("verify", "--workers", "1", "--archive"), ("restore",)):
        with pytest.raises(ConfigurationError, match="No such file"):
            run(home, *arguments, str(tmp_path / "gone"))
        with pytest.raises(ArchiveRefusedError, match=r"damaged.jsonl, line \d+: "):
            run(home, *arguments, str(damaged))
        with pytest.raises(ArchiveRefusedError, match=r"text, line 1: it is no JSON object"):
            run(home, *arguments, str(text))
    secret = home.root / "dwaybank" / "secrets" / "writer.key"
    secret.chmod(0o600)
    secret.write_bytes(bytes(SigningKey.generate()))
    with pytest.raises(ArchiveRefusedError, match="not what the posting engine signed"):
        run(home, "restore", str(file))


def test_file_and_database_that_cannot_be_used_are_told_in_a_sentence(home: Home, tmp_path: Path) -> None:
    for arguments in (("export", str(tmp_path / "no" / "books")), ("import", str(tmp_path / "no"))):
        with pytest.raises(ConfigurationError, match="No such file"):
            run(home, *arguments)
    with pytest.raises(PostgresError, match="cannot be used"):
        run(home, "import", str(tmp_path / "no"), "--database-url", url_of(home, "node"))
