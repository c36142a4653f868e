"""The portal's configuration: one YAML file, read once, checked at once, then frozen.

Rules: paths count from the file's own folder; an unknown or missing field is refused by name; who may log in is said
here, by certificate always, by OpenID Connect and passkey where an issuer is named. The file holds no secret: it names
the files that do.

Example of the file::

    listen: {host: 127.0.0.1, port: 7076}
    tls: {certificate: tls/server.crt, key: tls/server.key}
    node: {address: "127.0.0.1:7071"}
    node_tls: {certificate: tls/client.crt, key: tls/client.key, roots: tls/ca.crt}
    organization: {msp_id: RegulatorMSP, display_name: Regulator}
    members: [{msp_id: DwaybankMSP, display_name: DwayBank}]
    certificates: {msp_folder: msp}
    oidc: {issuer: "https://id.regulator.example", client_id: portal, roles: {examiners: examiner}}   # optional
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.config import Listen, Node, Organization, ServerTls, Tls, read_settings
from gateway.portal.roles import Role
from network.operations.log_levels import DEFAULT_SPEC


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Certificates(_Part):
    """Logging in by an X.509 certificate of the organization."""

    msp_folder: Path
    """``cacerts``, ``intermediatecerts``, ``crls`` and ``config.yaml``; read again when a file in it changes."""
    units: dict[str, Role] = {
        "portal:examiner": Role.EXAMINER,
        "portal:supervisor": Role.SUPERVISOR,
        "admin": Role.ADMINISTRATOR,
    }
    """Which organizational unit of a certificate gives which role."""


class Oidc(_Part):
    """Logging in at an issuer by OpenID Connect, and then with a passkey."""

    issuer: str = Field(pattern=r"^(https://[^\s?#]+|http://(127\.0\.0\.1|localhost)(:\d+)?(/[^\s?#]*)?)$")
    """As it calls itself; in the clear on this machine only."""
    client_id: str = Field(min_length=1, max_length=200)
    client_secret_file: Path | None = None
    """Absent for a public client: PKCE protects the code either way."""
    client_secret_in: Literal["header", "form"] | None = None
    """How the secret is shown; absent: as the issuer's discovery document says, in the header where it takes both."""
    roots: Path | None = None
    """Authorities of the issuer's certificate (PEM), where they are not the system's."""
    scope: str = "openid profile"
    name_claim: str = "preferred_username"
    role_claim: str = "groups"
    roles: dict[str, Role] = Field(min_length=1)
    """Which value of ``role_claim`` gives which role; administrators come with certificates."""

    @model_validator(mode="after")
    def _no_way_without_secret(self) -> Oidc:
        if self.client_secret_in is not None and self.client_secret_file is None:
            raise ValueError(
                f"client_secret_in {self.client_secret_in}: no secret is named to be shown: give client_secret_file, "
                "or leave client_secret_in out for a public client"
            )
        return self

    @model_validator(mode="after")
    def _no_administrators(self) -> Oidc:
        if Role.ADMINISTRATOR in self.roles.values():
            raise ValueError("roles: administrators of the portal come with a certificate, never by an issuer")
        return self


class SessionLimits(_Part):
    """How long somebody stays logged in."""

    idle_s: int = Field(default=900, ge=60, le=86_400)
    total_s: int = Field(default=28_800, ge=60, le=86_400)


class PortalConfig(_Part):
    """Everything a portal needs to know; see the module's example."""

    listen: Listen
    origins: tuple[str, ...] = ()
    """Addresses it is reached under, ``https://host:port``; by default ``localhost`` and 127.0.0.1 with its port."""
    tls: ServerTls
    node: Node
    node_tls: Tls
    organization: Organization
    members: tuple[Organization, ...] = Field(min_length=1)
    """Whom the pages show by name."""
    certificates: Certificates
    oidc: Oidc | None = None
    sessions: SessionLimits = SessionLimits()
    log_spec: str = DEFAULT_SPEC
    """Levels by logger, as Fabric's logging specifications."""

    @property
    def served_origins(self) -> tuple[str, ...]:
        """Addresses it is reached under."""
        return self.origins or tuple(f"https://{host}:{self.listen.port}" for host in ("localhost", "127.0.0.1"))


def load_portal_config(path: Path) -> PortalConfig:
    """Read and check a configuration file.

    Args:
        path: YAML file.
    Returns:
        The configuration, all paths absolute.
    Raises:
        ConfigurationError: unreadable, not YAML, or a field that is wrong; the text names it.
    """
    config = read_settings(PortalConfig, path)
    folder = path.resolve().parent
    tls, node_tls, certificates = config.tls, config.node_tls, config.certificates
    oidc = config.oidc
    if oidc is not None:
        files = {name: getattr(oidc, name) for name in ("client_secret_file", "roots")}
        oidc = oidc.model_copy(update={name: folder / path for name, path in files.items() if path is not None})
    changes = {
        "tls": ServerTls(certificate=folder / tls.certificate, key=folder / tls.key),
        "node_tls": Tls(
            certificate=folder / node_tls.certificate, key=folder / node_tls.key, roots=folder / node_tls.roots
        ),
        "certificates": certificates.model_copy(update={"msp_folder": folder / certificates.msp_folder}),
        "oidc": oidc,
    }
    return config.model_copy(update=changes)
