"""A channel's state in a real PostgreSQL, filled with documents by hand and asked rich queries as a peer asks them."""

from __future__ import annotations

import itertools
import json
import re
from decimal import Decimal
from typing import Any

import psycopg

from node.peer.block_store import open_channel
from node.peer.database import connect, fetch, migrate
from node.peer.documents import OPTIONS, DocumentRequest, build_statement, find_documents
from node.peer.json_values import parse_json, to_json
from node.peer.rich_query import parse_query

LONG = "x" * 250
"""Longer than what an index holds of a value."""

_numbers = itertools.count()


class DocumentStore:
    """A channel's state, filled by hand."""

    def __init__(self, url: str) -> None:
        with psycopg.connect(url) as owner:
            migrate(owner)
        self.writing = connect(url)
        self.reading = connect(url, OPTIONS, None)
        self.channel_no = open_channel(self.writing, "anchors")

    def fill(self, rows: dict[str, bytes]) -> str:
        """Put values under keys of a new namespace; return its name."""
        namespace = f"cc{next(_numbers)}"
        with self.writing.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO channel.state VALUES (%s, %s, '', %s, NULL, %s, '', 1, 0)",
                [(self.channel_no, namespace, key.encode(), value) for key, value in rows.items()],
            )
        return namespace

    def declare(self, namespace: str, *names: str) -> None:
        """Declare an index over fields."""
        paths = json.dumps([name.split(".") for name in names])
        fetch(self.writing, "declare_document_index", (self.channel_no, namespace, "", paths))

    def close(self) -> None:
        """Close the connections."""
        self.writing.close()
        self.reading.close()

    def collation_key(self, text: str) -> bytes:
        """Return what the database sorts a JSON value by."""
        row = self.reading.execute("SELECT channel.collation_key(%s::jsonb)", (text,)).fetchone()
        assert row is not None
        return bytes(row[0])

    def plan(self, namespace: str, query: dict[str, Any]) -> str:
        """Return how PostgreSQL would answer a query."""
        rows = fetch(self.reading, "read_document_indexes", (self.channel_no, namespace, ""))
        request = DocumentRequest(namespace, "", parse_query(to_json(with_texts(query))), None, 100)
        statement, parameters = build_statement(request, {tuple(path) for (fields,) in rows for path in fields})
        parameters |= {"channel": self.channel_no, "namespace": namespace, "collection": ""}
        return "\n".join(row[0] for row in self.reading.execute(b"EXPLAIN " + statement, parameters))

    def keys(self, namespace: str, query: dict[str, Any], page_size: int = 1000) -> list[str]:
        """Return the keys that a query finds, read in pages."""
        parsed = parse_query(to_json(with_texts(query)))
        found: list[str] = []
        bookmark = ""
        while True:
            request = DocumentRequest(namespace, "", parsed, parsed.position(bookmark), page_size)
            _only_own_text(request)
            page = find_documents(self.reading, self.channel_no, request)
            found += [document.key.decode() for document in page.documents]
            if len(page.documents) < page_size:
                return found
            bookmark = page.documents[-1].position.bookmark()


_OWN_TEXT = re.compile(r"[A-Za-z0-9_ \n.,:;()\[\]#<>=~*'\"%|{}+-]*")


def _only_own_text(request: DocumentRequest) -> None:
    """A statement holds no word, name or number of the query: those are parameters."""
    statement, parameters = build_statement(request, {("a",), ("b", "c")})
    text = statement.decode()
    assert "DROP" not in text
    assert _OWN_TEXT.fullmatch(text)
    literals = set(re.findall(r"'([^']*)'", re.sub(r"--.*", "", text)))
    assert literals <= {"array", "string", "number", "object", "{}"}, literals
    assert set(re.findall(r"%\((\w+)\)s", text)) >= {name for name in parameters if name[0] == "p"}


def with_texts(value: Any) -> Any:
    """Return a value whose numbers remember how they are written."""
    if isinstance(value, Decimal):
        return parse_json(str(value))
    if isinstance(value, dict):
        return {name: with_texts(item) for name, item in value.items()}
    return [with_texts(item) for item in value] if isinstance(value, list) else value
