"""What the writer itself tells: holds and monitors, in the commit of what it tells, one by one whatever the batch.

A random run compares every event with a model that replays the answers one after the other and knows no batches."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ledger.audit import verify_books
from ledger.hold import HoldRelease, NewHold
from ledger.journal import NewEntry, ResultCode, transfer
from ledger.monitor_store import drop_monitor, set_monitor
from ledger.monitors import Field, Monitor, Operator
from ledger.posting import Writer
from tests.support.books import START as MORNING
from tests.support.books import Clock, key, open_accounts, open_writer
from tests.support.events import read_all

ACCOUNTS = """
    cash   EUR debit  -
    alice  EUR credit 0
    bob    EUR credit 0
"""


@dataclass
class Bench:
    writer: Writer
    clock: Clock
    connection: psycopg.Connection[Any]

    def watch(self, number: int, account: str, figure: Field, operator: Operator, value: int) -> Monitor:
        monitor = Monitor(uuid.UUID(int=number), account, figure, operator, value)
        assert set_monitor(self.writer.run, monitor, MORNING) == "created"
        return monitor

    def told(self) -> list[str]:
        """Return every event but entries, short: place, kind, which, amounts."""
        lines = []
        for event in read_all(self.connection, count_max=1000):
            payload = event.payload
            if event.kind == "monitor.fired":
                which = uuid.UUID(payload["monitor"]).int
                lines.append(f"{event.position} fired {which} {payload['balance_minor']} {payload['held_minor']}")
            elif event.kind.startswith("hold."):
                which, kind = uuid.UUID(payload["hold"]).int, event.kind.removeprefix("hold.")
                lines.append(f"{event.position} {kind} {which} {payload['amount_minor']} {payload['remaining_minor']}")
        return lines


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    clock = Clock()
    with (
        open_writer(database_url, clock) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, ACCOUNTS)
        yield Bench(writer, clock, connection)
        assert verify_books(connection) == []


def hold(number: int, amount: int, account: str = "alice", **more: Any) -> NewHold:
    return NewHold(key(number), account, amount, MORNING + timedelta(hours=1), **more)


def capture(number: int, of: int, amount: int, account: str = "alice", **more: Any) -> NewEntry:
    return transfer(key(number), account, "cash", amount, hold_id=key(of), **more)


def test_hold_is_told_from_its_placing_to_its_end(bench: Bench) -> None:
    post = bench.writer.post
    post([transfer(key(1), "cash", "alice", 100), hold(11, 30), hold(12, 20), hold(13, 10)])
    post([capture(2, 11, 5), capture(3, 11, 5, hold_final=True), HoldRelease(key(12))])
    bench.clock.move(hours=2)
    assert bench.writer.expire_holds() == 1
    assert bench.told() == [
        "1.1 placed 11 30 30", "1.2 placed 12 20 20", "1.3 placed 13 10 10", "2.1 captured 11 5 25",
        "3.1 captured 11 5 0", "3.2 released 12 20 0", "3.3 expired 13 10 0",
    ]  # fmt: skip


def test_what_is_refused_or_repeated_tells_nothing(bench: Bench) -> None:
    bench.watch(1, "alice", Field.HELD, Operator.ABOVE, 0)
    bench.writer.post([transfer(key(1), "cash", "alice", 10), hold(11, 10), HoldRelease(key(11))])
    told = bench.told()
    assert told == ["1.1 placed 11 10 10", "1.2 fired 1 10 10", "1.3 released 11 10 0"]
    bench.writer.post([hold(11, 10), HoldRelease(key(11)), hold(12, 11), HoldRelease(key(99)), capture(2, 11, 1)])
    assert bench.told() == told


def test_monitors_fire_on_balance_available_and_held_money(bench: Bench) -> None:
    bench.watch(1, "alice", Field.BALANCE, Operator.AT_LEAST, 100)
    bench.watch(2, "alice", Field.AVAILABLE, Operator.BELOW, 50)
    bench.watch(3, "alice", Field.HELD, Operator.ABOVE, 0)
    bench.writer.post(
        [
            transfer(key(1), "cash", "alice", 100),
            hold(11, 60),
            capture(2, 11, 60),
            transfer(key(3), "cash", "alice", 60),
            transfer(key(4), "cash", "bob", 60),
        ]
    )
    assert [line for line in bench.told() if "fired" in line] == [
        "1.1 fired 1 100 0", "1.3 fired 2 100 60", "1.4 fired 3 100 60", "3.1 fired 1 100 0",
    ]  # fmt: skip


def test_chain_that_fails_tells_nothing_and_one_that_stands_tells_all(bench: Bench) -> None:
    bench.watch(1, "alice", Field.BALANCE, Operator.AT_LEAST, 50)
    chain = [transfer(key(1), "cash", "alice", 60, linked=True), hold(11, 10, linked=True)]
    results = bench.writer.post([*chain, transfer(key(2), "bob", "cash", 1)])
    assert [result.code for result in results][-1] is ResultCode.EXCEEDS_AVAILABLE
    assert bench.told() == []
    bench.writer.post([*chain, transfer(key(3), "cash", "bob", 1)])
    assert bench.told() == ["1.1 fired 1 60 0", "1.2 placed 11 10 10"]


def test_dry_run_tells_nothing(bench: Bench) -> None:
    bench.watch(1, "alice", Field.BALANCE, Operator.AT_LEAST, 50)
    bench.writer.dry_run([transfer(key(1), "cash", "alice", 60), hold(11, 10)])
    assert bench.told() == []
    bench.writer.post([transfer(key(1), "cash", "alice", 60)])
    assert bench.told() == ["1.1 fired 1 60 0"]


def test_reversal_fires_like_any_entry(bench: Bench) -> None:
    bench.watch(1, "alice", Field.BALANCE, Operator.EQUAL, 0)
    bench.writer.post([transfer(key(1), "cash", "alice", 60), transfer(key(2), "alice", "cash", 60, reverses=1)])
    assert bench.told() == ["2.1 fired 1 0 0"]


def test_monitor_dropped_fires_no_more_and_one_set_in_between_fires_from_then_on(bench: Bench) -> None:
    first = bench.watch(1, "alice", Field.BALANCE, Operator.AT_LEAST, 10)
    bench.writer.post([transfer(key(1), "cash", "alice", 10), transfer(key(2), "alice", "cash", 5)])
    assert drop_monitor(bench.writer.run, first.id, MORNING) == "dropped"
    bench.watch(2, "alice", Field.BALANCE, Operator.AT_LEAST, 10)
    bench.writer.post([transfer(key(3), "cash", "alice", 5)])
    assert bench.told() == ["1.1 fired 1 10 0", "3.1 fired 2 10 0"]


@dataclass
class Model:
    """Replays answers one after the other; knows nothing of batches."""

    monitors: list[Monitor]
    balances: dict[str, int] = field(default_factory=lambda: {"cash": 0, "alice": 0, "bob": 0})
    held: dict[str, int] = field(default_factory=lambda: {"cash": 0, "alice": 0, "bob": 0})
    holds: dict[int, tuple[str, int]] = field(default_factory=dict)
    seq: int = 0
    number: int = 0
    lines: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        self.number += 1
        self.lines.append(f"{self.seq}.{self.number} {text}")

    def truth(self) -> list[bool]:
        found = []
        for monitor in self.monitors:
            balance, held = self.balances[monitor.account], self.held[monitor.account]
            seen = {"BALANCE": balance, "AVAILABLE": balance - held, "HELD": held}[monitor.field.name]
            symbol = monitor.operator.symbol
            found.append(seen > monitor.value if symbol == ">" else seen < monitor.value)
        return found

    def play(self, request: Any) -> None:
        """One accepted request."""
        before = self.truth()
        if isinstance(request, NewHold):
            self.holds[request.id.int] = (request.account, request.amount)
            self.held[request.account] += request.amount
            self.tell(f"placed {request.id.int} {request.amount} {request.amount}")
        elif isinstance(request, HoldRelease):
            account, rest = self.holds.pop(request.id.int)
            self.held[account] -= rest
            self.tell(f"released {request.id.int} {rest} 0")
        else:
            self.seq, self.number = self.seq + 1, 0
            for posting in request.postings:
                normal = 1 if posting.account == "cash" else 2
                self.balances[posting.account] += posting.amount if posting.side == normal else -posting.amount
            if request.hold_id is not None:
                account, rest = self.holds[request.hold_id.int]
                taken = request.postings[0].amount
                self.held[account] -= taken
                self.holds[request.hold_id.int] = (account, rest - taken)
                self.tell(f"captured {request.hold_id.int} {taken} {rest - taken}")
        fired = [m for m, was, now in zip(self.monitors, before, self.truth(), strict=True) if now and not was]
        touched = [posting.account for posting in request.postings] if isinstance(request, NewEntry) else ["alice"]
        for monitor in sorted(fired, key=lambda monitor: touched.index(monitor.account)):
            self.tell(f"fired {monitor.id.int} {self.balances[monitor.account]} {self.held[monitor.account]}")


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_batches_events_are_those_of_one_by_one(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    monitors = [
        bench.watch(number, account, figure, operator, chance.randrange(-5, 60))
        for number, (account, figure, operator) in enumerate(
            [(a, f, o) for a in ("alice", "bob", "cash") for f in Field for o in (Operator.ABOVE, Operator.BELOW)], 1
        )
    ]
    model = Model(monitors)
    requests: list[Any] = []
    placed = [0]
    for number in range(1, 250):
        amount, held = chance.randrange(1, 30), chance.choice(placed[-6:])
        pair = chance.choice([("cash", "alice"), ("alice", "bob"), ("bob", "alice")])
        match chance.randrange(6):
            case 0:
                requests.append(hold(number, amount))
                placed.append(number)
            case 1:
                requests.append(HoldRelease(key(held)))
            case 2 | 3:
                requests.append(capture(number, held, amount // 4 + 1))
            case _:
                requests.append(transfer(key(number), *pair, amount))
    left = list(requests)
    while left:
        size = chance.choice([1, 1, 2, 7, 40])
        batch, left = left[:size], left[size:]
        for request, result in zip(batch, bench.writer.post(batch), strict=True):
            if result.code is ResultCode.POSTED:
                model.play(request)
    assert bench.told() == model.lines
    assert {line.split()[1] for line in model.lines} == {"placed", "captured", "released", "fired"}
    assert len(model.lines) > 60
