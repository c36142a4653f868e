"""``dwaybank peer``: what is done to the shared ledger of an organization's peer while it does not run; and to the
orderer's, which the peers hold too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.ledger_verify import progress_bar
from node.commands.options import HomeOption, OrgOption, find, home_path

if TYPE_CHECKING:
    from node.config import NodeConfig
    from node.peer.maintenance.replay import Replayed

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file of a node that runs apart, in the place of --home and --org."),
]
ChannelOption = Annotated[str, typer.Option("--channel", help="Channel; default: the one of the settings.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(no_args_is_help=True, help="The shared ledger of a peer that does not run.")
    app.add_typer(group, name="peer", rich_help_panel="Shared ledger")
    group.command("rebuild-state", help="Make state, history and indexes anew from the blocks.")(rebuild_state)
    group.command("rollback", help="Give up the blocks after one; the peer takes them again from the orderer.")(
        rollback
    )
    group.command("reset", help="Give up all blocks but the first; the peer takes them again from the orderer.")(reset)
    app.command(
        "rebuild-orderer",
        help="Write an orderer's lost block file anew from the peers.",
        rich_help_panel="Shared ledger",
    )(rebuild_orderer)
    group.command("export-blocks", help="Write a channel's blocks in Fabric's block files.")(export_blocks)


def rebuild_state(
    channel: ChannelOption = "", org: OrgOption = "dwaybank", home: HomeOption = None, config: ConfigOption = None
) -> None:
    """Make everything that follows from the blocks anew; each must come to the outcome it had."""
    _replay(channel, org, home, config, None)


def rollback(
    block: Annotated[int, typer.Option("--block", min=0, help="The last block to keep.")],
    channel: ChannelOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Give up the blocks after one."""
    _replay(channel, org, home, config, block)


def reset(
    channel: ChannelOption = "", org: OrgOption = "dwaybank", home: HomeOption = None, config: ConfigOption = None
) -> None:
    """Give up all blocks but the first."""
    _replay(channel, org, home, config, 0)


def export_blocks(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    channel: ChannelOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Write blocks in the layout of Fabric's peers, which ``ledgerutil verify`` reads."""
    from node.peer.maintenance.block_files import export_blocks as export

    with _ledger(org, home, config, alone=False) as (url, settings), progress_bar("blocks") as progress:
        name = channel or settings.channel
        height = export(url, name, folder.resolve(), progress)
    typer.echo(f"Channel {name}: {height} blocks written to {folder}.")


def rebuild_orderer(
    home: HomeOption = None,
    without: Annotated[
        list[str] | None, typer.Option(help="A member whose database is lost: its peer is not asked.")
    ] = None,
) -> None:
    """Write the blocks of the orderer of a stopped consortium anew, from the highest of its peers."""
    from node.home import open_home
    from node.orderer_rebuild import rebuild_orderer as rebuild

    opened, consortium = open_home(home_path(home))
    with progress_bar("blocks") as progress:
        done = rebuild(opened, consortium, without or [], progress)
    typer.echo(
        f"{done.file}: {done.height} blocks written, from {done.source}'s peer; `dwaybank up` goes on with them."
    )


def _replay(channel: str, org: str, home: Path | None, config: Path | None, last_block: int | None) -> None:
    from network.identity import SigningIdentity
    from node.peer.maintenance.replay import replay

    with _ledger(org, home, config, alone=True) as (url, settings), progress_bar("blocks") as progress:
        name = channel or settings.channel
        creator = SigningIdentity.from_msp_folder(settings.msp_folder, settings.msp_id).creator
        done = replay(url, name, creator, last_block, progress)
    typer.echo(_told(name, done))


def _told(channel: str, done: Replayed) -> str:
    given_up = done.height_before - done.height
    end = f" {given_up} blocks given up; the node takes them again when it runs." if given_up else ""
    known = f" and commit hash {done.commit_hash.hex()}" if done.commit_hash else ""
    return f"Channel {channel}: made anew from {done.height} blocks, each with the outcome it had{known}.{end}"


@contextmanager
def _ledger(org: str, home: Path | None, config: Path | None, *, alone: bool) -> Iterator[tuple[str, NodeConfig]]:
    """Give the database of an organization's peer, as its owner, and the settings of its node.

    The embedded server runs only with the consortium, so it is started for as long as this takes where it does not.

    Args:
        alone: whether the consortium must not run meanwhile.
    Raises:
        SupervisorError: it runs.
        PostgresError: the server does not start.
    """
    from node.config import NodeConfig, load_settings, read_url
    from node.offline import database_server

    if config is not None:
        settings = load_settings(NodeConfig, config)
        yield read_url(settings.owner_database_url_file), settings
        return
    opened, _, member = find(home, org)
    settings = load_settings(NodeConfig, opened.organization(member) / "node.yaml")
    with database_server(opened, member, alone=alone):
        yield read_url(settings.owner_database_url_file), settings
