"""Forms of the portal: read as its pages write them, refused by name where they are anything else; the search form."""

from __future__ import annotations

import pytest

from gateway.errors import RefusedError
from gateway.portal.forms import read_form
from gateway.portal.searching import FIELDS, form_of, query_of, search_of


def test_form_is_read_without_what_was_left_empty() -> None:
    assert read_form(b"a=1&b=+x%C3%A9+&c=", ("a", "b", "c")) == {"a": "1", "b": "xé"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"d=1", "not one of this form"),
        (b"a=1&a=2", "given twice"),
        (b"a=" + b"x" * 4001, "at most 4000"),
        (b"a=%00", "characters of text"),
        (b"a=%ff", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"&".join(b"a=1" for _ in range(101)), "cannot be read"),
    ],
)
def test_hostile_form_is_refused_by_name(body: bytes, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        read_form(body, ("a", "b"))


def test_search_form_and_request_say_the_same() -> None:
    form = {
        "organization": "DwaybankMSP", "from_seq": "17", "block": "0", "anchored_from": "2026-11-29T07:00:00",
        "disclosed": "1", "amount_from_minor": "1000",
    }  # fmt: skip
    search = search_of(form)
    assert search.HasField("block")
    assert form_of(search) == form
    assert read_form(query_of(form), FIELDS) == form


def test_day_alone_at_an_end_lets_that_day_through() -> None:
    search = search_of({"posted_from": "2026-11-29", "posted_to": "2026-11-29"})
    assert search.posted_to.seconds - search.posted_from.seconds == 86_400


@pytest.mark.parametrize(
    "form",
    [
        {"from_seq": "x"}, {"from_seq": "-1"}, {"from_seq": "9" * 30}, {"block": "１"}, {"posted_to": "9999-12-31"},
        {"anchored_from": "yesterday"}, {"anchored_from": "0001-01-01T00:00+14:00"},
    ],
)  # fmt: skip
def test_search_for_what_cannot_be_is_refused_by_name(form: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match=f"field {next(iter(form))}"):
        search_of(form)
