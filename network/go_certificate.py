"""Certificates as Go reads them, for every other Fabric peer does.

Whoever runs an authority may issue what he likes; a certificate that is one for some peers and none for others parts
their ledgers as soon as it endorses. So certificates are read here as loosely and as strictly as by Go, whatever else
would be said of them: what stands behind the last part Go looks for is let pass, and so is junk where it does not look.

Source: Go 1.26, crypto/x509/parser.go (parseCertificate, processExtensions), golang.org/x/crypto/cryptobyte/asn1.go.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from network.errors import IdentityError
from network.go_der import Der
from network.go_keys import AnyKey, read_key
from network.go_names import AlternativeNames, NameConstraints, read_alternative_names, read_name_constraints
from network.go_values import read_subject, read_time

SERVER_AUTHENTICATION, ANY_USAGE = "1.3.6.1.5.5.7.3.1", "2.5.29.37.0"
_CERTIFICATE_SIGN = 1 << 5
_ACCESS_INFORMATION = "1.3.6.1.5.5.7.1.1"
_SHORT = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
_TO_ESCAPE, _ESCAPED = re.compile(r'([\\"+,;<>]|\A[# ]| \Z)'), r"\\\1"
_RULES_OF_PATHS = frozenset({"2.5.29.30", "2.5.29.33", "2.5.29.36", "2.5.29.54"})


@dataclass(slots=True, eq=False)
class Certificate:
    """A certificate as Go has it; equal to another of the same bytes.

    Attributes:
        der: the whole of it.
        signed: what its issuer signed.
        signature: the issuer's.
        signature_kind: object identifier of the signature's algorithm.
        signature_parameters: of the algorithm, as they stand; empty where there are none.
        serial_number: given by the issuer.
        issuer: raw name of who signed it.
        subject: raw name of whom it is for.
        attributes: object identifiers and values in the subject's name.
        not_valid_before_utc: begin of its validity.
        not_valid_after_utc: end of its validity.
        key: raw key with its kind.
        public_key: the key; None where it is of a kind that vouches for nothing here.
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
        extensions: values of all its extensions, by object identifier.
    """

    der: bytes
    signed: bytes
    signature: bytes
    signature_kind: str
    signature_parameters: bytes
    serial_number: int
    issuer: bytes
    subject: bytes
    attributes: tuple[tuple[str, str], ...]
    not_valid_before_utc: datetime
    not_valid_after_utc: datetime
    key: bytes
    public_key: AnyKey | None
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
    extensions: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, der: bytes) -> Certificate:
        """Read a certificate in DER.

        Raises:
            IdentityError: Go does not read it.
        """
        try:
            return _read(der)
        except ValueError as error:
            raise IdentityError(f"certificate is none that Go reads: {error}") from error

    def __eq__(self, other: object) -> bool:
        """Tell whether another certificate has the same bytes."""
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        """Return a number for tables."""
        return hash(self.der)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the whole, which names the identity."""
        return hashlib.sha256(self.der).digest()

    @property
    def common_name(self) -> str:
        """Last of the subject's common names; empty where it has none."""
        names = [value for kind, value in self.attributes if kind == "2.5.4.3"]
        return names[-1] if names else ""

    @property
    def units(self) -> list[str]:
        """The subject's organizational units."""
        return [value for kind, value in self.attributes if kind == "2.5.4.11"]

    @property
    def subject_text(self) -> str:
        """The subject as people write it (RFC 4514)."""
        parts = (f"{_SHORT.get(kind, kind)}={_TO_ESCAPE.sub(_ESCAPED, value)}" for kind, value in self.attributes)
        return ",".join(reversed([part.replace("\0", "\\00") for part in parts]))

    @property
    def is_plain(self) -> bool:
        """Whether stricter readers take it as well, and no rule of it binds others along a chain."""
        try:
            strict = x509.load_der_x509_certificate(self.der)
            _ = strict.subject, strict.issuer, strict.not_valid_before_utc, strict.not_valid_after_utc
        except (ValueError, x509.InvalidVersion):
            return False
        return self.public_key is not None and not self.rules_of_paths

    @property
    def may_sign_certificates(self) -> bool:
        """Whether the key usage allows it; none allows everything."""
        return not self.usage or bool(self.usage & _CERTIFICATE_SIGN)

    @property
    def allows_server_authentication(self) -> bool:
        """Whether it may be used for what Go asks for unless told otherwise."""
        wanted = (SERVER_AUTHENTICATION, ANY_USAGE)
        return not self.extended_usages or any(usage in wanted for usage in self.extended_usages)


def _read(der: bytes) -> Certificate:
    outer = Der(der)
    whole = outer.read(0x30)
    if outer:
        raise ValueError("bytes follow behind it")
    signed = whole.element(0x30)
    inside = Der(signed).read(0x30)
    number = inside.optional(0xA0)
    version = 1 if number is None else number.integer(bits=64) + 1
    if number or not 1 <= version <= 3:
        raise ValueError("its version is none")
    serial_number = inside.integer()
    if serial_number < 0:
        raise ValueError("it has a negative serial number; issue it with a positive one")
    algorithm = inside.element(0x30)
    if whole.element(0x30) != algorithm:
        raise ValueError("the algorithms of its signature differ")
    kind, parameters = Der(algorithm).read(0x30).algorithm()
    issuer = inside.element(0x30)
    read_subject(issuer)
    validity = inside.read(0x30)
    begins, ends = read_time(validity), read_time(validity)
    subject = inside.element(0x30)
    attributes = read_subject(subject)
    key = inside.element(0x30)
    public_key = read_key(key)
    found = Certificate(
        der, signed, b"", kind, parameters, serial_number, issuer, subject, attributes, begins, ends, key, public_key
    )
    if version > 1:
        for unique in (0x81, 0x82):
            inside.optional(unique)
    extensions = inside.optional(0xA3) if version == 3 else None
    if extensions is not None:
        _read_extensions(found, extensions.read(0x30))
    found.signature = whole.right_aligned_bits()
    return found


def _read_extensions(found: Certificate, extensions: Der) -> None:
    seen: dict[str, tuple[bool, bytes]] = {}
    for name, critical, value in extensions.extensions():
        if name in seen:
            raise ValueError(f"it has the extension {name} twice")
        seen[name] = critical, value
    unknown = []
    for name, (critical, value) in seen.items():
        reader = _READERS.get(name)
        understood = reader is not None and reader(found, value, critical)
        if critical and not understood:
            unknown.append(name)
    found.rules_of_paths = not _RULES_OF_PATHS.isdisjoint(seen)
    found.unknown_critical = tuple(unknown)
    found.extensions = {name: value for name, (_, value) in seen.items()}


# --- one extension each: whether it is understood; ValueError where the certificate is none ---------------------------


def _subject_key(found: Certificate, value: bytes, critical: bool) -> bool:
    if critical:
        raise ValueError("its subject key identifier is critical")
    found.subject_key = bytes(Der(value).read(0x04))
    return True


def _key_usage(found: Certificate, value: bytes, _critical: bool) -> bool:
    bits = Der(value).bits()
    found.usage = sum(1 << number for number in range(9) if number < len(bits) * 8 and _bit(bits, number))
    return True


def _bit(data: bytes, number: int) -> int:
    return data[number // 8] >> (7 - number % 8) & 1


def _alternative_names(found: Certificate, value: bytes, _critical: bool) -> bool:
    found.raw_names = value
    found.names = read_alternative_names(value)
    return bool(found.names)


def _basic_constraints(found: Certificate, value: bytes, _critical: bool) -> bool:
    constraints = Der(value).read(0x30)
    found.is_authority = constraints.peeks(0x01) and constraints.boolean()
    if constraints.peeks(0x02):
        found.path_length = constraints.integer()
        if not 0 <= found.path_length < 1 << 63:
            raise ValueError("its basic constraints have a path length that is none")
    return True


def _name_constraints(found: Certificate, value: bytes, _critical: bool) -> bool:
    found.constraints = read_name_constraints(value)
    return found.constraints.all_read


def _revocation_points(_found: Certificate, value: bytes, _critical: bool) -> bool:
    points = Der(value).read(0x30)
    while points:
        name = points.read(0x30).optional(0xA0)
        if name is not None:
            names = name.read(0xA0)
            while names.peeks(0x86):
                names.read(0x86)
    return True


def _policies(found: Certificate, value: bytes, _critical: bool) -> bool:
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


def _policy_mappings(found: Certificate, value: bytes, _critical: bool) -> bool:
    mappings = Der(value).read(0x30)
    pairs = []
    while mappings:
        pair = mappings.read(0x30)
        pairs.append((bytes(pair.read(0x06)), bytes(pair.read(0x06))))
    found.policy_mappings = tuple(pairs)
    return True


def _authority_key(found: Certificate, value: bytes, critical: bool) -> bool:
    if critical:
        raise ValueError("its authority key identifier is critical")
    identifier = Der(value).read(0x30)
    if identifier.peeks(0x80):
        found.authority_key = bytes(identifier.read(0x80))
    return True


def _policy_constraints(found: Certificate, value: bytes, _critical: bool) -> bool:
    constraints = Der(value).read(0x30)
    if constraints.peeks(0x80):
        found.explicit_policy = constraints.integer(0x80, bits=64)
    if constraints.peeks(0x81):
        found.policy_mapping = constraints.integer(0x81, bits=64)
    return True


def _extended_usages(found: Certificate, value: bytes, _critical: bool) -> bool:
    usages = Der(value).read(0x30)
    listed = []
    while usages:
        listed.append(usages.object_identifier())
    found.extended_usages = tuple(listed)
    return True


def _any_policy(found: Certificate, value: bytes, _critical: bool) -> bool:
    found.any_policy = Der(value).integer(bits=64)
    return True


def _access_information(_found: Certificate, value: bytes, critical: bool) -> bool:
    if critical:
        raise ValueError("its authority information access is critical")
    descriptions = Der(value).read(0x30)
    while descriptions:
        description = descriptions.read(0x30)
        description.object_identifier()
        if description.peeks(0x86):
            description.read(0x86)
    return True


_READERS: dict[str, Callable[[Certificate, bytes, bool], bool]] = {
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
