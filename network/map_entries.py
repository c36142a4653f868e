"""Maps of protobuf messages as Fabric's peers read them.

Of an entry that carries a field besides its key and its value, Go's reader takes key and value, and leaves the rest.
The one beneath Python (upb) takes it for no entry at all: a group of a configuration, or a policy, would be there for
some peers of a channel and not for others. Such bytes are read without what nobody reads.

Source: google.golang.org/protobuf internal/impl/codec_map.go, consumeMap and consumeMapOfMessage.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import unknown_fields  # type: ignore[attr-defined]
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from network import messages
from network.messages import BYTES, LONG_NUMBER, fields_of, held, is_map, plain, varint

_VALUE = 2


def read_message(kind: Any, data: bytes) -> Any:
    """Return a message with every entry of its maps.

    Args:
        kind: class of the message.
    Raises:
        google.protobuf.message.DecodeError: not that message.
    """
    if not _may_hold_maps(kind.DESCRIPTOR):
        return messages.read_message(kind, data)
    # What Python's library reads over, and Go's does not, has numbers of 10 bytes: nearly no message has.
    if LONG_NUMBER.search(data):
        data = plain(kind, data)
    try:
        message = kind.FromString(data)
    except DecodeError:
        data = plain(kind, data)
        message = kind.FromString(data)
    return kind.FromString(_plain(plain(kind, data), kind.DESCRIPTOR)) if _lacks_entries(message) else message


@cache
def _may_hold_maps(descriptor: Descriptor) -> bool:
    return any(is_map(field) for kind in (descriptor, *held(descriptor)) for field in kind.fields)


def _lacks_entries(message: Any) -> bool:
    """Tell whether bytes of an entry were put aside as a field that nobody knows."""
    maps = _map_numbers(message.DESCRIPTOR)
    if maps:
        unread = unknown_fields.UnknownFieldSet(message)
        if any(item.field_number in maps and item.wire_type == BYTES for item in unread):
            return True
    return any(_lacks_entries(below) for field, value in message.ListFields() for below in _messages(field, value))


@cache
def _map_numbers(descriptor: Descriptor) -> frozenset[int]:
    return frozenset(field.number for field in descriptor.fields if is_map(field))


def _messages(field: FieldDescriptor, value: Any) -> list[Any]:
    if field.message_type is None:
        return []
    if is_map(field):
        return list(value.values()) if field.message_type.fields_by_number[_VALUE].message_type else []
    return list(value) if field.label == FieldDescriptor.LABEL_REPEATED else [value]


def _plain(data: bytes, descriptor: Descriptor) -> bytes:
    """Return a message's bytes, of the entries of its maps only key and value."""
    plain = bytearray()
    is_entry = descriptor.GetOptions().map_entry
    for number, wire_type, whole, content in fields_of(data):
        field = descriptor.fields_by_number.get(number)
        if is_entry and (field is None or wire_type != BYTES):
            # Keys of Fabric's maps are strings, their values messages or bytes.
            continue
        if field is None or field.message_type is None or wire_type != BYTES:
            plain += whole
            continue
        inner = _plain(content, field.message_type)
        plain += varint(number << 3 | BYTES) + varint(len(inner)) + inner
    return bytes(plain)
