"""``dwaybank audit entries|bundle|searches|looks``: entries of all members, as far as this organization knows them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.commands.ledger_verify import plain_file_errors
from node.commands.options import HomeOption, JsonOption, OrgOption, with_node
from node.commands.texts import shown
from node.commands.times import first_moment, last_moment, span

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from node.own_node import OwnNode, audit_pb2

_PAGE_SIZE = 200
_EXPORT_TIMEOUT_S = 3600


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank audit``."""
    group.command("entries", help="Search entries of all members; what was not disclosed shows where it stands.")(
        audit_entries
    )
    group.command("bundle", help="Write the bundle that proved a disclosed entry.")(audit_bundle)
    group.command("searches", help="List saved searches, or drop one.")(audit_searches)
    group.command("looks", help="Who looked at disclosed entries, newest first.")(audit_looks)


def audit_entries(
    organization: Annotated[str, typer.Option(help="Whose books, an MSP id.")] = "",
    entries: Annotated[str, typer.Option(help="Entry numbers: 17, 17.., ..4711 or 17..4711.")] = "",
    block: Annotated[int | None, typer.Option(min=0, help="Anchored in this block.")] = None,
    transaction: Annotated[str, typer.Option(help="Anchored by this transaction.")] = "",
    signer: Annotated[str, typer.Option(help="Anchored by this signer, MSP id/name.")] = "",
    anchored: Annotated[str, typer.Option(help="Anchored then: a day, a time, or FROM..TO of either.")] = "",
    attested: Annotated[bool, typer.Option("--attested", help="Only what another member vouches for.")] = False,
    disclosed: Annotated[bool, typer.Option("--disclosed", help="Only what was disclosed; so do all below.")] = False,
    account: Annotated[str, typer.Option(help="With a posting on this account.")] = "",
    asset: Annotated[str, typer.Option(help="With a posting in this asset.")] = "",
    amount: Annotated[str, typer.Option(help="With a posting of this amount, or FROM..TO, in minor units.")] = "",
    settlement: Annotated[str, typer.Option(help="Of this settlement between banks.")] = "",
    key: Annotated[str, typer.Option(help="With this idempotency key.")] = "",
    posted: Annotated[str, typer.Option(help="Posted then: a day, a time, or FROM..TO.")] = "",
    effective: Annotated[str, typer.Option(help="Counts for then: a day, a time, or FROM..TO.")] = "",
    status: Annotated[str, typer.Option(help="Compliance: approved, rejected, requires_manual_review ...")] = "",
    decision: Annotated[str, typer.Option(help="Id of its compliance decision.")] = "",
    rules: Annotated[str, typer.Option(help="Hash of the rules that decided.")] = "",
    reviewer: Annotated[str, typer.Option(help="Reviewed by MSP id/name, or by any of an MSP id.")] = "",
    demand: Annotated[str, typer.Option(help="Brought by this demand.")] = "",
    sort: Annotated[str, typer.Option(help="anchored; of disclosed ones posted, effective, entry or worth.")] = "",
    ascending: Annotated[bool, typer.Option("--ascending", help="Oldest, or smallest, first.")] = False,
    saved: Annotated[str, typer.Option(help="Search as saved under this name; leave the fields out.")] = "",
    save: Annotated[str, typer.Option(help="Save this search under a name, too.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most so many; a file takes all.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Write all to FILE.csv, .jsonl or .parquet; '-': CSV here.")] = None,
    org: OrgOption = "regulator",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search journal entries of all members in the node's own copy. Looks at disclosed ones are written down."""
    from node.errors import ConfigurationError
    from node.own_node import audit_pb2

    search = audit_pb2.EntrySearch(
        organization=organization,
        **_numbers("entries", entries, "from_seq", "to_seq", int),
        block=block,
        transaction_id=transaction,
        signer=signer,
        **_times("anchored", anchored),
        attested=attested,
        disclosed=disclosed,
        account=account,
        asset=asset,
        **_numbers("amount", amount, "amount_from_minor", "amount_to_minor", str),
        settlement_id=settlement,
        idempotency_key=key,
        **_times("posted", posted),
        **_times("effective", effective),
        status=status,
        decision_id=decision,
        rules_hash=rules,
        reviewer=reviewer,
        demand_id=demand,
        sort=sort,
        ascending=ascending,
    )
    if saved and search != audit_pb2.EntrySearch():
        raise ConfigurationError(f"--saved {saved}: the search is as it was saved: leave its fields out")
    with_node(home, org, partial(_search, search, saved, save, out, as_json, limit))


async def _search(
    search: audit_pb2.EntrySearch,
    saved: str,
    save: str,
    out: Path | None,
    as_json: bool,
    limit: int,
    node: OwnNode,
) -> None:
    from node.own_node import audit_pb2

    asked = await _saved(node, saved) if saved else search
    if save:
        await _call(node, "SaveSearch", audit_pb2.SaveSearchRequest(name=save, search=asked))
    if out is not None:
        await _export(node, asked, out)
    else:
        await _show(node, asked, limit, as_json)


def audit_bundle(
    organization: Annotated[str, typer.Argument(help="Whose entry, an MSP id.")],
    entry: Annotated[int, typer.Argument(min=1, help="Its number.")],
    out: Annotated[Path | None, typer.Option(help="File to write; standard output when absent.")] = None,
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """Write the bundle that proved a disclosed entry; `dwaybank verify` reads it anywhere. The look is written down."""
    from node.config import write_file
    from node.own_node import audit_pb2

    async def run(node: OwnNode) -> None:
        request = audit_pb2.GetDisclosedBundleRequest(organization=organization, seq=entry)
        reply = await _call(node, "GetDisclosedBundle", request)
        if out is None:
            sys.stdout.buffer.write(reply.bundle + b"\n")
        else:
            write_file(out, reply.bundle)
            typer.echo(f"{out}: {len(reply.bundle)} bytes")

    with_node(home, org, run)


def audit_searches(
    drop: Annotated[str, typer.Option(help="Forget the search of this name.")] = "",
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """List saved searches with what they ask, or drop one."""
    from node.own_node import audit_pb2

    async def run(node: OwnNode) -> None:
        if drop:
            await _call(node, "DropSavedSearch", audit_pb2.DropSavedSearchRequest(name=drop))
        reply = await _call(node, "ListSavedSearches", audit_pb2.ListSavedSearchesRequest())
        for each in reply.searches:
            typer.echo(f"{each.name}: {json.dumps(_told(each.search))} ({each.saved_by}, {_text(each.saved_at)})")

    with_node(home, org, run)


def audit_looks(
    verify: Annotated[bool, typer.Option("--verify", help="Prove that none was changed or taken out.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    org: OrgOption = "regulator",
    home: HomeOption = None,
) -> None:
    """List who looked at disclosed entries, newest first."""
    from node.own_node import audit_pb2

    async def run(node: OwnNode) -> None:
        reply = await _call(node, "ListLooks", audit_pb2.ListLooksRequest(page_size=limit, verify=verify))
        for look in reply.looks:
            typer.echo(f"{look.number:>6}  {_text(look.looked_at)}  {look.actor}  {look.asked_json}  {look.shown_json}")
        if reply.broken_number:
            typer.echo(
                f"LOOK {reply.broken_number} DOES NOT FOLLOW FROM THE ONE BEFORE IT: it was changed or taken out"
            )
            raise typer.Exit(1)
        if verify:
            typer.echo("every look follows from the one before it")

    with_node(home, org, run)


async def _call(node: OwnNode, method: str, request: Any) -> Any:
    from node.own_node import AUDIT, audit_pb2

    return await node.call(AUDIT, method, request, getattr(audit_pb2, f"{method}Response"))


async def _saved(node: OwnNode, name: str) -> audit_pb2.EntrySearch:
    from node.errors import ConfigurationError
    from node.own_node import audit_pb2

    reply = await _call(node, "ListSavedSearches", audit_pb2.ListSavedSearchesRequest())
    found = [each.search for each in reply.searches if each.name == name]
    if not found:
        raise ConfigurationError(f"--saved {name}: no search has this name: `dwaybank audit searches` lists them")
    search: audit_pb2.EntrySearch = found[0]
    return search


async def _show(node: OwnNode, search: audit_pb2.EntrySearch, limit: int, as_json: bool) -> None:
    from node.own_node import audit_pb2

    shown, token = 0, ""
    while shown < limit:
        size = min(_PAGE_SIZE, limit - shown)
        request = audit_pb2.SearchEntriesRequest(search=search, page_size=size, page_token=token)
        reply = await _call(node, "SearchEntries", request)
        for entry in reply.entries:
            typer.echo(json.dumps(_told(entry)) if as_json else _line(entry))
        shown, token = shown + len(reply.entries), reply.next_page_token
        if not token:
            return


def _told(message: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    told: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return told


def _line(entry: audit_pb2.FoundEntry) -> str:
    where = f"block {entry.block_number:>6}  {_text(entry.anchored_at)}  {entry.state:<8}"
    if not entry.fields_json:
        return f"{entry.organization:<14} {entry.seq:>9}  {where}  not disclosed"
    fields = json.loads(entry.fields_json)
    postings = ", ".join(
        shown(f"{posting['side']} {posting['account']} {posting['amount_minor']} {posting['asset']}")
        for posting in fields["postings"]
    )
    return f"{entry.organization:<14} {entry.seq:>9}  {where}  {entry.status}  {fields['posted_at'][:19]}  {postings}"


async def _export(node: OwnNode, search: audit_pb2.EntrySearch, out: Path) -> None:
    from node.own_node import AUDIT, audit_pb2

    file_format = "csv" if out == Path("-") else out.suffix.removeprefix(".")
    request = audit_pb2.ExportEntriesRequest(search=search, format=file_format)
    pieces = node.stream(AUDIT, "ExportEntries", request, audit_pb2.ExportEntriesResponse, _EXPORT_TIMEOUT_S)
    if out == Path("-"):
        async for piece in pieces:
            sys.stdout.buffer.write(piece.data)
        return
    # Beside its place first: what is there is whole.
    beside, size = out.with_name(f"{out.name}.new"), 0
    with plain_file_errors():
        try:
            with beside.open("wb") as file:
                async for piece in pieces:
                    size += file.write(piece.data)
            beside.replace(out)
        finally:
            beside.unlink(missing_ok=True)
    typer.echo(f"{out}: {size} bytes")


def _range(text: str) -> tuple[str, str]:
    """Return both ends of FROM..TO; one value stands for both, a missing end for none."""
    first, dots, last = text.partition("..")
    return (first, last) if dots else (text, text)


def _numbers(option: str, text: str, first_field: str, last_field: str, kind: Callable[[str], Any]) -> dict[str, Any]:
    from node.errors import ConfigurationError

    ends = dict(zip((first_field, last_field), _range(text), strict=True))
    if not all(end.isascii() and end.isdecimal() for end in ends.values() if end):
        raise ConfigurationError(f"--{option} {text}: write a whole number, or two as FROM..TO")
    first, last = (Decimal(end) if end else None for end in ends.values())
    span(first, last, f"--{option} {text}")
    return {field: kind(end) for field, end in ends.items() if end}


def _times(option: str, text: str) -> dict[str, Any]:
    from node.audit.serving import timestamp

    first, last = _range(text)
    name = f"--{option}"
    begin, end = span(first_moment(first or None, name), last_moment(last or None, name), f"{name} {text}")
    # The service leaves the end of a time out; a person who names it wants it in.
    ends = {f"{option}_from": begin, f"{option}_to": end and end + timedelta(microseconds=1)}
    return {field: timestamp(moment) for field, moment in ends.items() if moment is not None}


def _text(stamp: Timestamp) -> str:
    return f"{stamp.ToDatetime():%Y-%m-%d %H:%M:%S}"
