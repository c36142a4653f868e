"""What Go reads in a certificate: its raw names and key, and its extensions.

Whoever runs an authority may issue what he likes; a certificate that is one for some peers and none for others parts
their ledgers as soon as it endorses. So extensions are read here as loosely and as strictly as by Go, whatever else
would be said of them: junk in one that Go does not look into is let pass.

Source: Go 1.26, crypto/x509/parser.go (parseCertificate, processExtensions), golang.org/x/crypto/cryptobyte/asn1.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography import x509

from network.errors import IdentityError
from network.go_der import Der
from network.go_names import AlternativeNames, NameConstraints, read_alternative_names, read_name_constraints

KNOWN_MAX = 512
KNOWN_BYTES_MAX = 8192
"""Certificates whose extensions are kept, and the size up to which they are."""

SERVER_AUTHENTICATION, ANY_USAGE = "1.3.6.1.5.5.7.3.1", "2.5.29.37.0"
_CERTIFICATE_SIGN = 1 << 5
_ACCESS_INFORMATION = "1.3.6.1.5.5.7.1.1"
_RULES_OF_PATHS = frozenset({"2.5.29.30", "2.5.29.33", "2.5.29.36", "2.5.29.54"})


@dataclass(slots=True)
class GoCertificate:
    """A certificate as Go has it.

    Attributes:
        subject: raw name of whom it is for.
        issuer: raw name of who signed it.
        key: raw key with its kind.
        is_authority: whether its basic constraints say so.
        path_length: authorities that may stand below it; None where any number.
        usage: bits of its key usage; 0 where it has none.
        extended_usages: what it may be used for; empty where for anything.
        raw_names: value of its alternative names.
        names: those that Go reads.
        constraints: which names may stand below it.
        subject_key: identifier of its key; None where it has none.
        authority_key: identifier of the issuer's key; empty where it has none.
        policies: object identifiers of the policies it was issued under, in DER.
        policy_mappings: pairs of policies of the issuer's and the subject's domain, in DER.
        explicit_policy: authorities below after which a policy must hold; None where it does not say.
        policy_mapping: authorities below after which none is mapped.
        any_policy: authorities below after which "any policy" counts for nothing.
        rules_of_paths: whether an extension says which names or policies hold along a chain.
        unknown_critical: object identifiers of critical extensions that Go does not understand.
    """

    subject: bytes
    issuer: bytes
    key: bytes
    is_authority: bool = False
    path_length: int | None = None
    usage: int = 0
    extended_usages: tuple[str, ...] = ()
    raw_names: bytes | None = None
    names: AlternativeNames = field(default_factory=AlternativeNames)
    constraints: NameConstraints | None = None
    subject_key: bytes | None = None
    authority_key: bytes = b""
    policies: tuple[bytes, ...] = ()
    policy_mappings: tuple[tuple[bytes, bytes], ...] = ()
    explicit_policy: int | None = None
    policy_mapping: int | None = None
    any_policy: int | None = None
    rules_of_paths: bool = False
    unknown_critical: tuple[str, ...] = ()

    @property
    def may_sign_certificates(self) -> bool:
        """Whether the key usage allows it; none allows everything."""
        return not self.usage or bool(self.usage & _CERTIFICATE_SIGN)

    @property
    def allows_server_authentication(self) -> bool:
        """Whether it may be used for what Go asks for unless told otherwise."""
        wanted = (SERVER_AUTHENTICATION, ANY_USAGE)
        return not self.extended_usages or any(usage in wanted for usage in self.extended_usages)


def go_certificate(certificate: x509.Certificate) -> GoCertificate:
    """Return what Go reads in a certificate.

    Raises:
        IdentityError: Go does not read it.
    """
    if len(certificate.tbs_certificate_bytes) <= KNOWN_BYTES_MAX:
        return _known(certificate)
    return _read(certificate)


def _read(certificate: x509.Certificate) -> GoCertificate:
    try:
        return _read_signed(Der(certificate.tbs_certificate_bytes).read(0x30))
    except ValueError as error:
        raise IdentityError(f"certificate is none that Go reads: {error}") from error


_known = lru_cache(KNOWN_MAX)(_read)


def _read_signed(signed: Der) -> GoCertificate:
    version = signed.optional(0xA0)
    is_third = version is not None and version.integer() == 2
    signed.read(0x02)  # the serial number
    signed.read(0x30)  # the signature's algorithm
    issuer = signed.element(0x30)
    signed.read(0x30)  # the validity
    subject, key = signed.element(0x30), signed.element(0x30)
    found = GoCertificate(subject, issuer, key)
    if not is_third:
        return found
    for unique in (0x81, 0x82):
        signed.optional(unique)
    extensions = signed.optional(0xA3)
    if extensions is None:
        return found
    seen: set[str] = set()
    unknown = []
    for name, critical, value in _extensions(extensions.read(0x30)):
        if name in seen:
            raise ValueError(f"it has the extension {name} twice")
        seen.add(name)
        reader = _READERS.get(name)
        understood = reader is not None and reader(found, value, critical)
        if critical and not understood:
            unknown.append(name)
    found.rules_of_paths = not _RULES_OF_PATHS.isdisjoint(seen)
    found.unknown_critical = tuple(unknown)
    return found


def _extensions(extensions: Der) -> Iterator[tuple[str, bool, bytes]]:
    while extensions:
        extension = extensions.read(0x30)
        name = extension.object_identifier()
        critical = extension.peeks(0x01) and extension.boolean()
        yield name, critical, bytes(extension.read(0x04))


# --- one extension each: whether it is understood; ValueError where the certificate is none ---------------------------


def _subject_key(found: GoCertificate, value: bytes, critical: bool) -> bool:
    if critical:
        raise ValueError("its subject key identifier is critical")
    found.subject_key = bytes(Der(value).read(0x04))
    return True


def _key_usage(found: GoCertificate, value: bytes, _critical: bool) -> bool:
    bits = Der(value).bits()
    found.usage = sum(1 << number for number in range(9) if number < len(bits) * 8 and _bit(bits, number))
    return True


def _bit(data: bytes, number: int) -> int:
    return data[number // 8] >> (7 - number % 8) & 1


def _alternative_names(found: GoCertificate, value: bytes, _critical: bool) -> bool:
    found.raw_names = value
    found.names = read_alternative_names(value)
    return bool(found.names)


def _basic_constraints(found: GoCertificate, value: bytes, _critical: bool) -> bool:
    constraints = Der(value).read(0x30)
    found.is_authority = constraints.peeks(0x01) and constraints.boolean()
    if constraints.peeks(0x02):
        found.path_length = constraints.integer()
        if not 0 <= found.path_length < 1 << 63:
            raise ValueError("its basic constraints have a path length that is none")
    return True


def _name_constraints(found: GoCertificate, value: bytes, _critical: bool) -> bool:
    found.constraints = read_name_constraints(value)
    return found.constraints.all_read


def _revocation_points(_found: GoCertificate, value: bytes, _critical: bool) -> bool:
    points = Der(value).read(0x30)
    while points:
        name = points.read(0x30).optional(0xA0)
        if name is not None:
            names = name.read(0xA0)
            while names.peeks(0x86):
                names.read(0x86)
    return True


def _policies(found: GoCertificate, value: bytes, _critical: bool) -> bool:
    policies = Der(value).read(0x30)
    listed: dict[bytes, None] = {}
    while policies:
        policy = bytes(policies.read(0x30).read(0x06))
        if policy in listed:
            raise ValueError("it has a certificate policy twice")
        if (
            not policy
            or policy[-1] & 0x80
            or any(part == 0x80 and (at == 0 or not policy[at - 1] & 0x80) for at, part in enumerate(policy))
        ):
            raise ValueError("a certificate policy of it is no object identifier")
        listed[policy] = None
    found.policies = tuple(listed)
    return True


def _policy_mappings(found: GoCertificate, value: bytes, _critical: bool) -> bool:
    mappings = Der(value).read(0x30)
    pairs = []
    while mappings:
        pair = mappings.read(0x30)
        pairs.append((bytes(pair.read(0x06)), bytes(pair.read(0x06))))
    found.policy_mappings = tuple(pairs)
    return True


def _authority_key(found: GoCertificate, value: bytes, critical: bool) -> bool:
    if critical:
        raise ValueError("its authority key identifier is critical")
    identifier = Der(value).read(0x30)
    if identifier.peeks(0x80):
        found.authority_key = bytes(identifier.read(0x80))
    return True


def _policy_constraints(found: GoCertificate, value: bytes, _critical: bool) -> bool:
    constraints = Der(value).read(0x30)
    if constraints.peeks(0x80):
        found.explicit_policy = constraints.integer(0x80, bits=64)
    if constraints.peeks(0x81):
        found.policy_mapping = constraints.integer(0x81, bits=64)
    return True


def _extended_usages(found: GoCertificate, value: bytes, _critical: bool) -> bool:
    usages = Der(value).read(0x30)
    listed = []
    while usages:
        listed.append(usages.object_identifier())
    found.extended_usages = tuple(listed)
    return True


def _any_policy(found: GoCertificate, value: bytes, _critical: bool) -> bool:
    found.any_policy = Der(value).integer(bits=64)
    return True


def _access_information(_found: GoCertificate, value: bytes, critical: bool) -> bool:
    if critical:
        raise ValueError("its authority information access is critical")
    descriptions = Der(value).read(0x30)
    while descriptions:
        description = descriptions.read(0x30)
        description.object_identifier()
        if description.peeks(0x86):
            description.read(0x86)
    return True


_READERS: dict[str, Callable[[GoCertificate, bytes, bool], bool]] = {
    "2.5.29.14": _subject_key,
    "2.5.29.15": _key_usage,
    "2.5.29.17": _alternative_names,
    "2.5.29.19": _basic_constraints,
    "2.5.29.30": _name_constraints,
    "2.5.29.31": _revocation_points,
    "2.5.29.32": _policies,
    "2.5.29.33": _policy_mappings,
    "2.5.29.35": _authority_key,
    "2.5.29.36": _policy_constraints,
    "2.5.29.37": _extended_usages,
    "2.5.29.54": _any_policy,
    _ACCESS_INFORMATION: _access_information,
}
