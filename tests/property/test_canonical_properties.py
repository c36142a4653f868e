"""Aim: what is read in the one layout that every library writes is what ``read_message`` would have read.

Method: an unknown field before a message makes the short way give up and changes nothing else, so both ways can be
asked about the same bytes. Transactions are put together part by part, ids and hashes as they must be, with one part
drawn to be written oddly: fields left out, twice, in another order, unknown, numbers padded, a byte changed. What a
real Fabric network wrote must be read the short way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from fabric_protos.peer import proposal_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from network.canonical import REFUSED, fields, repeated
from network.canonical_transaction import read_canonical
from network.envelope import VALID, parse_transaction
from network.errors import WireError
from network.messages import varint
from network.proposal import canonical_chaincode, compute_tx_id, new_proposal, parse_proposal, signed_proposal
from network.rwset import TxRwset, parse_rwset
from tests.support.calls import calls_during
from tests.support.captured import NETWORKS, endorsed_envelopes
from tests.support.consortium_in_memory import START

UNKNOWN = b"\xfa\x01\x00"
CREATOR, NONCE = b"\x0a\x03Org\x12\x04cert" * 20, bytes(24)

Fields = list[tuple[int, bytes | int]]


def padded(value: int) -> bytes:
    return varint(value)[:-1] + bytes([varint(value)[-1] | 0x80]) + b"\x00"


def written(parts: Fields, number: Callable[[int], bytes] = varint) -> bytes:
    return b"".join(
        varint(tag) + (number(value) if isinstance(value, int) else number(len(value)) + value) for tag, value in parts
    )


class Writer:
    """Writes messages, one of them oddly."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.odd = data.draw(st.integers(0, 40), label="odd message")
        self.count = 0

    def __call__(self, *parts: tuple[int, bytes | int]) -> bytes:
        self.count += 1
        # Libraries write no empty texts and no numbers that are 0; an empty message is written, with a tag of its own.
        kept = [part for part in parts if part[1] or part[0] == 0]
        if self.count != self.odd:
            return written(kept)
        return self.oddly(list(parts), kept)

    def oddly(self, all_parts: Fields, kept: Fields) -> bytes:
        draw = self.data.draw
        ways = ("empty", "drop", "twice", "order", "unknown", "padded", "byte", "cut", "number", "text", "as number")
        way = draw(st.sampled_from(ways), label="way")
        place = draw(st.integers(0, max(len(kept) - 1, 0)), label="place")
        content = written(kept)
        if way == "empty":
            return written(all_parts)
        if way == "unknown":
            tag = draw(st.sampled_from([8, 10, 26, 34, 42, 50, 56, 74, 2, 7, 13, 130]))
            return written([*kept[:place], (tag, 1 if tag & 7 == 0 else b"x"), *kept[place:]])
        if way == "padded":
            return written(kept, padded)
        if not kept:
            return content
        if way == "drop":
            return written(kept[:place] + kept[place + 1 :])
        if way == "twice":
            return written(kept[: place + 1] + kept[place:])
        if way == "order":
            return written(draw(st.permutations(kept)))
        if way == "cut":
            return content[: draw(st.integers(0, len(content)))]
        if way == "byte":
            at = draw(st.integers(0, len(content) - 1))
            return content[:at] + bytes([draw(st.integers(0, 255))]) + content[at + 1 :]
        tag = kept[place][0]
        value: bytes | int = draw(st.sampled_from([1, 127, 128, 300, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64]))
        if way == "text":
            value = draw(
                st.sampled_from([b"\xff", b"\xff", b"", b"\xed\xa0\x80", "é\0".encode(), b"x" * 130, b"y" * 20_000])
            )
        if way == "as number":
            tag ^= 2
        return written([*kept[:place], (tag, value), *kept[place + 1 :]])


def drawn_rwset(write: Writer) -> bytes:
    draw = write.data.draw
    version = write((8, draw(st.sampled_from([0, 1, 300, 2**63 - 1, 2**64 - 1]))), (16, draw(st.integers(0, 200))))
    reads = [write((10, b"key"), (18, version)), write((10, "schlüssel".encode()))]
    # A version (0, 0) is an empty message and not the same as none.
    reads.append(b"\x0a\x01k\x12\x00")
    writes = [write((10, b"key"), (26, bytes(draw(st.sampled_from([0, 5, 200, 20_000]))))), write((10, b"z"), (16, 1))]
    rest = [
        (18, written([(10, b"a"), (18, b"b"), (24, 1), (34, written([(10, reads[0])]))])),
        (34, b"\x0a\x01k\x12\x04\x0a\x02id"),
    ]
    some = draw(st.sampled_from([[], [], [], [], rest[:1], rest[1:]]), label="queries or metadata")
    public: Fields = [*((10, read) for read in reads), *some, *((26, item) for item in writes)]
    spaces = [
        write((10, name), (18, write(*sorted(public, key=lambda part: part[0]))))
        for name in draw(st.lists(st.sampled_from([b"cc", b"_lifecycle", b"lscc"]), max_size=2))
    ]
    if not draw(st.integers(0, 4)):
        hashed = written([(18, written([(10, bytes(32)), (18, bytes(32))]))])
        collection = written([(10, b"c"), (18, hashed), (26, bytes(32))])
        spaces.append(write((10, b"private"), (18, b""), (26, collection)))
    return write(*((18, space) for space in spaces))


def drawn_transaction(write: Writer) -> bytes:
    draw = write.data.draw
    name = draw(st.sampled_from([b"cc"] * 8 + [b"", b"other"]))
    called = write((18, write((18, b"cc"))))
    moment = write((8, draw(st.sampled_from([0, 1_790_000_000, 2**62]))), (16, draw(st.sampled_from([0, 1, 10**9]))))
    tx_id = compute_tx_id(NONCE, CREATOR).encode()
    kind = draw(st.sampled_from([3] * 8 + [1, 2, 6]))
    channel_header = write(
        (8, kind), (16, 1), (26, moment), (34, b"anchors"), (42, tx_id), (48, 0), (58, called), (66, b"")
    )
    signature_header = write((10, CREATOR), (18, NONCE))
    event = b""
    if draw(st.booleans()):
        # Nobody asks for id and name in an event, but one that is no text makes it unreadable.
        id_in_event, named = (draw(st.sampled_from([content] * 8 + [b"\xff"])) for content in (tx_id, b"Happened"))
        invoker = draw(st.sampled_from([b"cc"] * 8 + [b"other"]))
        event = write((10, invoker), (18, id_in_event), (26, named), (34, b"payload"))
    response = write((8, 200), (18, b"well"), (26, b"answer"))
    invoked = write((10, b"path"), (18, name), (26, b"1.0"))
    action = write((10, drawn_rwset(write)), (18, event), (26, response), (34, invoked))
    proposal = write((10, b"input"))
    hashed = hashlib.sha256(channel_header + signature_header + proposal).digest()
    endorsed = write((10, hashed), (18, action))
    endorsements = [write((10, b"endorser" * 100), (18, b"signature")) for _ in range(draw(st.integers(0, 2)))]
    actions = write((10, endorsed), *((18, item) for item in endorsements))
    action_payload = write((10, proposal), (18, actions))
    transaction = write((10, write((10, signature_header), (18, action_payload))))
    header = write((10, channel_header), (18, signature_header))
    return write((10, write((10, header), (18, transaction))), (18, b"signature"))


def drawn_proposal(write: Writer) -> bytes:
    draw = write.data.draw
    tx_id = compute_tx_id(NONCE, CREATOR).encode()
    kind = draw(st.sampled_from([3] * 8 + [1, 6]))
    moment = write((8, draw(st.sampled_from([0, 1_790_000_000, 2**62]))), (16, draw(st.sampled_from([0, 1, 10**9]))))
    called = write((18, write((10, b"path"), (18, b"cc"), (26, b"1"))))
    channel_header = write(
        (8, kind), (16, 1), (26, moment), (34, b"anchors"), (42, tx_id), (48, 0), (58, called), (66, b"hash")
    )
    signature_header = write((10, CREATOR), (18, NONCE))
    header = write((10, channel_header), (18, signature_header))
    first = draw(st.sampled_from([0] * 8 + [1]))
    arguments = write((10, b"Function"), (10, bytes(draw(st.sampled_from([0, 5, 200, 20_000])))), (24, first))
    spec = write((10, write((8, 1), (18, write((18, b"cc"))), (26, arguments), (32, 5))))
    keys = draw(st.lists(st.sampled_from([b"a", b"b", b""]), max_size=2))
    entries = [write((10, key), (18, b"secret")) for key in keys]
    payload = write((10, spec), *((18, entry) for entry in entries))
    return write((10, write((10, header), (18, payload))), (18, b"signature"))


def proposal_or_error(signed: bytes) -> str:
    try:
        read = parse_proposal(signed)
        # Protobuf's maps have no order.
        return repr(read._replace(signed_proposal=b"", transient=dict(sorted(read.transient.items()))))
    except WireError as error:
        return f"{type(error).__name__}: {error}"


def rwset_or_error(results: bytes) -> TxRwset | str:
    try:
        return parse_rwset(results)
    except WireError as error:
        return str(error)


def assert_both_ways_agree(envelope: bytes) -> None:
    for with_rwset in (True, False):
        judged = parse_transaction(UNKNOWN + envelope, with_rwset=with_rwset)._replace(envelope=envelope)
        # Written out, since to Python a True is a 1.
        assert repr(parse_transaction(envelope, with_rwset=with_rwset)) == repr(judged)


# There are some forty messages in one, a dozen ways to write each oddly, and up to seven fields to do it to.
@settings(max_examples=2_000)
@given(st.data())
def test_any_transaction_is_read_alike_both_ways(data: st.DataObject) -> None:
    assert_both_ways_agree(drawn_transaction(Writer(data)))


@settings(max_examples=1_000)
@given(st.data())
def test_any_proposal_is_read_alike_both_ways(data: st.DataObject) -> None:
    signed = drawn_proposal(Writer(data))
    assert proposal_or_error(signed) == proposal_or_error(UNKNOWN + signed)


@given(st.lists(st.binary(max_size=200), max_size=3), st.booleans())
def test_proposals_of_clients_are_read_without_protobuf(args: list[bytes], private: bool) -> None:
    transient = {"a": b"secret"} if private else {}
    _, proposal = new_proposal("anchors", "cc", args, CREATOR, NONCE, START, transient)
    signed = signed_proposal(proposal, b"signature")
    assert calls_during(lambda: parse_proposal(signed), "unmarshal") == 0
    assert proposal_or_error(signed) == proposal_or_error(UNKNOWN + signed)


@given(st.data())
def test_any_set_is_read_alike_both_ways(data: st.DataObject) -> None:
    results = drawn_rwset(Writer(data))
    assert repr(rwset_or_error(results)) == repr(rwset_or_error(UNKNOWN + results))


@pytest.mark.parametrize("network", NETWORKS)
def test_what_fabric_wrote_is_read_the_short_way_and_alike(network: str) -> None:
    for _, _, envelope in endorsed_envelopes(network):
        assert read_canonical(envelope, with_rwset=True) is not None
        assert parse_transaction(envelope).flag == VALID
        assert_both_ways_agree(envelope)
        results = proposal_pb2.ChaincodeAction.FromString(parse_transaction(envelope).action).results
        assert repr(parse_rwset(results)) == repr(parse_rwset(UNKNOWN + results))


@given(st.data())
def test_captured_transactions_changed_in_one_byte_are_read_alike_both_ways(data: st.DataObject) -> None:
    envelopes = [envelope for _, _, envelope in endorsed_envelopes("bft")]
    envelope = bytearray(data.draw(st.sampled_from(envelopes)))
    envelope[data.draw(st.integers(0, len(envelope) - 1))] = data.draw(st.integers(0, 255))
    assert_both_ways_agree(bytes(envelope))


@pytest.mark.parametrize("tag", [10, 18, 26])
def test_text_that_is_not_utf8_makes_its_message_unreadable_though_nobody_asks_for_it(tag: int) -> None:
    content = written([(number, b"\xff" if number == tag else b"ab") for number in (10, 18, 26)])
    with pytest.raises(REFUSED):
        canonical_chaincode(content)


@pytest.mark.parametrize(
    "odd",
    [
        b"\x12\x01a\x0a\x01b",
        b"\x0a\x01a\x0a\x01b\x12\x01c",
        b"\x0a\x81\x00a",
        b"\x0a\x81\x80\x00a",
        b"\x0a\x02a",
        b"\x0a\x01a\x1a\x00",
        b"\x0a",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x8a\x00\x01a",
        b"\x08\x01",
    ],
)
def test_other_layouts_are_refused(odd: bytes) -> None:
    with pytest.raises(REFUSED):
        fields(odd, b"\x0a\x12")
    if odd[:6] != b"\x0a\x01a\x0a\x01b":
        with pytest.raises(REFUSED):
            repeated(odd, b"\x0a\x12")
