"""``dwaybank.audit.v1.AuditService``, the part that searches entries: pages, exports, saved searches, looks.

Rules:
- only this organization's own programs are answered;
- whoever is shown disclosed entries is written down first: a page, or a piece of an export, leaves after its look.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.json_format import MessageToDict, Parse

from ledger.errors import InvalidValueError
from ledger.money import parse_amount_minor
from network.errors import NetworkError
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.rpc import Call, Server
from node.access import Members
from node.audit.disclosed import PAGE_SIZE, DisclosedEntries, Look
from node.audit.entry_export import export_entries
from node.audit.entry_search import EntryFilter, EntrySearch, FoundEntry, Order
from node.audit.errors import BadRequestError, rpc_error_of
from node.audit.member_node import SERVICE
from node.audit.pages import PAGE_SIZE_MAX
from node.audit.serving import Serving, acting, number, parse, text, time_of, timestamp
from node.errors import NodeError

STATUSES = ("automated_approval", "requires_manual_review", "approved", "rejected")

_TEXTS = ("organization", "transaction_id", "signer", "account", "asset", "settlement_id", "reviewer")
_TIMES = (
    "anchored_from", "anchored_to", "posted_from", "posted_to", "effective_from", "effective_to",
)  # fmt: skip
_HEX = {"decision_id": 32, "rules_hash": 64, "demand_id": 32}
_PIECE_BYTES = 64 * 1024


class EntryService:
    """Serves searches over journal entries.

    Args:
        search: over anchored and disclosed entries.
        disclosed: what is disclosed, and who looks.
        members: tells who calls.
        now: the clock, UTC.
    """

    def __init__(
        self, search: EntrySearch, disclosed: DisclosedEntries, members: Members, now: Callable[[], datetime]
    ) -> None:
        self._search = search
        self._disclosed = disclosed
        self._members = members
        self._now = now

    def register(self, server: Server) -> None:
        """Offer all methods of this part."""
        serving = Serving(server, self._members)
        serving.own_users("SearchEntries", pb.SearchEntriesRequest, self._search_entries)
        serving.own_users("GetDisclosedBundle", pb.GetDisclosedBundleRequest, self._get_disclosed_bundle)
        serving.own_users("SaveSearch", pb.SaveSearchRequest, self._save_search)
        serving.own("ListSavedSearches", pb.ListSavedSearchesRequest, self._list_saved_searches)
        serving.own("DropSavedSearch", pb.DropSavedSearchRequest, self._drop_saved_search)
        serving.own("ListLooks", pb.ListLooksRequest, self._list_looks)
        server.server_stream(f"/{SERVICE}/ExportEntries", self._members.admitted(self._export_entries))

    async def _search_entries(self, user: str, request: pb.SearchEntriesRequest) -> pb.SearchEntriesResponse:
        wanted, order = filter_of(request.search), _order(request.search)
        token, who = text("page_token", request.page_token), acting(user, request.for_user)
        found, next_token = await asyncio.to_thread(self._search.page, wanted, order, request.page_size, token)
        await asyncio.to_thread(self._note_look, who, "search", request.search, found)
        return pb.SearchEntriesResponse(entries=[_message(entry) for entry in found], next_page_token=next_token)

    async def _export_entries(self, data: bytes, call: Call) -> AsyncIterator[bytes]:
        user = self._members.own_user(call)
        request = parse(pb.ExportEntriesRequest, data)
        try:
            who = acting(user, request.for_user)
            pages = self._noted_pages(who, request.search, filter_of(request.search), _order(request.search))
            pieces = export_entries(pages, request.format)
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                for start in range(0, len(piece), _PIECE_BYTES):
                    sent = piece[start : start + _PIECE_BYTES]
                    yield pb.ExportEntriesResponse(data=sent).SerializeToString()
        except (NodeError, NetworkError) as error:
            raise rpc_error_of(error) from error

    def _noted_pages(
        self, user: str, asked: pb.EntrySearch, wanted: EntryFilter, order: Order
    ) -> Iterator[list[FoundEntry]]:
        for page in self._search.all(wanted, order):
            self._note_look(user, "export", asked, page)
            yield page

    def _note_look(self, user: str, how: str, asked: pb.EntrySearch, found: Sequence[FoundEntry]) -> None:
        shown = [(entry.organization, entry.seq) for entry in found if entry.fields is not None]
        self._disclosed.note_look(user, {how: _told(asked)}, shown, self._now())

    async def _get_disclosed_bundle(
        self, user: str, request: pb.GetDisclosedBundleRequest
    ) -> pb.GetDisclosedBundleResponse:
        organization, seq = text("organization", request.organization), number("seq", request.seq, 1)
        who = acting(user, request.for_user)
        bundle = await asyncio.to_thread(self._disclosed.bundle, organization, seq)
        await asyncio.to_thread(self._disclosed.note_look, who, {"bundle": {}}, [(organization, seq)], self._now())
        return pb.GetDisclosedBundleResponse(bundle=bundle)

    async def _save_search(self, user: str, request: pb.SaveSearchRequest) -> pb.SaveSearchResponse:
        filter_of(request.search)
        who = acting(user, request.for_user)
        await asyncio.to_thread(self._disclosed.save_search, request.name, _told(request.search), who, self._now())
        return pb.SaveSearchResponse()

    async def _list_saved_searches(self, request: pb.ListSavedSearchesRequest) -> pb.ListSavedSearchesResponse:
        del request
        saved = await asyncio.to_thread(self._disclosed.saved_searches)
        return pb.ListSavedSearchesResponse(
            searches=[
                pb.SavedSearch(
                    name=each.name,
                    search=Parse(each.search, pb.EntrySearch()),
                    saved_by=each.saved_by,
                    saved_at=timestamp(each.saved_at),
                )
                for each in saved
            ]
        )

    async def _drop_saved_search(self, request: pb.DropSavedSearchRequest) -> pb.DropSavedSearchResponse:
        await asyncio.to_thread(self._disclosed.drop_search, text("name", request.name))
        return pb.DropSavedSearchResponse()

    async def _list_looks(self, request: pb.ListLooksRequest) -> pb.ListLooksResponse:
        size = min(request.page_size, PAGE_SIZE_MAX) if request.page_size > 0 else PAGE_SIZE
        looks = await asyncio.to_thread(self._disclosed.looks, number("before", request.before, 0), size)
        broken = await asyncio.to_thread(self._disclosed.broken_look) if request.verify else 0
        return pb.ListLooksResponse(looks=[_look(look) for look in looks], broken_number=broken)


def filter_of(search: pb.EntrySearch) -> EntryFilter:
    """Return the filter of a request.

    Raises:
        BadRequestError: a field cannot be used.
    """
    if search.status and search.status not in STATUSES:
        raise BadRequestError(f"status: {search.status[:40]!r} is none of {', '.join(STATUSES)}")
    told: dict[str, Any] = {name: text(name, getattr(search, name)) for name in _TEXTS}
    told |= {name: number(name, getattr(search, name), 0) for name in ("from_seq", "to_seq")}
    given = {field.name for field, _ in search.ListFields()}
    told |= {name: time_of(name, getattr(search, name)) for name in _TIMES if name in given}
    told |= {name: _hex(name, getattr(search, name), digits) for name, digits in _HEX.items()}
    return EntryFilter(
        **told,
        block=number("block", search.block, 0) if search.HasField("block") else None,
        attested=search.attested,
        disclosed=search.disclosed,
        amount_from=_amount("amount_from_minor", search.amount_from_minor),
        amount_to=_amount("amount_to_minor", search.amount_to_minor),
        entry_key=_key(search.idempotency_key),
        status=search.status,
    )


def _order(search: pb.EntrySearch) -> Order:
    return Order(text("sort", search.sort), not search.ascending)


def _amount(field: str, value: str) -> int | None:
    try:
        return parse_amount_minor(value, field) if value else None
    except InvalidValueError as error:
        raise BadRequestError(str(error)) from error


def _key(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if value else None
    except ValueError as error:
        raise BadRequestError(f"idempotency_key: {value[:40]!r} is no UUID") from error


def _hex(field: str, value: str, digits: int) -> str:
    if value and not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
        raise BadRequestError(f"{field}: {value[:70]!r} is not {digits} hex digits")
    return value


def _told(search: pb.EntrySearch) -> Mapping[str, Any]:
    told: Mapping[str, Any] = MessageToDict(search, preserving_proto_field_name=True)
    return told


def _message(entry: FoundEntry) -> pb.FoundEntry:
    return pb.FoundEntry(
        organization=entry.organization,
        seq=entry.seq,
        block_number=entry.block_number or 0,
        transaction_id=entry.transaction_id or "",
        anchored_at=timestamp(entry.anchored_at) if entry.anchored_at is not None else None,
        signer=entry.signer or "",
        state="attested" if entry.attested else "anchored",
        fields_json=entry.fields or "",
        demand_id=entry.demand_id or "",
        disclosed_at=timestamp(entry.disclosed_at) if entry.disclosed_at is not None else None,
        status=entry.status or "",
        reviewer=entry.reviewer or "",
        rules_hash=entry.rules_hash or "",
        worth_minor="" if entry.worth is None else str(entry.worth),
    )


def _look(look: Look) -> pb.Look:
    return pb.Look(
        number=look.number,
        looked_at=timestamp(look.looked_at),
        actor=look.actor,
        asked_json=look.asked,
        shown_json=look.shown,
        hash=look.hash,
    )
