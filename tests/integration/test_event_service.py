"""What happens in the books, told over the node's own port: mutual TLS, a real database, real HTTP to a receiver, the
command line; also across a restart in the middle."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from google.protobuf.message import Message

from ledger.account import Side
from ledger.hold import NewHold
from ledger.journal import transfer
from ledger.posting import AccountTerms
from ledger.schema import migrate
from network.errors import RpcError
from network.pb.dwaybank.ledger.v1 import events_pb2 as pb
from network.rpc import Channel, ClientTls, Server, StatusCode
from network.topology import Consortium, Organization, default_consortium
from node.access import Members
from node.books import event_service
from node.books.books import Books
from node.books.event_service import SERVICE, EventService
from node.books.ledger_service import LedgerService
from node.config import NodeConfig, load_settings
from node.home import Home, prepare_home
from node.own_node import OwnNode
from node.webhooks.signature import decode_secret, verify
from node.webhooks.webhooks import Webhooks, WebhookSettings
from tests.support.books import key, new_writer
from tests.support.command_line import invoke
from tests.support.consortium import free_base_port
from tests.support.webhook_receiver import Receiver, open_receiver

HOOK = str(uuid.UUID(int=77))
WATCH = str(uuid.UUID(int=78))


def now() -> datetime:
    return datetime.now(UTC)


async def unanchored(seq: int) -> str:
    return "recorded"


@dataclass
class Node:
    """The books of a bank behind its own port, with the certificates and settings that ``dwaybank up`` makes."""

    home: Home
    consortium: Consortium
    url: str

    @property
    def bank(self) -> Organization:
        return self.consortium.organizations[0]

    async def start(self) -> None:
        config = load_settings(NodeConfig, self.home.organization(self.bank) / "node.yaml")
        members = Members(config.msp_id, config.tls.roots_by_msp())
        self.books = Books(self.url, new_writer(self.url, now), now=now)  # type: ignore[arg-type]
        self.server = Server(config.host, config.port, config.tls.server())
        await self.books.start()
        assert config.secrets_folder is not None
        self.webhooks = Webhooks(
            self.url,
            secrets_folder=config.secrets_folder,
            bell=self.books.bell,
            now=now,
            settings=WebhookSettings(networks=config.webhook_networks),
        )
        LedgerService(self.books, members, unanchored).register(self.server)
        EventService(self.books, self.webhooks, members).register(self.server)
        await self.server.start()
        await self.webhooks.start()

    async def stop(self) -> None:
        await self.webhooks.stop()
        await self.server.stop(0)
        await self.books.stop()

    def client(self) -> OwnNode:
        return OwnNode(self.home, self.consortium, self.bank)

    async def post(self, *numbers: int) -> None:
        await self.books.post_batch([transfer(key(number), "cash", "shop:alice", 100) for number in numbers])

    async def command(self, *arguments: str, status: int = 0) -> str:
        """Run a command as an operator does, beside the node."""
        whole = [*arguments, "--home", str(self.home.root)]
        done = await asyncio.to_thread(invoke, whole, catch_exceptions=True)
        assert done.exit_code == status, (done.output, done.exception)
        return done.output.strip() if status == 0 else str(done.exception)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Consortium]]:
    root = tmp_path_factory.mktemp("events") / "consortium"
    base = free_base_port()
    yield prepare_home(root, lambda: default_consortium(base), datetime(2026, 1, 1, tzinfo=UTC), {})


@pytest.fixture
async def node(prepared: tuple[Home, Consortium], database_url: str) -> AsyncIterator[Node]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
    made = Node(*prepared, database_url)
    await made.start()
    for reference, side, floor in (("cash", Side.DEBIT, None), ("shop:alice", Side.CREDIT, 0)):
        await made.books.open_account(reference, "EUR", side, floor)
    try:
        yield made
    finally:
        await made.stop()


async def told(node: Node, count: int, **request: Any) -> list[pb.FollowOutboxResponse]:
    """Follow the outbox until so many events have come."""
    events: list[pb.FollowOutboxResponse] = []
    asked = pb.FollowOutboxRequest(**request)
    async with asyncio.timeout(30), node.client() as client:
        stream = client.stream(SERVICE, "FollowOutbox", asked, pb.FollowOutboxResponse)
        async with aclosing(stream):  # type: ignore[type-var]
            async for event in stream:
                events.append(event)
                if len(events) == count:
                    break
    return events


async def refused(node: Node, method: str, request: Message) -> tuple[StatusCode, str]:
    with pytest.raises(RpcError) as caught:
        async with node.client() as client:
            await client.call(SERVICE, method, request, pb.DropMonitorResponse)
    return StatusCode(caught.value.code), str(caught.value)


def cursors(events: list[pb.FollowOutboxResponse]) -> list[str]:
    return [event.cursor for event in events]


async def until_delivered(node: Node, receiver: Receiver, count: int, cursor: str) -> None:
    """Wait until the receiver has so many, and it is written down: the next process must not repeat it."""
    await receiver.wait_for(count)
    async with asyncio.timeout(30), node.client() as client:
        while True:
            listed = await client.call(SERVICE, "ListWebhooks", pb.ListWebhooksRequest(), pb.ListWebhooksResponse)
            if listed.webhooks[0].cursor == cursor:
                return
            await asyncio.sleep(0.02)


async def test_posting_reaches_stream_and_receiver_and_a_restart_loses_nothing(node: Node) -> None:
    async with open_receiver() as receiver:
        async with node.client() as client:
            added = await client.call(
                SERVICE, "AddWebhook", pb.AddWebhookRequest(webhook_id=HOOK, url=receiver.url), pb.AddWebhookResponse
            )
        assert added.created and added.public_key.startswith("whpk_")
        following = asyncio.create_task(told(node, 3, cursor="0.0"))
        await node.post(1, 2)
        await node.books.place_hold(NewHold(key(9), "shop:alice", 50, now() + timedelta(hours=1)))
        before = await following
        await until_delivered(node, receiver, 3, "2.1")
        await node.stop()
        await node.start()
        await node.post(3, 4)
        after = await told(node, 2, cursor=before[-1].cursor)
        await receiver.wait_for(5)
    assert cursors(before + after) == ["1.0", "2.0", "2.1", "3.0", "4.0"]
    assert [event.kind for event in before] == ["entry.posted", "entry.posted", "hold.placed"]
    assert json.loads(before[2].payload_json)["amount_minor"] == "50"
    assert before[2].account == "shop:alice"
    assert receiver.ids == ["evt_1_0", "evt_2_0", "evt_2_1", "evt_3_0", "evt_4_0"]
    secret = decode_secret(added.secret)
    for request in receiver.received:
        assert verify(request.headers, request.body, now=now(), secrets=[secret], keys=()) == request.id


async def test_stream_filters_and_says_how_far_it_has_looked(node: Node) -> None:
    await node.post(1)
    await node.books.change_account_terms("cash", lambda _: AccountTerms("frozen", None, 0, 5000), "clerk-7")
    await node.books.change_account_terms("cash", lambda _: AccountTerms("open", None, 0, None), "clerk-7")
    frozen, opened = await told(node, 2, kinds=["account.changed"])
    assert (frozen.cursor, frozen.account) == ("1.1", "cash")
    assert json.loads(frozen.payload_json) == {
        "change": 1, "status": "frozen", "overdraft_minor": "0", "ceiling_minor": "5000",
    }  # fmt: skip
    assert json.loads(opened.payload_json) == {"change": 2, "status": "open", "overdraft_minor": "0"}
    (only,) = await told(node, 1, account_prefix="shop:", kinds=["entry.posted"])
    (posting,) = json.loads(only.payload_json)["postings"]
    assert posting["account"] == "shop:alice"
    (marker,) = await told(node, 1, kinds=["monitor.fired"])
    assert (marker.cursor, marker.kind) == ("1.2", "")
    (start,) = await told(node, 1, cursor="now")
    assert (start.cursor, start.kind) == ("1.2", "")


async def test_closing_and_reopening_a_period_is_told_without_who_and_why(node: Node) -> None:
    await node.post(1)
    await node.books.close_period(datetime(2026, 1, 1, tzinfo=UTC), "clerk-7")
    await node.books.close_period(datetime(2026, 2, 1, tzinfo=UTC), "clerk-7")
    await node.books.reopen_period(2, "clerk-7", "a bill of Ms Smith came late")
    events = await told(node, 3, kinds=["period.closed", "period.reopened"])
    assert [(event.cursor, event.kind, json.loads(event.payload_json)) for event in events] == [
        ("1.1", "period.closed", {"period": 1, "closed_before": "2026-01-01T00:00:00.000000Z"}),
        (
            "1.2", "period.closed",
            {
                "period": 2, "opened_at": "2026-01-01T00:00:00.000000Z",
                "closed_before": "2026-02-01T00:00:00.000000Z",
            },
        ),
        ("1.3", "period.reopened", {"period": 2, "closed_before": "2026-01-01T00:00:00.000000Z"}),
    ]  # fmt: skip


async def test_stream_ends_with_its_caller_and_others_wait_no_longer(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_service, "FOLLOWERS_MAX", 1)
    await node.post(1)
    async with node.client() as client:
        stream = client.stream(SERVICE, "FollowOutbox", pb.FollowOutboxRequest(), pb.FollowOutboxResponse)
        await anext(stream)
        with pytest.raises(RpcError) as caught:
            await told(node, 1)
        assert caught.value.code == StatusCode.RESOURCE_EXHAUSTED
        await stream.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(30):
        while True:
            try:
                (event,) = await told(node, 1)
                break
            except RpcError:
                await asyncio.sleep(0.05)
    assert event.cursor == "1.0"


async def test_another_members_certificate_is_refused_before_anything_is_read(node: Node) -> None:
    other = node.consortium.organizations[1]
    tls = node.home.user(other, "Admin") / "tls"
    roots = b"".join(path.read_bytes() for path in (node.home.crypto(node.bank) / "msp" / "tlscacerts").glob("*.pem"))
    identity = ClientTls(roots, (tls / "client.crt").read_bytes(), (tls / "client.key").read_bytes())
    channel = Channel(f"127.0.0.1:{node.bank.node_port}", identity)
    try:
        with pytest.raises(RpcError) as caught:
            await anext(channel.server_stream(f"/{SERVICE}/FollowOutbox", b"", 5))
        assert caught.value.code == StatusCode.PERMISSION_DENIED
        with pytest.raises(RpcError) as caught:
            await channel.unary(f"/{SERVICE}/ListWebhooks", b"", 5)
        assert caught.value.code == StatusCode.PERMISSION_DENIED
    finally:
        await channel.close()


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (pb.FollowOutboxRequest(cursor="12"), "cursor"),
        (pb.FollowOutboxRequest(cursor="-1.0"), "cursor"),
        (pb.FollowOutboxRequest(cursor="1.0"), "is ahead of all that happened"),
        (pb.FollowOutboxRequest(kinds=["Entry"]), "kinds"),
        (pb.FollowOutboxRequest(account_prefix="x" * 65), "account_prefix"),
    ],
)
async def test_malformed_stream_request_is_refused_by_name(
    node: Node, request_: pb.FollowOutboxRequest, words: str
) -> None:
    async with asyncio.timeout(30), node.client() as client:
        with pytest.raises(RpcError) as caught:
            await anext(client.stream(SERVICE, "FollowOutbox", request_, pb.FollowOutboxResponse))
    assert caught.value.code == StatusCode.INVALID_ARGUMENT
    assert words in str(caught.value)


def monitor(**changes: str) -> pb.SetMonitorRequest:
    body = {
        "monitor_id": WATCH, "account": "shop:alice", "field": "balance", "operator": ">=", "value_minor": "200",
        **changes,
    }  # fmt: skip
    return pb.SetMonitorRequest(monitor=pb.Monitor(**body))


async def test_monitor_set_through_the_service_fires_in_the_stream_until_it_is_dropped(node: Node) -> None:
    async with node.client() as client:
        assert (await client.call(SERVICE, "SetMonitor", monitor(), pb.SetMonitorResponse)).created
        assert not (await client.call(SERVICE, "SetMonitor", monitor(), pb.SetMonitorResponse)).created
        assert await refused(node, "SetMonitor", monitor(value_minor="201")) == (
            StatusCode.ALREADY_EXISTS, f"monitor {WATCH} stands already with another condition",
        )  # fmt: skip
        listed = await client.call(SERVICE, "ListMonitors", pb.ListMonitorsRequest(), pb.ListMonitorsResponse)
        assert list(listed.monitors) == [monitor().monitor]
        await node.post(1, 2)
        (fired,) = await told(node, 1, kinds=["monitor.fired"], cursor="2.0")
        assert (fired.cursor, json.loads(fired.payload_json)["balance_minor"]) == ("2.1", "200")
        drop = pb.DropMonitorRequest(monitor_id=WATCH)
        assert (await client.call(SERVICE, "DropMonitor", drop, pb.DropMonitorResponse)).dropped
        assert not (await client.call(SERVICE, "DropMonitor", drop, pb.DropMonitorResponse)).dropped
        listed = await client.call(SERVICE, "ListMonitors", pb.ListMonitorsRequest(), pb.ListMonitorsResponse)
        assert not listed.monitors


@pytest.mark.parametrize(
    ("method", "request_", "code", "words"),
    [
        ("SetMonitor", monitor(account="nobody"), StatusCode.NOT_FOUND, "nobody"),
        ("SetMonitor", monitor(monitor_id="x"), StatusCode.INVALID_ARGUMENT, "monitor_id"),
        ("SetMonitor", monitor(field="status"), StatusCode.INVALID_ARGUMENT, "field"),
        ("SetMonitor", monitor(operator="!="), StatusCode.INVALID_ARGUMENT, "operator"),
        ("SetMonitor", monitor(value_minor="1.5"), StatusCode.INVALID_ARGUMENT, "value_minor"),
        ("DropMonitor", pb.DropMonitorRequest(monitor_id=WATCH), StatusCode.NOT_FOUND, WATCH),
        ("ListMonitors", pb.ListMonitorsRequest(page_size=-1), StatusCode.INVALID_ARGUMENT, "page_size"),
        ("ListMonitors", pb.ListMonitorsRequest(page_token="1"), StatusCode.INVALID_ARGUMENT, "page_token"),
        (
            "AddWebhook", pb.AddWebhookRequest(webhook_id=HOOK, url="http://10.1.1.1/x"), StatusCode.INVALID_ARGUMENT,
            "url",
        ),
        ("RemoveWebhook", pb.RemoveWebhookRequest(webhook_id=HOOK), StatusCode.NOT_FOUND, HOOK),
        ("ResumeWebhook", pb.ResumeWebhookRequest(webhook_id=HOOK), StatusCode.NOT_FOUND, HOOK),
    ],
)  # fmt: skip
async def test_request_that_cannot_stand_is_refused_by_name(
    node: Node, method: str, request_: Message, code: StatusCode, words: str
) -> None:
    answered, sentence = await refused(node, method, request_)
    assert answered == code
    assert words in sentence


async def test_monitors_are_listed_in_pages_and_by_account(node: Node) -> None:
    numbers = [str(uuid.UUID(int=number)) for number in range(1, 6)]
    async with node.client() as client:
        for number in numbers:
            account = "cash" if number == numbers[2] else "shop:alice"
            await client.call(SERVICE, "SetMonitor", monitor(monitor_id=number, account=account), pb.SetMonitorResponse)
        request, seen = pb.ListMonitorsRequest(page_size=2), []
        while True:
            reply = await client.call(SERVICE, "ListMonitors", request, pb.ListMonitorsResponse)
            seen += [found.monitor_id for found in reply.monitors]
            request.page_token = reply.next_page_token
            if not reply.next_page_token:
                break
        assert seen == numbers
        only = pb.ListMonitorsRequest(account="cash")
        reply = await client.call(SERVICE, "ListMonitors", only, pb.ListMonitorsResponse)
        assert [found.monitor_id for found in reply.monitors] == [numbers[2]]


async def test_endpoint_is_listed_resumed_and_removed(node: Node) -> None:
    async with open_receiver() as receiver, node.client() as client:
        request = pb.AddWebhookRequest(webhook_id=HOOK, url=receiver.url, kinds=["entry.posted"], cursor="0.0")
        first = await client.call(SERVICE, "AddWebhook", request, pb.AddWebhookResponse)
        again = await client.call(SERVICE, "AddWebhook", request, pb.AddWebhookResponse)
        assert (first.created, again.created, again.secret) == (True, False, first.secret)
        request.kinds.append("hold.placed")
        assert (await refused(node, "AddWebhook", request))[0] == StatusCode.ALREADY_EXISTS
        await node.post(1)
        await until_delivered(node, receiver, 1, "1.0")
        again_from_start = pb.ResumeWebhookRequest(webhook_id=HOOK, cursor="0.0")
        await client.call(SERVICE, "ResumeWebhook", again_from_start, pb.ResumeWebhookResponse)
        await until_delivered(node, receiver, 2, "1.0")
        assert receiver.ids == ["evt_1_0", "evt_1_0"]
        listed = await client.call(SERVICE, "ListWebhooks", pb.ListWebhooksRequest(), pb.ListWebhooksResponse)
        (found,) = listed.webhooks
        assert (found.state, found.cursor, list(found.kinds)) == ("active", "1.0", ["entry.posted"])
        assert listed.public_key == first.public_key
        remove = pb.RemoveWebhookRequest(webhook_id=HOOK)
        await client.call(SERVICE, "RemoveWebhook", remove, pb.RemoveWebhookResponse)
        secrets = node.home.organization(node.bank) / "secrets"
        assert not (secrets / f"webhook-{HOOK}.secret").exists()
        await node.post(2)
        await asyncio.sleep(0.2)
        assert len(receiver.received) == 2


async def test_operator_watches_adds_an_endpoint_and_follows_from_the_command_line(node: Node) -> None:
    async with open_receiver() as receiver:
        assert await node.command("monitor", "set", "shop:alice", "balance >= 2.00", "--id", WATCH) == (
            f"monitor {WATCH} watches"
        )
        assert await node.command("monitor", "set", "shop:alice", "balance>=2", "--id", WATCH) == (
            f"monitor {WATCH} watches already"
        )
        listed = json.loads(await node.command("monitor", "list", "--json"))
        assert listed == {
            "monitor": WATCH, "account": "shop:alice", "field": "balance", "operator": ">=", "value_minor": "200",
        }  # fmt: skip
        added = json.loads(await node.command("webhook", "add", receiver.url, "--id", HOOK, "--json"))
        await node.post(1, 2)
        await until_delivered(node, receiver, 3, "2.1")
        secret = decode_secret(added["secret"])
        assert [
            verify(each.headers, each.body, now=now(), secrets=[secret], keys=()) for each in receiver.received
        ] == ["evt_1_0", "evt_2_0", "evt_2_1"]
        lines = (await node.command("events", "follow", "--count", "2", "--cursor", "1.0", "--json")).splitlines()
        assert [(json.loads(line)["cursor"], json.loads(line)["kind"]) for line in lines] == [
            ("2.0", "entry.posted"), ("2.1", "monitor.fired"),
        ]  # fmt: skip
        line = await node.command("events", "follow", "--count", "1", "--kinds", "monitor.fired")
        assert line.startswith("2.1") and '"balance_minor":"200"' in line
        assert f"{HOOK}  active at 2.1" in await node.command("webhook", "list")
        assert await node.command("webhook", "resume", HOOK) == f"webhook {HOOK} works again"
        assert await node.command("webhook", "remove", HOOK) == f"webhook {HOOK} is removed"
        assert await node.command("monitor", "drop", WATCH) == f"monitor {WATCH} is dropped"
        assert await node.command("monitor", "list") == ""
        assert "does not exist" in await node.command("webhook", "remove", HOOK, status=1)
        assert "write for example" in await node.command("monitor", "set", "cash", "balance !! 3", status=1)


def test_settings_written_before_webhooks_came_stay_valid(prepared: tuple[Home, Consortium], tmp_path: Path) -> None:
    home, consortium = prepared
    text = (home.organization(consortium.organizations[0]) / "node.yaml").read_text()
    old = [line for line in text.splitlines() if not line.startswith(("secrets_folder", "webhook_networks"))]
    assert len(old) < len(text.splitlines())
    (tmp_path / "node.yaml").write_text("\n".join(old))
    config = load_settings(NodeConfig, tmp_path / "node.yaml")
    assert (config.secrets_folder, config.webhook_networks) == (None, [])
