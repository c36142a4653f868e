"""The text form of a proof bundle: JSON, read in one way only.

Rules kept here:
- Every field is known, present and of its one type; a key given twice, a float, a stray field or base64 in another
  form is refused; sizes, counts and depth are bounded before anything is computed.
- Nothing read here is trusted: ``network/bundle.py`` says what it proves.

The form is described in ``docs/proof-format.md``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from network.errors import ProofError

VERSION = 1
BUNDLE_BYTES_MAX = 64 * 1024 * 1024
BLOCK_COUNT_MAX = 256
ENTRY_BYTES_MAX = 1024 * 1024
PROOF_LENGTH_MAX = 64
WITNESS_COUNT_MAX = 64
DEFINITION_COUNT_MAX = 64
JSON_DEPTH_MAX = 64
"""Objects and lists inside one another, values inside them counted: a limit of the form, not of whoever reads it."""
NUMBER_MAX = 2**53 - 1
"""Largest number in a bundle: every JSON reader keeps it exactly."""


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


def serialize_bundle(content: BundleContent) -> bytes:
    """Return the text form of a bundle."""
    value = {
        "version": VERSION,
        "channel": content.channel,
        "organization": content.organization,
        "entry": {
            "seq": content.seq,
            "salt": _encode(content.salt),
            "canonical": _encode(content.canonical),
            "fields": dict(content.fields),
        },
        "inclusion": {"size": content.size, "proof": [_encode(node) for node in content.proof]},
        "checkpoint": {
            "note": content.note,
            "registration": _ref_value(content.registration),
            "anchor": _ref_value(content.anchor),
        },
        "witnesses": [
            {
                "organization": witness.organization,
                "cosignature": witness.cosignature,
                "registration": _ref_value(witness.registration),
            }
            for witness in content.witnesses
        ],
        "decision": _decision_value(content.decision),
        "definitions": {
            name: [_ref_value(reference) for reference in references]
            for name, references in content.definitions.items()
        },
        "blocks": {str(number): _encode(block) for number, block in sorted(content.blocks.items())},
    }
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def parse_bundle(data: bytes) -> BundleContent:
    """Take a bundle apart.

    Raises:
        ProofError: ``bundle_too_large``, ``malformed_json``, ``unknown_version`` or ``malformed_bundle``.
    """
    if len(data) > BUNDLE_BYTES_MAX:
        raise ProofError("bundle_too_large", f"a bundle of {len(data)} bytes is larger than {BUNDLE_BYTES_MAX}")
    outer = _Reader(read_json(data, "malformed_json"), "bundle")
    if outer.value.get("version") != VERSION or isinstance(outer.value.get("version"), bool):
        raise ProofError("unknown_version", f"this verifier reads bundles of version {VERSION} only")
    outer.number("version")
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
        note=checkpoint.text("note", 65_536),
        registration=checkpoint.reference("registration"),
        anchor=checkpoint.reference("anchor"),
        witnesses=tuple(_witness(item) for item in outer.objects("witnesses", WITNESS_COUNT_MAX)),
        decision=_decision(outer),
        definitions=_definitions(outer),
        blocks=_blocks(outer),
    )
    for reader in (outer, entry, inclusion, checkpoint):
        reader.finish()
    return content


def read_json(data: bytes, reason: str) -> dict[str, Any]:
    """Return a JSON object read strictly: UTF-8, no key twice, no float, no number beyond 2**53 - 1, no endless depth.

    Raises:
        ProofError: ``reason``.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ProofError(reason, "a JSON object names a key twice")
        return found

    def refuse(text: str) -> NoReturn:
        raise ProofError(reason, f"the JSON number {text[:20]} is not a whole one")

    def whole(text: str) -> int:
        if len(text) > 17 or abs(int(text)) > NUMBER_MAX:
            raise ProofError(reason, f"the JSON number {text[:20]} is too large")
        return int(text)

    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=unique, parse_float=refuse, parse_constant=refuse, parse_int=whole
        )
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ProofError(reason, "the text is not JSON in UTF-8") from error
    if not isinstance(value, dict):
        raise ProofError(reason, "the JSON text is not an object")
    if _depth(value) > JSON_DEPTH_MAX:
        raise ProofError(reason, f"the JSON text is nested deeper than {JSON_DEPTH_MAX}")
    return value


def same_json(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are of one type and equal: to Python, ``True`` equals 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_json(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)


def decode_base64(value: Any) -> bytes:
    """Read base64 in its one canonical form: standard digits, padded, no stray bits, nothing else.

    Raises:
        ValueError: anything else.
    """
    if not isinstance(value, str):
        raise ValueError("not base64")
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError as error:
        raise ValueError("not base64") from error
    if _encode(data) != value:
        raise ValueError("not canonical base64")
    return data


class _Reader:
    """One JSON object whose fields are taken one by one; what is left over is refused."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ProofError("malformed_bundle", f"{where} is not an object")
        self.value: dict[str, Any] = value
        self.where = where
        self._taken: set[str] = set()

    def take(self, name: str) -> Any:
        if name not in self.value:
            raise ProofError("malformed_bundle", f"{self.where}.{name} is missing")
        self._taken.add(name)
        return self.value[name]

    def text(self, name: str, length_max: int = 256) -> str:
        value = self.take(name)
        if not isinstance(value, str) or not 0 < len(value) <= length_max or not _is_text(value):
            raise ProofError("malformed_bundle", f"{self.where}.{name} is not a text of 1 to {length_max} characters")
        return value

    def number(self, name: str) -> int:
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ProofError("malformed_bundle", f"{self.where}.{name} is not a whole number from 0")
        return value

    def binary(self, name: str, bytes_max: int) -> bytes:
        return _decode(self.take(name), f"{self.where}.{name}", bytes_max)

    def hashes(self, name: str) -> tuple[bytes, ...]:
        values = self.items(name, PROOF_LENGTH_MAX)
        return tuple(_decode(value, f"{self.where}.{name}", 32) for value in values)

    def object(self, name: str) -> _Reader:
        return _Reader(self.take(name), f"{self.where}.{name}")

    def items(self, name: str, count_max: int) -> list[Any]:
        value = self.take(name)
        if not isinstance(value, list) or len(value) > count_max:
            raise ProofError("malformed_bundle", f"{self.where}.{name} is not a list of at most {count_max}")
        return value

    def objects(self, name: str, count_max: int) -> list[_Reader]:
        return [_Reader(value, f"{self.where}.{name}") for value in self.items(name, count_max)]

    def reference(self, name: str) -> TransactionRef:
        return _reference(self.object(name))

    def finish(self) -> None:
        unknown = sorted(set(self.value) - self._taken)
        if unknown:
            raise ProofError("malformed_bundle", f"{self.where} holds the unknown field {unknown[0][:40]!r}")


def _reference(reader: _Reader) -> TransactionRef:
    found = TransactionRef(reader.number("block"), reader.number("index"))
    reader.finish()
    return found


def _witness(reader: _Reader) -> WitnessEvidence:
    found = WitnessEvidence(
        reader.text("organization"), reader.text("cosignature", 8_192), reader.reference("registration")
    )
    reader.finish()
    return found


def _decision(outer: _Reader) -> DecisionEvidence | None:
    if outer.take("decision") is None:
        return None
    reader = outer.object("decision")
    found = DecisionEvidence(
        reader.binary("record", ENTRY_BYTES_MAX),
        reader.number("epoch"),
        reader.hashes("proof"),
        reader.reference("transaction"),
    )
    reader.finish()
    return found


def _definitions(outer: _Reader) -> dict[str, tuple[TransactionRef, ...]]:
    reader = outer.object("definitions")
    if len(reader.value) > 8:
        raise ProofError("malformed_bundle", "bundle.definitions names more than 8 contracts")
    return {
        name: tuple(_reference(item) for item in reader.objects(name, DEFINITION_COUNT_MAX)) for name in reader.value
    }


def _blocks(outer: _Reader) -> dict[int, bytes]:
    reader = outer.object("blocks")
    if len(reader.value) > BLOCK_COUNT_MAX:
        raise ProofError("malformed_bundle", f"bundle.blocks holds more than {BLOCK_COUNT_MAX} blocks")
    blocks: dict[int, bytes] = {}
    for name in reader.value:
        if not (name.isascii() and name.isdigit()) or len(name) > 16 or str(int(name)) != name:
            raise ProofError("malformed_bundle", f"bundle.blocks: {name[:20]!r} is no block number")
        blocks[int(name)] = reader.binary(name, BUNDLE_BYTES_MAX)
    return blocks


def _decision_value(decision: DecisionEvidence | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {
        "record": _encode(decision.record),
        "epoch": decision.epoch,
        "proof": [_encode(node) for node in decision.proof],
        "transaction": _ref_value(decision.transaction),
    }


def _ref_value(reference: TransactionRef) -> dict[str, int]:
    return {"block": reference.block, "index": reference.index}


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(value: Any, where: str, bytes_max: int) -> bytes:
    if isinstance(value, str) and len(value) > (bytes_max + 2) // 3 * 4:
        raise ProofError("malformed_bundle", f"{where} has more than {bytes_max} bytes")
    try:
        data = decode_base64(value)
    except ValueError as error:
        raise ProofError("malformed_bundle", f"{where} is {error}") from error
    if len(data) > bytes_max:
        raise ProofError("malformed_bundle", f"{where} has more than {bytes_max} bytes")
    return data


def _depth(value: Any) -> int:
    """Return how deep a JSON value is nested; a plain value is 1 deep."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return depth


def _is_text(value: str) -> bool:
    """Lone surrogates come out of JSON escapes and fit in no UTF-8."""
    return not any(0xD800 <= ord(char) <= 0xDFFF for char in value)
