"""Balances in time and closed periods over the node's service: strict input, stable pages, a close that the running
writer keeps; against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.account import Side
from ledger.journal import ResultCode, transfer
from ledger.journal_parts import end_part
from ledger.schema import migrate
from network.pb.dwaybank.ledger.v1 import periods_pb2 as pb
from network.rpc import Call, RpcError, StatusCode
from node.books.books import Books
from node.books.period_service import SERVICE, PeriodService
from tests.support.archived_books import ALL, archivist
from tests.support.books import Clock, key, new_writer

R = TypeVar("R", bound=Message)


def day(month: int, number: int) -> datetime:
    return datetime(2026, month, number, 9, tzinfo=UTC)


def stamp(moment: datetime) -> Timestamp:
    told = Timestamp()
    told.FromDatetime(moment)
    return told


class OneOwner:
    """Stands for the member list: one certificate is ours, every other is someone else's."""

    def require_own(self, call: Call) -> None:
        if call.peer_certificate != b"own":
            raise RpcError(StatusCode.PERMISSION_DENIED, "this service answers its own organization only")

    def own_tenant(self, call: Call) -> str:
        self.require_own(call)
        return ""


class Client:
    """Calls the handlers a service offered, as a server would."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[bytes, Call], Awaitable[bytes]]] = {}

    def unary(self, path: str, handler: Callable[[bytes, Call], Awaitable[bytes]]) -> None:
        self.handlers[path] = handler

    async def ask(self, method: str, request: Message, reply: type[R], certificate: bytes = b"own") -> R:
        call = Call(method=method, deadline=None, peer_certificate=certificate, peer="test")
        return reply.FromString(await self.handlers[f"/{SERVICE}/{method}"](request.SerializeToString(), call))

    async def refused(self, method: str, request: Message, certificate: bytes = b"own") -> tuple[StatusCode, str]:
        with pytest.raises(RpcError) as caught:
            await self.ask(method, request, pb.ListPeriodsResponse, certificate)
        return caught.value.code, str(caught.value)


@pytest.fixture
def clock() -> Clock:
    return Clock(day(3, 1))


@pytest.fixture
async def books(database_url: str, clock: Clock) -> AsyncIterator[Books]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
    engine = Books(database_url, new_writer(database_url, clock), now=clock)
    await engine.start()
    for reference, side in (("cash", Side.DEBIT), ("alice", Side.CREDIT)):
        assert await engine.open_account(reference, "EUR", side, None) == "created"
    try:
        await engine.post(transfer(key(1), "cash", "alice", 1000))
        clock.moment = day(4, 2)
        await engine.post(transfer(key(2), "cash", "alice", 250, effective_at=day(3, 20)))
        yield engine
    finally:
        await engine.stop()


@pytest.fixture
def client(books: Books) -> Client:
    collected = Client()
    PeriodService(books, OneOwner()).register(collected)  # type: ignore[arg-type]
    return collected


async def test_balance_answers_both_times(client: Client) -> None:
    async def ask(**times: datetime) -> str:
        given = {name: stamp(moment) for name, moment in times.items()}
        request = pb.GetBalanceAtRequest(account="alice", **given)
        return (await client.ask("GetBalanceAt", request, pb.GetBalanceAtResponse)).balance_minor

    assert await ask() == "1250"
    assert await ask(known_at=day(3, 31)) == "1000"
    assert await ask(effective_at=day(3, 19)) == "1000"
    assert await ask(effective_at=day(3, 20)) == "1250"
    assert await ask(effective_at=day(2, 1)) == "0"


async def test_trial_balance_answers_both_times(client: Client) -> None:
    request = pb.GetTrialBalanceAtRequest(known_at=stamp(day(3, 31)))
    (line,) = (await client.ask("GetTrialBalanceAt", request, pb.GetTrialBalanceAtResponse)).lines
    assert (line.asset, line.debit_minor, line.credit_minor) == ("EUR", "1000", "1000")


@pytest.mark.parametrize("order", [pb.STATEMENT_ORDER_POSTING, pb.STATEMENT_ORDER_EFFECT])
async def test_pages_go_on_where_the_token_says_though_entries_arrive(
    client: Client, books: Books, order: pb.StatementOrder
) -> None:
    await books.post(transfer(key(3), "cash", "alice", 1, effective_at=day(3, 25)))
    request = pb.GetStatementBetweenRequest(account="alice", order=order, page_size=1)
    request.since.CopyFrom(stamp(day(3, 1)))
    found = []
    while not found or request.page_token:
        reply = await client.ask("GetStatementBetween", request, pb.GetStatementBetweenResponse)
        found += [(line.seq, line.balance_after_minor) for line in reply.lines]
        request.page_token = reply.next_page_token
        await books.post(transfer(key(10 + len(found)), "cash", "alice", 1, effective_at=day(3, 2)))
    assert found == [(3, "1251"), (2, "1250"), (1, "1000")]


@pytest.mark.parametrize("order", [pb.STATEMENT_ORDER_POSTING, pb.STATEMENT_ORDER_EFFECT])
async def test_page_after_the_last_one_that_is_here_is_archived(
    client: Client, books: Books, clock: Clock, order: pb.StatementOrder, database_url: str, tmp_path: Path
) -> None:
    clock.moment = day(4, 3)
    await books.close_period(day(4, 3), "auditor")
    with psycopg.connect(database_url, autocommit=True) as connection:
        end_part(connection)
    for number in (3, 4):
        await books.post(transfer(key(number), "cash", "alice", 1))
    assert list(archivist(database_url).archive(tmp_path, before=day(4, 3), proved_seq=ALL))
    request = pb.GetStatementBetweenRequest(account="alice", order=order)
    reply = await client.ask("GetStatementBetween", request, pb.GetStatementBetweenResponse)
    assert [line.seq for line in reply.lines] == [4, 3]
    request.page_token = reply.next_page_token
    code, text = await client.refused("GetStatementBetween", request)
    assert code is StatusCode.OUT_OF_RANGE and "is archived" in text


@pytest.mark.parametrize("token", ["x", "1.2", "1.x.3", "1.-99999999999999999.3", "-1.5.1", f"1.2.{2**63}"])
async def test_token_nobody_gave_out_is_refused_by_name(client: Client, token: str) -> None:
    for order in (pb.STATEMENT_ORDER_POSTING, pb.STATEMENT_ORDER_EFFECT):
        request = pb.GetStatementBetweenRequest(account="alice", order=order, page_token=token)
        code, text = await client.refused("GetStatementBetween", request)
        assert code is StatusCode.INVALID_ARGUMENT and "page_token" in text


async def test_malformed_requests_are_refused_by_name(client: Client) -> None:
    code, text = await client.refused("GetStatementBetween", pb.GetStatementBetweenRequest(account="alice"))
    assert code is StatusCode.INVALID_ARGUMENT and "order" in text
    request = pb.GetStatementBetweenRequest(account="alice", order=1, known_at=stamp(day(3, 1)))
    assert "known_at" in (await client.refused("GetStatementBetween", request))[1]
    assert "closed_before" in (await client.refused("ClosePeriod", pb.ClosePeriodRequest(actor="a")))[1]
    nobody = pb.GetBalanceAtRequest(account="nobody")
    assert (await client.refused("GetBalanceAt", nobody))[0] is StatusCode.NOT_FOUND


async def test_other_members_are_refused(client: Client) -> None:
    for method in (
        "GetBalanceAt",
        "GetTrialBalanceAt",
        "GetStatementBetween",
        "ClosePeriod",
        "ReopenPeriod",
        "ListPeriods",
    ):
        code, _ = await client.refused(method, pb.ListPeriodsRequest(), certificate=b"other")
        assert code is StatusCode.PERMISSION_DENIED


async def test_closed_period_is_kept_by_the_running_writer_until_it_is_opened_again(
    client: Client, books: Books
) -> None:
    request = pb.ClosePeriodRequest(closed_before=stamp(day(4, 1)), actor="accountant-7")
    period = (await client.ask("ClosePeriod", request, pb.ClosePeriodResponse)).period
    assert (period.number, period.entry_count, len(period.digest)) == (1, 2, 32)
    assert [(line.asset, line.debit_minor, line.credit_turnover_minor) for line in period.lines] == [
        ("EUR", "1250", "1250")
    ]
    late = transfer(key(7), "cash", "alice", 5, effective_at=day(4, 1) - timedelta(seconds=1))
    assert (await books.post(late)).code is ResultCode.PERIOD_CLOSED
    assert (await client.refused("ClosePeriod", request))[0] is StatusCode.ALREADY_EXISTS

    reopening = pb.ReopenPeriodRequest(number=1, actor="accountant-7", reason="late fee")
    assert (await client.ask("ReopenPeriod", reopening, pb.ReopenPeriodResponse)).period.reopened_because == "late fee"
    assert (await books.post(late)).code is ResultCode.POSTED
    listed = (await client.ask("ListPeriods", pb.ListPeriodsRequest(), pb.ListPeriodsResponse)).periods
    assert [(found.number, found.reopened_by, found.entry_count) for found in listed] == [(1, "accountant-7", 2)]
