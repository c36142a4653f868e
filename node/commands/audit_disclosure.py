"""``dwaybank audit demand|fetch|demands|allow|refuse|details``: both sides of disclosure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, with_node
from node.commands.texts import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.own_node import OwnNode, audit_pb2

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Of the demand, 32 hex digits.")]
FolderOption = Annotated[Path, typer.Option(help="Folder for the bundles.")]


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank audit``."""
    group.command("demand", help="Demand disclosure of entries from another organization.")(audit_demand)
    group.command("fetch", help="Ask again for what a demand asks.")(audit_fetch)
    group.command("demands", help="List demands of this organization and to it.")(audit_demands)
    group.command("allow", help="Let a demand to this organization be answered.")(audit_allow)
    group.command("refuse", help="Refuse a demand to this organization, on the shared ledger.")(audit_refuse)
    group.command("details", help="Show what demands brought beside a disclosed entry.")(audit_details)


def audit_demand(
    organization: Annotated[str, typer.Argument(help="MSP id that is to disclose.")],
    entries: Annotated[list[int], typer.Argument(help="Entry numbers.")],
    purpose: Annotated[str, typer.Option(help="A code such as supervisory_review; it stays on the shared ledger.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="Beside the entry: description, customer. May be given twice.")
    ] = None,
    folder: FolderOption = Path(),
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Demand disclosure; the demand itself is a record on the shared ledger."""
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.DemandDisclosureRequest(
            organization=organization, seqs=entries, purpose=purpose, scope=scope or []
        )
        reply = await node.call(AUDIT, "DemandDisclosure", request, audit_pb2.DemandDisclosureResponse, 60)
        _write(folder, organization, entries, reply.bundles)
        for details in reply.details:
            _show(details)
        typer.echo(f"demand {reply.demand_id} in transaction {reply.transaction_id}")

    with_node(home, org, run)


def audit_fetch(
    demand: IdArgument, folder: FolderOption = Path(), org: OrgOption = "regulator", home: HomeOption = None
) -> None:
    """Ask again for what a demand of this organization asks."""
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.FetchDisclosureRequest(demand_id=demand)
        reply = await node.call(AUDIT, "FetchDisclosure", request, audit_pb2.FetchDisclosureResponse, 60)
        wanted = audit_pb2.ListDemandsRequest()
        async for page in node.pages(AUDIT, "ListDemands", wanted, audit_pb2.ListDemandsResponse):
            for made in page.demands:
                if made.demand_id == demand:
                    _write(folder, made.organization, made.seqs, reply.bundles)
        for details in reply.details:
            _show(details)

    with_node(home, org, run)


def audit_demands(
    state: Annotated[str, typer.Option(help="waiting, allowed, answered or refused.")] = "",
    organization: Annotated[str, typer.Option(help="Who is asked, an MSP id.")] = "",
    org: OrgOption = "regulator",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List demands of this organization and to it, the newest first."""
    from google.protobuf.json_format import MessageToDict

    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.ListDemandsRequest(state=state, organization=organization)
        async for page in node.pages(AUDIT, "ListDemands", request, audit_pb2.ListDemandsResponse):
            for each in page.demands:
                typer.echo(
                    json.dumps(MessageToDict(each, preserving_proto_field_name=True)) if as_json else _line(each)
                )

    with_node(home, org, run)


def _line(each: audit_pb2.Demand) -> str:
    entries = ", ".join(map(str, each.seqs[:5])) + (", ..." if len(each.seqs) > 5 else "")
    return (
        f"{each.demand_id}  {each.state:<8} {each.recorded_at.ToDatetime():%Y-%m-%d %H:%M:%S}  "
        f"{each.demanding_organization} of {each.organization}: {'+'.join(each.scope)} of {entries} for "
        f"{each.purpose}{f' ({each.reason})' if each.reason else ''}"
    )


def audit_allow(demand: IdArgument, org: OrgOption = "dwaybank", home: HomeOption = None) -> None:
    """Let a demand to this organization be answered."""
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        await node.call(
            AUDIT, "AllowDemand", audit_pb2.AllowDemandRequest(demand_id=demand), audit_pb2.AllowDemandResponse
        )
        typer.echo(f"demand {demand} will be answered")

    with_node(home, org, run)


def audit_refuse(
    demand: IdArgument,
    reason: Annotated[str, typer.Option(help="erased, no_legal_basis, not_kept, privileged, too_wide or other.")],
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Refuse a demand to this organization, on the shared ledger; supervisors open a finding about it."""
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.RefuseDemandRequest(demand_id=demand, reason=reason)
        reply = await node.call(AUDIT, "RefuseDemand", request, audit_pb2.RefuseDemandResponse, 60)
        typer.echo(f"demand {demand} refused in transaction {reply.transaction_id}")

    with_node(home, org, run)


def audit_details(
    organization: Annotated[str, typer.Argument(help="MSP id of whose books.")],
    entry: Annotated[int, typer.Argument(min=1, help="Entry number.")],
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Show what demands brought beside a disclosed entry; that you looked is written down first."""
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.GetDisclosedDetailsRequest(organization=organization, seq=entry)
        reply = await node.call(AUDIT, "GetDisclosedDetails", request, audit_pb2.GetDisclosedDetailsResponse)
        for details in reply.details:
            _show(details)

    with_node(home, org, run)


def _write(folder: Path, organization: str, entries: Sequence[int], bundles: Sequence[bytes]) -> None:
    from node.config import write_file

    for seq, bundle in zip(entries, bundles, strict=True):
        path = folder / f"{organization}-{seq}.json"
        write_file(path, bundle, with_folder=True)
        typer.echo(str(path))


def _show(details: audit_pb2.DisclosedDetails) -> None:
    where = f"entry {details.seq} of {details.organization}"
    if details.description:
        typer.echo(f"{where}: {shown(details.description)}")
    for customer in details.customers:
        typer.echo(
            f"{where}: {shown(customer.account)} is {shown(customer.display_name)} <{shown(customer.email)}>, customer "
            f"{shown(customer.customer_id)}, {shown(customer.status)}, since {customer.opened_at.ToDatetime():%Y-%m-%d}"
        )
    for missing in details.unavailable:
        typer.echo(f"{where}: {details.organization} says it cannot give: {shown(missing)}")
