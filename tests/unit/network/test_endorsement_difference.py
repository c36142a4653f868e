"""What sets two endorsements apart: each kind of read, write and answer, and nothing else.

Method: payloads as peers make them, one of which is changed in one place.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from fabric_protos.peer import proposal_response_pb2

from network.endorsement_difference import ABSENT, DELETED, VALUE_BYTES_SHOWN, differences
from network.explanation import Difference
from network.proposal import chaincode_event, proposal_response_payload
from network.rwset import (
    HashedCollection,
    HashedMetadataWrite,
    HashedRead,
    HashedWrite,
    KvMetadataWrite,
    KvRead,
    KvWrite,
    MerkleSummary,
    NamespaceRwset,
    RangeQuery,
    TxRwset,
    Version,
    serialize_rwset,
)

HASH = hashlib.sha256(b"secret").digest()
COLLECTION = HashedCollection(
    "bilateral",
    reads=(HashedRead(HASH, Version(2, 0)),),
    writes=(HashedWrite(HASH, HASH),),
    metadata_writes=(HashedMetadataWrite(HASH, (("policy", b"one"),)),),
)
NAMESPACE = NamespaceRwset(
    "basic",
    reads=(KvRead("alice", Version(4, 1)), KvRead("bob", None)),
    range_queries=(RangeQuery("a", "c", True, reads=(KvRead("alice", Version(4, 1)),)),),
    writes=(KvWrite("alice", b"100"),),
    metadata_writes=(KvMetadataWrite("alice", (("policy", b"one"),)),),
    collections=(COLLECTION,),
)


def payload(
    namespace: NamespaceRwset = NAMESPACE,
    *,
    proposal: bytes = b"hash",
    event: bytes = chaincode_event("basic", "tx", "Paid", b"100"),
    answer: bytes = b"ok",
    version: str = "1.0",
) -> bytes:
    response = proposal_response_pb2.Response(status=200, payload=answer)
    results = serialize_rwset(TxRwset((namespace,)))
    return proposal_response_payload(proposal, results, event, response, "basic", version)


def private(**changes: Any) -> NamespaceRwset:
    return NAMESPACE._replace(collections=(COLLECTION._replace(**changes),))


def test_equal_endorsements_do_not_differ() -> None:
    assert differences(payload(), payload()) == ()


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (
            payload(NAMESPACE._replace(reads=(KvRead("alice", Version(5, 0)), KvRead("bob", None)))),
            Difference("read", "basic", "", "alice", "version 4:1", "version 5:0"),
        ),
        (
            payload(NAMESPACE._replace(reads=(KvRead("alice", Version(4, 1)), KvRead("bob", Version(0, 0))))),
            Difference("read", "basic", "", "bob", "no such key", "version 0:0"),
        ),
        (
            payload(NAMESPACE._replace(reads=NAMESPACE.reads[:1])),
            Difference("read", "basic", "", "bob", "no such key", ABSENT),
        ),
        (
            payload(NAMESPACE._replace(range_queries=(RangeQuery("a", "c", True),))),
            Difference("range", "basic", "", "a to c", "1 results: alice version 4:1", "0 results: "),
        ),
        (
            payload(NAMESPACE._replace(writes=(KvWrite("alice", b"101"),))),
            Difference("write", "basic", "", "alice", "100", "101"),
        ),
        (
            payload(NAMESPACE._replace(writes=(KvWrite("alice", b"", is_delete=True),))),
            Difference("write", "basic", "", "alice", "100", DELETED),
        ),
        (
            payload(NAMESPACE._replace(writes=(KvWrite("alice", b"\x00\xff"),))),
            Difference("write", "basic", "", "alice", "100", "00ff"),
        ),
        (
            payload(private(reads=())),
            Difference("private read", "basic", "bilateral", HASH.hex(), "version 2:0", ABSENT),
        ),
        (
            payload(private(writes=(HashedWrite(HASH, b"", is_delete=True),))),
            Difference("private write", "basic", "bilateral", HASH.hex(), f"hash {HASH.hex()}"[:48], DELETED),
        ),
        (payload(version="2.0"), Difference("chaincode", first="basic 1.0", other="basic 2.0")),
        (payload(answer=b"no"), Difference("response", first="200 ok", other="200 no")),
        (
            payload(event=chaincode_event("basic", "tx", "Paid", b"101")),
            Difference("event", first="Paid 100", other="Paid 101"),
        ),
        (payload(event=b""), Difference("event", first="Paid 100", other=ABSENT)),
        (payload(proposal=b"other"), Difference("proposal", first="hash", other="other")),
    ],
)
def test_one_change_is_the_one_difference(other: bytes, expected: Difference) -> None:
    (found,) = differences(payload(), other)
    assert found[:4] == expected[:4]
    assert (found.first.removesuffix("… (69 bytes)"), found.other) == (expected.first, expected.other)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (NAMESPACE._replace(metadata_writes=(KvMetadataWrite("alice", (("policy", b"two"),)),)), "metadata"),
        (private(metadata_writes=(HashedMetadataWrite(HASH, (("policy", b"two"),)),)), "private metadata"),
    ],
)
def test_key_policies_differ_too(changed: NamespaceRwset, what: str) -> None:
    (found,) = differences(payload(), payload(changed))
    assert found.what == what


def test_long_ranges_are_compared_by_their_hashes() -> None:
    def scanned(digest: bytes) -> bytes:
        query = RangeQuery("a", "z", True, summary=MerkleSummary(50, 1, (digest,)))
        return payload(NAMESPACE._replace(range_queries=(query,)))

    (found,) = differences(scanned(b"\x01"), scanned(b"\x02"))
    assert (found.what, found.first, found.other) == ("range", "many results, hashes 01", "many results, hashes 02")


def test_what_was_read_comes_before_what_was_written_of_it() -> None:
    changed = NAMESPACE._replace(
        reads=(KvRead("alice", Version(9, 9)), KvRead("bob", None)), writes=(KvWrite("aaa", b"1"),)
    )
    found = differences(payload(), payload(changed, answer=b"no"))
    assert [item.what for item in found] == ["read", "response", "write", "write"]


def test_long_values_are_shown_where_the_difference_begins() -> None:
    def written(value: bytes) -> bytes:
        return payload(NAMESPACE._replace(writes=(KvWrite("alice", value),)))

    (found,) = differences(written(b"a" * 1000 + b"X" + b"b" * 500), written(b"a" * 1000 + b"Y" + b"b" * 500))
    assert "aaaX" in found.first
    assert "aaaY" in found.other
    assert found.first.endswith("… (1501 bytes)")
    assert found.first.startswith("…")
    assert len(found.first) < VALUE_BYTES_SHOWN + 20


def test_same_contents_in_other_bytes_are_said_to_be_so() -> None:
    swapped = NAMESPACE._replace(reads=NAMESPACE.reads[::-1])
    (found,) = differences(payload(), payload(swapped))
    assert found.what == "order"


def test_value_that_looks_like_a_deletion_is_not_one() -> None:
    deleted = NAMESPACE._replace(writes=(KvWrite("alice", b"", is_delete=True),))
    lookalike = NAMESPACE._replace(writes=(KvWrite("alice", DELETED.encode()),))
    (found,) = differences(payload(deleted), payload(lookalike))
    assert (found.what, found.key) == ("write", "alice")


def test_unreadable_answer_differs_as_a_whole() -> None:
    (found,) = differences(payload(), b"\xff\xff\xff")
    assert found.what == "response"
    assert "unreadable" in found.other
