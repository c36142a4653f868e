"""``up`` and ``down``: starts the supervisor in the background and waits until it says that all runs, or why not."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from network.errors import ConfigError
from network.topology import BASE_PORT, Consortium, default_consortium, load_consortium
from node.config import OrdererConfig, load_settings
from node.errors import ConfigurationError, SupervisorError
from node.home import Home, open_home, prepare_home
from node.lock_file import is_locked

START_TIMEOUT_S = 90.0
"""How long nothing may be heard of a start; what is heard of has its time, which the supervisor bounds step by step."""

TELL_TIMEOUT_S = 5.0
CLOCKS_APART = timedelta(minutes=5)
"""As in Fabric's cryptogen."""
STOP_TIMEOUT_S = 120.0
"""More than every process may take that has to be killed, one kind after another, and a database server after them."""

console = Console()


def start_consortium(
    root: Path, base_port: int | None, database_urls: list[str], foreground: bool, without: Sequence[str] = ()
) -> None:
    """Start the consortium in ``root``, made there where absent, and print who listens where.

    Args:
        root: the data directory.
        base_port: see ``ensure_home``.
        database_urls: ``ORGANIZATION=URL`` of servers of one's own.
        foreground: become the supervisor.
        without: organizations that are not started.
    Raises:
        NodeError: one sentence about what stands in the way.
    """
    home, consortium = ensure_home(root, base_port, parse_database_urls(database_urls))
    _refuse_moved(home)
    _refuse_unknown(consortium, without)
    with console.status("starting") as spinner:
        if not is_held(home):
            if foreground:
                spinner.stop()
                os.execv(sys.executable, _supervising(home, without))  # noqa: S606
            launch_supervisor(home, on_step=spinner.update, without=without)
        else:
            await_running(home, on_step=spinner.update)
            console.print(f"The consortium in {home.root} is running already.", highlight=False, soft_wrap=True)
    for name in read_status(home).get("without", []):
        console.print(f"{left_out(name)}.", highlight=False, soft_wrap=True)
    print_addresses(home, consortium)


def left_out(name: str) -> str:
    """Return the sentence about an organization that was not started."""
    return f"{name} was left out (--without): `dwaybank down`, then `dwaybank up` starts it with the others"


def _supervising(home: Home, without: Sequence[str]) -> list[str]:
    command = [sys.executable, "-m", "node", "supervise", "--home", str(home.root)]
    return command + [f"--without={name}" for name in without]


def _refuse_unknown(consortium: Consortium, without: Sequence[str]) -> None:
    known = [member.name for member in consortium.organizations]
    for name in without:
        if name not in known:
            raise ConfigurationError(f"--without {name}: no organization here, give one of {', '.join(known)}")
    if set(known) == set(without):
        raise ConfigurationError("--without: names all organizations, leave one to be started")


def ensure_home(root: Path, base_port: int | None, database_urls: dict[str, str]) -> tuple[Home, Consortium]:
    """Return the home in ``root``, made with free ports where absent.

    Raises:
        ConfigurationError: another ``--base-port`` than the one this home was made with.
    """
    home, consortium = prepare_home(
        root, lambda: default_consortium(base_port or free_base_port()), _valid_from(), database_urls
    )
    if base_port is not None and consortium.orderer.port != base_port:
        raise ConfigurationError(
            f"{home.root} was made with --base-port {consortium.orderer.port}: "
            "use that, or another --home (addresses stand in the channel's configuration)"
        )
    return home, consortium


def _refuse_moved(home: Home) -> None:
    """Refuse a home that was copied or moved: its processes would work on the files of the one it was made as.

    Raises:
        ConfigurationError: naming the place it was made at.
    """
    settings = home.orderer / "orderer.yaml"
    if not settings.exists():
        return
    orderer = load_settings(OrdererConfig, settings)
    made_as = Home(orderer.genesis_block.parent.parent)
    if (orderer.genesis_block, orderer.data_folder) != (made_as.genesis, made_as.orderer / "blocks"):
        return  # somebody's own places
    if made_as.root.resolve() != home.root:
        raise ConfigurationError(
            f"{home.root} was made as {made_as.root}, and its settings and URLs name files there: put it back, or make "
            f"{made_as.root} a link to it"
        )


def prepare_consortium(root: Path, base_port: int | None, described_in: Path | None) -> Home:
    """Make certificates, genesis block and settings of a new consortium, and start nothing.

    Args:
        described_in: its consortium file; None for the default one.
    Raises:
        ConfigurationError: there is a consortium already, or the file cannot be used.
    """
    if Home(root.resolve()).consortium_file.exists():
        raise ConfigurationError(
            f"{root} holds a consortium already: choose another --home, or start it with `dwaybank up`"
        )
    if described_in is None:
        return ensure_home(root, base_port, {})[0]
    if base_port is not None:
        raise ConfigurationError("--base-port and --consortium: give one of them, the file says which ports are used")
    try:
        described = load_consortium(described_in)
    except ConfigError as error:
        raise ConfigurationError(str(error)) from error
    return prepare_home(root, lambda: described, _valid_from(), {})[0]


def _valid_from() -> datetime:
    """Return when certificates made now begin: clocks differ, and one that is set back must not end everything."""
    return datetime.now(UTC) - CLOCKS_APART


def launch_supervisor(home: Home, on_step: Any = None, without: Sequence[str] = ()) -> None:
    """Start the supervisor and return when everything runs.

    Args:
        home: an existing home.
        on_step: called with a few words whenever the start has come further.
        without: organizations that are not started.
    Raises:
        SupervisorError: with the sentence the supervisor gave.
    """
    for folder in (home.run, home.logs):
        # A home that was restored has neither.
        folder.mkdir(exist_ok=True)
    with (home.logs / "supervisor.log").open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            _supervising(home, without),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout as told:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            status = read_status(home)
            if status.get("pid") != process.pid:
                # Of an earlier start, or of one at the same moment: its file is left alone.
                status = {}
            if status.get("state") == "running":
                return
            if ended and is_held(home):
                # Another one at the same moment was quicker.
                await_running(home, on_step)
                return
            if ended:
                said = told.read().decode(errors="replace").strip()
                ending = f"its supervisor ended ({process.returncode})" if process.returncode else "it was stopped"
                reason = said or f"{ending}: see {home.logs / 'supervisor.log'}"
                raise SupervisorError(f"the consortium did not start: {reason}")
            if status.get("state") == "starting":
                deadline = time.monotonic() + START_TIMEOUT_S
            if on_step is not None and status.get("step"):
                on_step(status["step"])
            time.sleep(0.03)
    process.terminate()
    raise SupervisorError(f"the consortium did not start within {START_TIMEOUT_S:.0f} s: see {home.logs}")


def await_running(home: Home, on_step: Any = None) -> None:
    """Return when the consortium runs that somebody else has started.

    Args:
        on_step: as for ``launch_supervisor``.
    Raises:
        SupervisorError: it is being stopped, did not start, or something else works on the home.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    _await_telling(home)
    while time.monotonic() < deadline:
        status = read_status(home) if running_pid(home) is not None else {}
        if status.get("state") == "running":
            return
        if status.get("state") == "stopping":
            raise SupervisorError(
                f"the consortium in {home.root} is being stopped: start it when `dwaybank status` shows that it has"
            )
        if not is_held(home):
            reason = read_status(home).get("error") or f"see {home.logs / 'supervisor.log'}"
            raise SupervisorError(f"the consortium in {home.root} was being started and is not running: {reason}")
        if status.get("state") == "starting":
            deadline = time.monotonic() + START_TIMEOUT_S
        if on_step is not None and status.get("step"):
            on_step(status["step"])
        time.sleep(0.03)
    raise SupervisorError(
        f"the consortium in {home.root} did not start within {START_TIMEOUT_S:.0f} s: see {home.logs}"
    )


def stop_consortium(root: Path) -> str:
    """Stop the consortium in ``root`` and return the sentence to print."""
    home, _ = open_home(root)
    if not is_held(home):
        return f"The consortium in {home.root} is not running."
    pid = _await_telling(home)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        if not is_held(home):
            return f"Stopped. The data stays in {home.root}; `dwaybank up` continues the same chain."
        time.sleep(0.05)
    raise SupervisorError(
        f"process {pid} did not stop within {STOP_TIMEOUT_S:.0f} s: see {home.logs / 'supervisor.log'}; "
        f"`kill -KILL {pid}` ends it and what it started, and loses nothing that was acknowledged"
    )


def is_held(home: Home) -> bool:
    """Tell whether somebody holds the home's lock: a supervisor, or a command that must be alone with the data."""
    return is_locked(home.lock)


def running_pid(home: Home) -> int | None:
    """Return the supervisor's process id, None where none holds the home or it has not said yet who it is."""
    if not is_held(home):
        return None
    pid = int(read_status(home).get("pid", 0))
    # What an earlier supervisor left names a process that may be anybody's by now, and `down` ends who is named.
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"supervise" in words and str(home.root).encode() in words:
            return pid
    return None


def _await_telling(home: Home) -> int | None:
    """Return the process id of the supervisor that holds the home; None once nobody does.

    Raises:
        SupervisorError: it is held, and not by a supervisor: those say at once who they are.
    """
    deadline = time.monotonic() + TELL_TIMEOUT_S
    while is_held(home):
        if (pid := running_pid(home)) is not None:
            return pid
        if time.monotonic() > deadline:
            raise SupervisorError(
                f"the consortium in {home.root} does not run, and another command works on its data: "
                "wait until that has ended"
            )
        time.sleep(0.05)
    return None


def read_status(home: Home) -> dict[str, Any]:
    """Return what the supervisor last wrote; empty before it wrote anything, and where a crash left half of it."""
    try:
        content = json.loads((home.run / "status.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def parse_database_urls(values: list[str]) -> dict[str, str]:
    """Return URLs by organization from ``ORGANIZATION=URL`` texts.

    Raises:
        ConfigurationError: naming the text that has another form.
    """
    urls = {}
    for value in values:
        organization, separator, url = value.partition("=")
        if not organization or not separator or not url.startswith(("postgresql://", "postgres://")):
            raise ConfigurationError(
                f"--database-url for {organization or 'no organization'}: "
                "write ORGANIZATION=postgresql://user:password@host/database"
            )
        urls[organization] = url
    return urls


def free_base_port(first: int = BASE_PORT) -> int:
    """Return the first base port, from ``first`` on, whose whole range is free.

    Raises:
        ConfigurationError: no range is free.
    """
    for base in range(first, 60_000, 100):
        if all(_is_free(port) for port in default_consortium(base).ports()):
            return base
    raise ConfigurationError("no free range of ports was found: name one with --base-port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def print_addresses(home: Home, consortium: Consortium) -> None:
    """Print who listens where and what to try next."""
    lines = [f"Channel {consortium.channel}"]
    for member in consortium.organizations:
        own_server = home.secret(member, "administrator.url").exists()
        lines.append(f"{member.display_name} ({member.msp_id})")
        lines.append(f"  node (gRPC, mutual TLS)  127.0.0.1:{member.node_port}")
        if member.gateway_port:
            lines.append(f"  customers (HTTP)         http://127.0.0.1:{member.gateway_port}/docs")
        if member.portal_port:
            lines.append(f"  portal (HTTPS)           https://localhost:{member.portal_port}/")
        lines.append(
            f"  PostgreSQL               {'your own server' if own_server else f'127.0.0.1:{member.postgres_port}'}"
        )
        operations = [port for port in (member.operations_port, member.gateway_operations_port) if port is not None]
        if operations:
            where = " ".join(f"http://127.0.0.1:{port}" for port in operations)
            lines.append(f"  health, metrics (HTTP)   {where}")
        lines.append(f"  connection profile       {home.organization(member) / 'connection-profile.json'}")
    # Lines, not a table: addresses and paths must stay whole in a narrow terminal and in a file.
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
    watched = consortium.orderer.operations_port
    metrics = f" (health, metrics: http://127.0.0.1:{watched})" if watched is not None else ""
    console.print(
        f"Orderer: 127.0.0.1:{consortium.orderer.port}{metrics} · data, keys and logs: {home.root}",
        highlight=False,
        soft_wrap=True,
    )
    first = consortium.organizations[0].name
    console.print(
        "Try next:\n"
        f"  dwaybank status --home {home.root}\n"
        "  dwaybank import fixtures/statements/dwaybank-2026-09.csv --mapping fixtures/mappings/dwaybank.yaml"
        f" --home {home.root}\n"
        f"  dwaybank anchor status --org {first} --home {home.root}\n"
        f"  dwaybank audit search --org regulator --home {home.root}\n"
        f"  dwaybank down --home {home.root}",
        highlight=False,
        soft_wrap=True,
    )
