"""Header compression against the examples of RFC 7541, appendix C, and against hostile blocks.

Aim: each example decodes to what the RFC says, with the dynamic table carried from one to the next; no block costs
more than its bytes. Method: the RFC's bytes as they are printed there.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network.rpc.http2 import huffman
from network.rpc.http2.frames import ErrorCode, ProtocolError
from network.rpc.http2.hpack import LIST_BYTES_MAX, Decoder, Fields, HeaderListTooLargeError, encode


def decoder() -> Decoder[Fields]:
    return Decoder(lambda fields: fields)


REQUESTS = [
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")],
    [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"www.example.com"),
        (b"cache-control", b"no-cache"),
    ],
    [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/index.html"),
        (b":authority", b"www.example.com"),
        (b"custom-key", b"custom-value"),
    ],
]


@pytest.mark.parametrize(
    "blocks",
    [
        (
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ),
        (
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ),
    ],
    ids=["C.3 plain", "C.4 Huffman"],
)
def test_requests_of_the_rfc_decode_in_their_order(blocks: tuple[str, ...]) -> None:
    decoding = decoder()
    for block, fields in zip(blocks, REQUESTS, strict=True):
        assert list(decoding.decode(bytes.fromhex(block))) == fields


@pytest.mark.parametrize(
    ("block", "field"),
    [
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", (b"custom-key", b"custom-header")),
        ("040c2f73616d706c652f70617468", (b":path", b"/sample/path")),
        ("100870617373776f726406736563726574", (b"password", b"secret")),
        ("82", (b":method", b"GET")),
    ],
    ids=["C.2.1", "C.2.2", "C.2.3", "C.2.4"],
)
def test_single_fields_of_the_rfc_decode(block: str, field: tuple[bytes, bytes]) -> None:
    assert decoder().decode(bytes.fromhex(block)) == (field,)


def test_large_integer_of_the_rfc_is_read() -> None:
    """C.1.2: 1337 with a prefix of five bits, here as a table size, which is within the limit."""
    assert decoder().decode(bytes.fromhex("3f9a0a")) == ()


def test_entries_leave_the_table_from_its_end() -> None:
    decoding = decoder()
    for number in range(100):
        decoding.decode(b"\x40" + b"\x03key" + b"\x64" + str(number).encode().rjust(100, b"0"))
    newest, oldest = 62, 62 + 4_096 // 135 - 1
    assert decoding.decode(bytes((0x80 | newest,)))[0][1].endswith(b"99")
    assert decoding.decode(bytes((0x80 | oldest,)))[0][1].endswith(b"70")
    with pytest.raises(ProtocolError):
        decoding.decode(bytes((0x80 | oldest + 1,)))


def test_repeated_block_changes_its_meaning_with_the_table() -> None:
    """What is remembered of a block must be forgotten when the table changes."""
    decoding = decoder()
    decoding.decode(b"\x40\x01a\x011")
    assert decoding.decode(b"\xbe") == ((b"a", b"1"),)
    assert decoding.decode(b"\xbe") == ((b"a", b"1"),)
    decoding.decode(b"\x40\x01b\x012")
    assert decoding.decode(b"\xbe") == ((b"b", b"2"),)
    decoding.decode(b"\x20")
    with pytest.raises(ProtocolError):
        decoding.decode(b"\xbe")


def test_too_large_list_leaves_the_table_usable() -> None:
    decoding = decoder()
    with pytest.raises(HeaderListTooLargeError):
        decoding.decode(b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4_000 + b"\xbe" * (LIST_BYTES_MAX // 4_000 + 1))
    assert decoding.decode(b"\xbe") == ((b"x", b"y" * 4_000),)


FIELD = st.tuples(st.binary(max_size=200), st.binary(max_size=200))


@given(st.lists(FIELD, max_size=20))
def test_what_is_encoded_decodes_to_itself(fields: list[tuple[bytes, bytes]]) -> None:
    assert list(decoder().decode(encode(*fields))) == fields


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_blocks_decode_or_are_refused(blocks: list[bytes]) -> None:
    decoding = decoder()
    for block in blocks:
        try:
            decoding.decode(block)
        except ProtocolError as error:
            assert error.code is ErrorCode.COMPRESSION_ERROR
            return
        except HeaderListTooLargeError:
            continue


@given(st.binary(max_size=100))
def test_any_bytes_are_a_huffman_string_or_refused(encoded: bytes) -> None:
    try:
        decoded = huffman.decode(encoded)
    except ProtocolError:
        return
    assert len(decoded) <= len(encoded) * 8 // 5


def test_lengths_of_the_huffman_codes_are_those_of_a_complete_code() -> None:
    """Kraft's sum is exactly one; a mistyped length would change it."""
    assert sum(2 ** (30 - length) for length in huffman.LENGTHS) == 2**30
    assert len(huffman.LENGTHS) == 257
