"""Aim: what the published vectors say of bundles of version 2 is what this verifier says, and of proofs nothing more.

Method: every vector of ``fixtures/proofs/vectors2.json.gz`` is verified with the reader of entries; the reasons of the
corpus are compared with the format's page and with the source. The HTML verifier gets the same vectors in
``tests/interop/test_html_verifier.py``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from network.bundle_claims import VerifiedClaim
from network.bundle_many import KINDS, NOTHING, Sums
from network.bundle_verifier import BundleVerifier, read_bundle
from network.errors import ProofError
from node.audit.entry_fields import read_entry
from node.verify_words import WORD, claim_report, claim_sentences
from tests.support.many_edits import MANY_FILE, derive
from tests.support.many_network import legs, sums_of
from tests.support.proof_reasons import reasons_on_page as reasons_of
from tests.support.proof_vectors import corpus_text, read_corpus

REPOSITORY = Path(__file__).parents[3]
CORPUS = read_corpus(MANY_FILE)
NOW = datetime.fromtimestamp(CORPUS.now, UTC)
SOURCES = (
    "bundle_many_form",
    "bundle_claims",
    "bundle_entries",
    "bundle_figures",
    "bundle_head",
    "merkle",
    "merkle_range",
)
OF_OTHER_PROOFS = {"wrong_tile"}
"""Reasons of tiles, which no bundle carries."""


@pytest.mark.parametrize("vector", CORPUS.vectors, ids=lambda vector: vector.name)
def test_vector_is_answered_as_published(vector) -> None:  # type: ignore[no-untyped-def]
    verifier = BundleVerifier(CORPUS.genesis(vector), witnesses_min=vector.witnesses_min, read=read_entry)
    if vector.reason is not None:
        with pytest.raises(ProofError) as caught:
            verifier.verify(CORPUS.text(vector.name), NOW)
        assert caught.value.reason == vector.reason, str(caught.value)
        return
    proved = verifier.verify(CORPUS.text(vector.name), NOW)
    assert isinstance(proved, VerifiedClaim)
    assert proved.word == vector.word
    assert claim_report(proved)["kind"] == proved.kind
    assert claim_sentences(proved)[len(claim_sentences(proved)) - len(proved.word) :] == [WORD[c] for c in proved.word]


def test_corpus_is_large_names_are_told_apart_and_every_kind_is_attacked() -> None:
    hostile = [vector for vector in CORPUS.vectors if vector.reason is not None]
    assert len(hostile) >= 200
    assert len({vector.name for vector in CORPUS.vectors}) == len(CORPUS.vectors)
    good = {read_bundle(CORPUS.text(vector.name)).kind for vector in CORPUS.vectors if vector.reason is None}  # type: ignore[union-attr]
    assert good == set(KINDS)
    assert {code for vector in CORPUS.vectors for code in vector.word} == set(WORD)


def test_every_further_reason_is_met_by_a_vector_and_no_unlisted_one_is() -> None:
    met = {vector.reason for vector in CORPUS.vectors} - {None}
    assert reasons_of("Further reasons") <= met <= reasons_of("Further reasons") | reasons_of("Reasons")


def test_page_lists_every_reason_in_the_source() -> None:
    texts = [(REPOSITORY / "network" / f"{name}.py").read_text() for name in SOURCES]
    raised = {reason for text in texts for reason in re.findall(r"ProofError\(\s*\"([a-z_0-9]+)\"", text)}
    assert raised - OF_OTHER_PROOFS <= reasons_of("Further reasons") | reasons_of("Reasons")
    assert reasons_of("Further reasons") <= raised | {"malformed_totals"}


def test_verifier_that_keeps_the_channel_says_the_same_of_all_in_any_order() -> None:
    verifier = BundleVerifier(bytes.fromhex(CORPUS.networks["channel"].genesis), read=read_entry)
    plain = [vector for vector in CORPUS.vectors if vector.witnesses_min == 1 and not vector.genesis]
    small = [vector for vector in plain if len(CORPUS.text(vector.name)) < 1_000_000]
    for vector in (*small, *reversed(small)):
        try:
            verifier.verify(CORPUS.text(vector.name), NOW)
            reason = None
        except ProofError as error:
            reason = error.reason
        assert reason == vector.reason, vector.name


def proved(name: str) -> VerifiedClaim:
    verifier = BundleVerifier(bytes.fromhex(CORPUS.networks["channel"].genesis), read=read_entry)
    found = verifier.verify(CORPUS.text(name), NOW)
    assert isinstance(found, VerifiedClaim)
    return found


def moved(first: int, last: int) -> dict[tuple[str, str], Sums]:
    """What the honest log's entries do to each account, summed up by other code."""
    found: dict[tuple[str, str], Sums] = {}
    for posting in (posting for seq in range(first, last + 1) for posting in legs(seq)):
        key = (posting.account, posting.asset)
        found[key] = sums_of(posting, found.get(key, NOTHING))
    return found


def test_figures_of_a_statement_are_those_of_the_entries_before_and_in_its_period() -> None:
    found = proved("statement_of_a_period").statement
    assert found is not None
    before, inside = moved(1, 6), moved(7, 12)
    bob = [("bob#01", "EUR"), ("bob#02", "EUR")]
    opening = sum((before.get(key, NOTHING) for key in bob), NOTHING)
    within = sum((inside.get(key, NOTHING) for key in bob), NOTHING)
    assert opening != NOTHING != within
    assert (found.opening, found.moved, found.closing) == (opening, within, opening + within)
    assert [line.seq for line in found.lines] == [7, 11, 12]
    assert sum((line.moved for line in found.lines), NOTHING) == within


def test_figures_of_a_period_are_those_of_the_entries_before_and_in_it() -> None:
    found = proved("day_close_of_a_period").period
    assert found is not None
    before, inside = moved(1, 9), moved(10, 15)
    assert found.count == 6
    assert {(account, asset): sums for account, asset, sums, _ in found.balances if sums != NOTHING} == before
    assert {(account, asset): sums for account, asset, _, sums in found.balances if sums != NOTHING} == inside
    euros = sum((sums for (_, asset), sums in inside.items() if asset == "EUR"), NOTHING)
    assert found.totals["EUR"] == euros


def test_fork_tells_which_heads_contradict_each_other_where_and_which_was_anchored() -> None:
    sizes, at_an_entry = proved("fork").fork, proved("fork_at_an_entry").fork
    assert sizes is not None
    assert at_an_entry is not None
    assert (sizes.first.size, sizes.second.size, sizes.index, sizes.anchored) == (24, 24, None, (False, True))
    assert (at_an_entry.first.size, at_an_entry.second.size, at_an_entry.index) == (5, 24, 0)
    exchanged, unanchored = proved("fork__heads_exchanged").fork, proved("fork_not_anchored").fork
    assert exchanged is not None
    assert unanchored is not None
    assert (exchanged.anchored, unanchored.anchored) == ((True, False), (False, False))


def test_verifier_of_entries_takes_no_other_claim() -> None:
    verifier = BundleVerifier(bytes.fromhex(CORPUS.networks["channel"].genesis), read=read_entry)
    with pytest.raises(ProofError) as caught:
        verifier.verify_entry(CORPUS.text("range_of_one"), NOW)
    assert caught.value.reason == "unknown_version"


def test_without_a_reader_only_what_needs_none_is_proved() -> None:
    verifier = BundleVerifier(bytes.fromhex(CORPUS.networks["channel"].genesis))
    for name in ("range_whole", "growth", "fork"):
        verifier.verify(CORPUS.text(name), NOW)
    for name in ("statement", "day_close"):
        with pytest.raises(ValueError, match="dwaybank verify"):
            verifier.verify(CORPUS.text(name), NOW)


def test_derived_vectors_are_made_anew_the_same() -> None:
    captured = CORPUS.captured()
    again = type(CORPUS)(CORPUS.now, CORPUS.networks, (*captured.vectors, *derive(captured)))
    assert corpus_text(again) == corpus_text(CORPUS), "run python -m tests.support.many_edits"
    assert MANY_FILE.stat().st_size < 1_000_000
