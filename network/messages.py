"""Reads protobuf messages as Go's library reads them, by which Fabric's peers judge.

The library under Python's protobuf (upb) differs in what no honest client writes: it gives up on unknown groups more
than 100 deep and on tags and lengths of more than 5 bytes, where Go's reads on, and reads over numbers that have more
bits than there is room for, where Go's gives up. Whoever may submit a transaction may write it so, and a peer that
finds valid what others cannot read, or cannot read what others find valid, parts from them for good.

Source: google.golang.org/protobuf, encoding/protowire and internal/impl/decode.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError

GROUPS_MAX = 10_001
"""Groups inside one another that Go reads."""

_NESTED_MAX = 100
"""Messages inside one another that Python's library reads; what is in deeper ones is of no use."""

_NUMBER_MAX, _NUMBER_MAX_IN_GROUPS = 2**29 - 1, 2**31 - 1
"""Numbers of fields that Go's library reads."""

_VARINT, _FIXED64, BYTES, _START, _END, _FIXED32 = range(6)


def read_message(kind: Any, data: bytes) -> Any:
    """Return a message of a kind, without the fields that it does not know.

    Raises:
        DecodeError: Go's library would not read the bytes as such a message.
    """
    try:
        message = kind.FromString(data)
    except DecodeError:
        return kind.FromString(plain(kind, data))
    message.DiscardUnknownFields()
    # Nearly every message is as any library writes it again, and that every library reads.
    return message if message.SerializeToString() == data else kind.FromString(plain(kind, data))


def plain(kind: Any, data: bytes) -> bytes:
    """Return a message without unknown groups, each tag and length in as few bytes as it needs.

    Raises:
        DecodeError: Go's library would not read it.
    """
    return _plain(kind.DESCRIPTOR, data, 0)


def holds_only_unknown(data: bytes, known: frozenset[int]) -> bool:
    """Say whether fields are as Go writes those again that it does not know.

    Args:
        known: numbers of the fields that it knows, all of them of bytes.
    """
    position = 0
    try:
        while position < len(data):
            start = position
            number, wire_type, position = _tag(data, position)
            if data[start:position] != varint(number << 3 | wire_type) or (number in known and wire_type == BYTES):
                return False
            position = _after(data, position, number, wire_type)
    except DecodeError:
        return False
    return True


def fields_of(data: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Yield a message's fields: number, wire type, all bytes of it, and what it holds (``BYTES`` only, else nothing).

    Raises:
        DecodeError: the bytes are no message.
    """
    position = 0
    while position < len(data):
        start = position
        number, wire_type, begin = _tag(data, position)
        position = _after(data, begin, number, wire_type)
        content = data[_varint(data, begin)[1] : position] if wire_type == BYTES else b""
        yield number, wire_type, data[start:position], content


def _plain(descriptor: Any, data: bytes, depth: int) -> bytes:
    kept = bytearray()
    position = 0
    while position < len(data):
        number, wire_type, begin = _tag(data, position)
        position = _after(data, begin, number, wire_type)
        if wire_type == _START:
            continue
        kept += varint(number << 3 | wire_type)
        if wire_type != BYTES:
            kept += data[begin:position]
            continue
        _, begin = _varint(data, begin)
        content = data[begin:position]
        field = descriptor.fields_by_number.get(number)
        if field is not None and field.message_type is not None and depth < _NESTED_MAX:
            content = _plain(field.message_type, content, depth + 1)
        kept += varint(len(content)) + content
    return bytes(kept)


def _after(data: bytes, position: int, number: int, wire_type: int) -> int:
    """Return where a field ends whose tag has been read."""
    if wire_type == _START:
        return _after_group(data, position, number)
    if wire_type == _VARINT:
        return _varint(data, position)[1]
    if wire_type == BYTES:
        length, position = _varint(data, position)
    elif wire_type in (_FIXED32, _FIXED64):
        length = 4 if wire_type == _FIXED32 else 8
    else:
        raise DecodeError(f"wire type {wire_type} has no place here")
    if length > len(data) - position:
        raise DecodeError("a field is longer than what holds it")
    return position + length


def _after_group(data: bytes, position: int, number: int) -> int:
    opened = [number]
    while opened:
        if len(opened) > GROUPS_MAX:
            raise DecodeError("groups are nested too deeply")
        number, wire_type, position = _tag(data, position, _NUMBER_MAX_IN_GROUPS)
        if wire_type == _START:
            opened.append(number)
        elif wire_type != _END:
            position = _after(data, position, number, wire_type)
        elif opened.pop() != number:
            raise DecodeError("a group ends that did not begin")
    return position


def _tag(data: bytes, position: int, number_max: int = _NUMBER_MAX) -> tuple[int, int, int]:
    tag, position = _varint(data, position)
    if not 1 <= tag >> 3 <= number_max:
        raise DecodeError(f"there is no field {tag >> 3}")
    return tag >> 3, tag & 7, position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise DecodeError("a number ends early")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, position
    raise DecodeError("a number has more than 64 bits")


def varint(value: int) -> bytes:
    """Return a number in as few bytes as it needs."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
