"""Options that many commands share, and the way from them to a home, an organization and a running node."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from network.topology import Consortium, Organization
    from node.home import Home
    from node.own_node import OwnNode

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="DWAYBANK_HOME",
        help="Data directory. Default: /var/lib/dwaybank for root, else ~/.local/share/dwaybank.",
    ),
]
OrgOption = Annotated[str, typer.Option("--org", envvar="DWAYBANK_ORG", help="Organization whose node answers.")]
USER_VARIABLE = "DWAYBANK_USER"
UserOption = Annotated[
    str,
    typer.Option("--user", envvar=USER_VARIABLE, help="Whose certificate to present, e.g. that of a tenant's program."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


ADMIN = "Admin"
"""The user of every organization that the command line is unless told otherwise."""


def home_path(home: Path | None) -> Path:
    """Return the data directory that was named, or the default one."""
    from node.home import default_home

    return home if home is not None else default_home()


def find(home: Path | None, organization: str) -> tuple[Home, Consortium, Organization]:
    """Return the home, the consortium in it and one of its organizations.

    Raises:
        ConfigurationError: no consortium there.
        ConfigError: no such organization.
    """
    from node.home import open_home

    opened, consortium = open_home(home_path(home))
    return opened, consortium, consortium.organization(organization)


def only_admin(user: str, what: str) -> None:
    """Let pass who reads the database itself.

    Raises:
        ConfigurationError: another user was named.
    """
    from node.errors import ConfigurationError

    if user != ADMIN:
        raise ConfigurationError(f"{what} is read from the database itself: leave --user {user} out")


def with_node(home: Path | None, organization: str, run: Callable[[OwnNode], Awaitable[None]], user: str = "") -> None:
    """Connect to an organization's node as one of its users and do something there.

    Args:
        home: data directory.
        organization: whose node.
        run: does it.
        user: whose certificate is presented; default: as the environment says, else the administrator's.
    Raises:
        ConfigurationError: the node cannot be reached.
        RpcError: as it answered.
    """
    from network.errors import UnreachableError
    from node.errors import ConfigurationError
    from node.own_node import OwnNode

    opened, consortium, member = find(home, organization)

    async def connected() -> None:
        async with OwnNode(opened, consortium, member, user or os.environ.get(USER_VARIABLE) or ADMIN) as node:
            await run(node)

    try:
        asyncio.run(connected())
    except UnreachableError as error:
        folder = f" --home {opened.root}"
        raise ConfigurationError(
            f"{member.display_name}'s node is not reached: {error.message}; `dwaybank up{folder}` starts it, "
            f"`dwaybank status{folder}` tells what runs"
        ) from error
