"""Connects a gateway client by a Fabric common connection profile, JSON or YAML.

Example:
    async with connect(Path("connection-profile.json"), user="User1") as client:
        print(await client.evaluate("basic", "GetAllAssets"))

Read of a profile: ``client.organization``, ``client.tlsCerts``, ``channels``, ``organizations`` (``mspid``, ``peers``,
``cryptoPath``) and ``peers`` (``url``, ``tlsCACerts``, ``grpcOptions``); the rest is for other programs. Profiles of
fabric-samples name no identity, so one must be given with them.

Rules
- Calls go to the peers of the client's own organization, the first one first: another organization's peer could tell
  whatever it likes of an evaluation. Who accepts that names further organizations.
- Relative paths count from the profile's own folder.

Source: fabric-samples test-network/organizations/ccp-template.{json,yaml}; the profile's schema of Fabric's SDKs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from network import rpc
from network.client import GatewayClient, Timeouts
from network.envelope import Signer
from network.errors import ConfigError
from network.identity import SigningIdentity


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class _Pem(_Part):
    """A PEM text, in the profile or in a file it names."""

    pem: str | list[str] = ""
    path: str = ""

    def read(self, folder: Path, what: str) -> bytes:
        if self.pem:
            return "\n".join([self.pem] if isinstance(self.pem, str) else self.pem).encode()
        if not self.path:
            raise ConfigError(f"{what} has neither pem nor path")
        try:
            return (folder / self.path).read_bytes()
        except OSError as error:
            raise ConfigError(f"{what}.path: {folder / self.path} cannot be read: {error.strerror}") from error


class _ClientCertificate(_Part):
    cert: _Pem
    key: _Pem


class _ClientTls(_Part):
    client: _ClientCertificate | None = None


class _Client(_Part):
    organization: str = ""
    tls_certs: _ClientTls = Field(default=_ClientTls(), alias="tlsCerts")


class _Organization(_Part):
    msp_id: str = Field(alias="mspid")
    peers: list[str] = []
    crypto_path: str = Field(default="", alias="cryptoPath")


class _Peer(_Part):
    url: str = Field(pattern=r"^grpcs?://[^/\s]+:[0-9]+/?$")
    tls_ca_certs: _Pem | None = Field(default=None, alias="tlsCACerts")
    grpc_options: dict[str, Any] = Field(default={}, alias="grpcOptions")


class _Profile(_Part):
    client: _Client = _Client()
    channels: dict[str, Any] = {}
    organizations: dict[str, _Organization] = Field(min_length=1)
    peers: dict[str, _Peer] = Field(min_length=1)


class ConnectionProfile:
    """A profile that has been read.

    Args:
        path: the file.
    Raises:
        ConfigError: it is no connection profile; names the file and the field.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = path.resolve().parent
        try:
            self._profile = _Profile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigError(f"connection profile {path} cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"connection profile {path} is neither JSON nor YAML: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "file"
            raise ConfigError(f"connection profile {path}: {field}: {first['msg']}") from error

    def channel_id(self, wanted: str = "") -> str:
        """Return the channel wanted, or the only one the profile names.

        Raises:
            ConfigError: none is wanted, and the profile names none or several.
        """
        if wanted:
            return wanted
        named = list(self._profile.channels)
        if len(named) != 1:
            raise ConfigError(f"connection profile {self._path} names {len(named)} channels; say which one is meant")
        return named[0]

    def identity(self, user: str, organization: str = "") -> SigningIdentity:
        """Return a user's identity from the folder that the profile names for its organization.

        Args:
            user: e.g. ``User1``.
            organization: name in the profile; by default the client's own.
        Raises:
            ConfigError: the profile names no such folder.
            IdentityError: the folder does not hold one certificate and its key.
        """
        name, found = self._organization(organization)
        if not found.crypto_path:
            raise ConfigError(
                f"connection profile {self._path}: organizations.{name}.cryptoPath is missing; pass an identity, e.g. "
                "SigningIdentity.from_msp_folder(folder, msp_id)"
            )
        folder = found.crypto_path.replace("{username}", user).replace("{userName}", user)
        return SigningIdentity.from_msp_folder(self._folder / folder, found.msp_id)

    def channels(self, organizations: Sequence[str] = ()) -> list[rpc.Channel]:
        """Return connections to the peers of organizations, in their order; the caller closes them.

        Args:
            organizations: names in the profile; by default the client's own.
        Raises:
            ConfigError: an organization or a peer is not in the profile, or a certificate cannot be read.
        """
        names: list[str] = []
        for organization in organizations or [""]:
            organization_name, found = self._organization(organization)
            if not found.peers:
                raise ConfigError(f"connection profile {self._path}: organizations.{organization_name} has no peers")
            names += [name for name in found.peers if name not in names]
        return [self._channel(name) for name in names]

    def _organization(self, name: str) -> tuple[str, _Organization]:
        name = name or self._profile.client.organization
        if not name and len(self._profile.organizations) == 1:
            name = next(iter(self._profile.organizations))
        found = self._profile.organizations.get(name)
        if found is None:
            known = ", ".join(self._profile.organizations)
            raise ConfigError(f"connection profile {self._path}: no organization {name!r}; it has {known}")
        return name, found

    def _channel(self, name: str) -> rpc.Channel:
        peer = self._profile.peers.get(name)
        if peer is None:
            raise ConfigError(
                f"connection profile {self._path}: peers.{name} is missing, though an organization has it"
            )
        options = peer.grpc_options
        server_name = options.get("ssl-target-name-override") or options.get("hostnameOverride")
        scheme, _, address = peer.url.rstrip("/").partition("://")
        if scheme == "grpc":
            return rpc.Channel(address, None)
        if peer.tls_ca_certs is None:
            raise ConfigError(
                f"connection profile {self._path}: peers.{name}.tlsCACerts is missing for a grpcs address"
            )
        roots = peer.tls_ca_certs.read(self._folder, f"connection profile {self._path}: peers.{name}.tlsCACerts")
        return rpc.Channel(address, self._tls(roots), server_name=server_name)

    def _tls(self, roots: bytes) -> rpc.ClientTls:
        own = self._profile.client.tls_certs.client
        if own is None:
            return rpc.ClientTls(roots)
        what = f"connection profile {self._path}: client.tlsCerts.client"
        return rpc.ClientTls(
            roots, own.cert.read(self._folder, f"{what}.cert"), own.key.read(self._folder, f"{what}.key")
        )


@asynccontextmanager
async def connect(
    profile: Path | ConnectionProfile,
    channel_id: str = "",
    *,
    identity: Signer | None = None,
    user: str = "User1",
    organizations: Sequence[str] = (),
    timeouts: Timeouts | None = None,
) -> AsyncGenerator[GatewayClient, None]:
    """Give a client, and close its connections in the end.

    Args:
        profile: file, or one that has been read.
        channel_id: by default the only channel the profile names.
        identity: who signs; by default ``user``, from the folder that the profile names.
        user: user of the client's organization.
        organizations: whose peers are used, in order of preference; by default the client's own organization's.
        timeouts: see ``Timeouts``.
    Raises:
        ConfigError: the profile cannot be used so; names file and field.
        IdentityError: the user's certificate and key cannot be read.
    """
    known = profile if isinstance(profile, ConnectionProfile) else ConnectionProfile(profile)
    chosen = known.channel_id(channel_id)
    signer = identity if identity is not None else known.identity(user)
    async with AsyncExitStack() as stack:
        channels = known.channels(organizations)
        for channel in channels:
            stack.push_async_callback(channel.close)
        yield GatewayClient(channels, signer, chosen, timeouts=timeouts)
