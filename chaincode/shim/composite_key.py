"""Fabric's composite keys, and the rules for plain ones.

A composite key is ``U+0000 objectType U+0000 attribute U+0000 …``: it sorts before every plain key, which may
therefore not begin with U+0000. Attributes may contain neither U+0000 nor U+10FFFF, the bounds of prefix ranges.

Source: fabric-chaincode-go shim/stub.go, CreateCompositeKey, splitCompositeKey, validateSimpleKeys.
"""

from __future__ import annotations

from collections.abc import Sequence

from chaincode.errors import StateError

NAMESPACE = "\x00"
"""First character of every composite key."""

_MIN = "\x00"
_MAX = "\U0010ffff"

FIRST_PLAIN_KEY = "\x01"
"""Stands for an open start of a range, so that composite keys never leak into it."""


def require_utf8(what: str, text: str) -> None:
    """Refuse text that has no UTF-8 form, such as a lone surrogate.

    Raises:
        StateError: naming ``what`` and the position.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise StateError(f"{what} is not valid UTF-8 at position {error.start}") from None


def _require_attribute(text: str) -> None:
    require_utf8("composite key attribute", text)
    for forbidden in (_MIN, _MAX):
        position = text.find(forbidden)
        if position >= 0:
            raise StateError(f"composite key attribute contains U+{ord(forbidden):04X} at position {position}")


def create_composite_key(object_type: str, attributes: Sequence[str]) -> str:
    """Return the key that stands for ``object_type`` and ``attributes``.

    Raises:
        StateError: when a part contains U+0000 or U+10FFFF, or is not valid UTF-8.
    """
    parts = [object_type, *attributes]
    for part in parts:
        _require_attribute(part)
    return NAMESPACE + "".join(part + _MIN for part in parts)


def split_composite_key(key: str) -> tuple[str, list[str]]:
    """Return object type and attributes of a composite key.

    Raises:
        StateError: when the key is not one that :func:`create_composite_key` makes.
    """
    if len(key) < 2 or not key.startswith(NAMESPACE) or not key.endswith(_MIN):
        raise StateError(f"{key!r} is not a composite key")
    object_type, *attributes = key[1:-1].split(_MIN)
    return object_type, attributes


def partial_range(object_type: str, attributes: Sequence[str]) -> tuple[str, str]:
    """Return start and end of the range of all composite keys that begin with these parts."""
    start = create_composite_key(object_type, attributes)
    return start, start + _MAX


def all_composite_keys() -> tuple[str, str]:
    """Return start and end of the range of all composite keys."""
    return NAMESPACE, NAMESPACE + _MAX


def plain_range(start: str, end: str) -> tuple[str, str]:
    """Return a range of plain keys, its open start moved behind the composite ones.

    Raises:
        StateError: when a bound begins with U+0000.
    """
    for name, key in (("start key", start), ("end key", end)):
        require_utf8(name, key)
        if key.startswith(NAMESPACE):
            raise StateError(f"{name} {key!r} begins with U+0000, which is kept for composite keys")
    return start or FIRST_PLAIN_KEY, end
