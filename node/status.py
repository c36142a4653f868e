"""``dwaybank status``: the supervisor's view of the processes and each node's own view of chain and anchoring."""

from __future__ import annotations

import asyncio
import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from network.errors import ConfigError, RpcError
from network.topology import Consortium, Organization
from node.certificates import WARNED_DAYS, certificates_of, due
from node.errors import NodeError
from node.home import Home, open_home
from node.liveness import question_for
from node.own_node import AUDIT, OwnNode, audit_pb2
from node.start import is_held, left_out, read_status, running_pid

UNWATCHED_S = 60.0
"""More than a supervisor is kept from its file: it waits so long for an orderer that must be killed."""


_WITH_HEALTH = ("orderer", "-node", "-gateway")
"""Ends of names of processes that serve operations."""

_FORWARDER = re.compile(r'^dwaybank_untrusted_forwarders\{peer="([^"\\]*)"\} 1$', re.MULTILINE)


def consortium_status(root: Path) -> dict[str, Any]:
    """Return state, processes, warnings and, for each node that answers, heights and anchoring."""
    home, consortium = open_home(root)
    warnings = _certificate_warnings(home, consortium)
    if running_pid(home) is None:
        state = "maintenance" if is_held(home) else "stopped"
        nothing: dict[str, Any] = {"watched": True, "held": False, "without": [], "processes": [], "nodes": []}
        return {"home": str(home.root), "state": state, **nothing, "warnings": warnings}
    status = read_status(home)
    processes, nodes, told = asyncio.run(_ask(home, consortium, status.get("processes", [])))
    return {
        "home": str(home.root),
        "state": status.get("state", "starting"),
        "watched": _is_watched(home, status),
        "held": bool(status.get("held")),
        "without": status.get("without", []),
        "processes": processes,
        "nodes": nodes,
        "warnings": [*warnings, *told],
    }


def _certificate_warnings(home: Home, consortium: Consortium) -> list[str]:
    try:
        ending = due(certificates_of(home, consortium, []), WARNED_DAYS, datetime.now(UTC))
    except (ConfigError, NodeError) as error:
        return [str(error)]
    if not ending:
        return []
    first = ending[0].certificate.not_valid_after_utc
    return [
        f"{len(ending)} certificates end within {WARNED_DAYS} days or have ended, the first {first:%Y-%m-%d %H:%M}Z: "
        "`dwaybank certificates list` shows them, `dwaybank certificates renew` issues others"
    ]


def is_well(found: dict[str, Any]) -> bool:
    """Tell whether all runs that should: a script's answer to what ``consortium_status`` found."""
    return (
        found["state"] == "running"
        and found["watched"]
        and all(
            (process["pid"] and process["answers"] is not False) or (found["held"] and process["name"] == "orderer")
            for process in found["processes"]
        )
        and all("error" not in node for node in found["nodes"])
    )


def _is_watched(home: Home, status: dict[str, Any]) -> bool:
    """Tell whether the supervisor, which touches its file twice a second, did so lately."""
    if not status.get("beats"):
        return True  # of a release that does not, or still starting
    return time.time() - (home.run / "status.json").stat().st_mtime < UNWATCHED_S


async def _ask(
    home: Home, consortium: Consortium, processes: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Return the processes, each with whether it answers, what the nodes say, and what processes warn of."""
    answers, nodes, forwarders, health = await asyncio.gather(
        asyncio.gather(*(_answers(home, process) for process in processes)),
        asyncio.gather(*(_one_node(home, consortium, member) for member in consortium.organizations)),
        asyncio.gather(*(_forwarders(home, row) for row in processes if row["name"].endswith("-gateway"))),
        asyncio.gather(*(_failed_checks(home, row) for row in processes if row["name"].endswith(_WITH_HEALTH))),
    )
    answering = [process | {"answers": answer} for process, answer in zip(processes, answers, strict=True)]
    return answering, nodes, [warning for some in (*health, *forwarders) for warning in some]


async def _failed_checks(home: Home, process: dict[str, Any]) -> list[str]:
    """Return what a process finds wrong with itself."""
    question = question_for(home, process["name"], process["port"])
    told = "" if question is None else await question.told("/healthz")
    try:
        failed = json.loads(told.partition("\r\n\r\n")[2] or "{}").get("failed_checks", [])
        return [f"{process['name']}: {check['component']}: {check['reason']}" for check in failed]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []  # somebody else's answer: whether the process answers at all is told beside it


async def _forwarders(home: Home, process: dict[str, Any]) -> list[str]:
    """Return what a gateway tells of proxies that its settings do not name."""
    question = question_for(home, process["name"], process["port"])
    told = "" if question is None else await question.told("/metrics")
    return [
        f"{process['name']}: {peer} forwards requests and is not in trusted_proxies: a proxy of yours is named there, "
        "until then no limit by address holds (docs/operations.md, A proxy before a gateway)"
        for peer in _FORWARDER.findall(told)
    ]


async def _answers(home: Home, process: dict[str, Any]) -> bool | None:
    """Tell whether a process answers anybody; None where it cannot be asked."""
    question = question_for(home, process["name"], process["port"])
    return None if question is None else bool(await question.is_answered())


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
    if not found["watched"]:
        console.print("The supervisor does nothing: end its process (SIGKILL), then `dwaybank up`.")
    if found["held"]:
        console.print("A backup is being made: until it has ended nothing is anchored, and nothing paid between banks.")
    for name in found["without"]:
        console.print(f"{left_out(name)}.", highlight=False)
    if found["processes"]:
        processes = Table("process", "pid", "port", "restarts", "answers")
        for row in found["processes"]:
            answers = {True: "yes", False: "NO", None: "-"}[row["answers"]]
            processes.add_row(row["name"], str(row["pid"] or "-"), str(row["port"]), str(row["restarts"]), answers)
        console.print(processes)
    if found["nodes"]:
        _print_nodes(console, found["nodes"])
    print_warnings(found)


def print_warnings(found: dict[str, Any]) -> None:
    """Print what ``consortium_status`` found that is no failure yet, or one that no process ends by."""
    console = Console()
    for warning in found["warnings"]:
        console.print(f"WARNING: {warning}", highlight=False, soft_wrap=True, markup=False)


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
