"""Gives an organization its database and its roles, least privilege first.

    <database>_owner     owns the schemas; used for migrations at start, then its connection is closed
    <database>_node      the node at work: may add to the books through their functions, never change or delete history
    <database>_gateway   the gateway at work: sees schema ``gateway`` and nothing else

Made once, with random passwords kept in files that only their owner may read. The roles carry the database's name, so
that several organizations may share a server; a role of that name that this data directory did not make is refused.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from node.errors import PostgresError
from node.home import replace_secret

OWNER, NODE, GATEWAY = "owner", "node", "gateway"
POSTGRES_VERSION_MIN = 150000

APPLICATION = "dwaybank_application"
READER = "dwaybank_reader"
TENANT = "dwaybank_tenant"
"""Group roles without login: what the schemas grant their rights to. Made here because the owner may not make roles."""


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
            _refuse_other_server(connection, database, secrets_folder)
            for group in (APPLICATION, READER, TENANT):
                _ensure_group(connection, group)
            for part in (OWNER, NODE, GATEWAY):
                _ensure_role(connection, part, secrets_folder / f"{part}.url", administrator_url, database)
            # The node acts as a tenant where a tenant asks.
            for group in (APPLICATION, TENANT):
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), _role(database, NODE)))
            _ensure_database(connection, database)
        with psycopg.connect(_with(administrator_url, dbname=database), autocommit=True) as connection:
            _restrict(connection, database)
    except (psycopg.Error, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PostgresError(
            f"database server of {database} cannot be used: {reason}; check the database URL"
        ) from error


def _refuse_other_server(connection: psycopg.Connection, database: str, secrets_folder: Path) -> None:
    """Refuse to begin with an empty database on another server than before, or on one that lost its data."""
    owner = f"{database}_{OWNER}"
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (owner,)).fetchone()
    # The last of the files is written after the first of the roles was made.
    if known is None and (secrets_folder / f"{GATEWAY}.url").exists():
        raise PostgresError(
            f"role {owner} is not on this server, and {secrets_folder} holds its password from an earlier start: "
            "give the server that has the data, or restore it there; nothing was changed"
        )


def _role(database: str, part: str) -> sql.Identifier:
    return sql.Identifier(f"{database}_{part}")


def _ensure_role(
    connection: psycopg.Connection, part: str, url_file: Path, administrator_url: str, database: str
) -> None:
    name = f"{database}_{part}"
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    if url_file.exists() and known is not None:
        return
    if known is not None:
        raise PostgresError(
            f"role {name} exists on this server and {url_file} does not hold its password: "
            "restore that file, or use another server"
        )
    password = secrets.token_urlsafe(24)
    # Kept before it is used: a start that is killed in between finds the password and makes the role again.
    url = _url(_with(administrator_url, dbname=database, user=name, password=password))
    replace_secret(url_file, url.encode())
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(_role(database, part), sql.Literal(password)))


def _ensure_group(connection: psycopg.Connection, group: str) -> None:
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (group,)).fetchone() is None:
        # Organizations that share a server start at the same moment: whoever is second finds it made.
        with contextlib.suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(group)))


def _ensure_database(connection: psycopg.Connection, database: str) -> None:
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone() is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), _role(database, OWNER))
        )


def _restrict(connection: psycopg.Connection, database: str) -> None:
    name = sql.Identifier(database)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}").format(name, _role(database, NODE), _role(database, GATEWAY))
    )
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS gateway AUTHORIZATION {}").format(_role(database, GATEWAY)))


def _with(url: str, **changes: str) -> str:
    return make_conninfo(url, **changes)


def _url(conninfo: str) -> str:
    """Turn key=value form into a URL: SQLAlchemy and the file's readers expect one.

    What else was given goes with it, or who asked for ``sslmode=verify-full`` would be connected to anybody.
    """
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    user, password, database = (quote(parts.pop(name), safe="") for name in ("user", "password", "dbname"))
    rest = {"host": "127.0.0.1", "port": "5432"} | parts
    server = ""
    if not set("/,:") & set(rest["host"]):
        # No folder of a socket, no list of servers and no address of IPv6: as people write it.
        server = f"{rest.pop('host')}:{rest.pop('port')}"
    query = urlencode(rest, quote_via=quote, safe="")
    return f"postgresql://{user}:{password}@{server}/{database}{'?' if query else ''}{query}"
