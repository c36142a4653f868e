"""Certificates and keys for development and tests, in the layout of Fabric's cryptogen.

    <root>/peerOrganizations/<domain>/          (ordererOrganizations for kind "orderer")
        ca/ tlsca/                              authority: <name>-cert.pem, priv_sk
        msp/                                    what the channel's configuration is made of
        peers/<host>.<domain>/{msp,tls}         ("orderers" for kind "orderer")
        users/<User>@<domain>/{msp,tls}

Rules kept here:

* Private keys are readable by their owner only, from their first byte on; nothing that exists is overwritten.
* Each organization has one authority for identities and another for TLS, so that a TLS key never signs for a person.
* Signatures in certificates are low-S: peers then compare the bytes they were given.

A production network's certificates come from the organizations' own authorities, never from here.

Source: Fabric 3.1 cmd/cryptogen/main.go, internal/cryptogen/{ca,msp,csp}.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from network.certificates import with_low_s
from network.errors import ConfigError
from network.go_certificate import Certificate
from network.identity import SigningIdentity

VALIDITY = timedelta(days=3650)
"""How long every certificate made here is valid but an authority's, as in cryptogen."""

AUTHORITY_VALIDITY = 2 * VALIDITY
"""Longer than what it issues, which so is renewed without a new authority, of which every member would have to learn by
the channel's configuration. cryptogen's authority ends with its certificates.
"""

LOCAL_NAMES = ("localhost", "127.0.0.1")
"""Under which every server made here is reached on its own machine."""

_KEY_FILE = "priv_sk"
_NAME = re.compile(r"(?=.{1,64}\Z)[A-Za-z0-9][A-Za-z0-9._-]*(@[A-Za-z0-9.-]+)?")
"""Of a user or host with its domain: it names a folder, and X.520 bounds a common name (ub-common-name)."""
_TLS_USAGES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
_ROLES = ("client", "peer", "admin", "orderer")


@dataclass(frozen=True, slots=True)
class OrganizationSpec:
    """What to generate for one organization.

    Attributes:
        name: for people.
        msp_id: on the channel.
        domain: ends every name.
        kind: what its hosts are.
        hosts: host names without the domain.
        users: clients; an administrator "Admin" is always added.
        reviewers: clients with the further unit "reviewer".
        others: clients with further units of their own, by name.
        sans: further names and addresses in every host's TLS certificate.
        admin_tls_unit: unit of the administrator's TLS certificate; empty for none.
    """

    name: str
    msp_id: str
    domain: str
    kind: Literal["peer", "orderer"]
    hosts: tuple[str, ...]
    users: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    others: tuple[tuple[str, str], ...] = ()
    sans: tuple[str, ...] = LOCAL_NAMES
    admin_tls_unit: str = ""

    def folder(self, root: Path) -> Path:
        """Where the organization's material lies under a root."""
        return root / f"{self.kind}Organizations" / self.domain


@dataclass(frozen=True, slots=True)
class Authority:
    """A certification authority with its key.

    Attributes:
        certificate: self-signed.
        key: signs certificates and revocation lists.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def name(self) -> str:
        """Common name, which also names its files."""
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    @classmethod
    def load(cls, folder: Path) -> Authority:
        """Read an organization's ``ca`` or ``tlsca`` folder.

        Raises:
            ConfigError: certificate or key is missing or unreadable.
        """
        try:
            (path,) = folder.glob("*-cert.pem")
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
            key = serialization.load_pem_private_key((folder / _KEY_FILE).read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{folder} does not hold an authority: one *-cert.pem and {_KEY_FILE}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{folder / _KEY_FILE} is not an ECDSA key")
        return cls(certificate, key)


def generate_organization(root: Path, spec: OrganizationSpec, not_before: datetime) -> None:
    """Write an organization's authorities, MSP, hosts and users.

    Args:
        root: folder that holds all organizations.
        spec: what to generate.
        not_before: UTC time from which the certificates are valid, for ten years, the authorities' for twenty.
    Raises:
        ConfigError: the organization's folder exists already.
    """
    folder = spec.folder(root)
    if folder.exists():
        raise ConfigError(f"{folder} exists; remove it, or generate under another root")
    signing = new_authority(f"ca.{spec.domain}", spec.domain, not_before)
    tls = new_authority(f"tlsca.{spec.domain}", spec.domain, not_before)
    for name, authority in (("ca", signing), ("tlsca", tls)):
        _write_certificate(folder / name / f"{authority.name}-cert.pem", authority.certificate)
        _write_key(folder / name / _KEY_FILE, authority.key)
    _write_trust(folder / "msp", signing, tls)
    for host in spec.hosts:
        name = f"{host}.{spec.domain}"
        sans = (name, host, *spec.sans)
        _write_member(folder / f"{spec.kind}s" / name, name, (spec.kind,), sans, (signing, tls), not_before)
    add_user(folder, "Admin", ("admin",), not_before, tls_units=(spec.admin_tls_unit,) if spec.admin_tls_unit else ())
    users: list[tuple[str, tuple[str, ...]]] = [(user, ("client",)) for user in spec.users]
    users += [(user, ("client", "reviewer")) for user in spec.reviewers]
    users += [(user, ("client", unit)) for user, unit in spec.others]
    for user, units in users:
        add_user(folder, user, units, not_before)


def add_user(
    folder: Path, user: str, units: Iterable[str], not_before: datetime, *, tls_units: tuple[str, ...] = ()
) -> Path:
    """Write one more user of an organization.

    Args:
        folder: the organization's, with ``ca`` and ``tlsca``.
        user: name before the ``@``.
        units: organizational units; exactly one of client, peer, admin, orderer makes a valid member.
        not_before: UTC time from which the certificates are valid.
        tls_units: of the TLS certificate.
    Returns:
        the user's folder with ``msp`` and ``tls``.
    Raises:
        ConfigError: the user exists, his name cannot be one, or the authorities cannot be read.
    """
    name = _new_name(f"{user}@{folder.name}", folder / "users")
    target = folder / "users" / name
    authorities = Authority.load(folder / "ca"), Authority.load(folder / "tlsca")
    _write_member(target, name, tuple(units), (), authorities, not_before, tls_units)
    return target


def add_tls_client(folder: Path, user: str, units: Iterable[str], not_before: datetime) -> Path:
    """Write a TLS client certificate of an organization, for a program that signs nothing on the channel.

    Args:
        folder: the organization's, with ``tlsca``.
        user: name before the ``@``.
        units: organizational units of the certificate.
        not_before: UTC time from which it is valid.
    Returns:
        the user's folder with ``tls``.
    Raises:
        ConfigError: the user exists, his name cannot be one, or the authority cannot be read.
    """
    name = _new_name(f"{user}@{folder.name}", folder / "users")
    target = folder / "users" / name
    _write_tls(target, name, tuple(units), (), Authority.load(folder / "tlsca"), not_before)
    return target


def add_tls_server(folder: Path, host: str, not_before: datetime) -> Path:
    """Write a TLS certificate for a server of an organization that is no peer, such as its portal.

    Args:
        folder: the organization's, with ``tlsca``.
        host: host name without the domain; ``localhost`` and 127.0.0.1 are named in it, too.
        not_before: UTC time from which it is valid.
    Returns:
        the host's folder with ``tls``.
    Raises:
        ConfigError: the host exists, its name cannot be one, or the authority cannot be read.
    """
    name = _new_name(f"{host}.{folder.name}", folder / "servers")
    target = folder / "servers" / name
    _write_tls(target, name, (), (name, host, *LOCAL_NAMES), Authority.load(folder / "tlsca"), not_before)
    return target


def new_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """Return a fresh private key, on P-256 unless told otherwise."""
    return ec.generate_private_key(curve or ec.SECP256R1())


def new_authority(
    common_name: str, organization: str, not_before: datetime, *, curve: ec.EllipticCurve | None = None
) -> Authority:
    """Return a fresh self-signed authority like cryptogen's.

    Source: Fabric internal/cryptogen/ca/ca.go, NewCA.
    """
    key = new_key(curve)
    subject = _name(common_name, organization=organization)
    builder = (
        _builder(subject, subject, key.public_key(), not_before, not_before + AUTHORITY_VALIDITY)
        .add_extension(key_usage(encipherment=True, authority=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(reversed(_TLS_USAGES)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(_key_identifier(key.public_key())), critical=False)
    )
    certificate = builder.sign(key, hashes.SHA256())
    return Authority(low_s(certificate, certificate), key)


def issue_certificate(
    authority: Authority,
    public_key: ec.EllipticCurvePublicKey,
    common_name: str,
    *,
    not_before: datetime,
    not_after: datetime | None = None,
    organizational_units: Iterable[str] = (),
    tls_names: Iterable[str] | None = None,
) -> x509.Certificate:
    """Issue a leaf certificate like cryptogen's.

    Args:
        authority: who signs.
        public_key: whose certificate it is.
        common_name: of the subject.
        not_before: UTC.
        not_after: UTC; ten years after ``not_before`` unless given.
        organizational_units: of the subject, in order.
        tls_names: None for an identity; for a TLS certificate its names and addresses, empty for a client's.
    Source: Fabric internal/cryptogen/ca/ca.go, SignCertificate; internal/cryptogen/msp/msp.go, GenerateLocalMSP.
    """
    issuer = authority.certificate
    subject = _name(common_name, units=organizational_units)
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    builder = (
        _builder(subject, issuer.subject, public_key, not_before, not_after or not_before + VALIDITY)
        .add_extension(key_usage(encipherment=tls_names is not None, authority=False), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier(identifier, None, None), critical=False)
    )
    if tls_names is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(_TLS_USAGES), critical=False)
        names = [_general_name(name) for name in tls_names]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return low_s(builder.sign(authority.key, hashes.SHA256()), issuer)


def low_s(certificate: x509.Certificate, issuer: x509.Certificate) -> x509.Certificate:
    """Return a certificate of ours in the form in which Fabric compares it."""
    of_issuer, signed = (
        Certificate.read(one.public_bytes(serialization.Encoding.DER)) for one in (issuer, certificate)
    )
    return x509.load_der_x509_certificate(with_low_s(signed, of_issuer).der)


def issue_identity(
    authority: Authority,
    msp_id: str,
    common_name: str,
    organizational_units: Iterable[str],
    not_before: datetime,
    not_after: datetime | None = None,
) -> SigningIdentity:
    """Issue an identity with a fresh key, in memory only; for tests of foreign, expired and revoked ones."""
    key = new_key()
    certificate = issue_certificate(
        authority,
        key.public_key(),
        common_name,
        not_before=not_before,
        not_after=not_after,
        organizational_units=organizational_units,
    )
    return SigningIdentity(msp_id, certificate.public_bytes(serialization.Encoding.PEM), key)


def revoke(folder: Path, certificates: Iterable[x509.Certificate], now: datetime, *, tls: bool = False) -> Path:
    """Revoke certificates of an organization: write its revocation list into ``msp/crls``.

    The channel's members honour it once a configuration update has brought it to the channel.

    Args:
        folder: the organization's, with ``ca``, ``tlsca`` and ``msp``.
        certificates: to revoke, besides those revoked before.
        now: UTC time of the revocation.
        tls: whether they are of the TLS authority, which has a list of its own.
    Returns:
        the list's path.
    Raises:
        ConfigError: the authority cannot be read.
    """
    authority = Authority.load(folder / ("tlsca" if tls else "ca"))
    path = folder / "msp" / "crls" / ("tls-crl.pem" if tls else "crl.pem")
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=authority.certificate.subject, last_update=now, next_update=now + VALIDITY
    )
    identifier = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    builder = builder.add_extension(x509.AuthorityKeyIdentifier(identifier, None, None), critical=False)
    entries = (
        {entry.serial_number: entry for entry in x509.load_pem_x509_crl(path.read_bytes())} if path.exists() else {}
    )
    for certificate in certificates:
        if certificate.serial_number not in entries:
            revoked = x509.RevokedCertificateBuilder(certificate.serial_number, now)
            entries[certificate.serial_number] = revoked.build()
    for entry in entries.values():
        builder = builder.add_revoked_certificate(entry)
    path.parent.mkdir(exist_ok=True)
    # Built beside its place: half of a list would be read as none, and by nobody.
    building = path.with_name(f".{path.name}")
    building.write_bytes(builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    building.replace(path)
    return path


def _new_name(name: str, folder: Path) -> str:
    """Return a name that is a certificate's, and of a folder that is not there yet."""
    if not _NAME.fullmatch(name):
        told = f"name {name!r}: use letters, digits, '.', '_' and '-', a letter or digit first, 64 characters in all"
        raise ConfigError(told)
    if (folder / name).exists():
        raise ConfigError(f"{folder / name} exists; choose another name")
    return name


def _write_member(
    folder: Path,
    name: str,
    units: tuple[str, ...],
    sans: tuple[str, ...],
    authorities: tuple[Authority, Authority],
    not_before: datetime,
    tls_units: tuple[str, ...] = (),
) -> None:
    """Write a host's or user's ``msp`` and ``tls`` folders."""
    signing, tls = authorities
    key = new_key()
    identity = issue_certificate(signing, key.public_key(), name, not_before=not_before, organizational_units=units)
    _write_trust(folder / "msp", signing, tls)
    _write_certificate(folder / "msp" / "signcerts" / f"{name}-cert.pem", identity)
    _write_key(folder / "msp" / "keystore" / _KEY_FILE, key)
    _write_tls(folder, name, tls_units, sans, tls, not_before)


def _write_tls(
    folder: Path,
    name: str,
    units: tuple[str, ...],
    sans: tuple[str, ...],
    authority: Authority,
    not_before: datetime,
) -> None:
    """Write a host's or user's ``tls`` folder."""
    key = new_key()
    prefix = "server" if sans else "client"
    certificate = issue_certificate(
        authority, key.public_key(), name, not_before=not_before, organizational_units=units, tls_names=sans
    )
    _write_certificate(folder / "tls" / f"{prefix}.crt", certificate)
    _write_key(folder / "tls" / f"{prefix}.key", key)
    _write_certificate(folder / "tls" / "ca.crt", authority.certificate)


def _write_trust(msp: Path, signing: Authority, tls: Authority) -> None:
    """Write what makes an MSP folder verify: the authorities and the NodeOUs."""
    file = f"cacerts/{signing.name}-cert.pem"
    _write_certificate(msp / file, signing.certificate)
    _write_certificate(msp / "tlscacerts" / f"{tls.name}-cert.pem", tls.certificate)
    lines = ["NodeOUs:", "    Enable: true"]
    for role in _ROLES:
        lines += [
            f"    {role.capitalize()}OUIdentifier:",
            f"        Certificate: {file}",
            f"        OrganizationalUnitIdentifier: {role}",
        ]
    (msp / "config.yaml").write_text("\n".join(lines) + "\n")


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # Created with its final mode: no moment in which another user could open it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _name(common_name: str, *, organization: str = "", units: Iterable[str] = ()) -> x509.Name:
    """Return a subject with cryptogen's fixed place, then organization or units, then the common name."""
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
        x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "California"),
        x509.NameAttribute(NameOID.LOCALITY_NAME, "San Francisco"),
    ]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    attributes += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def key_usage(*, encipherment: bool, authority: bool) -> x509.KeyUsage:
    """Return what a certificate's key is for: signing, and encipherment or issuing beside it."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _key_identifier(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return SHA-256 of the public point (RFC 7093, section 2, method 4, as cryptogen computes it)."""
    point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return hashlib.sha256(point).digest()


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
