"""The outbox: everything that happens in the books, in order, readable from any position.

Rules:
- entries are not copied: the journal itself is their outbox. All else is written in the commit of what it tells: each a
  row of ``ledger.event``, or many together in ``ledger.event_run``, where a commit tells of nothing but holds;
- order: an entry stands at (seq, 0), an event at (newest entry when it happened, number from 1). All of it is written
  under the lock of the books' head, so whatever is added sorts after all that any reader has seen: whoever goes on
  behind the last position he read misses nothing and reads nothing twice;
- a payload holds references, amounts and numbers, never free text, metadata or a compliance outcome (docs/events.md).

Left to others: sending (``node.webhooks``), streaming (``node.books.outbox_stream``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import psycopg

from ledger import pack
from ledger.account_columns import Numbers
from ledger.archived import telling_archived
from ledger.errors import InvalidValueError
from ledger.event import (
    ENTRY_POSTED,
    HOLD_CAPTURED,
    HOLD_EXPIRED,
    HOLD_PLACED,
    HOLD_RELEASED,
    Events,
    NewEvent,
    joined,
)
from ledger.queries import query
from ledger.script import Executes

PAGE_POSITIONS_MAX = 1000
"""Most positions one page looks at."""

RUN_EVENTS_MIN = 128
"""So many events of holds are written in runs, fewer as rows; see migration 0070."""

_RUN_KINDS = {HOLD_PLACED: 1, HOLD_CAPTURED: 2, HOLD_RELEASED: 3, HOLD_EXPIRED: 4}
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_CURSOR = re.compile(r"(0|[1-9][0-9]{0,18})\.(0|[1-9][0-9]{0,9})")
_KIND = re.compile(r"[a-z]{1,20}\.[a-z_]{1,30}")
_SEQ_MAX, _NUMBER_MAX = 2**63 - 1, 2**31 - 1


class Position(NamedTuple):
    """A place in the outbox; compares as the outbox is ordered.

    Args:
        seq: number of an entry, 0 before the first.
        number: 0 the entry itself, then the events after it.
    """

    seq: int
    number: int

    def __str__(self) -> str:
        """The cursor that stands for this place."""
        return f"{self.seq}.{self.number}"


START = Position(0, 0)
"""Before everything."""


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One thing that happened.

    Args:
        position: where it stands.
        kind: ``area.what``; docs/events.md lists them.
        account: reference of the account it is about; empty for an entry, or for what is about none.
        at: when it was committed to the books, UTC.
        payload: what it carries.
    """

    position: Position
    kind: str
    account: str
    at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OutboxPage:
    """What stands after a position.

    Args:
        events: those that passed the filters, in order.
        after: where the next page begins: behind all that was looked at, whether or not it passed.
        is_last: nothing stood behind it when it was read.
    """

    events: tuple[OutboxEvent, ...]
    after: Position
    is_last: bool


def record_events(script: Executes, epoch: int, events: Iterable[NewEvent | Events], now: datetime) -> None:
    """Write events in the database transaction under way: after its entries are appended, before they are settled.

    Args:
        script: of the transaction, on a connection that knows packed arrays (``pack.register``).
        epoch: the writer's.
        events: in the order they happened, at least one.
        now: the commit's time.
    """
    told = joined(events)
    seqs, numbers = pack.pack_int8(told.after_seq), pack.pack_int4(_numbers(told.after_seq))
    accounts, amounts, remaining = map(pack.pack_int8, (told.account_id, told.amount, told.remaining))
    if len(told.kind) >= RUN_EVENTS_MIN and None not in told.hold_id:
        kinds = pack.pack_int2(np.fromiter(map(_RUN_KINDS.__getitem__, told.kind), np.int64, len(told.kind)))
        holds = pack.pack_optional_uuids(told.hold_id)
        columns = (seqs, numbers, kinds, accounts, holds, amounts, remaining)
        script.execute(query("record_hold_events"), (epoch, now, *columns), prepare=True)
        return
    rows = (
        seqs, numbers, pack.pack_texts(told.kind), accounts, pack.pack_optional_uuids(told.hold_id), amounts, remaining,
        pack.pack_texts([_ENCODE(payload) if payload is not None else None for payload in told.payload]),
    )  # fmt: skip
    script.execute(query("record_events"), (epoch, now, *rows))


def _numbers(seqs: Numbers) -> Numbers:
    """Return each event's number among those after the same entry."""
    firsts = np.flatnonzero(np.diff(seqs, prepend=-1))
    numbers: Numbers = np.arange(1, len(seqs) + 1) - np.repeat(firsts, np.diff(firsts, append=len(seqs)))
    return numbers


def parse_cursor(text: str, field: str = "cursor") -> Position:
    """Return the position a cursor stands for; the empty text is the start.

    Raises:
        InvalidValueError: not of the form ``seq.number``.
    """
    if not text:
        return START
    match = _CURSOR.fullmatch(text)
    position = Position(int(match[1]), int(match[2])) if match is not None else START
    if match is None or position.seq > _SEQ_MAX or position.number > _NUMBER_MAX:
        raise InvalidValueError(
            field, text, 'give a position as it was told, such as "120.0", or nothing for the start'
        )
    return position


def check_happened(position: Position, newest: Position, field: str = "cursor") -> Position:
    """Return a reader's position, if these books have come so far: what is posted up to it would not reach him.

    Args:
        newest: of the books, read after the position was told.
    Raises:
        InvalidValueError: it lies ahead of them.
    """
    if position > newest:
        reason = "is ahead of all that happened in these books: if they were restored, go on from a cursor told since"
        raise InvalidValueError(field, str(position), reason)
    return position


def check_kinds(kinds: Sequence[str], field: str = "kinds") -> tuple[str, ...]:
    """Return the kinds, each once and sorted.

    Raises:
        InvalidValueError: one that no kind can be named.
    """
    for kind in kinds:
        if not _KIND.fullmatch(kind):
            raise InvalidValueError(field, kind, f'name a kind of event, such as "{ENTRY_POSTED}"')
    return tuple(sorted(set(kinds)))


@telling_archived()
def read_page(
    connection: psycopg.Connection[Any],
    after: Position,
    *,
    count_max: int,
    kinds: Sequence[str] = (),
    account_prefix: str = "",
) -> OutboxPage:
    """Return what stands after a position.

    Args:
        connection: any that may read the books.
        after: the last position read.
        count_max: positions to look at, up to ``PAGE_POSITIONS_MAX``; fewer events may pass the filters.
        kinds: kinds wanted; none for all.
        account_prefix: beginning of the references of the accounts wanted; an entry then shows only their postings.
    Raises:
        ArchivedError: entries after the position are archived.
    """
    count = min(count_max, PAGE_POSITIONS_MAX)
    rows = connection.execute(query("outbox_page"), (*after, count, list(kinds), account_prefix)).fetchall()
    events = tuple(
        OutboxEvent(Position(seq, number), kind, account or "", at, payload)
        for seq, number, kind, account, at, payload in rows
        if kind is not None
    )
    if not rows:
        return OutboxPage((), after, is_last=True)
    return OutboxPage(events, Position(rows[-1][0], rows[-1][1]), is_last=False)


def newest_position(connection: psycopg.Connection[Any]) -> Position:
    """Return the position of the newest thing that happened: where to begin when the past is not wanted."""
    row = connection.execute(query("outbox_newest")).fetchone()
    assert row is not None
    return Position(row[0], row[1])
