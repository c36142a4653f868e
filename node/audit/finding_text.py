"""A text of a finding, and the salted commitment that the shared ledger has of it.

Commitment: SHA-256(``dwaybank.node/finding-text\x01`` ‖ salt of 32 bytes ‖ UTF-8 text).
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

SALT_BYTES = 32

_TAG = b"dwaybank.node/finding-text\x01"


class OpenedText(NamedTuple):
    """A text with the salt that opens its commitment."""

    salt: bytes
    text: str

    def commitment(self) -> bytes:
        """Return what the shared ledger has of it."""
        return hashlib.sha256(_TAG + self.salt + self.text.encode()).digest()


def keepable(text: str) -> str:
    """Return a text as a database keeps it: what a member says goes into evidence, whatever characters it has."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
