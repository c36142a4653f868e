"""The way from a command to an organization's own database, for what needs no writer.

As the node's working role, on the machine that holds the data directory; the functions there judge again whatever they
are given.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.commands.options import find

if TYPE_CHECKING:
    import psycopg

ActorOption = Annotated[str, typer.Option("--actor", help="Who does this; default: the user of this machine.")]


def actor_name(given: str) -> str:
    """Return who acts: the one named, or the user of this machine."""
    return given or getpass.getuser()


@contextmanager
def own_books(home: Path | None, organization: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection to the organization's database.

    Raises:
        PostgresError: it cannot be reached.
    """
    import psycopg

    from node.config import read_url
    from node.databases import NODE
    from node.errors import PostgresError

    opened, _, member = find(home, organization)
    url = read_url(opened.secret(member, f"{NODE}.url"))
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            yield connection
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise PostgresError(f"the books of {member.name} cannot be reached: {reason}") from error
