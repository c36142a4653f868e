"""``dwaybank ledger export|import``: whole books to a file and back."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from node.commands.ledger_verify import plain_errors, progress_bar, writer_key
from node.commands.options import HomeOption, OrgOption, find

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="JSON Lines; as secret as the books themselves.")]


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank ledger``."""
    group.command("export", help="Write the whole books to a file.")(export_file)
    group.command("import", help="Read whole books from a file into an empty ledger.")(import_file)


def export_file(file: FileArgument, org: OrgOption = "dwaybank", home: HomeOption = None) -> None:
    """Write the books as they stand at one moment; the node may go on posting."""
    from ledger.export import export_books
    from node.config import read_url
    from node.databases import NODE

    opened, _, member = find(home, org)
    url = read_url(opened.secret(member, f"{NODE}.url"))
    with plain_errors(member), progress_bar("entries") as progress:
        exported = export_books(url, member.msp_id, file, progress)
    typer.echo(
        f"{file}: {exported.rows} rows, {exported.entries} entries, root {exported.root.hex()}, sum {exported.sha256}\n"
        "the file holds all texts and salts of the books: keep it as secret as them"
    )


def import_file(
    file: FileArgument,
    database_url: Annotated[
        str,
        typer.Option(help="Where the books go: URL of the role that will own them. Default: the organization's own."),
    ] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Read books in one database transaction, proving every leaf and signature on the way; all of them or nothing."""
    from ledger.import_books import import_books
    from node.anchor.log_check import is_signed
    from node.config import read_url
    from node.databases import OWNER

    opened, _, member = find(home, org)
    url = database_url or read_url(opened.secret(member, f"{OWNER}.url"))
    with plain_errors(member), progress_bar("bytes") as progress:
        imported = import_books(url, file, partial(is_signed, writer_key(opened, member)), progress)
    typer.echo(
        f"{file}: books of {imported.organization}, {imported.rows} rows, {imported.entries} entries, "
        f"root {imported.root.hex()}"
    )
