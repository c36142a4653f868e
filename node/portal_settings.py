"""Writes a portal's settings file: the portal is of another room, which shares the file's form and no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from network.topology import Consortium, Organization
from node.home import PORTAL, Home, tls_roots, write_secret


def write_portal_settings(home: Home, consortium: Consortium, own: Organization) -> Path:
    """Write ``portal.yaml`` where absent; it names the files of keys and holds none."""
    path = home.organization(own) / "portal.yaml"
    if path.exists():
        return path
    server, client = home.portal_tls(own), home.user(own, PORTAL) / "tls"
    (roots,) = tls_roots(home, consortium)[own.msp_id]
    settings: dict[str, Any] = {
        "listen": {"host": "127.0.0.1", "port": own.portal_port},
        "tls": {"certificate": str(server / "server.crt"), "key": str(server / "server.key")},
        "node": {"address": f"127.0.0.1:{own.node_port}"},
        "node_tls": {
            "certificate": str(client / "client.crt"),
            "key": str(client / "client.key"),
            "roots": str(roots),
        },
        "organization": {"msp_id": own.msp_id, "display_name": own.display_name},
        "members": [
            {"msp_id": member.msp_id, "display_name": member.display_name} for member in consortium.organizations
        ],
        "certificates": {"msp_folder": str(home.crypto(own) / "msp")},
    }
    write_secret(path, yaml.safe_dump(settings, sort_keys=False).encode())
    return path
