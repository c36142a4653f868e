"""What accounts are called and described with beside their references: metadata, aliases, and the search by them.

Rules:
- metadata are pairs of texts, changed name by name; each change is a numbered row of history: when, by whom, from what
  to what. History cannot be edited: so metadata hold no personal data, only what may stay for ever;
- an alias begins with ``@`` and stands for one account; it may be moved, and its history tells for whom it stood;
- postings name references, never aliases: a repeat of an entry must mean the same accounts as the first time.

Example:
    >>> from ledger.account import Side
    >>> from ledger.balances import open_account
    >>> account, created = open_account(connection, "customers:4711", "EUR", Side.CREDIT, floor=0, now=now)
    >>> set_metadata(connection, "customers:4711", {"tariff": "student", "branch": "12"}, actor="clerk-7", now=now)
    True
    >>> set_metadata(connection, "customers:4711", {"tariff": "adult"}, actor="clerk-7", now=now)
    True
    >>> [found.account.facts.reference for found in search_accounts(connection, metadata={"tariff": "adult"})]
    ['customers:4711']
    >>> [(change.name, change.before, change.after) for change in list_metadata_changes(connection, "customers:4711")]
    [('branch', None, '12'), ('tariff', None, 'student'), ('tariff', 'student', 'adult')]
    >>> set_alias(connection, "@wages-of-maria", "customers:4711", actor="clerk-7", now=now)
    True
    >>> resolve(connection, ["@wages-of-maria", "customers:4711"])
    ['customers:4711', 'customers:4711']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Json

from ledger.account import (
    PAIR_COUNT_MAX,
    Account,
    check_actor,
    check_alias,
    check_metadata,
    check_reference,
)
from ledger.balances import account_of
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.queries import query

PAGE_SIZE_MAX = 1000
"""Most lines of one page."""


@dataclass(frozen=True, slots=True)
class FoundAccount:
    """An account with its place and names.

    Args:
        portfolio: empty for none.
        segment: empty for none.
        aliases: in order.
    """

    account: Account
    book: str
    portfolio: str
    segment: str
    aliases: tuple[str, ...]
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """One row of the history of an account's metadata.

    Args:
        number: from 1, without a gap.
        actor: pseudonym of who did it.
        before: None where the name was new.
        after: None where the name was removed.
    """

    number: int
    at: datetime
    actor: str
    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class AliasChange:
    """One row of an alias's history.

    Args:
        number: from 1, without a gap.
        actor: pseudonym of who did it.
        before: reference it stood for; empty for none.
        after: reference it stands for from here on; empty for none.
    """

    number: int
    at: datetime
    actor: str
    before: str
    after: str


def set_metadata(
    connection: psycopg.Connection[Any],
    reference: str,
    pairs: Mapping[str, str | None],
    *,
    actor: str,
    now: datetime,
) -> bool:
    """Set these pairs of an account and leave its others; False when they stand so already.

    Args:
        pairs: name to value, or to None to remove the name; no personal data.
    Raises:
        InvalidValueError: a malformed pair, or more pairs than an account may have.
        NotFoundError: no such account.
    """
    check_metadata(pairs)
    arguments = (check_reference(reference), Json(dict(pairs)), check_actor(actor), now)
    code = _code(connection, b"SELECT ledger.account_set_metadata(%s, %s::jsonb, %s, %s)", arguments)
    if code == "account_not_found":
        raise NotFoundError(f"account {reference!r} does not exist")
    if code == "too_many_pairs":
        raise InvalidValueError("metadata", reference, f"an account has at most {PAIR_COUNT_MAX} pairs: remove some")
    return code == "changed"


def list_metadata_changes(
    connection: psycopg.Connection[Any], reference: str, *, name: str = "", after: int = 0, count_max: int = 100
) -> list[MetadataChange]:
    """Return a page of the history of an account's metadata, oldest first.

    Args:
        name: only changes of this name; empty for all.
        after: only changes with a higher number.
    """
    _check_page_size(count_max)
    rows = connection.execute(query("metadata_changes"), (reference, name, name, after, count_max))
    return [MetadataChange(*row) for row in rows]


def set_alias(
    connection: psycopg.Connection[Any],
    alias: str,
    reference: str,
    *,
    actor: str,
    now: datetime,
    move: bool = False,
) -> bool:
    """Let an alias stand for an account; False when it does already.

    Args:
        move: take it from the account it stands for now, if any.
    Raises:
        NotFoundError: no such account.
        ConflictError: the alias stands for another account and may not be moved.
    """
    arguments = (check_alias(alias), check_reference(reference), move, check_actor(actor), now)
    code = _code(connection, _SET_ALIAS, arguments)
    if code == "account_not_found":
        raise NotFoundError(f"account {reference!r} does not exist")
    if code == "alias_taken":
        raise ConflictError(f"alias {alias!r} stands for another account: move it, or choose another")
    return code == "changed"


def take_alias_back(connection: psycopg.Connection[Any], alias: str, *, actor: str, now: datetime) -> bool:
    """Let an alias stand for no account; False when it does not stand for one."""
    arguments = (check_alias(alias), None, True, check_actor(actor), now)
    return _code(connection, _SET_ALIAS, arguments) == "changed"


def list_alias_changes(connection: psycopg.Connection[Any], alias: str) -> list[AliasChange]:
    """Return an alias's whole history, oldest first."""
    return [AliasChange(*row) for row in connection.execute(query("alias_changes"), (alias,))]


def list_aliases(
    connection: psycopg.Connection[Any], *, prefix: str = "@", after: str = "", count_max: int = 100
) -> list[tuple[str, str]]:
    """Return aliases and the references they stand for, in the order of the aliases.

    Args:
        prefix: only aliases that begin with this.
        after: only aliases after this one: the last of the page before.
    """
    _check_page_size(count_max)
    return list(connection.execute(query("aliases"), (prefix, after, count_max)).fetchall())


def resolve(connection: psycopg.Connection[Any], names: Sequence[str]) -> list[str]:
    """Return the reference for each name: an alias gives the account's that it stands for now, a reference itself.

    Raises:
        InvalidValueError: a name that is neither.
        NotFoundError: an alias that stands for no account; references are not looked up.
    """
    aliases = list({check_alias(name) for name in names if name.startswith("@")})
    found = dict(connection.execute(query("resolve_aliases"), (aliases,)).fetchall()) if aliases else {}
    for alias in aliases:
        if alias not in found:
            raise NotFoundError(f"alias {alias!r} stands for no account")
    return [found[name] if name in found else check_reference(name) for name in names]


def find_alias(connection: psycopg.Connection[Any], alias: str) -> str:
    """Return the reference that an alias stands for; empty where it stands for none."""
    row = connection.execute(query("resolve_aliases"), ([check_alias(alias)],)).fetchone()
    return "" if row is None else str(row[1])


def search_accounts(
    connection: psycopg.Connection[Any],
    *,
    metadata: Mapping[str, str] | None = None,
    prefix: str = "",
    book: str = "",
    portfolio: str = "",
    segment: str = "",
    after: str = "",
    count_max: int = 100,
) -> list[FoundAccount]:
    """Return accounts that fit all that is asked, in the order of their references.

    Args:
        metadata: pairs an account must have, each exactly.
        prefix: only references that begin with this.
        after: only references after this one: the last of the page before.
        count_max: page size, 1 to ``PAGE_SIZE_MAX``.
    """
    _check_page_size(count_max)
    check_metadata(metadata or {})
    arguments = {
        "pairs": Json(dict(metadata or {})),
        "prefix": prefix,
        "book": book,
        "portfolio": portfolio,
        "segment": segment,
        "after": after,
        "count_max": count_max,
    }
    # Planned with its values each time: which index helps depends on what is asked for.
    rows = connection.execute(query("search_accounts"), arguments, prepare=False).fetchall()
    return [_found(row) for row in rows]


_SET_ALIAS = b"SELECT ledger.account_set_alias(%s, %s, %s, %s, %s)"


def _found(row: tuple[Any, ...]) -> FoundAccount:
    book, portfolio, segment, aliases, metadata, *account = row
    return FoundAccount(account_of(tuple(account)), book, portfolio, segment, tuple(aliases), metadata)


def _code(connection: psycopg.Connection[Any], statement: bytes, arguments: tuple[Any, ...]) -> str:
    row = connection.execute(statement, arguments).fetchone()
    assert row is not None
    return str(row[0])


def _check_page_size(count_max: int) -> None:
    if not 1 <= count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", count_max, f"give 1 to {PAGE_SIZE_MAX}")
