"""Forms and queries as texts by name, read strictly: what is unknown, double or too long is refused by name."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from gateway.errors import RefusedError

FIELDS_MAX = 100
TEXT_LENGTH_MAX = 4_000

Form = dict[str, str]
"""Field names and what was typed, without spaces around it; what was left empty is not there."""


def read_form(
    body: bytes | str, known: Iterable[str], length_max: int = TEXT_LENGTH_MAX, *, is_foreign: bool = False
) -> Form:
    """Read an urlencoded form or query.

    Args:
        body: as received.
        known: names it may hold.
        length_max: of one value.
        is_foreign: whether another program made it, by a standard that lets it add fields: those are passed over.
    Raises:
        RefusedError: not such a form, or a field that is unknown, double or too long.
    """
    try:
        text = body.decode("ascii") if isinstance(body, bytes) else body
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise RefusedError("malformed_form", "the form cannot be read: send it from the portal's page") from error
    names, form = frozenset(known), {}
    for name, value in pairs:
        if name not in names and is_foreign:
            continue
        if name not in names:
            raise RefusedError("unknown_field", f"field {name[:40]!r} is not one of this form")
        if name in form:
            raise RefusedError("double_field", f"field {name} is given twice")
        if len(value) > length_max or "\x00" in value:
            raise RefusedError("long_field", f"field {name}: give at most {length_max} characters of text")
        form[name] = value.strip()
    return {name: value for name, value in form.items() if value}


def whole_number(form: Form, name: str, least: int, most: int) -> int | None:
    """Return a field's number; None where it is empty.

    Raises:
        RefusedError: it is no whole number in the range.
    """
    text = form.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 20 or not least <= int(text) <= most:
        raise RefusedError("not_a_number", f"field {name}: give a whole number from {least} to {most}")
    return int(text)
