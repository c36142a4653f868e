"""Options that many commands share, and the way from them to a home, an organization and a running node."""

from __future__ import annotations

import asyncio
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
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


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


def with_node(home: Path | None, organization: str, run: Callable[[OwnNode], Awaitable[None]]) -> None:
    """Connect to an organization's node as its administrator and do something there."""
    from node.own_node import OwnNode

    opened, consortium, member = find(home, organization)

    async def connected() -> None:
        async with OwnNode(opened, consortium, member) as node:
            await run(node)

    asyncio.run(connected())
