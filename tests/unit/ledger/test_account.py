"""What an account may be called and described with, and the terms it may be opened with."""

from __future__ import annotations

import pytest

from ledger.account import (
    PAIR_COUNT_MAX,
    NewAccount,
    Side,
    Terms,
    check_actor,
    check_alias,
    check_metadata,
    check_reference,
)
from ledger.errors import InvalidValueError
from ledger.money import AMOUNT_MAX


@pytest.mark.parametrize("name", ["@a", "@wages:maria", "@" + "x" * 63])
def test_alias_is_never_a_reference(name: str) -> None:
    assert check_alias(name) == name
    with pytest.raises(InvalidValueError):
        check_reference(name)


@pytest.mark.parametrize("name", ["", "@", "a", "a@b", "@@", "@a b", "@" + "x" * 64, "@a\n"])
def test_malformed_alias_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError):
        check_alias(name)


@pytest.mark.parametrize("actor", ["", "a b", "x" * 65, "clerk\n", "č"])
def test_malformed_actor_is_refused(actor: str) -> None:
    with pytest.raises(InvalidValueError):
        check_actor(actor)


@pytest.mark.parametrize(
    "pairs",
    [
        {"": "a"},
        {"a b": "a"},
        {"a": ""},
        {"a": "x" * 257},
        {"a": "line\nbreak"},
        {"a": "\x00"},
        {"a": "\ud800"},
        {str(number): "a" for number in range(PAIR_COUNT_MAX + 1)},
    ],
)
def test_malformed_metadata_are_refused(pairs: dict[str, str]) -> None:
    with pytest.raises(InvalidValueError):
        check_metadata(pairs)


@pytest.mark.parametrize(
    ("floor", "overdraft", "ceiling"),
    [
        (AMOUNT_MAX + 1, 0, None),
        (-AMOUNT_MAX - 1, 0, None),
        (0, -1, None),
        (0, AMOUNT_MAX + 1, None),
        (0, 0, AMOUNT_MAX + 1),
    ],
)
def test_terms_beyond_what_books_can_hold_are_refused(floor: int, overdraft: int, ceiling: int | None) -> None:
    with pytest.raises(InvalidValueError):
        Terms(floor, overdraft, ceiling)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reference": "a b"}, "account"),
        ({"asset": "\x00"}, "asset"),
        ({"terms": None}, "normal_side"),
        ({"normal_side": None}, "normal_side"),
        ({"terms": Terms(floor=1)}, "floor_minor"),
        ({"terms": Terms(ceiling=-1)}, "ceiling_minor"),
        ({"book": ""}, "book"),
        ({"portfolio": "a:b"}, "portfolio"),
        ({"segment": "a b"}, "segment"),
        ({"alias": "maria"}, "alias"),
        ({"metadata": {"a": "\t"}}, "metadata a"),
    ],
)
def test_new_account_names_the_field_that_is_wrong(change: dict[str, object], field: str) -> None:
    body = {"reference": "cash", "asset": "EUR", "normal_side": Side.DEBIT, "terms": Terms()}
    with pytest.raises(InvalidValueError) as caught:
        NewAccount(**{**body, **change})
    assert caught.value.field == field
