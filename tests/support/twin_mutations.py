"""Small changes of bytes, each in the manner of what the bytes are: text, JSON, protobuf, DER, PEM.

Everything is drawn from the generator given, so that a seed tells the whole change.
"""

from __future__ import annotations

import base64
import json
import re
from random import Random
from typing import Any

ODD_BYTES = (
    b"",
    b"\x00",
    b"\xff",
    b"\x80",
    b"\x00" * 32,
    b"\xff" * 64,
    b"0",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
)
ODD_TEXTS = (
    *(
        "",
        "\x00",
        "\ud800",
        "é",
        "e\u0301",
        "💶",
        "\u200b",
        "\u00a0",
        "\ufeff",
        "\x7f",
        "A" * 256,
        "A" * 257,
        "💶" * 256,
    ),
    *(
        "0",
        "-0",
        "__proto__",
        "constructor",
        "toString",
        "length",
        "true",
        "null",
        "+",
        " ",
        "\n",
        "\r\n",
        "~",
        "/",
        ".",
    ),
    *("٣", "²"),
)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, -1, 2**31, 2**32, 2**53 - 1, -(2**53) + 1, [], {}, [[]], {"a": 1}),
    *("", "AA==", "AB==", "A", "AAAA", *ODD_TEXTS),
)
ODD_NUMBERS = (
    *(
        "-0",
        "1.0",
        "1e0",
        "0.1e1",
        "01",
        "+1",
        "1_0",
        "9007199254740991",
        "9007199254740992",
        "-9007199254740991",
        "1E2",
    ),
    *("NaN", "Infinity", "-Infinity", "-", "0x1", "18446744073709551616", "1" * 400, "-00", "0e0", "1.", ".1", "١"),
)
ODD_TIMES = (
    *("17:500101000000Z", "17:491231235959Z", "18:20260301120000Z", "17:2603011200Z", "17:260301120000+0000"),
    *("18:99991231235959Z", "18:20260301120000.000Z", "17:260230120000Z", "17:260301126000Z", "17:260301240000Z"),
    *("18:00000101000000Z", "18:00010101000000Z", "18:20500101000000Z", "18:99991231235960Z", "17:260301120060Z"),
)
"""Tag and content: of UTCTime and GeneralizedTime."""
ODD_IDENTIFIERS = (
    *("55040b", "551d13", "551d0f", "551d25", "551d1e", "551d23", "2a8648ce3d040303", "2a8648ce3d040302"),
    *("2a8648ce3d0401", "2b6570", "2b8104000a", "2b81040022", "80", "8001", "", "5580"),
)


def any_bytes(draw: Random, data: bytes) -> bytes:
    """Flip, cut, insert or repeat some bytes."""
    kind = draw.randrange(6)
    at = draw.randrange(len(data) + 1)
    if kind == 0 and data:
        at = draw.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + draw.choice(ODD_BYTES) + data[at:]
    if kind == 2:
        return data[:at] + data[min(len(data), at + draw.choice((1, 1, 2, 4, 32))) :]
    if kind == 3:
        return data[:at]
    if kind == 4:
        end = min(len(data), at + draw.choice((1, 4, 32)))
        return data[:end] + data[at:end] + data[end:]
    return data + draw.choice((b"\x00", b"\n", b" ", data, b"\x30\x00"))


def any_text(draw: Random, text: str) -> str:
    """Change some characters."""
    kind = draw.randrange(5)
    at = draw.randrange(len(text) + 1)
    if kind == 0:
        return text[:at] + draw.choice(ODD_TEXTS) + text[at:]
    if kind == 1:
        return text[:at] + text[at + draw.choice((1, 1, 2, 8)) :]
    if kind == 2:
        lines = text.split("\n")
        one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
        lines[one] = lines[other] if draw.random() < 0.5 else draw.choice(ODD_TEXTS)
        return "\n".join(lines)
    if kind == 3:
        lines = text.split("\n")
        lines.insert(draw.randrange(len(lines) + 1), draw.choice((*lines, "", *ODD_TEXTS)))
        return "\n".join(lines)
    found = list(re.finditer(r"[0-9]+", text))
    if not found:
        return text + draw.choice(ODD_TEXTS)
    spot = draw.choice(found)
    return text[: spot.start()] + draw.choice(ODD_NUMBERS) + text[spot.end() :]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        return found + [inner for name, below in value.items() for inner in _paths(below, (*path, name))]
    if isinstance(value, list):
        return found + [inner for at, below in enumerate(value) for inner in _paths(below, (*path, at))]
    return found


def json_value(draw: Random, value: Any) -> None:
    """Change one value of a JSON object in its place."""
    paths = _paths(value)
    if not paths:
        return
    path = draw.choice(paths)
    for name in path[:-1]:
        value = value[name]
    name, kind = path[-1], draw.randrange(9)
    here = value[name]
    if kind == 0:
        del value[name]
    elif kind == 1:
        value[name] = draw.choice(ODD_VALUES)
    elif kind == 2 and isinstance(here, str):
        value[name] = any_text(draw, here)
    elif kind == 3 and isinstance(here, str):
        try:
            value[name] = base64.b64encode(any_bytes(draw, base64.b64decode(here))).decode()
        except ValueError:
            value[name] = here[::-1]
    elif kind == 4 and isinstance(value, list):
        value.insert(draw.randrange(len(value) + 1), draw.choice((here, *ODD_VALUES)))
    elif kind == 4:
        value[draw.choice(ODD_TEXTS)] = here
    elif kind == 5 and isinstance(here, int):
        value[name] = here + draw.choice((-1, 1, 2, -2, 10**6, -here, 2**53 - 1 - here))
    elif kind == 6 and isinstance(value, list):
        draw.shuffle(value)
    elif kind == 7 and isinstance(here, list):
        value[name] = here * draw.choice((2, 3, 65))
    elif kind == 8 and isinstance(here, dict):
        items = list(here.items())
        draw.shuffle(items)
        value[name] = dict(items)
    else:
        value[name] = draw.choice(ODD_VALUES)


def json_text(draw: Random, text: bytes) -> bytes:
    """Change the text of a JSON object: a value of it, or how it is written."""
    if draw.random() < 0.75:
        value = json.loads(text)
        for _ in range(draw.choice((1, 1, 1, 2))):
            json_value(draw, value)
        return json.dumps(value, separators=(",", ":"), ensure_ascii=draw.random() < 0.7).encode(
            "utf-8", "surrogatepass"
        )
    kind = draw.randrange(6)
    marks = [found.start() for found in re.finditer(rb'[{}\[\],:"]', text[:4096])] or [0]
    at = draw.choice(marks)
    if kind == 0:
        return (
            text[:at]
            + draw.choice((b" ", b"\n", b"\t", b"\x0b", b"\xa0", b",", b"{", b"}", b"[", b"]", b'"', b"//", b"\\"))
            + text[at:]
        )
    if kind == 1:
        numbers = list(re.finditer(rb"(?<=[:\[,])-?[0-9]+(?=[,\]}])", text)) or list(re.finditer(rb"[0-9]+", text))
        if not numbers:
            return text
        spot = draw.choice(numbers)
        return text[: spot.start()] + draw.choice(ODD_NUMBERS).encode() + text[spot.end() :]
    if kind == 2:
        keys = list(re.finditer(rb'"([a-z_]+)":', text))
        if not keys:
            return text
        spot = draw.choice(keys)
        name = spot.group(1)
        other = draw.choice((name, b"\\u%04x" % name[0] + name[1:], name.upper()))
        return text[: spot.start()] + b'"' + other + b'":0,' + text[spot.start() :]
    if kind == 3:
        depth = draw.choice((50, 58, 60, 61, 62, 63, 64, 65, 66, 70, 1_000, 200_000))
        nested = draw.choice((b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth))
        return (
            text[:-1] + b',"x":' + nested + b"}"
            if draw.random() < 0.3
            else text.replace(b'"fields":{', b'"fields":{"x":' + nested + b",", 1)
        )
    if kind == 4:
        spots = list(re.finditer(rb'"[^"\\]+"', text[:8192]))
        if not spots:
            return text
        spot = draw.choice(spots)
        at = draw.randrange(spot.start() + 1, spot.end())
        escape = draw.choice(
            (
                b"\\u0041",
                b"\\ud83d\\ude00",
                b"\\ud83d",
                b"\\x41",
                b"\\/",
                b"\\u00e",
                b"\\U0041",
                b"\\0",
                b"\\b",
                b"\x01",
                b"\x7f",
                b"\xc2\x85",
            )
        )
        return text[:at] + escape + text[at:]
    return any_bytes(draw, text)


def varint(number: int, padded: int = 0) -> bytes:
    """Return a varint, with so many bytes more than it needs."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    for _ in range(padded):
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("too long")


def _fields(data: bytes) -> list[tuple[int, int, Any]]:
    """Take a message apart into numbers, kinds and values.

    Raises:
        ValueError, IndexError: it is none.
    """
    found: list[tuple[int, int, Any]] = []
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        value: Any
        if not 0 < number < 1000:
            raise ValueError("no message")
        if kind == 0:
            value, at = _read_varint(data, at)
        elif kind == 2:
            size, at = _read_varint(data, at)
            if at + size > len(data):
                raise ValueError("no message")
            value, at = data[at : at + size], at + size
        else:
            raise ValueError("no message")
        found.append((number, kind, value))
    return found


def _written(field: tuple[int, int, Any], draw: Random | None = None) -> bytes:
    number, kind, value = field
    more = draw.choice((1, 2, 4, 8)) if draw else 0
    tag = varint(number << 3 | kind, more if draw and draw.random() < 0.5 else 0)
    if kind == 0:
        return tag + varint(value, min(more, 9))
    if kind == 2:
        return tag + varint(len(value), more) + bytes(value)
    return tag + bytes(value)


def proto(draw: Random, data: bytes, depth: int = 0) -> bytes:
    """Change a serialized message somewhere, at any depth, with lengths that fit."""
    try:
        fields = _fields(data)
    except (ValueError, IndexError):
        fields = []
    if not fields or draw.random() < 0.05:
        return any_bytes(draw, data)
    at = draw.randrange(len(fields))
    number, kind, value = fields[at]
    if kind == 2 and depth < 12 and draw.random() < 0.75:
        changed = proto(draw, value, depth + 1)
        return b"".join(map(_written, [*fields[:at], (number, kind, changed), *fields[at + 1 :]]))
    parts = [_written(field) for field in fields]
    what = draw.randrange(12)
    if what == 0:
        del parts[at]
    elif what == 1:
        parts.insert(draw.randrange(len(parts) + 1), parts[at])
    elif what == 2:
        draw.shuffle(parts)
    elif what == 3:
        parts[at] = _written(fields[at], draw)
    elif what == 4:
        unknown = draw.choice(
            [
                *(
                    (900, 0, 1),
                    (900, 2, b"x"),
                    (900, 1, bytes(8)),
                    (900, 5, bytes(4)),
                    (2**29 - 1, 0, 0),
                    (number, 0, 1),
                ),
                *((number, 2, b""), (number, 5, bytes(4)), (number, 1, bytes(8)), (900, 3, b"\xa4\x38"), (900, 3, b"")),
                *((number, 3, varint(number << 3 | 4)), (900, 4, b""), (900, 6, b""), (900, 7, b"")),
                (900, 3, b"\x0b\x0c\xa4\x38"),
            ]
        )
        parts.insert(draw.randrange(len(parts) + 1), _written(unknown))
    elif what == 5 and kind == 0:
        parts[at] = _written(
            (
                number,
                0,
                draw.choice((0, 1, 2, 3, 4, 5, 127, 128, 2**31, 2**32 - 1, 2**32, 2**32 + value, 2**63, 2**64 - 1)),
            )
        )
    elif what == 5:
        parts[at] = _written((number, 2, draw.choice(ODD_BYTES)))
    elif what == 6:
        parts[at] = _written((draw.choice((number + 1, max(1, number - 1), 15, 16)), kind, value))
    elif what == 7 and kind == 2:
        parts[at] = _written((number, 2, any_bytes(draw, value)))
    elif what == 8:
        parts.append(
            draw.choice(
                (
                    b"\x00",
                    b"\x07",
                    b"\x0c",
                    b"\x08",
                    b"\x0a\x7f",
                    b"\xff" * 10,
                    b"\x08" + b"\xff" * 9 + b"\x7f",
                    b"\x08" + b"\x80" * 10 + b"\x01",
                )
            )
        )
    elif what == 9 and kind == 2:
        parts[at] += _written((number, 2, proto(draw, value, depth + 1)))
    elif what == 10 and kind == 2:
        parts[at] = _written((number, 2, b"")) + parts[at]
    else:
        parts[at] = _written(fields[at], draw)
    return b"".join(parts)


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + length > len(data) or tag & 0x1F == 0x1F:
            raise ValueError("no DER")
        found.append((tag, data[at : at + length]))
        at += length
    return found


def der_element(tag: int, content: bytes, padded: int = 0) -> bytes:
    """Return an element, with so many bytes of length more than it needs."""
    size = len(content)
    if size < 0x80 and not padded:
        return bytes([tag, size]) + content
    length = size.to_bytes(max(1, (size.bit_length() + 7) // 8) + max(0, padded - (size < 0x80)), "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def der(draw: Random, data: bytes, depth: int = 0) -> bytes:
    """Change DER somewhere, at any depth, with lengths that fit."""
    try:
        found = _elements(data)
    except (ValueError, IndexError):
        found = []
    if not found or draw.random() < 0.04:
        return any_bytes(draw, data)
    at = draw.randrange(len(found))
    tag, content = found[at]
    nested = tag & 0x20 or (tag in (3, 4) and len(content) > 2 and draw.random() < 0.5)
    if nested and draw.random() < 0.85:
        prefix = content[:1] if tag == 3 else b""
        changed = prefix + der(draw, content[len(prefix) :], depth + 1)
        return b"".join(der_element(*one) for one in [*found[:at], (tag, changed), *found[at + 1 :]])
    parts = [der_element(*one) for one in found]
    what = draw.randrange(11)
    if what == 0:
        del parts[at]
    elif what == 1:
        parts.insert(draw.randrange(len(parts) + 1), parts[at])
    elif what == 2:
        draw.shuffle(parts)
    elif what == 3:
        parts[at] = der_element(tag, content, draw.choice((1, 2, 4)))
    elif what == 4:
        parts[at] = der_element(
            draw.choice(
                (
                    1,
                    2,
                    3,
                    4,
                    5,
                    6,
                    0x0A,
                    0x0C,
                    0x12,
                    0x13,
                    0x14,
                    0x16,
                    0x17,
                    0x18,
                    0x1A,
                    0x1C,
                    0x1E,
                    0x30,
                    0x31,
                    0x80,
                    0xA0,
                    0xA3,
                    tag ^ 0x20,
                )
            ),
            content,
        )
    elif what == 5:
        parts[at] = der_element(tag, any_bytes(draw, content))
    elif what == 6:
        parts[at] = der_element(
            tag,
            draw.choice(
                (
                    b"",
                    b"\x00",
                    b"\xff",
                    b"\x01",
                    b"\x00" + content,
                    b"\xff" + content,
                    content + b"\x00",
                    b"\x00\x80",
                    b"\x80",
                )
            ),
        )
    elif what == 7:
        extra = draw.choice(
            (
                b"\x05\x00",
                b"\x02\x01\x00",
                b"\x01\x01\xff",
                b"\x01\x01\x00",
                b"\x01\x01\x01",
                b"\x30\x00",
                b"\x31\x00",
                b"\x04\x00",
                b"\x00\x00",
            )
        )
        parts.insert(draw.randrange(len(parts) + 1), extra)
    elif what == 8 and tag in (0x17, 0x18):
        kind, text = draw.choice(ODD_TIMES).split(":")
        parts[at] = der_element(int(kind, 16), text.encode())
    elif what == 9 and tag == 0x06:
        parts[at] = der_element(0x06, bytes.fromhex(draw.choice(ODD_IDENTIFIERS)))
    else:
        parts[at] = der_element(tag, content[::-1])
    return b"".join(parts)


def pem(draw: Random, data: bytes) -> bytes:
    """Change a PEM text."""
    lines = data.split(b"\n")
    at = draw.randrange(len(lines))
    what = draw.randrange(9)
    if what == 0:
        lines.insert(
            at,
            draw.choice(
                (
                    b"",
                    b" ",
                    b"Name: value",
                    b"Proc-Type: 4,ENCRYPTED",
                    b"-----BEGIN CERTIFICATE-----",
                    b"-----END CERTIFICATE-----",
                    b"garbage",
                    b"AAAA",
                    b"-----BEGIN X-----",
                )
            ),
        )
    elif what == 1:
        del lines[at]
    elif what == 2:
        lines[at] += draw.choice((b" ", b"\t", b"\r", b"\x0b", b"=", b"-", b"\xa0", b":", b"A"))
    elif what == 3:
        lines[at] = draw.choice((b" ", b"\t", b"\r")) + lines[at]
    elif what == 4:
        return data.replace(
            b"CERTIFICATE",
            draw.choice((b"X509 CERTIFICATE", b"", b"CERT\nIFICATE", b"CERTIFICATE ", b"\xff", b"PUBLIC KEY")),
            draw.choice((1, 2)),
        )
    elif what == 5:
        return data.replace(b"\n", draw.choice((b"\r\n", b"\r", b"\n\n", b" \n")))
    elif what == 6:
        return data.rstrip(b"\n") if draw.random() < 0.5 else data + data
    elif what == 7:
        return (
            draw.choice(
                (
                    b"x",
                    b"\n",
                    b" ",
                    b"\xef\xbb\xbf",
                    b"-----BEGIN A-----\n!\n-----END A-----\n",
                    b"-----BEGIN A-----\nAAAA\n-----END A-----\n",
                    b"-----BEGIN A-----\n-----END A-----\n",
                )
            )
            + data
        )
    else:
        return any_bytes(draw, data)
    return b"\n".join(lines)
