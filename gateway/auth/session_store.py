"""Sessions in schema ``gateway``: families of refresh tokens, each begun by one log-in.

Rules it keeps:

- Rotating a refresh token is one database transaction under its family's lock: of two uses at once one is a reuse.
- Tokens that expired are forgotten, and families that have none left.

It is synchronous; ``sessions`` calls it in threads.
"""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    LargeBinary,
    MetaData,
    Table,
    Uuid,
    delete,
    insert,
    select,
    update,
)

from gateway.auth.failures import FORGOTTEN_AT_ONCE
from gateway.errors import ConflictError, NotFoundError
from gateway.store import Customer, as_customer, customers

_schema = MetaData(schema="gateway")
_time = DateTime(timezone=True)
families = Table(
    "refresh_family",
    _schema,
    Column("family_id", Uuid, primary_key=True),
    Column("customer_id", Uuid),
    Column("created_at", _time),
    Column("revoked_at", _time),
)
_token = Table(
    "refresh_token",
    _schema,
    Column("token_digest", LargeBinary, primary_key=True),
    Column("family_id", Uuid),
    Column("issued_at", _time),
    Column("expires_at", _time),
    Column("used_at", _time),
)


class Rotation(NamedTuple):
    """A session that goes on."""

    customer_id: uuid.UUID
    session_id: uuid.UUID


class RotationOutcome(enum.Enum):
    """Why a refresh token was not exchanged."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REUSED = "reused"


class SessionStore:
    """Reads and writes sessions.

    Args:
        engine: SQLAlchemy engine on psycopg.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def customer_in_session(self, customer_id: uuid.UUID, session_id: uuid.UUID | None) -> tuple[Customer, bool]:
        """Return a customer, and whether a session of his has ended.

        Raises:
            NotFoundError: there is none.
        """
        ended = select(families).where(families.c.family_id == session_id, families.c.revoked_at.is_not(None)).exists()
        him = select(customers, ended.label("is_ended")).where(customers.c.customer_id == customer_id)
        with self._engine.connect() as connection:
            row = connection.execute(him).one_or_none()
        if row is None:
            raise NotFoundError("no such customer")
        return as_customer(row), row.is_ended

    def add_session(self, customer: Customer, token_digest: bytes, now: datetime, expires_at: datetime) -> uuid.UUID:
        """Begin a family of refresh tokens with its first one; forget some that have expired, whoever's.

        Returns:
            The session's id.
        Raises:
            ConflictError: the password was changed since the customer was read.
        """
        with self._engine.begin() as connection:
            _require_same_password(connection, customer)
            session_id = _begin_session(connection, customer.customer_id, token_digest, now, expires_at)
            _forget_sessions(connection, now)
            return session_id

    def change_password(
        self, customer: Customer, password_hash: str, token_digest: bytes, now: datetime, expires_at: datetime
    ) -> uuid.UUID:
        """Set another password, end all sessions and begin a new one with its first refresh token.

        Returns:
            The new session's id.
        Raises:
            ConflictError: the password was changed since the customer was read.
        """
        chosen = customers.c.customer_id == customer.customer_id
        open_ones = (families.c.customer_id == customer.customer_id) & families.c.revoked_at.is_(None)
        with self._engine.begin() as connection:
            _require_same_password(connection, customer)
            changed = {"password_hash": password_hash, "password_changes": customer.password_changes + 1}
            connection.execute(
                update(customers).where(chosen).values(**changed, must_change_password=False, given_until=None)
            )
            connection.execute(update(families).where(open_ones).values(revoked_at=now))
            return _begin_session(connection, customer.customer_id, token_digest, now, expires_at)

    def rotate(
        self, token_digest: bytes, new_digest: bytes, now: datetime, expires_at: datetime
    ) -> Rotation | RotationOutcome:
        """Exchange a refresh token for its successor; one used before revokes its whole family.

        Returns:
            Whose session goes on, or why there is no exchange.
        """
        with self._engine.begin() as connection:
            family_of = select(_token.c.family_id).where(_token.c.token_digest == token_digest).scalar_subquery()
            family = connection.execute(
                select(families).where(families.c.family_id == family_of).with_for_update()
            ).one_or_none()
            if family is None:
                return RotationOutcome.UNKNOWN
            # Read under the family's lock, so that the second of two uses at once sees the first.
            token = connection.execute(select(_token).where(_token.c.token_digest == token_digest)).one_or_none()
            if token is None:
                # Forgotten while the lock was waited for.
                return RotationOutcome.UNKNOWN
            if family.revoked_at is not None:
                return RotationOutcome.REVOKED
            if token.used_at is not None:
                chosen = update(families).where(families.c.family_id == family.family_id)
                connection.execute(chosen.values(revoked_at=now))
                return RotationOutcome.REUSED
            if token.expires_at <= now:
                return RotationOutcome.EXPIRED
            connection.execute(update(_token).where(_token.c.token_digest == token_digest).values(used_at=now))
            successor = {"token_digest": new_digest, "family_id": family.family_id, "issued_at": now}
            connection.execute(insert(_token).values(**successor, expires_at=expires_at))
            _forget_sessions(connection, now)
            return Rotation(family.customer_id, family.family_id)

    def revoke_session(self, token_digest: bytes, now: datetime) -> None:
        """End the session a refresh token belongs to; an unknown one changes nothing."""
        family_of = select(_token.c.family_id).where(_token.c.token_digest == token_digest).scalar_subquery()
        with self._engine.begin() as connection:
            chosen = update(families).where(families.c.family_id == family_of, families.c.revoked_at.is_(None))
            connection.execute(chosen.values(revoked_at=now))


def _require_same_password(connection: Connection, customer: Customer) -> None:
    """Hold a customer's record for this database transaction; of two who change it at once the later one is refused."""
    chosen = select(customers.c.password_changes).where(customers.c.customer_id == customer.customer_id)
    if connection.scalar(chosen.with_for_update()) != customer.password_changes:
        raise ConflictError("password_changed", "the password was changed meanwhile: sign in again with the new one")


def _begin_session(
    connection: Connection, customer_id: uuid.UUID, token_digest: bytes, now: datetime, expires_at: datetime
) -> uuid.UUID:
    family_id = uuid.uuid4()
    family = {"family_id": family_id, "customer_id": customer_id, "created_at": now}
    connection.execute(insert(families).values(family))
    token = {"token_digest": token_digest, "family_id": family_id, "issued_at": now, "expires_at": expires_at}
    connection.execute(insert(_token).values(token))
    return family_id


def _forget_sessions(connection: Connection, now: datetime) -> None:
    """Delete some of the refresh tokens that have expired, which open nothing, and families that have none left."""
    # Under their families' locks, so that no rotation adds a token meanwhile; one that is under way is not waited for.
    of_family = families.join(_token, _token.c.family_id == families.c.family_id)
    old = select(_token.c.token_digest, _token.c.family_id).select_from(of_family)
    some = old.where(_token.c.expires_at <= now).order_by(_token.c.expires_at).limit(FORGOTTEN_AT_ONCE)
    rows = connection.execute(some.with_for_update(skip_locked=True)).all()
    if not rows:
        return
    connection.execute(delete(_token).where(_token.c.token_digest.in_([row.token_digest for row in rows])))
    left = select(_token).where(_token.c.family_id == families.c.family_id)
    ended = families.c.family_id.in_({row.family_id for row in rows})
    connection.execute(delete(families).where(ended, ~left.exists()))
