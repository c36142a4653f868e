"""Chains of X.509 certificates, built and judged the way Go's verifier does it for Fabric's MSPs.

Rules kept here:

* Validity periods are judged one second after the certificate's own start, never by the clock: whether a transaction
  is valid must not depend on when a peer looks at it.
* Exactly one chain may lead to a root. With two it would be unclear who owns the identity.
* A certificate signed with the larger S is turned into its low-S twin before anything compares it, so that one
  certificate cannot appear as two identities.
* Names and policies hold along a chain as its authorities demand it; no more than a hundred signatures are looked at,
  so that no authority can have others search for ever.

Source: Fabric 3.1 msp/cert.go (sanitizeECDSASignedCert), msp/mspimpl.go (getUniqueValidationChain, sanitizeCert),
msp/mspimplvalidate.go (getValidityOptsForCert); Go 1.26 crypto/x509 verify.go, constraints.go, cert_pool.go.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.msp import msp_config_pb2

from network.errors import IdentityError, SignatureError
from network.go_certificate import Certificate
from network.go_der import Der
from network.go_keys import ECDSA_SIGNATURES, signature_holds
from network.go_names import NameRules
from network.go_policies import policies_hold
from network.go_values import CALENDAR_BEGIN, in_calendar
from network.identity import first_pem_block, parse_certificate, public_key_of
from network.signing import to_low_s

VERIFIED_MAX = 4096
"""Pairs of which is remembered whether one signed the other; a chain is built anew wherever a certificate is met."""

_HASH_FUNCTIONS = {
    "": "sha256", "SHA256": "sha256", "SHA384": "sha384", "SHA3_256": "sha3_256", "SHA3_384": "sha3_384"
}  # fmt: skip
_verified: dict[bytes, bool] = {}

Chain = tuple[Certificate, ...]
"""From the certificate itself up to a root."""

_HOST_NAME = re.compile(r"(?:\*(?=\.|\Z)|[\w:][\w:-]*)(?:\.[\w:][\w:-]*)*\.?", re.ASCII)
"""As Fabric has it."""

_SIGNATURES_MAX = 100
"""Looked at for one certificate."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """The certificates an MSP trusts.

    Attributes:
        roots: ends of every chain.
        intermediates: certificates that may stand between.
    """

    roots: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...]

    @classmethod
    def of(cls, roots: Iterable[Certificate], intermediates: Iterable[Certificate] = ()) -> Authorities:
        """Collect authorities, each once."""
        return cls(tuple(dict.fromkeys(roots)), tuple(dict.fromkeys(intermediates)))


@dataclass(frozen=True, slots=True)
class OrganizationalUnit:
    """A unit named in a certificate, with the chain that certified it.

    Attributes:
        name: value of the subject's OU.
        certifiers: SHA-256 over the chain above the certificate; empty where any chain will do.
    """

    name: str
    certifiers: bytes


def unique_chain(certificate: Certificate, authorities: Authorities) -> Chain:
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
    at = certificate.begins + 1
    if at == CALENDAR_BEGIN:
        # Go would judge it by the clock, for that is its word for no time: no verdict that peers could share.
        raise IdentityError(
            f"certificate {certificate.serial_number:x} begins a second before the year 1; issue it anew"
        )
    _check_link(certificate, at)
    found = [(certificate,)] if certificate in authorities.roots else _Search(authorities, at).chains((certificate,))
    chains = [chain for chain in found if _holds(chain)]
    if len(chains) != 1:
        raise IdentityError(
            f"certificate {certificate.serial_number:x} has {len(chains)} chains to a root of its organization; "
            "exactly one is needed"
        )
    _check_host_name(chains[0])
    return chains[0]


def canonical(certificate: Certificate, authorities: Authorities) -> Certificate:
    """Return the certificate with the low-S form of its issuer's signature.

    Args:
        certificate: leaf, intermediate or root.
        authorities: whose chain names the issuer; a self-signed root is its own.
    Raises:
        IdentityError: signed with ECDSA, but no unique chain leads to a root.
    Source: Fabric msp/mspimpl.go, sanitizeCert.
    """
    if certificate.signature_kind not in ECDSA_SIGNATURES:
        return certificate
    if certificate.is_authority and _signed_by(certificate, certificate):
        root = with_low_s(certificate, certificate)
        unique_chain(root, Authorities((root,), authorities.intermediates))
        return root
    chain = unique_chain(certificate, authorities)
    if len(chain) < 2:
        raise IdentityError(f"certificate {certificate.serial_number:x} is a root, but not an authority")
    return with_low_s(certificate, chain[1])


def with_low_s(certificate: Certificate, issuer: Certificate) -> Certificate:
    """Return the certificate with the smaller of the two values its issuer's ECDSA signature can have.

    Args:
        certificate: signed with ECDSA.
        issuer: whose key signed it; the certificate itself where self-signed.
    Raises:
        IdentityError: the issuer's key is of another kind, or the signature malformed.
    Source: Fabric msp/cert.go, sanitizeECDSASignedCert.
    """
    key = issuer.public_key
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise IdentityError(f"certificate {certificate.serial_number:x} is signed with ECDSA by a key of another kind")
    try:
        signature = to_low_s(key.curve, certificate.signature)
    except SignatureError as error:
        raise IdentityError(f"certificate {certificate.serial_number:x} carries a malformed signature") from error
    if signature == certificate.signature:
        return certificate
    return Certificate.read(_replace_signature(certificate, signature))


def check_authority(certificate: Certificate) -> None:
    """Check the form of an authority's certificate.

    Raises:
        IdentityError: no authority, or without subject key identifier.
    Source: Fabric msp/mspimplsetup.go, finalizeSetupCAs.
    """
    if not certificate.is_authority:
        raise IdentityError(f"certificate {certificate.serial_number:x} is listed as an authority, but is none")
    if certificate.subject_key is None:
        raise IdentityError(f"authority {certificate.serial_number:x} has no subject key identifier")


def check_published_signer(config: msp_config_pb2.FabricMSPConfig) -> None:
    """Check the signing identity that may stand, out of place, in an organization's configuration.

    Raises:
        IdentityError: no certificate, or without the key, which no other peer finds in its own folder.
    Source: Fabric msp/mspimpl.go, getSigningIdentityFromConf.
    """
    if not config.HasField("signing_identity"):
        return
    public_key_of(parse_certificate(config.signing_identity.public_signer))
    if first_pem_block(config.signing_identity.private_signer.key_material) is None:
        raise IdentityError("signing_identity names no key, and no other peer has it; leave signing_identity out")


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
        digest.update(certificate.der)
    return digest.digest()


class _Search:
    """Looks for every chain from a certificate to a root."""

    def __init__(self, authorities: Authorities, at: int) -> None:
        self._authorities = authorities
        self._at = at
        self._looked_at = 0

    def chains(self, below: Chain) -> list[Chain]:
        """Return the chains that continue ``below``."""
        roots = _parents(below[-1], self._authorities.roots)
        found: list[Chain] = [(*below, root) for root in roots if self._may_follow(below, root)]
        for parent in _parents(below[-1], self._authorities.intermediates):
            if self._may_follow(below, parent):
                found.extend(self.chains((*below, parent)))
        return found

    def _may_follow(self, below: Chain, candidate: Certificate) -> bool:
        self._looked_at += 1
        if self._looked_at > _SIGNATURES_MAX or _is_in(below, candidate):
            return False
        if not candidate.is_authority or not _signed_by(below[-1], candidate):
            return False
        if candidate.path_length is not None and len(below) - 1 > candidate.path_length:
            return False
        try:
            _check_link(candidate, self._at)
        except IdentityError:
            return False
        return True


def _parents(certificate: Certificate, authorities: Iterable[Certificate]) -> list[Certificate]:
    """Return the authorities of the issuer's name, in the order in which Go looks at them.

    Source: Go 1.26 crypto/x509 cert_pool.go, findPotentialParents.
    """

    def likely(parent: Certificate) -> int:
        key = parent.subject_key or b""
        return 0 if key == certificate.authority_key else 1 if not key or not certificate.authority_key else 2

    return sorted((one for one in authorities if one.subject == certificate.issuer), key=likely)


def _is_in(chain: Chain, candidate: Certificate) -> bool:
    """Tell whether a chain holds the candidate's subject with the same key already.

    Source: Go 1.26 crypto/x509 verify.go, alreadyInChain: it stops where one has alternative names and one has none.
    """
    for certificate in chain:
        if (certificate.subject, certificate.key) != (candidate.subject, candidate.key):
            continue
        if certificate.raw_names == candidate.raw_names:
            return True
        if certificate.raw_names is None or candidate.raw_names is None:
            return False
    return False


def _check_link(certificate: Certificate, at: int) -> None:
    """Refuse what no place in a chain permits: outside its validity, or critical extensions nobody here understands."""
    if not certificate.begins <= at <= certificate.ends:
        raise IdentityError(f"certificate {certificate.serial_number:x} is not valid at {in_calendar(at).isoformat()}")
    for name in certificate.unknown_critical:
        raise IdentityError(f"certificate {certificate.serial_number:x} has the unknown critical extension {name}")


def _holds(chain: Chain) -> bool:
    """Tell whether policies, uses and names of a chain are what its authorities demand."""
    return policies_hold(chain) and all(link.allows_server_authentication for link in chain) and _names_hold(chain)


def _names_hold(links: Chain) -> bool:
    rules = [(place, NameRules(link.constraints)) for place, link in enumerate(links) if link.constraints]
    return all(
        rule.allow(link.names)
        for number, link in enumerate(links)
        for place, rule in rules
        if place > number and link.raw_names is not None
    )


def _check_host_name(chain: Chain) -> None:
    """Refuse a host's name in the common name alone where an authority constrains names.

    Source: Fabric 3.1 msp/mspimpl.go, verifyLegacyNameConstraints.
    """
    certificate = chain[0]
    constrained = any(authority.constraints for authority in chain[1:])
    if not constrained or certificate.raw_names is not None:
        return
    if _HOST_NAME.fullmatch(certificate.common_name):
        raise IdentityError(
            f"certificate {certificate.serial_number:x} names a host in its common name alone, and an authority "
            "above it constrains names; issue it with alternative names"
        )


def _signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    if not issuer.may_sign_certificates:
        return False
    pair = certificate.digest + issuer.digest
    found = _verified.get(pair)
    if found is None:
        if len(_verified) >= VERIFIED_MAX:
            _verified.clear()
        kind, parameters = certificate.signature_kind, certificate.signature_parameters
        found = signature_holds(issuer.public_key, kind, parameters, certificate.signed, certificate.signature)
        _verified[pair] = found
    return found


def _replace_signature(certificate: Certificate, signature: bytes) -> bytes:
    """Return the certificate's DER form with another signature; of what stands around, only what Go knows is kept.

    Raises:
        IdentityError: encoding/asn1 does not read what stands behind the key, which it does in any version.
    Source: Fabric 3.1 msp/cert.go, certFromX509Cert.
    """
    inside = Der(certificate.signed).read(0x30)
    inside.optional(0xA0)
    for _ in range(6):
        inside.any_element()
    try:
        for unique in (0x81, 0x82):
            if inside.next_tag() == unique:
                inside.bits(unique)
        if inside.enter(0xA3) and inside.next_tag() == 0x30:
            list(inside.read(0x30).extensions())
    except ValueError as error:
        text = f"certificate {certificate.serial_number:x} cannot be given its low-S signature: behind its key {error}"
        raise IdentityError(text) from error
    whole = Der(certificate.der).read(0x30)
    signed, algorithm = whole.element(0x30), whole.read(0x30)
    parts = algorithm.element(0x06) + (algorithm.any_element() if algorithm else b"")
    return _der(0x30, signed + _der(0x30, parts) + _der(0x03, b"\x00" + signature))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    encoded = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(encoded))) + encoded + content
