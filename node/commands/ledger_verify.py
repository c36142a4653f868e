"""``dwaybank ledger verify``: re-proves an organization's books and its log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, find

if TYPE_CHECKING:
    from ledger.verify import VerifyReport
    from network.topology import Organization
    from node.home import Home


def register(group: typer.Typer) -> None:
    """Add this command to ``dwaybank ledger``."""
    group.command("verify", help="Prove every invariant of the books and the log again.")(verify)


def verify(
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Keep here how far it is; an interrupted run with the same file goes on from there."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, max=256, help="Processes that read; 0 for one each core, 16 at most.")
    ] = 0,
    range_entries: Annotated[
        int, typer.Option("--range", min=100, max=1_000_000, help="Entries that one process proves at a time.")
    ] = 20_000,
    archive: Annotated[
        list[Path] | None, typer.Option(help="File of the archive to prove, too; repeat for several.")
    ] = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove the books again, on every core; names the first row that is wrong, and all others. Exit status 1 then."""
    from ledger.verify import WORKERS, Verification
    from ledger.verify_checkpoint import CheckpointFile
    from node.anchor.database import Database
    from node.anchor.log_check import LogCheck, is_signed
    from node.anchor.store import LogStore
    from node.config import read_url
    from node.databases import NODE

    opened, _, member = find(home, org)
    url = read_url(opened.secret(member, f"{NODE}.url"))
    database = Database(url)
    database.open()
    try:
        with plain_errors(member), progress_bar("entries") as progress:
            report = Verification(
                url,
                partial(is_signed, writer_key(opened, member)),
                workers=workers or WORKERS,
                range_entries=range_entries,
                checkpoint=None if checkpoint is None else CheckpointFile(checkpoint),
                log=LogCheck(LogStore(database)),
                archive_files=archive or (),
                progress=progress,
            ).run()
    finally:
        database.close()
    _print(report, as_json)
    if report.findings:
        raise typer.Exit(1)


def writer_key(home: Home, member: Organization) -> bytes:
    """Return the public key of an organization's posting engine."""
    from nacl.signing import SigningKey

    from node.config import read_key

    return bytes(SigningKey(read_key(home.secret(member, "writer.key"))).verify_key)


@contextmanager
def plain_errors(member: Organization) -> Iterator[None]:
    """Turn what database and files refuse into our own errors: one sentence, and a way out."""
    import psycopg

    from node.errors import PostgresError

    try:
        with plain_file_errors():
            yield
    except psycopg.Error as error:
        reason = error.diag.message_primary or str(error).strip()
        raise PostgresError(f"the books of {member.name} cannot be used: {reason.splitlines()[0]}") from error


@contextmanager
def plain_file_errors() -> Iterator[None]:
    """The same for files alone."""
    from node.errors import ConfigurationError

    try:
        yield
    except OSError as error:
        # A write that found no room names no file.
        named = f"file {error.filename}" if error.filename else "the file"
        raise ConfigurationError(f"{named}: {error.strerror}; name another") from error


@contextmanager
def progress_bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(unit), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


def _print(report: VerifyReport, as_json: bool) -> None:
    told = [{"seq": found.seq, "subject": found.subject, "problem": found.problem} for found in report.findings]
    if as_json:
        figures = {
            "entries": report.entry_count,
            "accounts": report.standing.account_count,
            "resumed_after": report.resumed_after,
            "digest": report.digest.hex(),
            "archived": [
                {
                    "first_seq": each.record.first_seq,
                    "last_seq": each.record.last_seq,
                    "file": each.record.file_name,
                    "sha256": each.record.file_sha256.hex(),
                    "proved": each.record.file_sha256 in report.proved_files,
                }
                for each in report.archives
            ],
        }
        typer.echo(json.dumps({**figures, "findings": told}, indent=2))
        return
    for found in report.findings:
        typer.echo(f"{found.subject}: {found.problem}")
    for each in report.archives:
        record = each.record
        proved = "proved" if record.file_sha256 in report.proved_files else "not proved here: give it with --archive"
        typer.echo(
            f"entries {record.first_seq} to {record.last_seq} are archived in {record.file_name}, SHA-256 "
            f"{record.file_sha256.hex()}; {proved}"
        )
    since = f" (after entry {report.resumed_after} in this run)" if report.resumed_after else ""
    typer.echo(
        f"{report.entry_count} entries{since} and {report.standing.account_count} accounts proved: "
        f"{len(report.findings)} findings"
    )
