"""Receipts: what a member's node says a block came to, signed, so that it cannot later say otherwise.

A receipt states channel, block number, header hash, validation flags, commit hash and the Merkle root of the block's
transactions (RFC 6962 over the envelopes' bytes). The commit hash chains over flags and state changes, so two members
with one commit hash agree on everything up to there; two signed receipts of one block that differ prove, to anybody,
that members do not.

- What is signed is the receipt's JSON: keys sorted, no spaces, hashes and flags in lower-case hex (domain
  ``receipt/1`` of :mod:`network.member_signature`).
- A **document** carries a receipt, the signatures of several members, the block itself and every configuration block up
  to it: it is verified with nothing but the hash of the genesis block.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2

from network import merkle
from network.block import header_hash, recorded_commit_hash, transactions_filter
from network.block_evidence import FILE_BYTES_MAX, BlockEvidence, blocks_value, open_blocks
from network.bundle_json import read_json
from network.errors import ProofError
from network.identity import SigningIdentity
from network.member_signature import RECEIPT, MemberSignature, read_signature, sign_as_member, verify_member
from network.msp import MspManager

FORMAT = "dwaybank-receipt/1"
SIGNATURES_MAX = 64

_MALFORMED = "malformed_receipt"
_HEX = re.compile(r"(?:[0-9a-f]{2})*")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a block came to.

    Args:
        flags: validation code of each transaction, one byte each.
        commit_hash: the peer's running hash over flags and state changes, 32 bytes.
        transactions_root: RFC 6962 root over the envelopes as they stand in the block.
    """

    channel: str
    block_number: int
    header_hash: bytes
    flags: bytes
    commit_hash: bytes
    transactions_root: bytes

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "block_number": self.block_number,
            "channel": self.channel,
            "commit_hash": self.commit_hash.hex(),
            "flags": self.flags.hex(),
            "header_hash": self.header_hash.hex(),
            "transactions_root": self.transactions_root.hex(),
        }

    def content(self) -> bytes:
        """Return the bytes that are signed."""
        return json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def digest(self) -> bytes:
        """Return SHA-256 of what is signed: equal for members that agree."""
        return hashlib.sha256(self.content()).digest()


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt and one member's signature."""

    receipt: Receipt
    signature: MemberSignature

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"receipt": self.receipt.as_json(), **self.signature.as_json()}

    def text(self) -> str:
        """Return the JSON form as text."""
        return json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """A document's receipt, and the members that signed it, in order of their names."""

    receipt: Receipt
    organizations: tuple[str, ...]


def receipt_of(block: common_pb2.Block, channel: str) -> Receipt:
    """Return the receipt of a committed block, with the flags and the commit hash its metadata hold.

    Raises:
        BlockError: it holds none.
    """
    return Receipt(
        channel,
        int(block.header.number),
        header_hash(block.header),
        bytes(transactions_filter(block)),
        recorded_commit_hash(block),
        _transactions_root(block),
    )


def sign_receipt(receipt: Receipt, identity: SigningIdentity) -> SignedReceipt:
    """Return a receipt signed by a member's node."""
    return SignedReceipt(receipt, sign_as_member(identity, RECEIPT, receipt.content()))


def verify_receipt(signed: SignedReceipt, msps: MspManager) -> str:
    """Return the organization whose node signed a receipt.

    Raises:
        ProofError: ``wrong_signer`` or ``wrong_signature``.
    """
    return verify_member(signed.signature, RECEIPT, signed.receipt.content(), msps).msp_id


def read_signed_receipt(text: bytes) -> SignedReceipt:
    """Read the JSON form of a signed receipt.

    Raises:
        ProofError: ``malformed_receipt`` or ``malformed_signature``.
    """
    value = read_json(text, _MALFORMED)
    receipt = _read_receipt(value.pop("receipt", None))
    return SignedReceipt(receipt, read_signature(value))


def build_document(receipt: Receipt, signatures: Sequence[MemberSignature], blocks: Mapping[int, bytes]) -> bytes:
    """Return the document of a receipt.

    Args:
        blocks: serialized, by number: block 0, every configuration block up to the receipt's, and that block.
    """
    value = {
        "format": FORMAT,
        "receipt": receipt.as_json(),
        "signatures": [signature.as_json() for signature in signatures],
        "blocks": blocks_value(blocks),
    }
    return json.dumps(value, indent=1).encode()


def verify_document(data: bytes, genesis_hash: bytes) -> VerifiedReceipt:
    """Verify a document with no network and no trust but the genesis block's hash.

    Raises:
        ProofError: ``malformed_receipt``, ``malformed_signature``, ``wrong_receipt``, ``wrong_signer``,
            ``wrong_signature``, or what the blocks are refused for (:mod:`network.bundle_channel`).
    """
    receipt, signatures, blocks = _read_document(data)
    evidence = open_blocks(blocks, receipt.block_number, genesis_hash, _MALFORMED)
    _check_against_block(receipt, evidence)
    signers = [verify_receipt(SignedReceipt(receipt, signature), evidence.msps) for signature in signatures]
    if len(set(signers)) != len(signers):
        raise ProofError("wrong_signer", "an organization signed the receipt twice: each counts once")
    return VerifiedReceipt(receipt, tuple(sorted(signers)))


def _check_against_block(receipt: Receipt, evidence: BlockEvidence) -> None:
    block = evidence.channel.block(receipt.block_number)
    told = (receipt.channel, receipt.header_hash, receipt.transactions_root, len(receipt.flags))
    if told != (evidence.channel.channel_id, evidence.block_hash, _transactions_root(block), len(block.data.data)):
        raise ProofError("wrong_receipt", f"the receipt is of another block {receipt.block_number} than the one given")


def _transactions_root(block: common_pb2.Block) -> bytes:
    return merkle.root([merkle.leaf_hash(envelope) for envelope in block.data.data])


def _read_document(data: bytes) -> tuple[Receipt, list[MemberSignature], Any]:
    if len(data) > FILE_BYTES_MAX:
        raise ProofError(_MALFORMED, f"the document has {len(data)} bytes; {FILE_BYTES_MAX} are read at most")
    value = read_json(data, _MALFORMED)
    if set(value) != {"format", "receipt", "signatures", "blocks"} or value["format"] != FORMAT:
        raise ProofError(_MALFORMED, f"the document is none of the form {FORMAT}")
    signatures = value["signatures"]
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= SIGNATURES_MAX:
        raise ProofError(_MALFORMED, f"signatures is not a list of 1 to {SIGNATURES_MAX}")
    return _read_receipt(value["receipt"]), [read_signature(each) for each in signatures], value["blocks"]


def _read_receipt(value: Any) -> Receipt:
    names = {"block_number", "channel", "commit_hash", "flags", "header_hash", "transactions_root"}
    if not isinstance(value, dict) or set(value) != names:
        raise ProofError(_MALFORMED, f"a receipt has the fields {', '.join(sorted(names))}")
    number, channel = value["block_number"], value["channel"]
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ProofError(_MALFORMED, "block_number is no block number")
    if not isinstance(channel, str) or not 1 <= len(channel) <= 249 or not channel.isascii():
        raise ProofError(_MALFORMED, "channel is no channel's name")
    return Receipt(
        channel,
        number,
        header_hash=_binary(value, "header_hash", 32),
        flags=_binary(value, "flags", None),
        commit_hash=_binary(value, "commit_hash", None),
        transactions_root=_binary(value, "transactions_root", 32),
    )


def _binary(value: Mapping[str, Any], name: str, size: int | None) -> bytes:
    text = value[name]
    if not isinstance(text, str) or not _HEX.fullmatch(text) or (size is not None and len(text) != 2 * size):
        raise ProofError(_MALFORMED, f"{name} is not lower-case hex{f' of {size} bytes' if size else ''}")
    return bytes.fromhex(text)
