"""The chart of accounts and the names of accounts over the node's port, and accounts opened by the chart; against a
real PostgreSQL and real mutual TLS."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.message import Message

from ledger.journal import transfer
from network.pb.dwaybank.ledger.v1 import chart_pb2 as pb
from network.pb.dwaybank.ledger.v1 import ledger_pb2
from network.rpc import StatusCode
from node.books.books import Books
from node.books.chart_service import SERVICE, ChartService
from node.books.ledger_service import SERVICE as LEDGER
from node.books.ledger_service import LedgerService
from tests.support.books import Clock, key
from tests.support.own_service import Port, ServiceClient, open_books, open_port

METHODS = pb.DESCRIPTOR.services_by_name["ChartService"].methods
DEBIT, CREDIT = ledger_pb2.SIDE_DEBIT, ledger_pb2.SIDE_CREDIT


@dataclasses.dataclass
class Node:
    books: Books
    port: Port
    chart: ServiceClient
    ledger: ServiceClient

    async def open(self, account: str, **more: Any) -> ledger_pb2.OpenAccountResponse:
        request = ledger_pb2.OpenAccountRequest(account=account, asset="EUR", **more)
        return await self.ledger.ask("OpenAccount", request, ledger_pb2.OpenAccountResponse)


@pytest.fixture
async def node(database_url: str) -> AsyncIterator[Node]:
    clock = Clock()
    async with open_books(database_url, clock) as books:
        make = lambda members: [LedgerService(books, members), ChartService(books, members, now=clock)]  # noqa: E731
        async with open_port(make) as port:
            yield Node(books, port, port.client(SERVICE), port.client(LEDGER))


def retail(**changes: Any) -> pb.Chart:
    rules = [
        pb.ChartRule(pattern="customers:{id=digits}", normal_side=CREDIT, assets=["EUR"], floor_minor="0"),
        pb.ChartRule(pattern="fees:*", normal_side=CREDIT, negative=True, ceiling_minor="1000"),
    ]
    return pb.Chart(**{"book": "retail", "rules": rules, "enforced": True} | changes)


async def build(node: Node) -> None:
    """Book retail with its chart, a portfolio and a segment."""
    ask = node.chart.ask
    assert (await ask("OpenBook", pb.OpenBookRequest(book="retail", actor="ann"), pb.OpenBookResponse)).created
    portfolio = pb.OpenPortfolioRequest(book="retail", portfolio="branch-12", actor="ann")
    assert (await ask("OpenPortfolio", portfolio, pb.OpenPortfolioResponse)).created
    segment = pb.OpenSegmentRequest(book="retail", segment="private", actor="ann")
    assert (await ask("OpenSegment", segment, pb.OpenSegmentResponse)).created
    define = pb.DefineChartRequest(chart=retail(), actor="ann")
    assert (await ask("DefineChart", define, pb.DefineChartResponse)).version == 4


async def test_chart_is_told_as_it_was_defined_and_its_history_with_it(node: Node) -> None:
    await build(node)
    again = pb.OpenBookRequest(book="retail", actor="bob")
    assert not (await node.chart.ask("OpenBook", again, pb.OpenBookResponse)).created
    listed = await node.chart.ask("ListBooks", pb.ListBooksRequest(), pb.ListBooksResponse)
    assert [(book.book, list(book.portfolios), list(book.segments)) for book in listed.books] == [
        ("main", [], []),
        ("retail", ["branch-12"], ["private"]),
    ]
    found = await node.chart.ask("GetChart", pb.GetChartRequest(book="retail"), pb.GetChartResponse)
    expected = retail()
    for rule in expected.rules:
        rule.overdraft_minor = "0"
    assert (found.chart, found.version) == (expected, 4)
    late = pb.DefineChartRequest(chart=retail(enforced=False), actor="bob", if_version=3)
    code, said = await node.chart.refusal("DefineChart", late)
    assert code is StatusCode.ALREADY_EXISTS and "since version 3" in said
    request, history = pb.ListChartChangesRequest(book="retail", page_size=3), []
    while True:
        page = await node.chart.ask("ListChartChanges", request, pb.ListChartChangesResponse)
        history += [(change.number, change.actor, set(json.loads(change.what))) for change in page.changes]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert [number for number, _, _ in history] == [1, 2, 3, 4] and {actor for _, actor, _ in history} == {"ann"}


async def test_account_is_opened_by_the_chart_with_place_names_and_metadata(node: Node) -> None:
    await build(node)
    more: dict[str, Any] = {"book": "retail", "portfolio": "branch-12", "by_chart": True, "actor": "clerk-7"}
    named = more | {"alias": "@maria", "metadata": {"tariff": "student"}}
    opened = await node.open("customers:4711", **named)
    assert opened.created and (opened.account.normal_side, opened.account.floor_minor) == (CREDIT, "0")
    assert not (await node.open("customers:4711", **named)).created
    assert (await node.open("fees:atm", **more)).account.ceiling_minor == "1000"
    refused = ledger_pb2.OpenAccountRequest(account="customers:anna", asset="EUR", **more)
    code, said = await node.ledger.refusal("OpenAccount", refused)
    assert code is StatusCode.INVALID_ARGUMENT and "has no rule for it" in said

    search = pb.SearchAccountsRequest(metadata={"tariff": "student"}, book="retail")
    (found,) = (await node.chart.ask("SearchAccounts", search, pb.SearchAccountsResponse)).accounts
    assert (found.account.account, found.portfolio, list(found.aliases)) == ("customers:4711", "branch-12", ["@maria"])
    pages = pb.SearchAccountsRequest(page_size=1)
    first = await node.chart.ask("SearchAccounts", pages, pb.SearchAccountsResponse)
    pages.page_token = first.next_page_token
    second = await node.chart.ask("SearchAccounts", pages, pb.SearchAccountsResponse)
    assert [page.accounts[0].account.account for page in (first, second)] == ["customers:4711", "fees:atm"]

    place = pb.PlaceAccountRequest(account="customers:4711", segment="private", actor="clerk-7")
    assert (await node.chart.ask("PlaceAccount", place, pb.PlaceAccountResponse)).changed
    (found,) = (await node.chart.ask("SearchAccounts", search, pb.SearchAccountsResponse)).accounts
    assert (found.portfolio, found.segment) == ("", "private")


async def test_terms_asked_for_when_opening_are_kept_and_their_changes_told(node: Node) -> None:
    limits = {"floor_minor": "-5", "overdraft_minor": "10", "ceiling_minor": "900"}
    account = (await node.open("alice", normal_side=CREDIT, **limits)).account
    assert (account.floor_minor, account.overdraft_minor, account.ceiling_minor) == ("-5", "10", "900")
    change = ledger_pb2.SetAccountTermsRequest(account="alice", status="frozen", ceiling_minor="", actor="judge-3")
    await node.ledger.ask("SetAccountTerms", change, ledger_pb2.SetAccountTermsResponse)
    history = pb.ListAccountChangesRequest(account="alice")
    (told,) = (await node.chart.ask("ListAccountChanges", history, pb.ListAccountChangesResponse)).changes
    assert (told.number, told.actor) == (1, "judge-3")
    assert told.before == pb.AccountTerms(status="open", **limits)
    assert told.after == pb.AccountTerms(status="frozen", floor_minor="-5", overdraft_minor="10")


async def test_misfits_and_sums_follow_the_tree_of_codes(node: Node) -> None:
    for account in ("cash:till", "customers:1", "customers:2"):
        await node.open(account, normal_side=DEBIT if account == "cash:till" else CREDIT)
    await node.books.post(transfer(key(1), "cash:till", "customers:1", 300))
    await node.books.post(transfer(key(2), "cash:till", "customers:2", 50))
    sums = await node.chart.ask("GetCodeBalances", pb.GetCodeBalancesRequest(), pb.GetCodeBalancesResponse)
    assert [(line.code, line.debit_minor, line.credit_minor, line.account_count) for line in sums.balances] == [
        ("cash", "350", "0", 1),
        ("customers", "0", "350", 2),
    ]
    rules = [pb.ChartRule(pattern="customers:1", normal_side=DEBIT, floor_minor="0")]
    define = pb.DefineChartRequest(chart=pb.Chart(rules=rules), actor="ann")
    await node.chart.ask("DefineChart", define, pb.DefineChartResponse)
    request, misfits = pb.ListMisfitsRequest(page_size=2), []
    while True:
        page = await node.chart.ask("ListMisfits", request, pb.ListMisfitsResponse)
        misfits += [(item.account, item.rule, item.code) for item in page.misfits]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert misfits == [
        ("cash:till", "", "no_rule"),
        ("customers:1", "customers:1", "wrong_side"),
        ("customers:2", "", "no_rule"),
    ]


async def test_metadata_and_aliases_change_and_keep_their_history(node: Node) -> None:
    for account in ("alice", "bob"):
        await node.open(account, normal_side=CREDIT)
    ask = node.chart.ask

    async def describe(**pairs: str) -> bool:
        request = pb.SetMetadataRequest(account="alice", metadata=pairs, actor="clerk-7")
        return (await ask("SetMetadata", request, pb.SetMetadataResponse)).changed

    assert [await describe(tariff="a"), await describe(tariff="a"), await describe(tariff="")] == [True, False, True]
    history = pb.ListMetadataChangesRequest(account="alice", name="tariff", page_size=2)
    page = await ask("ListMetadataChanges", history, pb.ListMetadataChangesResponse)
    assert [(change.before, change.after, change.actor) for change in page.changes] == [
        ("", "a", "clerk-7"),
        ("a", "", "clerk-7"),
    ]
    history.page_token = page.next_page_token
    assert not (await ask("ListMetadataChanges", history, pb.ListMetadataChangesResponse)).changes

    alias = pb.SetAliasRequest(alias="@wages", account="alice", actor="clerk-7")
    assert (await ask("SetAlias", alias, pb.SetAliasResponse)).changed
    alias.account = "bob"
    assert (await node.chart.refusal("SetAlias", alias))[0] is StatusCode.ALREADY_EXISTS
    alias.move = True
    assert (await ask("SetAlias", alias, pb.SetAliasResponse)).changed
    names = pb.ResolveAliasesRequest(names=["@wages", "alice"])
    assert (await ask("ResolveAliases", names, pb.ResolveAliasesResponse)).accounts == ["bob", "alice"]
    back = pb.SetAliasRequest(alias="@wages", actor="clerk-7")
    assert (await ask("SetAlias", back, pb.SetAliasResponse)).changed
    assert (await node.chart.refusal("ResolveAliases", names))[0] is StatusCode.NOT_FOUND
    told = await ask("ListAliasChanges", pb.ListAliasChangesRequest(alias="@wages"), pb.ListAliasChangesResponse)
    assert [(change.before, change.after) for change in told.changes] == [("", "alice"), ("alice", "bob"), ("bob", "")]


def rule(**changes: Any) -> pb.DefineChartRequest:
    good: dict[str, Any] = {"pattern": "a", "normal_side": CREDIT, "floor_minor": "0"}
    return pb.DefineChartRequest(chart=pb.Chart(rules=[pb.ChartRule(**good | changes)]), actor="ann")


BAD: list[tuple[str, Message, str]] = [
    ("OpenBook", pb.OpenBookRequest(book="a b", actor="ann"), "book 'a b'"),
    ("OpenBook", pb.OpenBookRequest(book="a"), "actor ''"),
    ("OpenPortfolio", pb.OpenPortfolioRequest(portfolio="\0", actor="ann"), "portfolio '\\x00'"),
    ("DefineChart", rule(pattern="{x}{y}"), "chart.rules[0].pattern '{x}{y}'"),
    ("DefineChart", rule(normal_side=0), "chart.rules[0].normal_side 0"),
    ("DefineChart", rule(floor_minor=""), "chart.rules[0].negative False"),
    ("DefineChart", rule(ceiling_minor="1.5"), "chart.rules[0].ceiling_minor '1.5'"),
    ("DefineChart", rule(overdraft_minor="-1"), "chart.rules[0].overdraft_minor -1"),
    ("DefineChart", rule(assets=["EUR", "\0"]), "chart.rules[0].assets[1] '\\x00'"),
    ("DefineChart", rule(assets=["XYZ"]), "assets 'XYZ'"),
    ("GetChart", pb.GetChartRequest(book="\0"), "book '\\x00'"),
    ("ListChartChanges", pb.ListChartChangesRequest(page_token="-1"), "page_token '-1'"),
    ("ListMisfits", pb.ListMisfitsRequest(page_size=1001), "page_size 1001"),
    ("PlaceAccount", pb.PlaceAccountRequest(account="a", segment="\0", actor="ann"), "segment '\\x00'"),
    ("GetCodeBalances", pb.GetCodeBalancesRequest(depth=17), "depth 17"),
    ("SearchAccounts", pb.SearchAccountsRequest(prefix="%"), "prefix '%'"),
    ("SearchAccounts", pb.SearchAccountsRequest(book="\0"), "book '\\x00'"),
    ("SearchAccounts", pb.SearchAccountsRequest(metadata={"a": ""}), "metadata a ''"),
    ("SetMetadata", pb.SetMetadataRequest(account="a", actor="ann"), "metadata 0"),
    ("SetMetadata", pb.SetMetadataRequest(account="a", metadata={"a": "\n"}, actor="ann"), "metadata a"),
    ("SetAlias", pb.SetAliasRequest(alias="wages", account="a", actor="ann"), "alias 'wages'"),
    ("ListAliasChanges", pb.ListAliasChangesRequest(alias="\0"), "alias '\\x00'"),
    ("ResolveAliases", pb.ResolveAliasesRequest(), "names 0"),
    ("ListAccountChanges", pb.ListAccountChangesRequest(account="\0"), "account '\\x00'"),
]


async def test_bad_input_is_named(node: Node) -> None:
    for method, request, said in BAD:
        code, message = await node.chart.refusal(method, request)
        assert (method, code) == (method, StatusCode.INVALID_ARGUMENT) and said in message, message


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"normal_side": CREDIT, "by_chart": True}, "by_chart True"),
        ({"floor_minor": "0", "by_chart": True}, "by_chart True"),
        ({"by_chart": True}, "has no rule for it"),
        ({"normal_side": CREDIT, "overdraft_minor": "-1"}, "overdraft_minor -1"),
        ({"normal_side": CREDIT, "ceiling_minor": "-1"}, "ceiling_minor -1"),
        ({"normal_side": CREDIT, "book": "none"}, "book 'none'"),
        ({"normal_side": CREDIT, "segment": "none"}, "segment 'none'"),
        ({"normal_side": CREDIT, "alias": "x"}, "alias 'x'"),
        ({"normal_side": CREDIT, "metadata": {"a b": "x"}}, "metadata name 'a b'"),
        ({"normal_side": CREDIT, "actor": "a b"}, "actor 'a b'"),
    ],
)
async def test_opening_with_bad_terms_is_named_and_opens_nothing(node: Node, more: dict[str, Any], said: str) -> None:
    request = ledger_pb2.OpenAccountRequest(account="alice", asset="EUR", **more)
    code, message = await node.ledger.refusal("OpenAccount", request)
    assert code is StatusCode.INVALID_ARGUMENT and said in message
    assert await node.books.find_account("alice") is None


async def test_what_does_not_exist_is_not_found(node: Node) -> None:
    for method, request in (
        ("GetChart", pb.GetChartRequest(book="none")),
        ("OpenSegment", pb.OpenSegmentRequest(book="none", segment="s", actor="ann")),
        ("PlaceAccount", pb.PlaceAccountRequest(account="nobody", actor="ann")),
        ("SetMetadata", pb.SetMetadataRequest(account="nobody", metadata={"a": "b"}, actor="ann")),
        ("ListMetadataChanges", pb.ListMetadataChangesRequest(account="nobody")),
        ("SetAlias", pb.SetAliasRequest(alias="@a", account="nobody", actor="ann")),
        ("ListAccountChanges", pb.ListAccountChangesRequest(account="nobody")),
    ):
        assert (method, (await node.chart.refusal(method, request))[0]) == (method, StatusCode.NOT_FOUND)


async def test_other_members_are_refused(node: Node) -> None:
    other = node.port.client(SERVICE, "OtherMSP")
    for method in METHODS:
        code, _ = await other.refusal(method.name, pb.ListBooksRequest())
        assert code is StatusCode.PERMISSION_DENIED
