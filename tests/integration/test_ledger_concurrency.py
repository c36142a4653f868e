"""Many callers at once through the engine: every caller is answered, no money is made or lost, nothing is done twice.

Method: a hundred coroutines post transfers, chains, holds, captures and releases, repeat themselves, give up waiting,
and send what can never be right, while the clock runs, holds expire and an account is frozen now and then. Then the
entries are replayed in the order of their numbers, which must be an order the callers could have seen.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ledger.audit import recompute_leaves, verify_books
from ledger.balances import trial_balance
from ledger.errors import FencedError, InvalidValueError
from ledger.hold import HoldRelease, NewHold
from ledger.journal import EntryResult, ResultCode, transfer
from ledger.schema import migrate
from node.books.books import Books
from tests.support.books import Clock, new_writer, open_accounts, verify

CALLERS = 100
CALLS = 12
CUSTOMERS = [f"customer:{number}" for number in range(8)]
OPENING = 500
HOLD_FLAG = 1 << 60


@dataclass
class World:
    """What the callers were told.

    Args:
        numbers: of posted entries, by key.
        newest: highest number anyone was told, so that a later call must get a higher one.
        codes: how often each code was told.
    """

    books: Books
    clock: Clock
    url: str
    numbers: dict[uuid.UUID, int] = field(default_factory=dict)
    newest: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    answered: int = 0

    async def post(self, *requests: Any) -> list[Any]:
        before = self.newest
        results = await self.books.post_batch(requests)
        assert len(results) == len(requests)
        self.answered += 1
        for request, result in zip(requests, results, strict=True):
            self.codes[result.code.text] += 1
            if isinstance(result, EntryResult) and result.seq is not None:
                assert self.numbers.setdefault(request.key, result.seq) == result.seq
                if result.code is ResultCode.POSTED:
                    assert result.seq > before
                self.newest = max(self.newest, result.seq)
        return results


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
        open_accounts(connection, "cash EUR debit -\n" + "\n".join(f"{name} EUR credit 0" for name in CUSTOMERS))
    clock = Clock()
    books = Books(database_url, new_writer(database_url, clock), now=clock)
    await books.start()
    made = World(books, clock, database_url)
    try:
        for number, name in enumerate(CUSTOMERS):
            await made.post(transfer(uuid.UUID(int=number + 1), "cash", name, OPENING))
        yield made
    finally:
        await books.stop()


class Caller:
    """One of many; its keys are its own."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.draw = random.Random(number)
        self.used = 0

    def key(self) -> uuid.UUID:
        self.used += 1
        return uuid.UUID(int=(self.number + 1) << 32 | self.used)

    def two(self) -> tuple[str, str]:
        first, second = self.draw.sample(CUSTOMERS, 2)
        return first, second

    async def live(self) -> int:
        """Call again and again; return how many answers were due."""
        due = 0
        for _ in range(CALLS):
            due += await self.draw.choice(
                [self.pay, self.pay, self.pay_in_a_chain, self.hold, self.give_up, self.err]
            )()
        return due

    async def pay(self) -> int:
        entry = transfer(self.key(), *self.two(), self.draw.randint(1, 300))
        first = await self.world.post(entry)
        again = await self.world.post(entry, entry)
        if first[0].code is ResultCode.POSTED:
            assert [(result.code, result.seq) for result in again] == [(ResultCode.EXISTS, first[0].seq)] * 2
        return 2

    async def pay_in_a_chain(self) -> int:
        first, second = self.two()
        amount = self.draw.randint(1, 300)
        chain = [transfer(self.key(), first, second, amount, linked=True), transfer(self.key(), second, "cash", amount)]
        codes = [result.code for result in await self.world.post(*chain)]
        assert codes.count(ResultCode.POSTED) in (0, 2)
        return 1

    async def hold(self) -> int:
        payer, payee = self.two()
        hold_id = uuid.UUID(int=HOLD_FLAG << 8 | self.key().int)
        seconds = self.draw.randint(1, 20)
        hold = NewHold(hold_id, payer, self.draw.randint(2, 200), self.world.clock() + timedelta(seconds=seconds))
        (placed,) = await self.world.post(hold)
        if placed.code is not ResultCode.POSTED:
            return 1
        part = hold.amount // 2
        captures = [transfer(self.key(), payer, payee, part, hold_id=hold_id) for _ in range(3)]
        racing = await asyncio.gather(
            *(self.world.post(capture) for capture in captures), self.world.post(HoldRelease(hold_id))
        )
        taken = sum(part for (result,) in racing[:3] if result.code is ResultCode.POSTED)
        assert taken <= hold.amount
        return 5

    async def give_up(self) -> int:
        """Go away before the answer; ask again later. Whatever became of it, it was done at most once."""
        entry = transfer(self.key(), *self.two(), 1)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.world.books.post_batch([entry]), self.draw.random() * 0.01)
        await self.world.post(entry)
        return 1

    async def err(self) -> int:
        """A call that can never be right fails alone."""
        first, second = self.two()
        entries = [transfer(self.key(), first, second, 1), transfer(self.key(), second, first, 1, linked=True)]
        with pytest.raises(InvalidValueError):
            await self.world.books.post_batch(entries)
        await self.world.post(transfer(self.key(), first, "customer:nobody", 1))
        return 1


async def disturb(world: World) -> None:
    """Let time pass and freeze a customer now and then, in line with the postings."""
    while True:
        await asyncio.sleep(0.02)
        world.clock.move(seconds=1)
        await world.books.set_account_status(CUSTOMERS[0], "frozen")
        await asyncio.sleep(0.005)
        await world.books.set_account_status(CUSTOMERS[0], "open")


async def test_many_callers_at_once_are_served_as_if_one_after_the_other(world: World) -> None:
    before = world.answered
    disturbing = asyncio.create_task(disturb(world))
    try:
        due = await asyncio.gather(*(Caller(world, number).live() for number in range(CALLERS)))
    finally:
        disturbing.cancel()
        with suppress(asyncio.CancelledError):
            await disturbing
    assert world.answered - before == sum(due)
    wanted = {"posted", "exists", "exceeds_available", "account_not_found", "linked_failed", "hold_not_placed"}
    assert wanted <= set(world.codes)
    await check(world)


async def check(world: World) -> None:
    """Replay the entries in the order of their numbers."""
    with psycopg.connect(world.url, autocommit=True) as connection:
        keys = dict(connection.execute("SELECT seq, key FROM ledger.entry").fetchall())
        legs = connection.execute(
            "SELECT seq, account, side, amount, balance_after FROM ledger.posting_view ORDER BY seq, number"
        ).fetchall()
        stored = {row[0]: row[1:] for row in connection.execute("SELECT reference, balance, held FROM ledger.account")}
        assert verify_books(connection) == []
        leaves = list(recompute_leaves(connection, verify))
        assert all(line.debit == line.credit for line in trial_balance(connection))
    assert all(leaf.covered and leaf.unchanged for leaf in leaves)
    assert sorted(keys) == list(range(1, len(keys) + 1)) and len(set(keys.values())) == len(keys)
    assert all(keys[seq] == key for key, seq in world.numbers.items())
    running = dict.fromkeys([*CUSTOMERS, "cash"], 0)
    for _, account, side, amount, balance_after in legs:
        running[account] += amount if (side == 1) == (account == "cash") else -amount
        assert running[account] == balance_after
    for account, (balance, held) in stored.items():
        assert balance == running[account]
        assert account == "cash" or 0 <= held <= balance
    assert running["cash"] == sum(running[name] for name in CUSTOMERS)


async def test_callers_of_a_replaced_engine_are_told_and_nothing_is_done_twice(world: World) -> None:
    """Another engine takes over in the middle; whoever was not answered asks there again."""
    successor = Books(world.url, new_writer(world.url, world.clock), now=world.clock)
    entries = [transfer(uuid.UUID(int=1 << 40 | number), "cash", CUSTOMERS[number % 8], 1) for number in range(400)]
    told: dict[int, int] = {}
    some_told, replaced = asyncio.Event(), asyncio.Event()

    async def post(number: int) -> None:
        if number >= 300:
            await replaced.wait()
        await asyncio.sleep(number * 0.0005)
        try:
            (result,) = await world.books.post_batch([entries[number]])
        except FencedError:
            return
        assert result.code is ResultCode.POSTED and result.seq is not None
        told[number] = result.seq
        some_told.set()

    async def replace() -> None:
        await some_told.wait()
        await successor.start()
        replaced.set()

    await asyncio.gather(replace(), *(post(number) for number in range(len(entries))))
    try:
        assert world.books.fenced
        assert 0 < len(told) < len(entries)
        results = await successor.post_batch(entries)
    finally:
        await successor.stop()
    assert {number: results[number].seq for number in told} == told
    assert all(results[number].code is ResultCode.EXISTS for number in told)
    assert len({result.seq for result in results}) == len(entries)
    await check(world)
