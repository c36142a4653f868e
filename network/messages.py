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
from collections.abc import Iterable, Iterator, Mapping
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

_LONG_VARINT = re.compile(rb"[\x80-\xff]{1,8}[\x00-\x7f]|[\x80-\xff]{9}[\x00\x01]")
_ONLY_NUMBERS = int.from_bytes(b"\x7f" * 10)
_TOO_LONG = "a field is longer than what holds it"
_TOO_DEEP, _NOT_BEGUN = "groups are nested too deeply", "a group ends that did not begin"
_NOT_ENDED = "a group does not end"

_SHORT_CONTENT_MAX = 31
"""Bytes of a field's content that an expression is told to count: an alternative for each number is in it."""

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
        known: numbers of the fields that it knows, less than 16 and all of them of bytes.
    """
    groups, as_written = _Groups(), _unknown_as_written(known)
    position, end = 0, len(data)
    try:
        while position < end:
            position, fields = groups.walk(data, position, end)
            if any(as_written.sub(b"", some) for some in fields):
                return False
            if position == end:
                break
            tag, begin = _tag(data, position, end, groups)
            if not groups.due and (not data[begin - 1] or (tag >> 3 in known and tag & 7 == BYTES)):
                return False
            position = _after(data, begin, end, tag, groups)
    except DecodeError:
        return False
    return not groups.due and not groups.padded


@cache
def is_map(field: FieldDescriptor) -> bool:
    """Say whether a field's messages are the entries of a map."""
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def fields_of(data: T_Bytes) -> Iterator[tuple[int, int, T_Bytes, T_Bytes]]:
    """Yield a message's fields: number, wire type, all bytes of it, and what it holds (``BYTES`` only, else nothing).

    Groups, which no message of Fabric's has, are left out.

    Raises:
        DecodeError: the bytes are no message.
    """
    groups = _Groups()
    start, position, end = 0, 0, len(data)
    while position < end:
        tag, begin = _tag(data, position, end, groups)
        position = _after(data, begin, end, tag, groups)
        if groups.due:
            continue
        if tag & 7 != _END:
            content = data[_varint(data, begin, end)[1] if tag & 7 == BYTES else position : position]
            yield tag >> 3, tag & 7, data[start:position], content
        start = position
    if groups.due:
        raise DecodeError(_NOT_ENDED)


def _plain(descriptor: Any, data: bytes, depth: int) -> bytes:
    """Return what :func:`plain` does, for a message inside so many others.

    Whoever writes many small fields must not be paid for each of them in Python: an expression goes over those that
    every library reads alike, at a tenth of the cost. The others are taken in one loop, whatever messages they are in,
    since a call for each message would double what they cost.
    """
    alike, groups = _patterns()[0], _Groups()
    known = _messages_in(descriptor)
    kept: list[bytes] = []
    outer: list[tuple[Mapping[int, Any], list[bytes], int]] = []
    position, end = 0, len(data)
    while True:
        if position < end and (data[position] < 0x80 or min(data[position : position + 5]) < 0x80):
            start, position = position, alike.match(data, position, end).end()  # type: ignore[union-attr]
            if position > start:
                kept.append(data[start:position])
        if position == end:
            content = b"".join(kept)
            if not outer:
                return content
            known, kept, end = outer.pop()
            kept += (varint(len(content)), content)
            continue
        tag = data[position]
        if 8 <= tag < 0x80:
            position += 1
        else:
            tag, position = _tag(data, position, end, groups)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == BYTES:
            length = data[position] if position < end else 0x80
            if length < 0x80:
                position += 1
            else:
                length, position = _varint(data, position, end)
            start, position = position, position + length
            if position > end:
                raise DecodeError(_TOO_LONG)
            if number not in known:
                continue
            kept.append(varint(tag))
            if known[number] is not None and depth + len(outer) < _NESTED_HERE_MAX:
                outer.append((known, kept, end))
                known, kept, position, end = _messages_in(known[number]), [], start, position
            else:
                kept += (varint(length), data[start:position])
        elif wire_type in (_START, _END):
            position = _after_groups(data, position, end, tag, groups, kept)
        else:
            start, position = position, _after(data, position, end, tag, groups)
            if number in known:
                kept += (varint(tag), data[start:position])


def _after_groups(data: bytes, position: int, end: int, tag: int, groups: _Groups, kept: list[bytes]) -> int:
    """Go over groups, the first of whose tags has been read; keep what fields are found among them.

    Returns:
        where something else begins.
    """
    while True:
        position = _after(data, position, end, tag, groups)
        if position < end and min(data[position : position + 5]) < 0x80:
            position, fields = groups.walk(data, position, end)
            kept += fields
        if not groups.due:
            return position
        if position == end:
            raise DecodeError(_NOT_ENDED)
        tag, position = _tag(data, position, end, groups)


class _Groups:
    """The groups around a place in a message."""

    def __init__(self) -> None:
        self.due: list[int] = []
        """What ends are due, the innermost last: their tags as written, without what says that bytes follow."""
        self.padded = False
        """Whether the tag of a group inside no other is longer than it needs to be."""

    def take(self, tags: Iterable[bytes], *, padded: bool = False) -> None:
        """Begin and end groups."""
        due = self.due
        for written in tags:
            tag = int.from_bytes(written, "little") & _ONLY_NUMBERS
            if tag & 1:
                self.padded |= not due and (padded or not written[-1])
                due.append(tag + 1)
                if len(due) > GROUPS_MAX:
                    raise DecodeError(_TOO_DEEP)
            elif not due or due.pop() != tag:
                raise DecodeError(_NOT_BEGUN)

    def walk(self, data: bytes, position: int, end: int) -> tuple[int, list[bytes]]:
        """Go over groups, and over fields that every library reads alike.

        Returns:
            where something else begins, and the fields that are in no group.
        """
        _, alike_and_groups, apart, group_tag = _patterns()
        start, position = position, alike_and_groups.match(data, position, end).end()  # type: ignore[union-attr]
        due, outside = self.due, []
        for tags, fields in apart.findall(data, start, position):
            if not tags.isascii():
                self.take(group_tag.findall(tags))
            else:
                # The loop that an attacker can make longest. A beginning is an odd number, its end the next one.
                for tag in tags:
                    if tag & 1:
                        due.append(tag + 1)
                        if len(due) > GROUPS_MAX:
                            raise DecodeError(_TOO_DEEP)
                    elif not due or due.pop() != tag:
                        raise DecodeError(_NOT_BEGUN)
            if fields and not due:
                outside.append(fields)
        return position, outside


@cache
def _patterns() -> tuple[re.Pattern[bytes], ...]:
    """Return what matches fields that every library reads alike; these and tags of groups; both apart; such a tag."""
    field, group = _field_pattern(), b"(?:%s|%s)" % (_tag_pattern(_START), _tag_pattern(_END))
    short = b"".join(rb"\x%02x" % tag for tag in range(0x80) if tag >> 3 and tag & 7 in (_START, _END))
    groups = b"(?:[%s]+|%s)" % (short, group)
    # A bound, for the expression remembers each field that it has gone over.
    forms = (b"%s{0,256}" % field, b"(?:%s|%s){0,256}" % (groups, field), b"(%s*)(%s*)" % (groups, field), group)
    return tuple(re.compile(form, re.DOTALL) for form in forms)


@cache
def _unknown_as_written(known: frozenset[int]) -> re.Pattern[bytes]:
    """Return what matches fields, but those known and those with tags longer than they need to be."""
    tags = b"|".join(rb"\x%02x" % (number << 3 | BYTES) for number in known)
    return re.compile(rb"(?:(?!%s|[\x80-\xff]+\x00)%s){1,256}" % (tags, _field_pattern()), re.DOTALL)


def _field_pattern() -> bytes:
    """Return an expression for a field that every library reads alike, whatever the message.

    Its tag and its length have at most 5 bytes; and what it holds, should it be a message, has no tag or length of
    more, and no tag of 2**32 and above, which Go reads inside groups.
    """
    contents: list[bytes] = []
    for length in range(_SHORT_CONTENT_MAX + 1):
        nothing_long = rb"(?!.{0,%d}[\x80-\xff]{4}[\x10-\xff])" % (length - 5) if length > 4 else b""
        content = nothing_long + b".{%d}" % length
        contents += (rb"\x%02x" % length + content, rb"\x%02x\x80{0,3}\x00" % (0x80 | length) + content)
    values = {
        _VARINT: rb"(?:[\x00-\x7f]|[\x80-\xff]{1,8}[\x00-\x7f]|[\x80-\xff]{9}[\x00\x01])",
        BYTES: b"(?:%s)" % b"|".join(contents),
        _FIXED32: b".{4}",
        _FIXED64: b".{8}",
    }
    return b"(?:%s)" % b"|".join(_tag_pattern(wire_type) + value for wire_type, value in values.items())


def _tag_pattern(wire_type: int) -> bytes:
    """Return an expression for a tag of at most 5 bytes."""
    short = b"".join(rb"\x%02x" % (number << 3 | wire_type) for number in range(1, 16))
    # There is no field 0, however long it is written.
    long = b"".join(rb"\x%02x" % (0x80 | number << 3 | wire_type) for number in range(1, 16))
    long = rb"(?:[%s]|\x%02x(?!\x80*\x00))" % (long, 0x80 | wire_type)
    return rb"(?:[%s]|%s(?:[\x80-\xff]{0,2}[\x00-\x7f]|[\x80-\xff]{3}[\x00-\x0f]))" % (short, long)


@cache
def _may_hold_itself(descriptor: Any) -> bool:
    """Say whether messages of this kind may be inside one another without end, or hold such."""
    return any(kind in held(kind) for kind in (descriptor, *held(descriptor)))


def held(descriptor: Any) -> set[Any]:
    """Return the kinds of messages that may be anywhere inside one."""
    found: set[Any] = set()
    waiting = [descriptor]
    while waiting:
        below = {kind for kind in _messages_in(waiting.pop()).values() if kind is not None} - found
        found |= below
        waiting.extend(below)
    return found


@cache
def _messages_in(descriptor: Any) -> Mapping[int, Any]:
    """Return what kind of message each field holds, by number; ``None`` for what is no message."""
    return {field.number: field.message_type for field in descriptor.fields}


def _after(data: Buffer, position: int, end: int, tag: int, groups: _Groups) -> int:
    """Return where a field ends whose tag has been read; of a group only the tag is taken account of."""
    wire_type = tag & 7
    if wire_type == _VARINT:
        return _varint(data, position, end)[1]
    if wire_type == BYTES:
        length, position = _varint(data, position, end)
    elif wire_type in (_FIXED32, _FIXED64):
        length = 4 if wire_type == _FIXED32 else 8
    elif wire_type in (_START, _END):
        groups.take([varint(tag)], padded=not data[position - 1])
        return position
    else:
        raise DecodeError(f"wire type {wire_type} has no place here")
    if length > end - position:
        raise DecodeError(_TOO_LONG)
    return position + length


def _tag(data: Buffer, position: int, end: int, groups: _Groups) -> tuple[int, int]:
    tag, position = _varint(data, position, end)
    if not 1 <= tag >> 3 <= (_NUMBER_MAX_IN_GROUPS if groups.due else _NUMBER_MAX):
        raise DecodeError(f"there is no field {tag >> 3}")
    return tag, position


def _varint(data: Buffer, position: int, end: int) -> tuple[int, int]:
    if position < end and (value := data[position]) < 0x80:
        return value, position + 1
    written = _LONG_VARINT.match(data, position, end)
    if written is None:
        raise DecodeError("a number ends early, or has more than 64 bits")
    value = int.from_bytes(written[0], "little") & _ONLY_NUMBERS
    if value > 0x7F:
        value = 0
        for byte in reversed(written[0]):
            value = value << 7 | byte & 0x7F
    return value, written.end()


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
