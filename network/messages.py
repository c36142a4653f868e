"""Reads protobuf messages as Go's library reads them, by which Fabric's peers judge.

The library under Python's protobuf (upb) differs in what no honest client writes: it gives up on unknown groups more
than 100 deep and on tags and lengths of more than 5 bytes, where Go's reads on, and reads over numbers that have more
bits than there is room for, where Go's gives up; and of known messages it reads 100 inside one another, Go's 10,000,
which a policy may have. Whoever may submit a transaction may write it so, and a peer that finds valid what others
cannot read, or cannot read what others find valid, parts from them for good.

Source: google.golang.org/protobuf, encoding/protowire and internal/impl/decode.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

Buffer = bytes | memoryview
T_Bytes = TypeVar("T_Bytes", bytes, memoryview)

GROUPS_MAX = 10_001
"""Groups inside one another that Go reads."""

NESTED_MAX = 10_000
"""Messages inside one another that Go reads, the outermost among them."""

_NESTED_HERE_MAX = 100
"""Messages inside one another that Python's library reads; those in deeper ones are read part by part."""

LONG_NUMBER = re.compile(rb"[\x80-\xff]{9}[\x02-\xff]")
"""What any number has in it that Python's library reads over and Go's does not."""

_NUMBER_MAX, _NUMBER_MAX_IN_GROUPS = 2**29 - 1, 2**31 - 1
"""Numbers of fields that Go's library reads."""

_SHORT = [bytes([value]) for value in range(0x80)]

_VARINT, _FIXED64, BYTES, _START, _END, _FIXED32 = range(6)


def read_message(kind: Any, data: bytes) -> Any:
    """Return a message of a kind, without the fields that it does not know.

    Raises:
        DecodeError: Go's library would not read the bytes as such a message.
    """
    try:
        message = kind.FromString(data)
    except DecodeError:
        return _read_odd(kind, data)
    message.DiscardUnknownFields()
    # Nearly every message is as any library writes it again, and that every library reads. Only of messages many times
    # inside one another are unknown fields kept.
    if message.SerializeToString() == data and not _may_hold_itself(kind.DESCRIPTOR):
        return message
    if not LONG_NUMBER.search(data):
        return message
    return kind.FromString(plain(kind, data))


def _read_odd(kind: Any, data: bytes) -> Any:
    readable = plain(kind, data)
    try:
        return kind.FromString(readable)
    except DecodeError:
        return _read_nested(kind(), readable)


def _read_nested(message: Any, data: bytes) -> Any:
    """Read a message into an empty one part by part, each of which Python's library reads."""
    waiting = [(message, memoryview(data), 1)]
    while waiting:
        target, content, depth = waiting.pop()
        if depth > NESTED_MAX:
            raise DecodeError("messages are nested too deeply")
        inner = []
        for number, wire_type, whole, part in fields_of(content):
            field = target.DESCRIPTOR.fields_by_number.get(number)
            if field is None:
                continue
            if field.message_type is None or wire_type != BYTES or is_map(field):
                target.MergeFromString(_plain(target.DESCRIPTOR, bytes(whole), 0))
                continue
            repeated = field.label == FieldDescriptor.LABEL_REPEATED
            below = getattr(target, field.name).add() if repeated else getattr(target, field.name)
            below.SetInParent()
            inner.append((below, part, depth + 1))
        waiting.extend(reversed(inner))
    return message


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


@cache
def is_map(field: FieldDescriptor) -> bool:
    """Say whether a field's messages are the entries of a map."""
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def fields_of(data: T_Bytes) -> Iterator[tuple[int, int, T_Bytes, T_Bytes]]:
    """Yield a message's fields: number, wire type, all bytes of it, and what it holds (``BYTES`` only, else nothing).

    Raises:
        DecodeError: the bytes are no message.
    """
    position = 0
    while position < len(data):
        start = position
        number, wire_type, begin = _tag(data, position)
        position = _after(data, begin, number, wire_type)
        content = data[_varint(data, begin)[1] if wire_type == BYTES else position : position]
        yield number, wire_type, data[start:position], content


def _plain(descriptor: Any, data: bytes, depth: int) -> bytes:
    kept = bytearray()
    below = _messages_below(descriptor)
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
        if number in below and depth < _NESTED_HERE_MAX:
            content = _plain(below[number], content, depth + 1)
        kept += varint(len(content))
        kept += content
    return bytes(kept)


@cache
def _may_hold_itself(descriptor: Any) -> bool:
    """Say whether messages of this kind may be inside one another without end, or hold such."""
    return any(kind in held(kind) for kind in (descriptor, *held(descriptor)))


def held(descriptor: Any) -> set[Any]:
    """Return the kinds of messages that may be anywhere inside one."""
    found: set[Any] = set()
    waiting = [descriptor]
    while waiting:
        below = set(_messages_below(waiting.pop()).values()) - found
        found |= below
        waiting.extend(below)
    return found


@cache
def _messages_below(descriptor: Any) -> Mapping[int, Any]:
    """Return what kind of message each field holds, by number; other fields are left out."""
    return {field.number: field.message_type for field in descriptor.fields if field.message_type is not None}


def _after(data: Buffer, position: int, number: int, wire_type: int) -> int:
    """Return where a field ends whose tag has been read."""
    if wire_type == _VARINT:
        return _varint(data, position)[1]
    if wire_type == _START:
        return _after_group(data, position, number)
    if wire_type == BYTES:
        length, position = _varint(data, position)
    elif wire_type in (_FIXED32, _FIXED64):
        length = 4 if wire_type == _FIXED32 else 8
    else:
        raise DecodeError(f"wire type {wire_type} has no place here")
    if length > len(data) - position:
        raise DecodeError("a field is longer than what holds it")
    return position + length


def _after_group(data: Buffer, position: int, number: int) -> int:
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


def _tag(data: Buffer, position: int, number_max: int = _NUMBER_MAX) -> tuple[int, int, int]:
    if position < len(data) and 8 <= (tag := data[position]) < 0x80:
        return tag >> 3, tag & 7, position + 1
    tag, position = _varint(data, position)
    if not 1 <= tag >> 3 <= number_max:
        raise DecodeError(f"there is no field {tag >> 3}")
    return tag >> 3, tag & 7, position


def _varint(data: Buffer, position: int) -> tuple[int, int]:
    # Mostly a byte, which is all that an attacker's many small fields should cost.
    if position < len(data) and (value := data[position]) < 0x80:
        return value, position + 1
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
    if value < 0x80:
        return _SHORT[value]
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
