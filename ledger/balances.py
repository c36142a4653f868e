"""Accounts and their balances as they stand, and the trial balance over all of them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Json

from ledger.account import UNNAMED_ACTOR, Account, AccountFacts, NewAccount, Side, Terms, check_actor
from ledger.errors import ChartRefusedError, ConflictError, InvalidValueError, NotFoundError
from ledger.money import Asset
from ledger.queries import query

PAGE_SIZE_MAX = 1000
"""Most accounts of one page."""

_SQLSTATE_ALIAS_TAKEN = "DW004"
"""Raised by ``ledger.open_account`` when the alias was taken between its look and its commit."""


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
    """Open an account of book ``main`` with a floor and no other terms; see ``open_new_account``."""
    return open_new_account(connection, NewAccount(reference, asset, normal_side, Terms(floor)), now=now)


def open_new_account(
    connection: psycopg.Connection[Any], new: NewAccount, *, now: datetime, actor: str = UNNAMED_ACTOR
) -> tuple[Account, bool]:
    """Open an account, or find the one that the same request opened before.

    Args:
        actor: pseudonym of who asks.
    Returns:
        The account as it stands, and whether it is new.
    Raises:
        InvalidValueError: unknown asset, book, portfolio or segment.
        ChartRefusedError: the chart of the book does not know such an account.
        ConflictError: the reference was opened by another request, or the alias stands for another account.
    """
    terms = new.terms or Terms()
    side = int(new.normal_side) if new.normal_side is not None else None
    arguments = (
        *(new.reference, new.asset, side, terms.floor, terms.overdraft, terms.ceiling),
        *(new.book, new.portfolio, new.segment, new.alias, Json(dict(new.metadata)), check_actor(actor), now),
    )
    try:
        with connection.transaction():
            row = connection.execute(query("open_account"), arguments).fetchone()
            if new.stripes and row is not None and row[0] == "created":
                connection.execute(b"SELECT ledger.stripe_account(%s, %s::smallint)", (new.reference, new.stripes))
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name != "account_striped_terms":
            raise
        raise InvalidValueError("stripes", new.stripes, "the terms of its chart let no account be striped") from error
    except psycopg.Error as error:
        if error.sqlstate != _SQLSTATE_ALIAS_TAKEN:
            raise
        row = ("alias_taken", "", "")
    assert row is not None
    code, rule, reason = row
    if code in {"asset_not_found", "book_not_found", "portfolio_not_found", "segment_not_found"}:
        field = code.removesuffix("_not_found")
        raise InvalidValueError(field, getattr(new, field), "is not registered")
    if code == "chart_refused":
        raise ChartRefusedError(new.reference, new.book, rule, reason)
    if code == "alias_taken":
        raise ConflictError(f"alias {new.alias!r} stands for another account")
    account = find_account(connection, new.reference)
    if code == "exists_with_different_body" or account.stripes != new.stripes:
        raise ConflictError(
            f"account {new.reference!r} stands open with another asset, side, terms, place, names or stripes"
        )
    return account, code == "created"


def find_account(connection: psycopg.Connection[Any], reference: str) -> Account:
    """Return the account as it stands.

    Raises:
        NotFoundError: the books have no such account.
    """
    row = connection.execute(query("account"), (reference,)).fetchone()
    if row is None:
        raise NotFoundError(f"account {reference!r} does not exist")
    return account_of(row)


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
    return [account_of(row) for row in connection.execute(query("accounts"), (prefix, after, count_max))]


def trial_balance(connection: psycopg.Connection[Any]) -> list[TrialBalanceLine]:
    """Return one line for each asset in use, in the order of their codes."""
    rows = connection.execute("SELECT asset, debit, credit, account_count FROM ledger.trial_balance ORDER BY asset")
    return [TrialBalanceLine(asset, int(debit), int(credit), count) for asset, debit, credit, count in rows]


def entry_count(connection: psycopg.Connection[Any]) -> int:
    """Return how many entries the books hold: the number of the newest, as there are no gaps."""
    row = connection.execute("SELECT next_seq - 1 FROM ledger.head").fetchone()
    assert row is not None
    return int(row[0])


def account_of(row: tuple[Any, ...]) -> Account:
    """Return the account of a row of ``sql/queries/account.sql``."""
    number, reference, code, scale, side, *standing = row
    return Account(AccountFacts(number, reference, Asset(code, scale), Side(side)), *standing)
