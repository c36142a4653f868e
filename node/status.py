"""``dwaybank status``: the supervisor's view of the processes and each node's own view of chain and anchoring."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from network.errors import RpcError
from network.topology import Consortium, Organization
from node.home import Home, open_home
from node.own_node import AUDIT, OwnNode, audit_pb2
from node.start import is_held, read_status, running_pid


def consortium_status(root: Path) -> dict[str, Any]:
    """Return state, processes and, for each node that answers, heights and anchoring."""
    home, consortium = open_home(root)
    if running_pid(home) is None:
        state = "maintenance" if is_held(home) else "stopped"
        return {"home": str(home.root), "state": state, "processes": [], "nodes": []}
    status = read_status(home)
    return {
        "home": str(home.root),
        "state": status.get("state", "starting"),
        "processes": status.get("processes", []),
        "nodes": asyncio.run(_all_nodes(home, consortium)),
    }


def is_well(found: dict[str, Any]) -> bool:
    """Tell whether all runs that should: a script's answer to what ``consortium_status`` found."""
    return (
        found["state"] == "running"
        and all(process["pid"] for process in found["processes"])
        and all("error" not in node for node in found["nodes"])
    )


async def _all_nodes(home: Home, consortium: Consortium) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(_one_node(home, consortium, member) for member in consortium.organizations)))


async def _one_node(home: Home, consortium: Consortium, member: Organization) -> dict[str, Any]:
    try:
        async with OwnNode(home, consortium, member) as node:
            status = await node.call(
                AUDIT, "GetAnchorStatus", audit_pb2.GetAnchorStatusRequest(), audit_pb2.GetAnchorStatusResponse, 5
            )
    except RpcError as error:
        return {"organization": member.name, "error": str(error)}
    return {
        "organization": member.name,
        "block_height": status.block_height,
        "commit_hash": status.commit_hash.hex(),
        "posted": status.posted_seq,
        "sealed": status.sealed_size,
        "anchored": status.anchored_size,
        "attested": status.attested_size,
        "stalled": status.stalled,
    }


def print_status(found: dict[str, Any]) -> None:
    """Print what ``consortium_status`` found as two tables."""
    console = Console()
    console.print(f"{found['home']}: {found['state']}", highlight=False)
    if found["state"] == "maintenance":
        console.print("Another command works on its data, or it has begun to start this moment.")
    if found["processes"]:
        processes = Table("process", "pid", "port", "restarts")
        for row in found["processes"]:
            processes.add_row(row["name"], str(row["pid"] or "-"), str(row["port"]), str(row["restarts"]))
        console.print(processes)
    if found["nodes"]:
        _print_nodes(console, found["nodes"])


def _print_nodes(console: Console, rows: list[dict[str, Any]]) -> None:
    # Narrow, so that names and figures stay whole in 80 columns; what a node has to say follows on lines of its own.
    nodes = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("node", "height", "commit hash", "posted", "sealed", "anchored", "attested"):
        nodes.add_column(heading, no_wrap=True)
    for row in rows:
        if "error" in row:
            nodes.add_row(row["organization"], *["-"] * 6)
            continue
        nodes.add_row(
            row["organization"],
            str(row["block_height"]),
            row["commit_hash"][:16],
            *(str(row[name]) for name in ("posted", "sealed", "anchored", "attested")),
        )
    console.print(nodes)
    for row in rows:
        stalled = f"ANCHORING STANDS STILL: {row['stalled']}" if row.get("stalled") else ""
        if remark := row.get("error") or stalled:
            console.print(f"{row['organization']}: {remark}", highlight=False, soft_wrap=True)
