"""``dwaybank anchor|verify|verifier|audit|review``: what the shared ledger holds, and what it proves."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands import audit_disclosure, audit_entries, audit_findings, audit_receipts, proof
from node.commands.ledger_verify import plain_errors, progress_bar
from node.commands.options import HomeOption, JsonOption, OrgOption, find, with_node
from node.commands.texts import shown

if TYPE_CHECKING:
    from node.own_node import OwnNode


def register(app: typer.Typer) -> None:
    """Add these commands."""
    panel = "Audit"
    anchor = typer.Typer(help="How far the log is sealed, anchored and attested.", no_args_is_help=True)
    anchor.command("status", help="Show how far the log is sealed, anchored and attested.")(anchor_status)
    app.add_typer(anchor, name="anchor", rich_help_panel=panel)
    proof.register(app, panel)
    app.command("verify", help="Verify a proof bundle offline.", rich_help_panel=panel)(verify)
    app.command("verifier", help="Write the verifier as one HTML file for a browser.", rich_help_panel=panel)(verifier)
    group = typer.Typer(help="Search the audit trail; demand disclosure; audit books.", no_args_is_help=True)
    group.command("search", help="Search the audit trail in the node's own copy.")(audit_search)
    group.command("books", help="Compare books, row by row, with the anchored log.")(audit_books)
    audit_disclosure.register(group)
    audit_entries.register(group)
    audit_findings.register(group)
    audit_receipts.register(app, group, panel)
    group.command("archive", help="Compare the rows in an archive's file with the anchored log.")(audit_archive)
    app.add_typer(group, name="audit", rich_help_panel=panel)
    review = typer.Typer(help="Compliance decisions that wait for a reviewer.", no_args_is_help=True)
    review.command("list", help="List reviews.")(review_list)
    review.command("decide", help="Approve or reject, as a signed transaction.")(review_decide)
    app.add_typer(review, name="review", rich_help_panel=panel)


def anchor_status(org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show how far an organization's log is."""
    from google.protobuf.json_format import MessageToDict

    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        status = await node.call(
            AUDIT, "GetAnchorStatus", audit_pb2.GetAnchorStatusRequest(), audit_pb2.GetAnchorStatusResponse
        )
        if as_json:
            fields = MessageToDict(status, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
            fields["commit_hash"] = status.commit_hash.hex()
            fields["current_block_hash"] = status.current_block_hash.hex()
            typer.echo(json.dumps(fields, indent=2))
            return
        typer.echo(
            f"{status.msp_id} on channel {status.channel_id}: {status.posted_seq} posted, {status.sealed_size} "
            f"sealed, {status.anchored_size} anchored in {status.checkpoint_count} checkpoints, "
            f"{status.attested_size} attested\n"
            f"block height {status.block_height}, commit hash {status.commit_hash.hex()}\n"
            f"from posting to anchored: p50 {status.lag_p50_ms} ms, p95 {status.lag_p95_ms} ms"
        )
        if status.stalled:
            typer.echo(f"ANCHORING STANDS STILL: {status.stalled}")
            raise typer.Exit(1)

    with_node(home, org, run)


def verify(
    bundles: Annotated[list[Path], typer.Argument(help="Bundle files.")],
    genesis: Annotated[
        str, typer.Option(help="What you trust: the genesis block's hash (64 hex digits) or the block's file.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Verify proof bundles with no network, no database and no trust but the genesis block."""
    from node.verify import verify_files

    reports = verify_files(bundles, genesis)
    for report in reports:
        typer.echo(json.dumps(report.as_dict()) if as_json else "\n".join(report.sentences()))
    if not all(report.valid for report in reports):
        raise typer.Exit(1)


def verifier(
    out: Annotated[Path | None, typer.Option(help="File to write; standard output when absent.")] = None,
) -> None:
    """Write the HTML verifier, for whoever is to check bundles in a browser and with no word of this program."""
    from node.config import write_file
    from node.verify import PAGE

    page = PAGE.read_bytes()
    if out is None:
        sys.stdout.buffer.write(page)
        return
    write_file(out, page)
    typer.echo(f"{out}: open it in a browser, from the disk; it connects to nothing")


def audit_search(
    kind: Annotated[
        str, typer.Option(help="log, checkpoint, cosignature, epoch, flag, review, demand, refusal, ...")
    ] = "",
    organization: Annotated[str, typer.Option(help="MSP id the record is about.")] = "",
    entry: Annotated[int, typer.Option(min=0, help="Records that cover this entry number.")] = 0,
    transaction: Annotated[str, typer.Option(help="Transaction id.")] = "",
    record: Annotated[str, typer.Option(help="Record id.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
    org: OrgOption = "regulator",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the audit trail, newest first."""
    from google.protobuf.json_format import MessageToDict

    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        shown, token = 0, ""
        while shown < limit:
            request = audit_pb2.SearchAuditRequest(
                kind=kind,
                organization=organization,
                entry_seq=entry,
                transaction_id=transaction,
                record_id=record,
                page_size=min(200, limit - shown),
                page_token=token,
            )
            reply = await node.call(AUDIT, "SearchAudit", request, audit_pb2.SearchAuditResponse)
            for row in reply.records:
                if as_json:
                    typer.echo(json.dumps(MessageToDict(row, preserving_proto_field_name=True)))
                else:
                    covered = f"entries {row.from_seq}-{row.to_seq}" if row.to_seq else ""
                    typer.echo(
                        f"block {row.block_number:>6}  {row.recorded_at.ToDatetime():%Y-%m-%d %H:%M:%S}  "
                        f"{row.kind:<11} {row.organization:<14} {covered:<24} tx {row.transaction_id[:16]}"
                    )
            shown += len(reply.records)
            token = reply.next_page_token
            if not token:
                return

    with_node(home, org, run)


def audit_books(
    organization: Annotated[str, typer.Argument(help="MSP id whose books are audited.")] = "DwaybankMSP",
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Compare books, as they stand now, with the anchored log; names each row that was changed, removed or inserted."""
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.AuditBooksRequest(organization=organization)
        reply = await node.call(AUDIT, "AuditBooks", request, audit_pb2.AuditBooksResponse, 300)
        for finding in reply.findings:
            where = f"entry {finding.seq}: " if finding.seq else ""
            typer.echo(f"{finding.kind}: {where}{shown(finding.explanation)}")
        for archived in reply.archived:
            typer.echo(
                f"archived: entries {archived.first_seq} to {archived.last_seq}, only their leaves were compared; rows "
                f"are in {archived.file_name}, SHA-256 {archived.file_sha256.hex()}: `dwaybank audit archive` reads it"
            )
        typer.echo(
            f"{reply.entries_checked} entries checked against {reply.anchored_size} anchored: "
            f"{len(reply.findings)} findings"
        )
        if reply.findings:
            raise typer.Exit(1)

    with_node(home, org, run)


def audit_archive(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File of an archive, as its organization gave it.")],
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Compare the rows in an archive's file with the log that its organization anchored."""
    from node.audit.archive_audit import audit_archive as audit
    from node.config import read_url
    from node.databases import NODE

    opened, _, member = find(home, org)
    url = read_url(opened.secret(member, f"{NODE}.url"))
    with plain_errors(member), progress_bar("entries") as progress:
        found = audit(url, member.msp_id, file, now=lambda: datetime.now(UTC), progress=progress)
    for finding in found.findings:
        typer.echo(f"{finding.kind}: entry {finding.seq}: {finding.explanation}")
    proved = found.proved
    typer.echo(
        f"{file}: entries {proved.first_seq} to {proved.last_seq} of {proved.organization}, SHA-256 "
        f"{proved.file_sha256.hex()}: each row gives its leaf; against {found.anchored_size} anchored: "
        f"{len(found.findings)} findings"
    )
    if found.findings:
        raise typer.Exit(1)


def review_list(
    status: Annotated[
        str, typer.Option(help="requires_manual_review, approved or rejected.")
    ] = "requires_manual_review",
    organization: Annotated[str, typer.Option(help="MSP id.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 20,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """List compliance decisions and where they stand."""
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.ListReviewsRequest(organization=organization, status=status, page_size=limit)
        reviews: list[audit_pb2.Review] = []
        async for page in node.pages(AUDIT, "ListReviews", request, audit_pb2.ListReviewsResponse):
            reviews += page.reviews
            if len(reviews) >= limit:
                break
        for row in reviews[:limit]:
            entry = f"entry {row.seq}" if row.seq else ""
            typer.echo(f"{row.record_id}  {row.organization:<14} {row.status:<23} {entry}")

    with_node(home, org, run)


def review_decide(
    record: Annotated[str, typer.Argument(help="Record id.")],
    approve: Annotated[bool, typer.Option("--approve/--reject")],
    reason: Annotated[str, typer.Option(help="Stays in the organization's database.")],
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Decide a review as the organization's reviewer."""
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.DecideReviewRequest(record_id=record, approve=approve, reason=reason)
        reply = await node.call(AUDIT, "DecideReview", request, audit_pb2.DecideReviewResponse, 60)
        typer.echo(f"{reply.review.record_id}: {reply.review.status} in transaction {reply.transaction_id}")

    with_node(home, org, run)
