"""Chains of X.509 certificates, built and judged the way Go's verifier does it for Fabric's MSPs.

Rules kept here:

* Validity periods are judged one second after the certificate's own start, never by the clock: whether a transaction
  is valid must not depend on when a peer looks at it.
* Exactly one chain may lead to a root. With two it would be unclear who owns the identity.
* A certificate signed with the larger S is turned into its low-S twin before anything compares it, so that one
  certificate cannot appear as two identities.

What Go's verifier does and this one refuses outright: name constraints in an authority's certificate.

Source: Fabric 3.1 msp/cert.go (sanitizeECDSASignedCert), msp/mspimpl.go (getUniqueValidationChain, sanitizeCert),
msp/mspimplvalidate.go (getValidityOptsForCert); Go crypto/x509 verify.go; RFC 5280 section 6.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from network.errors import IdentityError, SignatureError
from network.identity import X509_ERRORS, first_pem_block
from network.signing import to_low_s

VERIFIED_MAX = 4096
"""Pairs of which is remembered whether one signed the other; a chain is built anew wherever a certificate is met."""

_SHA256 = hashes.SHA256()
_HASH_FUNCTIONS = {
    "": "sha256", "SHA256": "sha256", "SHA384": "sha384", "SHA3_256": "sha3_256", "SHA3_384": "sha3_384"
}  # fmt: skip
_PEM_CRL = b"-----BEGIN X509 CRL-----"
_verified: dict[bytes, bool] = {}

Chain = tuple[x509.Certificate, ...]
"""From the certificate itself up to a root."""

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_ECDSA_SIGNATURES = frozenset(
    {
        SignatureAlgorithmOID.ECDSA_WITH_SHA1,
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    }
)
_SIGNATURES = frozenset(
    {
        *(_ECDSA_SIGNATURES - {SignatureAlgorithmOID.ECDSA_WITH_SHA1}),
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
        SignatureAlgorithmOID.RSASSA_PSS,
        SignatureAlgorithmOID.ED25519,
    }
)
"""Of authorities, that Go knows and does not hold for broken."""

_UNDERSTOOD_WHEN_CRITICAL = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
    }
)
_NAMES_READ = (x509.RFC822Name, x509.DNSName, x509.UniformResourceIdentifier, x509.IPAddress)
"""Alternative names that Go reads; an extension without any is none it understands."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """The certificates an MSP trusts.

    Attributes:
        roots: ends of every chain.
        intermediates: certificates that may stand between.
    """

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]

    @classmethod
    def of(cls, roots: Iterable[x509.Certificate], intermediates: Iterable[x509.Certificate] = ()) -> Authorities:
        """Collect authorities, each once.

        Raises:
            IdentityError: one of them carries name constraints.
        """
        result = cls(tuple(dict.fromkeys(roots)), tuple(dict.fromkeys(intermediates)))
        for certificate in (*result.roots, *result.intermediates):
            if extension_of(certificate, x509.NameConstraints) is not None:
                raise IdentityError(
                    f"authority {certificate.serial_number:x} carries name constraints, which this node cannot judge; "
                    "issue it without them"
                )
        return result


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One revocation list of an MSP.

    Attributes:
        authority: key identifier of the authority it belongs to; None where the list names none.
        crl: the parsed list. Its dates are ignored: it counts from the moment the configuration holds it.
    """

    authority: bytes | None
    crl: x509.CertificateRevocationList

    @classmethod
    def parse(cls, data: bytes) -> RevocationList:
        """Read a list in PEM or DER.

        Raises:
            IdentityError: not an X.509 revocation list.
        Source: Fabric msp/mspimplsetup.go, setupCRLs; Go crypto/x509, ParseCRL.
        """
        try:
            # Only what begins like a list in PEM is looked at as one.
            crl = x509.load_der_x509_crl((data.startswith(_PEM_CRL) and first_pem_block(data)) or data)
            # Entries are read lazily; a malformed one must not surface later, while a transaction is judged.
            _ = [entry.serial_number for entry in crl]
            identifier = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        except x509.ExtensionNotFound:
            return cls(None, crl)
        except X509_ERRORS as error:
            raise IdentityError("revocation_list holds something other than an X.509 revocation list") from error
        return cls(identifier.value.key_identifier or b"", crl)

    def revokes(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Tell whether the issuer has revoked the certificate by this list.

        A list that names the certificate but is not signed by its issuer revokes nothing.

        Raises:
            IdentityError: the list names no authority, or the issuer has no key identifier.
        Source: Fabric msp/mspimplvalidate.go, validateCertAgainstChain.
        """
        identifier = extension_of(issuer, x509.SubjectKeyIdentifier)
        if identifier is None:
            raise IdentityError(f"authority {issuer.serial_number:x} has no subject key identifier")
        if self.authority is None:
            raise IdentityError("a revocation list has no authority key identifier; issue it with one")
        if self.authority != identifier.digest:
            return False
        if self.crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is None:
            return False
        try:
            return self.crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
        except (TypeError, ValueError, UnsupportedAlgorithm):
            return False


def unique_chain(certificate: x509.Certificate, authorities: Authorities) -> Chain:
    """Return the only chain from a certificate to a root, judged at the start of its own validity.

    Args:
        certificate: the one to vouch for; a root vouches for itself.
        authorities: who may sign.
    Returns:
        the certificate first, the root last.
    Raises:
        IdentityError: no chain, or more than one.
    Source: Fabric msp/mspimpl.go, getUniqueValidationChain; Go crypto/x509 verify.go, Verify.
    """
    try:
        at = certificate.not_valid_before_utc + timedelta(seconds=1)
    except OverflowError as error:
        # Anyone may make such a certificate and put it into an endorsement: it is refused, as by Go, and no more.
        raise IdentityError(f"certificate {certificate.serial_number:x} begins when the calendar ends") from error
    _check_link(certificate, at)
    start: Chain = (certificate,)
    found = [start] if certificate in authorities.roots else list(_chains(start, authorities, at))
    chains = [chain for chain in found if _allows_server_authentication(chain)]
    if len(chains) != 1:
        raise IdentityError(
            f"certificate {certificate.serial_number:x} has {len(chains)} chains to a root of its organization; "
            "exactly one is needed"
        )
    return chains[0]


def canonical(certificate: x509.Certificate, authorities: Authorities) -> x509.Certificate:
    """Return the certificate with the low-S form of its issuer's signature.

    Args:
        certificate: leaf, intermediate or root.
        authorities: whose chain names the issuer; a self-signed root is its own.
    Raises:
        IdentityError: signed with ECDSA, but no unique chain leads to a root.
    Source: Fabric msp/mspimpl.go, sanitizeCert.
    """
    if certificate.signature_algorithm_oid not in _ECDSA_SIGNATURES:
        return certificate
    if is_authority(certificate) and _signed_by(certificate, certificate):
        root = with_low_s(certificate, certificate)
        unique_chain(root, Authorities((root,), authorities.intermediates))
        return root
    chain = unique_chain(certificate, authorities)
    if len(chain) < 2:
        raise IdentityError(f"certificate {certificate.serial_number:x} is a root, but not an authority")
    return with_low_s(certificate, chain[1])


def with_low_s(certificate: x509.Certificate, issuer: x509.Certificate) -> x509.Certificate:
    """Return the certificate with the smaller of the two values its issuer's ECDSA signature can have.

    Args:
        certificate: signed with ECDSA.
        issuer: whose key signed it; the certificate itself where self-signed.
    Raises:
        IdentityError: the issuer's key is of another kind, or the signature malformed.
    Source: Fabric msp/cert.go, sanitizeECDSASignedCert.
    """
    key = issuer.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise IdentityError(f"certificate {certificate.serial_number:x} is signed with ECDSA by a key of another kind")
    try:
        signature = to_low_s(key.curve, certificate.signature)
    except SignatureError as error:
        raise IdentityError(f"certificate {certificate.serial_number:x} carries a malformed signature") from error
    if signature == certificate.signature:
        return certificate
    return x509.load_der_x509_certificate(_replace_signature(certificate, signature))


def extension_of(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """Return one extension's value, or None where the certificate has none."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def is_authority(certificate: x509.Certificate) -> bool:
    """Tell whether the basic constraints make this certificate an authority."""
    constraints = extension_of(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def check_authority(certificate: x509.Certificate) -> None:
    """Check the form of an authority's certificate.

    Raises:
        IdentityError: no authority, or without subject key identifier.
    Source: Fabric msp/mspimplsetup.go, finalizeSetupCAs.
    """
    if not is_authority(certificate):
        raise IdentityError(f"certificate {certificate.serial_number:x} is listed as an authority, but is none")
    if extension_of(certificate, x509.SubjectKeyIdentifier) is None:
        raise IdentityError(f"authority {certificate.serial_number:x} has no subject key identifier")


def chain_identifier(chain: Chain, function: str = "") -> bytes:
    """Return the hash over a chain's certificates, which names who certified an organizational unit.

    Args:
        function: name of the hash, as an organization's rules have it; '' for SHA-256.
    Raises:
        IdentityError: the name is not known.
    Source: Fabric msp/mspimpl.go, getCertificationChainIdentifierFromChain.
    """
    if function not in _HASH_FUNCTIONS:
        raise IdentityError(f"crypto_config names the hash function {function!r}, which is unknown")
    digest = hashlib.new(_HASH_FUNCTIONS[function])
    for certificate in chain:
        digest.update(certificate.public_bytes(serialization.Encoding.DER))
    return digest.digest()


def _chains(below: Chain, authorities: Authorities, at: datetime) -> Iterator[Chain]:
    """Yield every chain that continues ``below`` to a root."""
    for root in authorities.roots:
        if _may_follow(below, root, at):
            yield (*below, root)
    for intermediate in authorities.intermediates:
        if _may_follow(below, intermediate, at):
            yield from _chains((*below, intermediate), authorities, at)


def _may_follow(below: Chain, candidate: x509.Certificate, at: datetime) -> bool:
    if any(_same_entity(candidate, certificate) for certificate in below):
        return False
    constraints = extension_of(candidate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return False
    if constraints.path_length is not None and len(below) - 1 > constraints.path_length:
        return False
    try:
        _check_link(candidate, at)
    except IdentityError:
        return False
    return _signed_by(below[-1], candidate)


def _check_link(certificate: x509.Certificate, at: datetime) -> None:
    """Refuse what no place in a chain permits: outside its validity, or critical extensions nobody here understands."""
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise IdentityError(f"certificate {certificate.serial_number:x} is not valid at {at.isoformat()}")
    for extension in certificate.extensions:
        if extension.critical and not _is_understood(extension):
            raise IdentityError(
                f"certificate {certificate.serial_number:x} has the unknown critical extension "
                f"{extension.oid.dotted_string}"
            )


def _is_understood(extension: x509.Extension[x509.ExtensionType]) -> bool:
    if isinstance(extension.value, x509.SubjectAlternativeName):
        return any(isinstance(name, _NAMES_READ) for name in extension.value)
    if isinstance(extension.value, x509.NameConstraints):
        # They bind authorities alone, and those with any are refused.
        subtrees = (*(extension.value.permitted_subtrees or ()), *(extension.value.excluded_subtrees or ()))
        return all(isinstance(name, _NAMES_READ) for name in subtrees)
    return extension.oid in _UNDERSTOOD_WHEN_CRITICAL


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    usage = extension_of(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return False
    if certificate.signature_algorithm_oid not in _SIGNATURES:
        return False
    pair = certificate.fingerprint(_SHA256) + issuer.fingerprint(_SHA256)
    found = _verified.get(pair)
    if found is None:
        if len(_verified) >= VERIFIED_MAX:
            _verified.clear()
        found = _verified[pair] = _verify(certificate, issuer)
    return found


def _verify(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _same_entity(one: x509.Certificate, other: x509.Certificate) -> bool:
    """Tell whether two certificates name the same subject with the same key: a chain holds each only once."""
    return (
        one.subject == other.subject
        and _key_bytes(one) == _key_bytes(other)
        and extension_of(one, x509.SubjectAlternativeName) == extension_of(other, x509.SubjectAlternativeName)
    )


def _key_bytes(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _allows_server_authentication(chain: Chain) -> bool:
    """Apply Go's default: each certificate that limits its use must allow server authentication, or any use."""
    allowed = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    usages = (extension_of(certificate, x509.ExtendedKeyUsage) for certificate in chain)
    return all(usage is None or not allowed.isdisjoint(usage) for usage in usages)


def _replace_signature(certificate: x509.Certificate, signature: bytes) -> bytes:
    """Return the certificate's DER form with another signature: only the closing BIT STRING and the length change."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    start = der.index(certificate.tbs_certificate_bytes)
    # SEQUENCE { tbs, algorithm, BIT STRING(0 unused bits ‖ signature) }: the bit string is the last element.
    end = len(der) - len(_der(0x03, b"\x00" + certificate.signature))
    return _der(0x30, der[start:end] + _der(0x03, b"\x00" + signature))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    encoded = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(encoded))) + encoded + content
