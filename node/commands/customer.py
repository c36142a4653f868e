"""``dwaybank customer``: what a bank does about a customer of its gateway, which is a room and program of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from node.commands.options import HomeOption, OrgOption, find
from node.commands.own_books import ActorOption, actor_name

CustomerArgument = Annotated[str, typer.Argument(help="E-mail address, customer id, or an account of the customer.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the record.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Shut a customer out, let him in again, give him a new password.", no_args_is_help=True)
    group.command("show", help="Show a customer, his accounts and what was done about him.")(show)
    group.command("suspend", help="Shut a customer out, at once and at every gateway.")(_change("suspend"))
    group.command("reinstate", help="Let a suspended customer log in again.")(_change("reinstate"))
    group.command("reset-password", help="Give a customer a new password and end his sessions.")(
        _change("reset-password")
    )
    app.add_typer(group, name="customer", rich_help_panel="Books")


def show(customer: CustomerArgument, org: OrgOption = "dwaybank", home: HomeOption = None) -> None:
    """Show a customer."""
    _become(home, org, "show", customer)


def _change(what: str) -> Callable[..., None]:
    """Return the command that changes how a customer stands."""

    def change(
        customer: CustomerArgument,
        reason: ReasonOption,
        actor: ActorOption = "",
        org: OrgOption = "dwaybank",
        home: HomeOption = None,
    ) -> None:
        _become(home, org, what, customer, f"--reason={reason}", f"--actor={actor_name(actor)}")

    return change


def _become(home: Path | None, org: str, what: str, customer: str, *more: str) -> None:
    from node.errors import ConfigurationError

    opened, _, member = find(home, org)
    settings = opened.organization(member) / "gateway.yaml"
    if not settings.exists():
        told = f"{org} has no gateway and so no customers ({settings} is not there): name a bank (--org)"
        raise ConfigurationError(told)
    command = [sys.executable, "-m", "gateway.customers", "--config", str(settings), *more, what, "--", customer]
    os.execv(sys.executable, command)  # noqa: S606 - our own program
