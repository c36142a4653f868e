"""Writes a gateway's settings file: the gateway is a room of its own, which shares the file's form and no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from network.topology import Consortium, Organization
from node.home import GATEWAY, Home, replace_secret, tls_roots, write_secret

ASSETS = ({"code": "EUR", "scale": 2}, {"code": "CZK", "scale": 2}, {"code": "USD", "scale": 2})
"""Assets customers of a new consortium may hold; the settings file says so from then on."""


def write_gateway_settings(home: Home, consortium: Consortium, own: Organization) -> Path:
    """Write ``gateway.yaml`` where absent; it holds the database password, so only its owner may read it."""
    path = home.organization(own) / "gateway.yaml"
    if path.exists():
        return path
    roots = home.organization(own) / "tls-roots.pem"
    # Whole on disk before the settings are, which are never written again: public, and written like a secret.
    replace_secret(roots, b"".join(file.read_bytes() for file in tls_roots(home, consortium)[own.msp_id]))
    client = home.user(own, GATEWAY) / "tls"
    settings: dict[str, Any] = {
        "listen": {"host": "127.0.0.1", "port": own.gateway_port},
        "database_url": home.secret(own, "gateway.url").read_text(),
        "node": {"address": f"127.0.0.1:{own.node_port}"},
        "tls": {"certificate": str(client / "client.crt"), "key": str(client / "client.key"), "roots": str(roots)},
        "jwt_secret_file": str(home.secret(own, "token.key")),
        "organization": {"msp_id": own.msp_id, "display_name": own.display_name},
        "partners": [
            {"msp_id": member.msp_id, "display_name": member.display_name}
            for member in consortium.organizations
            if member.role == "bank" and member != own
        ],
        "assets": list(ASSETS),
    }
    if own.gateway_operations_port is not None:
        settings["operations"] = {"port": own.gateway_operations_port}
    write_secret(path, yaml.safe_dump(settings, sort_keys=False).encode())
    return path
