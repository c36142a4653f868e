"""Gives an organization its database and its roles, least privilege first.

    dwaybank_owner     owns the schemas; used for migrations at start, then its connection is closed
    dwaybank_node      the node at work: may add to the books through their functions, never change or delete history
    dwaybank_gateway   the gateway at work: sees schema ``gateway`` and nothing else

Made once, with random passwords kept in files that only their owner may read.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from node.errors import PostgresError

OWNER = "dwaybank_owner"
NODE = "dwaybank_node"
GATEWAY = "dwaybank_gateway"
POSTGRES_VERSION_MIN = 150000

APPLICATION = "dwaybank_application"
READER = "dwaybank_reader"
"""Group roles without login: what the schemas grant their rights to. Made here because the owner may not make roles."""

_URL_FILES = {OWNER: "owner.url", NODE: "node.url", GATEWAY: "gateway.url"}


def provision_databases(administrator_url: str, secrets_folder: Path, database: str) -> None:
    """Create what is absent: roles, database, URL files. A finished database is left as it is.

    Args:
        administrator_url: a role that may create roles and databases.
        secrets_folder: where ``owner.url``, ``node.url`` and ``gateway.url`` go.
        database: name of the database.
    Raises:
        PostgresError: the server does not answer, is too old, or the role may not do this.
    """
    try:
        with psycopg.connect(administrator_url, autocommit=True, connect_timeout=10) as connection:
            if connection.info.server_version < POSTGRES_VERSION_MIN:
                raise PostgresError(
                    f"PostgreSQL {connection.info.server_version // 10000} is too old: version 15 or newer is needed"
                )
            for group in (APPLICATION, READER):
                _ensure_group(connection, group)
            for role, file_name in _URL_FILES.items():
                _ensure_role(connection, role, secrets_folder / file_name, administrator_url, database)
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(APPLICATION), sql.Identifier(NODE)))
            _ensure_database(connection, database)
        with psycopg.connect(_with(administrator_url, dbname=database), autocommit=True) as connection:
            _restrict(connection, database)
    except (psycopg.Error, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PostgresError(
            f"database server of {database} cannot be used: {reason}; check the database URL"
        ) from error


def _ensure_role(
    connection: psycopg.Connection, role: str, url_file: Path, administrator_url: str, database: str
) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    if known is not None and url_file.exists():
        return
    password = secrets.token_urlsafe(24)
    verb = "ALTER" if known is not None else "CREATE"
    connection.execute(sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))
    url_file.touch(mode=0o600)
    url_file.write_text(_url(_with(administrator_url, dbname=database, user=role, password=password)))


def _ensure_group(connection: psycopg.Connection, group: str) -> None:
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (group,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(group)))


def _ensure_database(connection: psycopg.Connection, database: str) -> None:
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone() is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(OWNER))
        )


def _restrict(connection: psycopg.Connection, database: str) -> None:
    name = sql.Identifier(database)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}").format(name, sql.Identifier(NODE), sql.Identifier(GATEWAY))
    )
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS gateway AUTHORIZATION {}").format(sql.Identifier(GATEWAY)))


def _with(url: str, **changes: str) -> str:
    return make_conninfo(url, **changes)


def _url(conninfo: str) -> str:
    """Turn key=value form into a URL: SQLAlchemy and the file's readers expect one."""
    parts = conninfo_to_dict(conninfo)
    host, port = str(parts.get("host", "127.0.0.1")), str(parts.get("port", 5432))
    user, password, database = (quote(str(parts[name]), safe="") for name in ("user", "password", "dbname"))
    if host.startswith("/"):
        return f"postgresql://{user}:{password}@/{database}?host={quote(host, safe='')}&port={port}"
    return f"postgresql://{user}:{password}@{host}:{port}/{database}"
