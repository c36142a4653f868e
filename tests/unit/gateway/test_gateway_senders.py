"""Whom failed log-ins are counted for: the nearest address that no trusted proxy vouches away.

Method: a connection's peer, a header, trusted networks; the sender.
"""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from starlette.requests import Request

from gateway.senders import sender_of

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
