"""``dwaybank.ledger.v1.PeriodService``: balances and statements at any two times, and the closing of periods.

Rules are those of ``ledger_service``: strict input, the organization's own certificates only, refusals by name.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ledger import balances_in_time, periods, statements
from ledger.account import check_reference
from ledger.errors import InvalidValueError
from ledger.journal import EPOCH, microseconds
from network.pb.dwaybank.ledger.v1 import ledger_pb2
from network.pb.dwaybank.ledger.v1 import periods_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.books import wire
from node.books.books import Books
from node.books.handlers import CallerBooks, Handlers

SERVICE = "dwaybank.ledger.v1.PeriodService"

PAGE_SIZE_DEFAULT = 50
"""Entries of a page when the caller names no size."""

_PLACE = re.compile(r"([0-9]{1,18})\.(-?[0-9]{1,17})\.([0-9]{1,19})")


class PeriodService:
    """Serves the books at other times than now.

    Args:
        books: the organization's books.
        members: tells who calls.
    """

    def __init__(self, books: Books, members: Members) -> None:
        self._books = books
        self._members = members

    def register(self, server: Server) -> None:
        """Offer all methods of the service."""
        handlers = Handlers(server, SERVICE, self._members, self._books)
        handlers.offer_to_tenants("GetBalanceAt", pb.GetBalanceAtRequest, self._get_balance_at)
        handlers.offer_to_tenants("GetTrialBalanceAt", pb.GetTrialBalanceAtRequest, self._get_trial_balance_at)
        handlers.offer_to_tenants("GetStatementBetween", pb.GetStatementBetweenRequest, self._get_statement_between)
        handlers.offer("ClosePeriod", pb.ClosePeriodRequest, self._close_period)
        handlers.offer("ReopenPeriod", pb.ReopenPeriodRequest, self._reopen_period)
        handlers.offer("ListPeriods", pb.ListPeriodsRequest, self._list_periods)

    async def _get_balance_at(self, request: pb.GetBalanceAtRequest, books: CallerBooks) -> Message:
        found = await books.read(
            balances_in_time.balance_at,
            check_reference(request.account),
            known_at=_optional(request, "known_at"),
            effective_at=_optional(request, "effective_at"),
        )
        return pb.GetBalanceAtResponse(
            balance_minor=str(found.balance),
            asset=found.asset.code,
            scale=found.asset.scale,
            known_seq=found.known_seq,
        )

    async def _get_trial_balance_at(self, request: pb.GetTrialBalanceAtRequest, books: CallerBooks) -> Message:
        lines = await books.read(
            balances_in_time.trial_balance_at,
            known_at=_optional(request, "known_at"),
            effective_at=_optional(request, "effective_at"),
        )
        return pb.GetTrialBalanceAtResponse(
            lines=[
                ledger_pb2.TrialBalanceLine(
                    asset=line.asset,
                    debit_minor=str(line.debit),
                    credit_minor=str(line.credit),
                    account_count=line.account_count,
                )
                for line in lines
            ]
        )

    async def _get_statement_between(self, request: pb.GetStatementBetweenRequest, books: CallerBooks) -> Message:
        account, size = check_reference(request.account), request.page_size or PAGE_SIZE_DEFAULT
        since, until = _optional(request, "since"), _optional(request, "until")
        if request.order == pb.STATEMENT_ORDER_EFFECT:
            page = await books.read(
                statements.effect_page,
                account,
                _place_of_token(request.page_token),
                entry_count_max=size,
                since=since,
                until=until,
                known_at=_optional(request, "known_at"),
            )
            lines, token = page.lines, "" if page.next_place is None else _token_of(page.next_place)
        elif request.order == pb.STATEMENT_ORDER_POSTING:
            if request.HasField("known_at"):
                raise InvalidValueError("known_at", request.known_at.seconds, "give until in the order of posting")
            seq = wire.number_of_token(request.page_token)
            found = await books.read(
                statements.statement_page, account, from_seq=seq, entry_count_max=size, since=since, until=until
            )
            lines, token = found.lines, str(found.next_seq) if found.next_seq else ""
        else:
            raise InvalidValueError("order", request.order, "give STATEMENT_ORDER_POSTING or STATEMENT_ORDER_EFFECT")
        return pb.GetStatementBetweenResponse(lines=[wire.line_message(line) for line in lines], next_page_token=token)

    async def _close_period(self, request: pb.ClosePeriodRequest) -> Message:
        if not request.HasField("closed_before"):
            raise InvalidValueError("closed_before", "", "is missing: give the first moment that stays open")
        moment = wire.time_of(request.closed_before, "closed_before")
        return pb.ClosePeriodResponse(period=_period(await self._books.close_period(moment, request.actor)))

    async def _reopen_period(self, request: pb.ReopenPeriodRequest) -> Message:
        period = await self._books.reopen_period(request.number, request.actor, request.reason)
        return pb.ReopenPeriodResponse(period=_period(period))

    async def _list_periods(self, request: pb.ListPeriodsRequest) -> Message:
        found = await self._books.read(periods.list_periods)
        return pb.ListPeriodsResponse(periods=[_period(period) for period in found])


def _optional(request: Message, field: str) -> datetime | None:
    return wire.time_of(getattr(request, field), field) if request.HasField(field) else None


def _token_of(place: statements.EffectPlace) -> str:
    assert place.effective_at is not None
    return f"{place.known_seq}.{microseconds(place.effective_at)}.{place.seq}"


def _place_of_token(token: str) -> statements.EffectPlace | None:
    if not token:
        return None
    match = _PLACE.fullmatch(token)
    if match is None or int(match[3]) > statements.SEQ_END:
        raise _bad_token(token)
    known_seq, moment, seq = map(int, match.groups())
    try:
        return statements.EffectPlace(known_seq, EPOCH + timedelta(microseconds=moment), seq)
    except OverflowError as error:
        raise _bad_token(token) from error


def _bad_token(token: str) -> InvalidValueError:
    return InvalidValueError("page_token", token, "give the next_page_token of the page before")


def _stamp(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else wire.stamp_of(moment)


def _period(period: periods.Period) -> pb.Period:
    report, reopening = period.report, period.reopening
    lines = () if report is None else report.lines
    return pb.Period(
        number=period.number,
        opened_at=_stamp(period.opened_at),
        closed_before=wire.stamp_of(period.closed_before),
        closed_at=wire.stamp_of(period.closed_at),
        last_seq=period.last_seq,
        actor=period.actor,
        entry_count=0 if report is None else report.entry_count,
        lines=[
            pb.PeriodLine(
                asset=line.asset,
                debit_minor=str(line.debit),
                credit_minor=str(line.credit),
                debit_turnover_minor=str(line.debit_turnover),
                credit_turnover_minor=str(line.credit_turnover),
            )
            for line in lines
        ],
        digest=b"" if report is None else report.digest,
        reopened_at=None if reopening is None else wire.stamp_of(reopening.at),
        reopened_by="" if reopening is None else reopening.actor,
        reopened_because="" if reopening is None else reopening.reason,
    )
