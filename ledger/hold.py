"""Holds: money of an account reserved until a deadline, then captured by an entry, released, or expired.

Rules:
- held money counts in the available balance at once; the deadline is kept in the database;
- a hold's id is permanent, as an entry's key is; it ends once, and whoever comes later learns how;
- place, capture, release and expiry stand in the writer's one line, so that a race has one winner.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from ledger.account import check_reference
from ledger.errors import InvalidValueError
from ledger.money import AMOUNT_MAX


@dataclass(frozen=True, slots=True)
class NewHold:
    """A hold to be placed.

    Args:
        id: permanent name; placing it again with the same body returns the first outcome.
        account: whose money.
        amount: minor units.
        expires_at: from this moment on it can no longer be captured.
    """

    id: uuid.UUID
    account: str
    amount: int
    expires_at: datetime

    def __post_init__(self) -> None:
        check_reference(self.account)
        if not 0 < self.amount <= AMOUNT_MAX:
            raise InvalidValueError("amount_minor", self.amount, f"give 1 to {AMOUNT_MAX}")
        if self.expires_at.tzinfo is None:
            raise InvalidValueError("expires_at", self.expires_at, "give a time with its zone")


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as it stands.

    Args:
        state: ``"placed"``, ``"captured"``, ``"released"`` or ``"expired"``.
        entry_seq: the entry that captured it; None before.
    """

    id: uuid.UUID
    account: str
    amount: int
    state: str
    expires_at: datetime
    entry_seq: int | None


HOLD_MESSAGES = {
    "placed": "",
    "released": "",
    "exists": "this was done before with the same body",
    "exists_with_different_body": "this hold id was used before with another body: use a new id",
    "account_not_found": "the account does not exist: open it first",
    "account_closed": "the account is closed",
    "account_frozen": "the account is frozen",
    "deadline_passed": "the deadline lies in the past",
    "balance_overflow": "a balance would leave the range the books can hold",
    "exceeds_available": "the account's available balance is too low",
    "hold_not_found": "the hold does not exist",
    "hold_expired": "the hold's deadline has passed",
    "hold_not_placed": "the hold was captured before",
}
"""A sentence for each code of placing and releasing."""
