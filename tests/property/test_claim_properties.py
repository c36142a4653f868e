"""Aim: whatever range of whatever log is claimed, exactly the true one is proved; damage proves the same or nothing.

Method: hypothesis draws logs, ranges and heads, and damages published bundles of every kind anywhere in their text.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from network.bundle_claims import VerifiedClaim
from network.bundle_verifier import BundleVerifier
from network.errors import ProofError
from network.merkle import consistency_proof, inclusion_proof, leaf_hash, level_reader, root
from network.merkle_range import build_range_proof, verify_range
from node.audit.entry_fields import read_entry
from tests.support.many_edits import MANY_FILE
from tests.support.proof_vectors import read_corpus

CORPUS = read_corpus(MANY_FILE)
NOW = datetime.fromtimestamp(CORPUS.now, UTC)
GENESIS = bytes.fromhex(CORPUS.networks["channel"].genesis)
KINDS = ("range_some_shown", "statement_of_a_period", "day_close_of_a_period", "growth", "fork_at_an_entry")
TEXTS = {name: CORPUS.text(name) for name in KINDS}
VERIFIER = BundleVerifier(GENESIS, read=read_entry)
EXPECTED = {name: VERIFIER.verify(text, NOW) for name, text in TEXTS.items()}


def log(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int, int]:
    size = draw(st.integers(1, 300))
    begin = draw(st.integers(0, size - 1))
    return begin, draw(st.integers(begin + 1, size)), size


@settings(max_examples=300, deadline=None)
@given(ranges())
def test_every_range_is_proved_and_a_range_of_one_as_inclusion_is(drawn: tuple[int, int, int]) -> None:
    begin, end, size = drawn
    leaves = log(size)
    proof = build_range_proof(level_reader(leaves), begin, end, size)
    verify_range(leaves[begin:end], begin, size, proof, root(leaves))
    one = build_range_proof(level_reader(leaves), begin, begin + 1, size)
    assert sorted(one) == sorted(inclusion_proof(leaves, begin))
    before = build_range_proof(level_reader(leaves), begin, size, size)
    assert begin == 0 or set(before) <= {*consistency_proof(leaves, begin), *before}


@pytest.mark.parametrize("wrong", [(-1, 2, 5), (2, 2, 5), (3, 2, 5), (4, 6, 5), (0, 1, 0)])
def test_range_that_is_none_has_no_proof(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ProofError, match="are not in a tree"):
        build_range_proof(level_reader(log(max(wrong[2], 1))), *wrong)


@settings(max_examples=300, deadline=None)
@given(ranges(), st.data())
def test_anything_but_the_true_range_is_refused(drawn: tuple[int, int, int], data: st.DataObject) -> None:
    begin, end, size = drawn
    leaves = log(size)
    proof = build_range_proof(level_reader(leaves), begin, end, size)
    shown, at = leaves[begin:end], data.draw(st.integers(0, end - begin - 1))
    bent = bytes([shown[at][0] ^ 1]) + shown[at][1:]
    claims = [
        ([*shown[:at], bent, *shown[at + 1 :]], begin, size, proof),
        ([*shown[:at], *shown[at + 1 :]], begin, size, proof),
        ([*shown[:at], shown[at], *shown[at:]], begin, size, proof),
        (shown, begin + 1, size, proof),
        (shown, begin - 1, size, proof),
        (shown, begin, size, [*proof, bytes(32)]),
        (shown, begin, size, proof[:-1] if proof else [bytes(32)]),
        (shown, begin, size, [*proof[:-1], bytes(31)]),
    ]
    for wrong in claims:
        with pytest.raises(ProofError):
            verify_range(*wrong, root(leaves))
    if len(set(shown)) > 1:
        with pytest.raises(ProofError):
            verify_range(shown[::-1], begin, size, proof, root(leaves))


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_text_damaged_anywhere_proves_the_same_claim_or_nothing(name: str, data: st.DataObject) -> None:
    text = TEXTS[name]
    # Blocks are most of the text, and version 1's tests damage those: here it is mostly the claim.
    front = text.index(b'"definitions"')
    at = data.draw(st.one_of(st.integers(0, front), st.integers(0, len(text) - 1)))
    new, removed = data.draw(st.binary(max_size=3)), data.draw(st.integers(0, 3))
    try:
        found = VERIFIER.verify(text[:at] + new + text[at + removed :], NOW)
    except ProofError as error:
        assert error.reason
        assert str(error)
        return
    expected = EXPECTED[name]
    assert isinstance(found, VerifiedClaim)
    assert isinstance(expected, VerifiedClaim)
    assert (found.kind, found.organization, found.range, found.fork) == (
        expected.kind, expected.organization, expected.range, expected.fork
    )  # fmt: skip
    assert [head.root for head in found.heads] == [head.root for head in expected.heads]
