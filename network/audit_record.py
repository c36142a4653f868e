"""Keys and values of the contracts' audit records, as they stand in blocks.

Proof bundles, the audit index and the anchoring worker all read them here, so that there is one reading.
"""

from __future__ import annotations

import hashlib
from typing import Any

from network.bundle_json import read_json
from network.envelope import ParsedTransaction
from network.errors import ProofError

AUDIT = "audit"
COMPLIANCE = "compliance"

_NUMBER_DIGITS = 20
_CONTROLS_TAG = b"dwaybank.node/controls\x01"
_FINDING_TAG = "dwaybank.node/finding/1"


def record_key(kind: str, *parts: str | int) -> str:
    """Return the state key of a record: its kind and what names it, joined by ``~``; numbers padded to 20 digits."""
    return "~".join([kind, *(part if isinstance(part, str) else str(part).zfill(_NUMBER_DIGITS) for part in parts)])


def finding_id_of(opened_by: str, kind: str, organization: str, subject: str) -> str:
    """Return the id that a finding has: the first 16 bytes, in hex, of SHA-256 over its parts, joined by ``~``."""
    joined = "~".join((_FINDING_TAG, opened_by, kind, organization, subject))
    return hashlib.sha256(joined.encode()).hexdigest()[:32]


def commit_controls(totals: str, salt: bytes) -> bytes:
    """Return the salted commitment to control totals that an anchor carries: SHA-256(tag ‖ salt ‖ JSON text)."""
    return hashlib.sha256(_CONTROLS_TAG + salt + totals.encode()).digest()


def written_record(transaction: ParsedTransaction, namespace: str, kind: str, *parts: str | int) -> dict[str, Any]:
    """Return the record that a transaction wrote under the key of ``record_key``.

    Raises:
        ProofError: ``record_missing``, when it wrote none; ``malformed_record``, when it is not a JSON object.
    """
    key = record_key(kind, *parts)
    for space in transaction.rwset.namespaces:
        if space.namespace != namespace:
            continue
        for write in space.writes:
            if write.key == key and not write.deletes:
                return read_json(write.value, "malformed_record")
    raise ProofError("record_missing", f"the transaction writes no record {key} of contract {namespace}")
