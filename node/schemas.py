"""Brings every schema of an organization's database up to date, and lets the node's working role use them.

Runs at each start as the owner, whose connection is then closed. Books, log and settlements give their own, narrower
rights: the working role may add entries through functions and change no history (``ledger/sql/grants.sql``).
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from ledger.migrate import MigrationError
from ledger.schema import migrate as migrate_ledger
from node.anchor.database import migrate as migrate_log
from node.compliance.store import migrate as migrate_compliance
from node.databases import APPLICATION
from node.errors import PostgresError
from node.partner.database import migrate as migrate_partner
from node.peer.database import migrate as migrate_channel

RIGHTS = {
    "channel": "SELECT, INSERT",
    "compliance": "SELECT, INSERT",
}
"""What the working role may do to the tables of schemas whose migrations do not say so themselves."""

CHANGING_TABLES = (
    "expiry",
    "missing_private_set",
    "private_state",
    "private_write_set",
    "snapshot_request",
    "state",
    "transient_write_set",
)
"""Tables of ``channel`` whose rows are replaced and removed; blocks, transactions and history are only added to."""


def prepare_schemas(owner_url: str) -> None:
    """Migrate all schemas; safe to repeat and to run from two processes at once.

    Raises:
        PostgresError: the database does not answer, or a migration failed.
    """
    try:
        with psycopg.connect(owner_url, autocommit=True) as connection:
            for migrate in (migrate_ledger, migrate_channel, migrate_log, migrate_compliance, migrate_partner):
                migrate(connection)
            for schema, rights in RIGHTS.items():
                _grant(connection, schema, rights)
    except (psycopg.Error, MigrationError) as error:
        raise PostgresError(f"the organization's database cannot be prepared: {str(error).splitlines()[0]}") from error


def _grant(connection: psycopg.Connection, schema: str, rights: str) -> None:
    names = {"schema": sql.Identifier(schema), "role": sql.Identifier(APPLICATION)}
    for statement in (
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "GRANT " + rights + " ON ALL TABLES IN SCHEMA {schema} TO {role}",
        "REVOKE INSERT ON {schema}.migration FROM {role}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}",
    ):
        connection.execute(sql.SQL(statement).format(**names))
    if schema == "channel":
        tables = sql.SQL(", ").join(sql.Identifier(schema, table) for table in CHANGING_TABLES)
        connection.execute(sql.SQL("GRANT UPDATE, DELETE ON {} TO {}").format(tables, names["role"]))
