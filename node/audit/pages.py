"""Pages of a list: how long they are, and the token that says where the next one begins.

A token holds the place of the last line that was given, so that what is added meanwhile repeats no line and leaves none
out. It is one of a caller's own organization; what cannot be read is refused all the same.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from node.anchor.errors import AnchorError

PAGE_SIZE = 50
PAGE_SIZE_MAX = 500

_Line = TypeVar("_Line")


class PageTokenError(AnchorError):
    """A page token was not given by this service."""


def limit_of(page_size: int, standard: int = PAGE_SIZE) -> int:
    """Return how many lines a page has."""
    return min(page_size, PAGE_SIZE_MAX) if page_size > 0 else standard


def split(lines: Sequence[_Line], limit: int, place: Callable[[_Line], tuple[object, ...]]) -> tuple[list[_Line], str]:
    """Return a page and the token of the next one, empty for none, of lines that were read to one beyond the page."""
    if len(lines) <= limit:
        return list(lines), ""
    last = [str(part) for part in place(lines[limit - 1])]
    return list(lines[:limit]), base64.urlsafe_b64encode(json.dumps(last).encode()).decode()


def read_place(token: str, *readers: Callable[[str], Any]) -> tuple[Any, ...]:
    """Return the place that a token holds.

    Args:
        readers: of each part; ValueError refuses.
    Raises:
        PageTokenError: the token is not one of this list's.
    """
    try:
        parts = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
        if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
            return tuple(read(part) for read, part in zip(readers, parts, strict=True))
    except (ValueError, RecursionError):
        pass
    raise PageTokenError("page_token: give the token of the page before, unchanged")


def whole(text: str) -> int:
    """Read a number of a place."""
    value = int(text)
    if not 0 <= value < 2**63:
        raise ValueError(text)
    return value


def word(text: str) -> str:
    """Read a text of a place that the database could hold."""
    text.encode()
    if "\x00" in text:
        raise ValueError(text)
    return text
