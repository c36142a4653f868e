"""Assets, rates, exchanges and revaluations over the node's port: what is posted follows from a rate on record; against
a real PostgreSQL and real mutual TLS."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.journal import transfer
from network.pb.dwaybank.ledger.v1 import currencies_pb2 as pb
from network.rpc import StatusCode
from node.books.books import Books
from node.books.currency_service import SERVICE, CurrencyService
from tests.support.books import START, Clock, key, open_accounts
from tests.support.own_service import Port, ServiceClient, open_books, open_port

METHODS = pb.DESCRIPTOR.services_by_name["CurrencyService"].methods
ACCOUNTS = """
ann:eur            EUR credit -
ann:usd            USD credit -
fx:EUR             EUR credit -
fx:EUR:USD         USD debit  -
fx:EUR:revaluation USD debit  -
income:fx          USD credit -
expense:fx         USD debit  -
"""
POSITION = pb.Position(
    account="fx:EUR", counter="fx:EUR:USD", revaluation="fx:EUR:revaluation", gain="income:fx", loss="expense:fx"
)


@dataclasses.dataclass
class Node:
    books: Books
    port: Port
    client: ServiceClient
    clock: Clock

    async def record(self, text: str, quoted_at: datetime = START) -> bool:
        request = pb.RecordRateRequest(rate=rate(rate=text, quoted_at=stamp(quoted_at)), actor="rate-feed")
        return (await self.client.ask("RecordRate", request, pb.RecordRateResponse)).created

    async def exchange(self, **changes: Any) -> pb.PostExchangeResponse:
        return await self.client.ask("PostExchange", order(**changes), pb.PostExchangeResponse)

    async def revalue(self, **changes: Any) -> pb.RevalueResponse:
        return await self.client.ask("Revalue", closing(**changes), pb.RevalueResponse)


@pytest.fixture
async def node(database_url: str) -> AsyncIterator[Node]:
    clock = Clock()
    async with open_books(database_url, clock) as books:
        with psycopg.connect(database_url, autocommit=True) as connection:
            open_accounts(connection, ACCOUNTS)
        async with open_port(lambda members: [CurrencyService(books, members, now=clock)]) as port:
            yield Node(books, port, port.client(SERVICE), clock)


def stamp(moment: datetime) -> Timestamp:
    told = Timestamp()
    told.FromDatetime(moment)
    return told


def rate(**changes: Any) -> pb.Rate:
    return pb.Rate(**{"base": "EUR", "quote": "USD", "source": "ECB", "quoted_at": stamp(START)} | changes)


def choice(at: datetime = START, **changes: Any) -> pb.RateChoice:
    return pb.RateChoice(**{"base": "EUR", "quote": "USD", "source": "ECB", "at": stamp(at)} | changes)


def order(**changes: Any) -> pb.PostExchangeRequest:
    fields: dict[str, Any] = {
        "idempotency_key": str(key(1)),
        "choice": choice(),
        "amount_minor": "10000",
        "given": "EUR",
        "debit": pb.ExchangeLeg(asset="EUR", account="ann:eur", position="fx:EUR"),
        "credit": pb.ExchangeLeg(asset="USD", account="ann:usd", position="fx:EUR:USD"),
    }
    return pb.PostExchangeRequest(**fields | changes)


def closing(at: datetime = START + timedelta(hours=8), **changes: Any) -> pb.RevalueRequest:
    return pb.RevalueRequest(**{"position": POSITION, "choice": choice(at), "on": "2026-03-02"} | changes)


async def test_assets_are_registered_once_and_listed_with_the_act(node: Node) -> None:
    async def register(scale: int) -> bool:
        request = pb.RegisterAssetRequest(asset="XPOINT", scale=scale, actor="ann", reason="loyalty points")
        return (await node.client.ask("RegisterAsset", request, pb.RegisterAssetResponse)).created

    assert [await register(0), await register(0)] == [True, False]
    other = pb.RegisterAssetRequest(asset="XPOINT", scale=1, actor="ann", reason="again")
    assert (await node.client.refusal("RegisterAsset", other))[0] is StatusCode.ALREADY_EXISTS
    request, assets = pb.ListAssetsRequest(page_size=70), []
    while True:
        page = await node.client.ask("ListAssets", request, pb.ListAssetsResponse)
        assets += page.assets
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    codes = [asset.asset for asset in assets]
    assert codes == sorted(set(codes)) and len(codes) > 70
    (points,) = [asset for asset in assets if asset.asset == "XPOINT"]
    assert (points.scale, points.actor, points.reason, points.at) == (0, "ann", "loyalty points", stamp(START))


async def test_exchange_is_posted_at_the_newest_rate_on_record(node: Node) -> None:
    assert [await node.record("1.0843"), await node.record("1.0843")] == [True, False]
    assert await node.record("1.0900", START + timedelta(hours=8))
    found = await node.client.ask("GetRate", pb.GetRateRequest(choice=choice()), pb.GetRateResponse)
    assert found.rate == rate(rate="1.0843")

    tried = await node.exchange(dry_run=True)
    assert tried.result.code == "posted" and await node.books.find_entry(1) is None
    made = await node.exchange(metadata={"branch": "12"}, actor="clerk-7", effective_at=stamp(START))
    assert (made.result.code, made.result.seq, made.rate.rate) == ("posted", 1, "1.0843")
    assert [(posting.account, posting.amount_minor) for posting in made.postings] == [
        ("ann:eur", "10000"),
        ("fx:EUR", "10000"),
        ("fx:EUR:USD", "10843"),
        ("ann:usd", "10843"),
    ]
    again = await node.exchange(metadata={"branch": "12"}, actor="clerk-7", effective_at=stamp(START))
    assert (again.result.code, again.result.seq) == ("exists", 1)
    entry = await node.books.find_entry(1)
    assert entry is not None and entry.actor == "clerk-7"
    evidence = dict(entry.metadata)
    assert (evidence["fx.rate"], evidence["fx.rounding"], evidence["branch"]) == ("1.0843", "half_even", "12")
    up = await node.exchange(idempotency_key=str(key(2)), amount_minor="1", given="USD", rounding=pb.ROUNDING_UP)
    assert [posting.amount_minor for posting in up.postings] == ["1", "1", "1", "1"]
    audit = await node.client.ask("AuditExchanges", pb.AuditExchangesRequest(), pb.AuditExchangesResponse)
    assert not audit.findings


async def test_repeat_of_an_exchange_is_judged_by_the_rates_of_its_time(node: Node) -> None:
    await node.record("1.0843")
    made = await node.exchange()
    node.clock.move(minutes=1)
    await node.record("1.0844")
    again = await node.exchange()
    assert (again.result.code, again.result.seq, again.rate.rate) == ("exists", made.result.seq, "1.0843")
    assert again.postings == made.postings
    assert (await node.exchange(amount_minor="10001")).result.code == "exists_with_different_body"
    other = await node.exchange(idempotency_key=str(key(2)))
    assert (other.result.code, other.rate.rate) == ("posted", "1.0844")
    # The key of what is no exchange is taken, whichever rates there were.
    await node.books.post(transfer(key(3), "ann:usd", "fx:EUR:USD", 1))
    node.clock.move(minutes=1)
    await node.record("161.27", START - timedelta(days=1))
    taken = await node.exchange(idempotency_key=str(key(3)), choice=choice(START - timedelta(days=1)))
    assert taken.result.code == "exists_with_different_body"


async def test_position_is_brought_to_its_value_once(node: Node) -> None:
    await node.record("1.0843")
    await node.record("1.0900", START + timedelta(hours=8))
    await node.exchange(effective_at=stamp(START))
    tried = await node.revalue(dry_run=True)
    assert tried.result.code == "posted" and await node.books.find_entry(2) is None
    done = await node.revalue(actor="accountant-7")
    assert (done.amount_minor, done.carried_minor, done.result.code, done.result.seq) == ("10000", "10843", "posted", 2)
    assert [(posting.account, posting.amount_minor) for posting in done.postings] == [
        ("fx:EUR:revaluation", "57"),
        ("income:fx", "57"),
    ]
    again = await node.revalue(actor="accountant-7")
    assert not again.postings and not again.HasField("result") and again.carried_minor == "10900"

    # A trade booked late for that day makes other figures: refused under the day's key, posted as its revision.
    await node.exchange(idempotency_key=str(key(5)), effective_at=stamp(START), amount_minor="5000")
    late = await node.revalue(actor="accountant-7")
    assert late.result.code == "exists_with_different_body"
    revised = await node.revalue(actor="accountant-7", revision=1)
    assert (revised.result.code, revised.carried_minor) == ("posted", "16322")
    audit = await node.client.ask("AuditExchanges", pb.AuditExchangesRequest(), pb.AuditExchangesResponse)
    assert not audit.findings


BAD: list[tuple[str, Message, str]] = [
    ("RegisterAsset", pb.RegisterAssetRequest(asset="eur", actor="a", reason="r"), "asset 'eur'"),
    ("RegisterAsset", pb.RegisterAssetRequest(asset="XPT2", scale=19, actor="a", reason="r"), "scale 19"),
    ("RegisterAsset", pb.RegisterAssetRequest(asset="XPT2", actor="a", reason="\0"), "reason '\\x00'"),
    ("ListAssets", pb.ListAssetsRequest(page_token="\0"), "page_token '\\x00'"),
    ("RecordRate", pb.RecordRateRequest(rate=pb.Rate(base="EUR", quote="USD"), actor="a"), "rate.quoted_at ''"),
    ("RecordRate", pb.RecordRateRequest(rate=rate(rate="1e3"), actor="a"), "rate.rate '1e3'"),
    ("RecordRate", pb.RecordRateRequest(rate=rate(rate="1", source="a b"), actor="a"), "rate.source 'a b'"),
    ("RecordRate", pb.RecordRateRequest(rate=rate(rate="1", quote="EUR"), actor="a"), "rate.pair 'EUR/EUR'"),
    ("RecordRate", pb.RecordRateRequest(rate=rate(rate="1")), "actor ''"),
    ("GetRate", pb.GetRateRequest(), "choice.at ''"),
    ("GetRate", pb.GetRateRequest(choice=choice(source="\0")), "choice.source '\\x00'"),
    ("PostExchange", order(idempotency_key="1"), "idempotency_key '1'"),
    ("PostExchange", order(amount_minor="1.5"), "amount_minor '1.5'"),
    ("PostExchange", order(amount_minor="0"), "amount_minor '0'"),
    ("PostExchange", order(given="JPY"), "given 'JPY'"),
    ("PostExchange", order(rounding=9), "rounding 9"),
    ("PostExchange", order(debit=pb.ExchangeLeg(asset="EUR", account="a b", position="p")), "debit.account 'a b'"),
    (
        "PostExchange",
        order(given="USD", debit=pb.ExchangeLeg(asset="JPY", account="a", position="p")),
        "pair 'JPY/USD'",
    ),
    (
        "PostExchange",
        order(
            debit=pb.ExchangeLeg(asset="EUR", account="ann:usd", position="fx:EUR:USD"),
            credit=pb.ExchangeLeg(asset="USD", account="ann:eur", position="fx:EUR"),
        ),
        "debit.account 'ann:usd': counts USD, the leg is of EUR",
    ),
    (
        "PostExchange",
        order(credit=pb.ExchangeLeg(asset="USD", account="ann:usd", position="fx:EUR")),
        "credit.position 'fx:EUR': counts EUR, the leg is of USD",
    ),
    ("PostExchange", order(metadata={"fx.rate": "9"}), "metadata name 'fx.rate'"),
    ("PostExchange", order(actor="a b"), "actor 'a b'"),
    ("Revalue", closing(on="20260302"), "on '20260302'"),
    ("Revalue", closing(revision=-1), "revision -1"),
    ("Revalue", closing(position=pb.Position(account="fx:EUR")), "position.counter ''"),
    ("AuditExchanges", pb.AuditExchangesRequest(finding_count_max=-1), "-1"),
]


async def test_bad_input_is_named_and_posts_nothing(node: Node) -> None:
    await node.record("1.0843")
    for method, request, said in BAD:
        code, message = await node.client.refusal(method, request)
        assert (method, code) == (method, StatusCode.INVALID_ARGUMENT) and said in message, message
    assert await node.books.find_entry(1) is None


async def test_exchange_without_a_rate_on_record_is_not_found(node: Node) -> None:
    await node.record("1.0843")
    before = order(choice=choice(START - timedelta(seconds=1)))
    for method, request in (("PostExchange", before), ("GetRate", pb.GetRateRequest(choice=choice(source="FED")))):
        code, said = await node.client.refusal(method, request)
        assert code is StatusCode.NOT_FOUND and "no rate EUR/USD" in said
    unknown = pb.RecordRateRequest(rate=rate(base="NOSUCH", rate="1"), actor="a")
    assert (await node.client.refusal("RecordRate", unknown))[0] is StatusCode.NOT_FOUND


async def test_other_members_are_refused(node: Node) -> None:
    other = node.port.client(SERVICE, "OtherMSP")
    for method in METHODS:
        code, _ = await other.refusal(method.name, pb.ListAssetsRequest())
        assert code is StatusCode.PERMISSION_DENIED
