"""Aim: from a posted entry to a proof the regulator verifies, and to the exact rows a dishonest administrator touched.

Method: two organizations with their own databases, the real writer of the books, the real contracts and services, on an
in-memory channel of genuine blocks; tests move each part by hand, so that every order of events can be made.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.hold import HoldRelease
from ledger.refusal_store import list_refusals
from network.bundle import verify_bundle
from network.errors import GatewayError, ProofError, RpcError
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.rpc import StatusCode
from node.anchor.errors import LogError
from node.audit.entry_fields import describe_entry
from node.audit.entry_search import EntryFilter, Order
from node.audit.member_node import SERVICE
from node.postgres import PostgresCluster
from tests.support.books import key
from tests.support.consortium_in_memory import (
    BANK,
    PARTNER,
    REGULATOR,
    ConsortiumInMemory,
    Material,
    lose_answer_once,
    make_material,
)
from tests.support.members import Member, pem
from tests.support.trails import DirectChannel, World, post, running_world, tls_certificate


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture
async def world(material: Material, database_url: str, regulator_url: str) -> AsyncIterator[World]:
    async with running_world(ConsortiumInMemory(material), database_url, regulator_url) as found:
        yield found


def tamper(world: World, *statements: str) -> None:
    """Do what a superuser can: no trigger, no constraint."""
    with psycopg.connect(world.bank_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode())


async def audit(world: World) -> tuple[list[tuple[str, int]], pb.AuditBooksResponse]:
    reply = await world.call(
        world.regulator_handlers,
        REGULATOR,
        "AuditBooks",
        pb.AuditBooksRequest(organization=BANK),
        pb.AuditBooksResponse,
    )
    return [(finding.kind, finding.seq) for finding in reply.findings], reply


@pytest.mark.every_postgres
async def test_entry_goes_from_posted_to_attested_and_its_proof_verifies(world: World) -> None:
    seqs = post(world.writer, 100, 250, 1000)
    assert await world.bank.entry_state(seqs[0]) == "posted"
    await world.settle()
    assert await world.bank.entry_state(seqs[0]) == "attested"
    reply = await world.call(world.bank_handlers, BANK, "GetProof", pb.GetProofRequest(seq=2), pb.GetProofResponse)
    entry = verify_bundle(reply.bundle, world.consortium.genesis_hash, describe=describe_entry)
    assert (entry.organization, entry.seq, entry.state) == (BANK, 2, "attested")
    assert entry.fields is not None
    assert entry.fields["postings"][0]["amount_minor"] == "250"
    assert [witness.organization for witness in entry.witnesses] == [REGULATOR]
    assert entry.decision_record is not None
    status = await world.call(
        world.bank_handlers, BANK, "GetAnchorStatus", pb.GetAnchorStatusRequest(), pb.GetAnchorStatusResponse
    )
    assert (status.posted_seq, status.sealed_size, status.anchored_size, status.attested_size) == (3, 3, 3, 3)
    assert (status.checkpoint_count, status.stalled) == (1, "")
    assert status.block_height == len(world.consortium.blocks)
    assert status.lag_p95_ms >= 0


async def test_every_entry_of_many_batches_is_proved(world: World) -> None:
    for round_number in range(3):
        post(world.writer, *range(1, 100 + round_number))
        post(world.writer, 5)
        await world.settle()
    for seq in (1, 99, 100, 101, 200, 201, 302, 303):
        reply = await world.call(
            world.bank_handlers, BANK, "GetProof", pb.GetProofRequest(seq=seq), pb.GetProofResponse
        )
        assert verify_bundle(reply.bundle, world.consortium.genesis_hash, describe=describe_entry).seq == seq


async def test_bundle_binds_what_was_refused_before_its_entry(world: World) -> None:
    world.writer.post([HoldRelease(key(7)), HoldRelease(key(8))])
    seqs = post(world.writer, 100, 250)
    await world.settle()
    fields = []
    for seq in seqs:
        bundle = await world.bank.own_proofs().build(seq)
        fields.append(verify_bundle(bundle, world.consortium.genesis_hash, describe=describe_entry).fields)
    with psycopg.connect(world.bank_url) as connection:
        newest, _ = list_refusals(connection)
    assert [told.get("refusals") for told in fields if told is not None] == [newest.head.hex(), None]


async def test_proof_asked_for_too_early_or_of_nothing_is_refused(world: World) -> None:
    with pytest.raises(RpcError) as unknown:
        await world.call(world.bank_handlers, BANK, "GetProof", pb.GetProofRequest(seq=1), pb.GetProofResponse)
    assert unknown.value.code == StatusCode.NOT_FOUND
    post(world.writer, 100)
    with pytest.raises(RpcError) as early:
        await world.call(world.bank_handlers, BANK, "GetProof", pb.GetProofRequest(seq=1), pb.GetProofResponse)
    assert early.value.code == StatusCode.FAILED_PRECONDITION
    with pytest.raises(RpcError) as nothing:
        await world.call(world.bank_handlers, BANK, "AuditBooks", pb.AuditBooksRequest(), pb.AuditBooksResponse)
    assert nothing.value.code == StatusCode.FAILED_PRECONDITION


async def test_entry_anchored_but_not_attested_proves_only_to_who_asks_no_witness(world: World) -> None:
    post(world.writer, 100)
    await world.bank.anchorer.anchor()
    await world.index()
    assert await world.bank.entry_state(1) == "anchored"
    bundle = await world.bank.own_proofs().build(1)
    with pytest.raises(ProofError) as refused:
        verify_bundle(bundle, world.consortium.genesis_hash)
    assert refused.value.reason == "not_attested"
    assert verify_bundle(bundle, world.consortium.genesis_hash, witnesses_min=0).state == "anchored"


async def test_cosignature_of_a_time_to_come_spoils_nobodys_proof(world: World) -> None:
    post(world.writer, 100)
    await world.settle()
    post(world.writer, 200)
    await world.bank.anchorer.anchor()
    await world.index()
    await world.cosign_in_a_time_to_come(PARTNER, 1, 2)
    bundle = await world.bank.own_proofs().build(1)
    proved = verify_bundle(bundle, world.consortium.genesis_hash, now=datetime.now(UTC))
    assert [witness.organization for witness in proved.witnesses] == [REGULATOR]
    assert await world.bank.entry_state(2) == "anchored", "nobody else vouches for it yet"
    assert world.bank.index.anchor_sizes(BANK) == (2, 1)
    search = world.bank.entries
    assert [(entry.seq, entry.attested) for entry in search.page(EntryFilter(), Order())[0]] == [(2, False), (1, True)]
    assert [entry.seq for entry in search.page(EntryFilter(attested=True), Order())[0]] == [1]
    assert await world.regulator.attester.attest() == []
    await world.index()
    bundle = await world.bank.own_proofs().build(2)
    assert verify_bundle(bundle, world.consortium.genesis_hash, now=datetime.now(UTC)).state == "attested"


@pytest.mark.parametrize("stage", ["before", "after"])
@pytest.mark.parametrize("function", ["AnchorCheckpoint", "AnchorEpoch"])
async def test_answer_lost_around_an_anchor_anchors_exactly_once(world: World, function: str, stage: str) -> None:
    post(world.writer, 100, 200)
    world.consortium.fault = lose_answer_once(function, stage)
    with pytest.raises(GatewayError):
        await world.bank.anchorer.anchor()
    post(world.writer, 300)
    await world.settle()
    await world.bank.anchorer.anchor()
    await world.index()
    sizes = world.bank.index.anchor_sizes(BANK)
    assert sizes.anchored == 3
    state = world.consortium.states["compliance"].values
    epochs = [json.loads(value) for (_, key), value in sorted(state.items()) if key.startswith("epoch~")]
    covered = [(epoch["from_seq"], epoch["to_seq"]) for epoch in epochs]
    assert covered[0][0] == 1
    assert covered[-1][1] == 3
    assert all(before[1] + 1 == after[0] for before, after in itertools.pairwise(covered))
    assert verify_bundle(await world.bank.own_proofs().build(3), world.consortium.genesis_hash).seq == 3


async def test_anchoring_with_nothing_new_writes_no_block(world: World) -> None:
    post(world.writer, 100)
    await world.settle()
    height = len(world.consortium.blocks)
    assert await world.bank.anchorer.anchor() is False
    assert await world.regulator.attester.attest() == []
    assert len(world.consortium.blocks) == height


async def test_control_totals_are_committed_to_and_open_to_the_books_sums(world: World) -> None:
    post(world.writer, 100, 250)
    await world.settle()
    post(world.writer, 7)
    await world.settle()
    opening = world.bank.store.control_opening(3)
    assert opening is not None
    assert json.loads(opening.totals) == {"EUR": {"credits": "357", "debits": "357"}}
    record = world.bank.index.record(f"checkpoint~{BANK}~{3:020d}")
    assert record is not None
    assert json.loads(record.body)["controls_commitment"] == opening.commitment.hex()


async def test_database_restored_to_an_older_state_stops_anchoring_in_one_sentence(
    world: World, postgres_cluster: PostgresCluster
) -> None:
    post(world.writer, 100, 250)
    await world.settle()
    tamper(world, "DELETE FROM log.control_opening", "DELETE FROM log.checkpoint", "DELETE FROM log.tile")
    with psycopg.connect(world.bank_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM ledger.entry WHERE seq = 2")
    with pytest.raises(LogError, match="2 entries"):
        await world.bank.anchorer.anchor()


async def test_row_inserted_by_hand_stops_sealing_and_is_named(world: World) -> None:
    post(world.writer, 100, 250)
    await world.settle()
    tamper(
        world,
        "INSERT INTO ledger.entry SELECT (jsonb_populate_record(entry, jsonb_build_object('seq', 3, 'key', "
        "gen_random_uuid()))).* FROM ledger.entry AS entry WHERE seq = 2",
    )
    await world.bank.anchorer.anchor()
    assert "entry 3 " in world.bank.anchorer.stalled
    assert world.bank.store.head().size == 2
    findings, _ = await audit(world)
    assert findings == [("inserted", 3)]


async def test_audit_names_exactly_the_rows_an_administrator_touched(world: World) -> None:
    post(world.writer, *range(1, 60))
    await world.settle()
    assert await audit(world) == ([], pb.AuditBooksResponse(entries_checked=59, anchored_size=59))
    tamper(
        world,
        "UPDATE ledger.entry SET amount = 900 WHERE seq = 7",
        "DELETE FROM ledger.entry WHERE seq = 23",
        "INSERT INTO ledger.entry SELECT (jsonb_populate_record(entry, jsonb_build_object('seq', 60, 'key', "
        "gen_random_uuid()))).* FROM ledger.entry AS entry WHERE seq = 59",
    )
    findings, reply = await audit(world)
    assert findings == [("changed", 7), ("missing", 23), ("inserted", 60)]
    assert (reply.entries_checked, reply.anchored_size) == (59, 59)
    with pytest.raises(RpcError) as refused:
        await world.call(world.bank_handlers, BANK, "GetProof", pb.GetProofRequest(seq=7), pb.GetProofResponse)
    assert refused.value.code == StatusCode.DATA_LOSS


CHANGES = [
    "posted_at = posted_at - interval '1 day'",
    "effective_at = coalesce(effective_at, posted_at) + interval '1 microsecond'",
    "settlement_id = 'other'",
    "key = gen_random_uuid()",
    "decision_id = gen_random_uuid()",
    "decision_outcome = 3 - decision_outcome",
    "decision_leaf = sha256(decision_leaf)",
    "description_commitment = sha256('x')",
    "salt = sha256(leaf)",
    "amount = 900",
    "asset_id = 1",
    "debit_account = credit_account, credit_account = debit_account",
    "debit_account = 99",
    "actor_id = 1",
    "form = 1",
]


@pytest.mark.every_postgres
async def test_any_column_an_entry_is_made_of_cannot_be_changed_unseen(world: World) -> None:
    post(world.writer, *range(1, 20))
    await world.settle()
    tamper(world, "ALTER TABLE ledger.entry_1 DROP CONSTRAINT entry_request_told")
    for seq, change in enumerate(CHANGES, 2):
        tamper(world, f"UPDATE ledger.entry SET {change} WHERE seq = {seq}")
    findings, _ = await audit(world)
    assert findings == [("changed", seq) for seq in range(2, 2 + len(CHANGES))]


async def test_account_renamed_by_hand_changes_every_entry_that_names_it(world: World) -> None:
    post(world.writer, 1, 2, 3)
    await world.settle()
    tamper(world, "UPDATE ledger.account SET reference = 'mallory' WHERE reference = 'alice'")
    findings, _ = await audit(world)
    assert findings == [("changed", 1), ("changed", 2), ("changed", 3)]


@pytest.mark.every_postgres
async def test_row_changed_together_with_its_stored_leaf_and_the_banks_own_tiles_is_still_named(world: World) -> None:
    post(world.writer, 1, 2, 3, 4, 5)
    await world.settle()
    tamper(
        world,
        "UPDATE ledger.entry SET amount = 900, leaf = sha256(leaf) WHERE seq = 4",
        "UPDATE log.tile SET hashes = overlay(hashes PLACING sha256('x') FROM 97 FOR 32)",
    )
    findings, _ = await audit(world)
    assert findings == [("changed", 4)]


async def test_bank_that_serves_other_tiles_gets_no_cosignature_and_a_finding(world: World) -> None:
    post(world.writer, *range(1, 9))
    await world.settle()
    post(world.writer, 10, 11)
    await world.bank.anchorer.anchor()
    await world.index()

    def bend(path: str, reply: bytes) -> bytes:
        return reply[:-1] + bytes([reply[-1] ^ 1]) if path.endswith("ReadTile") else reply

    world.line.bend = bend
    assert await world.regulator.attester.attest() == [BANK]
    [(size, explanation, _)] = world.regulator.mirrors.findings(BANK)
    assert size == 10
    assert "root it anchored" in explanation
    assert world.regulator.index.cosignatures(BANK, 10) == []
    world.line.bend = lambda path, reply: reply
    assert await world.regulator.attester.attest() == []


async def test_member_far_behind_copies_a_log_through_the_heads_anchored_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.anchor.attester.ANCHOR_ENTRIES_MAX", 4)
    monkeypatch.setattr("node.anchor.mirror.STEP_ENTRIES_MAX", 8)
    for _ in range(5):
        post(world.writer, 1, 2, 3)
        await world.bank.anchorer.anchor()
    await world.index()
    assert await world.regulator.attester.attest() == []
    assert world.regulator.mirrors.head(BANK).size == 15
    assert world.regulator.mirrors.findings(BANK) == []


async def test_mirror_that_was_changed_on_the_regulators_own_disk_is_noticed(world: World, regulator_url: str) -> None:
    post(world.writer, *range(1, 9))
    await world.settle()
    with psycopg.connect(regulator_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE log.mirror_tile SET hashes = overlay(hashes PLACING sha256('x') FROM 1 FOR 32)")
    with pytest.raises(RpcError) as refused:
        await audit(world)
    assert refused.value.code == StatusCode.DATA_LOSS
    post(world.writer, 10)
    await world.bank.anchorer.anchor()
    await world.index()
    assert await world.regulator.attester.attest() == [BANK]


async def test_disclosure_leaves_a_record_and_gives_verified_bundles_in_the_order_asked(world: World) -> None:
    post(world.writer, *range(1, 9))
    await world.settle()
    request = pb.DemandDisclosureRequest(organization=BANK, seqs=[5, 2], purpose="supervisory_review")
    tip = len(world.consortium.blocks)
    following = asyncio.create_task(world.bank.indexer.follow(stop=tip))
    reply = await world.call(
        world.regulator_handlers, REGULATOR, "DemandDisclosure", request, pb.DemandDisclosureResponse
    )
    await following
    await world.index()
    seqs = [verify_bundle(bundle, world.consortium.genesis_hash).seq for bundle in reply.bundles]
    assert seqs == [5, 2]
    found = await world.call(
        world.bank_handlers, BANK, "SearchAudit", pb.SearchAuditRequest(kind="demand"), pb.SearchAuditResponse
    )
    [record] = found.records
    assert record.transaction_id == reply.transaction_id
    assert json.loads(record.body_json)["demanding_organization"] == REGULATOR
    with pytest.raises(RpcError) as foreign:
        await world.call(
            world.bank_handlers, PARTNER, "Disclose", pb.DiscloseRequest(demand_id=reply.demand_id), pb.DiscloseResponse
        )
    assert foreign.value.code == StatusCode.PERMISSION_DENIED


async def test_demand_that_cannot_be_written_is_refused_and_writes_nothing(world: World) -> None:
    height = len(world.consortium.blocks)
    too_many = list(range(1, 202))
    for seqs, purpose in (([], "x"), ([1, 1], "x"), ([0], "x"), (too_many, "x"), ([1], "Herr Meier, Konto 7")):
        request = pb.DemandDisclosureRequest(organization=BANK, seqs=seqs, purpose=purpose)
        with pytest.raises(RpcError) as refused:
            await world.call(
                world.regulator_handlers, REGULATOR, "DemandDisclosure", request, pb.DemandDisclosureResponse
            )
        assert refused.value.code == StatusCode.INVALID_ARGUMENT
    assert len(world.consortium.blocks) == height


OWN_ONLY = {
    "GetAnchorStatus": pb.GetAnchorStatusRequest(),
    "SearchAudit": pb.SearchAuditRequest(),
    "GetProof": pb.GetProofRequest(seq=1),
    "DemandDisclosure": pb.DemandDisclosureRequest(organization=BANK, seqs=[1], purpose="x"),
    "AuditBooks": pb.AuditBooksRequest(),
    "ListReviews": pb.ListReviewsRequest(),
    "DecideReview": pb.DecideReviewRequest(record_id="00" * 16, reason="x"),
}


async def test_own_side_method_called_by_another_member_is_refused(world: World) -> None:
    for method, request in OWN_ONLY.items():
        with pytest.raises(RpcError) as refused:
            await world.call(world.bank_handlers, REGULATOR, method, request, pb.GetProofResponse)
        assert refused.value.code == StatusCode.PERMISSION_DENIED, method


EVERY_METHOD = (*OWN_ONLY, "Disclose", "ReadTile", "ReadCheckpoint")


async def test_call_without_a_members_certificate_is_refused(world: World) -> None:
    for certificate in (None, stranger_certificate()):
        channel = DirectChannel(world.bank_handlers, certificate)
        for method in EVERY_METHOD:
            with pytest.raises(RpcError) as refused:
                await channel.unary(f"/{SERVICE}/{method}", b"", 5)
            assert refused.value.code == StatusCode.UNAUTHENTICATED, method
        with pytest.raises(RpcError) as refused:
            async for _ in channel.server_stream(f"/{SERVICE}/RecomputeLeaves", b"", 5):
                raise AssertionError("a leaf was given")
        assert refused.value.code == StatusCode.UNAUTHENTICATED


async def test_request_that_is_no_message_is_refused(world: World) -> None:
    channel = DirectChannel(world.bank_handlers, tls_certificate(world.consortium.material, BANK))
    for method in EVERY_METHOD:
        with pytest.raises(RpcError) as refused:
            await channel.unary(f"/{SERVICE}/{method}", b"\xff\xff\xff", 5)
        assert refused.value.code == StatusCode.INVALID_ARGUMENT, method


UNUSABLE: list[tuple[str, Message]] = [
    ("SearchAudit", pb.SearchAuditRequest(kind="x" * 2000)),
    ("SearchAudit", pb.SearchAuditRequest(kind="checkpoints")),
    ("SearchAudit", pb.SearchAuditRequest(record_id="a\x00b")),
    ("SearchAudit", pb.SearchAuditRequest(entry_seq=-1)),
    ("SearchAudit", pb.SearchAuditRequest(entry_seq=2**60)),
    ("SearchAudit", pb.SearchAuditRequest(recorded_from=Timestamp(seconds=2**60))),
    ("GetProof", pb.GetProofRequest(seq=0)),
    ("GetProof", pb.GetProofRequest(seq=2**60)),
    ("GetProof", pb.GetProofRequest(seq=1, wait_ms=-1)),
    ("Disclose", pb.DiscloseRequest(demand_id="../etc")),
    ("AuditBooks", pb.AuditBooksRequest(organization="' OR 1=1")),
    ("ListReviews", pb.ListReviewsRequest(page_token="'; DROP")),
    ("DecideReview", pb.DecideReviewRequest(record_id="xyz", reason="x")),
    ("DecideReview", pb.DecideReviewRequest(record_id="00" * 16)),
    ("ReadTile", pb.ReadTileRequest(width=0)),
    ("ReadTile", pb.ReadTileRequest(width=257)),
    ("ReadTile", pb.ReadTileRequest(width=1, index=-1)),
    ("ReadTile", pb.ReadTileRequest(width=1, level=9)),
]


async def test_field_that_cannot_be_used_is_refused_by_name(world: World) -> None:
    for method, request in UNUSABLE:
        with pytest.raises(RpcError) as refused:
            await world.call(world.bank_handlers, BANK, method, request, pb.GetProofResponse)
        assert refused.value.code == StatusCode.INVALID_ARGUMENT, (method, request)
        assert len(refused.value.message) < 300


def stranger_certificate() -> bytes:
    """A certificate that some other authority issued."""
    return pem(Member("StrangerMSP").identity("client").certificate)


async def test_search_filters_and_pages_newest_first(world: World) -> None:
    for amount in (100, 1000, 300):
        post(world.writer, amount)
        await world.settle()

    async def search(**fields: object) -> pb.SearchAuditResponse:
        request = pb.SearchAuditRequest(**fields)  # type: ignore[arg-type]
        return await world.call(world.regulator_handlers, REGULATOR, "SearchAudit", request, pb.SearchAuditResponse)

    everything = (await search(page_size=500)).records
    places = [(record.block_number, record.record_id) for record in everything]
    assert places == sorted(places, reverse=True)
    paged: list[pb.AuditRecord] = []
    token = ""
    while True:
        page = await search(page_size=4, page_token=token)
        paged += page.records
        token = page.next_page_token
        if not token:
            break
    assert [record.record_id for record in paged] == [record.record_id for record in everything]
    kinds = {record.kind for record in everything}
    assert kinds == {"log", "witness", "disclosure_key", "checkpoint", "cosignature", "epoch", "flag"}
    covering = (await search(kind="checkpoint", entry_seq=2)).records
    assert [(record.from_seq, record.to_seq) for record in covering] == [(2, 2)]
    assert covering[0].signer == f"{BANK}/Node@dwaybank.test"
    by_transaction = (await search(transaction_id=covering[0].transaction_id)).records
    assert [record.record_id for record in by_transaction] == [covering[0].record_id]
    assert (await search(organization="Nobody")).records == []
    recorded = covering[0].recorded_at
    assert covering[0].record_id in {r.record_id for r in (await search(recorded_from=recorded)).records}
    assert covering[0].record_id not in {r.record_id for r in (await search(recorded_to=recorded)).records}
    flag = next(record for record in everything if record.kind == "flag")
    assert [r.kind for r in (await search(record_id=flag.record_id.partition("~")[2])).records] == ["flag"]
    for bad in ("x", "!!", "MTIz"):
        with pytest.raises(RpcError) as refused:
            await search(page_token=bad)
        assert refused.value.code == StatusCode.INVALID_ARGUMENT


async def test_review_is_listed_and_decided_once_with_its_reason_kept_at_home(world: World) -> None:
    post(world.writer, 100, 1000, 2000)
    await world.settle()

    async def reviews(status: str) -> list[pb.Review]:
        request = pb.ListReviewsRequest(status=status)
        reply = await world.call(world.bank_handlers, BANK, "ListReviews", request, pb.ListReviewsResponse)
        return list(reply.reviews)

    waiting = await reviews("requires_manual_review")
    assert sorted(review.seq for review in waiting) == [2, 3]
    first = waiting[0]
    request = pb.DecideReviewRequest(record_id=first.record_id, approve=True, reason="salary, papers seen")
    decided = await world.call(world.bank_handlers, BANK, "DecideReview", request, pb.DecideReviewResponse)
    assert (decided.review.status, decided.review.seq) == ("approved", first.seq)
    await world.index()
    assert [review.record_id for review in await reviews("approved")] == [first.record_id]
    assert (await reviews("approved"))[0].reviewer == f"{BANK}/Reviewer@dwaybank.test"
    with pytest.raises(RpcError) as again:
        await world.call(world.bank_handlers, BANK, "DecideReview", request, pb.DecideReviewResponse)
    assert again.value.code == StatusCode.FAILED_PRECONDITION
    with pytest.raises(RpcError) as unknown:
        request = pb.DecideReviewRequest(record_id="00" * 16, approve=True, reason="x")
        await world.call(world.bank_handlers, BANK, "DecideReview", request, pb.DecideReviewResponse)
    assert unknown.value.code == StatusCode.NOT_FOUND
    everything = b"".join(block.SerializeToString() for block in world.consortium.blocks)
    assert b"papers seen" not in everything


async def test_neither_leaves_nor_accounts_nor_amounts_ever_reach_the_channel(world: World) -> None:
    post(world.writer, 123_456_789, 987_654_321)
    await world.settle()
    everything = b"".join(block.SerializeToString() for block in world.consortium.blocks)
    for forbidden in (b"alice", b"cash", b"123456789", b"987654321"):
        assert forbidden not in everything
    with psycopg.connect(world.bank_url) as connection:
        rows = connection.execute(
            "SELECT entry.leaf, entry_view.salt, batch.salt_secret, entry.decision_leaf, entry.key FROM ledger.entry"
            " JOIN ledger.entry_view USING (seq) JOIN ledger.batch ON entry.seq BETWEEN first_seq AND last_seq"
        ).fetchall()
    assert len(rows) == 2
    for *hashes, entry_key in rows:
        for secret in (*map(bytes, hashes), entry_key.bytes):
            for form in (secret, secret.hex().encode(), base64.b64encode(secret)):
                assert form not in everything


async def test_tiles_and_checkpoint_are_served_to_members_and_refused_out_of_range(world: World) -> None:
    with pytest.raises(RpcError) as empty:
        await world.call(
            world.bank_handlers, REGULATOR, "ReadCheckpoint", pb.ReadCheckpointRequest(), pb.ReadCheckpointResponse
        )
    assert empty.value.code == StatusCode.FAILED_PRECONDITION
    post(world.writer, 1, 2, 3)
    await world.settle()
    note = await world.call(
        world.bank_handlers, REGULATOR, "ReadCheckpoint", pb.ReadCheckpointRequest(), pb.ReadCheckpointResponse
    )
    assert note.note.startswith(b"dwaybank.node/log/DwaybankMSP\n3\n")
    tile = await world.call(
        world.bank_handlers, REGULATOR, "ReadTile", pb.ReadTileRequest(width=2), pb.ReadTileResponse
    )
    assert len(tile.hashes) == 64
    with pytest.raises(RpcError) as refused:
        await world.call(world.bank_handlers, REGULATOR, "ReadTile", pb.ReadTileRequest(width=4), pb.ReadTileResponse)
    assert refused.value.code == StatusCode.NOT_FOUND


async def test_regulator_without_books_says_so(world: World) -> None:
    with pytest.raises(RpcError) as refused:
        await world.call(
            world.regulator_handlers, REGULATOR, "GetProof", pb.GetProofRequest(seq=1), pb.GetProofResponse
        )
    assert refused.value.code == StatusCode.FAILED_PRECONDITION


async def test_bundle_given_to_the_regulator_and_bent_on_the_way_is_refused(world: World, tmp_path: Path) -> None:
    post(world.writer, 100)
    await world.settle()

    def bend(path: str, reply: bytes) -> bytes:
        return reply[:-1] + bytes([reply[-1] ^ 1]) if path.endswith("Disclose") else reply

    world.line.bend = bend
    following = asyncio.create_task(world.bank.indexer.follow(stop=len(world.consortium.blocks)))
    request = pb.DemandDisclosureRequest(organization=BANK, seqs=[1], purpose="review")
    with pytest.raises(RpcError) as refused:
        await world.call(world.regulator_handlers, REGULATOR, "DemandDisclosure", request, pb.DemandDisclosureResponse)
    await following
    assert refused.value.code == StatusCode.DATA_LOSS


async def test_whole_trail_in_the_background_attests_by_itself(
    material: Material, database_url: str, regulator_url: str
) -> None:
    async with running_world(ConsortiumInMemory(material), database_url, regulator_url) as world:
        await world.bank.start()
        await world.regulator.start()
        post(world.writer, 100, 200, 300)
        bundle = await world.bank.own_proofs().build(3, wait_s=10)
        assert verify_bundle(bundle, world.consortium.genesis_hash).state == "attested"
        await asyncio.sleep(0)


async def test_a_member_walks_over_the_books_twice_at_once_and_no_more(world: World) -> None:
    def walk() -> AsyncIterator[bytes]:
        channel = DirectChannel(world.bank_handlers, tls_certificate(world.consortium.material, REGULATOR))
        return channel.server_stream(f"/{SERVICE}/RecomputeLeaves", b"", 5)

    post(world.writer, 100)
    begun = [walk(), walk()]
    assert all([await anext(each) for each in begun])
    with pytest.raises(RpcError, match="ask again when one has ended") as refused:
        await anext(walk())
    assert refused.value.code == StatusCode.RESOURCE_EXHAUSTED
    for each in begun:
        assert [some async for some in each] == []
    assert await anext(walk())
