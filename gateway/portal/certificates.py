"""Logging in by the organization's X.509 certificate.

The TLS handshake proved that the browser holds the key, and that an authority of the organization's MSP issued the
certificate. Here the MSP judges it as it would on the channel: chain, revocation lists, NodeOUs; and, because somebody
is let in, expiry. What an organizational unit means for the role, the settings say.

A changed file in the MSP's folder counts from the next request on: whoever is revoked there is out.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2

from gateway.errors import ConfigurationError, CredentialsError, ForbiddenError
from gateway.portal.roles import Role
from gateway.portal.sessions import Person
from network.errors import ConfigError, NetworkError
from network.msp import Msp
from network.msp_folder import read_msp_config

NAME_LENGTH_MAX = 100


class CertificateLogin:
    """Tells who a client certificate is.

    Args:
        msp_id: the organization.
        msp_folder: its rules of membership.
        units: role by organizational unit.
        now: the clock, UTC.
    Raises:
        ConfigurationError: the folder is no MSP's.
    """

    def __init__(self, msp_id: str, msp_folder: Path, units: Mapping[str, Role], now: Callable[[], datetime]) -> None:
        self._msp_id = msp_id
        self._folder = msp_folder
        self._units = units
        self._now = now
        self._stamp = _stamp_of(msp_folder)
        self._msp = self._read()

    def roots_pem(self) -> bytes:
        """Return the authorities that a client certificate must come from."""
        folders = (self._folder / name for name in ("cacerts", "intermediatecerts"))
        return b"\n".join(path.read_bytes() for folder in folders for path in sorted(folder.glob("*.pem")))

    def person_of(self, certificate: bytes) -> Person:
        """Return who a certificate is.

        Args:
            certificate: DER, as the TLS connection proved it.
        Raises:
            CredentialsError: the organization does not vouch for it: foreign, revoked, expired.
            ForbiddenError: it names no role at the portal, or several.
        """
        self._follow_folder()
        pem = ssl.DER_cert_to_PEM_cert(certificate).encode()
        creator = identities_pb2.SerializedIdentity(mspid=self._msp_id, id_bytes=pem).SerializeToString()
        try:
            identity = self._msp.deserialize(creator)
            self._msp.validate(identity, self._now())
        except NetworkError as error:
            raise CredentialsError(f"{self._msp_id} does not vouch for this certificate: {error}") from error
        names = [value for kind, value in identity.certificate.attributes if kind == NameOID.COMMON_NAME.dotted_string]
        return Person(_name_of(names), self._role_of(identity.certificate.units), "certificate")

    def _role_of(self, units: list[str]) -> Role:
        roles = {self._units[unit] for unit in units if unit in self._units}
        if len(roles) != 1:
            known = ", ".join(sorted(self._units))
            raise ForbiddenError(
                "no_role", f"the certificate names {len(roles)} roles: it needs exactly one of the units {known}"
            )
        return roles.pop()

    def _follow_folder(self) -> None:
        stamp = _stamp_of(self._folder)
        if stamp != self._stamp:
            self._msp = self._read()
            self._stamp = stamp

    def _read(self) -> Msp:
        try:
            return Msp.from_config(read_msp_config(self._folder, self._msp_id))
        except (ConfigError, OSError) as error:
            raise ConfigurationError(f"certificates.msp_folder {self._folder}: {error}") from error


def _name_of(names: list[str]) -> str:
    name = "".join(names)
    if not name or len(name) > NAME_LENGTH_MAX or not name.isprintable():
        raise CredentialsError(f"the certificate's common name is not 1 to {NAME_LENGTH_MAX} printable characters")
    return name


def _stamp_of(folder: Path) -> frozenset[tuple[str, int, int]]:
    found = ((path, path.stat()) for path in folder.rglob("*"))
    return frozenset((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in found)
