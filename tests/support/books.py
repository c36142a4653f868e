"""Builders for tests of the books: an open writer with plain rules, accounts, and keys that are easy to read."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey

from ledger.account import Side
from ledger.balances import open_account
from ledger.decision import AcceptedEntries, AcceptedEntry, Decision, Decisions
from ledger.journal import Outcome
from ledger.posting import Writer
from ledger.schema import migrate
from ledger.script import Executes

SIGNING_KEY = SigningKey(bytes(range(32)))
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def sign(digest: bytes) -> bytes:
    return SIGNING_KEY.sign(digest).signature


def verify(digest: bytes, signature: bytes) -> bool:
    try:
        SIGNING_KEY.verify_key.verify(digest, signature)
    except BadSignatureError:
        return False
    return True


def key(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> None:
        self.moment += timedelta(**by)


class PlainRules:
    """Over 10,000.00 needs a review; remembers what it was told in the commit."""

    def __init__(self) -> None:
        self.recorded: list[AcceptedEntry] = []

    def decide(self, entries: AcceptedEntries, now: datetime) -> Decisions:
        decisions = []
        for entry in entries.entries:
            large = any(posting.amount > 1_000_000 for posting in entry.postings)
            outcome = Outcome.REQUIRES_MANUAL_REVIEW if large else Outcome.AUTOMATED_APPROVAL
            leaf = hashlib.sha256(entry.key.bytes).digest()
            decisions.append(Decision(leaf[:16], outcome, leaf))
        return Decisions.of(decisions)

    def in_commit(self, script: Executes, accepted: AcceptedEntries, now: datetime) -> None:
        self.recorded.extend(accepted)


def new_writer(url: str, clock: Clock | None = None, rules: PlainRules | None = None, **more: Any) -> Writer:
    return Writer(url, sign=sign, decider=rules or PlainRules(), now=clock or Clock(), **more)


@contextmanager
def open_writer(url: str, clock: Clock | None = None, rules: PlainRules | None = None, **more: Any) -> Iterator[Writer]:
    """Migrate the database and yield a writer that took the books over."""
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection)
    writer = new_writer(url, clock, rules, **more)
    writer.open()
    try:
        yield writer
    finally:
        writer.close()


def open_accounts(connection: psycopg.Connection[Any], table: str) -> None:
    """Open accounts from a table: reference, asset, normal side, floor or "-"."""
    for line in table.strip().splitlines():
        reference, asset, side, floor = line.split()
        limit = None if floor == "-" else int(floor)
        open_account(connection, reference, asset, Side[side.upper()], floor=limit, now=START)
