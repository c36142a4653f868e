"""Aim: what a report says follows from its proofs, and its file stands years later without a node, unchanged.

Method: a bank and a regulator on an in-memory channel of genuine blocks; every proof beside a figure is looked up in
those blocks; pages are read as a browser does, signature files bent field by field.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import psycopg
import pytest

from ledger.account import Side
from ledger.balances import open_account
from ledger.journal import transfer
from network.envelope import parse_transaction
from network.errors import GatewayError, ProofError, RpcError
from network.obligation import ObligationDetails
from network.pb.dwaybank.audit.v1 import audit_pb2 as audit
from network.pb.dwaybank.audit.v1 import report_pb2 as pb
from network.rpc import StatusCode
from network.signed_report import sign_report, verify_report
from node.anchor.leaf_source import Totals
from node.audit.pages import PAGE_SIZE_MAX
from node.reports import large_transactions
from node.reports.anchoring import percentile
from node.reports.daily_worker import end_of
from node.reports.exposure import read_obligations
from node.reports.maker import Wanted
from node.reports.report_service import SERVICE
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR, ConsortiumInMemory, Material, make_material
from tests.support.trails import DirectChannel, World, post, running_world, tls_certificate

KINDS = ("daily", "trial-balance", "large", "exposure", "anchoring")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture
async def world(material: Material, database_url: str, regulator_url: str) -> AsyncIterator[World]:
    async with running_world(ConsortiumInMemory(material), database_url, regulator_url) as world:
        world.consortium.clock = datetime.now(UTC).replace(microsecond=0)
        for amount in (2_000_000, 250):
            post(world.writer, amount)
            await world.settle()
        yield world


async def call(world: World, method: str, request: Any, reply: type[Any], caller: str = REGULATOR) -> Any:
    channel = DirectChannel(world.regulator_handlers, tls_certificate(world.consortium.material, caller))
    return reply.FromString(await channel.unary(f"/{SERVICE}/{method}", request.SerializeToString(), 5))


async def make(world: World, kind: str, **fields: Any) -> pb.MakeReportResponse:
    # The in-memory channel's clock runs a second for each transaction, and may pass midnight before this one.
    fields = {"day": (datetime.now(UTC).date() - timedelta(days=1)).isoformat(), "days": 3} | fields
    request = pb.MakeReportRequest(kind=kind, **fields)
    reply = await call(world, "MakeReport", request, pb.MakeReportResponse)
    assert isinstance(reply, pb.MakeReportResponse)
    return reply


def told(table: pb.ReportTable) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def table(reply: pb.MakeReportResponse, title: str) -> pb.ReportTable:
    (found,) = (each for each in reply.tables if each.title == title)
    assert isinstance(found, pb.ReportTable)
    return found


async def disclose(world: World, *seqs: int) -> None:
    following = asyncio.create_task(world.bank.indexer.follow(stop=len(world.consortium.blocks)))
    request = audit.DemandDisclosureRequest(organization=BANK, seqs=seqs, purpose="review")
    await world.call(world.regulator_handlers, REGULATOR, "DemandDisclosure", request, audit.DemandDisclosureResponse)
    await following
    await world.index()


async def watch(world: World) -> None:
    assert world.regulator.supervisor is not None
    await world.regulator.supervisor.watch()
    await world.index()


# What it says ---------------------------------------------------------------------------------------------------------


async def test_daily_summary_says_what_happened_and_every_proof_is_where_it_says(world: World) -> None:
    await disclose(world, 1)
    await world.regulator.receipts.exchange()
    await watch(world)
    request = audit.OpenFindingRequest(organization=BANK, kind="other", subject="entry/1", evidence="Counted.")
    await world.call(world.regulator_handlers, REGULATOR, "OpenFinding", request, audit.OpenFindingResponse)
    await world.index()
    reply = await make(world, "daily")
    assert told(table(reply, "Members"))[0][:4] == [BANK, "2", "2", "2"]
    assert told(table(reply, "Members"))[1][:2] == [REGULATOR, "keeps no log"]
    assert told(table(reply, "Compliance decisions")) == [[BANK, "1", "1", "0", "1"]]
    (finding,) = told(table(reply, "Findings"))
    assert finding[1:6] == [BANK, "other", "entry/1", "open", REGULATOR]
    (demand,) = told(table(reply, "Demands for disclosure"))
    assert demand[1:] == [REGULATOR, BANK, "1", "entry", "review", "answered"]
    assert [row[0:3:2] for row in told(table(reply, "Receipts of blocks"))] == [[BANK, "agrees"]]
    assert told(table(reply, "Trial balance by member and asset")) == [[BANK, "EUR", "2", "2000250", "2000250", "0"]]
    (levels,) = told(table(reply, "Anchoring service levels"))
    assert levels[:3] == [BANK, "2", "2"]
    assert levels[-1] == "0"
    check_proofs(world, reply)


async def test_cosignature_of_a_time_to_come_attests_no_anchor(world: World) -> None:
    post(world.writer, 300)
    await world.bank.anchorer.anchor()
    await world.index()
    (before,) = told(table(await make(world, "anchoring"), "Anchoring service levels"))
    await world.cosign_in_a_time_to_come(PARTNER, 3)
    assert told(table(await make(world, "anchoring"), "Anchoring service levels")) == [before]
    (row,) = told(table(await make(world, "daily"), "Members"))[:1]
    assert row[:4] == [BANK, "3", "3", "2"]


async def test_daily_summary_leaves_out_no_finding_and_no_demand(world: World, regulator_url: str) -> None:
    await disclose(world, 1)
    request = audit.OpenFindingRequest(organization=BANK, kind="other", subject="entry/1", evidence="Counted.")
    await world.call(world.regulator_handlers, REGULATOR, "OpenFinding", request, audit.OpenFindingResponse)
    await world.index()
    more = """
        INSERT INTO log.audit_record
        SELECT r.block_number, r.tx_number + n, r.namespace, r.kind || '~' || md5(n::text), r.kind, r.organization,
            r.transaction_id, r.recorded_at, r.from_seq, r.to_seq, r.signer,
            replace(r.body, substring(r.record_key FROM length(r.kind) + 2), md5(n::text))
        FROM log.audit_record AS r, generate_series(1, 500) AS n
        WHERE r.kind IN ('finding', 'demand')
    """
    with psycopg.connect(regulator_url) as connection:
        assert connection.execute(more).rowcount == 1_000
    reply = await make(world, "daily")
    for title in ("Findings", "Demands for disclosure"):
        assert len({row[0] for row in told(table(reply, title))}) == 501


def check_proofs(world: World, reply: pb.MakeReportResponse) -> None:
    """Look every proof up in the channel's own blocks."""
    transactions = {
        parse_transaction(envelope).tx_id: int(block.header.number)
        for block in world.consortium.blocks
        for envelope in block.data.data
    }
    proofs = [proof for each in reply.tables for row in each.rows for cell in row.cells for proof in cell.proofs]
    assert proofs
    for proof in proofs:
        assert proof.transaction_id or proof.block_number >= 0 or proof.bundle, proof
        if proof.transaction_id:
            assert proof.transaction_id in transactions
            assert proof.block_number in (-1, transactions[proof.transaction_id])
        if proof.record:
            assert ("", proof.record) in world.consortium.states["audit"].values or (
                ("", proof.record) in world.consortium.states["compliance"].values
            )


async def test_trial_balance_shows_a_difference_and_the_anchor_that_commits_to_it(world: World) -> None:
    source = world.bank.anchorer._source
    assert source is not None
    source.control_totals = lambda first, last: {"EUR": Totals(7, 5)}  # type: ignore[method-assign]
    post(world.writer, 5)
    await world.settle()
    await watch(world)
    reply = await make(world, "trial-balance")
    (row,) = reply.tables[0].rows
    assert [cell.text for cell in row.cells] == [BANK, "EUR", "3", "2000257", "2000255", "2"]
    assert row.cells[-1].bad
    check_proofs(world, reply)


async def test_trial_balance_has_a_member_whose_log_is_smaller_than_many_openings_of_another(world: World) -> None:
    await watch(world)
    database, before = world.regulator.database, datetime.now(UTC) - timedelta(days=2)
    for size in range(1_000, 1_000 + PAGE_SIZE_MAX):
        row = (PARTNER, size, before, '{"EUR":{"credits":"1","debits":"1"}}', bytes(32))
        database.fetch("put_opened_totals", row, "node.audit")
        record = (
            size, 0, "audit", f"checkpoint~{PARTNER}~{size:020d}", "checkpoint", PARTNER, f"{size:064x}", before, 1,
            size, PARTNER, "{}",
        )  # fmt: skip
        database.fetch("put_record", record, "node.audit")
    reply = await make(world, "trial-balance")
    assert [row[:3] for row in told(reply.tables[0])] == [
        [BANK, "EUR", "2"], [PARTNER, "EUR", str(999 + PAGE_SIZE_MAX)],
    ]  # fmt: skip


async def test_large_transactions_say_how_many_did_not_fit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await disclose(world, 1, 2)
    monkeypatch.setattr(large_transactions, "ROWS_MAX", 1)
    (table_,) = (await make(world, "large", asset="EUR", threshold_minor="250")).tables
    assert [row[1] for row in told(table_)] == ["1"]
    assert "Of 2 the largest 1 stand here: give a higher threshold or fewer days" in table_.rests_on


async def test_large_transactions_say_what_nobody_measured(world: World, regulator_url: str) -> None:
    await disclose(world, 1, 2)
    with psycopg.connect(regulator_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE log.disclosed_entry SET worth = NULL WHERE seq = 1")
    (measured,) = (await make(world, "large")).tables
    assert told(measured) == []
    assert "NOT MEASURED: 1 disclosed entries of this time, whose asset has no rate" in measured.rests_on
    (by_asset,) = (await make(world, "large", asset="EUR")).tables
    assert [row[1] for row in told(by_asset)] == ["1"]
    assert "NOT MEASURED" not in by_asset.rests_on


async def test_large_transactions_are_those_disclosed_and_whoever_sees_them_is_written_down(world: World) -> None:
    assert told((await make(world, "large")).tables[0]) == []
    await disclose(world, 1, 2)
    reply = await make(world, "large")
    (row,) = reply.tables[0].rows
    assert [cell.text for cell in row.cells][:2] == [BANK, "1"]
    assert [cell.text for cell in row.cells][3:] == [
        "2000000", "reporting currency", "requires_manual_review", "alice, cash", "",
    ]  # fmt: skip
    assert row.cells[1].proofs[0].bundle == f"{BANK}/1"
    by_asset = await make(world, "large", asset="EUR", threshold_minor="250")
    assert [each[1] for each in told(by_asset.tables[0])] == ["1", "2"]
    assert told((await make(world, "large", asset="USD")).tables[0]) == []
    assert "Of 2 " not in by_asset.tables[0].rests_on
    looks = [(json.loads(look.asked), json.loads(look.shown)) for look in world.regulator.disclosed.looks()]
    assert looks[0] == ({"report": {"number": 3}}, {BANK: [[1, 2]]})
    again = await call(world, "GetReport", pb.GetReportRequest(number=3), pb.GetReportResponse)
    assert (again.page, again.signature) == (by_asset.page, by_asset.signature)
    assert json.loads(world.regulator.disclosed.looks()[0].asked) == {"report": {"number": 3}}
    assert len(world.regulator.disclosed.looks()) == len(looks) + 1
    assert world.regulator.disclosed.broken_look() == 0


async def test_anchoring_levels_are_values_that_were_measured_and_count_late_findings(world: World) -> None:
    await disclose(world, 1, 2)
    request = audit.OpenFindingRequest(
        organization=BANK, kind="late_checkpoint", subject="checkpoint/2", evidence="A minute."
    )
    await world.call(world.regulator_handlers, REGULATOR, "OpenFinding", request, audit.OpenFindingResponse)
    await world.index()
    reply = await make(world, "anchoring")
    (row,) = reply.tables[0].rows
    cells = [cell.text for cell in row.cells]
    assert cells[:3] == [BANK, "2", "2"]
    assert all(re.fullmatch(r"-?\d+\.\d s", cell) for cell in cells[3:10]), cells
    assert (cells[-1], row.cells[-1].bad) == ("1", True)
    check_proofs(world, reply)


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(1, 0.5, 1), (2, 0.5, 1), (3, 0.5, 2), (20, 0.95, 19), (100, 0.95, 95), (7, 1.0, 7)],
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(count: int, share: float, expected: int) -> None:
    assert percentile(range(1, count + 1), share) == expected


# Exposure -------------------------------------------------------------------------------------------------------------


def obligation(
    number: int, debtor: str, creditor: str, amount: int, state: str = "agreed"
) -> tuple[dict[str, Any], Any]:
    details = ObligationDetails(debtor, creditor, "EUR", amount, date(2026, 3, 1), f"s-{number}", bytes([number]) * 32)
    record = {
        "obligation_id": f"{number:032x}",
        "state": state,
        "commitment": details.commitment.hex(),
        "steps": [{"transaction_id": f"tx{number}"}],
    }
    return record, details


class Obligations:
    """Contract ``settlement`` as a peer answers, a page of two at a time."""

    def __init__(self, *held: tuple[dict[str, Any], Any]) -> None:
        self.held = {record["obligation_id"]: (record, details) for record, details in held}

    async def read(self, function: str, *args: str) -> Any:
        assert function == "ListObligations"
        return [record for number, (record, _) in sorted(self.held.items()) if number > args[0]][:2]

    async def details(self, obligation_id: str) -> ObligationDetails:
        details = self.held[obligation_id][1]
        if details is None:
            raise GatewayError("not a member of the collection", "")
        assert isinstance(details, ObligationDetails)
        return details


async def test_exposure_is_the_sum_of_obligations_whose_details_open_their_commitments(world: World) -> None:
    wrong, _ = obligation(5, BANK, PARTNER, 900)
    hidden, _ = obligation(6, BANK, PARTNER, 900)
    held = Obligations(
        obligation(1, BANK, PARTNER, 100),
        obligation(2, BANK, PARTNER, 50, "netting"),
        obligation(3, PARTNER, BANK, 70),
        obligation(4, BANK, PARTNER, 1_000, "settled"),
        (wrong, obligation(5, BANK, PARTNER, 1)[1]),
        (hidden, None),
    )
    view = await read_obligations(held)
    assert (len(view.owed), view.hidden, view.wrong) == (3, 1, (wrong["obligation_id"],))
    world.reports.maker._obligations = held
    reply = await make(world, "exposure")
    found = table(reply, "Interbank exposure: obligations")
    assert told(found) == [[BANK, PARTNER, "EUR", "2", "150", "80"], [PARTNER, BANK, "EUR", "1", "70", "0"]]
    assert [proof.transaction_id for proof in found.rows[0].cells[4].proofs] == ["tx1", "tx2"]
    assert wrong["obligation_id"] in found.rests_on
    assert "1 whose details are not to be had here" in found.rests_on


async def test_exposure_without_the_contract_says_so_and_shows_what_was_disclosed(world: World) -> None:
    with psycopg.connect(world.bank_url, autocommit=True) as connection:
        open_account(connection, f"vostro-{PARTNER}-EUR", "EUR", Side.CREDIT, floor=None, now=datetime.now(UTC))
    world.writer.post([transfer(uuid.uuid4(), "alice", f"vostro-{PARTNER}-EUR", 400)])
    await world.settle()
    assert told(table(await make(world, "exposure"), "Interbank exposure: disclosed entries")) == []
    await disclose(world, 3)
    reply = await make(world, "exposure")
    assert "No obligations could be read" in table(reply, "Interbank exposure: obligations").rests_on
    found = table(reply, "Interbank exposure: disclosed entries")
    assert told(found) == [[BANK, PARTNER, "EUR", BANK, "400"]]
    assert found.rows[0].cells[4].proofs[0].bundle == f"{BANK}/3"


# The page -------------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.every_postgres
async def test_a_page_runs_nothing_fetches_nothing_and_leads_from_each_figure_to_its_proof(world: World) -> None:
    hostile = "<script>alert(1)</script>\"'&"
    world.writer.post([transfer(uuid.uuid4(), "cash", "alice", 3_000_000, settlement_id=hostile)])
    await world.settle()
    await disclose(world, 1, 2, 3)
    for kind in KINDS:
        page = Page((await make(world, kind)).page)
        names = {tag for tag, _ in page.tags}
        assert not names & {"script", "img", "iframe", "object", "embed", "form", "link", "base", "svg"}, kind
        assert not [value for _, attrs in page.tags for name, value in attrs.items() if name.startswith("on")]
        links = [attrs["href"] or "" for tag, attrs in page.tags if tag == "a"]
        ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
        assert all(link.startswith("#") and link[1:] in ids for link in links), kind
        policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
        assert policy is not None
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert names >= {"html", "title", "main", "h1", "h2"}
        if kind == "large":
            assert hostile in "".join(page.texts)
            assert [link for link in links if link.startswith("#proof-")]


# The signature --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_every_report_verifies_with_nothing_but_the_genesis_hash(world: World, kind: str) -> None:
    reply = await make(world, kind)
    found = verify_report(reply.page, reply.signature, world.consortium.genesis_hash)
    assert (found.kind, found.organization) == (kind, REGULATOR)
    assert found.block_number == len(world.consortium.blocks) - 1


def statement(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda value: value["statement"].update(changes)


def no_blocks(value: dict[str, Any]) -> None:
    value["blocks"] = {}


def without_newest(value: dict[str, Any]) -> None:
    del value["blocks"][str(value["statement"]["block_number"])]


def another_block(value: dict[str, Any]) -> None:
    number = str(value["statement"]["block_number"])
    block = bytearray(base64.b64decode(value["blocks"][number]))
    block[len(block) // 2] ^= 1
    value["blocks"][number] = base64.b64encode(block).decode()


def no_signature(value: dict[str, Any]) -> None:
    value["signature"]["signature"] = ""


def stray(value: dict[str, Any]) -> None:
    value["statement"]["approved"] = True


BENT = {
    "another kind": (statement(kind="large"), "wrong_signature"),
    "another day": (statement(begins_at="2020-01-01T00:00:00+00:00"), "wrong_signature"),
    "another maker": (statement(organization=BANK), "wrong_signature"),
    "nothing shown": (statement(shown={BANK: [[1, 1]]}), "wrong_signature"),
    "another file": (statement(sha256="00" * 32), "wrong_report"),
    "another block hash": (statement(block_hash="00" * 32), "wrong_report"),
    "another channel": (statement(channel="others"), "wrong_report"),
    "another block number": (statement(block_number=1), "missing_block"),
    "no time": (statement(made_at="yesterday"), "malformed_report"),
    "no zone": (statement(made_at="2026-03-01T00:00:00"), "malformed_report"),
    "no ranges": (statement(shown={BANK: [[3, 1]]}), "malformed_report"),
    "a stray field": (stray, "malformed_report"),
    "no blocks": (no_blocks, "malformed_report"),
    "not its block": (without_newest, "missing_block"),
    "another block": (another_block, "wrong_block_data"),
    "no signature": (no_signature, "wrong_signature"),
}


async def test_every_bent_signature_file_is_refused_with_its_reason(world: World) -> None:
    await watch(world)
    reply = await make(world, "daily")
    genesis, found = world.consortium.genesis_hash, {}
    for name, (bend, _) in BENT.items():
        value = json.loads(reply.signature)
        bend(value)
        with pytest.raises(ProofError) as refused:
            verify_report(reply.page, json.dumps(value).encode(), genesis)
        found[name] = refused.value.reason
    assert found == {name: reason for name, (_, reason) in BENT.items()}
    for page in (reply.page + b" ", reply.page.replace(b"2000250", b"2000251"), b""):
        with pytest.raises(ProofError) as changed:
            verify_report(page, reply.signature, genesis)
        assert changed.value.reason == "wrong_report"
    with pytest.raises(ProofError) as other:
        verify_report(reply.page, reply.signature, bytes(32))
    assert other.value.reason == "wrong_genesis"
    for rubbish in (b"", b"{}", b"[]", b"\xff", b'{"format":"dwaybank-report/1","format":"x"}'):
        with pytest.raises(ProofError):
            verify_report(reply.page, rubbish, genesis)


async def test_a_report_that_another_member_signed_in_the_makers_name_is_refused(world: World) -> None:
    reply = await make(world, "daily")
    genuine = verify_report(reply.page, reply.signature, world.consortium.genesis_hash)
    numbers = map(int, json.loads(reply.signature)["blocks"])
    blocks = {number: world.consortium.raw(number) for number in numbers}
    for signer, user, reason in ((BANK, "peer", "wrong_signer"), (REGULATOR, "Node", "wrong_signer")):
        forged = sign_report(genuine, world.consortium.material.signer(signer, user), blocks)
        with pytest.raises(ProofError) as refused:
            verify_report(reply.page, forged, world.consortium.genesis_hash)
        assert refused.value.reason == reason


# Each day -------------------------------------------------------------------------------------------------------------


@pytest.mark.every_postgres
async def test_each_past_days_summary_is_made_once_whatever_was_missed(world: World) -> None:
    maker, worker = world.reports.maker, world.reports.worker
    first = await asyncio.to_thread(worker._since)
    assert first is not None
    day = first.date()

    async def on(moment: datetime) -> list[date]:
        maker._now = worker._now = lambda: moment
        return await worker.work()

    midnight = end_of(day)
    assert await on(midnight - timedelta(hours=1)) == [], "the first day is not over"
    assert await on(midnight + timedelta(minutes=9)) == []
    assert await on(midnight + timedelta(minutes=10)) == [day]
    assert await on(midnight + timedelta(hours=5)) == []
    assert await on(midnight + timedelta(days=3, hours=1)) == [day + timedelta(days=days) for days in (1, 2, 3)]
    assert await on(midnight + timedelta(days=3, hours=2)) == []
    kept = maker.page("daily")[0]
    assert [each.made_by for each in kept] == [f"{REGULATOR}/node"] * 4
    read = maker.read(kept[-1].number, "somebody")
    assert verify_report(read.page, read.signature, world.consortium.genesis_hash).begins_at.startswith(str(day))


async def test_a_summary_of_a_day_that_was_not_over_does_not_stand_for_it(world: World) -> None:
    maker, worker = world.reports.maker, world.reports.worker
    day = datetime.now(UTC).date()
    await maker.make(Wanted("daily", day), "somebody")
    await maker.make(Wanted("trial-balance", day), "somebody")
    maker._now = worker._now = lambda: end_of(day) + timedelta(hours=1)
    assert day in await worker.work()


# Who and what ---------------------------------------------------------------------------------------------------------


async def test_kept_reports_are_listed_and_never_change(world: World) -> None:
    for kind in ("daily", "large", "daily"):
        await make(world, kind)
    listed = await call(world, "ListReports", pb.ListReportsRequest(), pb.ListReportsResponse)
    assert [(each.number, each.kind) for each in listed.reports] == [(3, "daily"), (2, "large"), (1, "daily")]
    assert all(each.made_by.startswith(f"{REGULATOR}/") for each in listed.reports)
    some = await call(world, "ListReports", pb.ListReportsRequest(kind="large"), pb.ListReportsResponse)
    assert [each.number for each in some.reports] == [2]
    with psycopg.connect(world.regulator.database._pool.conninfo, autocommit=True) as connection:
        for statement_ in ("UPDATE log.report SET page = 'x'", "DELETE FROM log.report"):
            with pytest.raises(psycopg.errors.RaiseException):
                connection.execute(statement_.encode())


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": ""},
        {"kind": "weekly"},
        {"kind": "daily", "day": "yesterday"},
        {"kind": "daily", "day": "2999-01-01"},
        {"kind": "daily", "day": "2026-02-30"},
        {"kind": "daily", "days": 367},
        {"kind": "daily", "days": -1},
        {"kind": "large", "threshold_minor": "1.5"},
        {"kind": "large", "threshold_minor": "-1"},
        {"kind": "large", "asset": "\x00"},
        {"kind": "daily", "for_user": "a\nb"},
    ],
    ids=str,
)
async def test_fields_that_cannot_be_used_are_refused_and_nothing_is_kept(world: World, fields: dict[str, Any]) -> None:
    with pytest.raises(RpcError) as refused:
        await call(world, "MakeReport", pb.MakeReportRequest(**fields), pb.MakeReportResponse)
    assert refused.value.code == StatusCode.INVALID_ARGUMENT
    assert list((await call(world, "ListReports", pb.ListReportsRequest(), pb.ListReportsResponse)).reports) == []


async def test_other_members_get_no_reports(world: World) -> None:
    for method, request in (
        ("MakeReport", pb.MakeReportRequest(kind="daily")),
        ("ListReports", pb.ListReportsRequest()),
        ("GetReport", pb.GetReportRequest(number=1)),
    ):
        with pytest.raises(RpcError) as refused:
            await call(world, method, request, pb.ListReportsResponse, caller=BANK)
        assert refused.value.code == StatusCode.PERMISSION_DENIED
    with pytest.raises(RpcError) as unknown:
        await call(world, "GetReport", pb.GetReportRequest(number=1), pb.GetReportResponse)
    assert unknown.value.code == StatusCode.NOT_FOUND
