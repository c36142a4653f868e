"""Header compression: a decoder for what peers send, and the few forms we send ourselves.

Rules
- Decoding costs at most one step for each byte of a block: fields beyond the list limit are counted, not kept, so a
  small block that repeats a large table entry cannot fill the memory.
- What repeats is decoded once: a whole block, as long as the dynamic table has not changed, and Huffman strings.
- We never use the dynamic table or Huffman when sending: our heads are constants, made once.

Source: RFC 7541.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from network.rpc.http2 import huffman
from network.rpc.http2.frames import ErrorCode, ProtocolError

Fields = tuple[tuple[bytes, bytes], ...]
Head = TypeVar("Head")

LIST_BYTES_MAX = 64 * 1024
"""Largest header list accepted, counted as HPACK counts: names, values and 32 bytes for each field."""

TABLE_BYTES = 4_096
"""Size of the dynamic table peers may use: the protocol's default, never changed by us."""

NO_TABLE = b"\x20"
"""Dynamic table size update to 0; begins the first block after a peer lowered its table, which we do not use."""

_FIELD_OVERHEAD = 32
_MEMO_ENTRIES = 512
_MEMO_BYTES = 1_024
_INTEGER_MAX = 2**28

_STATIC_TEXT = """
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
"""
_STATIC: list[tuple[bytes, bytes]] = [(b"", b"")] + [
    (name.encode(), value.encode())
    for name, _, value in (line.partition(" ") for line in _STATIC_TEXT.strip().splitlines())
]
"""The static table, by index from 1."""

_DYNAMIC_FIRST = len(_STATIC)


class HeaderListTooLargeError(Exception):
    """A header list exceeds ``LIST_BYTES_MAX``; the decoder stays usable."""


class Decoder(Generic[Head]):
    """Decodes the header blocks of one connection, in their order.

    Args:
        judge: makes of a list of fields what the caller wants to know; called once for blocks that repeat.
    """

    def __init__(self, judge: Callable[[Fields], Head]) -> None:
        self._judge = judge
        self._dynamic: deque[tuple[bytes, bytes]] = deque()
        self._dynamic_bytes = 0
        self._limit = TABLE_BYTES
        self._blocks: dict[bytes, Head] = {}
        self._strings: dict[bytes, bytes] = {}
        self._table_changed = False

    def decode(self, block: bytes) -> Head:
        """Return what a block says.

        Raises:
            HeaderListTooLargeError: too many or too large fields; the block has been taken in for the table.
            ProtocolError: the block is malformed; the connection cannot go on.
        """
        known = self._blocks.get(block)
        if known is not None:
            return known
        self._table_changed = False
        try:
            head = self._judge(self._fields(block))
        except IndexError:
            raise ProtocolError(ErrorCode.COMPRESSION_ERROR, "a header block ends within a field") from None
        if self._table_changed:
            self._blocks.clear()
        elif len(block) <= _MEMO_BYTES:
            if len(self._blocks) >= _MEMO_ENTRIES:
                self._blocks.clear()
            self._blocks[block] = head
        return head

    def _fields(self, block: bytes) -> Fields:
        fields: list[tuple[bytes, bytes]] = []
        total = at = 0
        end = len(block)
        while at < end:
            byte = block[at]
            if byte & 0x80:
                index, at = _integer(block, at, 0x7F)
                field = self._entry(index)
            elif byte & 0xE0 == 0x20:
                if fields or total:
                    raise ProtocolError(ErrorCode.COMPRESSION_ERROR, "the table size changes after the first field")
                at = self._resize(block, at)
                continue
            else:
                index, at = _integer(block, at, 0x3F if byte & 0x40 else 0x0F)
                if index:
                    name = self._entry(index)[0]
                else:
                    name, at = self._string(block, at)
                value, at = self._string(block, at)
                field = (name, value)
                if byte & 0x40:
                    self._insert(field)
            total += len(field[0]) + len(field[1]) + _FIELD_OVERHEAD
            if total <= LIST_BYTES_MAX:
                fields.append(field)
        if total > LIST_BYTES_MAX:
            if self._table_changed:
                self._blocks.clear()
            raise HeaderListTooLargeError
        return tuple(fields)

    def _entry(self, index: int) -> tuple[bytes, bytes]:
        if 0 < index < _DYNAMIC_FIRST:
            return _STATIC[index]
        if index == 0 or index - _DYNAMIC_FIRST >= len(self._dynamic):
            raise ProtocolError(ErrorCode.COMPRESSION_ERROR, "a field names an entry the table does not have")
        return self._dynamic[index - _DYNAMIC_FIRST]

    def _insert(self, field: tuple[bytes, bytes]) -> None:
        self._table_changed = True
        self._dynamic.appendleft(field)
        self._dynamic_bytes += len(field[0]) + len(field[1]) + _FIELD_OVERHEAD
        self._evict()

    def _resize(self, block: bytes, at: int) -> int:
        size, at = _integer(block, at, 0x1F)
        if size > TABLE_BYTES:
            raise ProtocolError(ErrorCode.COMPRESSION_ERROR, "the table is made larger than allowed")
        self._table_changed = True
        self._limit = size
        self._evict()
        return at

    def _evict(self) -> None:
        while self._dynamic_bytes > self._limit:
            name, value = self._dynamic.pop()
            self._dynamic_bytes -= len(name) + len(value) + _FIELD_OVERHEAD

    def _string(self, block: bytes, at: int) -> tuple[bytes, int]:
        encoded_by_huffman = block[at] & 0x80
        size, at = _integer(block, at, 0x7F)
        end = at + size
        if end > len(block):
            raise IndexError
        raw = block[at:end]
        if not encoded_by_huffman:
            return raw, end
        string = self._strings.get(raw)
        if string is None:
            string = huffman.decode(raw)
            if len(raw) <= _MEMO_BYTES:
                if len(self._strings) >= _MEMO_ENTRIES:
                    self._strings.clear()
                self._strings[raw] = string
        return string, end


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """Return the integer whose first bits are those of ``mask``, and where the next byte is."""
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    shift = 0
    while True:
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        shift += 7
        if value > _INTEGER_MAX or shift > 35:
            raise ProtocolError(ErrorCode.COMPRESSION_ERROR, "an integer in a header block is too large")
        if not byte & 0x80:
            return value, at


_INDEX_OF_NAME = {name: index for index, (name, _) in reversed(list(enumerate(_STATIC))) if index}
_INDEX_OF_FIELD = {field: index for index, field in enumerate(_STATIC) if field[1]}


def encode(*fields: tuple[bytes, bytes]) -> bytes:
    """Return a block of ``fields`` that any decoder reads the same, whatever its table holds."""
    block = bytearray()
    for name, value in fields:
        if (whole := _INDEX_OF_FIELD.get((name, value))) is not None:
            block.append(0x80 | whole)
            continue
        index = _INDEX_OF_NAME.get(name)
        if index is None:
            block.append(0)
            block += _encoded_string(name)
        else:
            block += _encoded_integer(index, 0x0F)
        block += _encoded_string(value)
    return bytes(block)


def _encoded_string(value: bytes) -> bytes:
    return _encoded_integer(len(value), 0x7F) + value


def _encoded_integer(value: int, mask: int) -> bytes:
    if value < mask:
        return bytes((value,))
    encoded = bytearray((mask,))
    value -= mask
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
