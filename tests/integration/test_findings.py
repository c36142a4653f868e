"""Aim: a member that is late, silent, forked or leaves a demand unanswered is found once, and both sides can talk.

Method: a bank and a regulator with their own databases on an in-memory channel of genuine blocks; the regulator's clock
is moved by hand; each fault is made in the bank's own database, or on the line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from nacl.signing import SigningKey

from network.audit_record import finding_id_of
from network.checkpoint import Checkpoint, sign_checkpoint
from network.errors import GatewayError, RpcError
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.rpc import StatusCode
from node.audit.member_node import SERVICE, MemberNode
from node.audit.supervisor import Deadlines, Supervisor
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR, ConsortiumInMemory, Material, make_material
from tests.support.trails import World, post, running_world

LOG_KEY = SigningKey(bytes(31) + b"\x01")
"""The bank's, as ``running_world`` gives it."""
DEADLINES = Deadlines(timedelta(seconds=60), timedelta(hours=1), timedelta(seconds=5))
LATE, LONG_LATE = timedelta(seconds=61), timedelta(hours=2)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture
async def world(material: Material, database_url: str, regulator_url: str) -> AsyncIterator[World]:
    async with running_world(ConsortiumInMemory(material), database_url, regulator_url) as world:
        yield world


class Watch:
    """The regulator's supervisor, with a clock of its own."""

    def __init__(self, world: World) -> None:
        self.now = world.consortium.now()
        self.world = world
        self.supervisor = self.restarted()

    def restarted(self) -> Supervisor:
        trail = self.world.regulator
        self.supervisor = Supervisor(
            REGULATOR,
            trail.entries._database,
            index=trail.index,
            mirrors=trail.mirrors,
            findings=trail.findings,
            members={BANK: MemberNode(self.world.line)},  # type: ignore[arg-type]
            deadlines=DEADLINES,
            now=lambda: self.now,
        )
        return self.supervisor

    async def after(self, passed: timedelta = timedelta(0)) -> list[tuple[str, str]]:
        """Return kind and subject of what a round opens after some time."""
        self.now += passed
        await self.world.index()
        opened = await self.supervisor.watch()
        await self.world.index()
        assert {matter.organization for matter in opened} <= {BANK}
        return [(matter.kind, matter.subject) for matter in opened]


@pytest.fixture
def watch(world: World) -> Watch:
    return Watch(world)


def tamper(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement.encode())


async def seal(world: World) -> None:
    """Seal what the bank posted, and anchor nothing."""
    sealer = world.bank.anchorer._sealer
    assert sealer is not None
    await sealer.seal()


def silence(world: World, *methods: str) -> None:
    def refuse(path: str, reply: bytes) -> bytes:
        if path.rpartition("/")[2] in methods:
            raise RpcError(StatusCode.UNAVAILABLE, "no connection")
        return reply

    world.line.bend = refuse


# What is watched ------------------------------------------------------------------------------------------------------


async def test_a_member_that_does_as_it_should_is_never_found(world: World, watch: Watch) -> None:
    assert await watch.after() == []
    for amount in (100, 250):
        post(world.writer, amount)
        await world.settle()
        assert await watch.after(LATE) == []
    assert await watch.after(LONG_LATE) == []


async def test_a_log_that_is_sealed_and_not_anchored_is_found_once_after_the_deadline(
    world: World, watch: Watch
) -> None:
    post(world.writer, 100)
    await world.settle()
    post(world.writer, 250)
    await seal(world)
    assert await watch.after() == []
    assert await watch.after(timedelta(seconds=60)) == []
    assert await watch.after(timedelta(seconds=1)) == [("late_checkpoint", "checkpoint/2")]
    assert await watch.after(LATE) == []
    watch.restarted()
    assert await watch.after() == []
    assert await watch.after(LATE) == [], "not again after a restart"


async def test_a_busy_log_that_is_anchored_as_it_grows_is_not_late(world: World, watch: Watch) -> None:
    for amount in range(1, 6):
        post(world.writer, amount)
        await seal(world)
        assert await watch.after(timedelta(seconds=50)) == []
        await world.settle()
        post(world.writer, amount)
        await seal(world)
    assert await watch.after(timedelta(seconds=50)) == []


async def test_a_node_that_does_not_answer_is_found_and_so_is_the_next_silence(world: World, watch: Watch) -> None:
    post(world.writer, 100)
    await world.settle()
    silence(world, "ReadCheckpoint")
    assert await watch.after() == []
    assert await watch.after(LATE) == [("silent_member", "checkpoint/1")]
    silence(world)
    assert await watch.after(LATE) == []
    post(world.writer, 100)
    await world.settle()
    silence(world, "ReadCheckpoint")
    assert await watch.after() == []
    assert await watch.after(LATE) == [("silent_member", "checkpoint/2")]


async def test_an_old_backup_is_found_by_a_head_behind_what_was_anchored(world: World, watch: Watch) -> None:
    for amount in (100, 250):
        post(world.writer, amount)
        await world.settle()
    tamper(world.bank_url, "DELETE FROM log.checkpoint WHERE size = 2")
    assert await watch.after() == []
    assert await watch.after(LATE) == [("forked_log", "checkpoint/2")]


async def test_another_head_of_the_same_size_is_found_at_once(world: World, watch: Watch) -> None:
    post(world.writer, 100)
    await world.settle()
    origin = f"dwaybank.node/log/{BANK}"
    forged = sign_checkpoint(Checkpoint(origin, 1, bytes(32)), origin, LOG_KEY)
    tamper(world.bank_url, f"UPDATE log.checkpoint SET note = '\\x{forged.hex()}'")
    assert await watch.after() == [("forked_log", "checkpoint/1")]
    tamper(world.bank_url, f"UPDATE log.checkpoint SET note = '\\x{b'no note at all'.hex()}'")
    assert await watch.after() == [], "it is one matter"


@pytest.mark.parametrize("note", [b"x" * 3_000_000, b"\xff" * 1_500, b""])
async def test_a_member_that_answers_with_rubbish_is_found_and_hides_no_other_matter(
    world: World, watch: Watch, note: bytes
) -> None:
    post(world.writer, 100)
    await world.settle()
    world.regulator.mirrors.keep_finding(BANK, 7, "tiles of another log" * 1_000, datetime.now(UTC))
    answer = pb.ReadCheckpointResponse(note=note).SerializeToString()
    world.line.bend = lambda path, reply: answer if path.endswith("/ReadCheckpoint") else reply
    assert sorted(await watch.after()) == [("forked_log", "checkpoint/1"), ("forked_log", "checkpoint/7")]


async def test_a_log_that_was_anchored_and_is_said_to_be_empty_is_found(world: World, watch: Watch) -> None:
    post(world.writer, 100)
    await world.settle()
    tamper(world.bank_url, "DELETE FROM log.checkpoint")
    assert await watch.after() == []
    assert await watch.after(LATE) == [("forked_log", "checkpoint/1")]


async def test_what_cannot_be_opened_keeps_nothing_else_from_it_and_is_tried_again(
    world: World, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(world.writer, 100)
    await world.settle()
    for size in (7, 8):
        world.regulator.mirrors.keep_finding(BANK, size, "the tiles do not give the anchored root", datetime.now(UTC))
    refusals, submit = [], world.regulator.findings._gateway.submit

    async def refuse(contract: str, function: str, *arguments: str) -> object:
        if "checkpoint/7" in arguments:
            refusals.append(arguments)
            raise GatewayError("too few members answer", "")
        return await submit(contract, function, *arguments)

    monkeypatch.setattr(world.regulator.findings._gateway, "submit", refuse)
    assert await watch.after() == [("forked_log", "checkpoint/8")]
    assert await watch.after() == []
    assert len(refusals) == 1, "not at every round"
    monkeypatch.undo()
    assert await watch.after(LATE) == [("forked_log", "checkpoint/7")]


async def test_what_the_mirror_found_becomes_a_finding(world: World, watch: Watch) -> None:
    post(world.writer, 100)
    await world.settle()
    world.regulator.mirrors.keep_finding(BANK, 1, "the tiles do not give the anchored root", datetime.now(UTC))
    assert await watch.after() == [("forked_log", "checkpoint/1")]


async def test_a_demand_that_is_not_answered_is_found_and_one_that_is_late_but_answered_is_not(
    world: World, watch: Watch
) -> None:
    post(world.writer, 100, 250)
    await world.settle()
    silence(world, "Disclose")
    request = pb.DemandDisclosureRequest(organization=BANK, seqs=[1, 2], purpose="review")
    following = asyncio.create_task(world.bank.indexer.follow(stop=len(world.consortium.blocks)))
    with pytest.raises(RpcError):
        await world.call(world.regulator_handlers, REGULATOR, "DemandDisclosure", request, pb.DemandDisclosureResponse)
    await following
    assert await watch.after() == []
    found = await watch.after(LONG_LATE)
    assert [kind for kind, _ in found] == ["unanswered_demand"]
    assert found[0][1].startswith("demand/")
    silence(world)
    following = asyncio.create_task(world.bank.indexer.follow(stop=len(world.consortium.blocks)))
    await world.call(world.regulator_handlers, REGULATOR, "DemandDisclosure", request, pb.DemandDisclosureResponse)
    await following
    watch.restarted()
    assert await watch.after(LONG_LATE) == []


# What becomes of it ---------------------------------------------------------------------------------------------------


async def opened(world: World) -> pb.AuditFinding:
    request = pb.OpenFindingRequest(
        organization=BANK, kind="other", subject="entry/17", evidence="The examiner counted the vault."
    )
    reply = await world.call(world.regulator_handlers, REGULATOR, "OpenFinding", request, pb.OpenFindingResponse)
    await world.index()
    return reply.finding


async def move(world: World, by: str, number: str, **step: object) -> pb.AuditFinding:
    handlers = world.bank_handlers if by == BANK else world.regulator_handlers
    request = pb.MoveFindingRequest(finding_id=number, **step)
    reply = await world.call(handlers, by, "MoveFinding", request, pb.MoveFindingResponse)
    await world.index()
    return reply.finding


async def told(world: World, number: str) -> pb.AuditFinding:
    request = pb.GetFindingRequest(finding_id=number)
    reply = await world.call(world.regulator_handlers, REGULATOR, "GetFinding", request, pb.GetFindingResponse)
    return reply.finding


async def listed(world: World, **wanted: str) -> list[str]:
    request = pb.ListFindingsRequest(**wanted)
    reply = await world.call(world.regulator_handlers, REGULATOR, "ListFindings", request, pb.ListFindingsResponse)
    return [finding.finding_id for finding in reply.findings]


async def test_both_sides_read_evidence_and_explanations_and_the_shared_ledger_has_none_of_them(world: World) -> None:
    finding = await opened(world)
    number = finding.finding_id
    assert number == finding_id_of(REGULATOR, "other", BANK, "entry/17")
    explained = await move(world, BANK, number, explanation="A rainy day: the vault was under water.")
    assert explained.status == "explained"
    found = await told(world, number)
    assert found.evidence == "The examiner counted the vault."
    assert found.steps[1].explanation == "A rainy day: the vault was under water."
    assert [step.by for step in found.steps] == [REGULATOR, BANK]
    for state in world.consortium.states["audit"].values.values():
        assert b"vault" not in state
        assert b"rainy" not in state
    assert (await move(world, REGULATOR, number, escalate=True)).status == "escalated"
    closed = await move(world, REGULATOR, number, close_as="sanctioned")
    assert (closed.status, closed.steps[-1].outcome) == ("closed", "sanctioned")


async def test_findings_are_listed_by_status_and_organization(world: World) -> None:
    number = (await opened(world)).finding_id
    assert await listed(world) == [number]
    assert await listed(world, status="open", organization=BANK) == [number]
    await move(world, BANK, number, explanation="it was counted again")
    assert await listed(world, status="open") == []
    assert await listed(world, status="explained") == [number]
    assert await listed(world, organization=PARTNER) == []


@pytest.mark.every_postgres
async def test_a_text_that_does_not_open_its_commitment_is_not_believed(world: World) -> None:
    number = (await opened(world)).finding_id
    await move(world, BANK, number, explanation="as agreed")
    world.line.bend = lambda path, reply: (
        pb.ReadFindingTextResponse(salt=bytes(32), text="as agreed").SerializeToString()
        if path == f"/{SERVICE}/ReadFindingText"
        else reply
    )
    found = await told(world, number)
    assert found.steps[1].explanation == ""
    assert len(found.steps[1].explanation_commitment) == 32


async def test_texts_are_given_to_nobody_else(world: World) -> None:
    finding = await opened(world)
    request = pb.ReadFindingTextRequest(finding_id=finding.finding_id, commitment=finding.evidence_commitment)
    reply = await world.call(world.regulator_handlers, BANK, "ReadFindingText", request, pb.ReadFindingTextResponse)
    assert reply.text == "The examiner counted the vault."
    wrong = pb.ReadFindingTextRequest(finding_id=finding.finding_id, commitment=bytes(32))
    unknown = pb.ReadFindingTextRequest(finding_id="00" * 16, commitment=finding.evidence_commitment)
    for caller, asked, code in (
        (PARTNER, request, StatusCode.PERMISSION_DENIED),
        (BANK, wrong, StatusCode.PERMISSION_DENIED),
        (BANK, unknown, StatusCode.NOT_FOUND),
    ):
        with pytest.raises(RpcError) as refused:
            await world.call(world.regulator_handlers, caller, "ReadFindingText", asked, pb.ReadFindingTextResponse)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("method", "request_", "reply"),
    [
        ("OpenFinding", pb.OpenFindingRequest(organization=BANK, kind="other", subject="log"), pb.OpenFindingResponse),
        (
            "OpenFinding",
            pb.OpenFindingRequest(
                organization="DwaybnkMSP", kind="other", subject="log", evidence="A slip of the pen."
            ),
            pb.OpenFindingResponse,
        ),
        ("MoveFinding", pb.MoveFindingRequest(finding_id="00" * 16), pb.MoveFindingResponse),
        ("MoveFinding", pb.MoveFindingRequest(finding_id="x", escalate=True), pb.MoveFindingResponse),
        ("MoveFinding", pb.MoveFindingRequest(finding_id="00" * 16, explanation="a\x00"), pb.MoveFindingResponse),
        ("ListFindings", pb.ListFindingsRequest(status="fine"), pb.ListFindingsResponse),
        ("GetFinding", pb.GetFindingRequest(finding_id="é"), pb.GetFindingResponse),
    ],
)
async def test_fields_that_cannot_be_used_are_refused(
    world: World, method: str, request_: pb.GetFindingRequest, reply: type[pb.GetFindingResponse]
) -> None:
    with pytest.raises(RpcError) as refused:
        await world.call(world.regulator_handlers, REGULATOR, method, request_, reply)
    assert refused.value.code == StatusCode.INVALID_ARGUMENT


async def test_what_the_contract_refuses_changes_nothing(world: World) -> None:
    number = (await opened(world)).finding_id
    with pytest.raises((RpcError, GatewayError)):
        await move(world, REGULATOR, number, explanation="it explains itself")
    with pytest.raises((RpcError, GatewayError)):
        await move(world, BANK, number, close_as="mistaken")
    with pytest.raises((RpcError, GatewayError)):
        await move(world, REGULATOR, number, close_as="forgotten")
    assert await listed(world, status="open") == [number]
