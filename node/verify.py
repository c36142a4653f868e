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
from network.bundle import VerifiedEntry, verify_bundle
from network.bundle_format import BUNDLE_BYTES_MAX
from network.errors import ProofError, WireError
from node.audit.entry_fields import describe_entry
from node.config import read_file
from node.errors import ConfigurationError

_HASH = re.compile(r"[0-9a-fA-F]{64}")

PAGE = Path(network.__file__).with_name("verifier.html")
"""The other verifier: one HTML file that shares no code with this one."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Outcome for one file."""

    file: str
    entry: VerifiedEntry | None
    reason: str = ""
    message: str = ""

    @property
    def valid(self) -> bool:
        """True when the bundle proves its entry."""
        return self.entry is not None

    def sentence(self) -> str:
        """The outcome for people."""
        entry = self.entry
        if entry is None:
            return f"{self.file}: NOT PROVED ({self.reason}): {self.message}"
        witnesses = ", ".join(witness.organization for witness in entry.witnesses)
        return (
            f"{self.file}: entry {entry.seq} of {entry.organization} is {entry.state}: log of {entry.log_size} entries "
            f"anchored in block {entry.block_number}, cosigned by {witnesses or 'nobody'}"
        )

    def as_dict(self) -> dict[str, Any]:
        """The outcome for programs."""
        entry = self.entry
        if entry is None:
            return {"file": self.file, "valid": False, "reason": self.reason, "message": self.message}
        return {
            "file": self.file,
            "valid": True,
            "state": entry.state,
            "organization": entry.organization,
            "entry": dict(entry.fields or {}),
            "log_size": entry.log_size,
            "log_root": entry.log_root.hex(),
            "block_number": entry.block_number,
            "block_hash": entry.block_hash.hex(),
            "transaction_id": entry.transaction_id,
            "witnesses": [
                {"organization": witness.organization, "time": witness.time.isoformat()} for witness in entry.witnesses
            ],
        }


def verify_files(files: Sequence[Path], genesis: str) -> list[VerifyReport]:
    """Verify bundle files.

    Args:
        files: one bundle each.
        genesis: header hash of block 0 in hex, or the path of the genesis block.
    Raises:
        ConfigurationError: a file cannot be read, or ``genesis`` is neither of the two.
    """
    trusted = genesis_hash(genesis)
    return [_verify(path, trusted) for path in files]


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


def _verify(path: Path, trusted: bytes) -> VerifyReport:
    try:
        # A larger file is refused before it is read.
        if path.stat().st_size > BUNDLE_BYTES_MAX:
            return VerifyReport(str(path), None, "bundle_too_large", f"more than {BUNDLE_BYTES_MAX} bytes")
    except OSError as error:
        raise ConfigurationError(f"file {path} cannot be read: {error.strerror}") from error
    try:
        entry = verify_bundle(read_file(path), trusted, describe=describe_entry, now=datetime.now(UTC))
    except ProofError as error:
        return VerifyReport(str(path), None, error.reason, str(error))
    return VerifyReport(str(path), entry)
