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

``network/bundle_verifier.py`` verifies bundles of all versions, and many of one channel at the price of one channel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from network.audit_record import COMPLIANCE, written_record
from network.bundle_channel import ChannelEvidence
from network.bundle_format import BundleContent, DecisionEvidence, parse_bundle, serialize_bundle
from network.bundle_head import HeadVerifier, VerifiedHead, Witness, require_creator
from network.bundle_json import decode_base64, same_json
from network.bundle_parts import TransactionRef, WitnessEvidence
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
    "parse_bundle",
    "verify_bundle",
    "verify_entry",
]

SALT_BYTES = 32

Describe = Callable[[bytes], Mapping[str, Any]]
"""From canonical bytes to the entry's fields; ``seq`` (int) and ``decision_leaf`` (hex) among them."""


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
    return verify_entry(
        content, evidence, HeadVerifier(evidence), witnesses_min=witnesses_min, describe=describe, now=now
    )


def verify_entry(
    content: BundleContent,
    evidence: ChannelEvidence,
    heads: HeadVerifier,
    *,
    witnesses_min: int,
    describe: Describe | None,
    now: datetime | None,
) -> VerifiedEntry:
    """Return what a bundle proves on a channel whose blocks hold; as ``verify_bundle``.

    Raises:
        ProofError: it proves nothing.
    """
    evidence.require_channel(content.channel)
    head = heads.verify(content.organization, content.checkpoint, witnesses_min=witnesses_min, now=now)
    leaf = _verify_entry(content, head)
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
        log_size=head.size,
        log_root=head.root,
        block_number=head.block_number,
        block_hash=head.block_hash,
        transaction_id=head.transaction_id,
        witnesses=head.witnesses,
        decision_record=content.decision.record if content.decision else None,
    )


def _verify_entry(content: BundleContent, head: VerifiedHead) -> bytes:
    if content.seq < 1:
        raise ProofError("index_out_of_range", "entries are numbered from 1")
    if len(content.salt) != SALT_BYTES or not content.canonical:
        raise ProofError("wrong_salt", f"an entry's salt has {SALT_BYTES} bytes and its canonical form at least one")
    leaf = leaf_hash(content.salt + content.canonical)
    verify_inclusion(leaf, content.seq - 1, head.size, content.proof, head.root)
    return leaf


def _verify_decision(content: BundleContent, decision: DecisionEvidence, evidence: ChannelEvidence) -> None:
    """Check that the decision stands in an anchored epoch at the place of the entry's number."""
    organization = content.organization
    transaction = evidence.transaction(decision.transaction, COMPLIANCE)
    require_creator(transaction, organization)
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
