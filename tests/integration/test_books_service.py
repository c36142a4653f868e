"""The books behind gRPC and the collector in front of the writer: many callers at once, strict input, lost connections,
a second writer; against a real PostgreSQL and real mutual TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
import pytest
from google.protobuf.message import Message

from ledger.account import Side
from ledger.errors import BooksUnavailableError, FencedError
from ledger.hold import NewHold
from ledger.journal import ResultCode, transfer
from ledger.schema import migrate
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as pb
from network.rpc import Call, RpcError, StatusCode
from node.books.books import Books
from node.books.ledger_service import SERVICE, LedgerService
from tests.support.books import START, Clock, key, new_writer

R = TypeVar("R", bound=Message)


class OneOwner:
    """Stands for the member list: one certificate is ours, every other is someone else's."""

    def require_own(self, call: Call) -> None:
        if call.peer_certificate != b"own":
            raise RpcError(StatusCode.PERMISSION_DENIED, "this service answers its own organization only")

    def own_tenant(self, call: Call) -> str:
        self.require_own(call)
        return ""

    def is_gateway(self, call: Call) -> bool:
        return False


class Handlers:
    """Collects what a service offers, as a server would."""

    def __init__(self) -> None:
        self.unary_handlers: dict[str, Callable[[bytes, Call], Awaitable[bytes]]] = {}

    def unary(self, path: str, handler: Callable[[bytes, Call], Awaitable[bytes]]) -> None:
        self.unary_handlers[path] = handler


class Client:
    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers.unary_handlers

    async def ask(self, method: str, request: Message, reply: type[R], certificate: bytes = b"own") -> R:
        call = Call(method=method, deadline=None, peer_certificate=certificate, peer="test")
        return reply.FromString(await self._handlers[f"/{SERVICE}/{method}"](request.SerializeToString(), call))

    async def raw(self, method: str, data: bytes) -> bytes:
        return await self._handlers[f"/{SERVICE}/{method}"](data, Call(method, None, b"own", "test"))


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Books]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
    clock = Clock()
    engine = Books(database_url, new_writer(database_url, clock), now=clock)
    await engine.start()
    for reference, side, floor in (("cash", Side.DEBIT, None), ("alice", Side.CREDIT, 0), ("bob", Side.CREDIT, 0)):
        assert await engine.open_account(reference, "EUR", side, floor) == "created"
    try:
        yield engine
        if not engine.fenced:
            assert await engine.verify() == []
    finally:
        await engine.stop()


@pytest.fixture
def client(books: Books) -> Client:
    handlers = Handlers()
    LedgerService(books, OneOwner()).register(handlers)  # type: ignore[arg-type]
    return Client(handlers)


def entry(number: int, debit: str = "cash", credit: str = "alice", amount: str = "100", **more: Any) -> pb.NewEntry:
    return pb.NewEntry(
        idempotency_key=str(key(number)),
        postings=[
            pb.Posting(account=debit, side=pb.SIDE_DEBIT, amount_minor=amount),
            pb.Posting(account=credit, side=pb.SIDE_CREDIT, amount_minor=amount),
        ],
        **more,
    )


async def test_thousand_callers_at_once_are_each_answered(books: Books) -> None:
    results = await asyncio.gather(*(books.post(transfer(key(n), "cash", "alice", n)) for n in range(1, 1001)))
    assert sorted(result.seq or 0 for result in results) == list(range(1, 1001))
    account = await books.find_account("alice")
    assert account is not None and account.balance == 1000 * 1001 // 2


async def test_caller_order_is_posting_order(books: Books) -> None:
    batches = [[transfer(key(b * 100 + i), "cash", "alice", 1) for i in range(100)] for b in range(90)]
    answers = await asyncio.gather(*(books.post_batch(batch) for batch in batches))
    assert [result.seq for answer in answers for result in answer] == list(range(1, 9001))


async def test_holds_stand_in_line_with_postings(books: Books) -> None:
    hold = NewHold(key(900), "alice", 100, START + timedelta(hours=1))
    funded, placed, spent = await asyncio.gather(
        books.post(transfer(key(1), "cash", "alice", 100)),
        books.place_hold(hold),
        books.post(transfer(key(2), "alice", "bob", 1)),
    )
    assert (funded.code, placed.text, spent.code) == (ResultCode.POSTED, "placed", ResultCode.EXCEEDS_AVAILABLE)


async def test_racing_capture_and_release_have_one_winner(books: Books) -> None:
    await books.post(transfer(key(1), "cash", "alice", 5000))
    for n in range(50):
        hold_id = key(1000 + n)
        await books.place_hold(NewHold(hold_id, "alice", 100, START + timedelta(hours=1)))
        capture = books.post(transfer(key(2000 + n), "alice", "bob", 100, hold_id=hold_id))
        racers = [capture, books.release_hold(hold_id)] if n % 2 else [books.release_hold(hold_id), capture]
        outcomes = await asyncio.gather(*racers)
        hold = await books.find_hold(hold_id)
        assert hold is not None and hold.state == ("captured" if n % 2 else "released")
        assert len(outcomes) == 2
    bob = await books.find_account("bob")
    assert bob is not None and bob.balance == 2500


async def kill_connections(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


async def test_killed_connection_loses_and_doubles_nothing(books: Books, database_url: str) -> None:
    async def kill() -> None:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            for _ in range(5):
                await asyncio.sleep(0.02)
                await kill_connections(connection)

    batches = [[transfer(key(b * 1000 + i), "cash", "alice", 1) for i in range(200)] for b in range(60)]
    *answers, _ = await asyncio.gather(*(books.post_batch(batch) for batch in batches), kill())
    seqs = [result.seq for answer in answers if answer is not None for result in answer]
    assert sorted(seq or 0 for seq in seqs) == list(range(1, 12_001))


async def test_lone_caller_is_answered_once_whatever_becomes_of_the_connection(books: Books, database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        for number in range(1, 41):
            answer = asyncio.create_task(books.post(transfer(key(number), "cash", "alice", 1)))
            await asyncio.sleep(0)
            if number % 4 == 0:  # under way, or between: sent, not yet read
                await kill_connections(connection)
            assert (await answer).seq == number


async def test_second_writer_ends_the_first(books: Books, database_url: str) -> None:
    second = new_writer(database_url)
    second.open()
    try:
        with pytest.raises(FencedError):
            await books.post(transfer(key(1), "cash", "alice", 1))
        assert books.fenced
        with pytest.raises(FencedError):
            await books.release_hold(key(1))
    finally:
        second.close()


async def test_stopped_engine_refuses_at_once_and_stops_twice(database_url: str, books: Books) -> None:
    other = Books(database_url, new_writer(database_url), now=Clock())
    with pytest.raises(BooksUnavailableError):
        await other.post(transfer(key(1), "cash", "alice", 1))
    await other.start()
    await other.stop()
    await other.stop()
    with pytest.raises(BooksUnavailableError):
        await other.post(transfer(key(1), "cash", "alice", 1))


async def test_expired_holds_are_swept(books: Books) -> None:
    await books.post(transfer(key(1), "cash", "alice", 100))
    await books.place_hold(NewHold(key(2), "alice", 100, START + timedelta(seconds=1)))
    clock = books.now
    assert isinstance(clock, Clock)
    clock.move(seconds=2)
    async with asyncio.timeout(30):
        while True:
            account = await books.find_account("alice")
            assert account is not None
            if account.held == 0:
                break
            await asyncio.sleep(0.05)


# The gRPC service -----------------------------------------------------------------------------------------------------


async def test_post_and_read_through_the_service(client: Client) -> None:
    request = pb.PostEntriesRequest(entries=[entry(1, description="salary"), entry(2, "alice", "bob", "101")])
    results = (await client.ask("PostEntries", request, pb.PostEntriesResponse)).results
    assert [(r.code, r.seq, r.decision) for r in results] == [
        ("posted", 1, "automated_approval"),
        ("exceeds_available", 0, ""),
    ]
    assert results[1].message == "an account's available balance is too low"
    found = (await client.ask("GetEntry", pb.GetEntryRequest(seq=1), pb.GetEntryResponse)).entry
    by_key = pb.GetEntryRequest(idempotency_key=str(key(1)))
    assert (await client.ask("GetEntry", by_key, pb.GetEntryResponse)).entry == found
    assert (found.state, found.description, len(found.leaf)) == ("posted", "salary", 32)
    assert [(p.account, p.amount_minor, p.balance_after_minor) for p in found.postings] == [
        ("cash", "100", "100"),
        ("alice", "100", "100"),
    ]
    account = (await client.ask("GetAccount", pb.GetAccountRequest(account="alice"), pb.GetAccountResponse)).account
    assert (account.balance_minor, account.available_minor, account.floor_minor, account.status) == (
        "100", "100", "0", "open"
    )  # fmt: skip
    trial = await client.ask("GetTrialBalance", pb.GetTrialBalanceRequest(), pb.GetTrialBalanceResponse)
    assert (trial.lines[0].debit_minor, trial.lines[0].credit_minor, trial.entry_count) == ("100", "100", 1)


async def test_pages_through_the_service(client: Client) -> None:
    entries = [entry(n) for n in range(1, 8)]
    await client.ask("PostEntries", pb.PostEntriesRequest(entries=entries), pb.PostEntriesResponse)
    token, seen = "", []
    while True:
        request = pb.GetStatementRequest(account="alice", page_size=3, page_token=token)
        page = await client.ask("GetStatement", request, pb.GetStatementResponse)
        seen += [line.seq for line in page.lines]
        token = page.next_page_token
        if not token:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    first = await client.ask("ListAccounts", pb.ListAccountsRequest(page_size=2), pb.ListAccountsResponse)
    assert [account.account for account in first.accounts] == ["alice", "bob"]
    rest = pb.ListAccountsRequest(page_size=2, page_token=first.next_page_token)
    assert [a.account for a in (await client.ask("ListAccounts", rest, pb.ListAccountsResponse)).accounts] == ["cash"]


async def test_hold_through_the_service(client: Client) -> None:
    await client.ask("PostEntries", pb.PostEntriesRequest(entries=[entry(1)]), pb.PostEntriesResponse)
    place = pb.PlaceHoldRequest(hold_id=str(key(5)), account="alice", amount_minor="60")
    place.expires_at.FromDatetime(START + timedelta(hours=1))
    placed = await client.ask("PlaceHold", place, pb.PlaceHoldResponse)
    assert (placed.code, placed.hold.state, placed.hold.amount_minor) == ("placed", "placed", "60")
    capture = pb.CaptureHoldRequest(hold_id=str(key(5)), entry=entry(6, "alice", "bob", "60"))
    captured = await client.ask("CaptureHold", capture, pb.CaptureHoldResponse)
    assert (captured.result.code, captured.result.seq, captured.hold.state) == ("posted", 2, "captured")
    release = pb.ReleaseHoldRequest(hold_id=str(key(5)))
    released = await client.ask("ReleaseHold", release, pb.ReleaseHoldResponse)
    assert (released.code, released.hold.state) == ("hold_not_placed", "captured")


async def test_changes_of_one_account_at_once_all_stand(client: Client) -> None:
    def change(**terms: str) -> Awaitable[pb.SetAccountTermsResponse]:
        request = pb.SetAccountTermsRequest(account="alice", **terms)
        return client.ask("SetAccountTerms", request, pb.SetAccountTermsResponse)

    for number in range(10):
        await asyncio.gather(change(status="frozen"), change(ceiling_minor=str(number)), change(overdraft_minor="7"))
        found = await client.ask("GetAccount", pb.GetAccountRequest(account="alice"), pb.GetAccountResponse)
        told = found.account.status, found.account.ceiling_minor, found.account.overdraft_minor
        assert told == ("frozen", str(number), "7")
        await change(status="open", ceiling_minor="", overdraft_minor="0")


async def test_last_capture_names_its_hold_once(client: Client) -> None:
    await client.ask("PostEntries", pb.PostEntriesRequest(entries=[entry(1)]), pb.PostEntriesResponse)
    place = pb.PlaceHoldRequest(hold_id=str(key(5)), account="alice", amount_minor="60")
    place.expires_at.FromDatetime(START + timedelta(hours=1))
    await client.ask("PlaceHold", place, pb.PlaceHoldResponse)
    capture = pb.CaptureHoldRequest(hold_id=str(key(5)), entry=entry(6, "alice", "bob", "50", hold_final=True))
    captured = await client.ask("CaptureHold", capture, pb.CaptureHoldResponse)
    assert (captured.result.code, captured.hold.state, captured.hold.captured_minor) == ("posted", "captured", "50")
    same = pb.PostEntriesRequest(entries=[entry(6, "alice", "bob", "50", hold_final=True, hold_id=str(key(5)))])
    assert (await client.ask("PostEntries", same, pb.PostEntriesResponse)).results[0].code == "exists"
    capture.entry.hold_id = str(key(7))
    with pytest.raises(RpcError, match=r"entry.hold_id '.*7': leave it out"):
        await client.ask("CaptureHold", capture, pb.CaptureHoldResponse)


def opening(**changes: Any) -> pb.OpenAccountRequest:
    fields = {"account": "new", "asset": "EUR", "normal_side": pb.SIDE_CREDIT, "floor_minor": "0"} | changes
    return pb.OpenAccountRequest(**fields)


BAD = [
    ("OpenAccount", opening(account="two words"), "account 'two words'"),
    ("OpenAccount", opening(account="x" * 65), "account 'xxx"),
    ("OpenAccount", opening(asset="XXX"), "asset 'XXX'"),
    ("OpenAccount", opening(normal_side=0), "normal_side 0"),
    ("OpenAccount", opening(normal_side=7), "normal_side 7"),
    ("OpenAccount", opening(floor_minor="1.5"), "floor_minor '1.5'"),
    ("OpenAccount", opening(floor_minor="5"), "floor_minor 5"),
    ("GetAccount", pb.GetAccountRequest(account="a'; DROP TABLE ledger.entry; --"), "account "),
    ("ListAccounts", pb.ListAccountsRequest(prefix="%"), "prefix '%'"),
    ("ListAccounts", pb.ListAccountsRequest(page_size=-1), "page_size -1"),
    ("PostEntries", pb.PostEntriesRequest(), "entries 0"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, amount="0")]), r"entries[0].postings[0].amount_minor '0'"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, amount="-5")]), "amount_minor '-5'"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, amount="+5")]), "amount_minor '+5'"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, amount="1e3")]), "amount_minor '1e3'"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, amount=" 5")]), "amount_minor ' 5'"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, amount="5\n")]), "amount_minor '5\\n'"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, amount="٥")]), "amount_minor '٥'"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, amount="4611686018427387904")]), "amount_minor '4611"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, amount="9" * 400)]), "amount_minor '999"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1), entry(2, "a b")]), "entries[1].postings[0].account 'a b'"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, "bob", "bob")]), "entries[0].account 'bob'"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, description="x" * 501)]), "entries[0].description 'xxx"),
    ("PostEntries", pb.PostEntriesRequest(entries=[entry(1, settlement_id="a\0b")]), "entries[0].settlement_id 'a"),
    ("PostEntries", pb.PostEntriesRequest(entries=[pb.NewEntry(idempotency_key="1")]), "idempotency_key '1'"),
    ("PostEntries", pb.PostEntriesRequest(entries=[pb.NewEntry(idempotency_key=str(key(1)))]), "entries[0].postings 0"),
    ("GetEntry", pb.GetEntryRequest(), "seq 0"),
    ("GetEntry", pb.GetEntryRequest(seq=-1), "seq -1"),
    ("GetEntry", pb.GetEntryRequest(idempotency_key="x"), "idempotency_key 'x'"),
    ("GetStatement", pb.GetStatementRequest(account="alice", page_token="-1"), "page_token '-1'"),
    ("GetStatement", pb.GetStatementRequest(account="alice", page_size=501), "page_size 501"),
    ("PlaceHold", pb.PlaceHoldRequest(hold_id=str(key(1)), account="alice", amount_minor="5"), "expires_at"),
    ("ReleaseHold", pb.ReleaseHoldRequest(hold_id="7"), "hold_id '7'"),
]


@pytest.mark.parametrize(("method", "request_message", "said"), BAD)
async def test_bad_input_is_named_and_changes_nothing(
    client: Client, books: Books, method: str, request_message: Message, said: str
) -> None:
    with pytest.raises(RpcError) as refused:
        await client.ask(method, request_message, Message)
    assert refused.value.code == StatusCode.INVALID_ARGUMENT
    assert said in refused.value.message
    assert len(refused.value.message) < 200
    assert await books.find_entry(1) is None


async def test_statuses_of_the_service(client: Client) -> None:
    cases = [
        ("GetAccount", pb.GetAccountRequest(account="nobody"), StatusCode.NOT_FOUND),
        ("GetStatement", pb.GetStatementRequest(account="nobody"), StatusCode.NOT_FOUND),
        ("GetEntry", pb.GetEntryRequest(seq=1), StatusCode.NOT_FOUND),
        ("OpenAccount", opening(account="alice", floor_minor=""), StatusCode.ALREADY_EXISTS),
    ]
    for method, request, status in cases:
        with pytest.raises(RpcError) as refused:
            await client.ask(method, request, Message)
        assert refused.value.code == status
    again = await client.ask("OpenAccount", opening(account="alice"), pb.OpenAccountResponse)
    assert not again.created


async def test_garbage_and_foreign_callers_are_refused(client: Client) -> None:
    with pytest.raises(RpcError) as refused:
        await client.raw("PostEntries", b"\xff\xff\xff")
    assert refused.value.code == StatusCode.INVALID_ARGUMENT
    with pytest.raises(RpcError) as refused:
        await client.ask("GetAccount", pb.GetAccountRequest(account="alice"), Message, certificate=b"other")
    assert refused.value.code == StatusCode.PERMISSION_DENIED


async def test_effective_time_must_be_sensible(client: Client) -> None:
    odd = entry(1)
    odd.effective_at.seconds = 253402300799 * 1000
    with pytest.raises(RpcError, match="effective_at"):
        await client.ask("PostEntries", pb.PostEntriesRequest(entries=[odd]), Message)
