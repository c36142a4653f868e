"""Contract ``audit``: the heads of every member's transparency log, each proven to extend the one before.

Rules every endorser applies:

- an organization registers one log and one witness key, both named after its MSP id; keys are never replaced;
- a head is anchored only with the log's own signature, a larger size, and an RFC 6962 consistency proof from the last
  anchored head: a rewritten or shortened log cannot get past the network;
- a cosignature is accepted from another organization only, once, and only if its signature holds;
- nothing that could name a person is stored: notes carry no extension lines and one signature.

State (JSON, see :mod:`chaincode.encoding`; roots and proofs are base64 as in checkpoints, ids and commitments hex):
``log~<msp>``, ``witness~<msp>``, ``checkpoint~<msp>~<size>``, ``cosignature~<msp>~<size>~<witness msp>``; demands as
:mod:`chaincode.disclosure`, findings as :mod:`chaincode.findings` say.

Source: RFC 6962, C2SP tlog-checkpoint and tlog-cosignature, through :mod:`network.merkle` and
:mod:`network.checkpoint`.
"""

from __future__ import annotations

from typing import Any

from chaincode import keys
from chaincode.callers import require_client
from chaincode.contract import reads_only
from chaincode.disclosure import DisclosureContract
from chaincode.encoding import (
    INTEGER_MAX,
    decode_base64,
    decode_hex,
    encode_base64,
    from_json,
    to_json,
)
from chaincode.errors import AccessError, ArgumentError, ConflictError, NotFoundError
from chaincode.findings import FindingsContract
from chaincode.records import existing, stamp
from chaincode.shim.stub import ChaincodeStub
from network import checkpoint as signed_checkpoint
from network import merkle
from network.checkpoint import Checkpoint
from network.errors import ProofError

NOTE_BYTES_MAX = 4096
PROOF_HASHES_MAX = 64
COSIGNATURE_BYTES_MAX = 1024
COMMITMENT_BYTES = 32


def log_origin(msp_id: str) -> str:
    """Return the one origin (and key name) under which an organization's log is registered."""
    return f"dwaybank.node/log/{msp_id}"


def witness_name(msp_id: str) -> str:
    """Return the one key name under which an organization cosigns."""
    return f"dwaybank.node/witness/{msp_id}"


class AuditContract(FindingsContract, DisclosureContract):
    """Anchors log heads and cosignatures; findings and demands come with the contracts it is made of."""

    name = "audit"
    version = "1.0"

    async def register_log(self, stub: ChaincodeStub, origin: str, verifier_key: str) -> dict[str, Any]:
        """Register the caller's organization's log; by a client of that organization, once.

        Args:
            origin: ``dwaybank.node/log/<MSP id of the caller>``.
            verifier_key: the log's Ed25519 key in C2SP text form, with the origin as its name.
        """
        organization = require_client(stub)
        _require_key(verifier_key, origin, log_origin(organization), signed_checkpoint.ED25519)
        record = {
            "organization": organization,
            "origin": origin,
            "verifier_key": verifier_key,
            "size": 0,
            "root": encode_base64(merkle.EMPTY_ROOT),
            "sequence": 0,
        }
        await _register(stub, keys.log(organization), record, "log")
        return record

    async def register_witness(self, stub: ChaincodeStub, name: str, cosigner_key: str) -> dict[str, Any]:
        """Register the key with which the caller's organization cosigns; by a client of it, once.

        Args:
            name: ``dwaybank.node/witness/<MSP id of the caller>``.
            cosigner_key: Ed25519 key for cosignature/v1 in C2SP text form, with that name.
        """
        organization = require_client(stub)
        _require_key(cosigner_key, name, witness_name(organization), signed_checkpoint.COSIGNATURE_V1)
        record = {"organization": organization, "name": name, "cosigner_key": cosigner_key}
        await _register(stub, keys.witness(organization), record, "witness key")
        return record

    async def anchor_checkpoint(
        self, stub: ChaincodeStub, note: str, consistency_proof: list[str], controls_commitment: str
    ) -> dict[str, Any]:
        """Anchor a new head of the caller's organization's log; by a client of that organization.

        Args:
            note: the signed note: three lines and the log's own signature, nothing else.
            consistency_proof: JSON list of base64 hashes from the last anchored head; empty for the first.
            controls_commitment: hex SHA-256 commitment to the control totals at this head.
        """
        organization = require_client(stub)
        decode_hex(controls_commitment, "controls_commitment", COMMITMENT_BYTES)
        head = await existing(stub, keys.log(organization), f"organization {organization} has registered no log")
        checkpoint = _open_note(note, head)
        proof = _decode_proof(consistency_proof)
        await _require_growth(stub, organization, checkpoint, head)
        try:
            last_root = decode_base64(head["root"], "root", merkle.HASH_BYTES)
            merkle.verify_consistency(head["size"], checkpoint.size, last_root, checkpoint.root, proof)
        except ProofError as error:
            raise ConflictError(f"the log does not extend its last anchored head: {error}", error.reason) from None
        record = {
            "organization": organization,
            "size": checkpoint.size,
            "previous_size": head["size"],
            "root": encode_base64(checkpoint.root),
            "note": note,
            "controls_commitment": controls_commitment,
            "sequence": head["sequence"] + 1,
            **stamp(stub),
        }
        moved = {**head, "size": checkpoint.size, "root": record["root"], "sequence": record["sequence"]}
        await stub.put_state(keys.checkpoint(organization, checkpoint.size), to_json(record))
        await stub.put_state(keys.log(organization), to_json(moved))
        summary = {name: record[name] for name in ("organization", "size", "previous_size", "root", "sequence")}
        stub.set_event("Checkpoint", to_json(summary))
        return record

    async def cosign(self, stub: ChaincodeStub, organization: str, size: int, cosignature: str) -> dict[str, Any]:
        """Add a witness's cosignature to an anchored head; by a client of another organization, once.

        Args:
            organization: whose log.
            size: the anchored head's size.
            cosignature: one C2SP cosignature/v1 line, made with the caller's organization's witness key.
        """
        witness = require_client(stub)
        if keys.require_organization(organization) == witness:
            raise AccessError("an organization does not cosign its own log", "own_log")
        if len(cosignature.encode()) > COSIGNATURE_BYTES_MAX:
            raise ArgumentError(f"cosignature is longer than {COSIGNATURE_BYTES_MAX} bytes")
        _require_size(size)
        key = await existing(stub, keys.witness(witness), f"organization {witness} has registered no witness key")
        anchored = await self.get_checkpoint(stub, organization, size)
        state_key = keys.cosignature(organization, size, witness)
        if await stub.get_state(state_key):
            raise ConflictError(f"{witness} has cosigned size {size} of {organization} before", "already_cosigned")
        record = {
            "organization": organization,
            "size": size,
            "witness": witness,
            "name": key["name"],
            "time": _verify_cosignature(anchored["note"], cosignature, key["cosigner_key"]),
            "cosignature": cosignature,
            **stamp(stub),
        }
        await stub.put_state(state_key, to_json(record))
        summary = {name: record[name] for name in ("organization", "size", "witness")}
        stub.set_event("Cosignature", to_json(summary))
        return record

    @reads_only
    async def get_log(self, stub: ChaincodeStub, organization: str) -> dict[str, Any]:
        """Return a registered log with its newest anchored head; anyone on the channel may call."""
        keys.require_organization(organization)
        return await existing(stub, keys.log(organization), f"organization {organization} has registered no log")

    @reads_only
    async def get_witness(self, stub: ChaincodeStub, organization: str) -> dict[str, Any]:
        """Return an organization's witness key; anyone on the channel may call."""
        keys.require_organization(organization)
        message = f"organization {organization} has registered no witness key"
        return await existing(stub, keys.witness(organization), message)

    @reads_only
    async def get_checkpoint(self, stub: ChaincodeStub, organization: str, size: int) -> dict[str, Any]:
        """Return the head anchored at exactly this size; anyone on the channel may call."""
        keys.require_organization(organization)
        _require_size(size)
        message = f"no head of size {size} is anchored for {organization}"
        return await existing(stub, keys.checkpoint(organization, size), message)

    @reads_only
    async def checkpoint_covering(self, stub: ChaincodeStub, organization: str, seq: int) -> dict[str, Any]:
        """Return the smallest anchored head that covers entry ``seq``; anyone on the channel may call."""
        keys.require_organization(organization)
        _require_size(seq)
        async with await stub.get_state_by_range(*keys.checkpoint_range(organization, seq)) as found:
            async for _, value in found:
                record: dict[str, Any] = from_json(value)
                return record
        raise NotFoundError(f"no anchored head of {organization} covers entry {seq} yet")

    @reads_only
    async def get_cosignatures(self, stub: ChaincodeStub, organization: str, size: int) -> list[dict[str, Any]]:
        """Return the cosignatures under one anchored head, by witness; anyone on the channel may call."""
        keys.require_organization(organization)
        _require_size(size)
        async with await stub.get_state_by_range(*keys.cosignature_range(organization, size)) as found:
            return [from_json(value) async for _, value in found]


async def _register(stub: ChaincodeStub, key: str, record: dict[str, Any], what: str) -> None:
    if await stub.get_state(key):
        raise ConflictError(f"organization {record['organization']} has registered its {what} before", "registered")
    await stub.put_state(key, to_json(record))


def _require_key(verifier_key: str, given_name: str, name: str, signature_type: int) -> None:
    if given_name != name:
        raise AccessError(f"this organization registers under {name!r} only, not {given_name[:120]!r}", "wrong_name")
    try:
        key = signed_checkpoint.parse_verifier_key(verifier_key)
    except ProofError as error:
        raise ArgumentError(str(error), error.reason) from None
    if key.name != name or key.signature_type != signature_type:
        raise ArgumentError(f"the key is not named {name!r} or is not of signature type {signature_type}", "wrong_key")


def _require_size(size: int) -> None:
    if size < 1:
        raise ArgumentError(f"{size} is no size or entry number: they begin at 1")


def _open_note(note: str, head: dict[str, Any]) -> Checkpoint:
    """Return the checkpoint of a note that carries the log's signature and nothing else."""
    if len(note.encode()) > NOTE_BYTES_MAX:
        raise ArgumentError(f"note is longer than {NOTE_BYTES_MAX} bytes")
    try:
        checkpoint = signed_checkpoint.open_checkpoint(note.encode(), head["verifier_key"])
        signatures = signed_checkpoint.parse_note(note.encode()).signatures
    except ProofError as error:
        raise ArgumentError(str(error), error.reason) from None
    if checkpoint.origin != head["origin"]:
        raise ArgumentError(f"the note's origin is not {head['origin']!r}", "wrong_origin")
    if checkpoint.extensions or len(signatures) != 1:
        raise ArgumentError("a note to be anchored has no extension lines and exactly one signature", "note_not_plain")
    if not 1 <= checkpoint.size <= INTEGER_MAX:
        raise ArgumentError(f"size {checkpoint.size} cannot be anchored; it must be 1 to {INTEGER_MAX}")
    return checkpoint


def _decode_proof(hashes: list[str]) -> list[bytes]:
    if len(hashes) > PROOF_HASHES_MAX:
        raise ArgumentError(f"consistency_proof has {len(hashes)} hashes; at most {PROOF_HASHES_MAX} are accepted")
    proof = []
    for index, text in enumerate(hashes):
        if not isinstance(text, str):
            raise ArgumentError(f"consistency_proof[{index}] is not text")
        node = decode_base64(text, f"consistency_proof[{index}]", merkle.HASH_BYTES)
        if len(node) != merkle.HASH_BYTES:
            raise ArgumentError(f"consistency_proof[{index}] has {len(node)} bytes, not {merkle.HASH_BYTES}")
        proof.append(node)
    return proof


async def _require_growth(stub: ChaincodeStub, organization: str, checkpoint: Checkpoint, head: dict[str, Any]) -> None:
    if checkpoint.size > head["size"]:
        return
    anchored = await stub.get_state(keys.checkpoint(organization, checkpoint.size))
    if anchored and from_json(anchored)["root"] == encode_base64(checkpoint.root):
        raise ConflictError(f"the head of size {checkpoint.size} is already anchored", "already_anchored")
    if anchored:
        raise ConflictError(
            f"another root is anchored for size {checkpoint.size}: two heads of one size prove a fork", "inconsistent"
        )
    raise ConflictError(f"size {checkpoint.size} is not larger than {head['size']}, the last anchored", "not_growing")


def _verify_cosignature(note: str, line: str, cosigner_key: str) -> int:
    try:
        time = signed_checkpoint.verify_cosignature(note.encode(), line, cosigner_key)
    except ProofError as error:
        raise ArgumentError(str(error), error.reason) from None
    if time > INTEGER_MAX:
        raise ArgumentError(f"the cosignature's time {time} is out of range")
    return time
