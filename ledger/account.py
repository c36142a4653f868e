"""Accounts: who holds how much of one asset, and how low the balance may go.

Rules:
- a reference is a pseudonym, unique in the organization and never reused; it holds no personal data;
- reference, asset and normal side never change; balance, held money and status do, through the writer only;
- balance = normal side − other side; available = balance − held; available never falls below the floor.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from ledger.errors import InvalidValueError
from ledger.money import Asset

_REFERENCE = re.compile(r"[A-Za-z0-9:_.\-]{1,64}")


class Side(enum.IntEnum):
    """Debit or credit; the numbers stand in the canonical form and never change."""

    DEBIT = 1
    CREDIT = 2


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What never changes about an account, so that it may be remembered.

    Args:
        id: number inside the database; means nothing outside.
        reference: public name.
        asset: what the account counts.
        normal_side: the side that makes the balance grow.
    """

    id: int
    reference: str
    asset: Asset
    normal_side: Side


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it stands.

    Args:
        facts: what never changes.
        status: ``"open"``, ``"frozen"`` or ``"closed"``.
        balance: minor units on the normal side.
        held: minor units reserved by placed holds.
        floor: lowest available balance allowed; None for no floor.
        posting_count: postings the account has seen.
    """

    facts: AccountFacts
    status: str
    balance: int
    held: int
    floor: int | None
    posting_count: int

    @property
    def available(self) -> int:
        """What may still be spent down to the floor: balance less held money."""
        return self.balance - self.held


def check_reference(reference: str, field: str = "account") -> str:
    """Return the reference if it is well formed.

    Raises:
        InvalidValueError: empty, over 64 characters, or with other characters than letters, digits and ``:-_.``.
    """
    if not _REFERENCE.fullmatch(reference):
        raise InvalidValueError(field, reference, 'use 1 to 64 letters, digits, ":", "-", "_" or "."')
    return reference
