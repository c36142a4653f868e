"""Aim: only one form of each signature is made or accepted, as on a Fabric peer.

Method: real keys; signatures altered by hand in each way that Go's and OpenSSL's readers treat differently.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from network.errors import SignatureError
from network.signing import CURVE_ORDERS, sign, to_low_s, verify, verify_as_fabric

CURVES = (ec.SECP256R1(), ec.SECP384R1())
MESSAGE = b"a payment"


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_sign_many_times_gives_low_s_that_verifies(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    for number in range(40):
        message = MESSAGE + bytes([number])
        signature = sign(key, message)
        assert decode_dss_signature(signature)[1] <= CURVE_ORDERS[curve.name] // 2
        verify(key.public_key(), message, signature)


@pytest.mark.parametrize("check", [verify, verify_as_fabric])
def test_signature_with_the_larger_s_is_refused(check: object) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    r, s = decode_dss_signature(sign(key, MESSAGE))
    twin = encode_dss_signature(r, CURVE_ORDERS["secp256r1"] - s)
    key.public_key().verify(twin, MESSAGE, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(SignatureError, match="high-S"):
        check(key.public_key(), MESSAGE, twin)  # type: ignore[operator]


def test_low_s_of_the_twin_is_the_signature_itself() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signature = sign(key, MESSAGE)
    r, s = decode_dss_signature(signature)
    assert to_low_s(key.curve, encode_dss_signature(r, CURVE_ORDERS["secp256r1"] - s)) == signature
    assert to_low_s(key.curve, signature) == signature


def test_bytes_behind_the_signature_are_refused_strictly_and_ignored_as_fabric_does() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signature = sign(key, MESSAGE) + b"\x00more"
    with pytest.raises(SignatureError, match="beside its two integers"):
        verify(key.public_key(), MESSAGE, signature)
    verify_as_fabric(key.public_key(), MESSAGE, signature)


def test_bytes_inside_the_sequence_behind_the_integers_are_treated_like_those_behind_it() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    plain = sign(key, MESSAGE)
    longer = bytes([0x30, plain[1] + 2]) + plain[2:] + b"\x05\x00"
    with pytest.raises(SignatureError, match="beside its two integers"):
        verify(key.public_key(), MESSAGE, longer)
    verify_as_fabric(key.public_key(), MESSAGE, longer)


def _der(*integers: bytes) -> bytes:
    body = b"".join(bytes([2, len(integer)]) + integer for integer in integers)
    return bytes([0x30, len(body)]) + body


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"\x30",
        b"\x31\x06\x02\x01\x01\x02\x01\x01",
        b"\x30\x80\x02\x01\x01\x02\x01\x01",
        b"\x30\x81\x06\x02\x01\x01\x02\x01\x01",
        b"\x30\x82\x00\x06\x02\x01\x01\x02\x01\x01",
        b"\x30\x20\x02\x01\x01\x02\x01\x01",
        b"\x30\x06\x02\x01\x01\x04\x01\x01",
        _der(b"\x01"),
        _der(b"\x00", b"\x01"),
        _der(b"\xff\x7f", b"\x01"),
        _der(b"\x01", b"\x80"),
        _der(b"\x00\x01", b"\x01"),
        _der(b"\xff\x80", b"\x01"),
        _der(b"", b"\x01"),
    ],
    ids=lambda signature: signature.hex() or "empty",
)
@pytest.mark.parametrize("check", [verify, verify_as_fabric])
def test_malformed_signature_is_refused(check: object, signature: bytes) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(SignatureError):
        check(key, MESSAGE, signature)  # type: ignore[operator]


def test_signature_over_another_message_or_by_another_key_is_refused() -> None:
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    with pytest.raises(SignatureError, match="does not verify"):
        verify(key.public_key(), MESSAGE + b"!", sign(key, MESSAGE))
    with pytest.raises(SignatureError, match="does not verify"):
        verify(key.public_key(), MESSAGE, sign(other, MESSAGE))


def test_curve_fabric_does_not_know_is_refused() -> None:
    with pytest.raises(SignatureError, match="secp256k1"):
        sign(ec.generate_private_key(ec.SECP256K1()), MESSAGE)


def test_ed25519_signature_is_over_the_message_itself() -> None:
    key = Ed25519PrivateKey.generate()
    verify(key.public_key(), MESSAGE, key.sign(MESSAGE))
    with pytest.raises(SignatureError):
        verify(key.public_key(), MESSAGE, key.sign(b"other"))
