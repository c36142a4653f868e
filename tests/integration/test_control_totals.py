"""Aim: totals that do not balance, shrink, are not those that were anchored, or do not fit disclosed entries are found.

Method: a bank and a regulator on an in-memory channel of genuine blocks; a dishonest bank anchors totals of its own
making, opens others than it anchored, or none; the regulator's clock is moved by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta

import pytest

from network.audit_record import commit_controls
from network.errors import ProofError, RpcError
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.rpc import StatusCode
from node.anchor.leaf_source import Totals
from node.audit.control_totals import check_opening
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR, ConsortiumInMemory, Material, make_material
from tests.support.trails import World, post, running_world

LATE = timedelta(seconds=61)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture
async def world(material: Material, database_url: str, regulator_url: str) -> AsyncIterator[World]:
    async with running_world(ConsortiumInMemory(material), database_url, regulator_url) as world:
        yield world


async def anchored(world: World, *amounts: int) -> None:
    post(world.writer, *amounts)
    await world.settle()


async def watched(world: World, later: timedelta = timedelta(0)) -> list[tuple[str, str]]:
    """Return what the regulator opens now, its clock moved on for good."""
    supervisor = world.regulator.supervisor
    assert supervisor is not None
    for part in (supervisor, *supervisor._watches, *(getattr(each, "_lasting", None) for each in supervisor._watches)):
        if hasattr(part, "_now"):
            part._now = lambda now=part._now: now() + later
    opened = await supervisor.watch()
    await world.index()
    return [(matter.kind, matter.subject) for matter in opened]


def tell_of_sums(world: World, change: Callable[[Mapping[str, Totals]], Mapping[str, Totals]]) -> None:
    """Have the bank's anchorer make its totals from something else than its books."""
    source = world.bank.anchorer._source
    assert source is not None
    honest = source.control_totals
    source.control_totals = lambda first, last: change(honest(first, last))  # type: ignore[method-assign]


async def totals(world: World) -> list[tuple[int, str, str, str]]:
    reply = await world.call(
        world.regulator_handlers, REGULATOR, "ListControlTotals", pb.ListControlTotalsRequest(),
        pb.ListControlTotalsResponse,
    )  # fmt: skip
    assert all(opened.transaction_id and opened.block_number for opened in reply.totals)
    return [
        (opened.size, total.asset, total.debits_minor, total.credits_minor)
        for opened in reply.totals
        for total in opened.totals
    ]


async def disclose(world: World, *seqs: int) -> None:
    following = asyncio.create_task(world.bank.indexer.follow(stop=len(world.consortium.blocks)))
    request = pb.DemandDisclosureRequest(organization=BANK, seqs=seqs, purpose="review")
    await world.call(world.regulator_handlers, REGULATOR, "DemandDisclosure", request, pb.DemandDisclosureResponse)
    await following
    await world.index()


async def test_totals_of_an_honest_bank_are_opened_kept_and_found_right(world: World) -> None:
    await anchored(world, 100, 250)
    assert await watched(world) == []
    await anchored(world, 50)
    assert await watched(world) == []
    assert await totals(world) == [(2, "EUR", "350", "350")], "the next are kept ten minutes later"
    await anchored(world, 7)
    assert await watched(world, timedelta(minutes=10)) == []
    assert await totals(world) == [(4, "EUR", "407", "407"), (2, "EUR", "350", "350")]
    await disclose(world, 1, 2, 3, 4)
    assert await watched(world, LATE) == []


async def test_totals_that_do_not_balance_are_found(world: World) -> None:
    tell_of_sums(world, lambda sums: {asset: Totals(each.debits, each.credits - 1) for asset, each in sums.items()})
    await anchored(world, 100)
    assert await watched(world) == [("imbalanced_totals", "checkpoint/1")]
    assert await totals(world) == [(1, "EUR", "100", "99")], "they are kept as evidence"
    assert await watched(world) == []


async def test_totals_that_shrink_are_found(world: World) -> None:
    await anchored(world, 100)
    assert await watched(world) == []
    tell_of_sums(world, lambda sums: {asset: Totals(-40, -40) for asset in sums})
    await anchored(world, 100)
    assert await watched(world) == [("imbalanced_totals", "checkpoint/2")]


async def test_totals_that_shrink_are_found_after_a_restart_too(world: World) -> None:
    await anchored(world, 100)
    assert await watched(world) == []
    assert world.regulator.supervisor is not None
    for watch in world.regulator.supervisor._watches:
        if hasattr(watch, "_known"):
            watch._known.clear()
    tell_of_sums(world, lambda sums: {asset: Totals(-40, -40) for asset in sums})
    await anchored(world, 100)
    assert await watched(world) == [("imbalanced_totals", "checkpoint/2")]


async def test_an_asset_that_vanishes_is_found(world: World) -> None:
    await anchored(world, 100)
    assert await watched(world) == []
    tell_of_sums(world, lambda sums: {"USD": Totals(1, 1), "EUR": Totals(-100, -100)})
    await anchored(world, 100)
    assert await watched(world) == [("imbalanced_totals", "checkpoint/2")]


async def test_totals_too_small_for_a_disclosed_entry_are_found_when_it_is_disclosed(world: World) -> None:
    tell_of_sums(world, lambda sums: {asset: Totals(90, 90) for asset in sums})
    await anchored(world, 100, 20, 30)
    assert await watched(world) == [], "they balance"
    await disclose(world, 2)
    assert await watched(world) == []
    await disclose(world, 1)
    assert await watched(world) == [("imbalanced_totals", "checkpoint/3")]


async def test_totals_with_more_than_all_disclosed_entries_have_are_found(world: World) -> None:
    tell_of_sums(world, lambda sums: {asset: Totals(each.debits + 7, each.credits + 7) for asset, each in sums.items()})
    await anchored(world, 100, 20)
    await disclose(world, 1)
    assert await watched(world) == []
    await disclose(world, 2)
    assert await watched(world) == [("imbalanced_totals", "checkpoint/2")]


@pytest.mark.parametrize(
    "given",
    [
        '{"EUR":{"credits":"90","debits":"90"}}',
        '{"EUR":{"credits": "100","debits":"100"}}',
        "",
        "no totals",
        "no\x00totals",
    ],
)
async def test_totals_that_were_not_anchored_are_found_at_once_and_not_kept(world: World, given: str) -> None:
    await anchored(world, 100)

    def bend(path: str, reply: bytes) -> bytes:
        if not path.endswith("/OpenControlTotals"):
            return reply
        opened = pb.OpenControlTotalsResponse.FromString(reply)
        return pb.OpenControlTotalsResponse(totals=given, salt=opened.salt).SerializeToString()

    world.line.bend = bend
    assert await watched(world) == [("unopened_totals", "checkpoint/1")]
    assert await totals(world) == []


@pytest.mark.parametrize(
    ("totals_", "reason"),
    [
        ("[]", "malformed_totals"),
        ('{"EUR":{"debits":"1"}}', "malformed_totals"),
        ('{"EUR":{"credits":"-1","debits":"-1"}}', "malformed_totals"),
        ('{"EUR":{"credits":"01","debits":"1"}}', "malformed_totals"),
        ('{"EUR":{"credits":1,"debits":1}}', "malformed_totals"),
        ('{"\\u0000":{"credits":"1","debits":"2"}}', "malformed_totals"),
        ('{"\\ud800":{"credits":"1","debits":"2"}}', "malformed_totals"),
        ('{"EUR":{"credits":"1","debits":"1"},"EUR":{"credits":"2","debits":"2"}}', "malformed_totals"),
    ],
)
def test_what_is_anchored_and_is_no_totals_is_refused(totals_: str, reason: str) -> None:
    salt = bytes(32)
    with pytest.raises(ProofError) as refused:
        check_opening(totals_, salt, commit_controls(totals_, salt))
    assert refused.value.reason == reason


async def test_totals_that_are_not_opened_are_found_after_the_deadline(world: World) -> None:
    await anchored(world, 100)

    def refuse(path: str, reply: bytes) -> bytes:
        if path.endswith("/OpenControlTotals"):
            raise RpcError(StatusCode.PERMISSION_DENIED, "not today")
        return reply

    world.line.bend = refuse
    assert await watched(world) == []
    assert await watched(world, LATE) == [("unopened_totals", "checkpoint/1")]
    await anchored(world, 250)
    assert await watched(world) == [], "the log grew on: it is the same matter"


async def test_totals_are_opened_to_supervisors_alone(world: World) -> None:
    await anchored(world, 100)
    request = pb.OpenControlTotalsRequest(size=1)
    with pytest.raises(RpcError) as refused:
        await world.call(world.bank_handlers, PARTNER, "OpenControlTotals", request, pb.OpenControlTotalsResponse)
    assert refused.value.code == StatusCode.PERMISSION_DENIED
    for size, code in ((0, StatusCode.INVALID_ARGUMENT), (7, StatusCode.NOT_FOUND)):
        unknown = pb.OpenControlTotalsRequest(size=size)
        with pytest.raises(RpcError) as refused:
            await world.call(world.bank_handlers, REGULATOR, "OpenControlTotals", unknown, pb.OpenControlTotalsResponse)
        assert refused.value.code == code


async def test_entries_anchored_without_their_decisions_are_found_after_the_deadline(world: World) -> None:
    await anchored(world, 100)
    assert await watched(world) == []
    epochs, world.bank.anchorer._epochs = world.bank.anchorer._epochs, None
    await anchored(world, 250)
    assert await watched(world) == []
    assert await watched(world, LATE) == [("missing_decisions", "checkpoint/2")]
    await anchored(world, 300)
    assert await watched(world, LATE) == [], "the log grew on: it is the same matter"
    world.bank.anchorer._epochs = epochs
    await anchored(world, 50)
    assert await watched(world, LATE) == []


async def test_a_log_whose_decisions_follow_a_little_later_each_time_is_not_late(world: World) -> None:
    epochs = world.bank.anchorer._epochs
    for amount in (100, 250, 300):
        world.bank.anchorer._epochs = epochs
        await world.bank.anchorer._anchor_epochs(world.bank.store.head().size)
        world.bank.anchorer._epochs = None
        await anchored(world, amount)
        assert await watched(world, timedelta(seconds=40)) == []
