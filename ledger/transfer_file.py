"""The file in which whole books go out and come in again: JSON Lines, one row each, checked by its last line.

Lines:
1. header: format, organization, head, migrations, and the columns of each table, in the order of the tables;
2. rows, ``{"entry": ["1", null, ...]}``: values as PostgreSQL writes them, in the order of the header's columns; tables
   in the order of the header, rows in that of their primary keys. Entries come after all that their proof needs;
3. seal: number of lines before it, SHA-256 over them (line ends included), and the RFC 6962 root over all leaves.

Rules:
- the same books give the same file, byte for byte;
- a row is kept exactly, salts included: the file is as secret as the books;
- every table of the schema is in it, whatever it is for; tables are read from the catalogue.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from ledger.queries import query

FORMAT = "dwaybank-ledger"
VERSION = 1
DIGESTS = {
    "leaf": "SHA-256(0x00 | salt | canonical form)",
    "batch": "Ed25519 over SHA-256(dwaybank.node/batch 0x01 | first_seq | last_seq | leaves)",
    "refusals": (
        "head = SHA-256(dwaybank.node/refusals 0x01 | head before | SHA-256(0x00 | salt | form)); Ed25519 over "
        "SHA-256(dwaybank.node/refusals-signed 0x01 | first number | last number | head)"
    ),
    "root": "RFC 6962 over the leaves in the order of seq",
    "sha256": "over all lines before the last, each with its line end",
}
OPTIONS = (
    "-c timezone=UTC -c datestyle=ISO -c bytea_output=hex -c jit=off -c statement_timeout=0 "
    "-c client_encoding=UTF8 -c application_name=dwaybank-books"
)
"""Settings that values are written and read under."""

ENTRY = "entry"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the books.

    Args:
        key: columns of the primary key, as SQL that sorts by them.
        refers_to: other tables it refers to.
        identities: columns that number themselves.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    refers_to: tuple[str, ...]
    identities: tuple[str, ...]


def list_tables(connection: psycopg.Connection[Any]) -> list[Table]:
    """Return the tables of the books, each after those it refers to, entries after all that do not refer to them."""
    tables = [
        Table(name, *(tuple(names) for names in lists)) for name, *lists in connection.execute(query("export_tables"))
    ]
    ordered: list[Table] = []
    waiting = [table for table in tables if table.name != ENTRY]
    while True:
        known = {table.name for table in ordered}
        ready = [table for table in waiting if known.issuperset(table.refers_to)]
        if not ready:
            if ENTRY in known:
                break
            ready = [table for table in tables if table.name == ENTRY]
        ordered += ready
        waiting = [table for table in waiting if table not in ready]
    assert not waiting, f"tables that refer to one another: {[table.name for table in waiting]}"
    return ordered


def encode_line(told: dict[str, Any]) -> bytes:
    """Return a line with its end."""
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


class TreeRoot:
    """Root of the RFC 6962 tree over leaves given one after the other.

    Source: RFC 6962, 2.1: the left part of a tree is the largest perfect one; so perfect trees of falling sizes, one
    for each bit of the number of leaves, are all there is to remember.
    """

    def __init__(self) -> None:
        self.size = 0
        self._perfect: list[bytes] = []

    def append(self, leaves: Sequence[bytes]) -> None:
        """Append leaf hashes."""
        for leaf in leaves:
            self._perfect.append(leaf)
            self.size += 1
            merged = self.size
            while merged % 2 == 0:
                right, left = self._perfect.pop(), self._perfect.pop()
                self._perfect.append(_node(left, right))
                merged //= 2

    def root(self) -> bytes:
        """Return the root of all leaves so far."""
        if not self._perfect:
            return hashlib.sha256().digest()
        root = self._perfect[-1]
        for left in reversed(self._perfect[:-1]):
            root = _node(left, root)
        return root


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def split_leaves(leaves: bytes) -> Iterator[bytes]:
    """Yield joined leaves one by one."""
    for at in range(0, len(leaves), 32):
        yield leaves[at : at + 32]
