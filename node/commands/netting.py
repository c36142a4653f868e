"""``dwaybank partner net-open|net-cycles|net-cycle``: netting cycles; the nodes drive them by themselves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.obligations import fields_of
from node.commands.options import HomeOption, JsonOption, OrgOption, with_node

if TYPE_CHECKING:
    from network.pb.dwaybank.partner.v1 import obligations_pb2
    from node.own_node import OwnNode

CycleArgument = Annotated[str, typer.Argument(metavar="ID", help="Of the cycle, 32 hex digits.")]


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank partner``."""
    group.command("net-open", help="Open a netting cycle with other banks.")(net_open)
    group.command("net-cycles", help="List the netting cycles of this bank.")(net_cycles)
    group.command("net-cycle", help="Show a netting cycle with this bank's net.")(net_cycle)


def net_open(
    partners: Annotated[list[str], typer.Argument(metavar="PARTNER...", help="MSP ids of the other banks.")],
    cut_off_s: Annotated[int, typer.Option("--cut-off", min=1, help="Seconds until nothing is added any more.")] = 3600,
    settle_s: Annotated[int, typer.Option("--settle", min=1, help="Seconds after the cut-off to settle it.")] = 3600,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """From here on the nodes of all members add, cut off, confirm and book by themselves."""
    from node.own_node import NETTING, obligations_pb2

    async def run(node: OwnNode) -> None:
        request = obligations_pb2.OpenCycleRequest(partner_msp_ids=partners)
        cut_off = datetime.now(UTC) + timedelta(seconds=cut_off_s)
        request.cut_off.FromDatetime(cut_off)
        request.settle_by.FromDatetime(cut_off + timedelta(seconds=settle_s))
        reply = await node.call(NETTING, "OpenCycle", request, obligations_pb2.OpenCycleResponse, 60)
        typer.echo(_line(reply.cycle))

    with_node(home, org, run)


def net_cycles(org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False) -> None:
    """One line each, with what this node did last or waits for."""
    from node.own_node import NETTING, obligations_pb2

    async def run(node: OwnNode) -> None:
        request = obligations_pb2.ListCyclesRequest()
        reply = await node.call(NETTING, "ListCycles", request, obligations_pb2.ListCyclesResponse, 60)
        for cycle in reply.cycles:
            typer.echo(json.dumps(fields_of(cycle)) if as_json else _line(cycle))

    with_node(home, org, run)


def net_cycle(
    cycle: CycleArgument, org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Positive is what this bank owes; exit status 1 when the sums on the shared ledger do not hold."""
    from node.own_node import NETTING, obligations_pb2

    async def run(node: OwnNode) -> None:
        request = obligations_pb2.GetCycleRequest(cycle_id=cycle)
        reply = await node.call(NETTING, "GetCycle", request, obligations_pb2.GetCycleResponse, 60)
        if as_json:
            typer.echo(json.dumps(fields_of(reply), indent=2))
        else:
            typer.echo(_line(reply.cycle))
            for each in reply.net:
                typer.echo(f"net {each.asset:<6} {each.amount_minor}")
        if reply.cycle.state != "open" and not reply.sums_hold:
            typer.echo("THE POSITIONS ARE NOT THE SUMS OF THE GROSS OBLIGATIONS", err=True)
            raise typer.Exit(1)

    with_node(home, org, run)


def _line(cycle: obligations_pb2.Cycle) -> str:
    line = (
        f"{cycle.cycle_id}  {cycle.state:<8} {cycle.count:>6} obligations of {', '.join(cycle.members)}  "
        f"cut-off {cycle.cut_off}  settle by {cycle.settle_by}"
    )
    return f"{line}  ({cycle.note})" if cycle.note else line
