"""An organization's roles, against a real server: what each may do and, above all, what it may not."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine, text

from node.databases import provision_databases
from node.errors import PostgresError
from node.postgres import PostgresCluster


@pytest.fixture(scope="module")
def secrets_folder(postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    provision_databases(postgres_cluster.url(), folder, "roles_test")
    return folder


def connect(secrets_folder: Path, name: str) -> psycopg.Connection:
    return psycopg.connect((secrets_folder / f"{name}.url").read_text(), autocommit=True)


def test_each_role_gets_a_password_file_only_its_owner_may_read(secrets_folder: Path) -> None:
    for name in ("owner", "node", "gateway"):
        file = secrets_folder / f"{name}.url"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with connect(secrets_folder, name) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (f"roles_test_{name}",)


def test_how_a_connection_is_guarded_and_where_its_server_is_goes_with_every_roles_url(
    postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    given = conninfo_to_dict(postgres_cluster.url())
    told = {"sslmode": "prefer", "sslrootcert": str(tmp_path / "an authority.pem"), "application_name": "a&b=c"}
    others = {"host": f"::1,{given['host']}", "port": f"1,{given['port']}"}
    administrator_url = "postgresql://?" + urlencode({**given, **told, **others}, quote_via=quote)
    provision_databases(administrator_url, tmp_path, "guarded_test")
    for name in ("owner", "node", "gateway"):
        url = (tmp_path / f"{name}.url").read_text()
        found = conninfo_to_dict(url)
        assert {key: str(found[key]) for key in (told | others)} == told | others
        with connect(tmp_path, name) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (f"guarded_test_{name}",)
        # As the gateway reads it.
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
        with engine.connect() as connected:
            assert connected.execute(text("SHOW application_name")).scalar() == "a&b=c"
        engine.dispose()


def test_provisioning_again_changes_nothing(postgres_cluster: PostgresCluster, secrets_folder: Path) -> None:
    before = {file.name: file.read_text() for file in secrets_folder.iterdir()}
    provision_databases(postgres_cluster.url(), secrets_folder, "roles_test")
    assert {file.name: file.read_text() for file in secrets_folder.iterdir()} == before


def test_two_organizations_on_one_server_have_roles_of_their_own(
    postgres_cluster: PostgresCluster, secrets_folder: Path, tmp_path: Path
) -> None:
    provision_databases(postgres_cluster.url(), tmp_path, "roles_other")
    with connect(secrets_folder, "node") as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("roles_test_node",)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect((secrets_folder / "node.url").read_text().replace("/roles_test?", "/roles_other?"))


def test_role_of_another_data_directory_is_refused_rather_than_taken_over(
    postgres_cluster: PostgresCluster, secrets_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(PostgresError, match="role roles_test_owner exists on this server"):
        provision_databases(postgres_cluster.url(), tmp_path, "roles_test")
    with connect(secrets_folder, "owner") as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("roles_test_owner",)


def test_server_without_the_data_is_refused_rather_than_begun_on_with_empty_books(
    postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    provision_databases(postgres_cluster.url(), tmp_path, "roles_lost")
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE roles_lost")
        for part in ("node", "gateway"):
            connection.execute(f"DROP ROLE roles_lost_{part}")
        # As a start leaves it that was killed before its roles were all made.
        (tmp_path / "gateway.url").rename(tmp_path / "away")
        provision_databases(postgres_cluster.url(), tmp_path, "roles_lost")
        connection.execute("DROP DATABASE roles_lost")
        for part in ("owner", "node", "gateway"):
            connection.execute(f"DROP ROLE roles_lost_{part}")
    before = {file.name: file.read_text() for file in tmp_path.iterdir()}
    with pytest.raises(PostgresError, match="role roles_lost_owner is not on this server"):
        provision_databases(postgres_cluster.url(), tmp_path, "roles_lost")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("node", "CREATE SCHEMA mine"),
        ("node", "CREATE TABLE public.mine (n int)"),
        ("node", "CREATE ROLE mine"),
        ("gateway", "CREATE SCHEMA mine"),
        ("gateway", "SELECT * FROM ledger_like.entry"),
        ("owner", "CREATE ROLE mine"),
        ("owner", "CREATE DATABASE mine"),
    ],
)
def test_role_may_not_go_beyond_its_work(secrets_folder: Path, role: str, statement: str) -> None:
    with connect(secrets_folder, "owner") as owner:
        owner.execute("CREATE SCHEMA IF NOT EXISTS ledger_like")
        owner.execute("CREATE TABLE IF NOT EXISTS ledger_like.entry (n int)")
    with connect(secrets_folder, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody:wrong@127.0.0.1:1/none",
        "postgresql://nobody:wrong@/none?host=/nonexistent",
        "not a url",
    ],
)
def test_wrong_database_url_ends_in_one_sentence_without_the_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(PostgresError, match="check the database URL") as caught:
        provision_databases(url, tmp_path, "anything")
    assert "wrong" not in str(caught.value)
    assert "\n" not in str(caught.value)
