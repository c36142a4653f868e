"""Public keys in certificates, read as by Go, and the signatures of authorities checked with them.

Source: Go 1.26, crypto/x509/parser.go (parsePublicKey), x509.go (getSignatureAlgorithmFromAI, checkSignature),
crypto/rsa (checkKeySize, checkPublicKey).
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from network.go_der import Der

AnyKey = ec.EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey | RSAPublicNumbers
"""Numbers alone where an RSA key is longer than OpenSSL takes."""

ECDSA_SIGNATURES: dict[str, hashes.HashAlgorithm] = {
    "1.2.840.10045.4.1": hashes.SHA1(),  # noqa: S303 - holds for lists alone
    "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    "1.2.840.10045.4.3.4": hashes.SHA512(),
}
_RSA_SIGNATURES: dict[str, hashes.HashAlgorithm] = {
    "1.2.840.113549.1.1.5": hashes.SHA1(),  # noqa: S303
    "1.3.14.3.2.29": hashes.SHA1(),  # noqa: S303 - the same by an older name
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}
OVER_SHA1 = frozenset({"1.2.840.10045.4.1", "1.2.840.113549.1.1.5", "1.3.14.3.2.29"})
"""Broken: Go still takes them below lists."""
_RSA_PSS = "1.2.840.113549.1.1.10"
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_DIGEST_INFO = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""What stands before a digest under an RSA signature (RFC 8017, section 9.2)."""
_MASK = "1.2.840.113549.1.1.8"
_ECDSA, _RSA, _ED25519 = "1.2.840.10045.2.1", "1.2.840.113549.1.1.1", "1.3.101.112"
_NULL = b"\x05\x00"
_RSA_BITS_MIN = 1024
_OPENSSL_BITS_MAX = 16384
_RSA_EXPONENT_MAX = (1 << 31) - 1

_CURVES: dict[str, ec.EllipticCurve] = {
    "1.3.132.0.33": ec.SECP224R1(),
    "1.2.840.10045.3.1.7": ec.SECP256R1(),
    "1.3.132.0.34": ec.SECP384R1(),
    "1.3.132.0.35": ec.SECP521R1(),
}


def read_key(element: bytes) -> AnyKey | None:
    """Read a key with its kind; None where it is of a kind that vouches for nothing here.

    Raises:
        ValueError: Go does not read it.
    """
    content = Der(element).read(0x30)
    algorithm = content.read(0x30)
    kind = algorithm.object_identifier()
    parameters = algorithm.any_element() if algorithm else b""
    key = content.right_aligned_bits()
    if kind == _ECDSA:
        return _read_ecdsa(parameters, key)
    if kind == _RSA:
        return _read_rsa(parameters, key)
    if kind == _ED25519:
        if parameters or len(key) != 32:
            raise ValueError("its key is malformed")
        return Ed25519PublicKey.from_public_bytes(key)
    if kind == "1.2.840.10040.4.1":
        numbers = Der(parameters).read(0x30)
        if min(Der(key).integer(), *(numbers.integer() for _ in range(3))) <= 0:
            raise ValueError("its key is malformed")
    return None


def is_of_known_kind(element: bytes) -> bool:
    """Tell whether Fabric takes a key with its kind, strong or weak, as that of somebody or of an authority."""
    return Der(element).read(0x30).read(0x30).object_identifier() in (_ECDSA, _RSA, _ED25519)


def _read_ecdsa(parameters: bytes, key: bytes) -> ec.EllipticCurvePublicKey:
    curve = _CURVES.get(Der(parameters).object_identifier())
    if curve is None:
        raise ValueError("its key is on a curve which Go does not know")
    if key[:1] != b"\x04":
        raise ValueError("its key is a compressed point, or none; issue it with the whole point")
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, key)


def _read_rsa(parameters: bytes, key: bytes) -> RSAPublicKey | RSAPublicNumbers | None:
    numbers = Der(key).read(0x30)
    modulus, exponent = numbers.integer(), numbers.integer(bits=64)
    if parameters != _NULL or modulus <= 0 or exponent <= 0:
        raise ValueError("its key is malformed")
    if modulus.bit_length() < _RSA_BITS_MIN or exponent > _RSA_EXPONENT_MAX:
        return None
    if modulus.bit_length() > _OPENSSL_BITS_MAX:
        return RSAPublicNumbers(exponent, modulus) if exponent > 1 and exponent & modulus & 1 else None
    try:
        return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        return None  # no signature holds by it


def signature_holds(
    key: AnyKey | None, kind: str, parameters: bytes, signed: bytes, signature: bytes, *, sha1_holds: bool = False
) -> bool:
    """Tell whether an authority's signature is by a key, of a kind that Go knows and does not hold for broken."""
    if kind in OVER_SHA1 and not sha1_holds:
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            function = ECDSA_SIGNATURES.get(kind)
            if function is None:
                return False
            key.verify(signature, signed, ec.ECDSA(function))
        elif isinstance(key, RSAPublicKey):
            chosen = _rsa_padding(kind, parameters)
            if chosen is None:
                return False
            key.verify(signature, signed, *chosen)
        elif isinstance(key, RSAPublicNumbers):
            return _long_key_signed(key, kind, parameters, signed, signature)
        elif isinstance(key, Ed25519PublicKey):
            if kind != _ED25519 or parameters:
                return False
            key.verify(signature, signed)
        else:
            return False
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _rsa_padding(kind: str, parameters: bytes) -> tuple[padding.AsymmetricPadding, hashes.HashAlgorithm] | None:
    if kind in _RSA_SIGNATURES:
        return padding.PKCS1v15(), _RSA_SIGNATURES[kind]
    if kind != _RSA_PSS:
        return None
    try:
        function = _pss_hash(Der(parameters).read(0x30))
    except ValueError:
        return None
    return None if function is None else (padding.PSS(padding.MGF1(function), function.digest_size), function)


def _pss_hash(parameters: Der) -> hashes.HashAlgorithm | None:
    """Return the function of a signature whose parameters are the usual ones.

    Source: Go 1.26, crypto/x509 (pssParameters), by encoding/asn1.
    """
    name, rest = _within(parameters, 0xA0).read(0x30).algorithm(unmarshal=True)
    mask, inner = _within(parameters, 0xA1).read(0x30).algorithm(unmarshal=True)
    mask_name, mask_rest = Der(inner).read(0x30).algorithm(unmarshal=True)
    salt = _within(parameters, 0xA2).integer(bits=64)
    trailer = parameters.integer(bits=64) if parameters.enter(0xA3) and parameters.next_tag() == 0x02 else 1
    is_usual = {rest, mask_rest} <= {b"", _NULL} and mask == _MASK and name == mask_name and trailer == 1
    function = _HASHES.get(name)
    return function if is_usual and function is not None and salt == function.digest_size else None


def _within(parameters: Der, tag: int) -> Der:
    if not parameters.enter(tag):
        raise ValueError("a parameter of its signature is missing")
    return parameters


def _long_key_signed(key: RSAPublicNumbers, kind: str, parameters: bytes, signed: bytes, signature: bytes) -> bool:
    """Tell whether a signature holds by a key that OpenSSL refuses for its length.

    Source: Go 1.26, crypto/rsa (VerifyPKCS1v15, VerifyPSS), which has no such bound.
    """
    chosen = _rsa_padding(kind, parameters)
    number, size = int.from_bytes(signature, "big"), (key.n.bit_length() + 7) // 8
    if chosen is None or len(signature) != size or number >= key.n:
        return False
    padded = pow(number, key.e, key.n).to_bytes(size, "big")
    function = chosen[1].name
    digest = hashlib.new(function, signed).digest()
    if isinstance(chosen[0], padding.PSS):
        return _is_pss(padded, key.n.bit_length() - 1, digest, function)
    named = _DIGEST_INFO[function] + digest
    return padded == b"\0\1" + b"\xff" * (size - len(named) - 3) + b"\0" + named


def _is_pss(padded: bytes, bits: int, digest: bytes, function: str) -> bool:
    """Tell whether bytes are a digest with a salt as long as itself. Source: RFC 8017, section 9.1.2."""
    size = (bits + 7) // 8
    if any(padded[:-size]):
        return False
    block, found, end = padded[-size : -len(digest) - 1], padded[-len(digest) - 1 : -1], padded[-1:]
    mask = _mask(found, len(block), function)
    # The bits above the number's are zero in the block, and are not those of the mask.
    if end != b"\xbc" or block[0] >> (8 - (8 * size - bits)):
        return False
    plain = (int.from_bytes(block, "big") ^ int.from_bytes(mask, "big")) & (
        1 << (8 * len(block) - (8 * size - bits))
    ) - 1
    zeros, salt = divmod(plain, 1 << 8 * len(digest))
    salted = bytes(8) + digest + salt.to_bytes(len(digest), "big")
    return zeros == 1 and hashlib.new(function, salted).digest() == found


def _mask(seed: bytes, size: int, function: str) -> bytes:
    """Return as many bytes as asked, made of others. Source: RFC 8017, section B.2.1."""
    count = -(-size // hashlib.new(function).digest_size)
    parts = (hashlib.new(function, seed + number.to_bytes(4, "big")).digest() for number in range(count))
    return b"".join(parts)[:size]
