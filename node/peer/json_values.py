"""JSON as rich queries read and write it: exact numbers, one order over all values, Go's text form.

The order is CouchDB's: null < false < true < numbers < strings < arrays < objects; numbers by value, arrays by their
elements. Two points are ours, because members must answer alike whatever library sorts for them: strings compare by
their UTF-8 bytes, not by a language's rules, and objects compare by their members in the order of their names.

Values are put in order by a key of bytes; ``channel.collation_key`` in the database makes the same key.

Source: CouchDB mango_json.erl, couch_ejson_compare; Go encoding/json (text form).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NoReturn

from node.peer.errors import StateError

DEPTH_MAX = 64
"""Nesting of a query."""

NUMBER_DIGITS_MAX = 1000
"""Digits of a number in a query, before and after the point."""

EXPONENT_OFFSET = 200_000
"""Larger than any exponent PostgreSQL's ``numeric`` can hold, so that exponents compare as unsigned text."""

_DIGITS = str.maketrans("0123456789", "9876543210")
_GO_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
    "\b": "\\b",
    "\f": "\\f",
}


class Number(Decimal):
    """A number that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> Number:
        """Return the number that ``text`` writes."""
        number = super().__new__(cls, text)
        number.text = text
        return number


def parse_json(text: str | bytes) -> Any:
    """Return a JSON value; its numbers are :class:`Number`.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_no_constant)
    except (RecursionError, UnicodeDecodeError, ArithmeticError) as error:
        raise ValueError(f"nested too deeply, or not UTF-8: {type(error).__name__}") from error


def to_json(value: Any) -> str:
    """Return the text form Go gives a value: names in order, no spaces, numbers as they were written."""
    return "".join(_pieces(value))


def collation_key(value: Any) -> bytes:
    """Return bytes that compare as the values do."""
    if value is None:
        return b"\x01"
    if isinstance(value, bool):
        return b"\x03" if value else b"\x02"
    if isinstance(value, Decimal):
        return b"\x04" + _number_key(value).encode()
    if isinstance(value, str):
        return b"\x05" + value.encode()
    if isinstance(value, list):
        return b"\x06" + b"".join(collation_key(item) + b"\x00" for item in value)
    members = sorted((name.encode(), item) for name, item in value.items())
    return b"\x07" + b"".join(b"\x05" + name + b"\x00" + collation_key(item) + b"\x00" for name, item in members)


def require_storable(value: Any, what: str, *, nul: bool = False, depth: int = 0) -> None:
    """Refuse what no stored document can hold, or what would cost too much to compare.

    Args:
        value: from :func:`parse_json`.
        what: it is, for the error.
        nul: whether strings may hold NUL.
        depth: of nesting so far.
    Raises:
        StateError: naming what it is and what is wrong.
    """
    if depth > DEPTH_MAX:
        raise StateError(f"{what}: nested more than {DEPTH_MAX} levels deep")
    if isinstance(value, str):
        _require_text(value, what, nul=nul)
    elif isinstance(value, Decimal) and (
        not -NUMBER_DIGITS_MAX < value.adjusted() < NUMBER_DIGITS_MAX
        or len(value.as_tuple().digits) > NUMBER_DIGITS_MAX
    ):
        raise StateError(f"{what}: a number has more than {NUMBER_DIGITS_MAX} digits")
    elif isinstance(value, list):
        for item in value:
            require_storable(item, what, nul=nul, depth=depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            _require_text(name, what, nul=False)
            require_storable(item, what, nul=nul, depth=depth + 1)


def _require_text(text: str, what: str, *, nul: bool) -> None:
    if "\x00" in text and not nul:
        raise StateError(f"{what}: {text!r} holds NUL, which no document that can be queried holds")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise StateError(f"{what}: {text!r} is no Unicode text") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _number_key(number: Decimal) -> str:
    """Return text that compares as numbers do: sign, exponent, digits."""
    if not number:
        return "1"
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "JSON has no infinity"
    written = "".join(map(str, digits)).lstrip("0")
    scale = len(written) + exponent
    written = written.rstrip("0")
    if not sign:
        return f"2{EXPONENT_OFFSET + scale:06}{written}"
    return f"0{EXPONENT_OFFSET - scale:06}{written.translate(_DIGITS)}~"


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield "{"
        for number, name in enumerate(sorted(value, key=str.encode)):
            yield ("," if number else "") + _text(name) + ":"
            yield from _pieces(value[name])
        yield "}"
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield "["
        for number, item in enumerate(value):
            yield "," if number else ""
            yield from _pieces(item)
        yield "]"
    elif isinstance(value, Number):
        yield value.text
    elif isinstance(value, str):
        yield _text(value)
    else:
        yield json.dumps(value)


def _text(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    return "".join(_GO_ESCAPES.get(letter, letter) for letter in written)
