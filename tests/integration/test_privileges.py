"""Least privilege, tried: the node's own login, with a password, in a database whose owner is no superuser, attempts to
change history in every way that SQL has; and docs/database-roles.md says of each role what the catalogue says.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.account import Side
from ledger.balances import open_account
from ledger.journal import ResultCode, transfer
from node.databases import provision_databases
from node.postgres import PostgresCluster, _wheel_folder
from node.schemas import prepare_schemas
from tests.support.books import START, key, new_writer
from tests.support.role_table import GROUPS, render
from tests.support.shared_data import REPOSITORY

Connection = psycopg.Connection[Any]
DATABASE = "least"
PAGE = REPOSITORY / "docs" / "database-roles.md"

SCHEMAS = ("channel", "compliance", "ledger", "log", "partner")
MOVING = {
    # What must change while the node works, and is not history.
    "channel.expiry", "channel.missing_private_set", "channel.private_state", "channel.private_write_set",
    "channel.snapshot_request", "channel.state", "channel.transient_write_set",
    "log.follower", "log.mirror_tile", "log.passkey", "log.saved_search", "log.tile", "partner.incoming",
    "partner.netting_cycle", "partner.obligation", "partner.outgoing",
}  # fmt: skip
ADDED_TO = {"channel", "compliance", "log", "partner"}
"""Schemas the node adds rows to; in ``ledger`` it adds to partitions of the journal only."""


@pytest.fixture(scope="module")
def secrets(postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("secrets")
    provision_databases(postgres_cluster.url(), folder, DATABASE)
    prepare_schemas((folder / "owner.url").read_text())
    yield folder
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())
        for part in ("owner", "node", "gateway"):
            connection.execute(f"DROP ROLE {DATABASE}_{part}".encode())


@pytest.fixture
def node(secrets: Path) -> Iterator[Connection]:
    """A connection with the node's own login."""
    with psycopg.connect((secrets / "node.url").read_text(), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def posted(secrets: Path) -> None:
    """An entry in the books, posted as the node does."""
    url = (secrets / "node.url").read_text()
    with psycopg.connect(url, autocommit=True) as connection:
        for name, side in (("cash", Side.DEBIT), ("alice", Side.CREDIT)):
            open_account(connection, name, "EUR", side, floor=None, now=START)
    writer = new_writer(url)
    writer.open()
    (result,) = writer.post([transfer(key(1), "cash", "alice", 5)])
    assert result.code is ResultCode.POSTED
    writer.close()


def tables(connection: Connection, *schemas: str) -> list[tuple[str, str]]:
    """Every table with a column of it that is set as given."""
    return connection.execute(
        """
        SELECT namespace.nspname || '.' || class.relname, attribute.attname
        FROM pg_class AS class
        JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
        JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum = (
            SELECT min(attnum) FROM pg_attribute
            WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = ''
        )
        WHERE class.relkind IN ('r', 'p') AND namespace.nspname = ANY (%s)
        ORDER BY 1
        """,
        (list(schemas),),
    ).fetchall()


def refused(connection: Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_the_page_says_what_the_catalogue_says(postgres_cluster: PostgresCluster, secrets: Path) -> None:
    with psycopg.connect(postgres_cluster.url(DATABASE), autocommit=True) as administrator:
        expected = render(administrator, f"{DATABASE}_gateway")
    assert expected in PAGE.read_text(encoding="utf-8"), f"{PAGE.name} must hold this table:\n{expected}"


def test_no_role_has_rights_over_the_server(postgres_cluster: PostgresCluster, secrets: Path) -> None:
    own = [f"{DATABASE}_{part}" for part in ("owner", "node", "gateway")]
    with psycopg.connect(postgres_cluster.url(DATABASE), autocommit=True) as administrator:
        rows = administrator.execute(
            "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication, rolcanlogin"
            " FROM pg_roles WHERE rolname = ANY (%s)",
            ([*own, *GROUPS],),
        ).fetchall()
        members = administrator.execute(
            "SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members"
            " WHERE member::regrole::text = ANY (%s) ORDER BY 1, 2",
            (own,),
        ).fetchall()
    assert sorted(rows) == sorted([(name, False, True) for name in own] + [(name, False, False) for name in GROUPS])
    assert members == [(f"{DATABASE}_node", "dwaybank_application"), (f"{DATABASE}_node", "dwaybank_tenant")]


def test_the_node_changes_no_history(node: Connection) -> None:
    history = [(name, column) for name, column in tables(node, *SCHEMAS) if name not in MOVING]
    assert len(history) > 60
    for name, column in history:
        for statement in (
            f"UPDATE {name} SET {column} = {column}",
            f"DELETE FROM {name}",
            f"TRUNCATE {name}",
            f"ALTER TABLE {name} DISABLE TRIGGER ALL",
            f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {name} ADD COLUMN mine int",
            f"ALTER TABLE {name} OWNER TO {DATABASE}_node",
            f"CREATE RULE mine AS ON DELETE TO {name} DO INSTEAD NOTHING",
            f"DROP TABLE {name}",
        ):
            refused(node, statement)


def test_the_node_adds_to_the_books_through_functions_only(node: Connection) -> None:
    for name, _ in tables(node, "ledger"):
        if not name.startswith("ledger.entry_") or name == "ledger.entry_form":
            refused(node, f"INSERT INTO {name} DEFAULT VALUES")
    for schema in ADDED_TO:
        refused(node, f"INSERT INTO {schema}.migration VALUES (9999, 'x', 'x')")


@pytest.mark.parametrize(
    "statement",
    [
        "SET session_replication_role = replica",
        "SET ROLE least_owner",
        "SET SESSION AUTHORIZATION least_owner",
        "GRANT dwaybank_reader TO least_node",
        "ALTER ROLE least_node BYPASSRLS",
        "CREATE SCHEMA mine",
        "CREATE TABLE public.mine (n int)",
        "CREATE TABLE ledger.mine (n int)",
        "CREATE TEMP TABLE mine (n int)",
        "CREATE FUNCTION ledger.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION ledger.refuse_edit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "ALTER FUNCTION ledger.refuse_edit() RENAME TO gone",
        "DROP TRIGGER account_is_kept ON ledger.account",
        "CREATE TRIGGER mine AFTER INSERT ON ledger.entry EXECUTE FUNCTION ledger.refuse_edit()",
        "DROP POLICY tenant_sees_own ON ledger.account",
        "ALTER TABLE ledger.entry DETACH PARTITION ledger.entry_1",
        "CREATE TABLE ledger.entry_0 PARTITION OF ledger.entry FOR VALUES FROM (-5) TO (0)",
        "COPY ledger.account TO PROGRAM 'cat'",
        "COPY ledger.account FROM PROGRAM 'true'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT lo_import('/etc/hostname')",
        "ALTER SYSTEM SET fsync = off",
        "SET synchronous_standby_names = ''",
        "ALTER DATABASE least SET session_replication_role = replica",
        "REINDEX TABLE ledger.account",
        "CREATE EXTENSION pageinspect SCHEMA ledger",
        "SELECT pg_file_write('x', 'x', false)",
    ],
)
def test_the_node_has_no_way_round(node: Connection, statement: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        node.execute(statement.encode())
    # 42501 may not; 55P02 cannot be changed now; 42883 and 58P01: there is no such thing to call here.
    assert caught.value.sqlstate in ("42501", "55P02", "42883", "58P01", "0A000"), caught.value


COLUMNS = (
    "seq, posted_at, effective_at, debit_account, credit_account, amount, debit_balance, credit_balance,"
    " debit_previous, credit_previous, asset_id, decision_outcome, form, key, decision_id, decision_leaf, salt, leaf,"
    " request_hash"
)


def row(seq: int = 2, **changes: str) -> str:
    """An INSERT's values of a row that would be fine, with some of them changed."""
    values = {
        "seq": str(seq), "posted_at": "now()", "effective_at": "now()", "debit_account": "1", "credit_account": "2",
        "amount": "5", "debit_balance": "10", "credit_balance": "10", "debit_previous": "1", "credit_previous": "1",
        "asset_id": "14", "decision_outcome": "1", "form": "2", "key": "gen_random_uuid()",
        "decision_id": "gen_random_uuid()", "decision_leaf": "sha256('a')", "salt": "sha256('b')",
        "leaf": "sha256('c')", "request_hash": "NULL",
    } | changes  # fmt: skip
    return ", ".join(values.values())


def partition_of(node: Connection) -> str:
    (name,) = node.execute("SELECT table_name FROM ledger.partition ORDER BY first_seq LIMIT 1").fetchone() or ("",)
    return str(name)


@pytest.mark.usefixtures("posted")
def test_the_node_commits_no_entry_that_no_signed_batch_covers(node: Connection) -> None:
    partition = partition_of(node)
    for work in (
        f"INSERT INTO ledger.{partition} ({COLUMNS}) VALUES ({row()})",
        f"INSERT INTO ledger.{partition} ({COLUMNS}) VALUES ({row()}), ({row(3)})",
    ):
        with pytest.raises(psycopg.Error, match="no signed batch covers"):
            node.execute(work.encode())
    now, hashed = "2026-03-02 10:00+00", "\\\\x" + "ab" * 32
    numbers = ["1", "2", "5", "10", "10", "1", "1", "14", "1", "2"]
    line = "\t".join(["2", now, now, *numbers, str(key(7)), str(key(8)), hashed, hashed, hashed, "\\N"])
    with (
        pytest.raises(psycopg.Error, match="no signed batch covers"),
        node.cursor().copy(f"COPY ledger.{partition} ({COLUMNS}) FROM STDIN".encode()) as copy,
    ):
        copy.write(f"{line}\n")
    assert node.execute("SELECT max(seq) FROM ledger.entry").fetchone() == (1,)


@pytest.mark.usefixtures("posted")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": "-5"}, "entry_balanced"),
        ({"amount": "0"}, "entry_balanced"),
        ({"credit_account": "1"}, "entry_balanced"),
        ({"debit_balance": "NULL"}, "entry_balanced"),
        ({"seq": "0"}, "violates"),
        ({"seq": "NULL"}, "null value"),
        ({"seq": "900000000000"}, "violates partition constraint"),
        ({"seq": "1"}, "duplicate key"),
        ({"key": f"'{key(1)}'"}, "duplicate key"),
        ({"leaf": "'x'"}, "check constraint"),
        ({"salt": "'x'"}, "check constraint"),
        ({"effective_at": "'infinity'"}, "entry_times_finite"),
        ({"decision_outcome": "3"}, "check constraint"),
        ({"form": "1", "request_hash": "'x'"}, "check constraint"),
    ],
)
def test_a_partition_takes_no_row_that_is_no_entry(node: Connection, changes: dict[str, str], reason: str) -> None:
    with pytest.raises(psycopg.Error, match=reason):
        node.execute(f"INSERT INTO ledger.{partition_of(node)} ({COLUMNS}) VALUES ({row(**changes)})".encode())


@pytest.mark.usefixtures("posted")
def test_nobody_writes_the_journal_past_its_partitions_or_reads_a_partition(secrets: Path, node: Connection) -> None:
    partition = partition_of(node)
    refused(node, f"INSERT INTO ledger.entry ({COLUMNS}) VALUES ({row()})")
    refused(node, f"SELECT * FROM ledger.{partition}")
    refused(node, f"INSERT INTO ledger.{partition} ({COLUMNS}) VALUES ({row()}) RETURNING seq")
    with node.transaction():
        node.execute("SET LOCAL ROLE dwaybank_tenant")
        for statement in (f"SELECT * FROM ledger.{partition}", f"INSERT INTO ledger.{partition} DEFAULT VALUES"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), node.transaction():
                node.execute(statement.encode())


def test_functions_that_act_for_their_owner_cannot_be_led_astray(node: Connection) -> None:
    """One without a search path of its own would call what its caller put in the way."""
    astray = node.execute(
        """
        SELECT proc.oid::regprocedure::text
        FROM pg_proc AS proc
        JOIN pg_namespace AS namespace ON namespace.oid = proc.pronamespace
        WHERE namespace.nspname = ANY (%s) AND proc.prosecdef
            AND NOT coalesce(proc.proconfig, '{}') && ARRAY[
                'search_path=' || namespace.nspname || ', pg_temp', 'search_path=' || namespace.nspname || ',pg_temp'
            ]
        """,
        (list(SCHEMAS),),
    ).fetchall()
    assert astray == []
    open_to_all = node.execute(
        """
        SELECT proc.oid::regprocedure::text
        FROM pg_proc AS proc
        CROSS JOIN LATERAL aclexplode(coalesce(proc.proacl, acldefault('f', proc.proowner))) AS right_of
        WHERE proc.pronamespace = 'ledger'::regnamespace AND right_of.grantee = 0
        """
    ).fetchall()
    assert open_to_all == []


def test_the_books_stand_where_their_owner_is_no_superuser(secrets: Path, node: Connection) -> None:
    """Migrations, posting and reading ran as these roles; so does everything again at the next start."""
    prepare_schemas((secrets / "owner.url").read_text())
    assert node.execute("SELECT ledger.sees_all()").fetchone() == (True,)
    with psycopg.connect((secrets / "gateway.url").read_text(), autocommit=True) as gateway:
        refused(gateway, "SELECT * FROM ledger.account")
        refused(gateway, "SELECT ledger.sees_all()")


def test_the_owner_can_be_dumped_with_row_level_security_on(secrets: Path, tmp_path: Path) -> None:
    """A backup with pg_dump runs as the owner: row-level security holds nothing back from him."""
    pg_dump, file = _wheel_folder() / "pginstall" / "bin" / "pg_dump", tmp_path / "dump.sql"
    command = [str(pg_dump), "-d", (secrets / "owner.url").read_text(), "-n", "ledger", "-f", str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "CREATE POLICY tenant_sees_own ON ledger.account" in file.read_text()
