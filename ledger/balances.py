"""Accounts and their balances as they stand, and the trial balance over all of them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ledger.account import Account, AccountFacts, Side, check_reference
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.money import Asset
from ledger.queries import query

PAGE_SIZE_MAX = 1000
"""Most accounts of one page."""


@dataclass(frozen=True, slots=True)
class TrialBalanceLine:
    """Sums over all accounts of one asset; debit equals credit in sound books.

    Args:
        debit: sum of balances on the debit side, minor units.
        credit: sum of balances on the credit side, minor units.
        account_count: accounts of the asset.
    """

    asset: str
    debit: int
    credit: int
    account_count: int


def open_account(
    connection: psycopg.Connection[Any],
    reference: str,
    asset: str,
    normal_side: Side,
    *,
    floor: int | None,
    now: datetime,
) -> tuple[Account, bool]:
    """Open an account, or find the same one open already.

    Args:
        reference: pseudonym; never holds personal data.
        asset: code of a registered asset.
        floor: lowest available balance allowed, not above zero as the account begins empty; None for no floor.
    Returns:
        The account, and whether it is new.
    Raises:
        InvalidValueError: malformed reference, unknown asset, or a floor above zero.
        ConflictError: the reference stands for an account with another asset, side or floor.
    """
    check_reference(reference)
    if floor is not None and floor > 0:
        raise InvalidValueError("floor_minor", floor, "a new account is empty: give zero or less, or no floor")
    if "\x00" in asset:  # text no database can hold, which the driver would report as a failure of its own
        raise InvalidValueError("asset", asset, "is not registered")
    row = connection.execute(
        "SELECT ledger.open_account(%s, %s, %s::smallint, %s, %s)", (reference, asset, int(normal_side), floor, now)
    ).fetchone()
    assert row is not None
    if row[0] == "asset_not_found":
        raise InvalidValueError("asset", asset, "is not registered")
    if row[0] == "exists_with_different_body":
        raise ConflictError(f"account {reference!r} stands open with another asset, normal side or floor")
    return find_account(connection, reference), row[0] == "created"


def find_account(connection: psycopg.Connection[Any], reference: str) -> Account:
    """Return the account as it stands.

    Raises:
        NotFoundError: the books have no such account.
    """
    row = connection.execute(query("account"), (reference,)).fetchone()
    if row is None:
        raise NotFoundError(f"account {reference!r} does not exist")
    return _account(row)


def list_accounts(
    connection: psycopg.Connection[Any], *, prefix: str = "", after: str = "", count_max: int = 100
) -> list[Account]:
    """Return accounts in the order of their references.

    Args:
        prefix: only references that begin with this.
        after: only references after this one: the last of the page before.
        count_max: page size, 1 to ``PAGE_SIZE_MAX``.
    """
    if not 1 <= count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", count_max, f"give 1 to {PAGE_SIZE_MAX}")
    return [_account(row) for row in connection.execute(query("accounts"), (prefix, after, count_max))]


def trial_balance(connection: psycopg.Connection[Any]) -> list[TrialBalanceLine]:
    """Return one line for each asset in use, in the order of their codes."""
    rows = connection.execute("SELECT asset, debit, credit, account_count FROM ledger.trial_balance ORDER BY asset")
    return [TrialBalanceLine(asset, int(debit), int(credit), count) for asset, debit, credit, count in rows]


def entry_count(connection: psycopg.Connection[Any]) -> int:
    """Return how many entries the books hold: the number of the newest, as there are no gaps."""
    row = connection.execute("SELECT next_seq - 1 FROM ledger.head").fetchone()
    assert row is not None
    return int(row[0])


def _account(row: tuple[Any, ...]) -> Account:
    number, reference, code, scale, side, status, balance, held, floor, posting_count = row
    facts = AccountFacts(number, reference, Asset(code, scale), Side(side))
    return Account(facts, status, balance, held, floor, posting_count)
