"""``dwaybank audit receipts|totals`` and ``dwaybank verify-receipt``: what members' nodes vouch for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, with_node

if TYPE_CHECKING:
    from node.own_node import OwnNode, audit_pb2


def register(app: typer.Typer, group: typer.Typer, panel: str) -> None:
    """Add these commands to the program and to ``dwaybank audit``."""
    group.command("receipts", help="What members' nodes signed of a block, or of the newest ones.")(audit_receipts)
    group.command("totals", help="Control totals that members opened, with their anchors.")(audit_totals)
    app.command("verify-receipt", help="Verify a block's receipts offline.", rich_help_panel=panel)(verify_receipt)


def audit_receipts(
    block: Annotated[int, typer.Option(min=0, help="Block number; 0 for the newest. Asks every member.")] = 0,
    out: Annotated[Path | None, typer.Option(help="File to write; without it, what is kept is listed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 20,
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Fetch a block's receipts as one file that stands alone, or list those that are kept."""
    from node.config import write_file
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        if out is not None or block:
            request = audit_pb2.GetReceiptRequest(block_number=block)
            reply = await node.call(AUDIT, "GetReceipt", request, audit_pb2.GetReceiptResponse, 60)
            typer.echo(f"block {reply.block_number}: signed by {', '.join(reply.organizations)}")
            for missing in reply.missing:
                typer.echo(f"block {reply.block_number}: not by {missing}")
            if out is not None:
                write_file(out, reply.document)
                typer.echo(f"{out}: check it anywhere with `dwaybank verify-receipt {out} --genesis ...`")
            return
        listed = audit_pb2.ListReceiptsRequest(page_size=limit)
        receipts: list[audit_pb2.KeptReceipt] = []
        async for page in node.pages(AUDIT, "ListReceipts", listed, audit_pb2.ListReceiptsResponse):
            receipts += page.receipts
            if len(receipts) >= limit:
                break
        for each in receipts[:limit]:
            told = "agrees" if each.agrees else "DIVERGES"
            typer.echo(
                f"block {each.block_number:>6}  {each.organization:<14} {told:<8} "
                f"{each.received_at.ToDatetime():%Y-%m-%d %H:%M:%S}"
            )

    with_node(home, org, run)


def audit_totals(
    organization: Annotated[str, typer.Option(help="MSP id; all members when absent.")] = "",
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """List control totals that members opened and their anchors commit to."""
    from node.own_node import AUDIT, audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.ListControlTotalsRequest(organization=organization)
        async for page in node.pages(AUDIT, "ListControlTotals", request, audit_pb2.ListControlTotalsResponse):
            for opened in page.totals:
                for total in opened.totals:
                    typer.echo(_line(opened, total))

    with_node(home, org, run)


def _line(opened: audit_pb2.OpenedTotals, total: audit_pb2.ControlTotal) -> str:
    difference = int(total.debits_minor) - int(total.credits_minor)
    return (
        f"{opened.organization:<14} {opened.size:>9} entries  {total.asset:<6} debits {total.debits_minor} "
        f"credits {total.credits_minor}{f' DIFFERENCE {difference}' if difference else ''}  "
        f"block {opened.block_number} tx {opened.transaction_id[:16]}"
    )


def verify_receipt(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `dwaybank audit receipts --out` wrote it.")],
    genesis: Annotated[
        str, typer.Option(help="What you trust: the genesis block's hash (64 hex digits) or the block's file.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Verify a block's receipts with no network, no database and no trust but the genesis block."""
    from network.errors import ProofError
    from network.receipt import verify_document
    from node.config import read_file
    from node.verify import genesis_hash

    trusted = genesis_hash(genesis)
    try:
        found = verify_document(read_file(file), trusted)
    except ProofError as error:
        told = {"valid": False, "reason": error.reason, "explanation": str(error)}
        typer.echo(json.dumps(told) if as_json else f"{file}: NOT PROVED: {error.reason}: {error}")
        raise typer.Exit(1) from None
    receipt = found.receipt
    if as_json:
        typer.echo(json.dumps({"valid": True, **receipt.as_json(), "organizations": found.organizations}))
        return
    invalid = sum(flag != 0 for flag in receipt.flags)
    typer.echo(
        f"{file}: block {receipt.block_number} of channel {receipt.channel}, {len(receipt.flags)} transactions, "
        f"{invalid} of them invalid, commit hash {receipt.commit_hash.hex()}: signed by "
        f"{', '.join(found.organizations)}"
    )
