"""``dwaybank node|orderer|gateway|portal``: one process in the foreground, as a service manager runs it; and
certificates for those who call a node.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Annotated, cast

import typer

from network.role_unit import Role
from node.commands.options import HomeOption, OrgOption, find

ConfigOption = Annotated[Path, typer.Option("--config", help="Settings file, as `dwaybank up` writes it.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    panel = "Processes"
    app.command("node", help="Run one organization's node.", rich_help_panel=panel)(run_node)
    app.command("orderer", help="Run the ordering service.", rich_help_panel=panel)(run_orderer)
    app.command("gateway", help="Run one bank's gateway for customers.", rich_help_panel=panel)(run_gateway)
    app.command("portal", help="Run a regulator's portal for examiners.", rich_help_panel=panel)(run_portal)
    app.command("gateway-certificate", rich_help_panel=panel)(make_gateway_certificate)
    app.command("role-certificate", rich_help_panel=panel)(make_role_certificate)
    app.command("supervise", hidden=True)(run_supervisor)


def run_node(config: ConfigOption) -> None:
    """Run one organization's node."""
    _without_rich()
    from node.process import run

    raise typer.Exit(run(config))


def run_orderer(config: ConfigOption) -> None:
    """Run the ordering service."""
    _without_rich()
    from node.orderer_process import run

    raise typer.Exit(run(config))


def _without_rich() -> None:
    """Keep structlog from loading rich, 4 MiB of a process, for tracebacks on consoles: services write lines."""
    sys.modules["rich"] = cast(ModuleType, None)


def run_gateway(config: ConfigOption) -> None:
    """Run one bank's gateway; it is a room of its own, so this process becomes that program."""
    os.execv(sys.executable, [sys.executable, "-m", "gateway", "--config", str(config)])  # noqa: S606 - our own program


def make_gateway_certificate(
    name: Annotated[str, typer.Option(help="Name of the program; one that has no certificate yet.")],
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Make a TLS client certificate that opens what a gateway calls at its node and nothing else."""
    make_role_certificate(Role.GATEWAY, name, org, home)


def make_role_certificate(
    role: Annotated[Role, typer.Argument(help="What it is for: the unit that it will have.")],
    name: Annotated[str, typer.Option(help="Name of the person or program; one that has no certificate yet.")],
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Make a TLS client certificate that opens what a role needs of its organization's node and nothing else."""
    from network.crypto_material import add_tls_client

    opened, _, member = find(home, org)
    now = datetime.now(UTC).replace(microsecond=0)
    tls = add_tls_client(opened.crypto(member), name, ("client", role), now) / "tls"
    typer.echo(f"  certificate: {tls / 'client.crt'}\n  key: {tls / 'client.key'}")


def run_portal(config: ConfigOption) -> None:
    """Run a regulator's portal, a program of the gateway's room."""
    os.execv(sys.executable, [sys.executable, "-m", "gateway.portal", "--config", str(config)])  # noqa: S606 - our own


def run_supervisor(
    home: Annotated[Path, typer.Option("--home")], without: Annotated[list[str] | None, typer.Option()] = None
) -> None:
    """Run a consortium in the foreground (``dwaybank up`` starts this)."""
    from node.supervisor import main

    raise typer.Exit(main(home, frozenset(without or ())))
