"""Holds: money of an account reserved until a deadline, then captured by an entry, released, or expired.

Rules:
- held money counts in the available balance at once; the deadline is kept in the database;
- a hold's id is permanent, as an entry's key is; it ends once, and whoever comes later learns how;
- it is captured by entries that name it, in parts until nothing remains or an entry says that it is the last;
- place, capture, release and expiry stand in the writer's one line, so that a race has one winner.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, NamedTuple

from ledger.account import check_reference
from ledger.errors import InvalidValueError
from ledger.journal import ResultCode, Scope
from ledger.money import AMOUNT_MAX


@dataclass(frozen=True, slots=True)
class NewHold:
    """A hold to be placed.

    Args:
        id: permanent name; placing it again with the same body returns the first outcome.
        account: whose money.
        amount: minor units.
        expires_at: from this moment on it can no longer be captured.
        linked: stands or falls together with the next request of the same call.
        scope: the tenant that asks; None for the organization.
    """

    id: uuid.UUID
    account: str
    amount: int
    expires_at: datetime
    linked: bool = False
    scope: Scope | None = None
    side: ClassVar[int] = 0
    effective_at: ClassVar[None] = None
    hold_id: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_reference(self.account)
        if not 0 < self.amount <= AMOUNT_MAX:
            raise InvalidValueError("amount_minor", self.amount, f"give 1 to {AMOUNT_MAX}")
        if self.expires_at.tzinfo is None:
            raise InvalidValueError("expires_at", self.expires_at, "give a time with its zone")

    @property
    def is_simple(self) -> bool:
        """Whether it stands alone and nobody has to be asked whose it is: the fast way through the books."""
        return not self.linked and self.scope is None

    @property
    def key(self) -> uuid.UUID:
        """Its name, as an entry's key is."""
        return self.id

    @property
    def postings(self) -> tuple[NewHold]:
        """Beside the postings of entries: itself, on neither side."""
        return (self,)


@dataclass(frozen=True, slots=True)
class HoldRelease:
    """Held money to be given back, all that was not captured.

    Args:
        id: the hold.
        linked: stands or falls together with the next request of the same call.
        scope: the tenant that asks; None for the organization.
    """

    id: uuid.UUID
    linked: bool = False
    scope: Scope | None = None
    is_simple: ClassVar[bool] = False


class Hold(NamedTuple):
    """A hold as it stands.

    Args:
        state: ``"placed"``, ``"captured"``, ``"released"`` or ``"expired"``.
        entry_seq: the newest entry that captured of it; None before.
        captured: taken so far, minor units.
    """

    id: uuid.UUID
    account: str
    amount: int
    state: str
    expires_at: datetime
    entry_seq: int | None
    captured: int = 0


class HoldResult(NamedTuple):
    """Answer to one request about a hold.

    Args:
        code: the outcome; POSTED where it was done.
        hold: the hold as the request left it; None where there is none.
        message: one sentence for people; empty where it was done.
    """

    code: ResultCode
    hold: Hold | None
    message: str = ""

    @property
    def text(self) -> str:
        """The code as services spell it: ``"placed"`` or ``"released"`` where it was done."""
        return self.hold.state if self.code is ResultCode.POSTED and self.hold is not None else self.code.text
