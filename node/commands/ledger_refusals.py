"""``dwaybank ledger refusals``: what an organization's books refused, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, with_node
from node.commands.times import first_moment, last_moment, span

if TYPE_CHECKING:
    from network.pb.dwaybank.ledger.v1 import ledger_pb2
    from node.own_node import OwnNode

PAGE = 200


def register(group: typer.Typer) -> None:
    """Add this command to ``dwaybank ledger``."""
    group.command("refusals", help="List refusals that follow from the books, newest first.")(refusals)


def refusals(
    key: Annotated[str, typer.Option(help="Of this entry's key or hold's UUID only.")] = "",
    code: Annotated[str, typer.Option(help="With this code only, e.g. exceeds_available.")] = "",
    since: Annotated[str | None, typer.Option("--from", help="First day shown, or a time.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day shown, or a time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Refusals to show.")] = 50,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List refusals and the entry after which each was judged; `ledger verify` proves that none was changed."""
    from google.protobuf.json_format import MessageToDict

    from node.own_node import LEDGER, ledger_pb2

    request = ledger_pb2.ListRefusalsRequest(key=key, code=code)
    begin, end = span(first_moment(since, "--from"), last_moment(until, "--to"), "--from, --to")
    if begin is not None:
        request.refused_from.FromDatetime(begin)
    if end is not None:
        request.refused_to.FromDatetime(end)

    async def run(node: OwnNode) -> None:
        left = limit
        while left:
            request.page_size = min(PAGE, left)
            reply = await node.call(LEDGER, "ListRefusals", request, ledger_pb2.ListRefusalsResponse)
            for each in reply.refusals:
                told = MessageToDict(each, preserving_proto_field_name=True)
                typer.echo(json.dumps(told) if as_json else _sentence(each))
            left -= len(reply.refusals)
            request.page_token = reply.next_page_token
            if not request.page_token:
                return

    with_node(home, org, run)


def _sentence(refusal: ledger_pb2.Refusal) -> str:
    chain = ", and its chain with it" if refusal.chained else ""
    return (
        f"{refusal.refused_at.ToDatetime():%Y-%m-%d %H:%M:%S}  refusal {refusal.number:>6}  after entry "
        f"{refusal.after_seq:>8}  {refusal.kind:<7} {refusal.key}  {refusal.code}{chain}"
    )
