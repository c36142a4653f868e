"""The Huffman code of HPACK, decoded four bits at a time.

The code is canonical: codes of one length are consecutive, in the order of their symbols. So the lengths say it all.

Source: RFC 7541, section 5.2 and appendix B.
"""

from __future__ import annotations

from network.rpc.http2.frames import ErrorCode, ProtocolError

# fmt: off
LENGTHS = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28,
    28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15,
    6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22,
    20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23,
    23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22,
    22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26,
    27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27,
    26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
)
# fmt: on
"""Bits in the code of each byte, and of the end-of-string symbol, which no string may contain."""

_END_OF_STRING = 256


class _Node:
    """A place in the code's tree: ``children`` by next bit; a leaf has a ``symbol``."""

    def __init__(self, depth: int, padding: bool) -> None:
        self.children: dict[int, _Node] = {}
        self.symbol: int | None = None
        self.state = -1
        # A string may end here: what was read since the last symbol are fewer than eight bits, all ones.
        self.accepting = padding and depth < 8
        self.depth, self.padding = depth, padding


def _tree() -> _Node:
    root = _Node(0, padding=True)
    code = length = 0
    for symbol in sorted(range(257), key=lambda symbol: (LENGTHS[symbol], symbol)):
        code <<= LENGTHS[symbol] - length
        length = LENGTHS[symbol]
        node = root
        for place in range(length - 1, -1, -1):
            bit = code >> place & 1
            if bit not in node.children:
                node.children[bit] = _Node(node.depth + 1, node.padding and bit == 1)
            node = node.children[bit]
        node.symbol = symbol
        code += 1
    return root


def _table() -> tuple[list[tuple[int, bytes]], list[bool]]:
    """Return the steps by ``state * 16 + nibble`` (next state or -1, bytes read), and which states may be the last."""
    root = _tree()
    states = [root]
    root.state = 0
    steps: list[tuple[int, bytes]] = []
    for node in states:  # grows while it is walked
        for nibble in range(16):
            place, read = node, b""
            failed = False
            for bit in (nibble >> 3 & 1, nibble >> 2 & 1, nibble >> 1 & 1, nibble & 1):
                place = place.children[bit]
                if place.symbol == _END_OF_STRING:
                    failed = True
                    break
                if place.symbol is not None:
                    read += bytes((place.symbol,))
                    place = root
            if not failed and place.state < 0:
                place.state = len(states)
                states.append(place)
            steps.append((-1, b"") if failed else (place.state, read))
    return steps, [node.accepting for node in states]


_STEPS, _ACCEPTING = _table()


def decode(encoded: bytes) -> bytes:
    """Return the string behind its Huffman form.

    Raises:
        ProtocolError: a code or the padding is invalid.
    """
    state = 0
    parts: list[bytes] = []
    for byte in encoded:
        state, read = _STEPS[state << 4 | byte >> 4]
        if state >= 0:
            if read:
                parts.append(read)
            state, read = _STEPS[state << 4 | byte & 15]
            if read:
                parts.append(read)
        if state < 0:
            raise ProtocolError(ErrorCode.COMPRESSION_ERROR, "a Huffman string contains the end-of-string symbol")
    if not _ACCEPTING[state]:
        raise ProtocolError(ErrorCode.COMPRESSION_ERROR, "the padding of a Huffman string is wrong")
    return b"".join(parts)
