"""Where log-ins failed and where customers are known, in schema ``gateway``: what guesses are bounded by.

Rules it keeps:

- Who and where are kept as digests only: people type passwords into the wrong field.
- Whatever is recorded takes some of what is old away, whoever's, so that neither ever piles up.

It is synchronous; ``sessions`` calls it in threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

FORGOTTEN_AT_ONCE = 100
"""Old rows that a new one of their kind takes away."""

_schema = MetaData(schema="gateway")
_time = DateTime(timezone=True)
_failure = Table("login_failure", _schema, Column("subject", LargeBinary), Column("failed_at", _time))
_guess = Table(
    "sender_failure",
    _schema,
    Column("sender", LargeBinary, primary_key=True),
    Column("subject", LargeBinary, primary_key=True),
    Column("failed_at", _time),
)
_sender = Table("known_sender", _schema, Column("subject", LargeBinary, primary_key=True), Column("seen_at", _time))


@dataclass(frozen=True, slots=True)
class TakenTold:
    """How often somebody may be told that an e-mail address is registered.

    Args:
        place: from where he asks.
        subject: what he asks for.
        count_max: addresses that he may be told of.
        window: within which they count.
    """

    place: bytes
    subject: bytes
    count_max: int
    window: timedelta

    def enough_since(self, connection: Connection, now: datetime) -> datetime | None:
        """Return when the oldest was told where no more may be; whoever asks from there waits for this one's commit."""
        # One after the other from one place: of many at once no more are told of.
        lock = int.from_bytes(self.place[:8], signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(lock)))
        count, oldest = count_at(connection, self.place, now - self.window)
        return oldest if count >= self.count_max else None


class Failures:
    """Reads and writes failed log-ins and known senders.

    Args:
        engine: SQLAlchemy engine on psycopg.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of_subject(self, subject: bytes, since: datetime) -> tuple[int, datetime | None]:
        """Return how many logins failed for a subject since a time, and when the oldest of them was."""
        counted = select(func.count(), func.min(_failure.c.failed_at))
        with self._engine.connect() as connection:
            row = connection.execute(counted.where(_failure.c.subject == subject, _failure.c.failed_at > since)).one()
        return int(row[0]), row[1]

    def of_place(self, place: bytes, since: datetime) -> tuple[int, datetime | None]:
        """Return for how many customers logins from a place failed since a time, and the oldest of these times."""
        with self._engine.connect() as connection:
            return count_at(connection, place, since)

    def add(
        self, subjects: tuple[bytes, ...], tried: tuple[bytes, bytes] | None, now: datetime, kept_for: timedelta
    ) -> None:
        """Record a failed login and forget old ones, whoever's: more than are recorded, so that they never pile up.

        Args:
            subjects: what it counts against.
            tried: from where, and the customer at that place, if he is not known there.
            now: the time.
            kept_for: how long failures count.
        """
        with self._engine.begin() as connection:
            _forget(connection, _failure, _failure.c.failed_at, now - kept_for)
            connection.execute(insert(_failure), [{"subject": subject, "failed_at": now} for subject in subjects])
            if tried is not None:
                note_at(connection, *tried, now, kept_for)

    def add_at(self, place: bytes, subject: bytes, now: datetime, kept_for: timedelta) -> None:
        """Record that a customer was tried from a place, and forget old ones as ``add`` does."""
        with self._engine.begin() as connection:
            note_at(connection, place, subject, now, kept_for)

    def note_sender(self, subject: bytes, place: bytes | None, now: datetime, kept_for: timedelta) -> None:
        """Record from where somebody logged in, who is then no stranger there; forget where nobody did for long."""
        known = insert_or_skip(_sender).values(subject=subject, seen_at=now)
        with self._engine.begin() as connection:
            if place is not None:
                connection.execute(delete(_guess).where(_guess.c.sender == place, _guess.c.subject == subject))
            connection.execute(known.on_conflict_do_update(index_elements=["subject"], set_={"seen_at": now}))
            _forget(connection, _sender, _sender.c.seen_at, now - kept_for)

    def knows_sender(self, subject: bytes, since: datetime) -> bool:
        """Tell whether somebody logged in from there since a time."""
        found = select(_sender.c.subject).where(_sender.c.subject == subject, _sender.c.seen_at > since)
        with self._engine.connect() as connection:
            return connection.execute(found).first() is not None


def count_at(connection: Connection, place: bytes, since: datetime) -> tuple[int, datetime | None]:
    """Return how many customers are noted at a place since a time, and the oldest of these times."""
    counted = select(func.count(), func.min(_guess.c.failed_at))
    row = connection.execute(counted.where(_guess.c.sender == place, _guess.c.failed_at > since)).one()
    return int(row[0]), row[1]


def note_at(connection: Connection, place: bytes, subject: bytes, now: datetime, kept_for: timedelta) -> None:
    """Note a customer at a place, and forget old ones."""
    _forget(connection, _guess, _guess.c.failed_at, now - kept_for)
    tried = insert_or_skip(_guess).values(sender=place, subject=subject, failed_at=now)
    connection.execute(tried.on_conflict_do_update(index_elements=["sender", "subject"], set_={"failed_at": now}))


def _forget(connection: Connection, table: Table, at: Column[datetime], until: datetime) -> None:
    """Delete some of the rows up to a time."""
    old = table.alias("old")
    # Rows have no name but their place. What another gateway forgets at this moment is left to it.
    places = select(literal_column("old.ctid", Text)).select_from(old).where(old.c[at.name] <= until)
    some = places.limit(FORGOTTEN_AT_ONCE).with_for_update(skip_locked=True)
    connection.execute(delete(table).where(literal_column(f"{table.name}.ctid", Text).in_(some)))
