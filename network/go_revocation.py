"""Lists of revoked certificates, read as by Go: a list that only some peers read stops the others, or parts them.

Source: Fabric 3.1 msp/mspimplsetup.go (setupCRLs), msp/mspimplvalidate.go (validateCertAgainstChain); Go 1.26,
crypto/x509 (ParseCRL, CheckCRLSignature), crypto/x509/pkix (CertificateList), encoding/asn1.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from network.errors import IdentityError
from network.go_certificate import Certificate
from network.go_der import Der
from network.go_keys import ECDSA_SIGNATURES, OVER_SHA1, signature_holds
from network.go_values import check_loose_name, read_time
from network.identity import X509_ERRORS, first_labelled_block

_PEM, _LABEL = b"-----BEGIN X509 CRL", b"X509 CRL"
_AUTHORITY_KEY = "2.5.29.35"
_TIMES = (0x17, 0x18)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One revocation list of an MSP. Its dates are ignored: it counts from the moment the configuration holds it.

    Attributes:
        der: the whole of it.
        authority: key identifier of the authority it belongs to; None where the list names none.
        serial_numbers: of the certificates revoked.
        signed: what the authority signed.
        kind: object identifier of the signature's algorithm.
        parameters: of the algorithm.
        signature: the authority's.
    """

    der: bytes
    authority: bytes | None
    serial_numbers: frozenset[int]
    signed: bytes
    kind: str
    parameters: bytes
    signature: bytes

    @classmethod
    def parse(cls, data: bytes) -> RevocationList:
        """Read a list in PEM or DER.

        Raises:
            IdentityError: not an X.509 revocation list.
        """
        # Only what begins like a list in PEM is looked at as one; another's block is not taken for it.
        label, content = (data.startswith(_PEM) and first_labelled_block(data)) or (b"", b"")
        der = content if label == _LABEL else data
        try:
            outer = Der(der)
            whole = outer.read(0x30)
            signed = whole.element(0x30)
            kind, parameters = whole.read(0x30).algorithm(unmarshal=True)
            signature = whole.right_aligned_bits()
            if outer:
                raise ValueError("bytes follow behind it")
            if kind in ECDSA_SIGNATURES:
                numbers = Der(signature).read(0x30)
                first, second = numbers.integer(), numbers.integer()
                if min(first, second) <= 0:
                    raise ValueError("its signature is none")
                signature = encode_dss_signature(first, second)
            authority, serial_numbers = _read_signed(Der(signed).read(0x30))
        except ValueError as error:
            text = f"revocation_list holds something other than an X.509 revocation list that Go reads: {error}"
            raise IdentityError(text) from error
        return cls(der, authority, serial_numbers, signed, kind, parameters, signature)

    @property
    def is_plain(self) -> bool:
        """Whether stricter readers take it as well, and none holds its signature for broken."""
        if self.kind in OVER_SHA1:
            return False
        try:
            crl = x509.load_der_x509_crl(self.der)
            _ = [entry.serial_number for entry in crl], crl.extensions
        except X509_ERRORS:
            return False
        return True

    def revokes(self, certificate: Certificate, issuer: Certificate) -> bool:
        """Tell whether the issuer has revoked the certificate by this list.

        A list that names the certificate but is not signed by its issuer revokes nothing.

        Raises:
            IdentityError: the list names no authority, or the issuer has no key identifier.
        """
        if issuer.subject_key is None:
            raise IdentityError(f"authority {issuer.serial_number:x} has no subject key identifier")
        if self.authority is None:
            raise IdentityError("a revocation list has no authority key identifier; issue it with one")
        if self.authority != issuer.subject_key or certificate.serial_number not in self.serial_numbers:
            return False
        return signature_holds(
            issuer.public_key, self.kind, self.parameters, self.signed, self.signature, sha1_holds=True
        )


def _read_signed(signed: Der) -> tuple[bytes | None, frozenset[int]]:
    if signed.next_tag() == 0x02:
        signed.integer(bits=64)  # the version
    signed.read(0x30).algorithm(unmarshal=True)
    check_loose_name(signed.element(0x30))
    read_time(signed, fractions=True)
    if signed.next_tag() in _TIMES:
        read_time(signed, fractions=True)
    serial_numbers = set()
    revoked = _optional(signed, 0x30)
    while revoked:
        entry = revoked.read(0x30)
        serial_numbers.add(entry.integer())
        read_time(entry, fractions=True)
        list(_optional(entry, 0x30).extensions())
    extensions = list(_optional(signed, 0x30).extensions()) if signed.enter(0xA0) else []
    values = [value for name, _, value in extensions if name == _AUTHORITY_KEY]
    return (_authority_key(values[0]) if values else None), frozenset(serial_numbers)


def _optional(data: Der, tag: int) -> Der:
    return data.read(tag) if data.next_tag() == tag else Der(b"")


def _authority_key(value: bytes) -> bytes | None:
    """Return the identifier, empty where there is none; None where the extension is malformed."""
    try:
        identifier = Der(value).read(0x30)
        key = bytes(_optional(identifier, 0x80))
        _optional(identifier, 0x81)
        if identifier.next_tag() == 0xA2:
            return None  # which Go's own type cannot take
    except ValueError:
        return None
    return key
