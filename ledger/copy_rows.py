"""Rows of ``ledger.entry`` in PostgreSQL's binary COPY form: the fastest way in for many, and one encoding for a row.

A few rows go in by INSERT, which saves the round trips of a COPY; its parameters are the very bytes of the row.

Source: PostgreSQL, COPY, "Binary Format": signature, flags, header extension; for each row the number of fields, then
each field's length (-1 for null) and bytes; -1 at the end.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping, Sequence

from ledger import pack

COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_END = b"\xff\xff"

_NULL = b"\xff\xff\xff\xff"

PLAIN_COLUMNS = (
    "seq", "posted_at", "effective_at", "debit_account", "credit_account", "amount", "debit_balance", "credit_balance",
    "debit_previous", "credit_previous", "asset_id", "decision_outcome", "key", "request_hash", "decision_id",
    "decision_leaf", "salt", "leaf",
)  # fmt: skip
"""Columns of an entry of two postings that has nothing else; all of fixed width."""

_PLAIN_ROW = struct.Struct("!h" + "iq" * 10 + "ih" * 2 + "i16s" * 3 + "i32s" * 3)
pack_plain_row = _PLAIN_ROW.pack
"""Takes the number of fields, then length and value of each."""

POSTING_COLUMNS = ("posting_account", "posting_asset", "posting_amount", "posting_balance", "posting_previous")
"""Arrays over the postings of an entry that has more than two."""

BESIDE_COLUMNS = (
    "settlement_id", "description_commitment", "actor_id", "chain_seq", "reverses", "hold_id", "metadata_commitment",
    "refusals",
)  # fmt: skip
"""What an entry may have beside its postings."""

OTHER_COLUMNS = (*PLAIN_COLUMNS, *POSTING_COLUMNS, *BESIDE_COLUMNS)
"""Columns of any entry."""

NO_ARRAYS = _NULL * len(POSTING_COLUMNS)
"""``POSTING_COLUMNS`` of an entry of two postings."""


def encode_row(values: Mapping[str, bytes]) -> bytes:
    """Return a row of ``OTHER_COLUMNS`` from the binary form of each value; one that is absent is null."""
    return len(OTHER_COLUMNS).to_bytes(2, "big") + encode_values(OTHER_COLUMNS, values)


def encode_values(columns: Sequence[str], values: Mapping[str, bytes]) -> bytes:
    """Return part of a row."""
    parts: list[bytes] = []
    for name in columns:
        value = values.get(name)
        parts += (_NULL,) if value is None else (len(value).to_bytes(4, "big"), value)
    return b"".join(parts)


def int2(value: int) -> bytes:
    """Return ``smallint``."""
    return value.to_bytes(2, "big", signed=True)


def int4(value: int) -> bytes:
    """Return ``integer``."""
    return value.to_bytes(4, "big", signed=True)


def int8(value: int) -> bytes:
    """Return ``bigint``."""
    return value.to_bytes(8, "big", signed=True)


@functools.cache
def copy_statement(table: str, columns: tuple[str, ...]) -> bytes:
    """Return the statement that takes rows of these columns into a partition of the journal."""
    return f"COPY ledger.{table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)".encode()


@functools.cache
def insert_statement(table: str, columns: tuple[str, ...]) -> bytes:
    """Return the statement that takes one row of these columns into a partition of the journal."""
    places = ", ".join(["%s"] * len(columns))
    parts = (table.encode(), ", ".join(columns).encode(), places.encode())
    return b"INSERT INTO ledger.%b (%b) VALUES (%b)" % parts


def row_parameters(row: bytes, columns: tuple[str, ...]) -> list[pack.Raw | None]:
    """Return the values of a row in COPY form as parameters of ``insert_statement``."""
    values: list[pack.Raw | None] = []
    at = 2
    for name in columns:
        length = int.from_bytes(row[at : at + 4], "big", signed=True)
        at += 4
        values.append(None if length < 0 else _RAW_KINDS[name](row[at : at + length]))
        at += max(length, 0)
    assert at == len(row)
    return values


_RAW_KINDS: dict[str, type[pack.Raw]] = (
    dict.fromkeys(OTHER_COLUMNS, pack.RawInt8)
    | dict.fromkeys(("posted_at", "effective_at"), pack.RawTime)
    | dict.fromkeys(("asset_id", "decision_outcome"), pack.RawInt2)
    | dict.fromkeys(("key", "decision_id", "hold_id"), pack.RawUuid)
    | dict.fromkeys(
        ("request_hash", "decision_leaf", "salt", "leaf", "description_commitment", "metadata_commitment", "refusals"),
        pack.RawBytes,
    )
    | dict.fromkeys(("posting_account", "posting_amount", "posting_balance", "posting_previous"), pack.RawInt8s)
    | {"posting_asset": pack.RawInt2s, "settlement_id": pack.RawText, "actor_id": pack.RawInt4}
)
