"""The command line, ``dwaybank``: one small module for each group of commands in ``node/commands``.

Errors of ours end as one sentence on standard error and exit status 1; anything else is a fault of the program and is
reported with an id under which the log holds the details.
"""

from __future__ import annotations

import copy
import errno
import logging
import os
import sys
import traceback
import uuid
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command_name
from typer.models import CommandInfo

from node.commands import (
    audit,
    books,
    certificates,
    chart,
    consortium,
    currency,
    customer,
    disputes,
    events,
    iso20022,
    netting,
    obligations,
    partner,
    peer_ledger,
    periods,
    processes,
    reconcile,
    report,
    schedule,
)
from node.commands.texts import shown

_OF_THE_DISK = {
    errno.EACCES, errno.EDQUOT, errno.EIO, errno.EISDIR, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS
}  # fmt: skip
"""What an operator mends, and no program: rights, room, a folder in a file's place."""

app = typer.Typer(
    name="dwaybank",
    help="Private double-entry books in PostgreSQL, proved on a shared, Hyperledger-Fabric-compatible ledger.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
consortium.register(app)
certificates.register(app)
books.register(app)
periods.register(app)
chart.register(app)
reconcile.register(app)
schedule.register(app)
events.register(app)
currency.register(app)
iso20022.register(app)
partner.register(app)
obligations.register(partner.group)
netting.register(partner.group)
disputes.register(partner.group)
audit.register(app)
report.register(app)
peer_ledger.register(app)
customer.register(app)
processes.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dwaybank {version('dwaybank-node')}, Python {sys.version.split()[0]}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


def narrowed(group: typer.Typer, words: Sequence[str]) -> typer.Typer:
    """Return a group of commands with only the one that the first words name; with all where they name none.

    For the start of a process: Typer builds every command that it is given, which takes longer than all the rest.
    """
    commands = [info for info in group.registered_commands if words and _command_name(info) == words[0]]
    groups = [info for info in group.registered_groups if words and info.name == words[0]]
    if not commands and not groups:
        return group
    narrow = copy.copy(group)
    narrow.registered_commands = commands
    narrow.registered_groups = [copy.copy(info) for info in groups]
    for info in narrow.registered_groups:
        assert info.typer_instance is not None
        info.typer_instance = narrowed(info.typer_instance, words[1:])
    return narrow


def _command_name(info: CommandInfo) -> str:
    return info.name or get_command_name(getattr(info.callback, "__name__", ""))


def main() -> None:
    """Entry point of the console script."""
    # What fails on a connection is raised to whoever uses it, and told there; psycopg warns of it as well.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    # Whatever it was started with: certificates, blocks and settings are nobody else's to write.
    os.umask(os.umask(0o022) | 0o022)
    try:
        narrowed(app, sys.argv[1:])()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the one place where errors become words for a person
        sys.exit(_report(error))


def _report(error: Exception) -> int:
    if type(error).__module__.split(".")[0] in {"node", "network", "ledger"}:
        print(f"dwaybank: {shown(str(error))}", file=sys.stderr)  # noqa: T201
        return 1
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        # Python's way to hold bytes of an argument that are no text.
        print(f"dwaybank: {error.object!r} is not written in UTF-8: write it again", file=sys.stderr)  # noqa: T201
        return 1
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        print(f"dwaybank: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    fault = uuid.uuid4().hex[:8]
    folder = Path(os.environ.get("DWAYBANK_FAULTS", "/tmp"))  # noqa: S108 - a place every user may write
    path = folder / f"dwaybank-fault-{fault}.log"
    details = "".join(traceback.format_exception(error))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(details)
        where = f"the details are in {path}"
    except OSError as refused:
        print(details, file=sys.stderr)  # noqa: T201
        where = f"the details stand above, because {path} cannot be written ({refused.strerror})"
    print(f"dwaybank: unexpected error {fault}: {where}; please report it", file=sys.stderr)  # noqa: T201
    return 2
