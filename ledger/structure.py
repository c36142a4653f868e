"""Books, portfolios and segments, the chart of each book, and where accounts stand in them.

    organization (the database) ─ book ─┬─ portfolio ─┐
                                        └─ segment ───┴─ account

Rules:
- an account stands in one book for ever, in at most one portfolio (whose, or what for) and one segment (of which kind);
- book ``main`` stands in every database, and an account opened without a book stands there;
- every change of the structure is a numbered row of the book's history that nobody can edit: what, when, by whom.

Left to others: what patterns and rules mean (``ledger.chart``), opening accounts (``ledger.balances``).

Example:
    >>> from ledger.account import NewAccount, Side
    >>> from ledger.balances import open_new_account
    >>> from ledger.chart import Chart, ChartRule
    >>> open_book(connection, "retail", actor="clerk-7", now=now)
    True
    >>> open_portfolio(connection, "retail", "branch-12", actor="clerk-7", now=now)
    True
    >>> rules = (ChartRule("customers:{id=digits}", Side.CREDIT, assets=("EUR",)),)
    >>> define_chart(connection, Chart("retail", rules, enforced=True), actor="clerk-7", now=now).version
    3
    >>> new = NewAccount("customers:4711", "EUR", book="retail", portfolio="branch-12", alias="@maria")
    >>> account, created = open_new_account(connection, new, actor="clerk-7", now=now)  # side and terms: by the chart
    >>> account.facts.normal_side, account.floor, created
    (<Side.CREDIT: 2>, 0, True)
    >>> open_new_account(connection, NewAccount("customers:anna", "EUR", book="retail"), actor="clerk-7", now=now)
    Traceback (most recent call last):
    ledger.errors.ChartRefusedError: account 'customers:anna': the chart of book 'retail' has no rule for it
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Json

from ledger.account import MAIN_BOOK, Side, Terms, check_actor, check_code, check_reference
from ledger.chart import Chart, ChartRule
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.queries import query

PAGE_SIZE_MAX = 1000
"""Most lines of one page."""

DEPTH_MAX = 16
"""Most parts of a code that sums are made for."""


@dataclass(frozen=True, slots=True)
class StructureChange:
    """One row of a book's history.

    Args:
        number: from 1, without a gap.
        actor: pseudonym of who did it.
        what: the whole chart as defined, or what was opened, or from where to where an account moved.
    """

    number: int
    at: datetime
    actor: str
    what: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Misfit:
    """An account that the chart of its book would refuse today.

    Args:
        rule: pattern of the rule that decides over it; empty when none fits.
        code: why, as in ``ChartRefusedError``.
    """

    reference: str
    rule: str
    code: str


@dataclass(frozen=True, slots=True)
class CodeBalance:
    """Sums over all accounts whose references begin with the same parts.

    Args:
        code: the parts, e.g. ``"customers"`` for all ``customers:…``.
        debit: sum of balances on the debit side, minor units.
        credit: sum of balances on the credit side, minor units.
    """

    code: str
    asset: str
    debit: int
    credit: int
    account_count: int


@dataclass(frozen=True, slots=True)
class GroupBalance:
    """Sums over all accounts of one portfolio and segment; empty codes stand for none."""

    portfolio: str
    segment: str
    asset: str
    debit: int
    credit: int
    account_count: int


def open_book(connection: psycopg.Connection[Any], book: str, *, actor: str, now: datetime) -> bool:
    """Open a book; False when it stands open already."""
    arguments = (check_code(book, "book"), check_actor(actor), now)
    return _created(connection, b"SELECT ledger.chart_open_book(%s, %s, %s)", arguments, book)


def open_portfolio(
    connection: psycopg.Connection[Any], book: str, portfolio: str, *, actor: str, now: datetime
) -> bool:
    """Open a portfolio of a book; False when it stands open already.

    Raises:
        NotFoundError: no such book.
    """
    arguments = (check_code(book, "book"), check_code(portfolio, "portfolio"), check_actor(actor), now)
    return _created(connection, b"SELECT ledger.chart_open_portfolio(%s, %s, %s, %s)", arguments, book)


def open_segment(connection: psycopg.Connection[Any], book: str, segment: str, *, actor: str, now: datetime) -> bool:
    """Open a segment of a book; False when it stands open already.

    Raises:
        NotFoundError: no such book.
    """
    arguments = (check_code(book, "book"), check_code(segment, "segment"), check_actor(actor), now)
    return _created(connection, b"SELECT ledger.chart_open_segment(%s, %s, %s, %s)", arguments, book)


def define_chart(
    connection: psycopg.Connection[Any],
    chart: Chart,
    *,
    actor: str,
    now: datetime,
    if_version: int | None = None,
) -> Chart:
    """Make this the chart of its book, whole, and return it as it stands; the same chart again changes nothing.

    Args:
        if_version: define it only while the book's structure has this version; None for whatever it has.
    Raises:
        NotFoundError: no such book.
        InvalidValueError: an asset that is not registered.
        ConflictError: the structure was changed since ``if_version``.
    """
    rules = Json([_rule_document(rule) for rule in chart.rules])
    arguments = (chart.book, rules, chart.enforced, if_version, check_actor(actor), now)
    row = connection.execute(query("chart_define"), arguments).fetchone()
    assert row is not None
    code, detail = row
    if code == "book_not_found":
        raise NotFoundError(f"book {chart.book!r} does not exist")
    if code == "changed_meanwhile":
        raise ConflictError(f"book {chart.book!r} was changed since version {if_version}: read its chart again")
    if code == "asset_not_found":
        raise InvalidValueError("assets", detail, "is not registered")
    assert code in {"changed", "unchanged"}, code
    return find_chart(connection, chart.book)


def find_chart(connection: psycopg.Connection[Any], book: str = MAIN_BOOK) -> Chart:
    """Return the chart of a book.

    Raises:
        NotFoundError: no such book.
    """
    row = connection.execute(query("chart"), (book,)).fetchone()
    if row is None:
        raise NotFoundError(f"book {book!r} does not exist")
    document, enforced, version = row
    return Chart(book, tuple(_rule(rule) for rule in document), enforced, version)


def list_books(connection: psycopg.Connection[Any]) -> list[str]:
    """Return the codes of all books, in order."""
    return [code for (code,) in connection.execute("SELECT code FROM ledger.book ORDER BY code")]


def list_portfolios(connection: psycopg.Connection[Any], book: str) -> list[str]:
    """Return the codes of a book's portfolios, in order."""
    return [code for (code,) in connection.execute(query("chart_portfolios"), (book,))]


def list_segments(connection: psycopg.Connection[Any], book: str) -> list[str]:
    """Return the codes of a book's segments, in order."""
    return [code for (code,) in connection.execute(query("chart_segments"), (book,))]


def place_account(
    connection: psycopg.Connection[Any],
    reference: str,
    *,
    portfolio: str,
    segment: str,
    actor: str,
    now: datetime,
) -> bool:
    """Move an account to a portfolio and a segment of its book, empty for none; False when it stands there already.

    Raises:
        NotFoundError: no such account, portfolio or segment.
    """
    arguments = (check_reference(reference), portfolio, segment, check_actor(actor), now)
    code = _code(connection, b"SELECT ledger.chart_place_account(%s, %s, %s, %s, %s)", arguments)
    missing = {"account_not_found": reference, "portfolio_not_found": portfolio, "segment_not_found": segment}
    if code in missing:
        raise NotFoundError(f"{code.removesuffix('_not_found')} {missing[code]!r} does not exist")
    return code == "changed"


def list_changes(
    connection: psycopg.Connection[Any], book: str, *, after: int = 0, count_max: int = 100
) -> list[StructureChange]:
    """Return a page of a book's history, oldest first.

    Args:
        after: only changes with a higher number.
    """
    _check_page_size(count_max)
    rows = connection.execute(query("chart_changes"), (book, after, count_max))
    return [StructureChange(*row) for row in rows]


def list_misfits(
    connection: psycopg.Connection[Any], book: str, *, after: str = "", count_max: int = 100
) -> list[Misfit]:
    """Return accounts that the chart of their book would refuse today, in the order of their references.

    They stay valid when the chart is enforced: this is the list to work off.
    """
    _check_page_size(count_max)
    return [Misfit(*row) for row in connection.execute(query("chart_misfits"), (book, after, count_max))]


def code_balances(connection: psycopg.Connection[Any], book: str = MAIN_BOOK, *, depth: int = 1) -> list[CodeBalance]:
    """Return the balances of a book summed up its tree of codes, in the order of the codes.

    Args:
        depth: parts of the deepest codes to sum for; higher ones are given too.
    """
    if not 1 <= depth <= DEPTH_MAX:
        raise InvalidValueError("depth", depth, f"give 1 to {DEPTH_MAX}")
    rows = connection.execute(query("chart_code_balances"), (depth, book))
    return [CodeBalance(code, asset, int(debit), int(credit), count) for code, asset, debit, credit, count in rows]


def group_balances(connection: psycopg.Connection[Any], book: str = MAIN_BOOK) -> list[GroupBalance]:
    """Return the balances of a book summed by portfolio and segment."""
    rows = connection.execute(query("chart_group_balances"), (book,))
    return [
        GroupBalance(portfolio, segment, asset, int(debit), int(credit), count)
        for portfolio, segment, asset, debit, credit, count in rows
    ]


def _created(connection: psycopg.Connection[Any], statement: bytes, arguments: tuple[Any, ...], book: str) -> bool:
    code = _code(connection, statement, arguments)
    if code == "book_not_found":
        raise NotFoundError(f"book {book!r} does not exist")
    return code == "created"


def _code(connection: psycopg.Connection[Any], statement: bytes, arguments: tuple[Any, ...]) -> str:
    row = connection.execute(statement, arguments).fetchone()
    assert row is not None
    return str(row[0])


def _rule_document(rule: ChartRule) -> dict[str, Any]:
    return {
        "pattern": rule.pattern,
        "normal_side": int(rule.normal_side),
        "assets": list(rule.assets),
        "negative": rule.negative,
        "floor": rule.terms.floor,
        "overdraft": rule.terms.overdraft,
        "ceiling": rule.terms.ceiling,
    }


def _rule(document: dict[str, Any]) -> ChartRule:
    terms = Terms(document["floor"], document["overdraft"], document["ceiling"])
    side, assets = Side(document["normal_side"]), tuple(document["assets"])
    return ChartRule(document["pattern"], side, assets, document["negative"], terms)


def _check_page_size(count_max: int) -> None:
    if not 1 <= count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", count_max, f"give 1 to {PAGE_SIZE_MAX}")
