"""Questions that only archived entries could answer: told as such, never answered with what is left. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from ledger.errors import ArchivedError

SQLSTATE_ARCHIVED = "DW005"
"""Raised by ``ledger.refuse_archived``."""


@contextmanager
def telling_archived() -> Iterator[None]:
    """Turn what the database says of archived entries into ``ArchivedError``; also a decorator."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate != SQLSTATE_ARCHIVED:
            raise
        raise ArchivedError(error.diag.message_primary or "archived") from error


@telling_archived()
def refuse_archived_entry(connection: psycopg.Connection[Any], by: int | UUID | str) -> None:
    """Raise if the entry of this number or key, or one of this settlement, is archived.

    Raises:
        ArchivedError: it is; says where.
    """
    given = [by if isinstance(by, kind) else None for kind in (int, UUID, str)]
    connection.execute(b"SELECT ledger.refuse_archived_entry(%s, %s, %s)", given)


def archived_seq(connection: psycopg.Connection[Any]) -> int:
    """Return the newest entry that is archived; 0 for none."""
    row = connection.execute(b"SELECT ledger.archived_seq()").fetchone()
    assert row is not None
    return int(row[0])
