"""The canonical form and its hashes against vectors of an independent encoder; and that no two entries share a form."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.account import Side
from ledger.canonical import (
    CanonicalEntry,
    CanonicalPosting,
    batch_digest,
    decode_entry,
    derive_salts,
    description_commitment,
    encode_entry,
    leaf_hash,
    metadata_commitment,
)
from ledger.errors import InvalidValueError
from ledger.journal import Outcome
from tests.support.canonical_vectors import FILES, vectors

ALL_STORED = {version: json.loads(file.read_text(encoding="utf-8")) for version, file in FILES.items()}
STORED = ALL_STORED[3]
CASES = [(version, vector) for version, stored in ALL_STORED.items() for vector in stored["entries"]]


def entry_of(vector: dict[str, Any], version: int = 3) -> CanonicalEntry:
    return CanonicalEntry(
        seq=vector["seq"],
        key=uuid.UUID(vector["key"]),
        posted_at_us=vector["posted_at_us"],
        effective_at_us=vector["effective_at_us"],
        postings=tuple(
            CanonicalPosting(account, asset, scale, Side[side.upper()], int(amount))
            for account, asset, scale, side, amount in vector["postings"]
        ),
        settlement_id=vector["settlement_id"],
        description_commitment=bytes.fromhex(vector["description_commitment"]),
        decision_id=bytes.fromhex(vector["decision_id"]),
        outcome=Outcome(vector["outcome"]),
        decision_leaf=bytes.fromhex(vector["decision_leaf"]),
        version=version,
        actor=vector.get("actor", ""),
        metadata_commitment=bytes.fromhex(vector.get("metadata_commitment", "")),
        reverses=vector.get("reverses") or None,
        hold_id=uuid.UUID(vector["hold_id"]) if vector.get("hold_id") else None,
        chain_seq=vector.get("chain_seq") or None,
        refusals=bytes.fromhex(vector.get("refusals", "")),
    )


@pytest.mark.parametrize("version", FILES)
def test_stored_vectors_are_what_the_independent_encoder_makes(version: int) -> None:
    assert vectors(version) == ALL_STORED[version]


@pytest.mark.parametrize(
    ("version", "vector"), CASES, ids=lambda given: given if isinstance(given, int) else given["what"]
)
def test_form_and_leaf_equal_the_vector(version: int, vector: dict[str, Any]) -> None:
    entry, salt = entry_of(vector, version), bytes.fromhex(vector["salt"])
    assert encode_entry(entry).hex() == vector["canonical"]
    assert decode_entry(bytes.fromhex(vector["canonical"])) == entry
    assert leaf_hash(salt, encode_entry(entry)).hex() == vector["leaf"]
    if vector["description"]:
        commitment = description_commitment(bytes.fromhex(vector["description_salt"]), vector["description"])
        assert commitment.hex() == vector["description_commitment"]
    if vector.get("metadata"):
        pairs = tuple(vector["metadata"].items())
        assert metadata_commitment(bytes.fromhex(vector["metadata_salt"]), pairs).hex() == vector["metadata_commitment"]


def test_each_salt_follows_from_the_secret_and_the_number() -> None:
    secret = bytes(range(32))
    expected = [
        hashlib.sha256(b"dwaybank.node/salt\x01" + secret + number.to_bytes(8, "big")).digest()
        for number in (2**40, 2**40 + 1, 2**40 + 2)
    ]
    assert derive_salts(secret, 2**40, 3) == b"".join(expected)
    assert derive_salts(secret, 1, 0) == b""


def test_batch_digest_equals_the_vector() -> None:
    leaves = b"".join(bytes.fromhex(vector["leaf"]) for vector in STORED["entries"])
    assert batch_digest(1, 2, leaves).hex() == STORED["batch_digest"]
    assert batch_digest(2, 3, leaves).hex() != STORED["batch_digest"]


names = st.text("abcXYZ019:_.-", min_size=1, max_size=64)
postings = st.builds(
    CanonicalPosting,
    account=names,
    asset=st.text("ABCXYZ0", min_size=1, max_size=16),
    scale=st.integers(0, 18),
    side=st.sampled_from(Side),
    amount=st.integers(1, 2**62 - 1),
)
entries = st.builds(
    CanonicalEntry,
    seq=st.integers(1, 2**62),
    key=st.uuids(),
    posted_at_us=st.integers(-(2**60), 2**60),
    effective_at_us=st.integers(-(2**60), 2**60),
    postings=st.lists(postings, max_size=4).map(tuple),
    settlement_id=st.text(max_size=20),
    description_commitment=st.sampled_from([b"", bytes(32), bytes(range(32))]),
    decision_id=st.binary(min_size=16, max_size=16),
    outcome=st.sampled_from(Outcome),
    decision_leaf=st.binary(min_size=32, max_size=32),
    actor=st.sampled_from(["", "gateway", "operator:7"]),
    metadata_commitment=st.sampled_from([b"", bytes(32)]),
    reverses=st.none() | st.integers(1, 2**62),
    hold_id=st.none() | st.uuids(),
    chain_seq=st.none() | st.integers(1, 2**62),
    refusals=st.sampled_from([b"", bytes(32), bytes(range(32))]),
)


@given(entries)
def test_form_is_read_back_to_the_same_entry(entry: CanonicalEntry) -> None:
    assert decode_entry(encode_entry(entry)) == entry


@given(entries, entries)
def test_different_entries_have_different_forms_and_none_begins_another(a: CanonicalEntry, b: CanonicalEntry) -> None:
    first, second = encode_entry(a), encode_entry(b)
    assert (first == second) == (a == b)
    assert a == b or not (first.startswith(second) or second.startswith(first))


@given(st.data())
def test_changed_bytes_are_another_entry_or_none(data: st.DataObject) -> None:
    form = bytearray.fromhex(STORED["entries"][1]["canonical"])
    place = data.draw(st.integers(0, len(form) - 1))
    form[place] ^= data.draw(st.integers(1, 255))
    try:
        changed = decode_entry(bytes(form))
    except InvalidValueError:
        return
    assert changed != entry_of(STORED["entries"][1])
    assert encode_entry(changed) == bytes(form)


@pytest.mark.parametrize("cut", [0, 1, 20, 40, 100, 200])
def test_shortened_or_lengthened_form_is_refused(cut: int) -> None:
    form = bytes.fromhex(STORED["entries"][0]["canonical"])
    with pytest.raises(InvalidValueError):
        decode_entry(form[:cut])
    with pytest.raises(InvalidValueError, match="belong to no field"):
        decode_entry(form + b"\x00")


def test_another_version_or_tag_is_refused() -> None:
    form = bytearray.fromhex(STORED["entries"][0]["canonical"])
    form[23] = 4
    with pytest.raises(InvalidValueError, match="no entry of version 1, 2 or 3"):
        decode_entry(bytes(form))


def test_earlier_version_cannot_bind_refusals_and_none_binds_half_a_head() -> None:
    first = entry_of(STORED["entries"][0])
    earlier = encode_entry(replace(first, version=2))
    assert encode_entry(replace(first, version=2, refusals=bytes(32))) == earlier
    with pytest.raises(InvalidValueError, match="belong to no field"):
        decode_entry(earlier + bytes(2))
    with pytest.raises(InvalidValueError, match="no head of their chain"):
        decode_entry(encode_entry(replace(first, refusals=bytes(16))))
