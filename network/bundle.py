"""The proof bundle: one entry of one bank's books, proved to someone who has nothing but the hash of a genesis block.

What a bundle that verifies proves, link by link:
1. Block 0 is the trusted one; from it follow, by signed configuration blocks, the members and policies at each height.
2. The anchoring transaction stands in a block its orderers signed; its creator belongs to the bank; its endorsements
   satisfy the policy of a contract definition that was itself endorsed as the channel demands.
3. That transaction wrote the checkpoint note, and the note is signed by the log key the bank registered the same way.
4. Each witness's registered key cosigned the checkpoint: another member committed the anchor as VALID in its own copy
   and found the log to extend all it had seen before.
5. The entry's salted hash stands in the log under that checkpoint at the place of its sequence number.
6. Its compliance decision stands in an anchored epoch at the place of the same sequence number.

What it does not prove: that a transaction without any witness was VALID (two endorsed transactions may conflict, and
the flag of the loser is no orderer's word), nor what the entry means: ``describe`` reads its canonical bytes.

Usage without network or database: ``python -m network.bundle verify FILE --genesis HASH``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from network.audit_record import AUDIT, COMPLIANCE, written_record
from network.bundle_channel import ChannelEvidence, VerifiedTransaction
from network.bundle_format import (
    BundleContent,
    DecisionEvidence,
    TransactionRef,
    WitnessEvidence,
    decode_base64,
    parse_bundle,
    same_json,
    serialize_bundle,
)
from network.checkpoint import Checkpoint, open_checkpoint, verify_cosignature
from network.errors import ProofError
from network.merkle import leaf_hash, verify_inclusion

__all__ = [
    "BundleContent",
    "DecisionEvidence",
    "TransactionRef",
    "VerifiedEntry",
    "Witness",
    "WitnessEvidence",
    "build_bundle",
    "main",
    "parse_bundle",
    "verify_bundle",
]

SALT_BYTES = 32
CLOCK_SKEW = timedelta(minutes=5)
"""How far a witness's clock may run ahead of the verifier's."""

Describe = Callable[[bytes], Mapping[str, Any]]
"""From canonical bytes to the entry's fields; ``seq`` (int) and ``decision_leaf`` (hex) among them."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Another member that vouches for the checkpoint."""

    organization: str
    time: datetime


@dataclass(frozen=True, slots=True)
class VerifiedEntry:
    """What a bundle proved."""

    channel_id: str
    organization: str
    seq: int
    leaf: bytes
    canonical: bytes
    fields: Mapping[str, Any] | None
    """The entry's fields as read from its canonical bytes; None when no reader was given."""
    log_size: int
    log_root: bytes
    block_number: int
    block_hash: bytes
    transaction_id: str
    witnesses: tuple[Witness, ...]
    decision_record: bytes | None
    """Salt and compliance decision as anchored; None when the bundle carries none."""

    @property
    def state(self) -> str:
        """``"attested"`` when another member vouches for the checkpoint, else ``"anchored"``."""
        return "attested" if self.witnesses else "anchored"


def build_bundle(content: BundleContent) -> bytes:
    """Return a bundle's text form, ``docs/proof-format.md``."""
    return serialize_bundle(content)


def verify_bundle(
    bundle: bytes,
    genesis_hash: bytes,
    *,
    witnesses_min: int = 1,
    describe: Describe | None = None,
    now: datetime | None = None,
) -> VerifiedEntry:
    """Return what a bundle proves to someone who trusts only ``genesis_hash``.

    Args:
        bundle: the bundle as received.
        genesis_hash: header hash of the channel's block 0.
        witnesses_min: other members that must vouch for the checkpoint.
        describe: reads canonical bytes; with it the fields shown in the bundle are compared with what was proved.
        now: refuses witness times later than this; None to leave times unchecked.
    Raises:
        ProofError: it proves nothing; ``reason`` is one of the codes in ``docs/proof-format.md``.
    """
    content = parse_bundle(bundle)
    evidence = ChannelEvidence(genesis_hash, content.blocks, content.definitions)
    if evidence.channel_id != content.channel:
        raise ProofError("wrong_channel", f"the blocks are of channel {evidence.channel_id[:80]!r}")
    anchor = evidence.transaction(content.anchor, AUDIT)
    checkpoint = _verify_checkpoint(content, evidence, anchor)
    witnesses = _verify_witnesses(content, evidence, anchor, now)
    if len(witnesses) < witnesses_min:
        raise ProofError("not_attested", f"{len(witnesses)} members vouch for the checkpoint, {witnesses_min} must")
    leaf = _verify_entry(content, checkpoint)
    if content.decision is not None:
        _verify_decision(content, content.decision, evidence)
    fields = _verify_fields(content, describe) if describe is not None else None
    return VerifiedEntry(
        channel_id=content.channel,
        organization=content.organization,
        seq=content.seq,
        leaf=leaf,
        canonical=content.canonical,
        fields=fields,
        log_size=checkpoint.size,
        log_root=checkpoint.root,
        block_number=anchor.block,
        block_hash=evidence.block_hash(anchor.block),
        transaction_id=anchor.parsed.tx_id,
        witnesses=witnesses,
        decision_record=content.decision.record if content.decision else None,
    )


def _verify_checkpoint(content: BundleContent, evidence: ChannelEvidence, anchor: VerifiedTransaction) -> Checkpoint:
    """Check that the bank anchored the note, and signed it with the log key it registered before."""
    organization = content.organization
    _require_creator(anchor, organization)
    record = written_record(anchor.parsed, AUDIT, "checkpoint", organization, content.size)
    if record.get("note") != content.note:
        raise ProofError("wrong_checkpoint", "the note in the bundle is not the one that was anchored")
    registration = evidence.transaction(content.registration, AUDIT)
    _require_creator(registration, organization)
    _require_order(content.registration, content.anchor)
    log = written_record(registration.parsed, AUDIT, "log", organization)
    checkpoint = open_checkpoint(content.note.encode(), str(log.get("verifier_key")))
    if checkpoint.origin != log.get("origin") or checkpoint.size != content.size:
        raise ProofError("wrong_checkpoint", "the checkpoint is of another log or another size")
    return checkpoint


def _verify_witnesses(
    content: BundleContent, evidence: ChannelEvidence, anchor: VerifiedTransaction, now: datetime | None
) -> tuple[Witness, ...]:
    found: dict[str, Witness] = {}
    for witness in content.witnesses:
        organization = witness.organization
        if organization == content.organization or organization in found:
            raise ProofError("wrong_witness", f"{organization[:80]!r} vouches for itself or twice")
        if organization not in anchor.config.application_msp_ids:
            raise ProofError("wrong_witness", f"{organization[:80]!r} is no member of the channel")
        registration = evidence.transaction(witness.registration, AUDIT)
        _require_creator(registration, organization)
        key = written_record(registration.parsed, AUDIT, "witness", organization).get("cosigner_key")
        seconds = verify_cosignature(content.note.encode(), witness.cosignature, str(key))
        found[organization] = Witness(organization, _witness_time(seconds, now))
    return tuple(found.values())


def _witness_time(seconds: int, now: datetime | None) -> datetime:
    try:
        time = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ProofError("witness_in_future", f"a witness states the time {seconds}") from error
    if now is not None and time > now + CLOCK_SKEW:
        raise ProofError("witness_in_future", f"a witness states the time {time.isoformat()}, which is to come")
    return time


def _verify_entry(content: BundleContent, checkpoint: Checkpoint) -> bytes:
    if content.seq < 1:
        raise ProofError("index_out_of_range", "entries are numbered from 1")
    if len(content.salt) != SALT_BYTES or not content.canonical:
        raise ProofError("wrong_salt", f"an entry's salt has {SALT_BYTES} bytes and its canonical form at least one")
    leaf = leaf_hash(content.salt + content.canonical)
    verify_inclusion(leaf, content.seq - 1, checkpoint.size, content.proof, checkpoint.root)
    return leaf


def _verify_decision(content: BundleContent, decision: DecisionEvidence, evidence: ChannelEvidence) -> None:
    """Check that the decision stands in an anchored epoch at the place of the entry's number."""
    organization = content.organization
    transaction = evidence.transaction(decision.transaction, COMPLIANCE)
    _require_creator(transaction, organization)
    epoch = written_record(transaction.parsed, COMPLIANCE, "epoch", organization, decision.epoch)
    first, last = _whole(epoch, "from_seq"), _whole(epoch, "to_seq")
    if not first <= content.seq <= last:
        raise ProofError("wrong_epoch", f"the epoch covers entries {first} to {last}, not {content.seq}")
    leaf = leaf_hash(decision.record)
    verify_inclusion(leaf, content.seq - first, last - first + 1, decision.proof, _hash(epoch, "root"))


def _verify_fields(content: BundleContent, describe: Describe) -> Mapping[str, Any]:
    """Check that what the bundle shows for human eyes is what its canonical bytes say."""
    try:
        fields = describe(content.canonical)
    except Exception as error:
        raise ProofError("unreadable_entry", "the entry's canonical form cannot be read") from error
    if fields.get("seq") != content.seq:
        raise ProofError("wrong_fields", f"the entry's own number is {fields.get('seq')}, not {content.seq}")
    for name, value in content.fields.items():
        if name not in fields or not same_json(fields[name], value):
            raise ProofError("wrong_fields", f"the field {name[:40]!r} is shown otherwise than it was proved")
    if content.decision is not None and fields.get("decision_leaf") != leaf_hash(content.decision.record).hex():
        raise ProofError("wrong_decision", "the decision is not the one the entry is bound to")
    return fields


def _require_creator(transaction: VerifiedTransaction, organization: str) -> None:
    if transaction.creator.msp_id != organization:
        raise ProofError(
            "wrong_organization", f"a transaction is by {transaction.creator.msp_id}, not {organization[:80]}"
        )


def _require_order(first: TransactionRef, second: TransactionRef) -> None:
    if (first.block, first.index) >= (second.block, second.index):
        raise ProofError("wrong_order", "the log's key was registered after the checkpoint was anchored")


def _whole(record: Mapping[str, Any], name: str) -> int:
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ProofError("malformed_record", f"the record's {name} is no whole number")
    return value


def _hash(record: Mapping[str, Any], name: str) -> bytes:
    try:
        return decode_base64(record.get(name))
    except ValueError as error:
        raise ProofError("malformed_record", f"the record's {name} is {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one bundle file and write the outcome as JSON; 0 when it proves the entry, 1 when not, 2 for misuse."""
    parser = argparse.ArgumentParser(prog="python -m network.bundle", description="Verify a proof bundle offline.")
    command = parser.add_subparsers(required=True).add_parser("verify")
    command.add_argument("file", type=Path)
    command.add_argument("--genesis", required=True, help="header hash of block 0, 64 hex digits")
    command.add_argument("--witnesses", type=int, default=1, help="other members that must vouch (default 1)")
    options = parser.parse_args(arguments)
    try:
        genesis_hash = bytes.fromhex(options.genesis)
        bundle = options.file.read_bytes()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        entry = verify_bundle(bundle, genesis_hash, witnesses_min=options.witnesses, now=datetime.now(UTC))
    except ProofError as error:
        sys.stdout.write(json.dumps({"valid": False, "reason": error.reason, "message": str(error)}) + "\n")
        return 1
    sys.stdout.write(json.dumps(_report(entry)) + "\n")
    return 0


def _report(entry: VerifiedEntry) -> dict[str, Any]:
    return {
        "valid": True,
        "state": entry.state,
        "channel": entry.channel_id,
        "organization": entry.organization,
        "seq": entry.seq,
        "leaf": entry.leaf.hex(),
        "log_size": entry.log_size,
        "block_number": entry.block_number,
        "block_hash": entry.block_hash.hex(),
        "transaction_id": entry.transaction_id,
        "witnesses": [
            {"organization": witness.organization, "time": witness.time.isoformat()} for witness in entry.witnesses
        ],
        "decision": entry.decision_record is not None,
    }


if __name__ == "__main__":
    raise SystemExit(main())
