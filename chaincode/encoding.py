"""How contracts read arguments and write values: strict in both directions, one form for one meaning.

- JSON is written with sorted keys, compact separators, UTF-8; integers beyond ±(2**53 - 1) are refused, because
  other languages' readers would round them: such numbers travel as strings. Floats do not exist.
- JSON is read strictly: no float, no NaN, no duplicate key, bounded depth.
- Binary is standard base64 with padding, or lower-case hex where a human compares it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from chaincode.errors import ArgumentError

INTEGER_MAX = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 8259, section 6)."""

JSON_DEPTH_MAX = 16
"""Nesting accepted in arguments."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,15})")
_HEX = re.compile(r"[0-9a-f]*")
# A text without its end reaches to the end: whoever leaves it out must not have it searched for from every quote.
_TEXT_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[][{}]', re.DOTALL)
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


def _require_shallow(text: str, what: str) -> None:
    """Refuse JSON that nests too deep before it is parsed: how deep Python follows it differs between releases.

    One level more may pass, where nothing is in it; :func:`_require_exact` counts exactly.
    """
    if text.count("[") + text.count("{") <= JSON_DEPTH_MAX:
        return
    depth = 0
    for found in _TEXT_OR_BRACKET.finditer(text):
        depth += _STEPS.get(found[0], 0)
        if depth > JSON_DEPTH_MAX + 1:
            raise ArgumentError(f"{what} nests deeper than {JSON_DEPTH_MAX} levels")


def _require_exact(value: object, depth: int = 0) -> None:
    if depth > JSON_DEPTH_MAX:
        raise ArgumentError(f"JSON nests deeper than {JSON_DEPTH_MAX} levels")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ArgumentError("JSON text holds half a surrogate pair, which is no character") from None
    elif isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise ArgumentError(f"integer {value} is beyond ±(2**53 - 1); send it as text")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ArgumentError(f"JSON key {key!r} is not text")
            _require_exact(key, depth)
            _require_exact(item, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        for item in value:
            _require_exact(item, depth + 1)
    else:
        raise ArgumentError(f"a {type(value).__name__} has no exact JSON form")


def to_json(value: object) -> bytes:
    """Return the one JSON form of a value.

    Raises:
        ArgumentError: for floats, bytes, integers beyond ±(2**53 - 1) and anything else without an exact form.
    """
    _require_exact(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _no_float(text: str) -> NoReturn:
    raise ArgumentError(f"JSON number {text[:40]} is not an integer")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ArgumentError("JSON object names a key twice")
    return result


def from_json(data: bytes | str, what: str = "value") -> Any:
    """Parse JSON strictly.

    Args:
        data: UTF-8 bytes or text.
        what: name of the argument, for messages.
    Raises:
        ArgumentError: when it is no JSON, or holds a float, a duplicate key, a huge integer or too many levels.
    """
    try:
        text = data if isinstance(data, str) else data.decode()
        _require_shallow(text, what)
        value = json.loads(text, parse_float=_no_float, parse_constant=_no_float, object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise ArgumentError(f"{what} is not valid UTF-8") from None
    except ValueError as error:
        raise ArgumentError(f"{what} is not JSON: {str(error)[:120]}") from None
    _require_exact(value)
    return value


def parse_integer(text: str, what: str) -> int:
    """Parse a decimal integer in its one form: no sign but ``-``, no leading zeros, at most 16 digits.

    Raises:
        ArgumentError: otherwise.
    """
    if not _INTEGER.fullmatch(text) or text == "-0" or abs(int(text)) > INTEGER_MAX:
        raise ArgumentError(f"{what} is {text[:40]!r}, not an integer within ±(2**53 - 1)")
    return int(text)


def decode_hex(text: str, what: str, size: int) -> bytes:
    """Decode lower-case hex of exactly ``size`` bytes.

    Raises:
        ArgumentError: otherwise.
    """
    if len(text) != 2 * size or not _HEX.fullmatch(text):
        raise ArgumentError(f"{what} is not {size} bytes in lower-case hex ({2 * size} digits)")
    return bytes.fromhex(text)


def decode_base64(text: str, what: str, size_max: int) -> bytes:
    """Decode standard base64 with padding, at most ``size_max`` bytes.

    Raises:
        ArgumentError: when it is malformed, not in its one form, or too long.
    """
    if len(text) > (size_max + 2) // 3 * 4:
        raise ArgumentError(f"{what} is longer than {size_max} bytes")
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ArgumentError(f"{what} is not base64") from None
    if encode_base64(data) != text:
        raise ArgumentError(f"{what} is not in the one form of base64 (unused bits must be zero)")
    return data


def encode_base64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def format_time(moment: datetime) -> str:
    """Return an aware time as ``YYYY-MM-DDThh:mm:ss.ffffffZ``."""
    # Not by strftime, which writes years below 1000 without their zeros.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
