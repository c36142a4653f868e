"""Settings of a portal whose node does not answer: for tests of what the portal decides by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.config import Listen, Node, Organization, Tls
from gateway.portal.config import Certificates, PortalConfig, ServerTls
from network.crypto_material import OrganizationSpec, add_tls_client, generate_organization

ORIGIN = "https://localhost:7076"
NOBODY = "127.0.0.1:9"
"""Where nobody listens."""


def portal_config(folder: Path, **changes: Any) -> PortalConfig:
    """Return settings with certificates made in a folder."""
    spec = OrganizationSpec(
        name="Regulator", msp_id="RegulatorMSP", domain="regulator.test", kind="peer", hosts=("node",)
    )
    began = datetime(2026, 1, 1, tzinfo=UTC)
    generate_organization(folder, spec, began)
    organization = spec.folder(folder)
    tls = add_tls_client(organization, "Portal", ("client",), began) / "tls"
    fields: dict[str, Any] = {
        "listen": Listen(port=7076),
        "tls": ServerTls(certificate=tls / "client.crt", key=tls / "client.key"),
        "node": Node(address=NOBODY, timeout_s=2),
        "node_tls": Tls(certificate=tls / "client.crt", key=tls / "client.key", roots=tls / "ca.crt"),
        "organization": Organization(msp_id="RegulatorMSP", display_name="Regulator"),
        "members": (
            Organization(msp_id="DwaybankMSP", display_name="DwayBank"),
            Organization(msp_id="RegulatorMSP", display_name="Regulator"),
        ),
        "certificates": Certificates(msp_folder=organization / "msp"),
    }
    return PortalConfig(**fields | changes)
