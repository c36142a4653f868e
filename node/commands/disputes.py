"""``dwaybank partner disputes|dispute|open-dispute``: disputes about obligations between banks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.obligations import fields_of
from node.commands.options import HomeOption, JsonOption, OrgOption, with_node
from node.commands.texts import shown

if TYPE_CHECKING:
    from network.pb.dwaybank.partner.v1 import obligations_pb2
    from node.own_node import OwnNode


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank partner``."""
    group.command("disputes", help="List disputes that concern this organization.")(disputes)
    group.command("dispute", help="Show a dispute with its statements, or take its next step.")(dispute)
    group.command("open-dispute", help="Dispute an obligation.")(open_dispute)


def disputes(
    state: Annotated[str, typer.Option(help="open, answered, escalated or resolved.")] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """One line each."""
    from node.own_node import DISPUTES, obligations_pb2

    async def run(node: OwnNode) -> None:
        request = obligations_pb2.ListDisputesRequest(state=state)
        reply = await node.call(DISPUTES, "ListDisputes", request, obligations_pb2.ListDisputesResponse, 60)
        for each in reply.disputes:
            typer.echo(json.dumps(fields_of(each)) if as_json else _line(each))

    with_node(home, org, run)


def dispute(
    dispute: Annotated[str, typer.Argument(metavar="ID", help="Of the dispute, 32 hex digits.")],
    answer: Annotated[str, typer.Option(help="Answer it, as the bank that did not open it.")] = "",
    escalate: Annotated[bool, typer.Option("--escalate", help="Call the arbiter.")] = False,
    resolve: Annotated[str, typer.Option(help="withdrawn, remedied, conceded, upheld or rejected.")] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Statements stay with the two banks and the arbiter; the shared ledger has salted commitments."""
    from node.errors import ConfigurationError
    from node.own_node import DISPUTES, obligations_pb2

    if sum(map(bool, (answer, escalate, resolve))) > 1:
        raise ConfigurationError("--answer, --escalate, --resolve: take one step at a time")

    async def run(node: OwnNode) -> None:
        step = obligations_pb2.MoveDisputeRequest(dispute_id=dispute)
        if answer:
            step.statement = answer
        elif resolve:
            step.resolve_as = resolve
        elif escalate:
            step.escalate = True
        if step.WhichOneof("step"):
            moved = await node.call(DISPUTES, "MoveDispute", step, obligations_pb2.MoveDisputeResponse, 60)
            typer.echo(_line(moved.dispute))
            return
        request = obligations_pb2.GetDisputeRequest(dispute_id=dispute)
        _show((await node.call(DISPUTES, "GetDispute", request, obligations_pb2.GetDisputeResponse, 60)).dispute)

    with_node(home, org, run)


def open_dispute(
    obligation: Annotated[str, typer.Argument(metavar="OBLIGATION", help="Id of the obligation.")],
    reason: Annotated[str, typer.Argument(help="amount, asset, duplicate, not_received, not_sent, value_date, other.")],
    statement: Annotated[str, typer.Option(help="What you have to say; the other bank and the arbiter read it.")],
    answer_within_s: Annotated[int, typer.Option("--answer-within", min=1, help="Seconds to answer.")] = 86_400,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """While it is not resolved, the obligation is in no netting cycle."""
    from node.own_node import DISPUTES, obligations_pb2

    async def run(node: OwnNode) -> None:
        request = obligations_pb2.OpenDisputeRequest(
            obligation_id=obligation, reason=reason, statement=statement, answer_within_s=answer_within_s
        )
        reply = await node.call(DISPUTES, "OpenDispute", request, obligations_pb2.OpenDisputeResponse, 60)
        typer.echo(_line(reply.dispute))

    with_node(home, org, run)


def _line(each: obligations_pb2.Dispute) -> str:
    return (
        f"{each.dispute_id}  {each.state:<9} {each.reason:<12} about obligation {each.obligation_id} "
        f"between {' and '.join(each.banks)}, by {each.opened_by}, answer by {each.answer_by}"
    )


def _show(found: obligations_pb2.Dispute) -> None:
    typer.echo(_line(found))
    for step in found.steps:
        said = step.outcome
        if step.commitment:
            said = step.statement or f"not to be had here now (commitment {step.commitment.hex()})"
        typer.echo(f"{step.taken_at}  {step.state:<9} by {step.by:<14} {shown(said)}".rstrip())
