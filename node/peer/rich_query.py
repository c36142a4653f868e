"""Rich queries: what a contract asks of the documents in its state, and how the answers are cut into pages.

Rules, Fabric's and CouchDB's:
- a query is a JSON object with a ``selector``; ``sort`` (all fields in one direction; a document without them is left
  out), ``fields`` (then only these are given), ``bookmark``; ``limit`` and ``skip`` are overruled by the peer, and
  ``use_index`` and its like change no answer;
- without ``sort``, documents come in the order of their keys;
- a bookmark stands for the last document of a page. Ours are text of our own, as every database's are.

Source: Fabric statecouchdb/statecouchdb.go (applyAdditionalQueryOptions), CouchDB mango_{opts,sort,fields}.erl.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from node.peer.errors import StateError
from node.peer.json_values import parse_json, to_json
from node.peer.selector import Condition, Path, parse_field, parse_selector

QUERY_BYTES_MAX = 1024 * 1024
"""Largest query."""

FIELDS_MAX = 100
"""Fields in ``fields`` or ``sort``."""

NO_BOOKMARK = "nil"
"""The bookmark CouchDB gives where there was nothing at all."""

_MEANT = ("selector", "sort", "fields", "bookmark")
_OVERRULED = ("limit", "skip")
_IGNORED = ("use_index", "r", "conflicts", "stale", "update", "stable", "execution_stats", "allow_fallback")


@dataclass(frozen=True, slots=True)
class Position:
    """A document's place in the order of a query.

    Args:
        sort: collation keys of the fields it is sorted by.
        key: its key, in the form the tables are indexed by.
    """

    sort: tuple[bytes, ...]
    key: bytes

    def bookmark(self) -> str:
        """Return the text a contract gets for it."""
        parts = [part.hex() for part in (*self.sort, self.key)]
        return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


@dataclass(frozen=True, slots=True)
class RichQuery:
    """A query that is understood.

    Args:
        condition: of its selector.
        sort: fields it is sorted by.
        descending: whether the greatest comes first.
        fields: names it asks for; empty for whole documents.
        bookmark: that stands in the query itself.
    """

    condition: Condition
    sort: tuple[Path, ...] = ()
    descending: bool = False
    fields: tuple[Path, ...] = ()
    bookmark: str = ""

    def position(self, bookmark: str) -> Position | None:
        """Return the place a bookmark stands for, None for the start.

        Raises:
            StateError: it is none of a query sorted like this one.
        """
        bookmark = bookmark or self.bookmark
        if bookmark in ("", NO_BOOKMARK):
            return None
        try:
            parts = [bytes.fromhex(part) for part in json.loads(base64.urlsafe_b64decode(bookmark.encode()))]
        except (ValueError, TypeError, binascii.Error, RecursionError) as error:
            raise StateError(f"bookmark {bookmark[:64]!r} is none that this peer gave") from error
        if len(parts) != len(self.sort) + 1:
            raise StateError(f"bookmark {bookmark[:64]!r} belongs to a query with another sort")
        return Position(tuple(parts[:-1]), parts[-1])

    def project(self, value: bytes) -> bytes:
        """Return what the query asks for of a document, or all of one that nests too deep to be taken apart."""
        if not self.fields:
            return value
        try:
            document = parse_json(value)
            result: dict[str, Any] = {}
            for path in self.fields:
                found = _field(document, path)
                if found is not _MISSING:
                    _set(result, path, found)
            return to_json(result).encode()
        except (ValueError, RecursionError):
            # The database reads deeper documents than Python does: given whole, one of them fails nobody's query.
            return value


def parse_query(text: str) -> RichQuery:
    """Read a query.

    Raises:
        StateError: naming the field and what is wrong with it.
    """
    if len(text) > QUERY_BYTES_MAX:
        raise StateError(f"the query has more than {QUERY_BYTES_MAX} characters")
    try:
        query = parse_json(text)
    except ValueError as error:
        raise StateError(f"the query is not JSON: {error}") from error
    if not isinstance(query, dict):
        raise StateError("the query is no JSON object")
    unknown = sorted(set(query) - {*_MEANT, *_OVERRULED, *_IGNORED})
    if unknown:
        raise StateError(f"the query has unknown fields {', '.join(unknown)}; those that mean something are {_MEANT}")
    if "selector" not in query:
        raise StateError("the query has no selector")
    bookmark = query.get("bookmark", "")
    if not isinstance(bookmark, str):
        raise StateError("bookmark: it must be a string")
    sort, descending = _sort(query.get("sort", []))
    condition = parse_selector(query["selector"])
    return RichQuery(condition, sort, descending, _fields(query.get("fields", [])), bookmark)


def _sort(value: Any) -> tuple[tuple[Path, ...], bool]:
    if not isinstance(value, list) or len(value) > FIELDS_MAX:
        raise StateError(f"sort: it must be a list of at most {FIELDS_MAX} fields")
    pairs = [_sort_field(item) for item in value]
    directions = {direction for _, direction in pairs}
    if len(directions) > 1:
        raise StateError("sort: all fields must have the same direction")
    return tuple(path for path, _ in pairs), directions == {"desc"}


def _sort_field(item: Any) -> tuple[Path, str]:
    if isinstance(item, str):
        return parse_field(item), "asc"
    if isinstance(item, dict) and len(item) == 1:
        name, direction = next(iter(item.items()))
        if direction in ("asc", "desc"):
            return parse_field(name), direction
    raise StateError('sort: name a field as "size" or as {"size": "desc"}')


def _fields(value: Any) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise StateError("fields definition must be an array")
    if len(value) > FIELDS_MAX or not all(isinstance(item, str) for item in value):
        raise StateError(f"fields: it must be a list of at most {FIELDS_MAX} names")
    return tuple(parse_field(item) for item in value)


_MISSING = object()


def _field(value: Any, path: Path) -> Any:
    for name in path:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value


def _set(result: dict[str, Any], path: Path, value: Any) -> None:
    """Put a value where the path leads; what stands in the way and is no object stays."""
    for name in path[:-1]:
        following = result.setdefault(name, {})
        if not isinstance(following, dict):
            return
        result = following
    result[path[-1]] = value
