"""``dwaybank monitor``, ``dwaybank webhook``, ``dwaybank events``: what happens in the books, told to whoever asks."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, with_node

if TYPE_CHECKING:
    from node.own_node import OwnNode, events_pb2

_CONDITION = re.compile(r"\s*(\S+?)\s*(>=|<=|>|<|=)\s*(\S+)\s*")

PAGE_SIZE = 500

WebhookArgument = Annotated[uuid.UUID, typer.Argument(metavar="ID", help="Webhook.")]
KindsOption = Annotated[str, typer.Option(help="Kinds wanted, joined by commas, e.g. entry.posted; default: all.")]
PrefixOption = Annotated[str, typer.Option("--accounts", help="Beginning of the references of the accounts wanted.")]
IdOption = Annotated[uuid.UUID | None, typer.Option("--id", help="UUID that names it; made up when absent.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Conditions on accounts, told when they come true.", no_args_is_help=True)
    group.command("set", help='Watch an account, e.g. set alice "available < 100.00".')(set_monitor)
    group.command("drop", help="Watch no longer.")(drop_monitor)
    group.command("list", help="List what is watched.")(list_monitors)
    app.add_typer(group, name="monitor", rich_help_panel="Books")
    group = typer.Typer(help="Endpoints that are sent what happens in the books.", no_args_is_help=True)
    group.command("add", help="Send events to an endpoint; prints the secret for its receiver.")(add_webhook)
    group.command("remove", help="Forget an endpoint and its secret.")(remove_webhook)
    group.command("resume", help="Let an endpoint work again, from a cursor if one is given.")(resume_webhook)
    group.command("list", help="List endpoints and how far each has come.")(list_webhooks)
    app.add_typer(group, name="webhook", rich_help_panel="Books")
    group = typer.Typer(help="What happens in the books.", no_args_is_help=True)
    group.command("follow", help="Print what happened since a cursor, then what happens.")(follow)
    app.add_typer(group, name="events", rich_help_panel="Books")


def set_monitor(
    account: Annotated[str, typer.Argument(help="Account.")],
    condition: Annotated[
        str, typer.Argument(help='balance, available or held; >=, <=, >, < or =; amount: "balance < 100.00".')
    ],
    monitor_id: IdOption = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Watch a condition from here on; the same id again finds the first."""
    from ledger.money import parse_decimal
    from node.errors import ConfigurationError
    from node.own_node import EVENTS, LEDGER, events_pb2, ledger_pb2

    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise ConfigurationError(f'condition {condition!r}: write for example "balance < 100.00"')
    field, operator, value = match.groups()
    number = str(monitor_id or uuid.uuid4())

    async def run(node: OwnNode) -> None:
        asked = ledger_pb2.GetAccountRequest(account=account)
        found = (await node.call(LEDGER, "GetAccount", asked, ledger_pb2.GetAccountResponse)).account
        monitor = events_pb2.Monitor(
            monitor_id=number,
            account=account,
            field=field,
            operator=operator,
            value_minor=str(parse_decimal(value, found.scale, "condition")),
        )
        request = events_pb2.SetMonitorRequest(monitor=monitor)
        reply = await node.call(EVENTS, "SetMonitor", request, events_pb2.SetMonitorResponse)
        typer.echo(f"monitor {number} {'watches' if reply.created else 'watches already'}")

    with_node(home, org, run)


def drop_monitor(
    monitor_id: Annotated[uuid.UUID, typer.Argument(metavar="ID", help="Monitor.")],
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Watch no longer; what was told stays."""
    from node.own_node import EVENTS, events_pb2

    request = events_pb2.DropMonitorRequest(monitor_id=str(monitor_id))

    async def run(node: OwnNode) -> None:
        reply = await node.call(EVENTS, "DropMonitor", request, events_pb2.DropMonitorResponse)
        typer.echo(f"monitor {monitor_id} {'is dropped' if reply.dropped else 'was dropped before'}")

    with_node(home, org, run)


def list_monitors(
    account: Annotated[str, typer.Option(help="Only those of one account.")] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what is watched, values in minor units."""
    from node.own_node import EVENTS, events_pb2

    async def run(node: OwnNode) -> None:
        request = events_pb2.ListMonitorsRequest(account=account, page_size=PAGE_SIZE)
        while True:
            reply = await node.call(EVENTS, "ListMonitors", request, events_pb2.ListMonitorsResponse)
            for monitor in reply.monitors:
                typer.echo(_monitor(monitor, as_json))
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    with_node(home, org, run)


def add_webhook(
    url: Annotated[str, typer.Argument(help="Where messages go: https, or http on loopback.")],
    kinds: KindsOption = "",
    accounts: PrefixOption = "",
    cursor: Annotated[
        str, typer.Option(help="Send what stands behind it; 0.0 for everything; default: from now.")
    ] = "",
    webhook_id: IdOption = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an endpoint; the same id again finds the first."""
    from node.own_node import EVENTS, events_pb2

    number = str(webhook_id or uuid.uuid4())
    request = events_pb2.AddWebhookRequest(
        webhook_id=number, url=url, kinds=_kinds(kinds), account_prefix=accounts, cursor=cursor
    )

    async def run(node: OwnNode) -> None:
        reply = await node.call(EVENTS, "AddWebhook", request, events_pb2.AddWebhookResponse)
        if as_json:
            told = {"webhook": number, "created": reply.created}
            typer.echo(json.dumps({**told, "secret": reply.secret, "public_key": reply.public_key}))
            return
        typer.echo(f"webhook {number} {'is added' if reply.created else 'was added before'}")
        typer.echo(f"  secret      {reply.secret}")
        typer.echo(f"  public key  {reply.public_key}")

    with_node(home, org, run)


def remove_webhook(webhook_id: WebhookArgument, org: OrgOption = "dwaybank", home: HomeOption = None) -> None:
    """Forget an endpoint and its secret."""
    from node.own_node import EVENTS, events_pb2

    request = events_pb2.RemoveWebhookRequest(webhook_id=str(webhook_id))

    async def run(node: OwnNode) -> None:
        await node.call(EVENTS, "RemoveWebhook", request, events_pb2.RemoveWebhookResponse)
        typer.echo(f"webhook {webhook_id} is removed")

    with_node(home, org, run)


def resume_webhook(
    webhook_id: WebhookArgument,
    cursor: Annotated[str, typer.Option(help="Send what stands behind it; default: where it stands.")] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Let an endpoint work again."""
    from node.own_node import EVENTS, events_pb2

    request = events_pb2.ResumeWebhookRequest(webhook_id=str(webhook_id), cursor=cursor)

    async def run(node: OwnNode) -> None:
        await node.call(EVENTS, "ResumeWebhook", request, events_pb2.ResumeWebhookResponse)
        typer.echo(f"webhook {webhook_id} works again")

    with_node(home, org, run)


def list_webhooks(org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List endpoints, and the node's public key for their receivers."""
    from node.own_node import EVENTS, events_pb2

    async def run(node: OwnNode) -> None:
        request = events_pb2.ListWebhooksRequest()
        reply = await node.call(EVENTS, "ListWebhooks", request, events_pb2.ListWebhooksResponse)
        for webhook in reply.webhooks:
            typer.echo(_webhook(webhook, as_json))
        if not as_json:
            typer.echo(f"public key {reply.public_key}")

    with_node(home, org, run)


def follow(
    cursor: Annotated[str, typer.Option(help='The last cursor known, or "now"; default: from the beginning.')] = "",
    kinds: KindsOption = "",
    accounts: PrefixOption = "",
    count: Annotated[int, typer.Option(min=0, help="End after so many; 0 for never.")] = 0,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print events, one a line, until interrupted."""
    from node.own_node import EVENTS, events_pb2

    request = events_pb2.FollowOutboxRequest(cursor=cursor, kinds=_kinds(kinds), account_prefix=accounts)

    async def run(node: OwnNode) -> None:
        left = count
        async for event in node.stream(EVENTS, "FollowOutbox", request, events_pb2.FollowOutboxResponse):
            if not event.kind:
                continue
            typer.echo(_event(event, as_json))
            left -= 1
            if left == 0:
                return

    with_node(home, org, run)


def _kinds(text: str) -> list[str]:
    return [kind.strip() for kind in text.split(",") if kind.strip()]


def _monitor(monitor: events_pb2.Monitor, as_json: bool) -> str:
    if not as_json:
        condition = f"{monitor.field} {monitor.operator} {monitor.value_minor}"
        return f"{monitor.monitor_id}  {monitor.account:<32} {condition}"
    names = ("account", "field", "operator", "value_minor")
    return json.dumps({"monitor": monitor.monitor_id, **{name: getattr(monitor, name) for name in names}})


def _webhook(webhook: events_pb2.Webhook, as_json: bool) -> str:
    if not as_json:
        failed = f", {webhook.failures} failures, last: {webhook.last_failure}" if webhook.failures else ""
        return f"{webhook.webhook_id}  {webhook.state:<6} at {webhook.cursor:<12} {webhook.url}{failed}"
    names = ("url", "account_prefix", "state", "cursor", "failures", "last_failure")
    told = {name: getattr(webhook, name) for name in names}
    return json.dumps({"webhook": webhook.webhook_id, "kinds": list(webhook.kinds), **told})


def _event(event: events_pb2.FollowOutboxResponse, as_json: bool) -> str:
    at = event.at.ToJsonString()
    if not as_json:
        return f"{event.cursor:<14} {at} {event.kind:<16} {event.account:<24} {event.payload_json}"
    about = {"account": event.account} if event.account else {}
    told = {"cursor": event.cursor, "kind": event.kind, "at": at, **about}
    return json.dumps({**told, "data": json.loads(event.payload_json)})
