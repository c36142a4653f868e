"""Connections to the channel's tables, and the SQL they run.

Rules:
- each connection belongs to one thread; plans are generic and never scan a table from end to end, because a plan made
  while the tables were empty would otherwise be kept (measured: three times the database work);
- whole numbers always travel as bigint, so that one statement is prepared once and not once per size of number;
- statements live in ``sql/queries`` and are read once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from psycopg.types.numeric import Int8BinaryDumper

from ledger.migrate import apply_migrations
from node.peer.errors import StoreError

KEY_BYTES_MAX = 1024
"""Longer keys are indexed by their first 1024 bytes and their SHA-256: a B-tree entry has a limit, Fabric has none."""

TEXT_LENGTH_MAX = 128
"""Longest name or transaction id that is indexed as it stands; Fabric's own ids have 64 characters."""

_HASHED = "sha256:"

_OPTIONS = (
    "-c synchronous_commit=on -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off "
    "-c application_name=dwaybank-peer"
)

Connection = psycopg.Connection[tuple[Any, ...]]
Parameters = Sequence[Any] | Mapping[str, Any]


def connect(url: str, options: str = _OPTIONS, prepare_threshold: int | None = 0) -> Connection:
    """Open a connection in autocommit, with the settings that the channel's statements need unless others are given.

    Raises:
        StoreError: the server does not answer or refuses.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, options=options, prepare_threshold=prepare_threshold)
    except psycopg.Error as error:
        raise StoreError(f"the channel's database does not answer: {error}") from error
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    return connection


def migrate(connection: psycopg.Connection) -> None:
    """Bring schema ``channel`` up to date; the owner of the database does this before a peer starts."""
    apply_migrations(connection, "channel", files("node.peer") / "sql" / "migrations")


@cache
def statement(name: str) -> bytes:
    """Return the text of ``sql/queries/<name>.sql``."""
    return (files("node.peer") / "sql" / "queries" / f"{name}.sql").read_bytes()


def fetch(connection: Connection, name: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """Run a statement of ``sql/queries`` and return its rows.

    Raises:
        StoreError: the database refused or the connection is gone.
    """
    try:
        with connection.cursor(binary=True) as cursor:
            cursor.execute(statement(name), parameters)
            return cursor.fetchall() if cursor.description is not None else []
    except psycopg.Error as error:
        raise StoreError(f"statement {name} failed: {error}") from error


def index_key(key: bytes) -> bytes:
    """Return the form of a key that the tables are indexed by; keys up to 1024 bytes stand as they are."""
    if len(key) <= KEY_BYTES_MAX:
        return key
    return key[:KEY_BYTES_MAX] + hashlib.sha256(key).digest()


def long_key(key: bytes) -> bytes:
    """Return the key itself where its index form does not hold it, else nothing."""
    return key if len(key) > KEY_BYTES_MAX else b""


def index_text(text: str) -> str:
    """Return the form of a name or transaction id that the tables are indexed by; ordinary ones stand as they are.

    Who submits or endorses a transaction may claim any text, but NUL cannot stand in a text column nor a long text in
    an index, and no transaction may stop a peer. Different texts keep different forms.
    """
    if len(text) <= TEXT_LENGTH_MAX and "\x00" not in text and not text.startswith(_HASHED):
        return text
    return _HASHED + hashlib.sha256(text.encode()).hexdigest()
