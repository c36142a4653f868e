"""Aim: however a bundle is damaged, a verifier either refuses it with a reason or proves exactly the same entry.

Method: hypothesis damages the golden bundle: bytes of the text, and bytes inside the blocks it carries.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from network.bundle import verify_bundle
from network.errors import ProofError

GOLDEN = Path(__file__).parents[2] / "fixtures" / "proofs"
BUNDLE = (GOLDEN / "bundle.json").read_bytes()
GENESIS_HASH = bytes.fromhex((GOLDEN / "genesis_hash.txt").read_text())
EXPECTED = verify_bundle(BUNDLE, GENESIS_HASH)
BLOCKS = json.loads(BUNDLE)["blocks"]


def proves_the_same_or_nothing(bundle: bytes) -> None:
    try:
        found = verify_bundle(bundle, GENESIS_HASH, witnesses_min=2)
    except ProofError as error:
        assert error.reason
        assert str(error)
    else:
        assert found == EXPECTED


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(BUNDLE) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_text_damaged_anywhere_proves_the_same_entry_or_nothing(at: int, new: bytes, removed: int) -> None:
    proves_the_same_or_nothing(BUNDLE[:at] + new + BUNDLE[at + removed :])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(BLOCKS)), st.data())
def test_block_damaged_anywhere_proves_the_same_entry_or_nothing(number: str, data: st.DataObject) -> None:
    block = bytearray(base64.b64decode(BLOCKS[number]))
    at = data.draw(st.integers(0, len(block) - 1))
    block[at] ^= data.draw(st.integers(1, 255))
    value = json.loads(BUNDLE)
    value["blocks"][number] = base64.b64encode(block).decode()
    proves_the_same_or_nothing(json.dumps(value).encode())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_noise_proves_nothing(noise: bytes) -> None:
    proves_the_same_or_nothing(noise)
