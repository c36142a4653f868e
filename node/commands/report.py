"""``dwaybank report ...``: reports for supervisors, signed; and their verification without a node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, with_node
from node.commands.texts import shown

if TYPE_CHECKING:
    from node.own_node import OwnNode, report_pb2

SIGNATURE_SUFFIX = ".sig"

DayOption = Annotated[str, typer.Option(help="Day it begins on, UTC, such as 2026-03-01; today when absent.")]
DaysOption = Annotated[int, typer.Option(min=1, max=366, help="How many days it is about.")]
OutOption = Annotated[
    Path | None, typer.Option(help="HTML file to write, and beside it FILE.sig; prints the tables when absent.")
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Reports for supervisors, each figure with its proof.", no_args_is_help=True)
    group.command("daily", help="The daily supervisory summary.")(report_daily)
    group.command("trial-balance", help="Trial balance by member and asset.")(report_trial_balance)
    group.command("large", help="Large transactions, of those that were disclosed.")(report_large)
    group.command("exposure", help="Who owes whom between banks.")(report_exposure)
    group.command("anchoring", help="How fast members anchor, and are late.")(report_anchoring)
    group.command("list", help="List reports that are kept.")(report_list)
    group.command("get", help="Fetch a kept report as it was signed.")(report_get)
    group.command("verify", help="Verify a report's signature offline.")(report_verify)
    app.add_typer(group, name="report", rich_help_panel="Audit")


def report_daily(
    day: DayOption = "", out: OutOption = None, org: OrgOption = "regulator", home: HomeOption = None
) -> None:
    """Make the daily supervisory summary."""
    _make("daily", day, 1, out, org, home)


def report_trial_balance(
    day: DayOption = "", out: OutOption = None, org: OrgOption = "regulator", home: HomeOption = None
) -> None:
    """Make the trial balance as of the end of a day."""
    _make("trial-balance", day, 1, out, org, home)


def report_large(
    day: DayOption = "",
    days: DaysOption = 1,
    threshold: Annotated[str, typer.Option(help="Minor units.")] = "1000000",
    asset: Annotated[str, typer.Option(help="Whose amounts count; what the compliance rules saw when absent.")] = "",
    out: OutOption = None,
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Make the large-transaction report."""
    _make("large", day, days, out, org, home, threshold, asset)


def report_exposure(
    day: DayOption = "", out: OutOption = None, org: OrgOption = "regulator", home: HomeOption = None
) -> None:
    """Make the interbank exposure matrix."""
    _make("exposure", day, 1, out, org, home)


def report_anchoring(
    day: DayOption = "",
    days: DaysOption = 1,
    out: OutOption = None,
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Make the report about anchoring service levels."""
    _make("anchoring", day, days, out, org, home)


def report_list(
    kind: Annotated[str, typer.Option(help="daily, trial-balance, large, exposure or anchoring.")] = "",
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """List reports that are kept, the newest first."""
    from node.own_node import REPORTS, report_pb2

    async def run(node: OwnNode) -> None:
        request = report_pb2.ListReportsRequest(kind=kind)
        async for page in node.pages(REPORTS, "ListReports", request, report_pb2.ListReportsResponse):
            for each in page.reports:
                made_at = each.made_at.ToDatetime()
                typer.echo(f"{each.number:>6}  {each.kind:<14} {made_at:%Y-%m-%d %H:%M:%S}  by {each.made_by}")

    with_node(home, org, run)


def report_get(
    number: Annotated[int, typer.Argument(min=1, help="Of the report.")],
    out: Annotated[Path, typer.Option(help="HTML file to write, and beside it FILE.sig.")],
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Fetch a kept report as it was signed."""
    from node.own_node import REPORTS, report_pb2

    async def run(node: OwnNode) -> None:
        request = report_pb2.GetReportRequest(number=number)
        reply = await node.call(REPORTS, "GetReport", request, report_pb2.GetReportResponse)
        _write(out, reply.page, reply.signature)

    with_node(home, org, run)


def report_verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The report's HTML file.")],
    genesis: Annotated[
        str, typer.Option(help="What you trust: the genesis block's hash (64 hex digits) or the block's file.")
    ],
    signature: Annotated[Path | None, typer.Option(help="Its signature file; FILE.sig when absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a report with no network, no database and no trust but the genesis block."""
    from network.errors import ProofError
    from network.signed_report import verify_report
    from node.config import read_file
    from node.verify import genesis_hash

    trusted = genesis_hash(genesis)
    signed = read_file(signature or file.with_name(file.name + SIGNATURE_SUFFIX))
    try:
        found = verify_report(read_file(file), signed, trusted)
    except ProofError as error:
        told = {"valid": False, "reason": error.reason, "explanation": str(error)}
        typer.echo(json.dumps(told) if as_json else f"{file}: NOT PROVED ({error.reason}): {error}")
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"valid": True, **found.as_json()}))
        return
    typer.echo(
        f"{file}: {found.kind} report of {found.organization}, made at {found.made_at} about {found.begins_at} to "
        f"{found.ends_at}, on channel {found.channel} up to block {found.block_number}: not a byte was changed"
    )


def _make(
    kind: str, day: str, days: int, out: Path | None, org: str, home: Path | None, threshold: str = "", asset: str = ""
) -> None:
    from node.own_node import REPORTS, report_pb2

    async def run(node: OwnNode) -> None:
        request = report_pb2.MakeReportRequest(kind=kind, day=day, days=days, threshold_minor=threshold, asset=asset)
        reply = await node.call(REPORTS, "MakeReport", request, report_pb2.MakeReportResponse, 300)
        if out is not None:
            _write(out, reply.page, reply.signature)
            return
        for table in reply.tables:
            _print(table)
        typer.echo(f"report {reply.report.number}: `dwaybank report get {reply.report.number} --out FILE` fetches it")

    with_node(home, org, run)


def _write(out: Path, page: bytes, signature: bytes) -> None:
    from node.config import write_file

    signed = out.with_name(out.name + SIGNATURE_SUFFIX)
    write_file(out, page)
    write_file(signed, signature)
    typer.echo(f"{out}: check it anywhere with `dwaybank report verify {out} --genesis ...`; its signature is {signed}")


def _print(table: report_pb2.ReportTable) -> None:
    typer.echo(f"\n{table.title}\n  {table.rests_on}")
    rows = [list(table.columns), *([shown(cell.text) for cell in row.cells] for row in table.rows)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(table.columns))]
    right = [any(row.cells[at].number for row in table.rows) for at in range(len(widths))]
    for row in rows:
        cells = [
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(row, widths, right, strict=True)
        ]
        typer.echo(f"  {'  '.join(cells).rstrip()}")
