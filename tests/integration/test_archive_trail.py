"""Aim: what is archived is proved from its file as before, and neither file nor books can be bent without the regulator
seeing it.

Method: the world of ``test_audit_trail``: real books, contracts, services and mirrors of two organizations on an
in-memory channel; entries are anchored, then archived.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from ledger.archive_entry import disclose_from
from ledger.canonical import batch_digest
from ledger.errors import ArchiveRefusedError
from ledger.periods import close_period, report_periods
from ledger.rows import read_accounts, read_rows, recompute_leaf
from network.bundle import verify_bundle
from network.bundle_claims import VerifiedClaim
from network.bundle_verifier import BundleVerifier
from network.errors import RpcError
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.pb.dwaybank.audit.v1 import proofs_pb2
from network.rpc import StatusCode
from node.audit.archive_audit import audit_archive
from node.audit.entry_fields import describe_entry, read_entry
from node.audit.errors import NotYetError
from tests.support.archived_books import archivist, sealed
from tests.support.consortium_in_memory import BANK, REGULATOR, ConsortiumInMemory, Material, make_material
from tests.support.database_stage import divide_journal
from tests.support.trails import WRITER_KEY, World, post, running_world

PARTITION = 4
ENTRIES = 10
ARCHIVED = 8


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture
async def world(material: Material, database_url: str, regulator_url: str) -> AsyncIterator[World]:
    """A bank with some anchored entries in small partitions, closed for everything up to now."""
    async with running_world(ConsortiumInMemory(material), database_url, regulator_url) as found:
        with psycopg.connect(found.bank_url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            divide_journal(connection, PARTITION)
        found.writer.forget()
        for first in range(1, ENTRIES, 5):
            post(found.writer, *range(100 + first, 100 + first + 5))
        await found.settle()
        close_period(found.writer, datetime.now(UTC), actor="auditor-1")
        with psycopg.connect(found.bank_url, autocommit=True) as connection:
            report_periods(connection, now=datetime.now(UTC))
        yield found


def tamper(world: World, *statements: str) -> None:
    """Do what a superuser can: no trigger, no constraint."""
    with psycopg.connect(world.bank_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode())


def resign(world: World) -> None:
    """Let entry 2 have the leaf that its row gives, and the first batch be signed so, as the key's owner can."""
    with psycopg.connect(world.bank_url) as connection:
        rows = read_rows(connection, 1, 5, 5)
        accounts = read_accounts(connection, rows)
    leaves = [recompute_leaf(row, accounts)[1] for row in rows]
    digest = batch_digest(1, 5, b"".join(leaves))
    tamper(
        world,
        f"UPDATE ledger.entry SET leaf = '\\x{leaves[1].hex()}' WHERE seq = 2",
        f"UPDATE ledger.batch SET digest = '\\x{digest.hex()}',"
        f" signature = '\\x{WRITER_KEY.sign(digest).signature.hex()}' WHERE first_seq = 1",
    )


def archive(world: World, folder: Path) -> list[Path]:
    who = archivist(
        world.bank_url,
        sign=lambda digest: WRITER_KEY.sign(digest).signature,
        verify=lambda digest, signature: WRITER_KEY.verify_key.verify(digest, signature) == digest,
    )
    made = list(who.archive(folder, before=datetime.now(UTC), proved_seq=ENTRIES))
    assert made[-1].record.last_seq == ARCHIVED
    return [folder / each.record.file_name for each in made]


def files_in(folder: Path) -> list[Path]:
    """What lies in a folder."""
    return list(folder.iterdir())


async def audit(world: World, organization: str = REGULATOR) -> pb.AuditBooksResponse:
    handlers = world.regulator_handlers if organization == REGULATOR else world.bank_handlers
    request = pb.AuditBooksRequest(organization=BANK)
    return await world.call(handlers, organization, "AuditBooks", request, pb.AuditBooksResponse)


async def prove(world: World, seq: int, file: Path | None = None) -> pb.GetProofResponse:
    request = pb.GetProofRequest(seq=seq)
    if file is not None:
        disclosed = disclose_from(file, seq)
        request.salt, request.canonical = disclosed.salt, disclosed.canonical
    return await world.call(world.bank_handlers, BANK, "GetProof", request, pb.GetProofResponse)


async def test_archived_entry_is_proved_from_its_file_as_it_was_before(world: World, tmp_path: Path) -> None:
    before = [json.loads((await prove(world, seq)).bundle) for seq in range(1, ENTRIES + 1)]
    first, second = archive(world, tmp_path)
    for seq in range(1, ENTRIES + 1):
        file = first if seq <= PARTITION else second if seq <= ARCHIVED else None
        reply = await prove(world, seq, file)
        assert json.loads(reply.bundle) == before[seq - 1]
        entry = verify_bundle(reply.bundle, world.consortium.genesis_hash, describe=describe_entry)
        assert (entry.organization, entry.seq, entry.state) == (BANK, seq, "attested")
        assert entry.fields is not None
        assert entry.fields["postings"][0]["amount_minor"] == str(100 + seq)
        assert entry.decision_record is not None


async def test_proof_without_the_file_names_it(world: World, tmp_path: Path) -> None:
    (first, _) = archive(world, tmp_path)
    assert await world.bank.entry_state(2) == "attested"
    with pytest.raises(RpcError, match=rf"{first.name} .*dwaybank proof entry 2 --archive FILE") as caught:
        await prove(world, 2)
    assert caught.value.code == StatusCode.OUT_OF_RANGE


async def test_range_over_archived_entries_shows_those_that_stand_and_figures_before_them_are_refused(
    world: World, tmp_path: Path
) -> None:
    archive(world, tmp_path)
    reply = await world.prove(
        world.bank_handlers, BANK, "ProveRange", proofs_pb2.ProveRangeRequest(shown_seqs=[ENTRIES]),
        proofs_pb2.ProveRangeResponse,
    )  # fmt: skip
    proved = BundleVerifier(world.consortium.genesis_hash, read=read_entry).verify(reply.bundle)
    assert isinstance(proved, VerifiedClaim)
    assert proved.range is not None
    assert (proved.range.first, proved.range.last, proved.range.withheld) == (1, ENTRIES, ENTRIES - 1)
    refused = {
        "ProveRange": proofs_pb2.ProveRangeRequest(from_seq=1),
        "ProvePeriod": proofs_pb2.ProvePeriodRequest(),
        "ProveAccount": proofs_pb2.ProveAccountRequest(account="cash", asset="EUR", from_seq=ARCHIVED + 1),
    }
    for method, request in refused.items():
        with pytest.raises(RpcError, match="archived") as caught:
            await world.prove(world.bank_handlers, BANK, method, request, proofs_pb2.ProveRangeResponse)
        assert caught.value.code == StatusCode.OUT_OF_RANGE


async def test_what_a_bent_file_tells_gives_no_proof(world: World, tmp_path: Path) -> None:
    (first, _) = archive(world, tmp_path)
    two, three = disclose_from(first, 2), disclose_from(first, 3)
    bent = two.canonical.replace(b"alice", b"mallo")
    assert bent != two.canonical
    for request, reason in (
        (pb.GetProofRequest(seq=2, salt=two.salt, canonical=bent), "canonical: entry 2 is not what was sealed"),
        (pb.GetProofRequest(seq=2, salt=bytes(32), canonical=two.canonical), "canonical: entry 2 is not what was"),
        (pb.GetProofRequest(seq=2, salt=three.salt, canonical=three.canonical), "entry 3"),
        (pb.GetProofRequest(seq=2, salt=b"x", canonical=two.canonical), "32 bytes"),
        (pb.GetProofRequest(seq=2, salt=two.salt, canonical=b"no entry"), "canonical"),
    ):
        with pytest.raises(RpcError, match=reason) as caught:
            await world.call(world.bank_handlers, BANK, "GetProof", request, pb.GetProofResponse)
        assert caught.value.code == StatusCode.INVALID_ARGUMENT


async def test_audit_compares_the_leaves_kept_and_says_where_the_rows_are(world: World, tmp_path: Path) -> None:
    files = archive(world, tmp_path)
    for caller in (REGULATOR, BANK):
        reply = await audit(world, caller)
        assert list(reply.findings) == []
        assert (reply.entries_checked, reply.anchored_size) == (ENTRIES, ENTRIES)
        assert [(each.first_seq, each.last_seq, each.file_name) for each in reply.archived] == [
            (1, PARTITION, files[0].name),
            (PARTITION + 1, ARCHIVED, files[1].name),
        ]


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("UPDATE ledger.past_key SET leaf = sha256(leaf) WHERE seq = 2", [("changed", 2)]),
        ("DELETE FROM ledger.past_key WHERE seq = 3", [("missing", 3)]),
        ("DELETE FROM ledger.archive WHERE number = 2", [("missing", seq) for seq in range(5, 9)]),
        ("UPDATE ledger.entry SET amount = amount + 1 WHERE seq = 10", [("changed", 10)]),
        ("UPDATE ledger.past_key SET seq = 99 WHERE seq = 8", [("missing", 8)]),
    ],
)
async def test_audit_names_what_was_changed_of_an_archive(
    world: World, tmp_path: Path, statement: str, wanted: list[tuple[str, int]]
) -> None:
    archive(world, tmp_path)
    tamper(world, statement)
    found = [(finding.kind, finding.seq) for finding in (await audit(world)).findings]
    assert found == wanted


async def test_regulator_compares_a_file_with_his_own_copy_of_the_log(
    world: World, tmp_path: Path, regulator_url: str
) -> None:
    for file in archive(world, tmp_path):
        for url, own in ((regulator_url, REGULATOR), (world.bank_url, BANK)):
            found = await asyncio.to_thread(audit_archive, url, own, file, now=now)
            assert (found.findings, found.anchored_size, found.proved.organization) == ([], ENTRIES, BANK)


async def test_file_whose_rows_were_rewritten_with_their_leaves_is_named(
    world: World, tmp_path: Path, regulator_url: str
) -> None:
    """Whoever has the posting engine's key can make a file that proves by itself; not one that fits to the log."""
    tamper(world, "UPDATE ledger.entry SET salt = sha256(leaf) WHERE seq = 2")
    with pytest.raises(ArchiveRefusedError, match="entry 2: its row does not give the leaf"):
        archive(world, tmp_path)
    assert files_in(tmp_path) == []
    resign(world)
    (first, _) = archive(world, tmp_path)
    found = await asyncio.to_thread(audit_archive, regulator_url, REGULATOR, first, now=now)
    assert [(finding.kind, finding.seq) for finding in found.findings] == [("changed", 2)]
    assert ("changed", 2) in [(finding.kind, finding.seq) for finding in (await audit(world)).findings]


async def test_file_of_entries_that_were_never_anchored_is_named(
    world: World, tmp_path: Path, regulator_url: str
) -> None:
    (first, _) = archive(world, tmp_path)
    tamper(world, "DELETE FROM log.audit_record WHERE kind = 'checkpoint'")
    with pytest.raises(NotYetError, match=r"nothing of .* is anchored yet"):
        await asyncio.to_thread(audit_archive, world.bank_url, BANK, first, now=now)
    lines = first.read_bytes().splitlines(keepends=True)
    stranger = tmp_path / "stranger.jsonl"
    stranger.write_bytes(b"".join(sealed([lines[0].replace(BANK.encode(), b"PartnerMSP"), *lines[1:]])))
    with pytest.raises(NotYetError, match="no anchored log of PartnerMSP has been mirrored here yet"):
        await asyncio.to_thread(audit_archive, regulator_url, REGULATOR, stranger, now=now)


async def test_damaged_and_missing_files_are_refused_by_name(world: World, tmp_path: Path, regulator_url: str) -> None:
    (first, _) = archive(world, tmp_path)
    with pytest.raises(FileNotFoundError):
        audit_archive(regulator_url, REGULATOR, tmp_path / "gone.jsonl", now=now)
    damaged = tmp_path / "damaged.jsonl"
    for given, reason in (
        (b"", "line 1: the file ends here"),
        (b"no archive\n", "line 1: it is no JSON object"),
        (first.read_bytes()[:-40], "the file ends here"),
        (first.read_bytes().replace(b'"102"', b'"103"', 1), "does not give the leaf|not those that were sealed"),
    ):
        damaged.write_bytes(given)
        with pytest.raises(ArchiveRefusedError, match=reason):
            audit_archive(regulator_url, REGULATOR, damaged, now=now)


async def test_sealing_anchoring_and_proofs_go_on_after_an_archive(world: World, tmp_path: Path) -> None:
    archive(world, tmp_path)
    (seq,) = post(world.writer, 777)
    await world.settle()
    entry = verify_bundle((await prove(world, seq)).bundle, world.consortium.genesis_hash, describe=describe_entry)
    assert (entry.seq, entry.state) == (ENTRIES + 1, "attested")
    assert list((await audit(world)).findings) == []
