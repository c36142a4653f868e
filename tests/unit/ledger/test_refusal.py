"""Forms, leaves and chain of refusals against vectors of an independent encoder; no two refusals share a form."""

from __future__ import annotations

import hashlib
import json
import struct
import uuid
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.canonical import leaf_hash
from ledger.hold import HoldRelease, NewHold
from ledger.journal import ResultCode, microseconds
from ledger.refusal import (
    FIRST_HEAD,
    NO_REFUSALS,
    RECORDED,
    ChainEnd,
    Kind,
    Refused,
    encode,
    heads_to_bind,
    hold_request_hash,
    link,
    next_head,
    signed_digest,
)
from tests.support.books import START
from tests.support.canonical_vectors import REFUSALS_FILE, refusal_vectors

STORED = json.loads(REFUSALS_FILE.read_text(encoding="utf-8"))
VECTORS = STORED["refusals"]


def refused_of(vector: dict[str, object]) -> Refused:
    return Refused(
        vector["after_seq"],  # type: ignore[arg-type]
        Kind(vector["kind"]),
        uuid.UUID(str(vector["key"])).bytes,
        str(vector["code"]),
        bool(vector["chained"]),
        bytes.fromhex(str(vector["request_hash"])),
        str(vector["actor"]),
    )


def test_stored_vectors_are_what_the_independent_encoder_makes() -> None:
    assert refusal_vectors() == STORED


def test_form_leaf_and_head_equal_the_vectors() -> None:
    head = FIRST_HEAD
    for vector in VECTORS:
        form = encode(vector["number"], vector["at_us"], refused_of(vector))
        leaf = leaf_hash(bytes.fromhex(vector["salt"]), form)
        head = next_head(head, leaf)
        assert (form.hex(), leaf.hex(), head.hex()) == (vector["form"], vector["leaf"], vector["head"])
    assert signed_digest(1, len(VECTORS), head).hex() == STORED["signed_digest"]
    assert signed_digest(2, len(VECTORS) + 1, head).hex() != STORED["signed_digest"]


def test_links_follow_one_another_and_go_on_later() -> None:
    salts = iter(bytes.fromhex(vector["salt"]) for vector in VECTORS)
    end = NO_REFUSALS
    for vector in VECTORS:
        (made,), end = link(end, [refused_of(vector)], vector["at_us"], lambda size: next(salts))
        assert made.head.hex() == vector["head"]
        assert end == ChainEnd(vector["number"], made.head, vector["after_seq"])


def test_entry_binds_the_last_refusal_right_before_it() -> None:
    def refused(after_seq: int) -> Refused:
        return refused_of(VECTORS[0])._replace(after_seq=after_seq)

    before = ChainEnd(3, b"b" * 32, 7)
    links, _ = link(before, [refused(7), refused(7), refused(9)], 0, lambda size: bytes(size))
    assert heads_to_bind(before, links) == {8: links[1].head, 10: links[2].head}
    assert heads_to_bind(before, []) == {8: before.head}


def test_kept_codes_are_those_that_follow_from_the_books() -> None:
    left_out = {code.text for code in set(ResultCode) - RECORDED}
    assert left_out == {
        "posted", "exists", "account_not_found", "asset_mismatch", "unbalanced", "account_striped", "linked_failed",
    }  # fmt: skip


refusals = st.builds(
    Refused,
    after_seq=st.integers(0, 2**62),
    kind=st.sampled_from(Kind),
    key=st.binary(min_size=16, max_size=16),
    code=st.sampled_from(sorted(code.text for code in RECORDED)),
    chained=st.booleans(),
    request_hash=st.binary(min_size=32, max_size=32),
    actor=st.sampled_from(["", "gateway", "operator:7"]),
)
placed = st.tuples(st.integers(1, 2**62), st.integers(-(2**60), 2**60), refusals)


@given(placed, placed)
def test_different_refusals_have_different_forms_and_none_begins_another(
    a: tuple[int, int, Refused], b: tuple[int, int, Refused]
) -> None:
    first, second = encode(*a), encode(*b)
    assert (first == second) == (a == b)
    assert a == b or not (first.startswith(second) or second.startswith(first))


HOLD = NewHold(uuid.UUID(int=1), "alice", 5, START)


@pytest.mark.parametrize(
    "other",
    [
        NewHold(uuid.UUID(int=1), "alic", 5, START),
        NewHold(uuid.UUID(int=1), "alice", 6, START),
        NewHold(uuid.UUID(int=1), "alice", 5, START + timedelta(microseconds=1)),
        NewHold(uuid.UUID(int=1), "alice", 5, START, linked=True),
        HoldRelease(uuid.UUID(int=1)),
        HoldRelease(uuid.UUID(int=1), linked=True),
    ],
)
def test_hash_of_a_request_covers_all_that_was_asked_but_its_id(other: NewHold | HoldRelease) -> None:
    assert hold_request_hash(HOLD) == hold_request_hash(NewHold(uuid.UUID(int=2), "alice", 5, START))
    assert hold_request_hash(HOLD) != hold_request_hash(other)


def test_hash_of_a_request_is_over_widths_that_stand_in_the_proof_format() -> None:
    text = b"dwaybank.node/hold-request\x01" + struct.pack(">H5sQq?", 5, b"alice", 5, microseconds(START), False)
    assert hold_request_hash(HOLD) == hashlib.sha256(text).digest()
    assert (
        hold_request_hash(HoldRelease(HOLD.id, linked=True))
        == hashlib.sha256(b"dwaybank.node/release-request\x01\x01").digest()
    )


def test_numbers_of_kinds_are_those_that_stand_in_databases_and_proofs() -> None:
    assert {kind.name: kind.value for kind in Kind} == {"ENTRY": 1, "HOLD": 2, "RELEASE": 3}


def test_chain_without_a_refusal_ends_before_the_first_entry_there_can_be() -> None:
    assert all(seq < 1 for seq in heads_to_bind(NO_REFUSALS, []))
