"""``dwaybank up|down|status|demo``: a whole consortium on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from node.commands.options import HomeOption, JsonOption, home_path

BasePortOption = Annotated[
    int | None, typer.Option("--base-port", min=1024, max=65000, help="First of the ports used (7050 unless taken).")
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    panel = "Consortium"
    app.command("up", help="Start the consortium and leave it running.", rich_help_panel=panel)(up)
    app.command("down", help="Stop the consortium; its data stays.", rich_help_panel=panel)(down)
    app.command("status", help="Show processes, heights and anchoring.", rich_help_panel=panel)(status)
    app.command("backup", help="Copy all of the running consortium into a new folder.", rich_help_panel=panel)(backup)
    app.command("prepare", help="Make a new consortium's certificates and settings.", rich_help_panel=panel)(prepare)
    app.command("demo", help="Run the main job from nothing and prove every step.", rich_help_panel=panel)(demo)


def up(
    home: HomeOption = None,
    base_port: BasePortOption = None,
    database_url: Annotated[
        list[str] | None,
        typer.Option(help="Use a PostgreSQL server of your own: ORGANIZATION=URL of a role that may create roles."),
    ] = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and stop the consortium on Ctrl-C.")] = False,
    without: Annotated[
        list[str] | None, typer.Option(help="Leave an organization out, whose database is lost say; others start.")
    ] = None,
) -> None:
    """Start the consortium; a second time continues the same chain."""
    from node.start import start_consortium
    from node.status import consortium_status, print_warnings

    start_consortium(home_path(home), base_port, database_url or [], foreground, without or ())
    print_warnings(consortium_status(home_path(home)))


def prepare(
    home: HomeOption = None,
    base_port: BasePortOption = None,
    consortium: Annotated[
        Path | None,
        typer.Option(help="Consortium file to make it by, as `--print` writes one; default: three members."),
    ] = None,
    show: Annotated[bool, typer.Option("--print", help="Print the default consortium file and make nothing.")] = False,
) -> None:
    """Make certificates, genesis block and settings of a new consortium, and start nothing."""
    from network.topology import consortium_text, default_consortium
    from node.start import free_base_port, prepare_consortium

    if show:
        typer.echo(consortium_text(default_consortium(base_port or free_base_port())), nl=False)
        return
    made = prepare_consortium(home_path(home), base_port, consortium)
    typer.echo(f"{made.root}: prepared; `dwaybank up --home {made.root}` starts what it runs itself")


def down(home: HomeOption = None) -> None:
    """Stop the consortium."""
    from node.start import stop_consortium

    typer.echo(stop_consortium(home_path(home)))


def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show what runs, and how far the chain and the anchoring are."""
    from node.status import consortium_status, is_well, print_status

    found = consortium_status(home_path(home))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        print_status(found)
    raise typer.Exit(0 if is_well(found) else 1)


def backup(
    folder: Annotated[Path, typer.Argument(help="Folder to make; it must not exist, and holds keys afterwards.")],
    home: HomeOption = None,
) -> None:
    """Copy databases, blocks, settings and keys, while nothing is ordered or paid between banks; posting goes on."""
    from node.backup import back_up

    for remark in back_up(home_path(home), folder):
        typer.echo(remark)
    typer.echo(f"{folder.resolve()}: a whole backup of {home_path(home).resolve()}")


def demo(
    keep: Annotated[Path | None, typer.Option(help="Keep the data directory here instead of a temporary one.")] = None,
    statement: Annotated[Path | None, typer.Option(help="Bank statement file to import.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="Mapping file that explains the statement file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write every check and figure as JSON here.")] = None,
) -> None:
    """Run the main job from nothing: import, pay, anchor, prove, tamper, audit."""
    from node.demo.run import run_demo

    raise typer.Exit(run_demo(keep, statement, mapping, report))
