"""Rich queries in SQL against an oracle in Python, over random documents and selectors.

Method: random small documents go into a real PostgreSQL under a namespace of their own; random queries, with and
without sort, with and without indexes, in pages of random size, must give the oracle's keys in the oracle's order. The
text of each statement must be made of our own fragments alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.peer.json_values import collation_key, to_json
from node.postgres import PostgresCluster
from tests.support.document_store import LONG, DocumentStore, with_texts
from tests.support.mango import compare, find

NAMES = ("a", "b", "c", "0")
WORDS = ("", "a", "ab", "b", "B", "é", "€", "a b", "'; DROP TABLE channel.state; --", '"', "%s", "{}")
NUMBERS = (
    "0",
    "-0",
    "1",
    "2",
    "-1",
    "10",
    "-10",
    "0.5",
    "-0.5",
    "1.50",
    "1.0",
    "1e2",
    "0.001",
    "123456789012345678901",
)

# Few values, so that documents and queries meet; two are longer than what an index holds of a value.
words = st.sampled_from(WORDS)
numbers = st.sampled_from(NUMBERS).map(Decimal)
common = st.sampled_from([None, False, True, Decimal(1), Decimal(2), "a", "ab", LONG + "a", LONG + "b"])
scalars = common | common | numbers | words
nested = st.one_of(
    st.lists(scalars, max_size=3),
    st.dictionaries(st.sampled_from(NAMES), scalars, max_size=3),
    st.lists(st.lists(common, max_size=2) | st.dictionaries(st.sampled_from(NAMES), common, max_size=2), max_size=2),
)
values = scalars | scalars | nested
documents = st.fixed_dictionaries({"a": values}, optional={"b": values, "c": nested, "0": scalars})
fields = st.sampled_from(["a", "a", "a", "b", "b", "c", "0", "a.b", "c.0", "c.a", "c.0.a", "c.b", "x"])


def pair(name: st.SearchStrategy[str], argument: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of one member."""
    return st.tuples(name, argument).map(lambda found: dict([found]))


plain_tests = st.one_of(
    pair(st.sampled_from(["$lt", "$lte", "$eq", "$ne", "$gte", "$gt"]), values),
    pair(st.sampled_from(["$in", "$nin"]), st.lists(values, max_size=3)),
    pair(st.just("$all"), st.lists(scalars, max_size=2) | nested.map(lambda item: [item])),
    pair(st.just("$exists"), st.booleans()),
    pair(st.just("$type"), st.sampled_from(["null", "boolean", "number", "string", "array", "object", "other"])),
    pair(st.just("$size"), st.integers(0, 3).map(Decimal)),
    pair(st.just("$mod"), st.lists(st.sampled_from([-2, 1, 2, 3]).map(Decimal), min_size=2, max_size=2)),
    pair(st.just("$beginsWith"), words),
    pair(st.just("$regex"), st.sampled_from(["^a", "b$", "a|é", "^$", "[ab]+", "."])),
)
each_tests = pair(
    st.sampled_from(["$elemMatch", "$allMatch", "$keyMapMatch"]),
    plain_tests | pair(fields, plain_tests) | pair(st.just("$not"), plain_tests),
)
tests = st.one_of(
    plain_tests,
    each_tests,
    pair(st.just("$not"), plain_tests | each_tests),
    st.tuples(plain_tests, plain_tests).map(lambda found: found[0] | found[1]),
    values.filter(lambda value: not isinstance(value, dict)),
)
leaves = pair(fields, tests)
combined = st.one_of(
    pair(st.sampled_from(["$and", "$or", "$nor"]), st.lists(leaves, max_size=3)),
    pair(st.just("$not"), leaves),
    pair(st.just("$not"), pair(st.sampled_from(["$and", "$or", "$nor"]), st.lists(leaves, min_size=1, max_size=2))),
    st.dictionaries(fields, tests, min_size=2, max_size=3),
    pair(fields, leaves),
)
selectors = st.one_of(leaves, leaves, combined, pair(st.just("$or"), st.lists(leaves | combined, max_size=3)))
sorts = st.lists(st.sampled_from(["a", "a", "b", "c.0"]), max_size=2, unique=True)


@pytest.fixture(scope="module")
def store(postgres_cluster: PostgresCluster) -> Iterator[DocumentStore]:
    store = DocumentStore(postgres_cluster.create_database("rich_queries"))
    yield store
    store.close()


SETTINGS = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(
    found=st.lists(documents, min_size=5, max_size=9),
    selector=selectors,
    sort=sorts,
    descending=st.booleans(),
    page_size=st.integers(1, 9),
    indexes=st.lists(fields, max_size=1),
)
def test_query_finds_what_the_oracle_finds_in_its_order(
    store: DocumentStore,
    found: list[dict[str, Any]],
    selector: dict[str, Any],
    sort: list[str],
    descending: bool,
    page_size: int,
    indexes: list[str],
) -> None:
    by_key = {f"k{number}": document for number, document in enumerate(found)}
    rows = {key: to_json(with_texts(document)).encode() for key, document in by_key.items()}
    namespace = store.fill(rows | {"binary": b"\x00\x01", "list": b"[1]", "broken": b'{"a":'})
    if indexes:
        store.declare(namespace, *indexes)
    query: dict[str, Any] = {"selector": selector}
    if sort:
        query["sort"] = [{name: "desc" if descending else "asc"} for name in sort]
    assert store.keys(namespace, query, page_size) == find(selector, by_key, sort, descending=descending and bool(sort))


@SETTINGS
@given(one=values, other=values)
def test_collation_keys_compare_as_values_do_and_are_those_of_the_database(
    store: DocumentStore, one: Any, other: Any
) -> None:
    keys = [collation_key(value) for value in (one, other)]
    assert (keys[0] > keys[1]) - (keys[0] < keys[1]) == compare(one, other)
    texts = [to_json(with_texts(value)) for value in (one, other)]
    assert [store.collation_key(text) for text in texts] == keys
