"""Patterns of charts: two implementations that share nothing, Python's and the database's, agree on every pattern and
reference that hypothesis finds: which are well formed, which references fit, which rule decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ledger.account import Side
from ledger.chart import Chart, ChartRule, fits, precedence_of
from ledger.errors import InvalidValueError
from ledger.schema import migrate

# Few letters, so that patterns and references meet often.
literals = st.text("ab1-.", min_size=1, max_size=3)
variables = st.sampled_from(["{x}", "{x=digits}", "{x=letters}"])
parts = st.lists(st.one_of(literals, variables), min_size=1, max_size=4).map("".join)
patterns = st.one_of(
    st.builds(lambda parts, rest: ":".join([*parts, *rest]), st.lists(parts, min_size=1, max_size=3), st.just([])),
    st.builds(lambda parts: ":".join([*parts, "*"]), st.lists(parts, max_size=2)),
)
texts = st.one_of(patterns, st.text("ab1{}=*:x", max_size=12))
references = st.lists(st.text("ab1-.", min_size=1, max_size=4), min_size=1, max_size=4).map(":".join)


@pytest.fixture(scope="module")
def connection(postgres_cluster: Any) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_cluster.create_database("chart_properties"), autocommit=True) as connection:
        migrate(connection)
        yield connection


def sql_precedence(connection: psycopg.Connection[Any], pattern: str) -> str | None:
    try:
        row = connection.execute("SELECT precedence FROM ledger.chart_forms(%s)", (pattern,)).fetchone()
    except psycopg.errors.CheckViolation:
        return None
    assert row is not None
    return str(row[0])


def python_precedence(pattern: str) -> str | None:
    try:
        return precedence_of(pattern)
    except InvalidValueError:
        return None


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=texts)
@example(pattern="{x}{x}")
@example(pattern="{x=digits}{y=letters}")
@example(pattern="a:*")
@example(pattern="*")
@example(pattern="a\n")
def test_pattern_is_well_formed_in_the_database_where_it_is_in_python(
    connection: psycopg.Connection[Any], pattern: str
) -> None:
    assert sql_precedence(connection, pattern) == python_precedence(pattern)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=patterns, found=st.lists(references, min_size=1, max_size=20))
@example(pattern="{x}-{x}", found=["-", "--", "---", "a-b", "a-b-c"])
@example(pattern="a.b", found=["a.b", "acb", "a-b"])
def test_references_fit_in_the_database_where_they_do_in_python(
    connection: psycopg.Connection[Any], pattern: str, found: list[str]
) -> None:
    assume(python_precedence(pattern) is not None)
    rows = connection.execute(
        "SELECT array_agg(reference ~ expression ORDER BY number) FROM ledger.chart_forms(%s),"
        " unnest(%s::text[]) WITH ORDINALITY AS given (reference, number)",
        (pattern, found),
    ).fetchone()
    assert rows is not None and rows[0] == [fits(pattern, reference) for reference in found]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given=st.lists(patterns, min_size=1, max_size=12), found=st.lists(references, min_size=1, max_size=10))
def test_same_rule_decides_in_the_database_and_in_python(
    connection: psycopg.Connection[Any], given: list[str], found: list[str]
) -> None:
    shapes = {python_precedence(pattern): pattern for pattern in given}
    shapes.pop(None, None)
    chart = Chart(rules=tuple(ChartRule(pattern, Side.DEBIT) for pattern in shapes.values()))
    with connection.transaction(force_rollback=True):
        for rule in chart.rules:
            connection.execute(
                "INSERT INTO ledger.chart_rule"
                " (book_id, pattern, precedence, expression, normal_side, assets, negative, floor, overdraft)"
                " SELECT 1, %s, precedence, expression, 1, '{}', false, 0, 0 FROM ledger.chart_forms(%s)",
                (rule.pattern, rule.pattern),
            )
        for reference in found:
            row = connection.execute("SELECT (ledger.chart_rule_of(1::smallint, %s)).pattern", (reference,)).fetchone()
            rule_of_python = chart.rule_for(reference)
            assert row is not None and row[0] == (rule_of_python.pattern if rule_of_python else None)
