"""Webhooks from the books to a receiver over real HTTP: order, signatures, retries, deaths and restarts, and that a
position never skips."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.balances import find_account
from ledger.errors import InvalidValueError
from ledger.event import HOLD_PLACED, WEBHOOK_DEAD, hold_changed
from ledger.journal import transfer
from ledger.outbox import START, Position, record_events
from ledger.posting import Writer
from network.operations.metrics import Metrics
from node.books.clock import BooksClock
from node.books.outbox_stream import Bell
from node.operations.books_metrics import WebhookMetrics
from node.webhooks.signature import decode_secret, verify
from node.webhooks.store import Webhook
from node.webhooks.webhooks import Webhooks, WebhookSettings
from tests.support.books import START as MORNING
from tests.support.books import Clock, key, open_accounts, open_writer
from tests.support.events import as_application, read_all
from tests.support.webhook_receiver import DRIP, DROP, FLOOD, GARBAGE, HANG, Receiver, open_receiver

ACCOUNTS = """
    cash        EUR debit  -
    shop:alice  EUR credit 0
    bank:carol  EUR credit 0
"""
HOOK = uuid.UUID(int=1)
PATIENT = WebhookSettings(timeout_s=30, poll_s=0.02)
HASTY = WebhookSettings(timeout_s=1.5, poll_s=0.02)
"""For endpoints that never answer; whoever answers must do so in this time, however busy the machine is."""


@dataclass
class Bench:
    url: str
    writer: Writer
    connection: psycopg.Connection[Any]
    clock: Clock
    bell: Bell
    secrets: Path
    hooks: Webhooks
    receiver: Receiver
    posted: int = 0

    def new_hooks(self, settings: WebhookSettings = PATIENT) -> Webhooks:
        return Webhooks(
            self.url,
            secrets_folder=self.secrets,
            bell=self.bell,
            now=self.clock,
            settings=settings,
            fraction=lambda: 0.0,
        )

    def post(self, count: int = 1, account: str = "shop:alice") -> None:
        numbers = range(self.posted + 1, self.posted + count + 1)
        self.posted += count
        self.writer.post([transfer(key(number), "cash", account, number) for number in numbers])
        self.bell.ring()

    def hold(self, number: int, account: str = "shop:alice") -> None:
        account_id = find_account(self.connection, account).facts.id
        event = hold_changed(HOLD_PLACED, uuid.UUID(int=number), account_id, self.posted, amount=5, remaining=5)
        with self.connection.transaction(), self.connection.cursor() as cursor:
            record_events(cursor, self.writer.epoch, [event], MORNING)
        self.bell.ring()

    async def add(self, **more: Any) -> bytes:
        code, secret = await self.hooks.add(HOOK, self.receiver.url, **{"after": START, **more})
        assert code == "created"
        return decode_secret(secret)

    async def restart(self, settings: WebhookSettings) -> None:
        await self.hooks.stop()
        self.hooks = self.new_hooks(settings)
        await self.hooks.start()

    async def hook(self, number: uuid.UUID = HOOK) -> Webhook:
        (found,) = [webhook for webhook in await self.hooks.all() if webhook.id == number]
        return found

    async def until(self, holds: Callable[[Webhook], bool]) -> Webhook:
        async with asyncio.timeout(30):
            # The database is what is asked: nothing in this process could wake the test.
            while not holds(webhook := await self.hook()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return webhook

    async def until_at(self, position: Position) -> Webhook:
        return await self.until(lambda webhook: webhook.position == position)

    async def until_failed(self, times: int) -> Webhook:
        return await self.until(lambda webhook: webhook.failures >= times)


@pytest.fixture
async def bench(database_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    clock = Clock()
    with (
        open_writer(database_url, clock) as writer,
        psycopg.connect(database_url, autocommit=True) as owner,
        as_application(database_url) as connection,
    ):
        open_accounts(owner, ACCOUNTS)
        async with open_receiver() as receiver:
            made = Bench(database_url, writer, connection, clock, Bell(), tmp_path, None, receiver)  # type: ignore[arg-type]
            made.hooks = made.new_hooks()
            await made.hooks.start()
            yield made
            await made.hooks.stop()


def evt(*numbers: int) -> list[str]:
    return [f"evt_{number}_0" for number in numbers]


async def test_events_arrive_signed_and_in_order(bench: Bench) -> None:
    secret = await bench.add()
    bench.post(3)
    bench.hold(7)
    await bench.until_at(Position(3, 1))
    assert bench.receiver.ids == [*evt(1, 2, 3), "evt_3_1"]
    assert [request.path for request in bench.receiver.received] == ["/hook?for=books"] * 4
    for request in bench.receiver.received:
        assert verify(request.headers, request.body, now=bench.clock(), secrets=[secret]) == request.id
        assert request.headers["webhook-signature"].count(",") == 2
    assert bench.receiver.received[3].message == {
        "type": "hold.placed",
        "timestamp": "2026-03-02T09:00:00.000000Z",
        "data": {
            "cursor": "3.1", "account": "shop:alice", "hold": str(uuid.UUID(int=7)),
            "amount_minor": "5", "remaining_minor": "5",
        },
    }  # fmt: skip
    assert bench.receiver.received[0].message["data"]["postings"][1]["amount_minor"] == "1"


async def test_messages_share_one_connection(bench: Bench) -> None:
    await bench.add()
    bench.post(50)
    await bench.until_at(Position(50, 0))
    assert bench.receiver.ids == evt(*range(1, 51))
    assert bench.receiver.connections == 1


async def test_endpoint_added_without_a_position_hears_only_of_what_follows(bench: Bench) -> None:
    bench.post(5)
    await bench.add(after=None)
    bench.post(1)
    await bench.until_at(Position(6, 0))
    assert bench.receiver.ids == evt(6)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (500, "status 500"),
        (404, "status 404"),
        (302, "status 302: redirects are not followed"),
        ((307, {"location": "http://127.0.0.1:1/elsewhere"}), "status 307: redirects are not followed"),
        (DROP, "the connection failed: RemoteProtocolError"),
        (GARBAGE, "the connection failed: RemoteProtocolError"),
        (HANG, "no answer within 1.5 s"),
        (DRIP, "no answer within 1.5 s"),
    ],
)
async def test_message_not_accepted_is_sent_again_before_what_follows(bench: Bench, answer: Any, reason: str) -> None:
    if answer in (HANG, DRIP):
        await bench.restart(HASTY)
    bench.receiver.answers = [204, answer, answer]
    await bench.add()
    bench.post(3)
    assert (await bench.until_failed(1)).last_failure == reason
    assert (await bench.hook()).position == Position(1, 0)
    bench.clock.move(seconds=0.5)
    assert (await bench.until_failed(2)).next_attempt_at is not None
    bench.clock.move(seconds=1)
    webhook = await bench.until_at(Position(3, 0))
    assert (webhook.failures, webhook.failing_since, webhook.next_attempt_at) == (0, None, None)
    assert bench.receiver.ids == evt(1, 2, 2, 2, 3)
    assert len({request.body for request in bench.receiver.received if request.id == "evt_2_0"}) == 1


async def test_answer_without_an_end_is_cut_off_and_counts_by_its_status(bench: Bench) -> None:
    bench.receiver.answers = [FLOOD]
    await bench.add()
    bench.post(2)
    await bench.until_at(Position(2, 0))
    assert bench.receiver.ids == evt(1, 2)


async def test_nothing_is_sent_nor_put_off_while_the_clock_is_not_believed(bench: Bench) -> None:
    machine = bench.clock
    bench.clock = BooksClock(machine, timedelta)  # type: ignore[assignment]
    await bench.restart(PATIENT)
    await bench.add()
    machine.move(days=10)
    bench.post(2)
    await asyncio.sleep(0.2)
    assert bench.receiver.ids == []
    machine.move(days=-10)
    await bench.until_at(Position(2, 0))
    assert bench.receiver.ids == evt(1, 2)


async def test_no_attempt_is_made_before_the_pause_has_passed(bench: Bench) -> None:
    bench.receiver.answers = [(503, {"retry-after": "120"})]
    await bench.add()
    bench.post(1)
    await bench.until_failed(1)
    bench.clock.move(seconds=119)
    bench.post(1)
    await asyncio.sleep(0.2)
    assert bench.receiver.ids == evt(1)
    bench.clock.move(seconds=1)
    await bench.until_at(Position(2, 0))
    assert bench.receiver.ids == evt(1, 1, 2)


async def test_endpoint_that_hangs_delays_no_other(bench: Bench) -> None:
    bench.receiver.always = HANG
    await bench.add()
    async with open_receiver() as other:
        await bench.hooks.add(uuid.UUID(int=2), other.url, after=START)
        bench.post(20)
        await other.wait_for(20)
        assert other.ids == evt(*range(1, 21))
    await bench.receiver.wait_for(1)
    assert bench.receiver.ids == evt(1)


async def test_endpoint_that_is_gone_is_given_up_and_told_of(bench: Bench) -> None:
    bench.receiver.answers = [204, 410]
    async with open_receiver() as other:
        await bench.hooks.add(uuid.UUID(int=2), other.url, after=START, kinds=[WEBHOOK_DEAD])
        await bench.add()
        bench.post(2)
        dead = await bench.until(lambda webhook: webhook.state == "dead")
        assert (dead.position, dead.last_failure) == (Position(1, 0), "status 410")
        await other.wait_for(1)
        assert other.received[0].message["data"] == {
            "cursor": "2.1", "webhook": str(HOOK), "at": "1.0", "failures": 1, "reason": "status 410",
        }  # fmt: skip
    bench.post(1)
    await asyncio.sleep(0.2)
    assert bench.receiver.ids == evt(1, 2)
    assert await bench.hooks.resume(HOOK)
    await bench.until_at(Position(3, 0))
    assert bench.receiver.ids == [*evt(1, 2, 2), "evt_2_1", *evt(3)]


async def test_endpoint_that_fails_for_days_is_given_up(bench: Bench) -> None:
    bench.receiver.always = 500
    await bench.add()
    bench.post(1)
    for failures in range(1, 72):
        assert (await bench.until_failed(failures)).state == "active"
        bench.clock.move(hours=1)
    bench.clock.move(hours=1)
    dead = await bench.until(lambda webhook: webhook.state == "dead")
    assert dead.failures == 72
    (event,) = read_all(bench.connection, kinds=(WEBHOOK_DEAD,))
    assert event.payload["failures"] == 72


async def test_endpoint_is_not_given_up_for_the_days_on_which_the_node_was_down(bench: Bench) -> None:
    bench.receiver.always = 500
    await bench.add()
    bench.post(1)
    await bench.until_failed(1)
    bench.clock.move(days=10)
    assert (await bench.until_failed(2)).state == "active"
    bench.receiver.always = None
    bench.clock.move(hours=1)
    await bench.until_at(Position(1, 0))


async def test_success_begins_the_days_anew(bench: Bench) -> None:
    bench.receiver.answers = [500, 204, 500]
    await bench.add()
    bench.post(1)
    await bench.until_failed(1)
    bench.clock.move(days=2)
    await bench.until_at(Position(1, 0))
    bench.clock.move(days=2)
    bench.post(1)
    assert (await bench.until_failed(1)).failing_since == bench.clock()


async def test_filters_choose_kinds_and_accounts(bench: Bench) -> None:
    await bench.add(kinds=["hold.placed"], account_prefix="shop:")
    bench.post(3)
    bench.hold(1, "bank:carol")
    bench.hold(2, "shop:alice")
    await bench.until_at(Position(3, 2))
    assert bench.receiver.ids == ["evt_3_2"]


async def test_only_an_endpoint_that_wants_entries_is_behind_them(bench: Bench) -> None:
    bench.receiver.always = HANG
    await bench.add(kinds=["monitor.fired"])
    await bench.hooks.add(uuid.UUID(int=2), bench.receiver.url, after=START)
    bench.post(3)
    metrics = Metrics()
    WebhookMetrics(metrics, bench.hooks)
    told = [line for line in (await metrics.text()).splitlines() if line.startswith("dwaybank_webhook_entries_behind")]
    assert [line.split(" ")[-1] for line in sorted(told)] == ["0", "3"]


async def test_endpoint_with_nothing_to_send_is_left_alone(bench: Bench) -> None:
    await bench.add(kinds=["hold.placed"])
    bench.post(3)
    await asyncio.sleep(0.2)
    store = bench.hooks._store
    assert await asyncio.to_thread(store.due, bench.clock()) == []


async def test_process_that_dies_in_the_middle_repeats_and_skips_nothing(bench: Bench) -> None:
    await bench.add()
    await bench.hooks.stop()
    bench.post(30)
    for accepted in (5, 9, 2):
        before = len(bench.receiver.received)
        bench.receiver.answers = [204] * accepted + [HANG]
        dying = bench.new_hooks()
        await dying.start()
        await bench.receiver.wait_for(before + accepted + 1)
        # Dies as a killed process does: nothing it has in memory is written down.
        dying._store.advance = lambda *_: True  # type: ignore[method-assign]
        await dying.stop()
        with psycopg.connect(bench.url) as connection:
            assert connection.execute("SELECT seq, failures FROM ledger.webhook").fetchone() == (0, 0)
    bench.hooks = bench.new_hooks()
    await bench.hooks.start()
    await bench.until_at(Position(30, 0))
    sent = bench.receiver.ids
    assert sent == evt(*range(1, 7), *range(1, 11), *range(1, 4), *range(1, 31))
    bodies: dict[str, bytes] = {}
    for request in bench.receiver.received:
        assert bodies.setdefault(request.id, request.body) == request.body


async def test_process_that_stops_in_order_repeats_at_most_what_was_under_way(bench: Bench) -> None:
    await bench.add()
    bench.post(40)
    await bench.receiver.wait_for(7)
    await bench.hooks.stop()
    bench.hooks = bench.new_hooks()
    await bench.hooks.start()
    await bench.until_at(Position(40, 0))
    assert list(dict.fromkeys(bench.receiver.ids)) == evt(*range(1, 41))
    assert len(bench.receiver.ids) <= 41


async def test_two_senders_repeat_but_skip_nothing(bench: Bench) -> None:
    await bench.add()
    second = bench.new_hooks()
    await second.start()
    try:
        for _ in range(10):
            bench.post(10)
            await asyncio.sleep(0.02)
        await bench.until_at(Position(100, 0))
    finally:
        await second.stop()
    assert set(bench.receiver.ids) == set(evt(*range(1, 101)))


async def test_endpoint_is_sent_everything_again_from_a_position(bench: Bench) -> None:
    await bench.add()
    bench.post(4)
    await bench.until_at(Position(4, 0))
    assert await bench.hooks.resume(HOOK, Position(2, 0))
    await bench.receiver.wait_for(6)
    assert bench.receiver.ids == evt(1, 2, 3, 4, 3, 4)
    assert not await bench.hooks.resume(uuid.UUID(int=9))


async def test_position_ahead_of_the_books_is_refused(bench: Bench) -> None:
    """Told before they were restored, or mistyped: what is posted up to there would never be sent."""
    bench.post(2)
    for position in (Position(2, 1), Position(3, 0)):
        with pytest.raises(InvalidValueError, match=f"cursor '{position}': is ahead of all that happened"):
            await bench.add(after=position)
    await bench.add(after=Position(2, 0))
    with pytest.raises(InvalidValueError, match="is ahead of all that happened"):
        await bench.hooks.resume(HOOK, Position(20, 0))
    bench.post(1)
    await bench.until_at(Position(3, 0))
    assert bench.receiver.ids == evt(3)


async def test_endpoint_that_waits_for_what_is_archived_is_given_up(bench: Bench) -> None:
    bench.post(3)
    with psycopg.connect(bench.url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO ledger.archive VALUES (1, 1, 2, now(), now(), gen_random_uuid(), 'a.jsonl', 1, sha256('a'),"
            " sha256('b'), sha256('c'), decode(repeat('00', 64), 'hex'), now(), 'operator', NULL)"
        )
        await bench.add(after=Position(3, 0))
        owner.execute("UPDATE ledger.webhook SET seq = 1")
        bench.bell.ring()
        hook = await bench.until(lambda webhook: webhook.state == "dead")
    assert (hook.last_failure, bench.receiver.ids) == ("what it waits for is archived", [])


async def test_endpoint_removed_hears_nothing_more(bench: Bench) -> None:
    bench.receiver.always = HANG
    await bench.add()
    bench.post(2)
    await bench.receiver.wait_for(1)
    assert await bench.hooks.remove(HOOK)
    bench.receiver.always = None
    bench.post(2)
    await asyncio.sleep(0.5)
    assert bench.receiver.ids == evt(1)
    assert not await bench.hooks.remove(HOOK)
    assert [file.name for file in bench.secrets.iterdir()] == ["webhooks.key"]


async def test_place_read_before_an_endpoint_was_removed_keeps_no_address_for_the_next_of_its_name(
    bench: Bench,
) -> None:
    await bench.add()
    bench.post(1)
    known = await bench.until_at(Position(1, 0))
    await bench.hooks.stop()
    bench.hooks = bench.new_hooks()
    await asyncio.to_thread(bench.hooks._store.open)
    assert await bench.hooks.remove(HOOK)
    bench.post(1)
    await bench.hooks._worker._serve(known)
    async with open_receiver() as other:
        assert (await bench.hooks.add(HOOK, other.url, after=Position(1, 0)))[0] == "created"
        await bench.hooks._worker.start()
        await other.wait_for(1)
        assert (bench.receiver.ids, other.ids) == (evt(1), evt(2))


async def test_secret_stands_in_a_file_of_its_owner_and_not_in_the_database(bench: Bench) -> None:
    secret = await bench.add()
    file = bench.secrets / f"webhook-{HOOK}.secret"
    assert (file.stat().st_mode & 0o777, decode_secret(file.read_text())) == (0o600, secret)
    (row,) = bench.connection.execute("SELECT webhook::text FROM ledger.webhook").fetchall()
    assert file.read_text() not in row[0]
    assert file.name in row[0]


async def test_endpoint_whose_secret_was_lost_fails_and_says_so(bench: Bench) -> None:
    await bench.add()
    (bench.secrets / f"webhook-{HOOK}.secret").unlink()
    bench.post(1)
    webhook = await bench.until_failed(1)
    assert "cannot be read from the organization's secrets" in webhook.last_failure
    assert bench.receiver.ids == []


async def test_endpoint_is_added_once(bench: Bench) -> None:
    secret = await bench.add(kinds=["hold.placed"])
    again = await bench.hooks.add(HOOK, bench.receiver.url, kinds=["hold.placed"])
    assert again == ("exists", (bench.secrets / f"webhook-{HOOK}.secret").read_text())
    assert decode_secret(again[1]) == secret
    assert await bench.hooks.add(HOOK, bench.receiver.url) == ("exists_with_different_body", "")


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("url", {"url": "http://shop.example/"}),
        ("url", {"url": "https://10.0.0.1/"}),
        ("url", {"url": "nonsense"}),
        ("kinds", {"kinds": ["everything"]}),
        ("account_prefix", {"account_prefix": "x" * 65}),
    ],
)
async def test_endpoint_that_can_never_work_is_refused(bench: Bench, field: str, more: dict[str, Any]) -> None:
    values = {"url": bench.receiver.url, **more}
    with pytest.raises(InvalidValueError) as refused:
        await bench.hooks.add(HOOK, values.pop("url"), **values)
    assert refused.value.field == field
    assert await bench.hooks.all() == []


async def test_password_in_an_address_is_not_shown_again(bench: Bench) -> None:
    with pytest.raises(InvalidValueError, match=r"…@shop\.example/hook") as refused:
        await bench.hooks.add(uuid.uuid4(), "https://clerk:hush-hush@shop.example/hook")
    assert "hush-hush" not in str(refused.value)
