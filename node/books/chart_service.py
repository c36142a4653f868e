"""``dwaybank.ledger.v1.ChartService``: books, portfolios and segments, the chart of accounts, names of accounts.

Rules are those of ``ledger_service``: strict input, the organization's own certificates only, refusals by name. The
methods about single accounts are in ``account_names``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from google.protobuf.message import Message

from ledger import structure
from ledger.account import MAIN_BOOK, check_code, check_reference
from ledger.chart import Chart, ChartRule
from network.pb.dwaybank.ledger.v1 import chart_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.books import wire
from node.books.account_names import AccountNames
from node.books.books import Books
from node.books.handlers import CallerBooks, Handlers

SERVICE = "dwaybank.ledger.v1.ChartService"

PAGE_SIZE_DEFAULT = 50
"""Lines of a page when the caller names no size."""


class ChartService:
    """Serves the structure of this organization's books.

    Args:
        books: the organization's books.
        members: tells who calls.
        now: the clock, UTC.
    """

    def __init__(self, books: Books, members: Members, *, now: Callable[[], datetime]) -> None:
        self._books = books
        self._members = members
        self._now = now
        self._names = AccountNames(now=now)

    def register(self, server: Server) -> None:
        """Offer all methods of the service."""
        handlers = Handlers(server, SERVICE, self._members, self._books)
        handlers.offer("OpenBook", pb.OpenBookRequest, self._open_book)
        handlers.offer("OpenPortfolio", pb.OpenPortfolioRequest, self._open_portfolio)
        handlers.offer("OpenSegment", pb.OpenSegmentRequest, self._open_segment)
        handlers.offer_to_tenants("ListBooks", pb.ListBooksRequest, self._list_books)
        handlers.offer("DefineChart", pb.DefineChartRequest, self._define_chart)
        handlers.offer_to_tenants("GetChart", pb.GetChartRequest, self._get_chart)
        handlers.offer_to_tenants("ListChartChanges", pb.ListChartChangesRequest, self._list_chart_changes)
        handlers.offer_to_tenants("ListMisfits", pb.ListMisfitsRequest, self._list_misfits)
        handlers.offer_to_tenants("PlaceAccount", pb.PlaceAccountRequest, self._place_account)
        handlers.offer_to_tenants("GetCodeBalances", pb.GetCodeBalancesRequest, self._get_code_balances)
        self._names.offer(handlers)

    async def _open_book(self, request: pb.OpenBookRequest) -> Message:
        created = await self._books.read(structure.open_book, request.book, actor=request.actor, now=self._now())
        return pb.OpenBookResponse(created=created)

    async def _open_portfolio(self, request: pb.OpenPortfolioRequest) -> Message:
        book, now = _book(request.book), self._now()
        created = await self._books.read(
            structure.open_portfolio, book, request.portfolio, actor=request.actor, now=now
        )
        return pb.OpenPortfolioResponse(created=created)

    async def _open_segment(self, request: pb.OpenSegmentRequest) -> Message:
        book, now = _book(request.book), self._now()
        created = await self._books.read(structure.open_segment, book, request.segment, actor=request.actor, now=now)
        return pb.OpenSegmentResponse(created=created)

    async def _list_books(self, request: pb.ListBooksRequest, books: CallerBooks) -> Message:
        read = books.read
        return pb.ListBooksResponse(
            books=[
                pb.Book(
                    book=book,
                    portfolios=await read(structure.list_portfolios, book),
                    segments=await read(structure.list_segments, book),
                )
                for book in await read(structure.list_books)
            ]
        )

    async def _define_chart(self, request: pb.DefineChartRequest) -> Message:
        chart = await self._books.read(
            structure.define_chart,
            _chart_of(request.chart),
            actor=request.actor,
            now=self._now(),
            if_version=request.if_version if request.HasField("if_version") else None,
        )
        return pb.DefineChartResponse(chart=_chart_message(chart), version=chart.version)

    async def _get_chart(self, request: pb.GetChartRequest, books: CallerBooks) -> Message:
        chart = await books.read(structure.find_chart, _book(request.book))
        return pb.GetChartResponse(chart=_chart_message(chart), version=chart.version)

    async def _list_chart_changes(self, request: pb.ListChartChangesRequest, books: CallerBooks) -> Message:
        size, after = request.page_size or PAGE_SIZE_DEFAULT, wire.number_of_token(request.page_token)
        found = await books.read(structure.list_changes, _book(request.book), after=after, count_max=size)
        changes = [
            pb.ChartChange(
                number=change.number,
                at=wire.stamp_of(change.at),
                actor=change.actor,
                what=json.dumps(change.what, sort_keys=True),
            )
            for change in found
        ]
        token = str(found[-1].number) if len(found) == size else ""
        return pb.ListChartChangesResponse(changes=changes, next_page_token=token)

    async def _list_misfits(self, request: pb.ListMisfitsRequest, books: CallerBooks) -> Message:
        size = request.page_size or PAGE_SIZE_DEFAULT
        after = check_reference(request.page_token, "page_token") if request.page_token else ""
        found = await books.read(structure.list_misfits, _book(request.book), after=after, count_max=size)
        return pb.ListMisfitsResponse(
            misfits=[pb.Misfit(account=item.reference, rule=item.rule, code=item.code) for item in found],
            next_page_token=found[-1].reference if len(found) == size else "",
        )

    async def _place_account(self, request: pb.PlaceAccountRequest, books: CallerBooks) -> Message:
        await books.require_account(check_reference(request.account))
        changed = await books.write(
            structure.place_account,
            request.account,
            portfolio=check_code(request.portfolio, "portfolio") if request.portfolio else "",
            segment=check_code(request.segment, "segment") if request.segment else "",
            actor=books.actor(request.actor),
            now=self._now(),
        )
        return pb.PlaceAccountResponse(changed=changed)

    async def _get_code_balances(self, request: pb.GetCodeBalancesRequest, books: CallerBooks) -> Message:
        lines = await books.read(structure.code_balances, _book(request.book), depth=request.depth or 1)
        return pb.GetCodeBalancesResponse(
            balances=[
                pb.CodeBalance(
                    code=line.code,
                    asset=line.asset,
                    debit_minor=str(line.debit),
                    credit_minor=str(line.credit),
                    account_count=line.account_count,
                )
                for line in lines
            ]
        )


def _book(code: str) -> str:
    return check_code(code, "book") if code else MAIN_BOOK


def _chart_of(message: pb.Chart) -> Chart:
    rules = tuple(_rule_of(rule, f"chart.rules[{i}]") for i, rule in enumerate(message.rules))
    with wire.below("chart"):
        return Chart(message.book or MAIN_BOOK, rules, message.enforced)


def _rule_of(message: pb.ChartRule, path: str) -> ChartRule:
    with wire.below(path):
        return ChartRule(
            message.pattern,
            wire.side_of(message.normal_side, "normal_side"),
            tuple(check_code(asset, f"assets[{i}]") for i, asset in enumerate(message.assets)),
            message.negative,
            wire.limits_of(message.floor_minor, message.overdraft_minor, message.ceiling_minor),
        )


def _chart_message(chart: Chart) -> pb.Chart:
    rules = [
        pb.ChartRule(
            pattern=rule.pattern,
            normal_side=wire.side_message(rule.normal_side),
            assets=rule.assets,
            negative=rule.negative,
            floor_minor=wire.minor_message(rule.terms.floor),
            overdraft_minor=str(rule.terms.overdraft),
            ceiling_minor=wire.minor_message(rule.terms.ceiling),
        )
        for rule in chart.rules
    ]
    return pb.Chart(book=chart.book, rules=rules, enforced=chart.enforced)
