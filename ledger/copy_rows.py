"""Rows of ``ledger.entry`` in PostgreSQL's binary COPY form: the fastest way in for many, and one encoding for a row.

A few rows go in by INSERT, which saves the round trips of a COPY; its parameters are the very bytes of the row.

Source: PostgreSQL, COPY, "Binary Format": signature, flags, header extension; for each row the number of fields, then
each field's length (-1 for null) and bytes; -1 at the end.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ledger import pack
from ledger.account import Side
from ledger.journal import NewEntry

INSERTED_ROWS_MAX = 8
"""Up to so many rows of a batch go in one by one, in the same round trip as everything else."""

COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_END = b"\xff\xff"

_NULL = b"\xff\xff\xff\xff"

STAMP_COLUMNS = (
    "seq", "posted_at", "key", "decision_id", "decision_outcome", "decision_leaf", "leaf",
)  # fmt: skip
"""What every entry has."""

_TWO = (
    "debit_account", "credit_account", "amount", "debit_balance", "credit_balance", "debit_previous", "credit_previous",
    "asset_id",
)  # fmt: skip

TRANSFER_COLUMNS = (*STAMP_COLUMNS, *_TWO)
"""Columns of a plain entry of two postings, its debit named first; all of fixed width."""

TOLD_COLUMNS = ("request_hash", "effective_at")
"""What every other entry has beside: what was asked, and what it counts for."""

ASKED_COLUMNS = (*TRANSFER_COLUMNS, *TOLD_COLUMNS)
"""The same where what was asked does not follow from the rest."""

POSTING_COLUMNS = ("posting_account", "posting_asset", "posting_amount", "posting_balance", "posting_previous")
"""Arrays over the postings of an entry that has more than two."""

CAPTURE_COLUMNS = (*ASKED_COLUMNS, "hold_id")
"""Columns of an entry of two postings that captures a hold and has nothing else."""

ARRAY_COLUMNS = (*STAMP_COLUMNS, *TOLD_COLUMNS, *POSTING_COLUMNS)
"""Columns of a simple entry of more than two postings."""

BESIDE_COLUMNS = (
    "settlement_id", "description_commitment", "actor_id", "chain_seq", "reverses", "hold_id", "metadata_commitment",
    "refusals",
)  # fmt: skip
"""What an entry may have beside its postings."""

OTHER_COLUMNS = (*ASKED_COLUMNS, *POSTING_COLUMNS, *BESIDE_COLUMNS)
"""Columns of any entry."""


def columns_of(entry: NewEntry) -> tuple[str, ...]:
    """Return the columns that an entry needs."""
    if not entry.is_simple:
        return OTHER_COLUMNS
    if len(entry.postings) > 2:
        return ARRAY_COLUMNS
    return TRANSFER_COLUMNS if entry.is_plain and entry.postings[0].side is Side.DEBIT else ASKED_COLUMNS


def fixed_rows(columns: Sequence[str], values: Mapping[str, npt.NDArray[Any]], of: int = 0) -> npt.NDArray[np.void]:
    """Return rows of columns that have fixed widths and no nulls.

    Args:
        columns: their order.
        values: each column.
        of: how many fields the whole rows have, where more follow.
    """
    fields: list[tuple[str, str]] = [("count", ">u2")]
    for name in columns:
        fields += ((f"{name}_length", ">i4"), (name, _FIXED[name]))
    rows = np.empty(len(values["seq"]), fields)
    rows["count"] = of or len(columns)
    for name in columns:
        rows[f"{name}_length"] = np.dtype(_FIXED[name]).itemsize
        rows[name] = values[name]
    return rows


_FIXED = (
    dict.fromkeys(ASKED_COLUMNS, ">i8")
    | dict.fromkeys(("asset_id", "decision_outcome"), ">i2")
    | dict.fromkeys(("key", "decision_id", "request_hash", "hold_id"), "V16")
    | dict.fromkeys(("decision_leaf", "leaf"), "V32")
)
"""Binary form of each column that has one width."""


def cut(rows: npt.NDArray[np.void]) -> list[bytes]:
    """Return the bytes of each row."""
    pieces: list[bytes] = rows.view(f"V{rows.itemsize}").tolist()
    return pieces


def encode_row(columns: Sequence[str], values: Mapping[str, bytes]) -> bytes:
    """Return a row of these columns from the binary form of each value; one that is absent is null."""
    return len(columns).to_bytes(2, "big") + _encode_values(columns, values)


def encode_transfer(columns: tuple[str, ...], first: Sequence[int | bytes], others: Mapping[str, bytes]) -> bytes:
    """Return a row of an entry of two postings.

    Args:
        columns: those of ``TRANSFER_COLUMNS`` or ``ASKED_COLUMNS``, and more.
        first: values of the first columns, of fixed widths.
        others: binary form of the others; one that is absent is null.
    """
    pack_fields, sizes = _fixed_fields(columns[: len(first)])
    fields: list[int | bytes] = [len(columns)]
    for size, value in zip(sizes, first, strict=True):
        fields += (size, value)
    return pack_fields(*fields) + _encode_values(columns[len(first) :], others)


@functools.cache
def _fixed_fields(columns: tuple[str, ...]) -> tuple[Callable[..., bytes], tuple[int, ...]]:
    """Return what packs the number of a row's fields and these columns, and the sizes of these."""
    codes = {">i8": "q", ">i2": "h", "V16": "16s", "V32": "32s"}
    form = "!h" + "".join("i" + codes[_FIXED[name]] for name in columns)
    return struct.Struct(form).pack, tuple(np.dtype(_FIXED[name]).itemsize for name in columns)


def _encode_values(columns: Sequence[str], values: Mapping[str, bytes]) -> bytes:
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
        ("request_hash", "decision_leaf", "leaf", "description_commitment", "metadata_commitment", "refusals"),
        pack.RawBytes,
    )
    | dict.fromkeys(("posting_account", "posting_amount", "posting_balance", "posting_previous"), pack.RawInt8s)
    | {"posting_asset": pack.RawInt2s, "settlement_id": pack.RawText, "actor_id": pack.RawInt4}
)
