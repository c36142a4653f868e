"""State keys of the contracts: plain text, parts joined by ``~``, numbers padded so that they sort as numbers.

No part may contain ``~``: organizations are MSP ids, checked; everything else is hex or digits. Plain keys, not
Fabric's composite ones, so that people read them in the world state and a range scan needs no U+0000.
"""

from __future__ import annotations

import re

from chaincode.errors import ArgumentError

NUMBER_DIGITS = 20
"""Width of a padded number: enough for any 64-bit integer."""

_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def require_organization(msp_id: str, what: str = "organization") -> str:
    """Return the MSP id if it can stand in a key.

    Raises:
        ArgumentError: when it is empty, longer than 64 characters, or has others than letters, digits and ``._-``.
    """
    if not _ORGANIZATION.fullmatch(msp_id):
        raise ArgumentError(f"{what} is {msp_id[:80]!r}, not an MSP id of 1 to 64 letters, digits, '.', '_' or '-'")
    return msp_id


def padded(number: int) -> str:
    """Return a number as 20 digits."""
    return str(number).zfill(NUMBER_DIGITS)


def log(organization: str) -> str:
    """Key of an organization's registered log and its newest anchored head."""
    return f"log~{organization}"


def witness(organization: str) -> str:
    """Key of an organization's cosigning key."""
    return f"witness~{organization}"


def checkpoint(organization: str, size: int) -> str:
    """Key of one anchored head of a log."""
    return f"checkpoint~{organization}~{padded(size)}"


def checkpoint_range(organization: str, from_size: int) -> tuple[str, str]:
    """Range of the organization's anchored heads of ``from_size`` leaves and more (``:`` follows the digits)."""
    return checkpoint(organization, from_size), f"checkpoint~{organization}~:"


def cosignature(organization: str, size: int, witness_organization: str) -> str:
    """Key of one witness's cosignature under an anchored head."""
    return f"cosignature~{organization}~{padded(size)}~{witness_organization}"


def cosignature_range(organization: str, size: int) -> tuple[str, str]:
    """Range of all cosignatures under an anchored head (``\\x7f`` follows ``~`` and every character of an MSP id)."""
    start = f"cosignature~{organization}~{padded(size)}~"
    return start, start + "\x7f"


def demand(demand_id: str) -> str:
    """Key of a demand for disclosure."""
    return f"demand~{demand_id}"


def refusal(demand_id: str) -> str:
    """Key of a demand's refusal."""
    return f"refusal~{demand_id}"


def disclosure_key(organization: str) -> str:
    """Key of the key that answers to an organization's demands are sealed to."""
    return f"disclosure_key~{organization}"


def epoch_head(organization: str) -> str:
    """Key of an organization's newest compliance epoch."""
    return f"epochs~{organization}"


def epoch(organization: str, number: int) -> str:
    """Key of one compliance epoch."""
    return f"epoch~{organization}~{padded(number)}"


def flag(record_id: str) -> str:
    """Key of a decision that asked for manual review, and its present status."""
    return f"flag~{record_id}"


def review(record_id: str) -> str:
    """Key of a reviewer's decision."""
    return f"review~{record_id}"


def finding(finding_id: str) -> str:
    """Key of a finding about a member."""
    return f"finding~{finding_id}"


def obligation(obligation_id: str) -> str:
    """Key of what one bank owes another; the amount lies under ``details`` in their collection."""
    return f"obligation~{obligation_id}"


def details(obligation_id: str) -> str:
    """Key, in two banks' collection, of an obligation's details."""
    return f"details~{obligation_id}"


def diverged(obligation_id: str) -> str:
    """Key that stands while an obligation's bookings differ from what was agreed."""
    return f"diverged~{obligation_id}"


def cycle(cycle_id: str) -> str:
    """Key of a netting cycle."""
    return f"cycle~{cycle_id}"


def cycle_pair(cycle_id: str, first: str, second: str) -> str:
    """Key of what two banks added to a netting cycle."""
    return f"cyclepair~{cycle_id}~{first}~{second}"


def dispute(dispute_id: str) -> str:
    """Key of a dispute about an obligation."""
    return f"dispute~{dispute_id}"


def disputed(obligation_id: str) -> str:
    """Key that stands while a dispute about an obligation is not resolved."""
    return f"disputed~{obligation_id}"


def under(kind: str) -> tuple[str, str]:
    """Range of all keys of a kind (``\\x7f`` follows every character of a part)."""
    return f"{kind}~", f"{kind}~\x7f"
