"""A reader of DER that takes and refuses what Go's takes and refuses.

Go has two such readers: cryptobyte, which most methods here are, and encoding/asn1, by which it reads revocation lists,
parameters of RSA signatures and, in Fabric, certificates whose signature it replaces: `next_tag`, `enter`, `unmarshal`.

Source: Go 1.26, golang.org/x/crypto/cryptobyte/asn1.go, encoding/asn1/asn1.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_CONSTRUCTED = 0x20
_LENGTH_BYTES_MAX = 4
_LENGTH_MAX = 1 << 31
_ARC_BYTES_MAX = 5
_ARC_MAX = 1 << 31
_HIGH_TAG = re.compile(rb"[\x1f-\x7f]|(?:[\x81-\xff][\x80-\xff]{0,2}|[\x81-\x87][\x80-\xff]{3})[\x00-\x7f]")
"""The number of a tag that has no room in its first byte: the shortest form, of 31 bits."""


class Der:
    """Bytes that are read from the front; each reading raises ValueError where they hold something else."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)

    def __bool__(self) -> bool:
        """Tell whether anything is left."""
        return len(self._data) > 0

    def __bytes__(self) -> bytes:
        """Return what is left."""
        return bytes(self._data)

    def peeks(self, tag: int) -> bool:
        """Tell whether an element of this tag comes next."""
        return len(self._data) > 0 and self._data[0] == tag

    def element(self, tag: int) -> bytes:
        """Read an element and return it with tag and length."""
        return bytes(self._element(tag)[0])

    def read(self, tag: int) -> Der:
        """Read an element and return its content."""
        whole, header = self._element(tag)
        return Der(whole[header:])

    def read_any(self) -> tuple[int, bytes]:
        """Read an element and return its tag and content."""
        if not self._data:
            raise ValueError("its DER ends too early")
        tag = self._data[0]
        return tag, bytes(self.read(tag))

    def any_element(self) -> bytes:
        """Read an element of whatever tag and return it with tag and length."""
        if not self._data:
            raise ValueError("its DER ends too early")
        return self.element(self._data[0])

    def optional(self, tag: int) -> Der | None:
        """Read an element where it comes next."""
        return self.read(tag) if self.peeks(tag) else None

    def next_tag(self) -> int | None:
        """Return the tag that comes next, None at the end; its header must be sound, whatever the element holds.

        Source: encoding/asn1, parseTagAndLength.
        """
        return self._header()[0] if self._data else None

    def enter(self, tag: int) -> bool:
        """Step into an element where it comes next; how far it goes is not heeded, but it must not be empty.

        Source: encoding/asn1, parseField, of an explicit tag: it asks for something behind whatever header comes next.
        """
        if not self._data:
            return False
        found, header, length = self._header()
        if header == len(self._data) or (not length and found in (tag, tag & ~_CONSTRUCTED)):
            raise ValueError("an element of its DER is empty")
        if found == tag:
            self._data = self._data[header:]
        return found == tag

    def unmarshal(self) -> bytes:
        """Read an element of whatever tag, also one whose number needs more than a byte, with tag and length."""
        if not self._data:
            raise ValueError("its DER ends too early")
        _, header, length = self._header()
        whole, self._data = self._data[: header + length], self._data[header + length :]
        if len(whole) < header + length:
            raise ValueError("its DER ends too early")
        return bytes(whole)

    def _header(self) -> tuple[int, int, int]:
        """Return the next element's first byte, and how long its header and its content are."""
        data, at = self._data, 1
        if data[0] & 0x1F == 0x1F:
            number = _HIGH_TAG.match(data, 1)
            if number is None:
                raise ValueError("a tag in its DER is malformed")
            at = number.end()
        if at == len(data):
            raise ValueError("its DER ends too early")
        length, at = data[at], at + 1
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            is_malformed = not 0 < size <= min(_LENGTH_BYTES_MAX, len(data) - at) or not data[at]
            if is_malformed or not 0x80 <= length < _LENGTH_MAX:
                raise ValueError("a length in its DER is malformed")
            at += size
        return data[0], at, length

    def boolean(self) -> bool:
        """Read a truth value."""
        value = bytes(self.read(0x01))
        if value not in (b"\x00", b"\xff"):
            raise ValueError("a BOOLEAN in its DER is neither")
        return value == b"\xff"

    def integer(self, tag: int = 0x02, *, bits: int | None = None) -> int:
        """Read a whole number, of so many bits at most."""
        value = bytes(self.read(tag))
        if not value or (len(value) > 1 and (value[0], value[1] >> 7) in ((0x00, 0), (0xFF, 1))):
            raise ValueError("an INTEGER in its DER is not the shortest")
        number = int.from_bytes(value, "big", signed=True)
        if bits is not None and not -1 << bits - 1 <= number < 1 << bits - 1:
            raise ValueError("an INTEGER in its DER is too large")
        return number

    def bits(self, tag: int = 0x03) -> bytes:
        """Read a string of bits, filled up with zeros."""
        return self._bits(tag)[0]

    def right_aligned_bits(self) -> bytes:
        """Read a string of bits as a number that ends with its last one."""
        value, unused = self._bits(0x03)
        return (int.from_bytes(value, "big") >> unused).to_bytes(len(value), "big") if unused else value

    def _bits(self, tag: int) -> tuple[bytes, int]:
        value = bytes(self.read(tag))
        if not value or value[0] > 7 or (value[-1] & (1 << value[0]) - 1 if len(value) > 1 else value[0]):
            raise ValueError("a BIT STRING in its DER is malformed")
        return value[1:], value[0]

    def object_identifier(self) -> str:
        """Read an object identifier and return it with dots."""
        arcs: list[int] = []
        arc = length = 0
        content = bytes(self.read(0x06))
        for part in content:
            if (length == 0 and part == 0x80) or length == _ARC_BYTES_MAX or arc >= _ARC_MAX >> 7:
                raise ValueError("an OBJECT IDENTIFIER in its DER is malformed")
            arc, length = arc << 7 | part & 0x7F, length + 1
            if not part & 0x80:
                arcs.append(arc)
                arc = length = 0
        if not content or length:
            raise ValueError("an OBJECT IDENTIFIER in its DER is malformed")
        first = min(arcs[0] // 40, 2)
        return ".".join(str(number) for number in (first, arcs[0] - 40 * first, *arcs[1:]))

    def algorithm(self, *, unmarshal: bool = False) -> tuple[str, bytes]:
        """Read an algorithm's object identifier, and its parameters where there are any."""
        kind = self.object_identifier()
        read = self.unmarshal if unmarshal else self.any_element
        return kind, read() if self else b""

    def extensions(self) -> Iterator[tuple[str, bool, bytes]]:
        """Read extensions to the end: object identifier, whether critical, value."""
        while self:
            extension = self.read(0x30)
            name = extension.object_identifier()
            critical = extension.peeks(0x01) and extension.boolean()
            yield name, critical, bytes(extension.read(0x04))

    def _element(self, tag: int) -> tuple[memoryview, int]:
        data = self._data
        if len(data) < 2 or data[0] != tag or tag & 0x1F == 0x1F:
            raise ValueError("its DER has another element than is due")
        length, header = data[1], 2
        if length & 0x80:
            header += length & 0x7F
            length = int.from_bytes(data[2:header], "big")
            if not 2 < header <= 2 + _LENGTH_BYTES_MAX or length < 0x80 or len(data) < header or not data[2]:
                raise ValueError("a length in its DER is malformed")
        if len(data) < header + length:
            raise ValueError("its DER ends too early")
        self._data = data[header + length :]
        return data[: header + length], header
