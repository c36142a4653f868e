"""JSON read in one way only, and the fields of its objects: what bundles and audit records are written in.

Rules kept here:
- UTF-8; a key given twice, a float, a number beyond 2**53 - 1 or endless depth is refused; base64 has one form;
- ``Fields`` takes an object's fields one by one, each of its one type and size; what is left over is refused.

Source: ``docs/proof-format.md``, section 1.
"""

from __future__ import annotations

import base64
import json
from typing import Any, NoReturn

from network.errors import ProofError

JSON_DEPTH_MAX = 64
"""Objects and lists inside one another, values inside them counted: a limit of the form, not of whoever reads it."""
NUMBER_MAX = 2**53 - 1
"""Largest number in a bundle: every JSON reader keeps it exactly."""
PROOF_LENGTH_MAX = 64


def read_json(data: bytes, reason: str) -> dict[str, Any]:
    """Return a JSON object read strictly: UTF-8, no key twice, no float, no number beyond 2**53 - 1, no endless depth.

    Raises:
        ProofError: ``reason``.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ProofError(reason, "a JSON object names a key twice")
        return found

    def refuse(text: str) -> NoReturn:
        raise ProofError(reason, f"the JSON number {text[:20]} is not a whole one")

    def whole(text: str) -> int:
        if len(text) > 17 or abs(int(text)) > NUMBER_MAX:
            raise ProofError(reason, f"the JSON number {text[:20]} is too large")
        return int(text)

    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=unique, parse_float=refuse, parse_constant=refuse, parse_int=whole
        )
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ProofError(reason, "the text is not JSON in UTF-8") from error
    if not isinstance(value, dict):
        raise ProofError(reason, "the JSON text is not an object")
    if _depth(value) > JSON_DEPTH_MAX:
        raise ProofError(reason, f"the JSON text is nested deeper than {JSON_DEPTH_MAX}")
    return value


def same_json(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are of one type and equal: to Python, ``True`` equals 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_json(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)


def decode_base64(value: Any) -> bytes:
    """Read base64 in its one canonical form: standard digits, padded, no stray bits, nothing else.

    Raises:
        ValueError: anything else.
    """
    if not isinstance(value, str):
        raise ValueError("not base64")
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError as error:
        raise ValueError("not base64") from error
    if encode_base64(data) != value:
        raise ValueError("not canonical base64")
    return data


def encode_base64(data: bytes) -> str:
    """Return base64 in its one form."""
    return base64.b64encode(data).decode()


class Fields:
    """One JSON object whose fields are taken one by one; what is left over is refused."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ProofError("malformed_bundle", f"{where} is not an object")
        self.value: dict[str, Any] = value
        self.where = where
        self._taken: set[str] = set()

    def take(self, name: str) -> Any:
        """Return a field of any type."""
        if name not in self.value:
            raise ProofError("malformed_bundle", f"{self.where}.{name} is missing")
        self._taken.add(name)
        return self.value[name]

    def text(self, name: str, length_max: int = 256) -> str:
        """Return a text of 1 to so many characters."""
        value = self.take(name)
        if not isinstance(value, str) or not 0 < len(value) <= length_max or not _is_text(value):
            raise ProofError("malformed_bundle", f"{self.where}.{name} is not a text of 1 to {length_max} characters")
        return value

    def number(self, name: str) -> int:
        """Return a whole number from 0."""
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ProofError("malformed_bundle", f"{self.where}.{name} is not a whole number from 0")
        return value

    def binary(self, name: str, bytes_max: int) -> bytes:
        """Return bytes given as base64."""
        return decode_bytes(self.take(name), f"{self.where}.{name}", bytes_max)

    def hashes(self, name: str, count_max: int = PROOF_LENGTH_MAX) -> tuple[bytes, ...]:
        """Return the hashes of a proof."""
        values = self.items(name, count_max)
        return tuple(decode_bytes(value, f"{self.where}.{name}", 32) for value in values)

    def object(self, name: str) -> Fields:
        """Return an object."""
        return Fields(self.take(name), f"{self.where}.{name}")

    def items(self, name: str, count_max: int) -> list[Any]:
        """Return a list of at most so many values."""
        value = self.take(name)
        if not isinstance(value, list) or len(value) > count_max:
            raise ProofError("malformed_bundle", f"{self.where}.{name} is not a list of at most {count_max}")
        return value

    def objects(self, name: str, count_max: int) -> list[Fields]:
        """Return a list of at most so many objects."""
        return [Fields(value, f"{self.where}.{name}") for value in self.items(name, count_max)]

    def finish(self) -> None:
        """Refuse what was not taken."""
        unknown = sorted(set(self.value) - self._taken)
        if unknown:
            raise ProofError("malformed_bundle", f"{self.where} holds the unknown field {unknown[0][:40]!r}")


def decode_bytes(value: Any, where: str, bytes_max: int) -> bytes:
    """Return the bytes that a field's base64 stands for.

    Raises:
        ProofError: ``malformed_bundle``.
    """
    if isinstance(value, str) and len(value) > (bytes_max + 2) // 3 * 4:
        raise ProofError("malformed_bundle", f"{where} has more than {bytes_max} bytes")
    try:
        data = decode_base64(value)
    except ValueError as error:
        raise ProofError("malformed_bundle", f"{where} is {error}") from error
    if len(data) > bytes_max:
        raise ProofError("malformed_bundle", f"{where} has more than {bytes_max} bytes")
    return data


def _depth(value: Any) -> int:
    """Return how deep a JSON value is nested; a plain value is 1 deep."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return depth


def _is_text(value: str) -> bool:
    """Lone surrogates come out of JSON escapes and fit in no UTF-8."""
    return not any(0xD800 <= ord(char) <= 0xDFFF for char in value)
