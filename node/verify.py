"""``dwaybank verify``: proof bundles checked with no network, no database and no trust but the genesis block."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import network
from network.block import header_hash, parse_block
from network.bundle import VerifiedEntry
from network.bundle_parts import BUNDLE_BYTES_MAX
from network.bundle_verifier import BundleVerifier, Proved, witnesses_report
from network.errors import ProofError, WireError
from node.audit.entry_fields import describe_entry, read_entry
from node.config import read_file
from node.errors import ConfigurationError
from node.verify_words import claim_report, claim_sentences

_HASH = re.compile(r"[0-9a-fA-F]{64}")

PAGE = Path(network.__file__).with_name("verifier.html")
"""The other verifier: one HTML file that shares no code with this one."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Outcome for one file."""

    file: str
    proved: Proved | None
    reason: str = ""
    message: str = ""

    @property
    def valid(self) -> bool:
        """True when the bundle proves its claim."""
        return self.proved is not None

    def sentences(self) -> list[str]:
        """The outcome for people: what is proved, then what is not."""
        proved = self.proved
        if proved is None:
            return [f"{self.file}: NOT PROVED ({self.reason}): {self.message}"]
        if not isinstance(proved, VerifiedEntry):
            first, *rest = claim_sentences(proved)
            return [f"{self.file}: {first}", *(f"  {line}" for line in rest)]
        witnesses = ", ".join(witness.organization for witness in proved.witnesses)
        return [
            f"{self.file}: entry {proved.seq} of {proved.organization} is {proved.state}: log of {proved.log_size} "
            f"entries anchored in block {proved.block_number}, cosigned by {witnesses or 'nobody'}"
        ]

    def as_dict(self) -> dict[str, Any]:
        """The outcome for programs."""
        proved = self.proved
        if proved is None:
            return {"file": self.file, "valid": False, "reason": self.reason, "message": self.message}
        told = {"file": self.file, "valid": True, "organization": proved.organization}
        if not isinstance(proved, VerifiedEntry):
            return told | claim_report(proved)
        return told | {
            "state": proved.state,
            "entry": dict(proved.fields or {}),
            "log_size": proved.log_size,
            "log_root": proved.log_root.hex(),
            "block_number": proved.block_number,
            "block_hash": proved.block_hash.hex(),
            "transaction_id": proved.transaction_id,
            "witnesses": witnesses_report(proved.witnesses),
        }


def verify_files(files: Sequence[Path], genesis: str) -> list[VerifyReport]:
    """Verify bundle files; what those of one channel share is checked once.

    Args:
        files: one bundle each.
        genesis: header hash of block 0 in hex, or the path of the genesis block.
    Raises:
        ConfigurationError: a file cannot be read, or ``genesis`` is neither of the two.
    """
    verifier = BundleVerifier(genesis_hash(genesis), describe=describe_entry, read=read_entry)
    return [_verify(path, verifier) for path in files]


def genesis_hash(text: str) -> bytes:
    """Return the trusted hash that a person named by hex digits or by a file.

    Raises:
        ConfigurationError: it is neither.
    """
    if _HASH.fullmatch(text):
        return bytes.fromhex(text)
    if not Path(text).is_file():
        raise ConfigurationError(f"--genesis {text[:80]}: give 64 hex digits or the file of the genesis block")
    try:
        return header_hash(parse_block(read_file(Path(text))).header)
    except WireError as error:
        raise ConfigurationError(f"--genesis {text[:80]}: the file is no block: {error}") from error


def _verify(path: Path, verifier: BundleVerifier) -> VerifyReport:
    try:
        # A larger file is refused before it is read.
        if path.stat().st_size > BUNDLE_BYTES_MAX:
            return VerifyReport(str(path), None, "bundle_too_large", f"more than {BUNDLE_BYTES_MAX} bytes")
    except OSError as error:
        raise ConfigurationError(f"file {path} cannot be read: {error.strerror}") from error
    try:
        return VerifyReport(str(path), verifier.verify(read_file(path), datetime.now(UTC)))
    except ProofError as error:
        return VerifyReport(str(path), None, error.reason, str(error))
