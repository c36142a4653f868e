"""A report's detached signature: who made it, of what time, at which block, and that not a byte of it was changed.

The signature file is JSON: what is stated, the signature of the organization's node over it (domain ``report/1`` of
:mod:`network.member_signature`), and the blocks that tell whose certificates counted (:mod:`network.block_evidence`).
What is signed is the statement's JSON: keys sorted, no spaces, UTF-8. The report itself is named by its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from network.block_evidence import FILE_BYTES_MAX, blocks_value, open_blocks
from network.bundle_json import read_json
from network.errors import ProofError
from network.identity import SigningIdentity
from network.member_signature import REPORT, MemberSignature, read_signature, sign_as_member, verify_member

FORMAT = "dwaybank-report/1"

_MALFORMED = "malformed_report"
_HASH = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("kind", "organization", "channel", "made_at", "begins_at", "ends_at")


@dataclass(frozen=True, slots=True)
class ReportStatement:
    """What is signed of a report.

    Args:
        kind: such as ``daily``.
        organization: who made it.
        made_at, begins_at, ends_at: UTC (RFC 3339): when it was made, and the time it is about, without its end.
        block_number, block_hash: newest block its maker's own peer had committed, and its header's hash in hex.
        sha256: of the report's bytes, hex.
        shown: disclosed entries that stand in it, as ranges of numbers by organization.
    """

    kind: str
    organization: str
    channel: str
    made_at: str
    begins_at: str
    ends_at: str
    block_number: int
    block_hash: str
    sha256: str
    shown: Mapping[str, list[list[int]]]

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    def content(self) -> bytes:
        """Return the bytes that are signed."""
        return json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign_report(statement: ReportStatement, identity: SigningIdentity, blocks: Mapping[int, bytes]) -> bytes:
    """Return the signature file of a report.

    Args:
        blocks: serialized, by number: block 0, every configuration block up to the statement's block, and that block.
    """
    signature = sign_as_member(identity, REPORT, statement.content())
    value = {
        "format": FORMAT,
        "statement": statement.as_json(),
        "signature": signature.as_json(),
        "blocks": blocks_value(blocks),
    }
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def verify_report(page: bytes, signature_file: bytes, genesis_hash: bytes) -> ReportStatement:
    """Verify a report with no network and no trust but the genesis block's hash.

    Raises:
        ProofError: ``malformed_report``, ``malformed_signature``, ``wrong_report``, ``wrong_signer``,
            ``wrong_signature``, or what the blocks are refused for (:mod:`network.bundle_channel`).
    """
    statement, signature, blocks = _read(signature_file)
    if hashlib.sha256(page).hexdigest() != statement.sha256:
        raise ProofError("wrong_report", "the report is not the one that was signed: a byte of it was changed")
    evidence = open_blocks(blocks, statement.block_number, genesis_hash, _MALFORMED)
    if (statement.channel, statement.block_hash) != (evidence.channel.channel_id, evidence.block_hash.hex()):
        raise ProofError("wrong_report", "the signature speaks of another channel or block than the one given")
    signer = verify_member(signature, REPORT, statement.content(), evidence.msps)
    if signer.msp_id != statement.organization:
        raise ProofError("wrong_signer", f"the report of {statement.organization} is signed by {signer.msp_id}")
    return statement


def read_statement(signature_file: bytes) -> ReportStatement:
    """Return what a signature file states; nothing is verified.

    Raises:
        ProofError: ``malformed_report`` or ``malformed_signature``.
    """
    return _read(signature_file)[0]


def _read(data: bytes) -> tuple[ReportStatement, MemberSignature, Any]:
    if len(data) > FILE_BYTES_MAX:
        raise ProofError(_MALFORMED, f"the signature file has {len(data)} bytes; {FILE_BYTES_MAX} are read at most")
    value = read_json(data, _MALFORMED)
    if set(value) != {"format", "statement", "signature", "blocks"} or value["format"] != FORMAT:
        raise ProofError(_MALFORMED, f"the signature file is none of the form {FORMAT}")
    return _read_statement(value["statement"]), read_signature(value["signature"]), value["blocks"]


def _read_statement(value: Any) -> ReportStatement:
    names = set(ReportStatement.__dataclass_fields__)
    if not isinstance(value, dict) or set(value) != names:
        raise ProofError(_MALFORMED, f"a statement has the fields {', '.join(sorted(names))}")
    if not all(isinstance(value[name], str) and 1 <= len(value[name]) <= 250 for name in _TEXTS):
        raise ProofError(_MALFORMED, "a text of the statement is none")
    if not all(isinstance(value[name], str) and _HASH.fullmatch(value[name]) for name in ("block_hash", "sha256")):
        raise ProofError(_MALFORMED, "a hash of the statement is not 32 bytes in lower-case hex")
    number = value["block_number"]
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ProofError(_MALFORMED, "block_number is no block number")
    for name in ("made_at", "begins_at", "ends_at"):
        _require_time(value[name])
    _require_ranges(value["shown"])
    return ReportStatement(**value)


def _require_time(text: str) -> None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ProofError(_MALFORMED, f"{text[:40]!r} is no time") from error
    if moment.tzinfo is None:
        raise ProofError(_MALFORMED, f"{text[:40]!r} says not in which time zone it is")


def _require_ranges(value: Any) -> None:
    pairs = [pair for ranges in value.values() for pair in ranges] if _is_listing(value) else [None]
    if not all(
        isinstance(pair, list)
        and len(pair) == 2
        and all(isinstance(number, int) and not isinstance(number, bool) for number in pair)
        and 1 <= pair[0] <= pair[1]
        for pair in pairs
    ):
        raise ProofError(_MALFORMED, "shown is not ranges of entry numbers by organization")


def _is_listing(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(ranges, list) for ranges in value.values())
