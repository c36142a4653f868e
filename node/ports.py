"""TCP ports that nobody uses, for servers of tests and benchmarks; a consortium's own ports are in its description."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from node.errors import NodeError

_PORT_MIN = 26_000
_PORTS_MIN = 2_000
_FIRST_EPHEMERAL_MIN = 12_000
_TRIES = 1_000
_given: set[int] = set()


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that is free, another at each call in any process of this user.

    It stays with the process that asked for as long as that lives, whether a server listens there or not: two test
    processes that each chose a port long before they used it met on one. It lies below those that the kernel gives to
    outgoing connections, so a server that stops and starts again finds it free still.

    Raises:
        NodeError: none was found.
        OSError: the file of claims cannot be opened.
    """
    ports = single_ports()
    for _ in range(_TRIES):
        port = ports.start + secrets.randbelow(len(ports))
        if _is_free(port) and claim(port):
            return port
    raise NodeError(f"no TCP port of 127.0.0.1 from {ports.start} on is free")


def single_ports() -> range:
    """Return the ports that single servers are given; those of tests' consortia lie below them."""
    first = _first_ephemeral_port()
    if first >= _PORT_MIN + _PORTS_MIN:
        return range(_PORT_MIN, first)
    if first >= _FIRST_EPHEMERAL_MIN:  # gVisor's are from 16000 on
        return range(first - _PORTS_MIN, first)
    return range(_PORT_MIN, _PORT_MIN + _PORTS_MIN)  # where they begin so low that no room is left


def claim(port: int) -> bool:
    """Keep a port, or the range that begins with it, for this process until it ends; False where it is kept already.

    Raises:
        OSError: the file of claims cannot be opened.
    """
    if port in _given:
        return False
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    _given.add(port)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


@cache
def _claims() -> int:
    """Return the file whose bytes are the ports: a process locks those it was given, and they are free when it ends."""
    path = Path(tempfile.gettempdir()) / f"dwaybank-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _first_ephemeral_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32768  # Linux's default, where the kernel does not say
