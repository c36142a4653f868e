"""DER written by hand, for what no library writes."""

from __future__ import annotations

from network.go_der import Der


def der(tag: int, *parts: bytes) -> bytes:
    """Return an element."""
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def elements(content: Der) -> list[bytes]:
    """Return the elements in some content."""
    found = []
    while content:
        found.append(content.any_element())
    return found
