"""The history of accounts: every change of status and terms, by whom, from what to what. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ledger.account import Terms, check_reference
from ledger.errors import InvalidValueError
from ledger.queries import query

PAGE_SIZE_MAX = 1000
"""Most changes of one page."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Status and terms of an account at one time.

    Args:
        status: ``"open"``, ``"frozen"`` or ``"closed"``.
    """

    status: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class AccountChange:
    """One row of an account's history.

    Args:
        number: from 1, without a gap.
        actor: pseudonym of who did it.
    """

    number: int
    at: datetime
    actor: str
    before: Standing
    after: Standing


def list_account_changes(
    connection: psycopg.Connection[Any], reference: str, *, after: int = 0, count_max: int = 100
) -> list[AccountChange]:
    """Return a page of the history of an account's status and terms, oldest first.

    Args:
        after: only changes with a higher number.
        count_max: page size, 1 to ``PAGE_SIZE_MAX``.
    """
    if not 1 <= count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", count_max, f"give 1 to {PAGE_SIZE_MAX}")
    rows = connection.execute(query("account_changes"), (check_reference(reference), after, count_max))
    return [
        AccountChange(number, at, actor, _standing(before), _standing(after_it))
        for number, at, actor, before, after_it in rows
    ]


def _standing(document: dict[str, Any]) -> Standing:
    return Standing(document["status"], Terms(document["floor"], document["overdraft"], document["ceiling"]))
