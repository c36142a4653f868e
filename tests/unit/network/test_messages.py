"""Messages are read as far as Go's library reads them; that it does, Go peers show in ``tests/interop``."""

from __future__ import annotations

import pytest
from fabric_protos.common import common_pb2, policies_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from network.messages import GROUPS_MAX, NESTED_MAX, holds_only_unknown, read_message, varint
from tests.support.calls import calls_during

ENVELOPE = common_pb2.Envelope(payload=b"payload", signature=b"signature")
KNOWN = frozenset([1, 2])


def tag(number: int, wire_type: int, length: int = 1) -> bytes:
    """Return a tag of at least so many bytes."""
    value, encoded = number << 3 | wire_type, bytearray()
    while value > 0x7F or len(encoded) < length - 1:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def groups(depth: int, number: int = 15, content: bytes = b"") -> bytes:
    return tag(number, 3) * depth + content + tag(number, 4) * depth


@pytest.mark.parametrize("depth", [1, 100, 101, 5_000, GROUPS_MAX])
@pytest.mark.parametrize(
    "content", [b"", tag(7, 0) + b"\x96\x01", tag(7, 1) + bytes(8), tag(7, 5) + bytes(4), b":\x02hi"]
)
def test_unknown_groups_are_read_over_as_deep_as_go_does(depth: int, content: bytes) -> None:
    data = ENVELOPE.SerializeToString()
    for odd in (data + groups(depth, content=content), groups(depth, 1, content) + data):
        found = read_message(common_pb2.Envelope, odd)
        assert (found.payload, found.signature) == (b"payload", b"signature")


def test_groups_are_read_over_inside_known_messages_and_values_stay() -> None:
    header = common_pb2.Header(channel_header=b"c").SerializeToString() + groups(300)
    data = b"\x0a" + tag(len(header), 0)[:0] + _length(len(header)) + header + b"\x12\x01d"
    found = read_message(common_pb2.Payload, data)
    assert (found.header.channel_header, found.data) == (b"c", b"d")


def _length(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80, value >> 7]) if value > 0x7F else bytes([value])


def test_tags_and_lengths_longer_than_needed_are_read() -> None:
    data = tag(1, 2, length=7) + b"\x84\x80\x80\x80\x80\x80\x00long" + tag(2, 2) + b"\x01s"
    found = read_message(common_pb2.Envelope, data)
    assert (found.payload, found.signature) == (b"long", b"s")


@pytest.mark.parametrize(
    "data",
    [
        groups(GROUPS_MAX + 1),
        groups(200)[:-1],
        groups(200) + tag(15, 4),
        groups(200, content=tag(9, 3) + tag(8, 4)),
        groups(200, content=tag(7, 2) + b"\x05abc"),
        groups(200, content=tag(7, 6)),
        groups(200, content=tag(0, 0) + b"\x00"),
        groups(200, content=tag(7, 0) + b"\xff" * 10),
        groups(200) + tag(1, 2) + b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        groups(200) + tag(1, 2) + b"\x05abc",
    ],
    ids=range(10),
)
def test_what_go_does_not_read_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read_message(common_pb2.Envelope, data)


@pytest.mark.parametrize(
    "data",
    [
        tag(3, 0) + b"\x80" * 9 + b"\x02",
        tag(3, 3) + tag(5, 0) + b"\x80" * 9 + b"\x02" + tag(3, 4),
    ],
    ids=range(2),
)
def test_what_only_pythons_library_reads_is_refused(data: bytes) -> None:
    common_pb2.Envelope.FromString(data)
    with pytest.raises(DecodeError):
        read_message(common_pb2.Envelope, data)


LONG_TAG = tag(5, 0, length=6) + b"\x01"
"""A field that Python's library does not read."""


@pytest.mark.parametrize(
    "small",
    [
        tag(5, 0) + b"\x01",
        tag(5, 0, length=3) + b"\x01",
        tag(1, 2) + b"\x00",
        tag(1, 2) + b"\x02\x12\x00",
        tag(1, 2) + b"\x84\x00\x12\x02\x08\x01",
        tag(5, 5) + b"1234",
        tag(5, 2) + b"\x02\xff\xff",
        tag(5, 3) + tag(5, 4),
        tag(5, 3) + tag(6, 3) + tag(7, 0) + b"\x01" + tag(6, 4) + tag(5, 4),
        tag(500, 3) + tag(500, 4, length=4),
    ],
    ids=range(10),
)
def test_small_fields_of_an_odd_message_are_not_read_one_by_one(small: bytes) -> None:
    """A transaction may have half a million of them in each MiB, and every peer must read it."""
    data = small * 5_000 + LONG_TAG
    assert calls_during(lambda: read_message(kv_rwset_pb2.KVRWSet, data)) < 500
    written = kv_rwset_pb2.KVRWSet.FromString(small)
    assert len(read_message(kv_rwset_pb2.KVRWSet, data).reads) == 5_000 * len(written.reads)


@st.composite
def odd_numbers(draw: st.DrawFn, value: int) -> bytes:
    """Write a number in more bytes than it needs, perhaps."""
    written = varint(value)
    more = draw(st.sampled_from([0, 0, 0, 1, 3, 5, 8]))
    if not more or len(written) + more > 10:
        return written
    return written[:-1] + bytes([written[-1] | 0x80]) + b"\x80" * (more - 1) + b"\x00"


UNKNOWN = st.sampled_from(
    [b"", b"\x78\x01", b"\x7b\x78\x01\x7c", b"\xfb\x01\xfc\x81\x00", LONG_TAG, b"\x7a\x05\xff\xff\xff\xff\xff"]
)


@st.composite
def odd_fields(draw: st.DrawFn, number: int, content: bytes) -> bytes:
    """Write a field of bytes with what nobody knows around it."""
    key, length = draw(odd_numbers(number << 3 | 2)), draw(odd_numbers(len(content)))
    return draw(UNKNOWN) + key + length + content + draw(UNKNOWN)


@st.composite
def odd_reads(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Write a set of reads as no library does, and as every library does."""
    odd, even = b"", kv_rwset_pb2.KVRWSet()
    for _ in range(draw(st.integers(1, 4))):
        read = even.reads.add(key=draw(st.sampled_from(["", "k", "ééééé", "k" * 26, "k" * 30, "k" * 200])))
        read.version.block_num = draw(st.sampled_from([1, 2**32, 2**64 - 1]))
        block = draw(odd_numbers(1 << 3)) + draw(odd_numbers(read.version.block_num)) + draw(UNKNOWN)
        odd += draw(odd_fields(1, draw(odd_fields(1, read.key.encode())) + draw(odd_fields(2, block))))
    return odd, even.SerializeToString()


@given(odd_reads())
def test_odd_messages_say_what_they_say_when_they_are_written_as_every_library_does(drawn: tuple[bytes, bytes]) -> None:
    odd, even = drawn
    found = read_message(kv_rwset_pb2.KVRWSet, odd)
    found.DiscardUnknownFields()
    assert found.SerializeToString() == even


@pytest.mark.parametrize(
    "inner",
    [
        # Numbers of fields that Go reads inside groups only, where Python's library does not.
        tag(4, 3) + tag(2**29, 0) + b"\x01" + tag(4, 4),
        tag(4, 3) + tag(2**31 - 1, 0) + b"\x01" + tag(4, 4),
    ],
    ids=range(2),
)
def test_groups_in_short_messages_are_read_as_go_reads_them(inner: bytes) -> None:
    found = read_message(kv_rwset_pb2.KVRWSet, b"\x0a" + varint(len(inner)) + inner)
    assert len(found.reads) == 1


@pytest.mark.parametrize("inner", [tag(4, 3), tag(4, 4), tag(4, 3) + tag(5, 4), tag(0, 0) + b"\x01"], ids=range(4))
@pytest.mark.parametrize("beside", [b"", LONG_TAG, groups(101)], ids=range(3))
def test_groups_in_short_messages_end_in_them(inner: bytes, beside: bytes) -> None:
    with pytest.raises(DecodeError):
        read_message(kv_rwset_pb2.KVRWSet, beside + b"\x0a" + varint(len(inner)) + inner + beside)


def rule_in_gates(count: int, rule: bytes = b"\x08\x05", before: bytes = b"") -> bytes:
    """Return a policy of one rule inside so many gates."""
    for _ in range(count):
        gate = before + b"\x08\x01\x12" + varint(len(rule)) + rule
        rule = b"\x12" + varint(len(gate)) + gate
    return b"\x12" + varint(len(rule)) + rule


GATES_MAX = NESTED_MAX // 2 - 1


@pytest.mark.parametrize("count", [49, 50, 60, 2_000, GATES_MAX])
@pytest.mark.parametrize("before", [b"", tag(1, 0, length=7) + b"\x02", groups(3), b"\x7a\x01x"], ids=range(4))
def test_messages_are_read_inside_one_another_as_deep_as_go_does(count: int, before: bytes) -> None:
    found = read_message(policies_pb2.SignaturePolicyEnvelope, rule_in_gates(count, before=before))
    rule = found.rule
    for _ in range(count):
        assert rule.n_out_of.n == 1
        [rule] = rule.n_out_of.rules
    assert rule.signed_by == 5


def test_what_is_deep_inside_and_written_in_pieces_is_one() -> None:
    """Two pieces of a gate are one gate, unless another kind of rule stands between them."""
    first, second = b"\x12\x06\x08\x01\x12\x02\x08\x05", b"\x12\x06\x08\x02\x12\x02\x08\x06"
    one = read_message(policies_pb2.SignaturePolicyEnvelope, rule_in_gates(60, first + second))
    assert one.SerializeToString() == rule_in_gates(60, b"\x12\x0a\x08\x02\x12\x02\x08\x05\x12\x02\x08\x06")
    last = read_message(policies_pb2.SignaturePolicyEnvelope, rule_in_gates(60, first + b"\x08\x03" + second))
    assert last.SerializeToString() == rule_in_gates(60, second)


@pytest.mark.parametrize(
    "data",
    [
        rule_in_gates(GATES_MAX + 1),
        rule_in_gates(60, b"\x12\x05\x08\x05"),
        rule_in_gates(49, tag(3, 0) + b"\x80" * 9 + b"\x02"),
        rule_in_gates(60, tag(3, 0) + b"\x80" * 9 + b"\x02"),
    ],
    ids=range(4),
)
def test_what_go_does_not_read_deep_inside_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read_message(policies_pb2.SignaturePolicyEnvelope, data)


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=20))
def test_what_every_library_writes_is_read_as_it_is(channel: bytes, signer: bytes, data: bytes) -> None:
    header = common_pb2.Header(channel_header=channel, signature_header=signer)
    payload = common_pb2.Payload(header=header, data=data)
    assert read_message(common_pb2.Payload, payload.SerializeToString()) == payload


@pytest.mark.parametrize(
    ("data", "holds"),
    [
        (b"", True),
        (groups(300), True),
        (tag(3, 0) + b"\x05" + groups(2) + tag(9, 2) + b"\x01x", True),
        (tag(1, 0) + b"\x05", True),
        (tag(1, 2) + b"\x01x", False),
        (tag(9, 0, length=2) + b"\x05", False),
        (tag(9, 2) + b"\x05x", False),
        (tag(9, 0) + b"\x05" + tag(2, 2) + b"\x01x", False),
        (tag(9, 3, length=2) + tag(9, 4), False),
        (tag(9, 3) + tag(8, 0, length=2) + b"\x01" + tag(9, 4, length=9), True),
        (tag(900, 3, length=7) + tag(900, 4), False),
        (tag(9, 0) + b"\x05" + tag(9, 3), False),
    ],
)
def test_rest_of_an_envelope_is_as_go_writes_it_or_not(data: bytes, *, holds: bool) -> None:
    assert holds_only_unknown(data, KNOWN) == holds
