"""An entry's fields for human eyes, read from its canonical bytes: a bundle shows them, a verifier compares them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ledger.canonical import CanonicalEntry, decode_entry
from ledger.journal import EPOCH

_TIMES_US = range(-62_135_596_800_000_000, 253_402_300_800_000_000)
"""Years 1 to 9999, microseconds since 1970 UTC."""


def describe_entry(canonical: bytes) -> Mapping[str, Any]:
    """Return the fields of an entry's canonical form, in the form bundles show them.

    Raises:
        InvalidValueError: the bytes are no canonical entry.
    """
    entry = decode_entry(canonical)
    return {
        "seq": entry.seq,
        "key": str(entry.key),
        "posted_at": _time(entry.posted_at_us),
        "effective_at": _time(entry.effective_at_us),
        "postings": [
            {
                "account": posting.account,
                "asset": posting.asset,
                "scale": posting.scale,
                "side": posting.side.name.lower(),
                "amount_minor": str(posting.amount),
            }
            for posting in entry.postings
        ],
        "settlement_id": entry.settlement_id,
        "description_commitment": entry.description_commitment.hex(),
        "decision_id": entry.decision_id.hex(),
        "decision": entry.outcome.text,
        "decision_leaf": entry.decision_leaf.hex(),
        # Only where there are any: fields shown are compared, and most entries have none.
        **({"refusals": entry.refusals.hex()} if entry.refusals else {}),
    }


def read_entry(canonical: bytes) -> CanonicalEntry:
    """Return the entry that a canonical form tells, where every field of it can be shown.

    Raises:
        InvalidValueError: the bytes are no canonical entry.
        OverflowError: a time is none of the years 1 to 9999.
    """
    entry = decode_entry(canonical)
    if entry.posted_at_us not in _TIMES_US or entry.effective_at_us not in _TIMES_US:
        raise OverflowError("a time that no calendar holds")
    return entry


def _time(microseconds: int) -> str:
    return (EPOCH + timedelta(microseconds=microseconds)).isoformat()
