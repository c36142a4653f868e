"""Odd links of chains make the verdict of a Go peer, which stands beside each and against which each was held."""

from __future__ import annotations

import functools
import hashlib
import math
import time
import tracemalloc
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from network.certificates import Authorities, unique_chain, with_low_s
from network.crypto_material import new_key
from network.errors import IdentityError
from network.go_certificate import Certificate
from network.go_names import NameRules, read_alternative_names, read_name_constraints, uri_host
from network.signing import CURVE_ORDERS, sign
from tests.support.der import der

KEY, LEAF_KEY = new_key(), new_key()
RSA = rsa.generate_private_key(65537, 2048)
NULL = b"\5\0"
ECDSA_SHA256 = der(0x30, bytes.fromhex("06082a8648ce3d040302"))
RSA_SHA256 = der(0x30, bytes.fromhex("06092a864886f70d01010b"), NULL)
VALIDITY = der(0x30, der(0x17, b"200101000000Z"), der(0x17, b"400101000000Z"))
POLICY = bytes.fromhex("06022a03")
Sign = Callable[[bytes], bytes]


def integer(number: int) -> bytes:
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def name(text: bytes) -> bytes:
    return der(0x30, der(0x31, der(0x30, bytes.fromhex("0603550403"), der(0x0C, text))))


def extension(last: int, value: bytes) -> bytes:
    return der(0x30, bytes.fromhex("0603551d") + bytes([last]), der(0x04, value))


AUTHORITY = extension(19, der(0x30, b"\1\1\xff"))


def spki(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, form)


def by_ecdsa(data: bytes) -> bytes:
    return sign(KEY, data)


def by_rsa(data: bytes) -> bytes:
    return RSA.sign(data, padding.PKCS1v15(), hashes.SHA256())


def certificate(
    subject: bytes,
    key: bytes,
    *extensions: bytes,
    issuer: bytes = b"R",
    validity: bytes = VALIDITY,
    algorithm: bytes = ECDSA_SHA256,
    signer: Sign = by_ecdsa,
    version: int = 2,
    behind: bytes = b"",
) -> Certificate:
    parts = [der(0xA0, integer(version)), integer(5), algorithm, name(issuer), validity, name(subject), key]
    signed = der(0x30, *parts, der(0xA3, der(0x30, *extensions)) if extensions else b"", behind)
    return Certificate.read(der(0x30, signed, algorithm, der(0x03, b"\0", signer(signed))))


LEAF = certificate(b"L", spki(LEAF_KEY))


def check_verdict(leaf: Certificate, root: Certificate, *, held: bool) -> None:
    if held:
        assert len(unique_chain(leaf, Authorities.of([root]))) == (1 if leaf == root else 2)
    else:
        with pytest.raises(IdentityError):
            unique_chain(leaf, Authorities.of([root]))


@pytest.mark.parametrize(
    ("begins", "ends", "held"),
    [
        (b"00000101000000Z", b"20400101000000Z", True),
        (b"00010101000000+0100", b"20400101000000Z", True),
        (b"00000229000000Z", b"20400101000000Z", True),
        (b"99991231235959Z", b"99991231235959-2359", True),
        (b"99991231235959Z", b"99991231235959Z", False),
        (b"00010101000000Z", b"20400101000000Z", True),
        # Go takes this by the clock, and so has no verdict that peers could share.
        (b"00001231235959Z", b"20400101000000Z", False),
    ],
)
def test_validity_beyond_the_calendar_is_reckoned_with(begins: bytes, ends: bytes, *, held: bool) -> None:
    validity = der(0x30, der(0x18, begins), der(0x18, ends))
    root = certificate(b"R", spki(KEY), AUTHORITY, validity=validity)
    check_verdict(root, root, held=held)
    assert root.not_valid_before_utc <= root.not_valid_after_utc
    if begins.startswith(b"000"):
        check_verdict(LEAF, root, held=True)


@pytest.mark.parametrize(
    ("uri", "held"),
    [
        (b"x://example.com:80/", True),
        (b"x://a.example.com/", True),
        (b"x://example.com:b:80/", False),
        (b"x://a:b:80/", False),
        (b"x://a:b:", False),
        (b"x://a::80/", False),
        (b"x://a:80,b:80/", False),
        (b"x://[::1]:80/", False),
        (b"x:opaque", False),
    ],
)
def test_hosts_with_colons_do_not_pass_constraints(uri: bytes, *, held: bool) -> None:
    # Whoever constrains names of another kind asks for a host all the same.
    for kind in (0x86, 0x82):
        rules = NameRules(read_name_constraints(der(0x30, der(0xA0, der(0x30, der(kind, b"example.com"))))))
        assert rules.allow(read_alternative_names(der(0x30, der(0x86, uri)))) == held


SHA256 = bytes.fromhex("0609608648016503040201")
MASK = bytes.fromhex("06092a864886f70d010108")


def pss(hashing: bytes = NULL, inner: bytes = NULL, *, within: bytes = b"", behind: bytes = b"") -> bytes:
    masking = der(0x30, MASK, der(0x30, SHA256, inner))
    parts = der(0xA0, der(0x30, SHA256, hashing), within), der(0xA1, masking), der(0xA2, integer(32)), behind
    return der(0x30, bytes.fromhex("06092a864886f70d01010a"), der(0x30, *parts))


@pytest.mark.parametrize(
    ("algorithm", "held"),
    [
        (pss(), True),
        (pss(b"", b""), True),
        (pss(b"", NULL), True),
        (pss(NULL, b""), True),
        (pss(NULL + NULL, NULL), True),
        (pss(NULL, NULL + b"junk"), True),
        (pss(der(0x04)), False),
        (pss(within=NULL), False),
        (pss(behind=der(0xA3, integer(1))), True),
        (pss(behind=der(0xA3, integer(1), NULL)), True),
        (pss(behind=der(0xA3, integer(2))), False),
        (pss(behind=der(0x04, b"x")), True),
        (pss(behind=b"\xa3\0"), False),
        (pss(behind=b"\x83\0"), False),
        (pss(behind=NULL), False),
        (pss(behind=b"\5\x81"), False),
    ],
)
def test_parameters_of_pss_signatures_are_read_as_by_go(algorithm: bytes, *, held: bool) -> None:
    def by_pss(data: bytes) -> bytes:
        return RSA.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())

    root = certificate(b"R", spki(RSA), AUTHORITY, algorithm=RSA_SHA256, signer=by_rsa)
    check_verdict(certificate(b"L", spki(LEAF_KEY), algorithm=algorithm, signer=by_pss), root, held=held)


def mersenne(*exponents: int) -> list[int]:
    """Return primes whose product has as many bits as the sum of the exponents."""
    return [(1 << exponent) - 1 for exponent in exponents]


PRIMES = mersenne(1279, 2203, 2281, 3217, 4253, 4423)
"""Of a key of 17,656 bits."""


def by_primes(primes: list[int], padded: int) -> bytes:
    modulus, number = math.prod(primes), 0
    for prime in primes:
        rest = modulus // prime
        number += pow(padded % prime, pow(65537, -1, prime - 1), prime) * rest * pow(rest, -1, prime)
    return (number % modulus).to_bytes((modulus.bit_length() + 7) // 8, "big")


def by_long_key(data: bytes) -> bytes:
    size = (math.prod(PRIMES).bit_length() + 7) // 8
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(data).digest()
    padded = int.from_bytes(b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest, "big")
    return by_primes(PRIMES, padded)


def long_key(primes: list[int]) -> bytes:
    kind = der(0x30, bytes.fromhex("06092a864886f70d010101"), NULL)
    return der(0x30, kind, der(0x03, b"\0", der(0x30, integer(math.prod(primes)), integer(65537))))


def by_long_pss(primes: list[int], data: bytes, *, zeros: int = 1, end: int = 0xBC, salt_bytes: int = 32) -> bytes:
    bits = math.prod(primes).bit_length() - 1
    size, salt = (bits + 7) // 8, bytes(range(salt_bytes))
    digest = hashlib.sha256(bytes(8) + hashlib.sha256(data).digest() + salt).digest()
    block = zeros.to_bytes(size - salt_bytes - 33, "big") + salt
    counts = (number.to_bytes(4, "big") for number in range(len(block) // 32 + 1))
    mask = b"".join(hashlib.sha256(digest + count).digest() for count in counts)
    masked = bytes(first ^ second for first, second in zip(block, mask, strict=False))
    masked = bytes([masked[0] & 0xFF >> 8 * size - bits]) + masked[1:]
    return by_primes(primes, int.from_bytes(masked + digest + bytes([end]), "big"))


@pytest.mark.parametrize(
    ("primes", "changes", "held"),
    [
        (PRIMES, {}, True),
        (mersenne(2281, 4253, 9941), {}, True),
        (mersenne(2281, 4423, 9689), {}, True),
        (PRIMES, {"zeros": 2}, False),
        (PRIMES, {"zeros": 0x101}, False),
        (PRIMES, {"end": 0xCC}, False),
        (PRIMES, {"salt_bytes": 20}, False),
    ],
    ids=["usual", "some bits more", "whole bytes and a bit", "no one", "no zero", "no end", "short salt"],
)
def test_pss_signature_by_a_key_too_long_for_openssl_holds(
    primes: list[int], changes: dict[str, int], *, held: bool
) -> None:
    root = certificate(b"R", long_key(primes), AUTHORITY)
    by_pss = functools.partial(by_long_pss, primes, **changes)
    check_verdict(certificate(b"L", spki(LEAF_KEY), algorithm=pss(), signer=by_pss), root, held=held)


def test_signature_by_a_key_too_long_for_openssl_holds() -> None:
    key = long_key(PRIMES)
    root = certificate(b"R", key, AUTHORITY, algorithm=RSA_SHA256, signer=by_long_key)
    assert not root.is_plain
    check_verdict(certificate(b"L", spki(LEAF_KEY), algorithm=RSA_SHA256, signer=by_long_key), root, held=True)
    check_verdict(certificate(b"L", spki(LEAF_KEY), algorithm=RSA_SHA256, signer=by_rsa), root, held=False)

    def by_another(data: bytes) -> bytes:
        return by_long_key(data + b"x")

    check_verdict(certificate(b"L", spki(LEAF_KEY), algorithm=RSA_SHA256, signer=by_another), root, held=False)


def test_key_of_a_kind_that_go_does_not_know_may_be_malformed() -> None:
    x25519 = der(0x30, der(0x30, bytes.fromhex("06032b656e"), NULL), der(0x03, b"\0", b"x" * 31))
    root = certificate(b"R", x25519, AUTHORITY)
    assert root.public_key is None
    check_verdict(root, root, held=True)


def by_high_s(data: bytes) -> bytes:
    first, second = decode_dss_signature(sign(KEY, data))
    return encode_dss_signature(first, CURVE_ORDERS["secp256r1"] - second)


@pytest.mark.parametrize(
    ("version", "behind", "held"),
    [
        (2, b"", True),
        (2, der(0xA3, der(0x30, AUTHORITY), b"junk"), True),
        (0, der(0xA3, der(0x30, AUTHORITY, AUTHORITY)), True),
        (1, der(0xA3, NULL), True),
        (2, der(0xA1, b"\0a"), True),
        (2, der(0x81, b"\x09a"), False),
        (0, b"\xa3\0", False),
        (0, b"\xa3\1x", False),
        (0, b"\5\x81", False),
        (0, NULL, False),
        (0, b"\5", False),
        (2, NULL, False),
        (2, b"\5\x81", False),
        (2, b"\x83\0", False),
        (2, b"\x1f\1\0", False),
    ],
)
def test_certificate_with_high_s_needs_more_to_be_read(version: int, behind: bytes, *, held: bool) -> None:
    """Fabric reads such a one by encoding/asn1 as well, to give it the other signature."""
    issuer = certificate(b"R", spki(KEY), AUTHORITY)
    high = certificate(b"L", spki(LEAF_KEY), version=version, behind=behind, signer=by_high_s)
    if held:
        assert with_low_s(high, issuer).signed == high.signed
    else:
        with pytest.raises(IdentityError, match="behind its key"):
            with_low_s(high, issuer)


def test_many_mappings_of_one_policy_take_no_time() -> None:
    count = 60_000
    policies = extension(32, der(0x30, der(0x30, POLICY)))
    pairs = [der(0x30, POLICY, der(0x06, b"\x2b\x83" + bytes([0x80 | n >> 7 & 0x7F, n & 0x7F]))) for n in range(16384)]
    mappings = extension(33, der(0x30, *(pairs[n % len(pairs)] for n in range(count))))
    root = certificate(b"R", spki(KEY), AUTHORITY)
    between = certificate(b"I", spki(KEY), AUTHORITY, policies, mappings)
    leaf = certificate(b"L", spki(LEAF_KEY), policies, issuer=b"I")
    begun = time.process_time()
    assert len(unique_chain(leaf, Authorities.of([root], [between]))) == 3
    # A list copied for each takes nine seconds.
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("text", ["x://h/" + "a" * 10**6, "x://" + "a." * 10**6 + "a", "x://h/" + "%41" * 10**6])
def test_long_uris_take_no_memory(text: str) -> None:
    tracemalloc.start()
    assert uri_host(text) is not None
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A place kept for each character to come back to takes more than a hundred bytes.
    assert most < 30 * len(text)
