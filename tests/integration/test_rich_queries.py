"""Rich queries on a real PostgreSQL: every operator with every kind of operand, indexes, pages, and what is refused.

Method: one corpus of documents in which each field takes every kind of value; each operator is asked with each operand,
plain and negated, with and without an index, and must find what an oracle in plain Python finds.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from node.peer.documents import DocumentRequest, find_documents
from node.peer.errors import StateError
from node.peer.json_values import collation_key, to_json
from node.peer.rich_query import Position, parse_query
from node.postgres import PostgresCluster
from tests.support.document_store import LONG, DocumentStore, with_texts
from tests.support.mango import find

ONE, TWO = Decimal(1), Decimal(2)
VALUES: list[Any] = [
    None,
    False,
    True,
    *map(Decimal, ("0", "1", "1.0", "2", "-1", "-1.5", "0.5", "0.05", "10", "100", "-10", "12345678901234567890.5")),
    *("", "a", "ab", "b", "B", "é", "'; DROP TABLE channel.state; --", "%(p0)s", "{}", LONG + "a", LONG + "b"),
    *([], [ONE], [ONE, "a"], ["a"], [["a"]], [None], [TWO, ONE]),
    *({}, {"b": ONE}, {"b": "a", "c": TWO}, {"b": {"c": ONE}}),
]
DOCUMENTS = (
    {f"a{number:02}": {"a": value} for number, value in enumerate(VALUES)}
    | {f"b{number:02}": {"a": {"b": value}, "c": [value, {"a": value}]} for number, value in enumerate(VALUES)}
    | {"none": {}, "other": {"x": ONE}}
)
COMPARED = [{operator: value} for operator in ("$lt", "$lte", "$eq", "$ne", "$gte", "$gt") for value in VALUES]
LISTED = [
    {operator: list(values)}
    for operator in ("$in", "$nin", "$all")
    for values in [(), *((value,) for value in VALUES), (ONE, "a"), (None, LONG + "a", True)]
]
OTHERS: list[dict[str, Any]] = [
    *({"$exists": wanted} for wanted in (True, False)),
    *({"$type": name} for name in ("null", "boolean", "number", "string", "array", "object", "nothing")),
    *({"$size": Decimal(count)} for count in (0, 1, 2, 10**12)),
    *({"$mod": [Decimal(divisor), Decimal(remainder)]} for divisor, remainder in ((2, 0), (2, 1), (-3, 1), (3, -1))),
    *({"$beginsWith": prefix} for prefix in ("", "a", "x", "é", LONG)),
    *({"$regex": pattern} for pattern in ("^a", "b$", "", "a|é", r"^\w+$", "DROP")),
]
EACH: list[dict[str, Any]] = [
    {operator: inner}
    for operator in ("$elemMatch", "$allMatch", "$keyMapMatch")
    for inner in (*COMPARED[:3], {"$eq": "a"}, {"$gt": ONE}, {"$in": ["a", "b"]}, {"a": ONE}, {"$not": {"$eq": "a"}})
]
TESTS = [*COMPARED, *LISTED, *OTHERS, *EACH]
FIELDS = ("a", "a.b", "c.0", "c.1.a")


@pytest.fixture(scope="module")
def store(postgres_cluster: PostgresCluster) -> Iterator[DocumentStore]:
    store = DocumentStore(postgres_cluster.create_database("rich_query_cases"))
    yield store
    store.close()


def rows(documents: dict[str, Any]) -> dict[str, bytes]:
    return {key: to_json(with_texts(document)).encode() for key, document in documents.items()}


@pytest.fixture(scope="module")
def corpora(store: DocumentStore) -> tuple[str, str]:
    """The corpus twice: without indexes, and with one for each field; beside values that are no documents."""
    plain, indexed = (store.fill(rows(DOCUMENTS) | {"z1": b"\x00", "z2": b"[1]", "z3": b'{"a":'}) for _ in range(2))
    for field in FIELDS:
        store.declare(indexed, field)
    store.declare(indexed, "a", "c.0")
    return plain, indexed


@pytest.mark.parametrize("field", FIELDS)
def test_every_operator_finds_what_the_oracle_finds(store: DocumentStore, corpora: tuple[str, str], field: str) -> None:
    for test in TESTS:
        for selector in ({field: test}, {"$not": {field: test}}):
            expected = find(selector, DOCUMENTS)
            for namespace in corpora if field == "a" else corpora[1:]:
                assert store.keys(namespace, {"selector": selector}) == expected, selector


@pytest.mark.parametrize("sort", [["a"], ["c.0"], ["a", "c.0"], ["a.b"]])
@pytest.mark.parametrize("descending", [False, True])
def test_sorted_pages_join_to_the_whole_in_the_oracles_order(
    store: DocumentStore, corpora: tuple[str, str], sort: list[str], descending: bool
) -> None:
    direction = "desc" if descending else "asc"
    query = {"selector": {}, "sort": [{name: direction} for name in sort]}
    expected = find({}, DOCUMENTS, sort, descending=descending)
    assert len(expected) > 20
    assert store.keys(corpora[1], query, 7) == expected


def test_combinations_of_conditions(store: DocumentStore, corpora: tuple[str, str]) -> None:
    parts = ({"a": {"$gt": ONE}}, {"a": "a"}, {"c.0": {"$exists": True}}, {"a": {"$in": [ONE, "ab"]}}, {"x": ONE})
    for operator, pair in itertools.product(("$and", "$or", "$nor"), itertools.permutations(parts, 2)):
        for selector in ({operator: list(pair)}, {"$not": {operator: list(pair)}}, {operator: [], **pair[0]}):
            assert store.keys(corpora[1], {"selector": selector}) == find(selector, DOCUMENTS), selector


def test_key_is_the_field_id(store: DocumentStore) -> None:
    composite = "\x00kind\x00one\x00"
    namespace = store.fill(dict.fromkeys((composite, "k1", "k2", "é"), b"{}"))
    for selector, expected in (
        ({"_id": "k1"}, ["k1"]),
        ({"_id": {"$gt": None}}, [composite, "k1", "k2", "é"]),
        ({"_id": {"$lte": ONE}}, []),
        ({"_id": {"$gt": "k1"}}, ["k2", "é"]),
        ({"_id": {"$beginsWith": "\x00kind\x00"}}, [composite]),
        ({"_id": {"$in": ["k2", "é", ONE]}}, ["k2", "é"]),
        ({"_id": {"$nin": ["k2", "é", composite]}}, ["k1"]),
        ({"_id": {"$not": {"$beginsWith": "k"}}}, [composite, "é"]),
        ({"$nor": [{"_id": "k1"}, {"_id": {"$type": "number"}}]}, [composite, "k2", "é"]),
        ({"_id": {"$exists": False}}, []),
        ({"_id": {"$size": ONE}}, []),
    ):
        assert store.keys(namespace, {"selector": selector}) == expected, selector


def test_index_of_the_package_is_what_the_plan_uses(store: DocumentStore) -> None:
    documents = {f"k{number:05}": {"owner": f"o{number % 500}", "size": Decimal(number)} for number in range(20_000)}
    namespace = store.fill(rows(documents))
    store.writing.execute("ANALYZE channel.state")
    query = {"selector": {"owner": "o7", "size": {"$gt": Decimal(100)}}}
    before = store.keys(namespace, query)
    assert before == find(query["selector"], documents)
    assert "document_" not in store.plan(namespace, query)
    store.declare(namespace, "owner", "size")
    store.declare(namespace, "owner", "size")
    store.writing.execute("ANALYZE channel.state")
    assert store.keys(namespace, query) == before
    assert "document_" in store.plan(namespace, query)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ('{"selector": {"a": NaN}}', "NaN is no JSON"),
        ("{}", "no selector"),
        ('{"selector": []}', "selector: it must be an object"),
        ('{"selector": {}, "order": []}', "unknown fields order"),
        ('{"selector": {"$gt": 1}}', r"selector: \$gt is said of no field"),
        ('{"selector": {"$and": [{}]}}', r"selector: \$eq is said of no field"),
        ('{"selector": {"$and": {}}}', r"\$and takes a list"),
        ('{"selector": {"$not": 1}}', r"\$not takes a selector"),
        ('{"selector": {"a": {"$where": "1"}}}', r"operator \$where is not known"),
        ('{"selector": {"a": {"$in": 1}}}', r"\$in takes a list"),
        ('{"selector": {"a": {"$all": 1}}}', r"\$all takes a list"),
        ('{"selector": {"a": {"$exists": 1}}}', r"\$exists takes true or false"),
        ('{"selector": {"a": {"$type": 1}}}', r"\$type takes a string"),
        ('{"selector": {"a": {"$size": -1}}}', r"\$size takes a whole number"),
        ('{"selector": {"a": {"$size": 1.0}}}', r"\$size takes a whole number"),
        ('{"selector": {"a": {"$mod": [0, 1]}}}', r"\$mod takes a list of two whole numbers"),
        ('{"selector": {"a": {"$mod": [1]}}}', r"\$mod takes a list of two whole numbers"),
        ('{"selector": {"a": {"$regex": "("}}}', r"\$regex: invalid regular expression"),
        ('{"selector": {"a": {"$elemMatch": 1}}}', r"\$elemMatch takes a selector"),
        ('{"selector": {"_id": {"$regex": "a"}}}', r"\$regex does not work on _id"),
        ('{"selector": {"_id": {"$gt": []}}}', "_id is a string"),
        ('{"selector": {"a..b": 1}}', "a part of its name is empty"),
        ('{"selector": {"a.-1": 1}}', "written with digits only"),
        (r'{"selector": {"a": "\u0000"}}', "holds NUL"),
        (r'{"selector": {"a\u0000": 1}}', "holds NUL"),
        (r'{"selector": {"a": "\ud800"}}', "is no Unicode text"),
        ('{"selector": {"a": 1e5000}}', "more than 1000 digits"),
        ('{"selector": {"a": ' + "[" * 80 + "]" * 80 + "}}", "nested more than 64 levels"),
        ('{"selector": ' + '{"a":' * 3000 + "1" + "}" * 3000 + "}", "nested too deeply|more than 64 levels"),
        (json.dumps({"selector": {"$or": [{"a": n} for n in range(600)]}}), "500 conditions"),
        ('{"selector": {}, "sort": {}}', "sort: it must be a list"),
        ('{"selector": {}, "sort": [{"a": "up"}]}', "sort: name a field"),
        ('{"selector": {}, "sort": [{"a": "asc"}, {"b": "desc"}]}', "same direction"),
        ('{"selector": {}, "fields": "a"}', "fields definition must be an array"),
        ('{"selector": {}, "fields": [1]}', "fields: it must be a list"),
        ('{"selector": {}, "bookmark": 1}', "bookmark: it must be a string"),
    ],
)
def test_query_that_cannot_be_answered_says_why(store: DocumentStore, query: str, text: str) -> None:
    namespace = store.fill({"k": b'{"a": "v"}'})
    with pytest.raises(StateError, match=text):
        find_documents(store.reading, store.channel_no, DocumentRequest(namespace, "", parse_query(query), None, 10))


def test_an_index_holds_the_first_bytes_of_what_is_sorted_by(store: DocumentStore) -> None:
    nested: Any = ["a"]
    for _ in range(60):
        nested = [nested, {"b": ONE}]
    for value in [*VALUES, [LONG, "a"], ["a"] * 150, {LONG: ONE}, {"b": LONG, "c": [LONG]}, nested]:
        text = to_json(with_texts({"a": value}))
        row = store.reading.execute(
            "SELECT channel.index_key(convert_to(%(text)s, 'UTF8'), ARRAY['a']),"
            " substring(channel.collation_key(%(text)s::jsonb -> 'a') FROM 1 FOR 200)",
            {"text": text},
        ).fetchone()
        assert row is not None
        assert row[0] == row[1], text


@pytest.mark.parametrize("value", ["[" * 3000 + "]" * 3000, json.dumps([1] * 300_000)], ids=["deep", "long"])
def test_no_value_of_an_indexed_field_stops_the_block_that_writes_it(store: DocumentStore, value: str) -> None:
    namespace = store.fill({"k": b"{}"})
    store.declare(namespace, "a")
    store.writing.execute("SET statement_timeout = '20s'")
    try:
        store.writing.execute(
            "INSERT INTO channel.state VALUES (%s, %s, '', 'hostile', NULL, %s, '', 1, 0)",
            (store.channel_no, namespace, f'{{"a": {value}}}'.encode()),
        )
    finally:
        store.writing.execute("RESET statement_timeout")


HOSTILE = {
    "deep": "[" * 3000 + "]" * 3000,
    "deep object": '{"b":' * 3000 + "1" + "}" * 3000,
    "long": json.dumps([1] * 300_000),
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"selector": {"a": {"$lt": ["b"]}}}, ["one"]),
        ({"selector": {"a": {"$lte": ONE}}}, ["one"]),
        ({"selector": {"a": {"$gt": ["a"] * 60}}}, []),
        ({"selector": {"a": {"$eq": ONE}}}, ["one"]),
        ({"selector": {"a": {"$in": [ONE]}}}, ["one"]),
        ({"selector": {"a": {"$type": "number"}}}, ["one"]),
        ({"selector": {"x": TWO}, "sort": ["a"]}, ["one", "k"]),
        ({"selector": {"x": TWO}, "sort": [{"a": "desc"}]}, ["k", "one"]),
        ({"selector": {"a": {"$elemMatch": {"$gt": {"z": ONE}}}}}, []),
    ],
)
def test_one_value_of_a_field_fails_nobodys_query_over_it(
    store: DocumentStore, value: str, query: dict[str, Any], found: list[str]
) -> None:
    namespace = store.fill({"k": f'{{"a": {value}, "x": 2}}'.encode(), "one": b'{"a": 1, "x": 2}'})
    keys = store.keys(namespace, query)
    assert [key for key in keys if key == "one" or "x" in query["selector"]] == found


@pytest.mark.parametrize("depth", [900, 3000])
def test_fields_of_a_document_too_deep_to_take_apart_are_all_of_it(depth: int) -> None:
    deep = f'{{"a":{"[" * depth}{"]" * depth},"x":1}}'.encode()
    query = parse_query('{"selector": {}, "fields": ["x"]}')
    assert query.project(b'{"a":[],"x":1}') == b'{"x":1}'
    assert query.project(deep) in (deep, b'{"x":1}')


def test_comparison_with_less_of_a_value_is_that_with_all_of_it(store: DocumentStore) -> None:
    nested: Any = ["a"]
    for _ in range(60):
        nested = [nested, {"b": ONE}]
    values = [*VALUES, [LONG, "a"], [LONG, "b"], ["a"] * 150, ["a"] * 151, {LONG: ONE}, nested, [nested, "a"]]
    texts = [to_json(with_texts({"a": value})) for value in values]
    namespace = store.fill({text[:40] + str(number): text.encode() for number, text in enumerate(texts)})
    everything = dict(
        store.reading.execute(
            "SELECT convert_from(key, 'UTF8'), channel.collation_key(channel.document(value) -> 'a') FROM channel.state"
            " WHERE namespace = %s",
            (namespace,),
        ).fetchall()
    )
    for value in values:
        key = collation_key(with_texts(value))
        below = sorted((name for name, other in everything.items() if bytes(other) < key), key=str.encode)
        assert store.keys(namespace, {"selector": {"a": {"$lt": value}}}) == below


@pytest.mark.parametrize("bookmark", ["x", "W10=", "Int9Ig==", "WzFd", "é", "bnVsbA=="])
def test_bookmark_that_is_none_is_refused(bookmark: str) -> None:
    with pytest.raises(StateError, match="bookmark"):
        parse_query('{"selector": {}}').position(bookmark)


def test_bookmark_belongs_to_its_sort_and_may_stand_in_the_query() -> None:
    sorted_query = parse_query('{"selector": {}, "sort": ["a"]}')
    position = Position((b"\x01",), b"k")
    assert sorted_query.position(position.bookmark()) == position
    assert sorted_query.position("nil") is None
    with pytest.raises(StateError, match="another sort"):
        parse_query('{"selector": {}}').position(position.bookmark())
    query = parse_query(json.dumps({"selector": {}, "sort": ["a"], "bookmark": position.bookmark()}))
    assert query.position("") == position


def test_projection_writes_as_go_does_and_keeps_numbers_as_written() -> None:
    query = parse_query(r'{"selector": {}, "fields": ["z", "b.c", "list.1", "odd\\.name", "missing", "b.x.y"]}')
    value = b'{"z": 1.50, "b": {"c": "<\\u00e9&>", "d": 2}, "list": [1, 2E3], "odd.name": null, "y": true}'
    expected = '{"b":{"c":"\\u003cé\\u0026\\u003e"},"list":{"1":2E3},"odd.name":null,"z":1.50}'
    assert query.project(value).decode() == expected
    assert parse_query('{"selector": {}}').project(value) == value
