"""``dwaybank.ledger.v1.TenantService``: who inside the organization sees and uses which books, for its operators.

Rules are those of ``ledger_service``: strict input, refusals by name. None of it is for tenants.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from google.protobuf.message import Message

from ledger import tenants
from ledger.account import check_reference
from network.pb.dwaybank.ledger.v1 import tenants_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.books import wire
from node.books.books import Books
from node.books.handlers import Handlers

SERVICE = "dwaybank.ledger.v1.TenantService"

PAGE_SIZE_DEFAULT = 50
"""Lines of a page when the caller names no size."""


class TenantService:
    """Serves the decisions about tenants.

    Args:
        books: the organization's books.
        members: tells who calls.
        now: the clock, UTC.
    """

    def __init__(self, books: Books, members: Members, *, now: Callable[[], datetime]) -> None:
        self._books = books
        self._members = members
        self._now = now

    def register(self, server: Server) -> None:
        """Offer all methods of the service."""
        handlers = Handlers(server, SERVICE, self._members, self._books)
        handlers.offer("CreateTenant", pb.CreateTenantRequest, self._create_tenant)
        handlers.offer("ListTenants", pb.ListTenantsRequest, self._list_tenants)
        handlers.offer("GiveBook", pb.GiveBookRequest, self._give_book)
        handlers.offer("BindLogin", pb.BindLoginRequest, self._bind_login)
        handlers.offer("ShareAccount", pb.ShareAccountRequest, self._share_account)
        handlers.offer("ListSharedAccounts", pb.ListSharedAccountsRequest, self._list_shared_accounts)
        handlers.offer("ListTenantChanges", pb.ListTenantChangesRequest, self._list_tenant_changes)

    async def _create_tenant(self, request: pb.CreateTenantRequest) -> Message:
        created = await self._books.write(tenants.create_tenant, request.tenant, actor=request.actor, now=self._now())
        return pb.CreateTenantResponse(created=created)

    async def _list_tenants(self, request: pb.ListTenantsRequest) -> Message:
        found = await self._books.read(tenants.list_tenants)
        listed = [pb.Tenant(tenant=item.name, books=item.books, logins=item.logins) for item in found]
        return pb.ListTenantsResponse(tenants=listed)

    async def _give_book(self, request: pb.GiveBookRequest) -> Message:
        changed = await self._books.write(
            tenants.give_book, request.book, request.tenant, actor=request.actor, now=self._now()
        )
        return pb.GiveBookResponse(changed=changed)

    async def _bind_login(self, request: pb.BindLoginRequest) -> Message:
        changed = await self._books.write(
            tenants.bind_login, request.login, request.tenant, actor=request.actor, now=self._now()
        )
        return pb.BindLoginResponse(changed=changed)

    async def _share_account(self, request: pb.ShareAccountRequest) -> Message:
        changed = await self._books.share_account(request.account, shared=request.shared, actor=request.actor)
        return pb.ShareAccountResponse(changed=changed)

    async def _list_shared_accounts(self, request: pb.ListSharedAccountsRequest) -> Message:
        size = request.page_size or PAGE_SIZE_DEFAULT
        after = check_reference(request.page_token, "page_token") if request.page_token else ""
        found = await self._books.read(tenants.list_shared_accounts, after=after, count_max=size)
        token = found[-1] if len(found) == size else ""
        return pb.ListSharedAccountsResponse(accounts=found, next_page_token=token)

    async def _list_tenant_changes(self, request: pb.ListTenantChangesRequest) -> Message:
        size, after = request.page_size or PAGE_SIZE_DEFAULT, wire.number_of_token(request.page_token)
        found = await self._books.read(tenants.list_changes, after=after, count_max=size)
        changes = [
            pb.TenantChange(
                number=change.number,
                at=wire.stamp_of(change.at),
                actor=change.actor,
                what_json=json.dumps(change.what, sort_keys=True),
            )
            for change in found
        ]
        token = str(found[-1].number) if len(found) == size else ""
        return pb.ListTenantChangesResponse(changes=changes, next_page_token=token)
