"""Aim: a supervisor finds any entry by what is known of it, sees no more than was disclosed, and leaves a trace.

Method: a bank and a regulator with their own databases on an in-memory channel of genuine blocks; what a search finds
is compared with a filter over all entries in plain Python; looks are tampered with as a superuser can.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from network.bundle import verify_bundle
from network.errors import RpcError
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.rpc import StatusCode
from node.audit.disclosed import ranges_of
from node.audit.entry_export import COLUMNS
from node.audit.member_node import SERVICE
from tests.support.consortium_in_memory import BANK, REGULATOR, ConsortiumInMemory, Material, make_material
from tests.support.trails import RULES_HASH, DirectChannel, World, post, running_world, tls_certificate

AMOUNTS = (100, 250, 1000, 7, 7, 2000, 31, 3000, 5, 12)
BATCHES = (AMOUNTS[:3], AMOUNTS[3:5], AMOUNTS[5:9], AMOUNTS[9:])
"""Each is anchored by itself; round thousands go to review."""
DISCLOSED = (2, 3, 4, 6, 8)
USER = f"{REGULATOR}/Node@regulator.test"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture
async def world(material: Material, database_url: str, regulator_url: str) -> AsyncIterator[World]:
    """Ten entries in four anchors, five of them disclosed, one review rejected."""
    async with running_world(ConsortiumInMemory(material), database_url, regulator_url) as world:
        for amounts in BATCHES:
            post(world.writer, *amounts)
            await world.settle()
        await demand(world, *DISCLOSED)
        reviews = await world.call(
            world.bank_handlers, BANK, "ListReviews", pb.ListReviewsRequest(), pb.ListReviewsResponse
        )
        record_id = next(review.record_id for review in reviews.reviews if review.seq == 6)
        request = pb.DecideReviewRequest(record_id=record_id, approve=False, reason="no reason was given")
        await world.call(world.regulator_handlers, REGULATOR, "DecideReview", request, pb.DecideReviewResponse)
        await world.index()
        yield world


async def demand(world: World, *seqs: int) -> pb.DemandDisclosureResponse:
    request = pb.DemandDisclosureRequest(organization=BANK, seqs=seqs, purpose="supervisory_review")
    following = asyncio.create_task(world.bank.indexer.follow(stop=len(world.consortium.blocks)))
    reply = await world.call(
        world.regulator_handlers, REGULATOR, "DemandDisclosure", request, pb.DemandDisclosureResponse
    )
    await following
    await world.index()
    return reply


async def page(world: World, size: int = 0, token: str = "", **fields: Any) -> pb.SearchEntriesResponse:
    request = pb.SearchEntriesRequest(search=pb.EntrySearch(**fields), page_size=size, page_token=token)
    return await world.call(world.regulator_handlers, REGULATOR, "SearchEntries", request, pb.SearchEntriesResponse)


async def found(world: World, size: int = 0, **fields: Any) -> list[int]:
    """Return the numbers of all entries found, page by page."""
    seqs, token = [], ""
    while True:
        reply = await page(world, size, token, **fields)
        seqs += [entry.seq for entry in reply.entries]
        token = reply.next_page_token
        if not token:
            return seqs


async def looks(world: World, **fields: Any) -> pb.ListLooksResponse:
    return await world.call(
        world.regulator_handlers, REGULATOR, "ListLooks", pb.ListLooksRequest(**fields), pb.ListLooksResponse
    )


async def exported(world: World, file_format: str, **fields: Any) -> bytes:
    channel = DirectChannel(world.regulator_handlers, tls_certificate(world.consortium.material, REGULATOR))
    request = pb.ExportEntriesRequest(search=pb.EntrySearch(**fields), format=file_format)
    data = b""
    async for reply in channel.server_stream(f"/{SERVICE}/ExportEntries", request.SerializeToString(), 5):
        data += pb.ExportEntriesResponse.FromString(reply).data
    return data


def tamper(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement.encode())


def url_of(world: World) -> str:
    return world.regulator.entries._database._pool.conninfo


# What is found --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 3])
async def test_all_anchored_entries_newest_first_on_pages_of_any_size(world: World, size: int) -> None:
    assert await found(world, size) == list(range(10, 0, -1))
    assert await found(world, size, ascending=True) == list(range(1, 11))
    assert await found(world, size, organization=BANK, from_seq=3, to_seq=7) == [7, 6, 5, 4, 3]
    assert await found(world, size, organization=REGULATOR) == []


async def test_an_entry_that_was_not_disclosed_shows_where_it_stands_and_nothing_else(world: World) -> None:
    (entry,) = (await page(world, from_seq=5, to_seq=5)).entries
    assert (entry.organization, entry.seq, entry.state) == (BANK, 5, "attested")
    assert entry.signer.startswith(f"{BANK}/")
    assert entry.block_number > 0
    assert len(entry.transaction_id) == 64
    told = (entry.fields_json, entry.demand_id, entry.status, entry.reviewer, entry.rules_hash, entry.worth_minor)
    assert told == ("",) * 6
    assert not entry.HasField("disclosed_at")


async def test_a_disclosed_entry_shows_all_that_its_bundle_proved(world: World) -> None:
    (entry,) = (await page(world, account="alice", amount_from_minor="2000", amount_to_minor="2000")).entries
    fields = json.loads(entry.fields_json)
    assert [posting["amount_minor"] for posting in fields["postings"]] == ["2000", "2000"]
    assert (entry.status, entry.rules_hash, entry.worth_minor) == ("rejected", RULES_HASH.hex(), "2000")
    assert entry.reviewer.startswith(f"{REGULATOR}/Reviewer")
    request = pb.GetDisclosedBundleRequest(organization=BANK, seq=entry.seq)
    reply = await world.call(
        world.regulator_handlers, REGULATOR, "GetDisclosedBundle", request, pb.GetDisclosedBundleResponse
    )
    assert verify_bundle(reply.bundle, world.consortium.genesis_hash).seq == entry.seq == 6


async def test_anchors_are_told_apart_by_block_transaction_signer_and_time(world: World) -> None:
    second = next(entry for entry in (await page(world)).entries if entry.seq == 4)
    assert await found(world, block=second.block_number) == [5, 4]
    assert await found(world, transaction_id=second.transaction_id) == [5, 4]
    assert len(await found(world, signer=second.signer)) == 10
    assert await found(world, signer="nobody/at all") == []
    after = Timestamp(seconds=second.anchored_at.seconds, nanos=second.anchored_at.nanos + 1_000)
    assert await found(world, anchored_from=second.anchored_at, anchored_to=after) == [5, 4]
    assert await found(world, block=0) == []


async def test_attested_entries_only(world: World) -> None:
    post(world.writer, 77)
    await world.bank.anchorer.anchor()
    await world.index()
    assert (await found(world))[0] == 11
    assert (await page(world)).entries[0].state == "anchored"
    assert (await found(world, attested=True))[0] == 10
    assert await found(world, attested=True, disclosed=True) == sorted(DISCLOSED, reverse=True)


async def test_what_entries_say_is_searched_among_the_disclosed_ones_only(world: World) -> None:
    assert await found(world, disclosed=True) == sorted(DISCLOSED, reverse=True)
    assert await found(world, account="alice", asset="EUR") == sorted(DISCLOSED, reverse=True)
    assert await found(world, account="alice", asset="USD") == []
    assert await found(world, account="bob") == []
    assert await found(world, amount_from_minor="1000") == [8, 6, 3]
    assert await found(world, amount_to_minor="7") == [4]
    assert await found(world, status="requires_manual_review") == [8, 3]
    assert await found(world, status="rejected") == [6]
    assert await found(world, status="automated_approval") == [4, 2]
    assert await found(world, reviewer=REGULATOR) == [6]
    assert await found(world, reviewer=BANK) == []
    assert await found(world, rules_hash=RULES_HASH.hex()) == sorted(DISCLOSED, reverse=True)
    assert await found(world, rules_hash="00" * 32) == []


async def test_one_entry_by_key_decision_or_demand(world: World) -> None:
    (entry,) = (await page(world, from_seq=4, to_seq=4, disclosed=True)).entries
    fields = json.loads(entry.fields_json)
    assert await found(world, idempotency_key=fields["key"]) == [4]
    assert await found(world, decision_id=fields["decision_id"]) == [4]
    again = await demand(world, 4, 5)
    assert await found(world, demand_id=again.demand_id) == [5], "entry 4 keeps the demand that brought it first"


@pytest.mark.parametrize("size", [0, 2])
async def test_disclosed_entries_sorted_in_each_order(world: World, size: int) -> None:
    by_worth = sorted(DISCLOSED, key=lambda seq: (AMOUNTS[seq - 1], seq))
    assert await found(world, size, sort="worth", ascending=True) == by_worth
    assert await found(world, size, sort="worth") == by_worth[::-1]
    for sort in ("posted", "effective", "entry"):
        assert await found(world, size, sort=sort, ascending=True) == sorted(DISCLOSED), sort


async def test_times_bound_what_is_found(world: World) -> None:
    listed = {entry.seq: json.loads(entry.fields_json) for entry in (await page(world, disclosed=True)).entries}
    moment = datetime.fromisoformat(listed[6]["posted_at"])
    begin, end = Timestamp(), Timestamp()
    begin.FromDatetime(moment)
    end.FromDatetime(moment + timedelta(microseconds=1))
    same = sorted((seq for seq, told in listed.items() if told["posted_at"] == listed[6]["posted_at"]), reverse=True)
    assert await found(world, posted_from=begin, posted_to=end) == same
    assert await found(world, effective_from=end) == [seq for seq in sorted(listed, reverse=True) if seq > max(same)]


async def test_random_searches_find_what_a_plain_filter_finds(world: World) -> None:
    draw = random.Random(7)
    rows = {entry.seq: entry for entry in (await page(world, disclosed=True)).entries}
    for _ in range(40):
        wanted: dict[str, Any] = {}
        least, most = sorted(draw.sample(range(1, 3500), 2))
        first, last = sorted(draw.sample(range(1, 11), 2))
        if draw.random() < 0.6:
            wanted |= {"amount_from_minor": str(least), "amount_to_minor": str(most)}
        if draw.random() < 0.5:
            wanted |= {"from_seq": first, "to_seq": last}
        if draw.random() < 0.4:
            wanted["status"] = draw.choice(["automated_approval", "requires_manual_review", "rejected"])
        wanted["sort"] = draw.choice(["posted", "worth", "entry"])
        expected = {
            seq
            for seq, entry in rows.items()
            if ("amount_from_minor" not in wanted or least <= AMOUNTS[seq - 1] <= most)
            and ("from_seq" not in wanted or first <= seq <= last)
            and wanted.get("status", entry.status) == entry.status
        }
        hits = await found(world, draw.choice([1, 2, 50]), **wanted)
        assert len(hits) == len(set(hits))
        assert set(hits) == expected, wanted


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "fine"}, "status"),
        ({"sort": "beauty"}, "sort"),
        ({"sort": "anchored", "account": "alice"}, "sort"),
        ({"amount_from_minor": "1.5"}, "amount_from_minor"),
        ({"idempotency_key": "12"}, "idempotency_key"),
        ({"rules_hash": "xyz"}, "rules_hash"),
        ({"from_seq": -1}, "from_seq"),
        ({"account": "a" * 2000}, "account"),
        ({"account": "a\x00b"}, "account"),
        ({"posted_from": Timestamp(seconds=2**62)}, "posted_from"),
    ],
)
async def test_fields_that_cannot_be_used_are_named(world: World, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(RpcError, match=said) as refused:
        await page(world, **fields)
    assert refused.value.code == StatusCode.INVALID_ARGUMENT


async def test_a_token_of_another_search_is_refused(world: World) -> None:
    token = (await page(world, 2, disclosed=True)).next_page_token
    for wrong in (token[:-4], "%%", token + "x", "W10="):
        with pytest.raises(RpcError, match="page_token") as refused:
            await page(world, 2, wrong, disclosed=True)
        assert refused.value.code == StatusCode.INVALID_ARGUMENT
    with pytest.raises(RpcError, match="page_token"):
        await page(world, 2, token, disclosed=True, sort="worth")


async def test_other_members_are_not_answered(world: World) -> None:
    with pytest.raises(RpcError) as refused:
        await world.call(
            world.regulator_handlers, BANK, "SearchEntries", pb.SearchEntriesRequest(), pb.SearchEntriesResponse
        )
    assert refused.value.code == StatusCode.PERMISSION_DENIED
    channel = DirectChannel(world.regulator_handlers, tls_certificate(world.consortium.material, BANK))
    with pytest.raises(RpcError) as streaming:
        async for _ in channel.server_stream(f"/{SERVICE}/ExportEntries", b"", 5):
            pass
    assert streaming.value.code == StatusCode.PERMISSION_DENIED


# Files ----------------------------------------------------------------------------------------------------------------


async def test_every_format_holds_the_same_rows(world: World) -> None:
    lines = [json.loads(line) for line in (await exported(world, "jsonl")).splitlines()]
    assert [line["seq"] for line in lines] == list(range(10, 0, -1))
    assert all(tuple(line) == COLUMNS for line in lines)
    rows = list(csv.DictReader(io.StringIO((await exported(world, "csv")).decode())))
    as_text = [{name: "" if value is None else str(value) for name, value in line.items()} for line in lines]
    assert rows == as_text
    parquet = pytest.importorskip("pyarrow.parquet", reason="no pyarrow: pip install 'dwaybank-node[parquet]'")
    assert parquet.read_table(io.BytesIO(await exported(world, "parquet"))).to_pylist() == lines


async def test_a_field_that_a_spreadsheet_would_run_is_text(world: World) -> None:
    formula = """replace(fields, '"settlement_id":""', '"settlement_id":"=1+1"')"""
    tamper(url_of(world), f"UPDATE log.disclosed_entry SET fields = {formula}")
    rows = list(csv.DictReader(io.StringIO((await exported(world, "csv", disclosed=True)).decode())))
    assert {row["settlement_id"] for row in rows} == {"'=1+1"}


async def test_an_unknown_format_is_refused_before_anything_is_sent(world: World) -> None:
    with pytest.raises(RpcError, match="format") as refused:
        await exported(world, "xlsx")
    assert refused.value.code == StatusCode.INVALID_ARGUMENT


# Saved searches -------------------------------------------------------------------------------------------------------


async def test_searches_are_saved_replaced_listed_and_dropped(world: World) -> None:
    async def saved() -> list[pb.SavedSearch]:
        reply = await world.call(
            world.regulator_handlers, REGULATOR, "ListSavedSearches", pb.ListSavedSearchesRequest(),
            pb.ListSavedSearchesResponse,
        )  # fmt: skip
        return list(reply.searches)

    async def save(name: str, search: pb.EntrySearch) -> None:
        request = pb.SaveSearchRequest(name=name, search=search)
        await world.call(world.regulator_handlers, REGULATOR, "SaveSearch", request, pb.SaveSearchResponse)

    large = pb.EntrySearch(amount_from_minor="1000", sort="worth", block=0)
    await save("large", pb.EntrySearch())
    await save("large", large)
    (one,) = await saved()
    assert (one.name, one.search, one.saved_by) == ("large", large, USER)
    for name in ("", " x", "x" * 81, "a\nb"):
        with pytest.raises(RpcError, match="name"):
            await save(name, large)
    with pytest.raises(RpcError, match="status"):
        await save("wrong", pb.EntrySearch(status="fine"))
    request = pb.DropSavedSearchRequest(name="large")
    await world.call(world.regulator_handlers, REGULATOR, "DropSavedSearch", request, pb.DropSavedSearchResponse)
    assert await saved() == []
    with pytest.raises(RpcError) as unknown:
        await world.call(world.regulator_handlers, REGULATOR, "DropSavedSearch", request, pb.DropSavedSearchResponse)
    assert unknown.value.code == StatusCode.NOT_FOUND


# Who looked -----------------------------------------------------------------------------------------------------------


async def test_each_look_at_disclosed_entries_is_written_down_and_no_other(world: World) -> None:
    await page(world, from_seq=9)
    await page(world, 2, status="requires_manual_review")
    await exported(world, "csv", from_seq=2, to_seq=5)
    told = (await looks(world, verify=True)).looks
    assert [json.loads(look.shown_json) for look in told] == [
        {BANK: [[2, 4]]}, {BANK: [[3, 3], [8, 8]]}, {BANK: [[2, 4], [6, 6], [8, 8]]},
    ]  # fmt: skip
    assert [next(iter(json.loads(look.asked_json))) for look in told] == ["export", "search", "demand"]
    assert json.loads(told[1].asked_json) == {"search": {"status": "requires_manual_review"}}
    assert {look.actor for look in told} == {USER}
    assert [look.number for look in told] == [3, 2, 1]
    older = await looks(world, before=3, page_size=1)
    assert [look.number for look in older.looks] == [2]


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE log.look SET actor = 'somebody else' WHERE number = 2", 2),
        ("UPDATE log.look SET shown = '{}' WHERE number = 1", 1),
        ("UPDATE log.look SET looked_at = looked_at + interval '1 us' WHERE number = 3", 3),
        ("DELETE FROM log.look WHERE number = 2", 2),
        ("DELETE FROM log.look WHERE number = 1", 1),
    ],
)
async def test_a_look_that_was_changed_or_taken_out_is_named(world: World, statement: str, broken: int) -> None:
    for _ in range(3):
        await page(world, disclosed=True)
    assert (await looks(world, verify=True)).broken_number == 0
    tamper(url_of(world), statement)
    assert (await looks(world, verify=True)).broken_number == broken


async def test_neither_disclosed_entries_nor_looks_can_be_changed_by_a_statement(world: World) -> None:
    with psycopg.connect(url_of(world), autocommit=True) as connection:
        for statement in (
            "UPDATE log.look SET actor = 'x'", "DELETE FROM log.look", "DELETE FROM log.disclosed_posting",
            "UPDATE log.disclosed_entry SET worth = 1",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.RaiseException, match="never changed"):
                connection.execute(statement.encode())


def test_ranges_join_what_follows() -> None:
    entries = [("B", 2), ("A", 5), ("A", 3), ("A", 4), ("A", 9), ("A", 9)]
    assert ranges_of(entries) == {"A": [[3, 5], [9, 9]], "B": [[2, 2]]}
