from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from node import ports
from tests.support.consortium import free_base_port

ASKS_AND_WAITS = "from node.ports import free_port; print(free_port(), flush=True); input()"

CLAIMS_AND_WAITS = """
from node.ports import claim
print(next(port for port in range(9_999, 0, -1) if claim(port)), flush=True)
input()
"""


def draw(monkeypatch: pytest.MonkeyPatch, *drawn: int) -> None:
    """Let chance choose these ports, the last one again and again."""
    numbers: Iterator[int] = chain(drawn, repeat(drawn[-1]))
    monkeypatch.setattr(ports.secrets, "randbelow", lambda bound: next(numbers) - ports.single_ports().start)


def test_port_given_to_another_process_is_given_again_only_once_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    spare = ports.free_port()
    ports._given.discard(spare)
    with subprocess.Popen(
        [sys.executable, "-c", ASKS_AND_WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        taken = int(other.stdout.readline())
        draw(monkeypatch, taken, spare)
        assert ports.free_port() == spare
        other.communicate("\n")
    draw(monkeypatch, taken)
    assert ports.free_port() == taken


def test_range_of_another_process_is_claimed_only_once_that_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CLAIMS_AND_WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        taken = int(other.stdout.readline())
        assert not ports.claim(taken)
        other.communicate("\n")
    assert ports.claim(taken)
    assert not ports.claim(taken)


@pytest.mark.parametrize(
    ("first", "given"),
    [(32_768, range(26_000, 32_768)), (16_000, range(14_000, 16_000)), (1_024, range(26_000, 28_000))],
)
def test_ports_lie_below_those_of_outgoing_connections(
    monkeypatch: pytest.MonkeyPatch, first: int, given: range
) -> None:
    monkeypatch.setattr(ports, "_first_ephemeral_port", lambda: first)
    assert ports.single_ports() == given
    port = ports.free_port()
    assert port in given
    assert free_base_port() + 100 <= given.start


def test_port_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    draw(monkeypatch, ports.free_port())
    with pytest.raises(ports.NodeError, match=r"no TCP port of 127.0.0.1 from \d+ on is free"):
        ports.free_port()
