"""What bundles of every kind and version are made of: references, checkpoints, witnesses, definitions and blocks.

Nothing read here is trusted: ``network/bundle_channel.py`` and ``network/bundle_head.py`` say what it proves. The form
is described in ``docs/proof-format.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from network.bundle_json import Fields, encode_base64, read_json
from network.errors import ProofError

BUNDLE_BYTES_MAX = 96 * 1024 * 1024
"""Room for some 2,000 configuration blocks of four organizations, and still one gRPC message."""
BUNDLE_MARKS_MAX = 4 * 1024 * 1024
"""Commas and opening brackets in a bundle's text: what bounds the values that reading it makes, whatever its size."""
BLOCK_COUNT_MAX = 4_096
ENTRY_BYTES_MAX = 1024 * 1024
NOTE_LENGTH_MAX = 65_536
WITNESS_COUNT_MAX = 64
BLOCK_REST_BYTES_MAX = 2 * 1024 * 1024
"""Of a block, besides its envelopes: its header's hashes do not cover them, so anybody may add to them."""
DEFINITION_COUNT_MAX = 1_024


@dataclass(frozen=True, slots=True)
class TransactionRef:
    """Where a transaction stands."""

    block: int
    index: int
    """Position in the block, from 0."""


@dataclass(frozen=True, slots=True)
class WitnessEvidence:
    """A cosignature, and the transaction that registered its key."""

    organization: str
    cosignature: str
    registration: TransactionRef


@dataclass(frozen=True, slots=True)
class CheckpointEvidence:
    """An anchored head of a log, with the transactions that prove it."""

    size: int
    """Leaves in the log."""
    note: str
    registration: TransactionRef
    """Registered the log's key."""
    anchor: TransactionRef
    witnesses: tuple[WitnessEvidence, ...]


def read_bundle_json(data: bytes) -> Fields:
    """Return the outermost object of a bundle; its version is still to be asked.

    Raises:
        ProofError: ``bundle_too_large`` or ``malformed_json``.
    """
    if len(data) > BUNDLE_BYTES_MAX:
        raise ProofError("bundle_too_large", f"a bundle of {len(data)} bytes is larger than {BUNDLE_BYTES_MAX}")
    marks = sum(map(data.count, (b",", b"[", b"{")))
    if marks > BUNDLE_MARKS_MAX:
        raise ProofError("bundle_too_large", f"a bundle with {marks} commas and brackets has more than any")
    return Fields(read_json(data, "malformed_json"), "bundle")


def require_version(outer: Fields, *known: int) -> int:
    """Return a bundle's version if it is one of these.

    Raises:
        ProofError: ``unknown_version``.
    """
    version = outer.value.get("version")
    if isinstance(version, bool) or version not in known:
        raise ProofError("unknown_version", f"this verifier reads bundles of version {' and '.join(map(str, known))}")
    return outer.number("version")


def write_json(value: Mapping[str, Any]) -> bytes:
    """Return the text of a bundle, or of a part of it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def read_reference(fields: Fields) -> TransactionRef:
    """Take a reference apart."""
    found = TransactionRef(fields.number("block"), fields.number("index"))
    fields.finish()
    return found


def read_witnesses(outer: Fields) -> tuple[WitnessEvidence, ...]:
    """Take the list ``witnesses`` apart."""
    return tuple(_witness(item) for item in outer.objects("witnesses", WITNESS_COUNT_MAX))


def read_definitions(outer: Fields) -> dict[str, tuple[TransactionRef, ...]]:
    """Take the object ``definitions`` apart."""
    fields = outer.object("definitions")
    if len(fields.value) > 8:
        raise ProofError("malformed_bundle", "bundle.definitions names more than 8 contracts")
    return {
        name: tuple(read_reference(item) for item in fields.objects(name, DEFINITION_COUNT_MAX))
        for name in fields.value
    }


def read_blocks(outer: Fields) -> dict[int, bytes]:
    """Take the object ``blocks`` apart."""
    fields = outer.object("blocks")
    if len(fields.value) > BLOCK_COUNT_MAX:
        raise ProofError("malformed_bundle", f"bundle.blocks holds more than {BLOCK_COUNT_MAX} blocks")
    blocks: dict[int, bytes] = {}
    for name in fields.value:
        if not (name.isascii() and name.isdigit()) or len(name) > 16 or str(int(name)) != name:
            raise ProofError("malformed_bundle", f"bundle.blocks: {name[:20]!r} is no block number")
        blocks[int(name)] = fields.binary(name, BUNDLE_BYTES_MAX)
    return blocks


def reference_value(reference: TransactionRef) -> dict[str, int]:
    """Return a reference as it is written."""
    return {"block": reference.block, "index": reference.index}


def witnesses_value(witnesses: Sequence[WitnessEvidence]) -> list[dict[str, Any]]:
    """Return witnesses as they are written."""
    return [
        {
            "organization": witness.organization,
            "cosignature": witness.cosignature,
            "registration": reference_value(witness.registration),
        }
        for witness in witnesses
    ]


def channel_value(
    definitions: Mapping[str, Sequence[TransactionRef]], blocks: Mapping[int, bytes]
) -> dict[str, dict[str, Any]]:
    """Return the last two fields of a bundle as they are written."""
    return {
        "definitions": {
            name: [reference_value(reference) for reference in references] for name, references in definitions.items()
        },
        "blocks": {str(number): encode_base64(block) for number, block in sorted(blocks.items())},
    }


def _witness(fields: Fields) -> WitnessEvidence:
    found = WitnessEvidence(
        fields.text("organization"), fields.text("cosignature", 8_192), read_reference(fields.object("registration"))
    )
    fields.finish()
    return found
