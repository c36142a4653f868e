"""``dwaybank partner``: partner banks.

Other modules add commands to the same ``group``.
"""

from __future__ import annotations

import typer

group = typer.Typer(help="Partner banks: what is owed, and where books differ.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="partner", rich_help_panel="Books")
