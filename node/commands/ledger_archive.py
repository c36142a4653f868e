"""``dwaybank ledger partitions|archive|restore``: the journal in parts, and old parts in files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.commands.ledger_verify import plain_errors, progress_bar, writer_key
from node.commands.options import HomeOption, JsonOption, OrgOption, find
from node.commands.own_books import ActorOption, actor_name
from node.commands.times import first_moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.archive import Archivist
    from ledger.archive_state import Archive
    from network.topology import Organization
    from node.home import Home


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank ledger``."""
    group.command("partitions", help="List the parts of the journal, archived ones too.")(partitions)
    group.command("archive", help="Move old entries out of the database, into files that keep every proof.")(archive)
    group.command("restore", help="Put the entries of the newest archive back from its file.")(restore)


def partitions(
    entries: Annotated[
        int, typer.Option(min=0, help="Let each partition made from now on hold so many entries; 0 leaves it.")
    ] = 0,
    end: Annotated[
        bool, typer.Option("--end", help="Let the open partition end with the newest entry, as when a period is over.")
    ] = False,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the parts of the journal, oldest first."""
    import psycopg

    from ledger.journal_parts import end_part, list_parts, set_partition_entries

    opened, _, member = find(home, org)
    with plain_errors(member), psycopg.connect(_owner_url(opened, member), autocommit=True) as connection:
        if entries:
            set_partition_entries(connection, entries)
        if end:
            end_part(connection)
        parts = list_parts(connection)
    for part in parts:
        sha256 = part.sha256.hex() if part.sha256 is not None else ""
        if as_json:
            facts = {"first_seq": part.first_seq, "last_seq": part.last_seq, "state": part.state, "bytes": part.size}
            until = part.until.isoformat() if part.until is not None else None
            typer.echo(json.dumps({**facts, "name": part.name, "sha256": sha256 or None, "until": until}))
        else:
            until_text = f"until {part.until:%Y-%m-%d %H:%M:%S}" if part.until is not None else "no entries"
            numbers = f"entries {part.first_seq} to {part.last_seq}"
            typer.echo(
                f"{part.state:<9} {numbers:<34} {part.size:>14} bytes  {until_text}  {part.name} {sha256}".rstrip()
            )


def archive(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go, one for each partition.")],
    before: Annotated[str, typer.Option(help="Only what was posted, and counts for a time, before this day or time.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Archive every whole partition that is closed, anchored and older; the node may go on posting."""
    opened, _, member = find(home, org)
    moment = first_moment(before, "--before")
    assert moment is not None
    with plain_errors(member), progress_bar("entries") as progress:
        archivist = _archivist(opened, member, actor, progress)
        for each in archivist.archive(folder, before=moment, proved_seq=_proved_seq(opened, member)):
            _print(each, "archived")
    typer.echo("keep the files as secret as the books, and more than once: they hold what the database no longer has")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File of the newest archive.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Put entries back, once every one of them is proved; the node may go on posting."""
    opened, _, member = find(home, org)
    with plain_errors(member), progress_bar("entries") as progress:
        _print(_archivist(opened, member, actor, progress).restore(file), "restored")


def _print(archive: Archive, what: str) -> None:
    record = archive.record
    typer.echo(
        f"{what}: entries {record.first_seq} to {record.last_seq}, {record.file_name}, {record.file_bytes} bytes, "
        f"SHA-256 {record.file_sha256.hex()}"
    )


def _owner_url(home: Home, member: Organization) -> str:
    from node.config import read_url
    from node.databases import OWNER

    return read_url(home.secret(member, f"{OWNER}.url"))


def _archivist(home: Home, member: Organization, actor: str, progress: Callable[[int, int], None]) -> Archivist:
    from nacl.signing import SigningKey

    from ledger.archive import Archivist
    from node.anchor.log_check import is_signed
    from node.config import read_key

    key = SigningKey(read_key(home.secret(member, "writer.key")))
    return Archivist(
        _owner_url(home, member),
        member.msp_id,
        sign=lambda digest: key.sign(digest).signature,
        verify=partial(is_signed, writer_key(home, member)),
        actor=actor_name(actor),
        now=lambda: datetime.now(UTC),
        progress=progress,
    )


def _proved_seq(home: Home, member: Organization) -> int:
    """Return the newest entry that the shared ledger holds with its decision, as the node's own index knows."""
    from node.anchor.database import Database
    from node.audit.index import AuditIndex, SearchFilter
    from node.config import read_url
    from node.databases import NODE

    database = Database(read_url(home.secret(member, f"{NODE}.url")))
    database.open()
    try:
        index = AuditIndex(database, lambda: datetime.now(UTC))
        epochs, _ = index.search(SearchFilter(kind="epoch", organization=member.msp_id), 1, "")
        decided: Any = epochs[0].to_seq if epochs else 0
        return min(index.anchor_sizes(member.msp_id).anchored, int(decided or 0))
    finally:
        database.close()
