"""Aim: the anchorer goes on after every failure, says in one sentence why it stands still, and measures what it did.

Method: a log in memory behind the store's interface, and a gateway that fails as told.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from nacl.signing import SigningKey

from network.audit_record import commit_controls
from network.checkpoint import verifier_key
from network.errors import CommitError, CommitStatusError, EndorseError, GatewayError
from network.merkle import EMPTY_ROOT, TileWriter, leaf_hash
from node.anchor import anchorer as module
from node.anchor.anchorer import Anchorer
from node.anchor.errors import AnchorError, LogError
from node.anchor.leaf_source import Sealable, Totals
from node.anchor.sealer import Sealer, log_origin, witness_name
from node.anchor.store import EMPTY_HEAD, AnchorTime, ControlOpening, Head, LogStore

KEY, WITNESS = SigningKey(bytes(31) + b"\x01"), SigningKey(bytes(31) + b"\x02")
START = datetime(2026, 3, 1, tzinfo=UTC)


class Source:
    """Rows that a test adds."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self.stalled = ""

    def add(self, count: int) -> None:
        self.leaves += [
            leaf_hash(index.to_bytes(4, "big")) for index in range(len(self.leaves), len(self.leaves) + count)
        ]

    def posted_seq(self) -> int:
        return len(self.leaves)

    def sealable(self, from_seq: int, limit: int) -> Sealable:
        return Sealable(self.leaves[from_seq - 1 : from_seq - 1 + limit], self.stalled)

    def posted_at(self, from_seq: int, to_seq: int) -> list[datetime]:
        return [START + timedelta(milliseconds=seq) for seq in range(from_seq, to_seq + 1)]

    def control_totals(self, from_seq: int, to_seq: int) -> dict[str, Totals]:
        return {"EUR": Totals(to_seq - from_seq + 1, to_seq - from_seq + 1)}


class Store:
    """A log in memory."""

    def __init__(self) -> None:
        self.heads: list[Head] = [EMPTY_HEAD]
        self.writer = TileWriter()
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.openings: dict[int, ControlOpening] = {}
        self.times: list[AnchorTime] = []

    def keep_anchor_time(self, anchored: AnchorTime) -> None:
        self.times.insert(0, anchored)

    def anchor_times(self, count: int) -> list[AnchorTime]:
        return self.times[:count]

    def head(self) -> Head:
        return self.heads[-1]

    def head_at(self, size: int) -> Head:
        for head in self.heads:
            if head.size == size:
                return head
        raise LogError(f"no checkpoint of {size}")

    def head_up_to(self, size: int) -> Head:
        return max((head for head in self.heads if head.size <= size), key=lambda head: head.size)

    def append(self, first: int, leaves: list[bytes], sign: Callable[[int, bytes], bytes], now: datetime) -> Head:
        assert first == self.writer.size
        for tile in self.writer.append(leaves):
            self.tiles[tile.level, tile.index] = tile.hashes
        root = self.writer.root()
        self.heads.append(Head(self.writer.size, root, sign(self.writer.size, root), now))
        return self.heads[-1]

    def read_tile(self, level: int, index: int) -> bytes:
        return self.tiles.get((level, index), b"")

    def control_opening(self, size: int) -> ControlOpening | None:
        return self.openings.get(size)

    def keep_control_opening(self, size: int, opening: ControlOpening) -> ControlOpening:
        return self.openings.setdefault(size, opening)


class Gateway:
    """A contract's memory; ``refuse`` may raise before a call takes effect."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.refuse: Callable[[str], None] = lambda function: None

    async def evaluate(self, chaincode: str, function: str, *args: bytes | str) -> bytes:
        self.calls.append(function)
        self.refuse(function)
        if function not in self.records:
            raise GatewayError("Evaluate: chaincode response 404, not_found: nothing yet", "tx", 2)
        return json.dumps(self.records[function]).encode()

    async def submit(self, chaincode: str, function: str, *args: bytes | str) -> None:
        self.calls.append(function)
        self.refuse(function)
        text = [arg.decode() if isinstance(arg, bytes) else arg for arg in args]
        if function == "RegisterLog":
            self.records["GetLog"] = {
                "verifier_key": text[1], "size": 0, "root": base64.b64encode(EMPTY_ROOT).decode()
            }  # fmt: skip
        elif function == "RegisterWitness":
            self.records["GetWitness"] = {"cosigner_key": text[1]}
        elif function == "AnchorCheckpoint":
            _, size, root = text[0].split("\n")[:3]
            self.records["GetLog"] |= {"size": int(size), "root": root}


class World:
    """An anchorer with its surroundings; ``before`` is the world it is restarted in."""

    def __init__(self, *, with_books: bool = True, interval_s: float = 0.01, before: World | None = None) -> None:
        self.source, self.store, self.gateway = Source(), Store(), Gateway()
        if before is not None:
            self.source, self.store, self.gateway = before.source, before.store, before.gateway
        store = cast(LogStore, self.store)
        sealer = Sealer("BankMSP", KEY, self.source, store, lambda: START) if with_books else None
        self.anchorer = Anchorer(
            "BankMSP",
            log_key=KEY,
            witness_key=WITNESS,
            gateway=self.gateway,
            sealer=sealer,
            store=store,
            source=self.source if with_books else None,
            epochs=None,
            now=lambda: START + timedelta(seconds=1),
            random_bytes=lambda count: bytes(count),
            interval_s=interval_s,
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - the condition is no event of this loop
                await asyncio.sleep(0.005)

    def size(self) -> int:
        return int(self.gateway.records.get("GetLog", {}).get("size", -1))


async def test_first_start_registers_both_keys_and_later_ones_none() -> None:
    world = World()
    await world.anchorer.register()
    await world.anchorer.register()
    assert world.gateway.calls.count("RegisterLog") == world.gateway.calls.count("RegisterWitness") == 1


async def test_organization_without_books_registers_its_witness_key_only() -> None:
    world = World(with_books=False)
    await world.anchorer.register()
    assert "RegisterLog" not in world.gateway.calls
    assert await world.anchorer.anchor() is False


@pytest.mark.parametrize(("record", "field", "name"), [
    ("GetLog", "verifier_key", log_origin("BankMSP")), ("GetWitness", "cosigner_key", witness_name("BankMSP")),
])  # fmt: skip
async def test_another_key_on_the_ledger_stops_registration_and_names_it(record: str, field: str, name: str) -> None:
    world = World()
    await world.anchorer.register()
    world.gateway.records[record][field] = verifier_key("other", KEY)
    with pytest.raises(LogError, match=name):
        await world.anchorer.register()


@pytest.mark.parametrize("failure", [
    EndorseError("no peer answers", "tx"), CommitStatusError("the answer was lost", "tx"),
    CommitError("committed as MVCC_READ_CONFLICT (11)", "tx", 11), AnchorError("the database is gone"),
])  # fmt: skip
async def test_background_work_goes_on_after_a_failure_and_says_what_it_was(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    world = World()

    def refuse(function: str) -> None:
        if function == "AnchorCheckpoint":
            raise failure

    world.gateway.refuse = refuse
    world.source.add(3)
    await world.anchorer.start()
    await world.until(lambda: world.anchorer.stalled == str(failure))
    world.gateway.refuse = lambda function: None
    await world.until(lambda: world.size() == 3)
    await world.until(lambda: world.anchorer.stalled == "")
    await world.anchorer.stop()


async def test_time_that_anchoring_stands_still_is_told_until_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    world = World()

    def refuse(function: str) -> None:
        raise EndorseError("no peer answers", "tx")

    await world.anchorer.start()
    await world.until(lambda: world.size() == 0 and world.anchorer.stood_s == 0)
    world.source.add(3)
    world.gateway.refuse = refuse
    await world.until(lambda: world.anchorer.stood_s > 0.2)
    assert world.anchorer.stalled == "no peer answers"
    world.gateway.refuse = lambda function: None
    await world.until(lambda: world.size() == 3 and world.anchorer.stood_s == 0)
    await world.anchorer.stop()


async def test_ledger_that_answers_nothing_at_all_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENT_S", 0.2)
    world = World()

    async def silent(*_: object) -> None:
        await asyncio.Event().wait()

    await world.anchorer.start()
    await world.until(lambda: world.size() == 0 and world.anchorer.stood_s == 0)
    monkeypatch.setattr(world.gateway, "submit", silent)
    world.source.add(3)
    await world.until(lambda: world.anchorer.stalled.startswith("the shared ledger has answered nothing for 0 s"))
    await world.anchorer.stop()


async def test_idle_anchorer_asks_the_ledger_nothing() -> None:
    world = World()
    world.source.add(2)
    await world.anchorer.start()
    await world.until(lambda: world.size() == 2)
    await asyncio.sleep(0.05)
    asked = len(world.gateway.calls)
    await asyncio.sleep(0.1)
    assert len(world.gateway.calls) == asked
    await world.anchorer.stop()


async def test_anchor_adds_no_more_entries_than_others_copy_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.anchor.anchorer.ANCHOR_ENTRIES_MAX", 20_000)
    world = World()
    await world.anchorer.register()
    world.source.add(50_000)
    sizes = []
    while await world.anchorer.anchor():
        sizes.append(world.size())
    assert sizes == [20_000, 40_000, 50_000]


async def test_wake_anchors_before_the_interval_ends() -> None:
    world = World(interval_s=60)
    await world.anchorer.start()
    await world.until(lambda: world.size() == 0)
    await asyncio.sleep(0.05)
    world.source.add(1)
    world.anchorer.wake()
    await world.until(lambda: world.size() == 1)
    await world.anchorer.stop()


async def test_head_of_another_log_on_the_ledger_stops_everything() -> None:
    world = World()
    await world.anchorer.register()
    world.source.add(2)
    await world.anchorer.anchor()
    world.source.add(1)
    world.gateway.records["GetLog"]["root"] = base64.b64encode(leaf_hash(b"other")).decode()
    with pytest.raises(LogError, match="another log"):
        await world.anchorer.anchor()
    assert world.gateway.calls.count("AnchorCheckpoint") == 1


async def test_row_nobody_signed_for_is_what_stalled_says() -> None:
    world = World()
    await world.anchorer.register()
    world.source.stalled = "entry 1 stands in the books, but nobody signed for it"
    await world.anchorer.anchor()
    assert world.anchorer.stalled == world.source.stalled
    await world.anchorer.start()
    await world.until(lambda: world.anchorer.stood_s > 0.1)
    await world.anchorer.stop()


async def test_lag_is_told_over_the_newest_entries() -> None:
    world = World()
    await world.anchorer.register()
    assert world.anchorer.lag().p95 == timedelta()
    world.source.add(100)
    await world.anchorer.anchor()
    # Row n was posted n milliseconds after the start, and everything was anchored one second after it.
    assert world.anchorer.lag().p50 == timedelta(milliseconds=950)
    assert world.anchorer.lag().p95 == timedelta(milliseconds=995)


async def test_lag_is_still_told_after_a_restart() -> None:
    world = World()
    await world.anchorer.register()
    world.source.add(100)
    await world.anchorer.anchor()
    before = world.anchorer.lag()
    restarted = World(before=world)
    await restarted.anchorer.start()
    await restarted.until(lambda: restarted.anchorer.lag() == before)
    await restarted.anchorer.stop()


async def test_anchors_that_cannot_be_measured_again_keep_nothing_from_being_anchored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.source.add(2)

    def refuse(count: int) -> list[AnchorTime]:
        raise AnchorError("a time is out of range")

    monkeypatch.setattr(world.store, "anchor_times", refuse)
    await world.anchorer.start()
    await world.until(lambda: world.size() == 2)
    assert world.anchorer.stalled == ""
    await world.anchorer.stop()


async def test_opening_of_the_totals_is_kept_before_its_commitment_is_shown_and_stays() -> None:
    world = World()
    await world.anchorer.register()
    world.source.add(4)

    def refuse(function: str) -> None:
        if function == "AnchorCheckpoint":
            assert 4 in world.store.openings
            raise EndorseError("refused", "tx")

    world.gateway.refuse = refuse
    with pytest.raises(EndorseError):
        await world.anchorer.anchor()
    first = world.store.openings[4]
    world.gateway.refuse = lambda function: None
    await world.anchorer.anchor()
    assert world.store.openings[4] is first
    assert first.commitment == commit_controls(first.totals, first.salt)
    assert json.loads(first.totals) == {"EUR": {"credits": "4", "debits": "4"}}
