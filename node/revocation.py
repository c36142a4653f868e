"""``dwaybank certificates revoke``: shuts out whoever holds a certificate, at every member of the channel.

Rules
- The list in the organization's folder comes first, then the configuration update that brings it to the channel: cut
  short in between, the same command again completes it. It takes back nothing that was revoked before, here or there.
- What this home's own processes present now is not revoked, for they would be shut out: it is renewed first, which
  keeps the old certificate so that its number is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from fabric_protos.msp import msp_config_pb2

from network.crypto_material import revoke
from network.go_revocation import RevocationList
from network.topology import Consortium, Organization
from node.certificates import AUTHORITIES, Held, certificates_of, named_in_settings, replaced_certificates
from node.channel_update import change_msp
from node.errors import ConfigurationError
from node.home import Home


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate that the channel's members refuse.

    Attributes:
        certificate: it.
        file: the list that names it.
    """

    certificate: x509.Certificate
    file: Path


def revoke_certificate(home: Home, consortium: Consortium, member: Organization, serial: str, now: datetime) -> Revoked:
    """Put a certificate on its authority's list, and that on the channel.

    Args:
        serial: its number in hexadecimal digits, as ``dwaybank certificates list`` tells it.
        now: UTC time of the revocation.
    Raises:
        ConfigurationError: it is not known, it is in use here, or the channel does not take the list.
        ConfigError: the authority's key is not here.
    """
    certificate, tls = _found(home, consortium, member, serial)
    file = revoke(home.crypto(member), [certificate], now, tls=tls)
    pem = file.read_bytes()
    try:
        change_msp(home, consortium, member.msp_id, lambda msp: _add(msp, pem), now)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file} names it, and {error}") from error
    return Revoked(certificate, file)


def _found(home: Home, consortium: Consortium, member: Organization, serial: str) -> tuple[x509.Certificate, bool]:
    """Return the certificate of a number, and whether its authority is that for TLS."""
    try:
        number = int(serial, 16)
    except ValueError as error:
        raise ConfigurationError(
            f"{serial}: no number of a certificate, `dwaybank certificates list` tells them"
        ) from error
    for held in certificates_of(home, consortium, [member.name]):
        if held.certificate.serial_number == number:
            _refuse_in_use(home, member, held)
            return held.certificate, held.use != "identity"
    for certificate in replaced_certificates(home.crypto(member)):
        if certificate.serial_number == number:
            return certificate, _is_for_tls(certificate)
    raise ConfigurationError(
        f"{serial}: no certificate of {member.name} here, nor one that was renewed; `dwaybank certificates list --org "
        f"{member.name}` tells their numbers"
    )


def _refuse_in_use(home: Home, member: Organization, held: Held) -> None:
    if held.use in AUTHORITIES.values() or held.key is None:
        raise ConfigurationError(f"{held.holder}: only what this home's authorities issued is revoked here")
    # The administrator is who brings this list to the channel.
    own = {home.user(member, "Admin") / "msp", *named_in_settings(home.organization(member))}
    if not own.isdisjoint((held.path, held.folder)):
        raise ConfigurationError(
            f"{held.holder} is in use here and would be shut out: `dwaybank certificates renew --force --org "
            f"{member.name} --home {home.root}`, start again (`dwaybank down`, `dwaybank up`), then revoke this number"
        )


def _is_for_tls(certificate: x509.Certificate) -> bool:
    try:
        certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return False
    return True


def _add(msp: msp_config_pb2.FabricMSPConfig, pem: bytes) -> bool:
    """Put a list into an MSP, in the place of those it contains; tell whether that changed anything."""
    if pem in msp.revocation_list:
        return False
    new = RevocationList.parse(pem)
    kept = [one for one in msp.revocation_list if not _contains(new, RevocationList.parse(one))]
    del msp.revocation_list[:]
    msp.revocation_list.extend([*kept, pem])
    return True


def _contains(newer: RevocationList, older: RevocationList) -> bool:
    return older.authority == newer.authority and older.serial_numbers <= newer.serial_numbers
