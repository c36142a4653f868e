"""``dwaybank audit findings|finding|open-finding``: what was noticed about members, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, OrgOption, with_node
from node.commands.texts import shown

if TYPE_CHECKING:
    from node.own_node import OwnNode, audit_pb2

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Of the finding, 32 hex digits.")]


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank audit``."""
    group.command("findings", help="List findings about members, the one that moved last first.")(audit_findings)
    group.command("finding", help="Show a finding with its texts, or take the next step of it.")(audit_finding)
    group.command("open-finding", help="Open a finding about a member.")(audit_open_finding)


def audit_findings(
    status: Annotated[str, typer.Option(help="open, explained, escalated or closed.")] = "",
    organization: Annotated[str, typer.Option(help="Whom they are about, an MSP id.")] = "",
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """List findings as they stand on the shared ledger."""
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.ListFindingsRequest(organization=organization, status=status)
        async for page in node.pages(AUDIT, "ListFindings", request, audit_pb2.ListFindingsResponse):
            for finding in page.findings:
                typer.echo(_line(finding))

    with_node(home, org, run)


def audit_finding(
    finding: IdArgument,
    explain: Annotated[str, typer.Option(help="Explain it, as the organization it is about.")] = "",
    escalate: Annotated[bool, typer.Option("--escalate", help="As who opened it.")] = False,
    close: Annotated[str, typer.Option(help="As who opened it: remedied, mistaken or sanctioned.")] = "",
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Show a finding with its texts, or take one step. Texts stay with the two organizations it concerns."""
    from node.errors import ConfigurationError
    from node.own_node import AUDIT, audit_pb2

    if sum(map(bool, (explain, escalate, close))) > 1:
        raise ConfigurationError("--explain, --escalate, --close: take one step at a time")

    async def run(node: OwnNode) -> None:
        step = audit_pb2.MoveFindingRequest(finding_id=finding)
        if explain:
            step.explanation = explain
        elif close:
            step.close_as = close
        elif escalate:
            step.escalate = True
        if step.WhichOneof("step"):
            moved = await node.call(AUDIT, "MoveFinding", step, audit_pb2.MoveFindingResponse, 60)
            typer.echo(_line(moved.finding))
            return
        request = audit_pb2.GetFindingRequest(finding_id=finding)
        _show((await node.call(AUDIT, "GetFinding", request, audit_pb2.GetFindingResponse, 60)).finding)

    with_node(home, org, run)


def audit_open_finding(
    organization: Annotated[str, typer.Argument(help="Whom it is about, an MSP id.")],
    kind: Annotated[str, typer.Argument(help="altered_books, forked_log, imbalanced_totals, ... or other.")],
    subject: Annotated[
        str, typer.Argument(help="log, member, checkpoint/N, entry/N, demand/ID, obligation/ID or block/N.")
    ],
    evidence: Annotated[str, typer.Option(help="Text; stays with you and whom it is about.")],
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Open a finding; the shared ledger gets its kind, its subject and a salted commitment to the evidence."""
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.OpenFindingRequest(organization=organization, kind=kind, subject=subject, evidence=evidence)
        reply = await node.call(AUDIT, "OpenFinding", request, audit_pb2.OpenFindingResponse, 60)
        typer.echo(_line(reply.finding))

    with_node(home, org, run)


def _line(finding: audit_pb2.AuditFinding) -> str:
    since = finding.steps[0].taken_at.ToDatetime()
    return (
        f"{finding.finding_id}  {finding.status:<9} {finding.organization:<14} {finding.kind:<20} "
        f"{finding.subject:<24} {since:%Y-%m-%d %H:%M:%S}  by {finding.opened_by}"
    )


def _show(finding: audit_pb2.AuditFinding) -> None:
    typer.echo(_line(finding))
    typer.echo(f"evidence: {shown(finding.evidence) or _away(finding.evidence_commitment)}")
    for step in finding.steps:
        said = step.outcome
        if step.explanation_commitment:
            said = step.explanation or _away(step.explanation_commitment)
        typer.echo(
            f"{step.taken_at.ToDatetime():%Y-%m-%d %H:%M:%S}  {step.status:<9} by {step.by:<14} {shown(said)}".rstrip()
        )


def _away(commitment: bytes) -> str:
    return f"not to be had here now (commitment {commitment.hex()})"
