"""Maps of protobuf messages as Fabric's peers read them.

Of an entry that carries a field besides its key and its value, Go's reader takes key and value, and leaves the rest.
The one beneath Python (upb) takes it for no entry at all: a group of a configuration, or a policy, would be there for
some peers of a channel and not for others. Such bytes are read without what nobody reads.

Source: google.golang.org/protobuf internal/impl/codec_map.go, consumeMap and consumeMapOfMessage.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from google.protobuf import unknown_fields  # type: ignore[attr-defined]
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from network.messages import plain, varint

_LENGTH, _GROUP, _GROUP_END = 2, 3, 4
_FIXED_BYTES = {1: 8, 5: 4}
_KEY, _VALUE = 1, 2
_LONG_NUMBER = re.compile(rb"[\x80-\xff]{9}[\x02-\xff]")


def read_message(kind: Any, data: bytes) -> Any:
    """Return a message with every entry of its maps.

    Args:
        kind: class of the message.
    Raises:
        google.protobuf.message.DecodeError: not that message.
    """
    # What Python's library reads over, and Go's does not, has numbers of 10 bytes: nearly no message has.
    if _LONG_NUMBER.search(data):
        data = plain(kind, data)
    try:
        message = kind.FromString(data)
    except DecodeError:
        data = plain(kind, data)
        message = kind.FromString(data)
    return kind.FromString(_plain(data, kind.DESCRIPTOR)) if _lacks_entries(message) else message


def _lacks_entries(message: Any) -> bool:
    """Tell whether bytes of an entry were put aside as a field that nobody knows."""
    maps = _map_numbers(message.DESCRIPTOR)
    if maps:
        unread = unknown_fields.UnknownFieldSet(message)
        if any(item.field_number in maps and item.wire_type == _LENGTH for item in unread):
            return True
    return any(_lacks_entries(below) for field, value in message.ListFields() for below in _messages(field, value))


@cache
def _map_numbers(descriptor: Descriptor) -> frozenset[int]:
    return frozenset(field.number for field in descriptor.fields if _is_map(field))


def _messages(field: FieldDescriptor, value: Any) -> list[Any]:
    if field.message_type is None:
        return []
    if _is_map(field):
        return list(value.values()) if field.message_type.fields_by_number[_VALUE].message_type else []
    return list(value) if field.label == FieldDescriptor.LABEL_REPEATED else [value]


@cache
def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def _plain(data: bytes, descriptor: Descriptor) -> bytes:
    """Return a message's bytes, of the entries of its maps only key and value."""
    plain = bytearray()
    is_entry = descriptor.GetOptions().map_entry
    at = 0
    while at < len(data):
        begin = at
        tag, at = _varint(data, at)
        field = descriptor.fields_by_number.get(tag >> 3)
        at, content = _skip(data, at, tag)
        if is_entry and (field is None or tag & 7 != _LENGTH):
            # Keys of Fabric's maps are strings, their values messages or bytes.
            continue
        if field is None or field.message_type is None or tag & 7 != _LENGTH:
            plain += data[begin:at]
            continue
        inner = _plain(content, field.message_type)
        plain += varint(tag) + varint(len(inner)) + inner
    return bytes(plain)


def _skip(data: bytes, at: int, tag: int) -> tuple[int, bytes]:
    """Return the place behind a field's value, and what a field of some length holds."""
    kind = tag & 7
    if kind == _LENGTH:
        size, at = _varint(data, at)
        return at + size, data[at : at + size]
    if kind == _GROUP:
        while True:
            inner, at = _varint(data, at)
            if inner & 7 == _GROUP_END:
                return at, b""
            at, _ = _skip(data, at, inner)
    if kind in _FIXED_BYTES:
        return at + _FIXED_BYTES[kind], b""
    return _varint(data, at)[1], b""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and the place behind it; the bytes were read before, so it is there."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
