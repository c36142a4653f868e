"""Signatures as Fabric makes and checks them: ECDSA over SHA-256, DER, with the smaller of the two possible S.

Rules kept here:

* Of the two valid values of S only the smaller one is made or accepted, so that nobody can turn one signature of
  another into a second one.
* `verify` wants exactly one DER structure. `verify_as_fabric` wants what Fabric's peers want and no more: they ignore
  bytes after the two integers. Whoever decides whether a transaction is valid must decide as every other peer does, or
  the members' ledgers part; whoever only lets something in may be stricter.
* Ed25519 keys (channels with capability V3_0) sign the message itself, without a hash.
* An organization may have its members' signatures checked over another hash than SHA-256 (SHA3); nobody here
  signs so.

Left to others: who the key belongs to (`network.msp`).

Source: fabric-lib-go bccsp/utils/ecdsa.go and bccsp/sw/ecdsa.go; Fabric 3.1 msp/identities.go, Verify.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature

from network.errors import SignatureError
from network.p256 import ORDER, TABLES, Check

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | Ed25519PublicKey
"""Keys that Fabric's identities may carry."""

CURVE_ORDERS: dict[str, int] = {
    "secp224r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFF16A2E0B8F03E13DD29455C5C2A3D,
    "secp256r1": ORDER,
    "secp384r1": int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16),
    "secp521r1": int("1FF" + "F" * 63 + "A51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16),
}
"""Group orders of the curves Fabric knows, by the name `cryptography` gives them (FIPS 186-4, D.1.2)."""

SHA2 = "SHA2"
"""The family of hashes that everybody signs with but who says otherwise in the rules of an organization."""

SHA3 = "SHA3"
"""The other family."""

_SHA256 = ec.ECDSA(hashes.SHA256())
_SHA3_256 = ec.ECDSA(hashes.SHA3_256())
_SHA256_DIGEST = ec.ECDSA(Prehashed(hashes.SHA256()))


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return the low-S signature of a message.

    Args:
        key: private key on P-224, P-256, P-384 or P-521.
        message: bytes to sign; hashed here.
    Returns:
        DER SEQUENCE of r and s.
    Source: fabric-lib-go bccsp/sw/ecdsa.go, signECDSA.
    """
    return to_low_s(key.curve, key.sign(message, _SHA256))


def verify(key: PublicKey, message: bytes, signature: bytes) -> None:
    """Check a signature strictly: low S, one DER structure, nothing behind it.

    Args:
        key: public key of the signer.
        message: the signed bytes as received.
        signature: DER (ECDSA) or 64 bytes (Ed25519).
    Raises:
        SignatureError: absent, malformed, high-S, with trailing bytes, or not made by this key over this message.
    """
    if isinstance(key, ec.EllipticCurvePublicKey):
        r, s = _parse_signature(signature)
        if encode_dss_signature(r, s) != signature:
            raise SignatureError("signature carries bytes beside its two integers; re-encode it as plain DER")
    verify_as_fabric(key, message, signature)


def verify_as_fabric(key: PublicKey, message: bytes, signature: bytes, hash_family: str = SHA2) -> None:
    """Check a signature exactly as a Fabric peer does: low S, bytes behind the two integers ignored.

    Args:
        key: public key of the signer.
        message: the signed bytes as received.
        signature: DER (ECDSA) or 64 bytes (Ed25519).
        hash_family: of the signer's organization; by one that Fabric does not know no ECDSA signature holds.
    Raises:
        SignatureError: absent, malformed, high-S, or not made by this key over this message.
    Source: fabric-lib-go bccsp/sw/ecdsa.go, verifyECDSA; Fabric msp/identities.go, Verify.
    """
    if not signature:
        raise SignatureError("signature is empty; sign the message before sending it")
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
            return
        if hash_family == SHA2:
            verify_digest_as_fabric(key, hashlib.sha256(message).digest(), signature)
        elif hash_family == SHA3:
            key.verify(encode_dss_signature(*_low_s(key, signature)), message, _SHA3_256)
        else:
            raise SignatureError(f"the signer's organization wants hashes of family {hash_family!r}, which is unknown")
    except InvalidSignature as error:
        raise SignatureError("signature does not verify under the signer's key") from error


def verify_digest_as_fabric(key: ec.EllipticCurvePublicKey, digest: bytes, signature: bytes) -> None:
    """Check a signature as ``verify_as_fabric`` does, by the SHA-256 of the message.

    Raises:
        SignatureError: absent, malformed, high-S, or not made by this key over a message of this digest.
    """
    r, s = _low_s(key, signature)
    if not TABLES.holding([Check(key, digest, r, s)])[0]:
        _verify_without_table(key, digest, r, s)


def failures_as_fabric(signed: Sequence[tuple[ec.EllipticCurvePublicKey, bytes, bytes]]) -> list[SignatureError | None]:
    """Return what ``verify_digest_as_fabric`` would raise of each of many signatures; together they cost less.

    Args:
        signed: key, SHA-256 of the message, and signature, of each.
    Returns:
        None for each that holds.
    """
    read: list[Check | SignatureError] = []
    for key, digest, signature in signed:
        try:
            read.append(Check(key, digest, *_low_s(key, signature)))
        except SignatureError as error:
            read.append(error)
    seen = iter(TABLES.holding([check for check in read if isinstance(check, Check)]))
    return [one if isinstance(one, SignatureError) else None if next(seen) else _failure(one) for one in read]


def _failure(check: Check) -> SignatureError | None:
    try:
        _verify_without_table(*check)
    except SignatureError as error:
        return error
    return None


def _verify_without_table(key: ec.EllipticCurvePublicKey, digest: bytes, r: int, s: int) -> None:
    try:
        key.verify(encode_dss_signature(r, s), digest, _SHA256_DIGEST)
    except InvalidSignature as error:
        raise SignatureError("signature does not verify under the signer's key") from error


def _low_s(key: ec.EllipticCurvePublicKey, signature: bytes) -> tuple[int, int]:
    """Return the signature's two integers; refuse a larger S."""
    if not signature:
        raise SignatureError("signature is empty; sign the message before sending it")
    r, s = _parse_signature(signature)
    if s > _order(key.curve) // 2:
        raise SignatureError("signature has the larger S (high-S); replace S by the curve's order minus S")
    return r, s


def to_low_s(curve: ec.EllipticCurve, signature: bytes) -> bytes:
    """Return the same signature with the smaller S, in plain DER.

    Args:
        curve: curve of the key that signed.
        signature: DER signature.
    Raises:
        SignatureError: not a DER signature, or a curve Fabric does not know.
    Source: fabric-lib-go bccsp/utils/ecdsa.go, SignatureToLowS.
    """
    r, s = _parse_signature(signature)
    order = _order(curve)
    return encode_dss_signature(r, s if s <= order // 2 else order - s)


def _order(curve: ec.EllipticCurve) -> int:
    order = CURVE_ORDERS.get(curve.name)
    if order is None:
        raise SignatureError(f"curve {curve.name} is not one of {', '.join(CURVE_ORDERS)}")
    return order


def _parse_signature(signature: bytes) -> tuple[int, int]:
    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        # The strict parser refuses what Go's lets pass; only the lenient reading decides.
        r, s = _parse_leniently(signature)
    if r <= 0 or s <= 0:
        raise SignatureError("signature holds an integer that is not positive")
    return r, s


def _parse_leniently(signature: bytes) -> tuple[int, int]:
    """Read SEQUENCE { INTEGER, INTEGER } as Go does: DER, but more bytes may follow inside or behind."""
    tag, body, _ = _element(signature)
    if tag != 0x30:
        raise SignatureError("signature is not a DER sequence of two integers")
    values = []
    for _ in range(2):
        tag, content, body = _element(body)
        minimal = len(content) == 1 or (len(content) > 1 and (content[0], content[1] >> 7) not in ((0, 0), (0xFF, 1)))
        if tag != 0x02 or not minimal:
            raise SignatureError("signature holds something other than two DER integers")
        values.append(int.from_bytes(content, "big", signed=True))
    return values[0], values[1]


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Split the first DER element off: tag, content, rest."""
    if len(data) < 2:
        raise SignatureError("signature ends in the middle of a DER element")
    tag, length, start = data[0], data[1], 2
    if length >= 0x80:
        count = length & 0x7F
        encoded = data[2 : 2 + count]
        length, start = int.from_bytes(encoded, "big"), 2 + count
        if not 1 <= count <= 4 or len(encoded) < count or encoded[0] == 0 or length < 0x80:
            raise SignatureError("signature holds a length that is not DER")
    if len(data) < start + length:
        raise SignatureError("signature ends in the middle of a DER element")
    return tag, data[start : start + length], data[start + length :]
