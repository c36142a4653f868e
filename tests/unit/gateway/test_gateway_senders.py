"""Whom failed log-ins are counted for: the nearest address that no trusted proxy vouches away.

Method: a connection's peer, a header, trusted networks; the sender.
"""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from starlette.requests import Request
from structlog.testing import capture_logs

from gateway.senders import FORWARDERS_MAX, UntrustedForwarders, sender_of
from network.operations.metrics import Metrics

TRUSTED = [ip_network("10.0.0.0/24"), ip_network("fd00::/64")]


def _sender(peer: str | None, *told: str) -> str:
    headers = [(b"x-forwarded-for", line.encode("latin-1")) for line in told]
    scope = {"type": "http", "client": None if peer is None else (peer, 1), "headers": headers}
    return sender_of(Request(scope), TRUSTED)


@pytest.mark.parametrize(
    ("peer", "told", "sender"),
    [
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9 ,10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("fd00::1", ["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        ("fd00::1", ["[2001:db8:1:2:ffff::1]:443"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", ["203.0.113.9"], "2001:db8:1:2::/64"),
        ("testclient", ["203.0.113.9"], "testclient"),
        (None, ["203.0.113.9"], ""),
    ],
)
def test_sender_is_the_first_address_from_the_right_that_is_no_proxys(
    peer: str | None, told: list[str], sender: str
) -> None:
    assert _sender(peer, *told) == sender


def test_header_of_any_length_costs_one_look_at_each_address() -> None:
    assert _sender("10.0.0.1", ",".join(["10.0.0.9"] * 3_000)) == "10.0.0.9"


async def _told(*requests: tuple[str | None, str]) -> tuple[list[str], list[str]]:
    """Return whom the log names after requests with a peer and a header each, and whom the metric does."""
    metrics = Metrics()
    forwarders = UntrustedForwarders(metrics)
    with capture_logs() as lines:
        for peer, header in requests:
            client = None if peer is None else (peer, 1)
            headers = [(header.encode(), b"203.0.113.9")]
            forwarders.note(Request({"type": "http", "client": client, "headers": headers}), TRUSTED)
    assert all(line["log_level"] == "warning" and "trusted_proxies" in line["way_out"] for line in lines)
    text = await metrics.text()
    named = [line for line in text.splitlines() if line.startswith("dwaybank_untrusted_forwarders{")]
    return [line["peer"] for line in lines], named


async def test_who_forwards_and_is_not_trusted_is_told_of_once() -> None:
    said, named = await _told(*[("127.0.0.1", "x-forwarded-for")] * 3, ("::1", "forwarded"), ("10.0.1.1", "x-real-ip"))
    assert said == ["127.0.0.1", "::1", "10.0.1.1"]
    assert set(named) == {f'dwaybank_untrusted_forwarders{{peer="{peer}"}} 1' for peer in said}


async def test_nobody_is_told_of_who_is_trusted_forwards_nothing_or_is_no_address() -> None:
    quiet = ("10.0.0.1", "x-forwarded-for"), ("127.0.0.1", "accept"), (None, "forwarded"), ("testclient", "forwarded")
    assert await _told(*quiet) == ([], [])


async def test_what_strangers_can_have_told_is_little_and_names_none_of_the_internet() -> None:
    said, _ = await _told(("8.8.8.8", "forwarded"), ("8.8.4.4", "forwarded"), ("2600::1", "forwarded"))
    assert said == ["an address of the internet"]
    said, _ = await _told(*((f"10.1.0.{number}", "forwarded") for number in range(50)))
    assert len(said) == FORWARDERS_MAX
