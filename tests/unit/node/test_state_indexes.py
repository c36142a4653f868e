"""Indexes that packages declare: Fabric's files, and everything that may be wrong with one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from node.peer.errors import ChaincodeError
from node.peer.package import parse_package
from node.peer.state_indexes import INDEXES_MAX, StateIndex, parse_indexes
from tests.support.packages import package

PUBLIC = "META-INF/statedb/couchdb/indexes/owner.json"
PRIVATE = "META-INF/statedb/couchdb/collections/shared/indexes/size.json"


def index(*fields: Any, **changes: Any) -> bytes:
    definition = {"index": {"fields": fields}, "ddoc": "doc", "name": "name", "type": "json"}
    return json.dumps(definition | changes).encode()


def test_indexes_of_public_state_and_of_collections() -> None:
    files = {
        PUBLIC: index("docType", "at.port"),
        PRIVATE: index({"size": "DESC"}, r"odd\.name"),
        "META-INF/other.txt": b"",
        "connection.json": b"{}",
    }
    assert parse_indexes(files) == (
        StateIndex("shared", (("size",), ("odd.name",))),
        StateIndex("", (("docType",), ("at", "port"))),
    )


def test_package_carries_its_indexes_whatever_runs_it() -> None:
    for kind, code in (
        ("ccaas", {"connection.json": b'{"address":"h:1"}'}),
        ("python", {"contract.json": b'{"contract":"a:B"}'}),
    ):
        found = parse_package(package("cc_1", kind, code | {PUBLIC: index("owner")}), {})
        assert found.indexes == (StateIndex("", (("owner",),)),)


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (
            {"META-INF/statedb/couchdb/index/a.json": b""},
            "not supported: META-INF/statedb/couchdb/index",
        ),
        ({"META-INF/statedb/couchdb/collections/_x/indexes/a.json": b""}, "path or name is not supported"),
        ({"META-INF/statedb/couchdb/indexes/a.txt": b""}, "path or name is not supported"),
        ({PUBLIC: b"{"}, "not a valid JSON"),
        ({PUBLIC: b"[]"}, "it is no JSON object"),
        ({PUBLIC: index("a", other=1)}, "Invalid Entry.  Entry other"),
        ({PUBLIC: index("a", ddoc=1)}, '"ddoc" must be a string'),
        ({PUBLIC: index("a", type="text")}, "Index type must be json"),
        ({PUBLIC: b"{}"}, 'must include a "fields" definition'),
        ({PUBLIC: index()}, "between 1 and 8 fields, not 0"),
        ({PUBLIC: index(*"abcdefghi")}, "between 1 and 8 fields, not 9"),
        ({PUBLIC: index({"a": "up"})}, 'either "asc" or "desc".  "up" was found'),
        ({PUBLIC: index(1)}, "Invalid field definition"),
        ({PUBLIC: index("a..b")}, "a part of its name is empty"),
        ({PUBLIC.replace("owner", str(n)): index(f"f{n}") for n in range(INDEXES_MAX + 1)}, "declares 33 indexes"),
    ],
)
def test_index_file_that_cannot_be_used_says_why(files: dict[str, bytes], text: str) -> None:
    with pytest.raises(ChaincodeError, match=text):
        parse_indexes(files)
    with pytest.raises(ChaincodeError, match="could not build chaincode: "):
        parse_package(package("cc_1", "ccaas", files), {})
