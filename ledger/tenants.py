"""Tenants: who inside the organization sees and uses which books.

    organization (the database) ─ tenant ─ book ─ account

Rules:
- a tenant is a set of books; a book belongs to one tenant or to the organization itself;
- what a tenant may read is decided by the database (row-level security, docs/tenants.md): ``seen_by`` makes a
  connection see what one tenant sees, for as long as its block lasts;
- a shared account is one that every tenant may post to, against accounts of his own; nobody but its owner reads it;
- a database login is bound to one tenant by the organization, and cannot choose another;
- every change is a numbered row of history that nobody can edit.

Left to others: what a request within books may do (``ledger.scope``), which caller is which tenant (``node.access``).

Example:
    >>> create_tenant(connection, "acme", actor="operator", now=now)
    True
    >>> open_book(connection, "acme-retail", actor="operator", now=now)
    True
    >>> give_book(connection, "acme-retail", "acme", actor="operator", now=now)
    True
    >>> with seen_by(connection, "acme"):
    ...     [account.facts.reference for account in list_accounts(connection)]
    []
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from ledger.account import check_actor, check_code, check_reference
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.journal import Scope
from ledger.queries import query

PAGE_SIZE_MAX = 1000
"""Most lines of one page."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_LOGIN_BYTES_MAX = 63

_Run = Callable[[bytes, tuple[Any, ...]], tuple[Any, ...]]
"""Calls one of the writer's functions with its epoch before the arguments (``posting.Writer.run``)."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as it stands.

    Args:
        name: also what references and aliases begin with that the tenant itself opens.
        books: codes, in order.
        logins: database logins that see what it sees, in order.
    """

    name: str
    books: tuple[str, ...]
    logins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TenantChange:
    """One row of history.

    Args:
        actor: pseudonym of who did it.
        what: the tenant opened; the book or login, and the tenants before and after; or the account, and whether it is
            shared from here on.
    """

    number: int
    at: datetime
    actor: str
    what: dict[str, Any]


def check_tenant(name: str, field: str = "tenant") -> str:
    """Return the name of a tenant.

    Raises:
        InvalidValueError: malformed.
    """
    if not _NAME.fullmatch(name):
        raise InvalidValueError(field, name, "use 1 to 31 of a-z, 0-9, _ and -, a letter first")
    return name


def create_tenant(connection: psycopg.Connection[Any], name: str, *, actor: str, now: datetime) -> bool:
    """Open a tenant, without books; False when it stands open already."""
    arguments = (check_tenant(name), check_actor(actor), now)
    return _code(connection, b"SELECT ledger.tenant_create(%s, %s, %s)", arguments) == "created"


def give_book(connection: psycopg.Connection[Any], book: str, tenant: str, *, actor: str, now: datetime) -> bool:
    """Give a book to a tenant, or with an empty name back to the organization; False when it is there already.

    Raises:
        NotFoundError: no such book or tenant.
        ConflictError: it is another tenant's.
    """
    arguments = (check_code(book, "book"), check_tenant(tenant) if tenant else None, check_actor(actor), now)
    code = _code(connection, b"SELECT ledger.tenant_give_book(%s, %s, %s, %s)", arguments)
    if code == "book_not_found":
        raise NotFoundError(f"book {book!r} does not exist")
    if code == "tenant_not_found":
        raise _unknown(tenant)
    if code == "book_of_another":
        raise ConflictError(f"book {book!r} belongs to another tenant: take it back first")
    return code == "changed"


def bind_login(connection: psycopg.Connection[Any], login: str, tenant: str, *, actor: str, now: datetime) -> bool:
    """Let a database login see what a tenant sees, or with an empty name nothing; False when it is bound so already.

    Args:
        login: a role that an administrator has made, with login, as a member of ``dwaybank_tenant`` and of nothing that
            shows it more.
    Raises:
        NotFoundError: no such tenant or login.
        InvalidValueError: the login is no member of ``dwaybank_tenant``, or sees more than a tenant may.
        ConflictError: it is bound to another tenant.
    """
    if not 1 <= len(login.encode()) <= _LOGIN_BYTES_MAX or "\x00" in login:
        raise InvalidValueError("login", login, f"give the name of a database role, up to {_LOGIN_BYTES_MAX} bytes")
    arguments = (login, check_tenant(tenant) if tenant else None, check_actor(actor), now)
    code = _code(connection, b"SELECT ledger.tenant_bind_login(%s, %s, %s, %s)", arguments)
    if code == "tenant_not_found":
        raise _unknown(tenant)
    if code == "login_not_found":
        raise NotFoundError(f"login {login!r} does not exist: CREATE ROLE ... LOGIN IN ROLE dwaybank_tenant")
    if code == "login_is_no_tenant":
        raise InvalidValueError("login", login, "is no member of dwaybank_tenant: GRANT dwaybank_tenant TO it first")
    if code == "login_sees_more":
        raise InvalidValueError(
            "login", login, "has rights that show it more than a tenant may see: use a role of its own"
        )
    if code == "login_of_another":
        raise ConflictError(f"login {login!r} is bound to another tenant: free it first")
    return code == "changed"


def share_account(run: _Run, reference: str, *, shared: bool, actor: str, now: datetime) -> bool:
    """Let every tenant post between an account and accounts of his, or no longer; False when it stands so already.

    Args:
        run: the writer's, because its copy of the books knows which accounts are shared.
    Raises:
        NotFoundError: no such account.
    """
    arguments = (check_reference(reference), shared, check_actor(actor), now)
    code = str(run(b"SELECT ledger.tenant_share(%s, %s, %s, %s, %s)", arguments)[0])
    if code == "account_not_found":
        raise NotFoundError(f"account {reference!r} does not exist")
    return code == "changed"


def list_tenants(connection: psycopg.Connection[Any]) -> list[Tenant]:
    """Return all tenants, in the order of their names."""
    rows = connection.execute(query("tenants"))
    return [Tenant(name, tuple(books), tuple(logins)) for name, books, logins in rows]


def list_shared_accounts(connection: psycopg.Connection[Any], *, after: str = "", count_max: int = 100) -> list[str]:
    """Return references of shared accounts, in order, from the one after ``after``."""
    _check_page_size(count_max)
    return [reference for (reference,) in connection.execute(query("tenant_shared"), (after, count_max))]


def list_changes(connection: psycopg.Connection[Any], *, after: int = 0, count_max: int = 100) -> list[TenantChange]:
    """Return a page of the history of tenants, oldest first.

    Args:
        after: only changes with a higher number.
    """
    _check_page_size(count_max)
    return [TenantChange(*row) for row in connection.execute(query("tenant_changes"), (after, count_max))]


def find_scope(connection: psycopg.Connection[Any], name: str) -> Scope | None:
    """Return what requests of a tenant keep within, None when there is no such tenant.

    Args:
        connection: of the organization, not of a tenant.
    """
    row = connection.execute(query("tenant_scope"), (name,)).fetchone()
    return None if row is None else Scope(row[0], frozenset(row[1]))


def sees_book(connection: psycopg.Connection[Any], book: str) -> bool:
    """Whether a connection sees a book: inside ``seen_by``, whether it is the tenant's."""
    return connection.execute(b"SELECT FROM ledger.book WHERE code = %s", (book,)).fetchone() is not None


@contextmanager
def seen_by(connection: psycopg.Connection[Any], tenant: str) -> Iterator[None]:
    """Let a connection see what a tenant sees, and change nothing, until the block ends; all in one transaction.

    Args:
        connection: of a role that may act as ``dwaybank_tenant``; outside a transaction.
    """
    # Inside another transaction it would not end with the block.
    assert connection.info.transaction_status is TransactionStatus.IDLE
    with connection.transaction():
        connection.execute(query("seen_by"), (tenant,))
        yield


def _unknown(tenant: str) -> NotFoundError:
    return NotFoundError(f"tenant {tenant!r} does not exist")


def _code(connection: psycopg.Connection[Any], statement: bytes, arguments: tuple[Any, ...]) -> str:
    row = connection.execute(statement, arguments).fetchone()
    assert row is not None
    return str(row[0])


def _check_page_size(count_max: int) -> None:
    if not 1 <= count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", count_max, f"give 1 to {PAGE_SIZE_MAX}")
