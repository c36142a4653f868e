"""Cases: what belongs together, collected by examiners (entries, findings, demands, notes), in a list that only grows.

Rules: the first item opens the case and is its title; a closed case takes nothing but being reopened; who put in what,
and when, stands in the item.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from node.anchor.database import Connection, Database, run
from node.audit.errors import BadRequestError, NotYetError, UnknownEntryError
from node.audit.pages import PAGE_SIZE_MAX, limit_of, read_place, split

ITEMS_MAX = 1_000
TITLE_LENGTH_MAX = 120
NOTE_LENGTH_MAX = 4_000

OPENED, CLOSED, REOPENED, NOTE = "opened", "closed", "reopened", "note"
SUBJECTS = {
    "entry": re.compile(r"[A-Za-z][A-Za-z0-9.-]{0,63}/[1-9][0-9]{0,15}"),
    "finding": re.compile(r"[0-9a-f]{32}"),
    "demand": re.compile(r"[0-9a-f]{32}"),
    NOTE: re.compile(""),
    CLOSED: re.compile(""),
    REOPENED: re.compile(""),
}
"""Kinds of items that are added, and the form of what they are about."""

_PACKAGE = "node.audit"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


class CaseItem(NamedTuple):
    """One item of a case, numbered from 1."""

    number: int
    kind: str
    subject: str
    note: str
    added_by: str
    added_at: datetime


class Case(NamedTuple):
    """A case as a list shows it; ``moved_at`` is its newest item's time."""

    case_id: uuid.UUID
    title: str
    opened_by: str
    opened_at: datetime
    moved_at: datetime
    is_closed: bool
    item_count: int


class Cases:
    """Cases in the organization's own database. Calls block."""

    def __init__(self, database: Database, new_id: Callable[[], uuid.UUID] = uuid.uuid4) -> None:
        self._database = database
        self._new_id = new_id

    def open(self, title: str, actor: str, now: datetime) -> uuid.UUID:
        """Open a case.

        Raises:
            BadRequestError: the title cannot be used.
        """
        if not title or len(title) > TITLE_LENGTH_MAX or not title.isprintable() or title != title.strip():
            raise BadRequestError(f"title: give 1 to {TITLE_LENGTH_MAX} printable characters")
        case_id = self._new_id()
        self._database.fetch("put_case_item", (case_id, 1, OPENED, "", title, actor, now), _PACKAGE)
        return case_id

    def page(self, page_size: int = 0, page_token: str = "") -> tuple[list[Case], str]:
        """Return a page of cases, the one that moved last first, and the token of the next one (empty for none).

        Raises:
            PageTokenError: the token is not one of this list's.
        """
        limit = limit_of(page_size, PAGE_SIZE_MAX)
        before, case_id = read_place(page_token, datetime.fromisoformat, uuid.UUID) if page_token else (None, None)
        rows = self._database.fetch("cases", {"limit": limit + 1, "before": before, "case_id": case_id}, _PACKAGE)
        return split([Case(*row) for row in rows], limit, lambda last: (last.moved_at.isoformat(), last.case_id))

    def items(self, case_id: uuid.UUID) -> list[CaseItem]:
        """Return all items of a case.

        Raises:
            UnknownEntryError: there is no such case.
        """
        with self._database.transaction() as connection:
            return _items(connection, case_id)

    def add(self, case_id: uuid.UUID, kind: str, subject: str, note: str, actor: str, now: datetime) -> None:
        """Add an item.

        Raises:
            BadRequestError: a field cannot be used.
            UnknownEntryError: there is no such case.
            NotYetError: the case is closed, or open already, or full.
        """
        _check(kind, subject, note)
        with self._database.transaction() as connection:
            # Whoever adds waits for who added before: numbers have no gap.
            connection.execute(_LOCK, (str(case_id),))
            items = _items(connection, case_id)
            closed = is_closed(items)
            if closed != (kind == REOPENED):
                raise NotYetError("the case is closed: reopen it first" if closed else "the case is open already")
            if len(items) >= ITEMS_MAX:
                raise NotYetError(f"the case holds {ITEMS_MAX} items: open another")
            row = (case_id, len(items) + 1, kind, subject, note, actor, now)
            run(connection, "put_case_item", row, _PACKAGE)


def is_closed(items: Sequence[CaseItem]) -> bool:
    """Tell whether a case is closed after these items."""
    moves = [item.kind for item in items if item.kind in (CLOSED, REOPENED)]
    return bool(moves) and moves[-1] == CLOSED


def _items(connection: Connection, case_id: uuid.UUID) -> list[CaseItem]:
    items = [CaseItem(*row) for row in run(connection, "case_items", (case_id,), _PACKAGE)]
    if not items:
        raise UnknownEntryError(f"there is no case {case_id}: list them first")
    return items


def _check(kind: str, subject: str, note: str) -> None:
    form = SUBJECTS.get(kind)
    if form is None:
        raise BadRequestError(f"kind: {kind[:40]!r} is none of {', '.join(SUBJECTS)}")
    if not form.fullmatch(subject):
        raise BadRequestError(f"subject: {subject[:80]!r} is not what an item of kind {kind} is about")
    if len(note) > NOTE_LENGTH_MAX or "\x00" in note or (kind == NOTE and not note.strip()):
        raise BadRequestError(f"note: give 1 to {NOTE_LENGTH_MAX} characters of text")
