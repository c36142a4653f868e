"""``connection.json``: where a chaincode that runs as a service listens, and how it is dialled.

It stands in an installed package, or beside the node's settings. ``{{.name}}`` in it stands for a value of the peer's
own settings, so that one file serves every member.

Source: Fabric core/container/externalbuilder/instance.go (ChaincodeServerUserData), ccaas_builder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from network import rpc
from node.peer.errors import ChaincodeError

DIAL_TIMEOUT_S = 3.0
"""Time to connect where the file names none, Fabric's default."""

NAME = "connection.json"

_VALUE = re.compile(r"\{\{\s*\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS_MAX = 2**63
"""Go's durations end there."""

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Connection:
    """How a chaincode that listens is dialled.

    Args:
        address: ``host:port``.
        tls: None for a connection in the clear.
        server_name: name its certificate must carry; None for the address's host.
        dial_timeout_s: time to connect.
    """

    address: str
    tls: rpc.ClientTls | None = None
    server_name: str | None = None
    dial_timeout_s: float = DIAL_TIMEOUT_S


def parse_connection(content: bytes, values: Mapping[str, str]) -> Connection:
    """Read a ``connection.json``.

    Args:
        content: of the file.
        values: what ``{{.name}}`` in it stands for.
    Raises:
        ChaincodeError: naming the field and what is wrong with it.
    """
    text = _VALUE.sub(lambda found: _value(found.group(1), values), content.decode(errors="replace"))
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ChaincodeError(f"could not unmarshal {NAME} as json: {error}") from error
    if not isinstance(fields, dict):
        raise ChaincodeError(f"could not unmarshal {NAME} as json: it is no object")
    address = fields.get("address", "")
    if not isinstance(address, str) or not address:
        raise ChaincodeError(f"{NAME}: chaincode address not provided")
    dial_timeout_s = _duration_s(fields.get("dial_timeout", 0)) or DIAL_TIMEOUT_S
    if not fields.get("tls_required"):
        return Connection(address, dial_timeout_s=dial_timeout_s)
    root = _pem(fields, "root_cert", "tls root cert")
    if not fields.get("client_auth_required"):
        return Connection(address, rpc.ClientTls(root), dial_timeout_s=dial_timeout_s)
    key, certificate = _pem(fields, "client_key", "tls key"), _pem(fields, "client_cert", "tls cert")
    # Fabric looks at the domain only here: a file that works there must work here.
    domain = fields.get("domain") or None
    if domain is not None and not isinstance(domain, str):
        raise ChaincodeError(f"{NAME}: domain is {domain!r}: name a host, or leave it out")
    return Connection(address, rpc.ClientTls(root, certificate, key), domain, dial_timeout_s)


def _value(name: str, values: Mapping[str, str]) -> str:
    if name not in values:
        raise ChaincodeError(
            f"{NAME}: {{{{.{name}}}}} stands for a value of this peer's settings that is not there; "
            f"known are {sorted(values)}"
        )
    return values[name]


def _pem(fields: Mapping[str, Any], field: str, name: str) -> bytes:
    value = fields.get(field)
    if not isinstance(value, str) or not value:
        raise ChaincodeError(f"{NAME}: {field}: chaincode {name} not provided")
    return value.encode()


def _duration_s(value: object) -> float:
    """Return seconds of a Go duration: text such as ``1m30s``, or a number of nanoseconds."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _NANOSECONDS_MAX:
        return value * 1e-9
    if isinstance(value, str) and _DURATION.fullmatch(value):
        return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(value))
    raise ChaincodeError(f"{NAME}: dial_timeout is {value!r}: write a duration such as '10s'")
