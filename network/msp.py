"""Membership: which certificates an organization vouches for, and which roles they play.

Rules kept here:

* An identity is a member when exactly one chain of unexpired-at-issue certificates leads to a root of its MSP, no
  revocation list names it, and (with NodeOUs) it carries exactly one of the units client, peer, admin, orderer.
* A verdict about a transaction never reads the clock: Fabric ignores expiry there, or peers that validate later would
  part from those that validated earlier. Who lets identities in gives `now` and gets expiry checked.
* Revocation lists count from the moment the configuration holds them, whatever date they give.

Left to others: chains of certificates (`network.certificates`), signatures and policies (`network.signing`, `.policy`).
Source: Fabric 3.1 msp/mspimpl.go, mspimplsetup.go, mspimplvalidate.go, mspmgrimpl.go (MSP versions 1.4.3 and 3.0);
proto msp/msp_config.proto, msp/msp_principal.proto.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2
from google.protobuf.message import DecodeError

from network.certificates import (
    Authorities,
    Chain,
    OrganizationalUnit,
    canonical,
    chain_identifier,
    check_authority,
    check_published_signer,
    unique_chain,
)
from network.errors import ConfigError, IdentityError, IdentityExpiredError, IdentityRevokedError, WireError
from network.go_certificate import Certificate
from network.go_keys import is_of_known_kind
from network.go_revocation import RevocationList
from network.identity import KNOWN_BYTES_MAX, Identity, msp_id_of, parse_certificate, parse_identity, with_certificate
from network.messages import read_message
from network.signing import SHA2, PublicKey

_CACHE_MAX = 4096
"""Entries kept of each kind of verdict; a channel has far fewer identities."""

_Role, _Principal = msp_principal_pb2.MSPRole, msp_principal_pb2.MSPPrincipal


class Msp:
    """One organization's rules of membership.

    Attributes:
        msp_id: organization.
        config: the serialized ``MSPConfig`` this was built from.
        hash_family: of the hashes its members' signatures are checked by.
        roots: certificates of its root authorities, in canonical form.
        tls_roots: PEM certificates of its TLS authorities.
        tls_intermediates: PEM certificates between.
        node_ous: unit name by role ("client", "peer", "admin", "orderer"); empty where NodeOUs are off.
    """

    def __init__(self, config: bytes, *, ed25519: bool = True) -> None:
        """Build an MSP, checking its configuration as Fabric does at set-up.

        Args:
            config: serialized ``msp.MSPConfig`` of type FABRIC.
            ed25519: whether Ed25519 identities are allowed (channel capability V3_0).
        Raises:
            ConfigError: the configuration is refused.
        """
        fabric_config = _parse_config(config)
        self.config = config
        self.msp_id: str = fabric_config.name
        self.hash_family: str = fabric_config.crypto_config.signature_hash_family or SHA2
        self._identifier_hash: str = fabric_config.crypto_config.identity_identifier_hash_function
        self._ed25519 = ed25519
        self._validated: set[tuple[str, bytes]] = set()
        self._satisfied: dict[tuple[bytes, int, bytes], str] = {}
        try:
            self._set_up(fabric_config)
        except IdentityError as error:
            raise ConfigError(f"MSP {self.msp_id}: {error}") from error

    @classmethod
    def from_config(cls, config: bytes, *, ed25519: bool = True) -> Msp:
        """Build an MSP from a serialized ``MSPConfig``; see ``__init__``."""
        return cls(config, ed25519=ed25519)

    def deserialize(self, creator: bytes) -> Identity:
        """Read a creator as this organization's identity, its certificate in canonical form.

        The chain is checked, for the canonical form needs the issuer; revocation and units are not.

        Raises:
            WireError: not a ``SerializedIdentity``.
            IdentityError: of another organization, or no chain to a root.
        Source: Fabric msp/mspimpl.go, DeserializeIdentity.
        """
        identity = parse_identity(creator)
        if identity.msp_id != self.msp_id:
            raise IdentityError(f"expected MSP ID {self.msp_id}, received {identity.msp_id}")
        certificate = canonical(identity.certificate, self._authorities)
        return with_certificate(creator, self.msp_id, certificate, self.hash_family)

    def validate(self, identity: Identity, now: datetime | None = None) -> None:
        """Check that this organization vouches for an identity.

        Args:
            identity: parsed, or deserialized by this MSP.
            now: UTC time; None ignores expiry, as all judging of transactions must.
        Raises:
            IdentityError: not a member; ``IdentityRevokedError`` or ``IdentityExpiredError`` for those reasons.
        Source: Fabric msp/mspimplvalidate.go, validateIdentity; core/handlers/auth/filter/expiration.go.
        """
        if identity.identifier not in self._validated:
            self._validate(self.deserialize(identity.creator))
            _remember(self._validated, identity.identifier)
        certificate = identity.certificate
        if now is not None and not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise IdentityExpiredError(
                f"certificate {certificate.serial_number:x} of {self.msp_id} is valid from "
                f"{certificate.not_valid_before_utc.isoformat()} to {certificate.not_valid_after_utc.isoformat()}; "
                "enroll again"
            )

    def satisfies_principal(self, identity: Identity, principal: msp_principal_pb2.MSPPrincipal) -> None:
        """Check that an identity is, or plays the role, that a policy names.

        Args:
            identity: deserialized by this MSP.
            principal: role, organizational unit, identity, anonymity or a combination.
        Raises:
            IdentityError: it does not.
        Source: Fabric msp/mspimpl.go, SatisfiesPrincipal and satisfiesPrincipalInternalV142.
        """
        key = (identity.identifier[1], principal.principal_classification, principal.principal)
        refusal = self._satisfied.get(key)
        if refusal is None:
            try:
                for single in _single_principals(principal):
                    self._satisfies(identity, single)
                refusal = ""
            except (IdentityError, WireError) as error:
                refusal = str(error)
            if len(self._satisfied) >= _CACHE_MAX:
                self._satisfied.clear()
            self._satisfied[key] = refusal
        if refusal:
            raise IdentityError(refusal)

    def organizational_units(self, identity: Identity) -> tuple[OrganizationalUnit, ...]:
        """Return the units in an identity's certificate, each with the chain that certified it.

        Source: Fabric msp/identities.go, GetOrganizationalUnits: none where there is no valid chain.
        """
        try:
            certifiers = chain_identifier(self._chain(identity.certificate)[1:], self._identifier_hash)
        except IdentityError:
            return ()
        return tuple(OrganizationalUnit(name, certifiers) for name in identity.certificate.units)

    @property
    def is_plain(self) -> bool:
        """Whether all certificates and lists in the configuration are: see ``Certificate.is_plain``."""
        own, tls, admins = self._authorities, self._tls_authorities, (admin.certificate for admin in self._admins)
        certificates = (*self._given, *own.roots, *own.intermediates, *tls.roots, *tls.intermediates, *admins)
        return all(one.is_plain for one in certificates) and all(crl.is_plain for crl in self._crls)

    @property
    def hashes_by_sha256(self) -> bool:
        """Whether neither signatures nor units' authorities are told by another hash."""
        return self.hash_family == SHA2 and self._identifier_hash in ("", "SHA256")

    def has_role(self, identity: Identity, role: str) -> bool:
        """Tell whether the certificate carries the unit of a role ("client", "peer", "admin", "orderer")."""
        unit = self.node_ous.get(role)
        return unit is not None and any(ou.name == unit.name for ou in self.organizational_units(identity))

    # --- set-up -------------------------------------------------------------------------------------------------

    def _set_up(self, config: msp_config_pb2.FabricMSPConfig) -> None:
        chain_identifier((), self._identifier_hash)  # an unknown hash is refused at once
        if not config.root_certs:
            raise IdentityError("root_certs is empty; give at least one authority")
        roots = [parse_certificate(pem) for pem in config.root_certs]
        intermediates = [parse_certificate(pem) for pem in config.intermediate_certs]
        # Roots and intermediates are themselves put into canonical form before anything is compared with them.
        given = Authorities.of(roots, intermediates)
        self._given = (*roots, *intermediates, *map(parse_certificate, config.admins))
        self._authorities = Authorities.of(
            (canonical(certificate, given) for certificate in roots),
            (canonical(certificate, given) for certificate in intermediates),
        )
        self.roots = self._authorities.roots
        self._crls = tuple(RevocationList.parse(crl) for crl in config.revocation_list)
        self._inner_nodes = self._check_authorities()
        check_published_signer(config)
        self.tls_roots = tuple(bytes(pem) for pem in config.tls_root_certs)
        self.tls_intermediates = tuple(bytes(pem) for pem in config.tls_intermediate_certs)
        self._tls_authorities = self._check_tls_authorities()
        self._units = frozenset(self._unit(unit) for unit in config.organizational_unit_identifiers)
        self.node_ous = MappingProxyType(self._read_node_ous(config))
        self._admins = tuple(self._admin(pem) for pem in config.admins)
        self._check_admins()

    def _check_authorities(self) -> frozenset[Certificate]:
        """Check each authority and return those that stand above an intermediate: they may not sign identities."""
        inner: set[Certificate] = set()
        for certificate in (*self._authorities.roots, *self._authorities.intermediates):
            check_authority(certificate)
            if not is_of_known_kind(certificate.key):
                raise IdentityError(f"authority {certificate.serial_number:x} has a key of a kind that Fabric refuses")
            chain = unique_chain(certificate, self._authorities)
            if len(chain) > 1:
                self.check_not_revoked(chain[0], chain[1])
        for certificate in self._authorities.intermediates:
            inner.update(unique_chain(certificate, self._authorities)[1:])
        return frozenset(inner)

    def _check_tls_authorities(self) -> Authorities:
        roots, intermediates = map(parse_certificate, self.tls_roots), map(parse_certificate, self.tls_intermediates)
        authorities = Authorities.of(roots, intermediates)
        for certificate in (*authorities.roots, *authorities.intermediates):
            check_authority(certificate)
            chain = unique_chain(certificate, authorities)
            if len(chain) > 1:
                self.check_not_revoked(chain[0], chain[1])
        return authorities

    def _unit(self, unit: msp_config_pb2.FabricOUIdentifier) -> OrganizationalUnit:
        return OrganizationalUnit(unit.organizational_unit_identifier, self._certifiers_of(unit.certificate))

    def _certifiers_of(self, pem: bytes) -> bytes:
        """Return the identifier of the chain that starts at one of this MSP's authorities."""
        certificate = canonical(parse_certificate(pem), self._authorities)
        if certificate in self._authorities.roots:
            return chain_identifier((certificate,), self._identifier_hash)
        if certificate not in self._authorities.intermediates:
            raise IdentityError(
                f"unit's certificate {certificate.serial_number:x} is no authority of this organization"
            )
        return chain_identifier(self._chain_above(certificate, parent=0), self._identifier_hash)

    def _read_node_ous(self, config: msp_config_pb2.FabricMSPConfig) -> dict[str, OrganizationalUnit]:
        """Return the units by role, none where they are off: even then their certificates must be authorities."""
        units: dict[str, OrganizationalUnit] = {}
        for role in ("client", "peer", "admin", "orderer"):
            if not config.fabric_node_ous.HasField(f"{role}_ou_identifier"):
                continue
            unit = getattr(config.fabric_node_ous, f"{role}_ou_identifier")
            certifiers = self._certifiers_of(unit.certificate) if unit.certificate else b""
            units[role] = OrganizationalUnit(unit.organizational_unit_identifier, certifiers)
        return units if config.fabric_node_ous.enable else {}

    def _admin(self, pem: bytes) -> Identity:
        certificate = canonical(parse_certificate(pem), self._authorities)
        creator = identities_pb2.SerializedIdentity(mspid=self.msp_id, id_bytes=pem).SerializeToString()
        return with_certificate(creator, self.msp_id, certificate, self.hash_family)

    def _check_admins(self) -> None:
        if not self._admins and "admin" not in self.node_ous:
            raise IdentityError("no administrator: list one in admins, or enable the admin NodeOU")
        for number, admin in enumerate(self._admins):
            if not self.node_ous:
                self._validate(admin)
            elif not (self.has_role(admin, "client") or self.has_role(admin, "admin")):
                raise IdentityError(f"admins[{number}] has neither the client nor the admin unit")

    # --- validation ---------------------------------------------------------------------------------------------

    def _validate(self, identity: Identity) -> None:
        if not self._supports(identity.public_key):
            raise IdentityError(f"Ed25519 identities of {self.msp_id} need the channel capability V3_0")
        self.check_not_revoked(*self._chain(identity.certificate)[:2])
        units = self.organizational_units(identity)
        if self._units and self._units.isdisjoint(units):
            raise IdentityError(f"identity has none of the organizational units that {self.msp_id} recognizes")
        if self.node_ous:
            self._check_node_ous(units)

    def _supports(self, key: PublicKey) -> bool:
        return self._ed25519 or isinstance(key, ec.EllipticCurvePublicKey)

    def _check_node_ous(self, units: Iterable[OrganizationalUnit]) -> None:
        known = {unit.name: unit for unit in self.node_ous.values()}
        roles = [unit for unit in units if unit.name in known]
        # Fabric stops counting at the second role, so a wrong certifier after it goes unmentioned.
        for unit in roles[:2]:
            if known[unit.name].certifiers not in (b"", unit.certifiers):
                raise IdentityError(f"unit {unit.name!r} was certified by another authority than {self.msp_id} demands")
        if len(roles) != 1:
            raise IdentityError(
                f"identity of {self.msp_id} has {len(roles)} of the units {', '.join(sorted(known))}; "
                "exactly one is needed"
            )

    def _chain(self, certificate: Certificate) -> Chain:
        if certificate.is_authority:
            raise IdentityError(
                f"certificate {certificate.serial_number:x} is an authority and cannot act as an identity"
            )
        return self._chain_above(certificate, parent=1)

    def _chain_above(self, certificate: Certificate, *, parent: int) -> Chain:
        chain = unique_chain(certificate, self._authorities)
        if len(chain) < 2:
            raise IdentityError(f"certificate {certificate.serial_number:x} has no authority above it")
        if chain[parent] in self._inner_nodes:
            raise IdentityError(
                f"authority {chain[parent].serial_number:x} has authorities below it and may not sign identities"
            )
        return chain

    def check_not_revoked(self, certificate: Certificate, issuer: Certificate) -> None:
        """Refuse a certificate that a list of this MSP revokes; lists of its TLS authorities count as well.

        Raises:
            IdentityError: it is revoked; or a list, or the issuer, names no key.
        """
        for crl in self._crls:
            if crl.revokes(certificate, issuer):
                raise IdentityRevokedError(f"certificate {certificate.serial_number:x} of {self.msp_id} is revoked")

    # --- principals ---------------------------------------------------------------------------------------------

    def _satisfies(self, identity: Identity, principal: msp_principal_pb2.MSPPrincipal) -> None:
        kind = principal.principal_classification
        if kind == _Principal.ROLE:
            self._satisfies_role(identity, _read(_Role, principal.principal))
        elif kind == _Principal.ORGANIZATION_UNIT:
            self._satisfies_unit(identity, _read(msp_principal_pb2.OrganizationUnit, principal.principal))
        elif kind == _Principal.IDENTITY:
            self._satisfies_identity(identity, principal.principal)
        elif kind == _Principal.ANONYMITY:
            anonymity = _read(msp_principal_pb2.MSPIdentityAnonymity, principal.principal)
            if anonymity.anonymity_type != msp_principal_pb2.MSPIdentityAnonymity.NOMINAL:
                raise IdentityError("principal wants an anonymous identity; X.509 identities are never anonymous")
        else:
            raise IdentityError(f"principal classification {kind} is unknown")

    def _satisfies_role(self, identity: Identity, role: msp_principal_pb2.MSPRole) -> None:
        self._check_named(role.msp_identifier)
        if role.role == _Role.ADMIN and any(admin.certificate == identity.certificate for admin in self._admins):
            return
        if role.role == _Role.ADMIN and not self.node_ous:
            raise IdentityError(f"identity is not in the admins list of {self.msp_id}")
        if role.role not in _ROLE_UNITS or (role.role == _Role.ORDERER and not self.node_ous):
            raise IdentityError(f"role {role.role} is not one {self.msp_id} knows")
        self.validate(identity)
        unit = _ROLE_UNITS[role.role]
        if unit and not self.has_role(identity, unit):
            what = "an admin" if role.role == _Role.ADMIN else f"a [{unit.upper()}]"
            text = f"The identity is not {what} under this MSP [{self.msp_id}]: The identity does not contain OU"
            raise IdentityError(f"{text} [{unit.upper()}], MSP: [{self.msp_id}]")

    def _satisfies_unit(self, identity: Identity, unit: msp_principal_pb2.OrganizationUnit) -> None:
        self._check_named(unit.msp_identifier)
        self.validate(identity)
        wanted = OrganizationalUnit(unit.organizational_unit_identifier, unit.certifiers_identifier)
        if wanted not in self.organizational_units(identity):
            raise IdentityError(f"identity of {self.msp_id} is not in the unit {wanted.name!r}")

    def _satisfies_identity(self, identity: Identity, creator: bytes) -> None:
        named = self.deserialize(creator)
        if named.certificate != identity.certificate:
            raise IdentityError("identity is not the one the principal names")
        self.validate(named)

    def _check_named(self, msp_id: str) -> None:
        if msp_id != self.msp_id:
            raise IdentityError(f"principal names {msp_id}, the identity is of {self.msp_id}")


_ROLE_UNITS = {
    _Role.MEMBER: "",
    _Role.ADMIN: "admin",
    _Role.CLIENT: "client",
    _Role.PEER: "peer",
    _Role.ORDERER: "orderer",
}


class MspManager:
    """The organizations of a channel.

    Attributes:
        msps: MSP by organization.
    """

    def __init__(self, msps: Iterable[Msp]) -> None:
        """Collect MSPs.

        Raises:
            ConfigError: one organization is given twice with different configurations.
        """
        by_id: dict[str, Msp] = {}
        for msp in msps:
            if by_id.setdefault(msp.msp_id, msp).config != msp.config:
                raise ConfigError(f"MSP {msp.msp_id} is defined twice, differently; make the definitions equal")
        self.msps: Mapping[str, Msp] = MappingProxyType(by_id)
        self._deserialized: dict[bytes, Identity] = {}
        self.identity_bytes_max = sys.maxsize
        """Of a creator. A peer must take any, as all others do; whoever reads strangers' proofs need not."""
        self.only_plain = False
        """Whether certificates that came in an odd form, which only peers read as Go does, stand in no proof here."""

    def deserialize(self, creator: bytes) -> Identity:
        """Read a creator by its own organization's MSP: the chain is checked, revocation and units are not.

        Raises:
            WireError: not a ``SerializedIdentity``.
            IdentityError: an organization that is not on the channel, no chain to its roots, or too large.
        Source: Fabric msp/mspmgrimpl.go, DeserializeIdentity.
        """
        identity = self._deserialized.get(creator)
        if identity is None:
            if len(creator) > self.identity_bytes_max:
                raise IdentityError(f"an identity of {len(creator)} bytes is larger than {self.identity_bytes_max}")
            identity = self._msp(msp_id_of(creator)).deserialize(creator)
            if self.only_plain and not parse_identity(creator).certificate.is_plain:
                raise IdentityError("a certificate of an odd form, or that constrains paths, stands in no proof")
            if len(self._deserialized) >= _CACHE_MAX:
                self._deserialized.clear()
            if len(creator) <= KNOWN_BYTES_MAX:  # behind its certificate anybody may write megabytes
                self._deserialized[creator] = identity
        return identity

    def identity(self, creator: bytes, now: datetime | None = None) -> Identity:
        """Read a creator and check that its organization vouches for it.

        Args:
            creator: serialized identity as received.
            now: UTC time to check expiry against; None where a transaction is judged.
        Raises:
            WireError: not a ``SerializedIdentity``.
            IdentityError: unknown organization, no chain, revoked, wrong units, or expired at ``now``.
        """
        identity = self.deserialize(creator)
        self.validate(identity, now)
        return identity

    def validate(self, identity: Identity, now: datetime | None = None) -> None:
        """Check that the organization of an identity vouches for it; see :meth:`Msp.validate`."""
        self._msp(identity.msp_id).validate(identity, now)

    def satisfies_principal(self, identity: Identity, principal: msp_principal_pb2.MSPPrincipal) -> None:
        """Check a principal by the identity's own MSP.

        Raises:
            IdentityError: it does not satisfy the principal.
        """
        self._msp(identity.msp_id).satisfies_principal(identity, principal)

    def _msp(self, msp_id: str) -> Msp:
        msp = self.msps.get(msp_id)
        if msp is None:
            raise IdentityError(f"organization {msp_id!r} is not a member of this channel")
        return msp


def _parse_config(config: bytes) -> msp_config_pb2.FabricMSPConfig:
    try:
        outer = read_message(msp_config_pb2.MSPConfig, config)
        if outer.type != 0:
            raise ConfigError(f"MSPConfig.type {outer.type} is not supported; only FABRIC (0) is")
        inner = read_message(msp_config_pb2.FabricMSPConfig, outer.config)
    except DecodeError as error:
        raise ConfigError("MSPConfig: the bytes are not a Fabric MSP configuration") from error
    if not inner.name:
        raise ConfigError("FabricMSPConfig.name is empty; name the organization")
    return inner


def _single_principals(principal: msp_principal_pb2.MSPPrincipal) -> Iterator[msp_principal_pb2.MSPPrincipal]:
    """Take combined principals apart, nested however deep. Source: Fabric msp/mspimpl.go, collectPrincipals."""
    waiting = [principal]
    while waiting:
        part = waiting.pop()
        if part.principal_classification != _Principal.COMBINED:
            yield part
        elif parts := _read(msp_principal_pb2.CombinedPrincipal, part.principal).principals:
            waiting.extend(reversed(parts))
        else:
            raise IdentityError("combined principal is empty")


def _read(kind: Any, data: bytes) -> Any:
    try:
        return read_message(kind, data)
    except DecodeError as error:
        raise WireError(f"{kind.DESCRIPTOR.name}: the principal's bytes are not that message") from error


def _remember(seen: set[tuple[str, bytes]], identifier: tuple[str, bytes]) -> None:
    if len(seen) >= _CACHE_MAX:
        seen.clear()
    seen.add(identifier)
