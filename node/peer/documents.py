"""Runs rich queries over the world state, and knows the indexes that may help.

Rules:
- queries have a connection of their own, so that a slow one delays nothing but other queries, and a time limit;
- plans are made for each query's own values: only so can PostgreSQL see that an index fits;
- a page carries the height it belongs to, as every read does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg

from node.peer.database import Connection, fetch, index_text
from node.peer.errors import StateError, StoreError
from node.peer.rich_query import Position, RichQuery
from node.peer.selector import Path
from node.peer.selector_sql import SelectorSql
from node.peer.world_state import StateValue, state_value

TIMEOUT_S = 20
"""Time limit of one query; below that of the invocation which asks."""

OPTIONS = (
    f"-c plan_cache_mode=force_custom_plan -c jit=off -c statement_timeout={TIMEOUT_S}s "
    "-c default_transaction_read_only=on -c application_name=dwaybank-queries"
)
"""Settings of a connection for queries."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was found.

    Args:
        key: its key.
        state: its value and version.
        position: where it stands in the order of the query.
    """

    key: bytes
    state: StateValue
    position: Position


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Some documents of a query, and the height they belong to."""

    documents: tuple[Document, ...]
    height: int


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """One page that is asked for.

    Args:
        namespace: chaincode.
        collection: private collection, '' for public state.
        query: what is asked.
        after: place of the last document that is known; None for the start.
        limit: most documents.
    """

    namespace: str
    collection: str
    query: RichQuery
    after: Position | None
    limit: int


def find_documents(connection: Connection, channel_no: int, request: DocumentRequest) -> DocumentPage:
    """Return one page of a query.

    Raises:
        StateError: the query takes too long, or PostgreSQL does not understand its regular expression.
        StoreError: the database does not answer.
    """
    columns = (channel_no, index_text(request.namespace), index_text(request.collection))
    indexed = {tuple(path) for (fields,) in fetch(connection, "read_document_indexes", columns) for path in fields}
    statement, parameters = build_statement(request, indexed)
    parameters |= dict(zip(("channel", "namespace", "collection"), columns, strict=True))
    try:
        with connection.cursor(binary=True) as cursor:
            rows = cursor.execute(statement, parameters).fetchall()
    except psycopg.errors.QueryCanceled as error:
        raise StateError(f"the query took longer than {TIMEOUT_S} s; declare an index, or ask for less") from error
    except psycopg.errors.InvalidRegularExpression as error:
        raise StateError(f"selector: $regex: {error.diag.message_primary}") from error
    except psycopg.errors.DataError as error:
        raise StateError(f"the query cannot be answered: {error.diag.message_primary}") from error
    except psycopg.Error as error:
        raise StoreError(f"a rich query failed: {error}") from error
    height = next(row[4] for row in rows if row[0] is None)
    return DocumentPage(tuple(_document(row) for row in rows if row[0] is not None), height)


def build_statement(request: DocumentRequest, indexed: Collection[Path]) -> tuple[bytes, dict[str, Any]]:
    """Return a statement and its parameters; only fragments of this room make up its text."""
    query, after = request.query, request.after
    terms = SelectorSql()
    fragments = {
        "table": "private_state" if request.collection else "state",
        "metadata": "''::bytea" if request.collection else "metadata",
        "condition": terms.condition(query.condition),
        "index_conditions": "".join(f" AND {part}" for part in terms.index_conditions(query.condition, indexed)),
    }
    parameters: dict[str, Any] = {"limit": request.limit, "after_key": after.key if after is not None else b""}
    if query.sort:
        sort = [f"channel.sort_key(document #> {terms.path(path)})" for path in query.sort]
        direction, beyond = ("DESC", "<") if query.descending else ("ASC", ">")
        fragments |= {"sort": ", ".join(sort), "direction": direction, "beyond": beyond}
        parameters["after_sort"] = list(after.sort) if after is not None else None
    template = _template("rich_query_sorted" if query.sort else "rich_query_by_key")
    return template.format(**fragments).encode(), parameters | terms.parameters


@cache
def _template(name: str) -> str:
    return (files("node.peer") / "sql" / "templates" / f"{name}.sql").read_text(encoding="utf-8")


def _document(row: tuple[Any, ...]) -> Document:
    index, long, *columns, sort = row
    key = bytes(index if long is None else long)
    return Document(key, state_value(columns), Position(tuple(bytes(part) for part in sort or ()), bytes(index)))
