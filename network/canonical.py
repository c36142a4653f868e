"""Reads protobuf messages in the one layout that every library writes, without an object for each.

Nearly every message is laid out so: fields that are known, in the order of their numbers, tags and lengths in as few
bytes as they need. Whatever is not, is refused here with :class:`IndexError` or :class:`ValueError`, of which
``UnicodeDecodeError`` is one, and has to be read by ``network.messages.read_message``, which alone judges. So what is
read here is what that would read, in a third of its time (ADR 41).

A field's tag is its number times eight, plus 2 where bytes, a text or a message follow, plus 0 for a number; fields
from 16 on, whose tags have two bytes, are not known here. Texts are to be decoded by who wants them, and by who does
not as well: one that is not UTF-8 makes its message unreadable.
"""

from __future__ import annotations

from typing import Any

REFUSED = (IndexError, ValueError)
"""What is raised for bytes that are not laid out so, or that a reader of them knows no more about."""

BYTES_MAX = 1 << 16
"""Longer messages are left to ``read_message`` at once, so that no stranger has half a million parts read twice."""


def fields(data: bytes, tags: bytes) -> list[Any]:
    """Return what a message's fields hold, ``None`` for those that are not there: bytes, or a number below 2**63.

    Args:
        tags: of all its fields, in order; each may come once.
    """
    found: list[Any] = []
    position, end = 0, len(data)
    for tag in tags:
        if position == end or data[position] != tag:
            found.append(None)
            continue
        value = data[position + 1]
        if value < 0x80:
            position += 2
        elif 0 < (high := data[position + 2]) < 0x80:
            value += (high << 7) - 0x80
            position += 3
        else:
            value, position = _long_number(data, position + 1)
        if tag & 7:
            found.append(data[position : position + value])
            position += value
            if position > end:
                break
        else:
            found.append(value)
    if position != end:
        raise ValueError("another field, or one that is longer than what holds it")
    return found


def repeated(data: bytes, tags: bytes) -> list[list[bytes]]:
    """Return what is in each of a message's fields, all of which hold bytes and may come any number of times."""
    found: list[list[bytes]] = []
    position, end = 0, len(data)
    for tag in tags:
        contents: list[bytes] = []
        while position < end and data[position] == tag:
            length = data[position + 1]
            if length < 0x80:
                position += 2
            elif 0 < (high := data[position + 2]) < 0x80:
                length += (high << 7) - 0x80
                position += 3
            else:
                length, position = _long_number(data, position + 1)
            contents.append(data[position : position + length])
            position += length
        found.append(contents)
    if position != end:
        raise ValueError("another field, or one that is longer than what holds it")
    return found


def text(content: bytes | None) -> str:
    """Return the text in a field; empty where it is not there."""
    return content.decode() if content else ""


def _long_number(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[position]) > 0x7F:
        value |= (byte & 0x7F) << shift
        shift += 7
        position += 1
    if not byte or shift > 56:
        raise ValueError("a number has more bytes than it needs, or more than 63 bits")
    return value | byte << shift, position + 1
