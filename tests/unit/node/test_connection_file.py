"""``connection.json``: every field of Fabric's, and what may be wrong with it; TLS fields also in ``test_package``."""

from __future__ import annotations

import json

import pytest

from network.rpc import ClientTls
from node.peer.connection_file import DIAL_TIMEOUT_S, Connection, parse_connection
from node.peer.errors import ChaincodeError

ADDRESS = {"address": "host:9999"}
MUTUAL = {"tls_required": True, "client_auth_required": True, "root_cert": "R", "client_cert": "C", "client_key": "K"}


def parse(**fields: object) -> Connection:
    return parse_connection(json.dumps(ADDRESS | fields).encode(), {})


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("10s", 10.0), ("1m30s", 90.0), ("250ms", 0.25), ("1.5h", 5400.0), (2_000_000_000, 2.0), (0, DIAL_TIMEOUT_S)],
)
def test_dial_timeout_is_a_go_duration(written: object, seconds: float) -> None:
    assert parse(dial_timeout=written).dial_timeout_s == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["10", "s", "-1s", "ten seconds", True, -1, None, []])
def test_other_dial_timeouts_are_refused(written: object) -> None:
    with pytest.raises(ChaincodeError, match=r"dial_timeout is .*: write a duration such as '10s'"):
        parse(dial_timeout=written)


def test_domain_counts_with_mutual_tls_only_as_in_fabric() -> None:
    assert parse(domain="cc.example", **MUTUAL) == Connection("host:9999", ClientTls(b"R", b"C", b"K"), "cc.example")
    assert parse(domain="cc.example", tls_required=True, root_cert="R").server_name is None
    assert parse(domain="cc.example").server_name is None
    with pytest.raises(ChaincodeError, match="domain is 5: name a host"):
        parse(domain=5, **MUTUAL)


@pytest.mark.parametrize(("content", "text"), [(b"{", "could not unmarshal"), (b"[]", "it is no object")])
def test_what_is_no_object_is_refused(content: bytes, text: str) -> None:
    with pytest.raises(ChaincodeError, match=text):
        parse_connection(content, {})
