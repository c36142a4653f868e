"""Aim: what the published vectors say of a bundle is what this verifier says, and they cover what the format promises.

Method: every vector of ``fixtures/proofs/vectors.json.gz`` is verified with the reader of entries; the reasons of the
corpus are compared with the closed list in ``docs/proof-format.md`` and with the codes that stand in the source. The
same vectors are given to the HTML verifier in ``tests/interop/test_html_verifier.py``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from network.bundle_verifier import BundleVerifier
from network.errors import ProofError
from node.audit.entry_fields import describe_entry
from tests.support.proof_edits import derive
from tests.support.proof_reasons import reasons_on_page
from tests.support.proof_vectors import FILE, corpus_text, read_corpus

REPOSITORY = Path(__file__).parents[3]
CORPUS = read_corpus()
NOW = datetime.fromtimestamp(CORPUS.now, UTC)
SOURCES = (
    "bundle",
    "bundle_channel",
    "bundle_format",
    "bundle_head",
    "bundle_json",
    "bundle_parts",
    "checkpoint",
    "merkle",
    "audit_record",
)
OF_OTHER_PROOFS = {"size_out_of_range", "inconsistent", "wrong_tile"}
"""Reasons of consistency proofs and tiles, which no bundle carries."""


def reasons_of_the_page() -> set[str]:
    return reasons_on_page("Reasons")


@pytest.mark.parametrize("vector", CORPUS.vectors, ids=lambda vector: vector.name)
def test_vector_is_answered_as_published(vector) -> None:  # type: ignore[no-untyped-def]
    verifier = BundleVerifier(CORPUS.genesis(vector), witnesses_min=vector.witnesses_min, describe=describe_entry)
    if vector.reason is None:
        verifier.verify(CORPUS.text(vector.name), NOW)
        return
    with pytest.raises(ProofError) as caught:
        verifier.verify(CORPUS.text(vector.name), NOW)
    assert caught.value.reason == vector.reason, str(caught.value)


def test_corpus_is_large_and_names_are_told_apart() -> None:
    hostile = [vector for vector in CORPUS.vectors if vector.reason is not None]
    assert len(hostile) >= 500
    assert len(CORPUS.vectors) - len(hostile) >= 50
    assert len({vector.name for vector in CORPUS.vectors}) == len(CORPUS.vectors)


def test_every_reason_of_the_page_is_met_by_a_vector_and_no_other_is() -> None:
    assert {vector.reason for vector in CORPUS.vectors} - {None} == reasons_of_the_page()


def test_page_lists_every_reason_in_the_source() -> None:
    texts = [(REPOSITORY / "network" / f"{name}.py").read_text() for name in SOURCES]
    raised = {reason for text in texts for reason in re.findall(r"ProofError\(\s*\"([a-z_0-9]+)\"", text)}
    given = {reason for text in texts for reason in re.findall(r", \"(malformed_[a-z]+)\"\)", text)}
    assert (raised | given) - OF_OTHER_PROOFS == reasons_of_the_page()


def test_derived_vectors_are_made_anew_the_same() -> None:
    captured = CORPUS.captured()
    again = type(CORPUS)(CORPUS.now, CORPUS.networks, (*captured.vectors, *derive(captured)))
    assert corpus_text(again) == corpus_text(CORPUS), "run python -m tests.support.proof_vectors"
    assert FILE.stat().st_size < 1_000_000
