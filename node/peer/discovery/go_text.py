"""Messages in the text form that Go's protobuf library prints, which stands in Fabric's error texts.

Go puts one or two spaces between fields, as it pleases; here it is one.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_ESCAPES = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", ord('"'): '\\"', ord("\\"): "\\\\"}


def go_text(message: Message) -> str:
    """Return a message as Go prints it on one line."""
    parts: list[str] = []
    for field, value in message.ListFields():
        repeated = not hasattr(value, "DESCRIPTOR") and not isinstance(value, str | bytes) and hasattr(value, "append")
        parts.extend(f"{field.name}:{_value(field, item)}" for item in (value if repeated else [value]))
    return " ".join(parts)


def _value(field: FieldDescriptor, value: Any) -> str:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return "{" + go_text(value) + "}"
    if field.type == FieldDescriptor.TYPE_ENUM:
        return str(field.enum_type.values_by_number[value].name)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "true" if value else "false"
    if field.type == FieldDescriptor.TYPE_STRING:
        return '"' + "".join(_character(character) for character in value) + '"'
    if field.type == FieldDescriptor.TYPE_BYTES:
        return '"' + "".join(_byte(byte) for byte in value) + '"'
    return str(value)


def _character(character: str) -> str:
    code = ord(character)
    return _byte(code) if code < 0x80 else character


def _byte(byte: int) -> str:
    if byte in _ESCAPES:
        return _ESCAPES[byte]
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
