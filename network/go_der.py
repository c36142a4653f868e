"""A reader of DER that takes and refuses what Go's takes and refuses.

Source: Go 1.26, golang.org/x/crypto/cryptobyte/asn1.go.
"""

from __future__ import annotations

from collections.abc import Iterator

_LENGTH_BYTES_MAX = 4
_ARC_BYTES_MAX = 5
_ARC_MAX = 1 << 31


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

        Source: Go 1.26, encoding/asn1 (parseTagAndLength).
        """
        data = self._data
        if not data:
            return None
        at = 1
        if data[0] & 0x1F == 0x1F:
            number = 0
            while at < len(data) and (data[at] & 0x80 or at == 1):
                number, at = number << 7 | data[at] & 0x7F, at + 1
                if number == 0 or number >= _ARC_MAX >> 7 or not data[at - 1] & 0x80:
                    break
            if at == 1 or data[at - 1] & 0x80 or number < 0x1F:
                raise ValueError("a tag in its DER is malformed")
        if at == len(data):
            raise ValueError("its DER ends too early")
        if data[at] & 0x80:
            size = data[at] & 0x7F
            length = bytes(data[at + 1 : at + 1 + size])
            is_short = int.from_bytes(length, "big") < 0x80
            if not 0 < size <= _LENGTH_BYTES_MAX or len(length) < size or not length[0] or is_short:
                raise ValueError("a length in its DER is malformed")
        return data[0]

    def enter(self, tag: int) -> bool:
        """Step into an element where it comes next; how far it goes is not heeded, but it must not be empty.

        Source: Go 1.26, encoding/asn1 (parseField, of an explicit tag).
        """
        if self.next_tag() != tag:
            return False
        size = self._data[1] & 0x7F if self._data[1] & 0x80 else 0
        if not self._data[1]:
            raise ValueError("an element of its DER is empty")
        self._data = self._data[2 + size :]
        return True

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

    def algorithm(self) -> tuple[str, bytes]:
        """Read an algorithm's object identifier, and its parameters where there are any."""
        kind = self.object_identifier()
        return kind, self.any_element() if self else b""

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
