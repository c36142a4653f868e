"""Writes entries found by a search as a file: CSV, JSON Lines or Parquet, piece by piece.

Rules:
- one line, or row, for each entry, its postings as JSON; amounts are whole minor units, times RFC 3339 in UTC;
- what others wrote is data: a CSV field that a spreadsheet would take for a formula begins with an apostrophe;
- Parquet needs the extra ``parquet`` (docs/adr/0030-parquet.md).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from node.audit.entry_search import FoundEntry
from node.audit.errors import BadRequestError

FORMATS = ("csv", "jsonl", "parquet")

COLUMNS = (
    "organization", "seq", "state", "block_number", "transaction_id", "anchored_at", "signer", "demand_id",
    "disclosed_at", "posted_at", "effective_at", "settlement_id", "key", "status", "reviewer", "rules_hash",
    "worth_minor", "postings",
)  # fmt: skip
"""Columns of every format, in order; those from ``demand_id`` on are empty for entries that were not disclosed."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBERS = ("seq", "block_number", "worth_minor")


def export_entries(pages: Iterable[list[FoundEntry]], file_format: str) -> Iterator[bytes]:
    """Yield the bytes of a file with all entries of some pages.

    Raises:
        BadRequestError: the format is none of ``FORMATS``, or cannot be written here.
    """
    if file_format == "csv":
        return _csv(pages)
    if file_format == "jsonl":
        return ("".join(_json(row) + "\n" for row in map(row_of, page)).encode() for page in pages)
    if file_format == "parquet":
        return _parquet(pages)
    raise BadRequestError(f"format: {file_format[:40]!r} is none of {', '.join(FORMATS)}")


def row_of(entry: FoundEntry) -> dict[str, Any]:
    """Return an entry's columns; None where it was not disclosed."""
    told = json.loads(entry.fields) if entry.fields else {}
    row = {
        "organization": entry.organization,
        "seq": entry.seq,
        "state": "attested" if entry.attested else "anchored",
        "block_number": entry.block_number,
        "transaction_id": entry.transaction_id,
        "anchored_at": _moment(entry.anchored_at),
        "signer": entry.signer,
        "demand_id": entry.demand_id,
        "disclosed_at": _moment(entry.disclosed_at),
        **{name: told.get(name) for name in ("posted_at", "effective_at", "settlement_id", "key")},
        "status": entry.status,
        "reviewer": entry.reviewer,
        "rules_hash": entry.rules_hash,
        "worth_minor": entry.worth,
        "postings": _json(told["postings"]) if told else None,
    }
    assert tuple(row) == COLUMNS
    return row


def _csv(pages: Iterable[list[FoundEntry]]) -> Iterator[bytes]:
    yield (",".join(COLUMNS) + "\r\n").encode()
    for page in pages:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerows([_cell(value) for value in row_of(entry).values()] for entry in page)
        yield text.getvalue().encode()


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _parquet(pages: Iterable[list[FoundEntry]]) -> Iterator[bytes]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BadRequestError(
            "format: parquet needs the extra of that name: pip install 'dwaybank-node[parquet]', or take csv or jsonl"
        ) from error
    schema = pyarrow.schema([(name, pyarrow.int64() if name in _NUMBERS else pyarrow.string()) for name in COLUMNS])
    return _parquet_pieces(pyarrow, schema, pages)


def _parquet_pieces(pyarrow: Any, schema: Any, pages: Iterable[list[FoundEntry]]) -> Iterator[bytes]:
    sink = _Pieces()
    with pyarrow.parquet.ParquetWriter(sink, schema) as writer:
        for page in pages:
            writer.write_table(pyarrow.Table.from_pylist([row_of(entry) for entry in page], schema))
            yield sink.taken()
    yield sink.taken()


class _Pieces(io.RawIOBase):
    """Keeps what is written until it is taken; its position goes on, as Parquet's footer names places in the file."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def taken(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held


def _moment(value: datetime | None) -> str | None:
    return value.isoformat() if value is not None else None


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
