"""Aim: a table says "it holds" of a signature only if `cryptography` does, and of every usual one.

Method: drawn keys, digests and harmed signatures, asked of both; and signatures made backwards, by plain arithmetic
here, whose sum of two points is special: doubled, nothing, zero on one side, or with an x above the order of the group.
"""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from network import p256, signing
from network.errors import SignatureError
from network.p256 import KEYS_MAX, ORDER, PRIME, USES_BEFORE_TABLE, Check, Tables, python_openssl
from network.signing import failures_as_fabric, sign, verify_digest_as_fabric

Point = tuple[int, int] | None

B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
"""The curve's b and its base point (FIPS 186-4, D.1.2.3)."""

SECRET = 0xC0FFEE
KEY = ec.derive_private_key(SECRET, ec.SECP256R1())
PUBLIC = KEY.public_key()
SHA256 = ec.ECDSA(Prehashed(hashes.SHA256()))

OPENSSL = python_openssl()

needs_openssl = pytest.mark.skipif(
    OPENSSL is None, reason="this Python's ssl has no OpenSSL that makes tables: run with one that is linked to it"
)


@pytest.fixture(scope="module")
def tables() -> Tables:
    made = Tables(OPENSSL)
    assert made.make(PUBLIC)
    return made


def added(one: Point, two: Point) -> Point:
    if one is None or two is None:
        return one or two
    if one[0] == two[0] and (one[1] + two[1]) % PRIME == 0:
        return None
    if one == two:
        slope = (3 * one[0] ** 2 - 3) * pow(2 * one[1], -1, PRIME)
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, PRIME)
    x = (slope**2 - one[0] - two[0]) % PRIME
    return x, (slope * (one[0] - x) - one[1]) % PRIME


def multiple(number: int, point: Point) -> Point:
    total: Point = None
    while number:
        if number & 1:
            total = added(total, point)
        point, number = added(point, point), number >> 1
    return total


def library_holds(check: Check) -> bool:
    try:
        check.key.verify(encode_dss_signature(check.r, check.s), check.digest, SHA256)
    except InvalidSignature:
        return False
    return True


def backwards(key: ec.EllipticCurvePublicKey, of_base: int, of_key: int, x: int) -> Check:
    """Return the check in which so many times the base point and the key are added, and should give this x."""
    r = x % ORDER
    s = r * pow(of_key, -1, ORDER) % ORDER
    return Check(key, (of_base * s % ORDER).to_bytes(32), r, s)


@needs_openssl
@given(st.binary(min_size=32, max_size=32), st.integers(0, 255), st.integers(0, 255))
def test_what_a_table_says_is_what_the_library_says(tables: Tables, digest: bytes, r_bit: int, s_bit: int) -> None:
    r, s = decode_dss_signature(KEY.sign(digest, SHA256))
    other = bytes([digest[0] ^ 1]) + digest[1:]
    for check in (
        Check(PUBLIC, digest, r, s),
        Check(PUBLIC, digest, r, ORDER - s),
        Check(PUBLIC, digest, r ^ (1 << r_bit), s),
        Check(PUBLIC, digest, r, s ^ (1 << s_bit)),
        Check(PUBLIC, digest, s, r),
        Check(PUBLIC, other, r, s),
    ):
        assert tables.holding([check]) == [library_holds(check)], check


@needs_openssl
@pytest.mark.parametrize(
    ("of_base", "of_key"),
    [(0, 1), (0, 77), (1, 1), (ORDER - 1, 1), (5, ORDER - 1), (SECRET, 1), (2 * SECRET, 2), (ORDER - SECRET + 1, 1)],
)
def test_special_sums_hold(tables: Tables, of_base: int, of_key: int) -> None:
    point = multiple((of_base + of_key * SECRET) % ORDER, BASE)
    assert point is not None
    check = backwards(PUBLIC, of_base, of_key, point[0])
    assert library_holds(check)
    assert tables.holding([check]) == [True]


@needs_openssl
def test_a_sum_that_is_no_point_never_holds(tables: Tables) -> None:
    for x in (1, BASE[0], ORDER - 1):
        check = backwards(PUBLIC, ORDER - SECRET, 1, x)
        assert not library_holds(check)
        assert tables.holding([check]) == [False]


@needs_openssl
def test_an_x_above_the_groups_order_holds_by_what_is_left(tables: Tables) -> None:
    x = ORDER + 1
    while pow(square := (x**3 - 3 * x + B) % PRIME, (PRIME - 1) // 2, PRIME) != 1:
        x += 1
    point = (x, pow(square, (PRIME + 1) // 4, PRIME))
    nine_less = added(point, multiple(ORDER - 9, BASE))
    signer = multiple(pow(5, -1, ORDER), nine_less)
    assert x < PRIME
    assert signer is not None
    key = ec.EllipticCurvePublicNumbers(*signer, ec.SECP256R1()).public_key()
    check = backwards(key, 9, 5, x)
    assert check.r < x - ORDER + 1
    assert library_holds(check)
    assert tables.make(key)
    assert tables.holding([check]) == [True]


@given(st.integers(0, PRIME - 1), st.integers(1, PRIME - 1), st.integers(1, ORDER - 1))
def test_a_fraction_has_the_x_that_a_division_gives(x: int, z: int, other: int) -> None:
    fraction = x * z**2 % PRIME
    assert p256._is_named(x % ORDER, fraction, z)
    assert p256._is_named(other, fraction, z) == (x % ORDER == other)
    assert not p256._is_named(x % ORDER, fraction, 0)


@pytest.mark.parametrize(
    ("r", "x", "named"),
    [
        (1, ORDER + 1, True),
        (PRIME - ORDER - 1, PRIME - 1, True),
        # Such an x stands for r + ORDER - PRIME: another point's.
        (PRIME - ORDER, 0, False),
        (PRIME - ORDER + 5, 5, False),
        (ORDER - 1, ORDER - 1, True),
    ],
)
def test_an_x_is_named_by_itself_or_by_what_is_above_the_order(r: int, x: int, named: bool) -> None:
    for z in (1, 2, PRIME - 1):
        assert p256._is_named(r, x * z**2 % PRIME, z) == named


@needs_openssl
@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (ORDER, 1), (1, ORDER), (-1, 1), (1, -1), (2**300, 1)])
def test_integers_out_of_range_are_left_to_the_library(tables: Tables, r: int, s: int) -> None:
    good = Check(PUBLIC, b"d" * 32, *decode_dss_signature(KEY.sign(b"d" * 32, SHA256)))
    assert tables.holding([good, Check(PUBLIC, b"d" * 32, r, s), good]) == [True, False, True]


@needs_openssl
def test_other_curves_and_keys_without_a_table_are_left_to_the_library(tables: Tables) -> None:
    longer, fresh = (ec.generate_private_key(curve) for curve in (ec.SECP384R1(), ec.SECP256R1()))
    assert not tables.make(longer.public_key())
    for key in (longer, fresh):
        signature = decode_dss_signature(key.sign(b"d" * 32, SHA256))
        assert tables.holding([Check(key.public_key(), b"d" * 32, *signature)]) == [False]


@needs_openssl
def test_a_key_gets_a_table_by_use_and_loses_it_when_many_others_come() -> None:
    tables = Tables(OPENSSL)
    check = Check(PUBLIC, b"d" * 32, *decode_dss_signature(KEY.sign(b"d" * 32, SHA256)))
    assert tables.holding([check] * (USES_BEFORE_TABLE - 1)) == [False] * (USES_BEFORE_TABLE - 1)
    assert tables.holding([check]) == [False], "the thousandth use begins it"
    for thread in threading.enumerate():
        if thread.name == "p256-table":
            thread.join()
    assert tables.holding([check]) == [True]
    others = [ec.derive_private_key(number, ec.SECP256R1()).public_key() for number in range(1, KEYS_MAX + 1)]
    tables.holding([Check(other, *check[1:]) for other in others])
    assert tables.holding([check]) == [False]


@needs_openssl
def test_threads_share_tables(tables: Tables) -> None:
    digests = [hashlib.sha256(bytes([number])).digest() for number in range(200)]
    checks = [Check(PUBLIC, digest, *decode_dss_signature(KEY.sign(digest, SHA256))) for digest in digests]
    wrong = [check._replace(digest=digests[0]) for check in checks[1:]]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda check: tables.holding([check])[0], [*checks, *wrong] * 5))
    assert found == ([True] * 200 + [False] * 199) * 5


@needs_openssl
def test_a_table_that_multiplies_wrongly_is_not_used() -> None:
    assert OPENSSL is not None

    def doubled(group: int, point: int, of_base: int | None, *arguments: object) -> int:
        made = int(OPENSSL.EC_POINT_mul(group, point, of_base, *arguments))
        if of_base is not None:
            OPENSSL.EC_POINT_add(group, point, point, point, arguments[-1])
        return made

    tables = Tables(SimpleNamespace(**vars(OPENSSL) | {"EC_POINT_mul": doubled}))
    assert not tables.make(PUBLIC)


@pytest.mark.parametrize("openssl", [None, OPENSSL])
def test_many_signatures_are_judged_as_each_alone(
    monkeypatch: pytest.MonkeyPatch, openssl: SimpleNamespace | None
) -> None:
    tables = Tables(openssl)
    tables.make(PUBLIC)
    monkeypatch.setattr(signing, "TABLES", tables)
    digest = hashlib.sha256(b"m").digest()
    good = sign(KEY, b"m")
    r, s = decode_dss_signature(good)
    stranger = ec.generate_private_key(ec.SECP384R1())
    asked = [
        (PUBLIC, digest, good),
        (PUBLIC, digest, b""),
        (PUBLIC, digest, encode_dss_signature(r, ORDER - s)),
        (PUBLIC, hashlib.sha256(b"n").digest(), good),
        (stranger.public_key(), digest, sign(stranger, b"m")),
        (PUBLIC, digest, good + b"behind"),
        (PUBLIC, digest, good[:-1]),
    ]

    def alone(key: ec.EllipticCurvePublicKey, digest: bytes, signature: bytes) -> str:
        try:
            verify_digest_as_fabric(key, digest, signature)
        except SignatureError as error:
            return str(error)
        return ""

    together = ["" if failure is None else str(failure) for failure in failures_as_fabric(asked)]
    assert together == [alone(*one) for one in asked]
    assert [not failure for failure in together] == [True, False, False, False, True, True, False]
    assert failures_as_fabric([]) == []


def test_an_openssl_without_a_function_makes_no_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(p256._FUNCTIONS, "EC_GROUP_no_such_function", ("i", ""))
    assert python_openssl() is None
