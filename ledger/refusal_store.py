"""Reads refusals that were kept, newest first, page by page."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ledger.errors import InvalidValueError
from ledger.queries import query
from ledger.refusal import RECORDED, Kind
from ledger.rows import SEQ_MAX

PAGE_SIZE_MAX = 500


@dataclass(frozen=True, slots=True)
class KeptRefusal:
    """A refusal as it stands.

    Args:
        number: from 1, gapless.
        after_seq: the entry after which it was judged; 0 before the first. The entry after that one binds it.
        key: the entry's key or the hold's id.
        code: a name of ``ResultCode``, in lower case.
        chained: a chain of linked requests failed with it.
        request_hash: of what was asked; begins with an entry's ``request_hash`` if just that was posted later.
        actor: pseudonym of who asked; empty for none.
        head: of the chain of refusals, this one at its end.
    """

    number: int
    after_seq: int
    at: datetime
    kind: Kind
    key: uuid.UUID
    code: str
    chained: bool
    request_hash: bytes
    actor: str
    head: bytes


@dataclass(frozen=True, slots=True)
class RefusalFilter:
    """Which refusals to read; None lets everything through; both times are included."""

    key: uuid.UUID | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.code is not None and self.code not in (known := sorted(code.text for code in RECORDED)):
            raise InvalidValueError("code", self.code, f"give one of {', '.join(known)}")


def list_refusals(
    connection: psycopg.Connection[Any],
    wanted: RefusalFilter | None = None,
    *,
    before: int = SEQ_MAX,
    count_max: int = 50,
) -> list[KeptRefusal]:
    """Return a page of refusals, newest first.

    Args:
        before: the page begins below this number.
        count_max: page size, 1 to ``PAGE_SIZE_MAX``.
    """
    if not 1 <= count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", count_max, f"give 1 to {PAGE_SIZE_MAX}")
    wanted = wanted or RefusalFilter()
    arguments = {
        "key": wanted.key,
        "code": wanted.code,
        "since": wanted.since,
        "until": wanted.until,
        "before": before,
        "count": count_max,
    }
    return [
        KeptRefusal(number, after_seq, at, Kind(kind), key, code, chained, bytes(asked), actor, bytes(head))
        for number, after_seq, at, kind, key, code, chained, asked, actor, head in connection.execute(
            query("refusal_page"), arguments
        )
    ]
