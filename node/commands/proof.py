"""``dwaybank proof entry|range|account|period|consistency|fork``: bundles that stand without this program.

``dwaybank proof 500`` is short for ``dwaybank proof entry 500``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from node.commands.ledger_verify import plain_file_errors
from node.commands.options import HomeOption, OrgOption, with_node
from node.commands.times import first_moment, last_moment

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from node.own_node import OwnNode

TIMEOUT_S = 300

OutOption = Annotated[Path | None, typer.Option(help="File to write; standard output when absent.")]
FromOption = Annotated[int, typer.Option("--from", min=0, help="First entry; entry 1 when absent.")]
ToOption = Annotated[int, typer.Option("--to", min=0, help="Last entry; the newest anchored one when absent.")]
BeginOption = Annotated[str | None, typer.Option(help="Posted on this day (2026-11-28) or later, or from a time on.")]
EndOption = Annotated[str | None, typer.Option(help="Posted on this day or earlier, or before a time.")]


class _Group(TyperGroup):
    """Takes a bare number for an entry."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments call."""
        return super().resolve_command(ctx, ["entry", *args] if args and args[0].isdigit() else args)


def register(app: typer.Typer, panel: str) -> None:
    """Add these commands."""
    group = typer.Typer(
        cls=_Group, help="Fetch proof bundles: of an entry, a range, a period ...", no_args_is_help=True
    )
    group.command("entry", help="That one entry stands in the books.")(proof_entry)
    group.command("range", help="That a range of entries is whole.")(proof_range)
    group.command("account", help="An account's statement, and that it is complete.")(proof_account)
    group.command("period", help="Counts, totals and trial balance of a period.")(proof_period)
    group.command("consistency", help="That a log's later anchored head only appended to an earlier one.")(
        proof_consistency
    )
    group.command("fork", help="That an organization signed two heads which contradict each other.")(proof_fork)
    app.add_typer(group, name="proof", rich_help_panel=panel)


def proof_entry(
    seq: Annotated[int, typer.Argument(min=1, help="Entry number.")],
    out: OutOption = None,
    wait_s: Annotated[int, typer.Option(min=0, max=60, help="Wait this long for the entry to be attested.")] = 10,
    archive: Annotated[Path | None, typer.Option(help="Of an archived entry: the file that holds it.")] = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Fetch the proof bundle of one entry of the organization's own books."""
    from ledger.archive_entry import disclose_from
    from node.own_node import AUDIT, audit_pb2

    request = audit_pb2.GetProofRequest(seq=seq, wait_ms=wait_s * 1000)
    if archive is not None:
        with plain_file_errors():
            disclosed = disclose_from(archive, seq)
        request.salt, request.canonical = disclosed.salt, disclosed.canonical

    async def run(node: OwnNode) -> None:
        reply = await node.call(AUDIT, "GetProof", request, audit_pb2.GetProofResponse, wait_s + 30)
        _write(reply.bundle, out)

    with_node(home, org, run)


def proof_range(
    first: FromOption = 0,
    last: ToOption = 0,
    show: Annotated[list[int] | None, typer.Option(help="Show only this entry (repeat); all when absent.")] = None,
    leaves_only: Annotated[bool, typer.Option("--leaves-only", help="Show no entry.")] = False,
    out: OutOption = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Prove that entries follow one another without a gap, each at its place in the anchored log."""
    from node.own_node import proofs_pb2

    request = proofs_pb2.ProveRangeRequest(from_seq=first, to_seq=last, shown_seqs=show or [], leaves_only=leaves_only)
    _fetch("ProveRange", request, proofs_pb2.ProveRangeResponse, out, org, home)


def proof_account(
    account: Annotated[str, typer.Argument(help="Reference of the account.")],
    asset: Annotated[str, typer.Option(help="Code of the asset.")] = "EUR",
    begin: BeginOption = None,
    end: EndOption = None,
    first: FromOption = 0,
    last: ToOption = 0,
    touching_only: Annotated[
        bool, typer.Option("--touching-only", help="Withhold other entries: the bank's word that they are others.")
    ] = False,
    out: OutOption = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Prove an account's statement: from entry 1 on with nothing withheld, nothing in it is the bank's word."""
    from node.own_node import proofs_pb2

    request = proofs_pb2.ProveAccountRequest(
        account=account, asset=asset, from_seq=first, to_seq=last, touching_only=touching_only
    )
    _set_times(request, begin, end)
    _fetch("ProveAccount", request, proofs_pb2.ProveAccountResponse, out, org, home)


def proof_period(
    begin: BeginOption = None,
    end: EndOption = None,
    out: OutOption = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Prove a day close: counts, totals and trial balance follow from the entries and the anchored control totals."""
    from node.own_node import proofs_pb2

    request = proofs_pb2.ProvePeriodRequest()
    _set_times(request, begin, end)
    _fetch("ProvePeriod", request, proofs_pb2.ProvePeriodResponse, out, org, home)


def proof_consistency(
    organization: Annotated[str, typer.Argument(help="MSP id whose log it is; the own one when absent.")] = "",
    old: Annotated[int, typer.Option(min=0, help="Size of the earlier head; the oldest cosigned when absent.")] = 0,
    new: Annotated[int, typer.Option(min=0, help="Size of the later head; the newest cosigned when absent.")] = 0,
    out: OutOption = None,
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Prove that between two anchored heads nothing was changed, removed or inserted."""
    from node.own_node import proofs_pb2

    request = proofs_pb2.ProveConsistencyRequest(organization=organization, old_size=old, new_size=new)
    _fetch("ProveConsistency", request, proofs_pb2.ProveConsistencyResponse, out, org, home)


def proof_fork(
    organization: Annotated[str, typer.Argument(help="MSP id whose log it is.")],
    note: Annotated[Path, typer.Argument(help="File of a signed note that contradicts what was anchored.")],
    other: Annotated[Path | None, typer.Argument(help="Another signed note; what is anchored, if absent.")] = None,
    out: OutOption = None,
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Prove that a log's own key signed two heads with different roots, or with an entry in which they differ."""
    from node.config import read_file
    from node.own_node import proofs_pb2

    request = proofs_pb2.ProveForkRequest(
        organization=organization, note=read_file(note), other_note=read_file(other) if other is not None else b""
    )
    _fetch("ProveFork", request, proofs_pb2.ProveForkResponse, out, org, home)


def _fetch(method: str, request: Message, reply: type[Any], out: Path | None, org: str, home: Path | None) -> None:
    from node.own_node import PROOFS

    async def run(node: OwnNode) -> None:
        answer = await node.call(PROOFS, method, request, reply, TIMEOUT_S)
        _write(answer.bundle, out)

    with_node(home, org, run)


def _set_times(request: Any, begin: str | None, end: str | None) -> None:
    from datetime import timedelta

    first, last = first_moment(begin, "--begin"), last_moment(end, "--end")
    if first is not None:
        request.begin.FromDatetime(first)
    if last is not None:
        request.end.FromDatetime(last + timedelta(microseconds=last != first_moment(end, "--end")))


def _write(bundle: bytes, out: Path | None) -> None:
    from node.config import write_file

    if out is None:
        sys.stdout.buffer.write(bundle + b"\n")
        return
    write_file(out, bundle)
    typer.echo(f"{out}: {len(bundle)} bytes; check it anywhere with `dwaybank verify {out} --genesis ...`")
