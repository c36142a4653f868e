"""What the bank's own people do about a customer: look him up, shut him out, let him in again, give him a new password.

Rules it keeps:

- Who is suspended, or whose password is reset, has no session left, and no access token that opens anything.
- A password that the bank gave lets the customer set one of his own, and do nothing else.
- Each change is on record with who asked for it and why, in the same database transaction.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Engine, MetaData, Table, Text, Uuid, insert, select, update

from gateway.auth.session_store import families
from gateway.errors import ConflictError, NotFoundError, RefusedError
from gateway.store import accounts, customers

ACTOR_LENGTH_MAX, REASON_LENGTH_MAX = 64, 500
GIVEN_FOR = timedelta(days=3)
"""How long a password that the bank gave is good: it goes by word or on paper."""

_change = Table(
    "customer_change",
    MetaData(schema="gateway"),
    Column("change_id", BigInteger, primary_key=True),
    Column("customer_id", Uuid),
    Column("what", Text),
    Column("actor", Text),
    Column("reason", Text),
    Column("changed_at", DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What was done about a customer, by whom and why."""

    what: str
    actor: str
    reason: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer as the bank sees him; ``given_until`` is the end of a password that the bank gave and he has still."""

    customer_id: uuid.UUID
    email: str
    display_name: str
    status: str
    given_until: datetime | None
    accounts: tuple[str, ...]
    changes: tuple[Change, ...]


class CustomerDesk:
    """Works on customers in schema ``gateway``.

    Args:
        engine: SQLAlchemy engine on psycopg.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, named: str) -> Standing:
        """Return a customer by e-mail address, id, or the reference of an account of his.

        Raises:
            NotFoundError: nobody is named so.
        """
        owner = select(accounts.c.customer_id).where(accounts.c.account == named).scalar_subquery()
        chosen = (customers.c.email == named.strip().lower()) | (customers.c.customer_id == owner)
        if (customer_id := _id_of(named)) is not None:
            chosen |= customers.c.customer_id == customer_id
        with self._engine.connect() as connection:
            row = connection.execute(select(customers).where(chosen)).one_or_none()
            if row is None:
                told = "no customer: give an e-mail address, a customer's id or an account of his"
                raise NotFoundError(f"{named}: {told}")
            his = accounts.c.customer_id == row.customer_id
            owned = connection.scalars(select(accounts.c.account).where(his).order_by("opened_at")).all()
            changed = select(_change).where(_change.c.customer_id == row.customer_id).order_by("change_id")
            changes = [
                Change(each.what, each.actor, each.reason, each.changed_at) for each in connection.execute(changed)
            ]
        him = row.customer_id, row.email, row.display_name, row.status, row.given_until
        return Standing(*him, tuple(owned), tuple(changes))

    def suspend(self, customer_id: uuid.UUID, actor: str, reason: str, now: datetime) -> None:
        """Shut a customer out: his sessions end, his tokens open nothing; his money stays as it is.

        Raises:
            ConflictError: he is suspended.
        """
        self._change(customer_id, Change("suspended", actor, reason, now), {"status": "suspended"}, "active")

    def reinstate(self, customer_id: uuid.UUID, actor: str, reason: str, now: datetime) -> None:
        """Let a customer log in again.

        Raises:
            ConflictError: he is not suspended.
        """
        self._change(customer_id, Change("reinstated", actor, reason, now), {"status": "active"}, "suspended")

    def reset_password(self, customer_id: uuid.UUID, encoded: str, actor: str, reason: str, now: datetime) -> datetime:
        """Give a customer a password, by its hash, until he sets one of his own; his sessions end.

        Returns:
            Until when it is good.
        """
        until = now + GIVEN_FOR
        given = {"password_hash": encoded, "must_change_password": True, "given_until": until}
        self._change(customer_id, Change("password_reset", actor, reason, now), given, None)
        return until

    def _change(self, customer_id: uuid.UUID, change: Change, values: dict[str, Any], wanted: str | None) -> None:
        _check_text("actor", change.actor, ACTOR_LENGTH_MAX)
        _check_text("reason", change.reason, REASON_LENGTH_MAX)
        him = customers.c.customer_id == customer_id
        open_ones = (families.c.customer_id == customer_id) & families.c.revoked_at.is_(None)
        with self._engine.begin() as connection:
            status = connection.scalar(select(customers.c.status).where(him).with_for_update())
            if wanted is not None and status != wanted:
                raise ConflictError("status", f"the customer is {status} already: nothing was changed")
            # Tokens carry the number of changes: one that was given before opens nothing any more, reinstated or not.
            ended = customers.c.password_changes + 1
            connection.execute(update(customers).where(him).values(**values, password_changes=ended))
            connection.execute(update(families).where(open_ones).values(revoked_at=change.changed_at))
            connection.execute(
                insert(_change).values(
                    customer_id=customer_id,
                    what=change.what,
                    actor=change.actor,
                    reason=change.reason,
                    changed_at=change.changed_at,
                )
            )


def _id_of(named: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(named)
    except ValueError:
        return None


def _check_text(field: str, text: str, length_max: int) -> None:
    if not 0 < len(text) <= length_max or "\x00" in text:
        raise RefusedError("invalid", f"{field} {text[:20]!r}: give 1 to {length_max} characters")
