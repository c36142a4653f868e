"""The methods of ``ChartService`` about single accounts: search, metadata, aliases, history of terms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from google.protobuf.message import Message

from ledger import metadata
from ledger.account import check_alias, check_code, check_reference
from ledger.account_history import Standing, list_account_changes
from ledger.balances import find_account
from ledger.errors import InvalidValueError
from network.pb.dwaybank.ledger.v1 import chart_pb2 as pb
from node.books import wire
from node.books.handlers import CallerBooks, Handlers

PAGE_SIZE_DEFAULT = 50
"""Lines of a page when the caller names no size."""

NAMES_MAX = 1000
"""Most names of one ResolveAliases call."""


class AccountNames:
    """Answers what accounts are called and described with.

    Args:
        now: the clock, UTC.
    """

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now

    def offer(self, handlers: Handlers) -> None:
        """Offer these methods."""
        handlers.offer_to_tenants("SearchAccounts", pb.SearchAccountsRequest, self._search_accounts)
        handlers.offer_to_tenants("SetMetadata", pb.SetMetadataRequest, self._set_metadata)
        handlers.offer_to_tenants("ListMetadataChanges", pb.ListMetadataChangesRequest, self._list_metadata_changes)
        handlers.offer_to_tenants("SetAlias", pb.SetAliasRequest, self._set_alias)
        handlers.offer_to_tenants("ListAliasChanges", pb.ListAliasChangesRequest, self._list_alias_changes)
        handlers.offer_to_tenants("ResolveAliases", pb.ResolveAliasesRequest, self._resolve_aliases)
        handlers.offer_to_tenants("ListAccountChanges", pb.ListAccountChangesRequest, self._list_account_changes)

    async def _search_accounts(self, request: pb.SearchAccountsRequest, books: CallerBooks) -> Message:
        for field in ("prefix", "page_token"):
            if getattr(request, field):
                check_reference(getattr(request, field), field)
        for field in ("book", "portfolio", "segment"):
            if getattr(request, field):
                check_code(getattr(request, field), field)
        size = request.page_size or PAGE_SIZE_DEFAULT
        found = await books.read(
            metadata.search_accounts,
            metadata=dict(request.metadata),
            prefix=request.prefix,
            book=request.book,
            portfolio=request.portfolio,
            segment=request.segment,
            after=request.page_token,
            count_max=size,
        )
        token = found[-1].account.facts.reference if len(found) == size else ""
        return pb.SearchAccountsResponse(accounts=[_found_message(item) for item in found], next_page_token=token)

    async def _set_metadata(self, request: pb.SetMetadataRequest, books: CallerBooks) -> Message:
        if not request.metadata:
            raise InvalidValueError("metadata", 0, "give at least one pair")
        pairs = {name: value or None for name, value in request.metadata.items()}
        await books.require_account(check_reference(request.account))
        changed = await books.write(
            metadata.set_metadata, request.account, pairs, actor=books.actor(request.actor), now=self._now()
        )
        return pb.SetMetadataResponse(changed=changed)

    async def _list_metadata_changes(self, request: pb.ListMetadataChangesRequest, books: CallerBooks) -> Message:
        reference, size = check_reference(request.account), request.page_size or PAGE_SIZE_DEFAULT
        name = check_code(request.name, "name") if request.name else ""
        after = wire.number_of_token(request.page_token)
        await books.read(find_account, reference)
        found = await books.read(metadata.list_metadata_changes, reference, name=name, after=after, count_max=size)
        changes = [
            pb.MetadataChange(
                number=change.number,
                at=wire.stamp_of(change.at),
                actor=change.actor,
                name=change.name,
                before=change.before or "",
                after=change.after or "",
            )
            for change in found
        ]
        token = str(found[-1].number) if len(found) == size else ""
        return pb.ListMetadataChangesResponse(changes=changes, next_page_token=token)

    async def _set_alias(self, request: pb.SetAliasRequest, books: CallerBooks) -> Message:
        write, actor, now = books.write, books.actor(request.actor), self._now()
        await books.require_own_alias(request.alias)
        if request.account:
            await books.require_account(check_reference(request.account))
            changed = await write(
                metadata.set_alias, request.alias, request.account, actor=actor, now=now, move=request.move
            )
        else:
            changed = await write(metadata.take_alias_back, request.alias, actor=actor, now=now)
        return pb.SetAliasResponse(changed=changed)

    async def _list_alias_changes(self, request: pb.ListAliasChangesRequest, books: CallerBooks) -> Message:
        found = await books.read(metadata.list_alias_changes, check_alias(request.alias))
        return pb.ListAliasChangesResponse(
            changes=[
                pb.AliasChange(
                    number=change.number,
                    at=wire.stamp_of(change.at),
                    actor=change.actor,
                    before=change.before or "",
                    after=change.after or "",
                )
                for change in found
            ]
        )

    async def _resolve_aliases(self, request: pb.ResolveAliasesRequest, books: CallerBooks) -> Message:
        if not 1 <= len(request.names) <= NAMES_MAX:
            raise InvalidValueError("names", len(request.names), f"give 1 to {NAMES_MAX} names")
        return pb.ResolveAliasesResponse(accounts=await books.read(metadata.resolve, list(request.names)))

    async def _list_account_changes(self, request: pb.ListAccountChangesRequest, books: CallerBooks) -> Message:
        reference, size = check_reference(request.account), request.page_size or PAGE_SIZE_DEFAULT
        after = wire.number_of_token(request.page_token)
        await books.read(find_account, reference)
        found = await books.read(list_account_changes, reference, after=after, count_max=size)
        changes = [
            pb.AccountChange(
                number=change.number,
                at=wire.stamp_of(change.at),
                actor=change.actor,
                before=_standing_message(change.before),
                after=_standing_message(change.after),
            )
            for change in found
        ]
        token = str(found[-1].number) if len(found) == size else ""
        return pb.ListAccountChangesResponse(changes=changes, next_page_token=token)


def _found_message(item: metadata.FoundAccount) -> pb.FoundAccount:
    return pb.FoundAccount(
        account=wire.account_message(item.account),
        book=item.book,
        portfolio=item.portfolio,
        segment=item.segment,
        aliases=item.aliases,
        metadata=item.metadata,
    )


def _standing_message(standing: Standing) -> pb.AccountTerms:
    terms = standing.terms
    return pb.AccountTerms(
        status=standing.status,
        floor_minor=wire.minor_message(terms.floor),
        overdraft_minor=str(terms.overdraft),
        ceiling_minor=wire.minor_message(terms.ceiling),
    )
