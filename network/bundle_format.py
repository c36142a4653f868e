"""The text form of a proof bundle of version 1, which proves one entry: JSON, read in one way only.

Rules kept here:
- Every field is known, present and of its one type; a key given twice, a float, a stray field or base64 in another
  form is refused; sizes, counts and depth are bounded before anything is computed.
- Nothing read here is trusted: ``network/bundle.py`` says what it proves.

The form is described in ``docs/proof-format.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from network.bundle_json import Fields, encode_base64
from network.bundle_parts import (
    ENTRY_BYTES_MAX,
    NOTE_LENGTH_MAX,
    CheckpointEvidence,
    TransactionRef,
    WitnessEvidence,
    channel_value,
    read_blocks,
    read_bundle_json,
    read_definitions,
    read_reference,
    read_witnesses,
    reference_value,
    require_version,
    witnesses_value,
    write_json,
)

VERSION = 1


@dataclass(frozen=True, slots=True)
class DecisionEvidence:
    """A compliance decision and its place in an anchored epoch."""

    record: bytes
    """Leaf data: salt and decision record."""
    epoch: int
    proof: tuple[bytes, ...]
    transaction: TransactionRef


@dataclass(frozen=True, slots=True)
class BundleContent:
    """A bundle, taken apart."""

    channel: str
    organization: str
    seq: int
    salt: bytes
    canonical: bytes
    fields: Mapping[str, Any]
    """The entry for human eyes; proves nothing by itself."""
    size: int
    """Leaves in the anchored log."""
    proof: tuple[bytes, ...]
    note: str
    registration: TransactionRef
    anchor: TransactionRef
    witnesses: tuple[WitnessEvidence, ...]
    decision: DecisionEvidence | None
    definitions: Mapping[str, tuple[TransactionRef, ...]]
    """For each contract the transactions that defined it, oldest first."""
    blocks: Mapping[int, bytes] = field(repr=False)
    """Serialized blocks by number: block 0, every configuration block since, and each block named above."""

    @property
    def checkpoint(self) -> CheckpointEvidence:
        """The anchored head that the entry stands under."""
        return CheckpointEvidence(self.size, self.note, self.registration, self.anchor, self.witnesses)


def serialize_bundle(content: BundleContent) -> bytes:
    """Return the text form of a bundle."""
    return write_json({**entry_value(content), **channel_value(content.definitions, content.blocks)})


def entry_value(content: BundleContent) -> dict[str, Any]:
    """Return what stands in a bundle before its definitions and blocks, as it is written."""
    return {
        "version": VERSION,
        "channel": content.channel,
        "organization": content.organization,
        "entry": {
            "seq": content.seq,
            "salt": encode_base64(content.salt),
            "canonical": encode_base64(content.canonical),
            "fields": dict(content.fields),
        },
        "inclusion": {"size": content.size, "proof": [encode_base64(node) for node in content.proof]},
        "checkpoint": {
            "note": content.note,
            "registration": reference_value(content.registration),
            "anchor": reference_value(content.anchor),
        },
        "witnesses": witnesses_value(content.witnesses),
        "decision": _decision_value(content.decision),
    }


def parse_bundle(data: bytes) -> BundleContent:
    """Take a bundle of version 1 apart.

    Raises:
        ProofError: ``bundle_too_large``, ``malformed_json``, ``unknown_version`` or ``malformed_bundle``.
    """
    outer = read_bundle_json(data)
    require_version(outer, VERSION)
    return read_entry_bundle(outer)


def read_entry_bundle(outer: Fields) -> BundleContent:
    """Take a bundle apart whose version was asked.

    Raises:
        ProofError: ``malformed_bundle``.
    """
    entry, inclusion, checkpoint = outer.object("entry"), outer.object("inclusion"), outer.object("checkpoint")
    fields = entry.object("fields")
    content = BundleContent(
        channel=outer.text("channel"),
        organization=outer.text("organization"),
        seq=entry.number("seq"),
        salt=entry.binary("salt", 64),
        canonical=entry.binary("canonical", ENTRY_BYTES_MAX),
        fields=fields.value,
        size=inclusion.number("size"),
        proof=inclusion.hashes("proof"),
        note=checkpoint.text("note", NOTE_LENGTH_MAX),
        registration=read_reference(checkpoint.object("registration")),
        anchor=read_reference(checkpoint.object("anchor")),
        witnesses=read_witnesses(outer),
        decision=_decision(outer),
        definitions=read_definitions(outer),
        blocks=read_blocks(outer),
    )
    for read in (outer, entry, inclusion, checkpoint):
        read.finish()
    return content


def _decision(outer: Fields) -> DecisionEvidence | None:
    if outer.take("decision") is None:
        return None
    fields = outer.object("decision")
    found = DecisionEvidence(
        fields.binary("record", ENTRY_BYTES_MAX),
        fields.number("epoch"),
        fields.hashes("proof"),
        read_reference(fields.object("transaction")),
    )
    fields.finish()
    return found


def _decision_value(decision: DecisionEvidence | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {
        "record": encode_base64(decision.record),
        "epoch": decision.epoch,
        "proof": [encode_base64(node) for node in decision.proof],
        "transaction": reference_value(decision.transaction),
    }
