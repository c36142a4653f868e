"""The regulator's journey: search, demand, verify alone, name what an administrator touched, decide reviews."""

from __future__ import annotations

import csv
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from network.errors import RpcError
from network.rpc import StatusCode
from network.topology import Organization
from node.own_node import AUDIT, LEDGER, audit_pb2, ledger_pb2
from tests.support.consortium import RunningConsortium, dwaybank, eventually
from tests.support.customer import Customer

SignUp = Callable[[Organization, str], Awaitable[Customer]]

OVER_THRESHOLD_MINOR = 1_000_001


async def search(consortium: RunningConsortium, who: Organization, **wanted: object) -> list[audit_pb2.AuditRecord]:
    request = audit_pb2.SearchAuditRequest(page_size=200, **wanted)
    async with consortium.node(who) as node:
        return list((await node.call(AUDIT, "SearchAudit", request, audit_pb2.SearchAuditResponse)).records)


@pytest.fixture
async def paid(consortium: RunningConsortium, sign_up: SignUp) -> list[int]:
    """Numbers of four entries of the bank that are attested."""
    ada, bob = await sign_up(consortium.bank, "ada"), await sign_up(consortium.bank, "bob")
    seqs = [await consortium.deposit(consortium.bank, ada.account, 50_000)]
    seqs += [(await ada.pay(bob, amount))["seq"] for amount in (1_111, 2_222, 3_333)]
    await consortium.settled()
    return seqs


async def test_regulator_finds_the_checkpoint_that_covers_an_entry_in_every_members_copy(
    consortium: RunningConsortium, paid: list[int]
) -> None:
    found = {
        member.name: await search(
            consortium, member, kind="checkpoint", organization=consortium.bank.msp_id, entry_seq=paid[-1]
        )
        for member in consortium.consortium.organizations
    }

    assert len(found["regulator"]) == 1
    record = found["regulator"][0]
    assert record.from_seq <= paid[-1] <= record.to_seq
    assert all(records == found["regulator"] for records in found.values())
    same = await search(consortium, consortium.regulator, transaction_id=record.transaction_id)
    assert record in same
    cosigned = await search(
        consortium, consortium.regulator, kind="cosignature", organization=consortium.bank.msp_id, entry_seq=paid[-1]
    )
    assert cosigned, "another member cosigned it"


async def test_demanded_bundles_verify_in_a_process_of_their_own(
    consortium: RunningConsortium, paid: list[int], tmp_path: Path
) -> None:
    demanded = consortium.command(
        "audit", "demand", consortium.bank.msp_id, *map(str, paid), "--purpose", "spot_check", "--folder", tmp_path
    )
    assert demanded.returncode == 0, demanded.stderr
    files = [tmp_path / f"{consortium.bank.msp_id}-{seq}.json" for seq in paid]

    verified = dwaybank("verify", *files, "--genesis", consortium.genesis_hash.hex(), "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    reports = [json.loads(line) for line in verified.stdout.splitlines()]
    assert [(report["valid"], report["entry"]["seq"]) for report in reports] == [(True, seq) for seq in paid]

    elsewhere = dwaybank("verify", files[0], "--genesis", "00" * 32)
    assert elsewhere.returncode == 1
    assert "NOT PROVED" in elsewhere.stdout
    demand_id = demanded.stdout.split("demand ")[1].split()[0]
    records = await search(consortium, consortium.bank, kind="demand")
    assert any(demand_id in record.record_id for record in records), "the demand itself is on the shared ledger"
    for record in records:
        assert record.signer, "and says who looked"


async def test_ranges_statements_day_closes_and_growth_are_proved_to_who_has_the_genesis_hash_alone(
    consortium: RunningConsortium, paid: list[int], tmp_path: Path
) -> None:
    bank = consortium.bank
    async with consortium.node(bank) as node:
        request = ledger_pb2.GetEntryRequest(seq=paid[0])
        entry = (await node.call(LEDGER, "GetEntry", request, ledger_pb2.GetEntryResponse)).entry
    account = entry.postings[-1].account
    asked = {
        "range": ("range", "--from", paid[0], "--to", paid[-1]),
        "leaves": ("range", "--leaves-only"),
        "statement": ("account", account, "--asset", "EUR"),
        "touching": ("account", account, "--touching-only"),
        "close": ("period",),
        "entry": (paid[0],),
    }
    for name, arguments in asked.items():
        done = consortium.command("proof", *arguments, "--out", tmp_path / f"{name}.json", "--org", bank.name)
        assert done.returncode == 0, done.stderr
    # The regulator proves of its own copy that the bank's log only grew.
    done = consortium.command("proof", "consistency", bank.msp_id, "--out", tmp_path / "growth.json")
    assert done.returncode == 0, done.stderr
    files = {name: tmp_path / f"{name}.json" for name in (*asked, "growth")}

    verified = dwaybank("verify", *files.values(), "--genesis", consortium.genesis_hash.hex())
    assert verified.returncode == 0, verified.stdout + verified.stderr
    told = {name: verified.stdout.split(f"{path}: ")[1].split(f"{tmp_path}")[0] for name, path in files.items()}
    assert (
        f"entries {paid[0]} to {paid[-1]} stand in it one after the other, none missing, all of them shown"
        in (told["range"])
    )
    assert "only the leaf is shown" in told["leaves"]
    assert f"touch account {account} in EUR" in told["statement"]
    assert "Not proved" not in told["statement"] + told["close"] + told["growth"] + told["entry"]
    assert "Not proved: what the entries say of which only the leaf is shown" in told["touching"]
    assert "begins with the log of" in told["growth"]
    for wrong in (["--from", 9, "--to", 2], ["--to", 2**40]):
        refused = consortium.command("proof", "range", *wrong, "--org", bank.name)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert len(refused.stderr.strip().splitlines()) == 1


async def test_a_supervisor_finds_what_was_disclosed_takes_it_home_and_leaves_a_trace(
    consortium: RunningConsortium, paid: list[int], tmp_path: Path
) -> None:
    bank = consortium.bank.msp_id

    def said(*arguments: object) -> str:
        done = consortium.command("audit", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said("demand", bank, paid[0], "--purpose", "spot_check", "--folder", tmp_path)
    everything = said("entries", "--organization", bank, "--limit", 1000)
    assert "not disclosed" in everything
    (line,) = said("entries", "--organization", bank, "--entries", paid[0], "--disclosed").splitlines()
    assert "attested" in line
    (told,) = map(json.loads, said("entries", "--entries", paid[0], "--disclosed", "--json").splitlines())
    account = json.loads(told["fields_json"])["postings"][0]["account"]
    said("entries", "--account", account, "--posted", "2020-01-01..", "--save", "of that account")
    assert "of that account" in said("searches")
    said("entries", "--saved", "of that account", "--out", tmp_path / "found.csv")
    rows = list(csv.DictReader((tmp_path / "found.csv").read_text().splitlines()))
    assert str(paid[0]) in {row["seq"] for row in rows}
    said("bundle", bank, paid[0], "--out", tmp_path / "one.json")
    verified = dwaybank("verify", tmp_path / "one.json", "--genesis", consortium.genesis_hash.hex())
    assert verified.returncode == 0, verified.stdout
    looks = said("looks", "--verify")
    assert "every look follows" in looks
    assert '{"bundle":{}}' in looks.splitlines()[0]
    for wrong in (["--amount", "many"], ["--posted", "yesterday"], ["--saved", "nothing"], ["--status", "fine"]):
        refused = consortium.command("audit", "entries", *wrong)
        assert refused.returncode == 1
        assert wrong[1] in refused.stderr, refused.stderr
        assert "Traceback" not in refused.stderr


async def test_a_finding_is_opened_explained_and_closed_by_the_two_it_concerns(
    consortium: RunningConsortium, paid: list[int]
) -> None:
    def said(org: Organization, *arguments: object) -> str:
        done = consortium.command("audit", *arguments, "--org", org.name)
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def shown(what: str, org: Organization, *arguments: object) -> None:
        async def shows() -> bool:
            return what in said(org, *arguments)

        await eventually(shows, f"{org.name} shows {what}")

    regulator, bank = consortium.regulator, consortium.bank
    matter = (bank.msp_id, "other", f"entry/{paid[0]}")
    number = said(regulator, "open-finding", *matter, "--evidence", "Counted twice.").split()[0]
    again = consortium.command("audit", "open-finding", *matter, "--evidence", "Counted twice.")
    assert (again.returncode, "finding_exists" in again.stderr) == (1, True)
    await shown(number, bank, "findings", "--status", "open")
    foreign = consortium.command("audit", "finding", number, "--close", "mistaken", "--org", bank.name)
    assert foreign.returncode == 1
    assert "Traceback" not in foreign.stderr
    assert "explained" in said(bank, "finding", number, "--explain", "Once for each drawer.")
    await shown("Once for each drawer.", regulator, "finding", number)
    assert "evidence: Counted twice." in said(bank, "finding", number)
    partner = said(consortium.consortium.organization("partner"), "finding", number)
    assert "not to be had here" in partner
    assert "Counted" not in partner
    assert "closed" in said(regulator, "finding", number, "--close", "remedied")


async def test_demand_is_refused_for_what_does_not_exist_and_for_others(
    consortium: RunningConsortium, paid: list[int]
) -> None:
    async def demand(who: Organization, **fields: object) -> int:
        request = audit_pb2.DemandDisclosureRequest(**fields)
        async with consortium.node(who) as node:
            with pytest.raises(RpcError) as refusal:
                await node.call(AUDIT, "DemandDisclosure", request, audit_pb2.DemandDisclosureResponse, 60)
        return refusal.value.code

    known = {"organization": consortium.bank.msp_id, "seqs": paid[:1], "purpose": "spot_check"}
    regulator = consortium.regulator
    assert await demand(regulator, **known | {"organization": "NobodyMSP"}) == StatusCode.INVALID_ARGUMENT
    assert await demand(regulator, **known | {"purpose": "look at Ada's rent"}) == StatusCode.INVALID_ARGUMENT
    assert await demand(regulator, **known | {"seqs": []}) == StatusCode.INVALID_ARGUMENT
    assert await demand(regulator, **known | {"seqs": [0]}) == StatusCode.INVALID_ARGUMENT
    assert await demand(regulator, **known | {"seqs": [2**40]}) == StatusCode.NOT_FOUND

    async with consortium.node(regulator) as node:
        reply = await node.call(
            AUDIT,
            "DemandDisclosure",
            audit_pb2.DemandDisclosureRequest(**known),
            audit_pb2.DemandDisclosureResponse,
            60,
        )
    # The partner bank knows the regulator's demand from the shared ledger; it is not its own.
    outsider = consortium.consortium.organization("partner")
    tls_of_outsider = consortium.foreign_channel(consortium.bank, outsider)
    try:
        with pytest.raises(RpcError) as refusal:
            await tls_of_outsider.unary(
                f"/{AUDIT}/Disclose",
                audit_pb2.DiscloseRequest(demand_id=reply.demand_id).SerializeToString(),
                30,
            )
    finally:
        await tls_of_outsider.close()
    assert refusal.value.code == StatusCode.PERMISSION_DENIED


TAMPERING = {
    "amount": "UPDATE ledger.entry SET amount = amount + 1 WHERE seq = {seq}",
    "account": "UPDATE ledger.entry SET debit_account = credit_account, credit_account = debit_account"
    " WHERE seq = {seq}",
    "day": "UPDATE ledger.entry SET effective_at = coalesce(effective_at, posted_at) - interval '1 day'"
    " WHERE seq = {seq}",
    # A row with a settlement must tell the hash of its request too.
    "settlement": "UPDATE ledger.entry SET settlement_id = 'another', request_hash = coalesce(request_hash, leaf)"
    " WHERE seq = {seq}",
    "key": "UPDATE ledger.entry SET key = gen_random_uuid() WHERE seq = {seq}",
    "decision": "UPDATE ledger.entry SET decision_outcome = 3 - decision_outcome WHERE seq = {seq}",
    "salt": "UPDATE ledger.entry SET salt = sha256(leaf) WHERE seq = {seq}",
}


def as_administrator(connection: psycopg.Connection, statement: str, seq: int) -> None:
    connection.execute(sql.SQL(statement).format(seq=sql.Literal(seq)))


async def test_every_kind_of_tampering_is_named_exactly(consortium: RunningConsortium, paid: list[int]) -> None:
    clean = await consortium.audit(consortium.regulator, consortium.bank)
    assert list(clean.findings) == []
    seq = paid[1]
    with consortium.superuser(consortium.bank) as connection:
        connection.execute("SET session_replication_role = replica")
        as_administrator(
            connection, "CREATE TEMPORARY TABLE untouched AS SELECT * FROM ledger.entry WHERE seq = {seq}", seq
        )
        named = {}
        for what, statement in TAMPERING.items():
            try:
                as_administrator(connection, statement, seq)
                found = await consortium.audit(consortium.regulator, consortium.bank)
            finally:
                as_administrator(connection, "DELETE FROM ledger.entry WHERE seq = {seq}", seq)
                connection.execute("INSERT INTO ledger.entry SELECT * FROM untouched")
            named[what] = [(finding.kind, finding.seq) for finding in found.findings]

    assert named == {what: [("changed", seq)] for what in TAMPERING}
    assert not (await consortium.audit(consortium.regulator, consortium.bank)).findings


async def test_deleted_and_inserted_rows_are_named_by_every_auditor(
    consortium: RunningConsortium, paid: list[int]
) -> None:
    deleted, copied = paid[2], paid[1]
    posted = (await consortium.anchor_status(consortium.bank)).posted_seq
    with consortium.superuser(consortium.bank) as connection:
        connection.execute("SET session_replication_role = replica")
        as_administrator(
            connection, "CREATE TEMPORARY TABLE untouched AS SELECT * FROM ledger.entry WHERE seq = {seq}", deleted
        )
        try:
            as_administrator(connection, "DELETE FROM ledger.entry WHERE seq = {seq}", deleted)
            forged = sql.SQL(
                "INSERT INTO ledger.entry SELECT (jsonb_populate_record(entry, jsonb_build_object("
                "'seq', {seq}::bigint, 'key', gen_random_uuid()))).* FROM ledger.entry WHERE seq = {copied}"
            )
            connection.execute(forged.format(seq=sql.Literal(posted + 1), copied=sql.Literal(copied)))
            auditors = consortium.consortium.organizations
            found = [await consortium.audit(auditor, consortium.bank) for auditor in auditors]
            told = consortium.command("audit", "books", consortium.bank.msp_id, "--org", "regulator")
        finally:
            as_administrator(connection, "DELETE FROM ledger.entry WHERE seq = {seq}", posted + 1)
            connection.execute("INSERT INTO ledger.entry SELECT * FROM untouched ON CONFLICT DO NOTHING")

    expected = [("missing", deleted), ("inserted", posted + 1)]
    for auditor, answer in zip(auditors, found, strict=True):
        named = [(finding.kind, finding.seq) for finding in answer.findings]
        assert named[:2] == expected
        # The bank's own audit goes on to the sums that no longer agree; others do not see its balances.
        assert {kind for kind, _ in named[2:]} == ({"balance"} if auditor == consortium.bank else set())
    assert told.returncode == 1
    assert f"missing: entry {deleted}:" in told.stdout
    assert f"inserted: entry {posted + 1}:" in told.stdout
    assert not (await consortium.audit(consortium.regulator, consortium.bank)).findings


async def test_regulators_reviewer_decides_a_flagged_payment_once(
    consortium: RunningConsortium, sign_up: SignUp
) -> None:
    ada, bob = await sign_up(consortium.bank, "ada"), await sign_up(consortium.bank, "bob")
    await consortium.deposit(consortium.bank, ada.account, 2 * OVER_THRESHOLD_MINOR)
    small = await ada.pay(bob, 10)
    large = await ada.pay(bob, OVER_THRESHOLD_MINOR)
    assert (small["decision"], large["decision"]) == ("automated_approval", "requires_manual_review")
    await consortium.settled()

    async def reviews(who: Organization, status: str) -> dict[str, audit_pb2.Review]:
        request = audit_pb2.ListReviewsRequest(status=status, organization=consortium.bank.msp_id, page_size=200)
        async with consortium.node(who) as node:
            reply = await node.call(AUDIT, "ListReviews", request, audit_pb2.ListReviewsResponse)
        return {review.record_id: review for review in reply.reviews}

    async def flagged() -> dict[str, audit_pb2.Review]:
        found = await reviews(consortium.bank, "requires_manual_review")
        return {record: review for record, review in found.items() if review.seq == large["seq"]}

    waiting = await eventually(flagged, "the bank's own node knows which entry is flagged")
    assert len(waiting) == 1
    record_id = next(iter(waiting))

    async def seen_by_regulator() -> bool:
        return record_id in await reviews(consortium.regulator, "requires_manual_review")

    await eventually(seen_by_regulator, "the regulator sees the flag")
    request = audit_pb2.DecideReviewRequest(record_id=record_id, approve=False, reason="source of funds unknown")
    async with consortium.node(consortium.regulator) as node:
        decided = await node.call(AUDIT, "DecideReview", request, audit_pb2.DecideReviewResponse, 60)
    assert decided.review.status == "rejected"
    assert decided.transaction_id

    async def known_to_the_bank() -> bool:
        return record_id in await reviews(consortium.bank, "rejected")

    await eventually(known_to_the_bank, "the bank sees the decision")
    for who in (consortium.bank, consortium.regulator):
        async with consortium.node(who) as node:
            with pytest.raises(RpcError) as refusal:
                await node.call(
                    AUDIT,
                    "DecideReview",
                    audit_pb2.DecideReviewRequest(record_id=record_id, approve=True, reason="changed my mind"),
                    audit_pb2.DecideReviewResponse,
                    60,
                )
        assert refusal.value.code == StatusCode.FAILED_PRECONDITION, refusal.value
