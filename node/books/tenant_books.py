"""The books as one tenant of the organization sees and uses them: the same questions, answered for his books only.

Rules:
- reads run as the database's role of tenants, with the tenant set: what is his is decided there, not here;
- what changes something first asks those reads whether it is his, or carries his scope to the rules of the books;
- what he opens begins with his name, so that no name of another can ever be in his way, or told to him;
- who acts for him is on record as ``tenant:actor``;
- status and terms of accounts are not his to change, and he ends only the holds, monitors and schedules he asked for.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg

from ledger import metadata, tenants
from ledger.account import UNNAMED_ACTOR, Account, NewAccount
from ledger.balances import find_account
from ledger.errors import ConflictError, InvalidValueError
from ledger.hold import Hold, HoldRelease, HoldResult, NewHold
from ledger.journal import EntryResult, NewEntry, Scope
from ledger.lookup import find_hold
from ledger.monitors import Monitor
from ledger.prepared import Request
from network.rpc import RpcError, StatusCode
from node.books.books import Books
from node.books.outbox_stream import Bell

P = ParamSpec("P")
T = TypeVar("T")


async def tenant_books(books: Books, tenant: str) -> TenantBooks:
    """Return the books as a tenant sees them.

    Raises:
        RpcError: PERMISSION_DENIED when these books know no such tenant.
    """
    scope = await books.read(tenants.find_scope, tenant)
    if scope is None:
        raise RpcError(StatusCode.PERMISSION_DENIED, "these books know no tenant of the name in the client certificate")
    return TenantBooks(books, tenant, scope)


class TenantBooks:
    """A tenant's part of the books, for one call.

    Args:
        books: the organization's.
        tenant: his name.
        scope: his number and his books.
    """

    def __init__(self, books: Books, tenant: str, scope: Scope) -> None:
        self._books = books
        self._scope = scope
        self.tenant = tenant
        self.number = scope.tenant

    @property
    def bell(self) -> Bell:
        """Rung after each commit of this process, whoever asked for it."""
        return self._books.bell

    def actor(self, given: str) -> str:
        """Return whom the books name as the one who acts."""
        begin = f"{self.tenant}:"
        return given if given.startswith(begin) else f"{begin}{given or UNNAMED_ACTOR}"

    async def read(
        self,
        work: Callable[Concatenate[psycopg.Connection[Any], P], T],
        /,
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """Run one of the reading functions of ``ledger`` as the tenant; see ``Books.read``."""

        def as_tenant(connection: psycopg.Connection[Any]) -> T:
            with tenants.seen_by(connection, self.tenant):
                return work(connection, *arguments, **named)

        return await self._books.read(as_tenant)

    async def write(
        self,
        work: Callable[Concatenate[psycopg.Connection[Any], P], T],
        /,
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """Run a function that changes something, after ``read`` or ``require_account`` told that it is his."""
        return await self._books.read(work, *arguments, **named)

    async def require_account(self, reference: str) -> None:
        """Let pass what is about an account of the tenant.

        Raises:
            NotFoundError: there is no such account, or it is another's.
        """
        await self.read(find_account, reference)

    def require_own_name(self, name: str, field: str, *, sign: str = "") -> None:
        """Let pass a name that a tenant may give.

        Raises:
            InvalidValueError: it does not begin with the tenant's own.
        """
        begin = f"{sign}{self.tenant}:"
        if not name.startswith(begin):
            raise InvalidValueError(field, name, f'must begin with "{begin}"')

    async def post(self, entry: NewEntry) -> EntryResult:
        """Post one entry within the tenant's books."""
        (result,) = await self.post_batch((entry,))
        assert isinstance(result, EntryResult)
        return result

    async def post_batch(self, requests: Sequence[Request]) -> list[Any]:
        """Post within the tenant's books; see ``Books.post_batch``."""
        return await self._books.post_batch([self._scoped(request) for request in requests])

    async def dry_run(self, requests: Sequence[Request]) -> list[Any]:
        """Return what ``post_batch`` would answer now, and write nothing."""
        return await self._books.dry_run([self._scoped(request) for request in requests])

    def _scoped(self, request: Request) -> Request:
        if isinstance(request, NewEntry):
            return replace(request, scope=self._scope, actor=self.actor(request.actor))
        return replace(request, scope=self._scope)

    async def place_hold(self, hold: NewHold) -> HoldResult:
        """Reserve money of an account of the tenant."""
        return await self._books.place_hold(replace(hold, scope=self._scope))

    async def release_hold(self, hold_id: uuid.UUID) -> HoldResult:
        """Give back money of a hold that the tenant placed."""
        (result,) = await self._books.post_batch((HoldRelease(hold_id, scope=self._scope),))
        assert isinstance(result, HoldResult)
        return result

    async def find_hold(self, hold_id: uuid.UUID) -> Hold | None:
        """Return a hold on an account of the tenant, None when there is none."""
        return await self.read(find_hold, hold_id)

    async def open_new_account(self, new: NewAccount, actor: str) -> tuple[Account, bool]:
        """Open an account in one of the tenant's books; see ``Books.open_new_account``.

        Raises:
            InvalidValueError: reference or alias do not begin with the tenant's name, or the book is not his.
        """
        self.require_own_name(new.reference, "account")
        if new.alias:
            self.require_own_name(new.alias, "alias", sign="@")
        if not await self.read(tenants.sees_book, new.book):
            raise InvalidValueError("book", new.book, "is not registered")
        return await self._books.open_new_account(new, self.actor(actor))

    async def require_own_alias(self, alias: str) -> None:
        """Let pass an alias that stands for no account, or for one of the tenant.

        Raises:
            InvalidValueError: it does not begin with the tenant's name.
            ConflictError: it stands for an account that is not the tenant's.
        """
        self.require_own_name(alias, "alias", sign="@")
        if await self._books.read(metadata.find_alias, alias) and not await self.read(metadata.find_alias, alias):
            raise ConflictError(f"alias {alias!r} stands for another account")

    async def set_monitor(self, monitor: Monitor) -> bool:
        """Watch an account of the tenant; see ``Books.set_monitor``."""
        await self.require_account(monitor.account)
        return await self._books.set_monitor(monitor, tenant=self.number)

    async def drop_monitor(self, monitor_id: uuid.UUID) -> bool:
        """Watch no longer what the tenant watched; see ``Books.drop_monitor``."""
        return await self._books.drop_monitor(monitor_id, tenant=self.number)
