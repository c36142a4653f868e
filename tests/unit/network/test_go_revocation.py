"""Lists of revoked certificates make the verdict of a Go peer, against which each of these was held."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from network.errors import ConfigError, IdentityError
from network.go_der import Der
from network.go_revocation import RevocationList
from network.identity import parse_identity
from network.msp import Msp
from network.signing import sign
from tests.support.der import der, elements
from tests.support.members import Member, as_go

MEMBER = Member("AMSP")
REVOKED = MEMBER.identity("client")
PLAIN = x509.load_pem_x509_crl(MEMBER.crl(REVOKED.certificate)).public_bytes(serialization.Encoding.DER)
PARTS = elements(Der(elements(Der(PLAIN).read(0x30))[0]).read(0x30))
ALGORITHM, ISSUER, BEGIN, REVOCATIONS, EXTENSIONS = 1, 2, 3, 5, 6
UNKNOWN = bytes.fromhex("06022a03")
ENTRY = b"".join(elements(Der(elements(Der(PARTS[REVOCATIONS]).read(0x30))[0]).read(0x30))[:2])
AUTHORITY_KEY = elements(Der(PARTS[EXTENSIONS]).read(0xA0).read(0x30))[0]
ECDSA_SHA256 = bytes.fromhex("06082a8648ce3d040302")
NULL = b"\x05\x00"


def crl(part: int = 0, element: bytes | None = None, algorithm: bytes | None = None, behind: bytes = b"") -> bytes:
    """Return the list with a part replaced, signed anew."""
    parts = list(PARTS)
    parts[part] = parts[part] if element is None else element
    signed = der(0x30, *parts)
    signature = sign(MEMBER.authority.key, signed) + behind
    return der(0x30, signed, algorithm or parts[ALGORITHM], der(0x03, b"\0", signature))


def armored(data: bytes, label: str = "X509 CRL", content: str | None = None) -> bytes:
    text = base64.b64encode(data).decode() if content is None else content
    return f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n".encode()


def entry(*more: bytes) -> bytes:
    return der(0x30, der(0x30, ENTRY, *more))


def with_null(algorithm: bytes) -> bytes:
    return der(0x30, bytes(Der(algorithm).read(0x30)), NULL)


@pytest.mark.parametrize(
    "data",
    [
        crl(),
        crl(algorithm=with_null(PARTS[ALGORITHM])),
        crl(ALGORITHM, der(0x30, UNKNOWN), PARTS[ALGORITHM]),
        crl(algorithm=der(0x30, ECDSA_SHA256, b"\x1f\x21\0")),
        crl(ALGORITHM, der(0x30, ECDSA_SHA256, b"\xbf\x81\1\1a"), PARTS[ALGORITHM]),
        crl(BEGIN, der(0x18, b"20260101000000.5Z")),
        crl(BEGIN, der(0x18, b"00000101000000Z")),
        crl(BEGIN, der(0x18, b"00010101000000+0100")),
        crl(BEGIN, der(0x17, b"200101000000+2400")),
        crl(ISSUER, der(0x30, der(0x31, der(0x30, UNKNOWN, der(0x04, b"x"))))),
        crl(ISSUER, der(0x30, der(0x31, der(0x30, UNKNOWN, b"\x5f\x21\1a")))),
        armored(crl()),
        armored(b"", "X509 CRLS", "!") + armored(crl()),
        crl(REVOCATIONS, entry(der(0x30, der(0x30, bytes.fromhex("0603551d15"), der(0x04, b"junk"))))),
        crl(REVOCATIONS, entry(NULL)),
        crl(EXTENSIONS, der(0xA0, der(0x30, AUTHORITY_KEY, der(0x30, bytes.fromhex("0603551d1c"), der(0x04, b"x"))))),
        crl(behind=b"\0"),
    ],
)
def test_list_that_go_reads_revokes(data: bytes) -> None:
    msp = Msp.from_config(MEMBER.config(revocation_list=[data]))
    msp.validate(parse_identity(MEMBER.identity("client").creator))
    with pytest.raises(IdentityError, match="revoked"):
        msp.validate(parse_identity(REVOKED.creator))


@pytest.mark.parametrize(
    "data",
    [
        PLAIN + b"\0",
        crl(BEGIN, der(0x18, b"20260101000000.50Z")),
        crl(ISSUER, der(0x30, der(0x31, der(0x30, UNKNOWN, der(0x02, b"\0\1"))))),
        crl(REVOCATIONS, der(0x30, der(0x30, der(0x02, b"\1")))),
        crl(EXTENSIONS, der(0xA0)),
        crl(algorithm=der(0x30, ECDSA_SHA256, b"\x1f\1\0")),
        crl(algorithm=der(0x30, ECDSA_SHA256, b"\x1f\x80\x21\0")),
        crl(ISSUER, der(0x30, der(0x31, der(0x30, UNKNOWN, b"\x5f\x21\2a")))),
        armored(b"", "X509 CRL", "!") + armored(crl(), "CERTIFICATE"),
        armored(crl(), "X509 CRLS"),
        crl(algorithm=der(0x31)),
    ],
)
def test_list_that_go_does_not_read_makes_the_configuration_unusable(data: bytes) -> None:
    with pytest.raises(ConfigError, match="revocation list"):
        Msp.from_config(MEMBER.config(revocation_list=[data]))


@pytest.mark.parametrize(
    ("behind", "read"),
    [
        (b"", True),
        (b"\5\0", False),
        (b"\x80\0", False),
        (b"\xa0\5", False),
        (b"\x80\0\5\0", False),
        (b"\5\0\5\0", True),
        (b"\x80\1x", True),
        (b"\5\x84\x80\0\0\0x", False),
        (b"\5\x84\x7f\0\0\0x", True),
        (b"\5\x81", False),
    ],
)
def test_where_extensions_would_stand_a_list_has_what_go_reads(behind: bytes, *, read: bool) -> None:
    signed = der(0x30, *PARTS[:EXTENSIONS], behind)
    data = der(0x30, signed, PARTS[ALGORITHM], der(0x03, b"\0", sign(MEMBER.authority.key, signed)))
    if read:
        assert REVOKED.certificate.serial_number in RevocationList.parse(data).serial_numbers
    else:
        with pytest.raises(IdentityError, match="revocation list that Go reads"):
            RevocationList.parse(data)


@pytest.mark.parametrize("kind", ["06092a864886f70d010105", "06052b0e03021d"])
def test_list_signed_over_sha1_by_either_name_revokes(kind: str) -> None:
    """Go: CheckCRLSignature says nil of both."""
    key = rsa.generate_private_key(65537, 2048)
    algorithm = der(0x30, bytes.fromhex(kind), NULL)
    parts = [*PARTS]
    parts[ALGORITHM] = algorithm
    signed = der(0x30, *parts)
    signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA1())
    revocations = RevocationList.parse(der(0x30, signed, algorithm, der(0x03, b"\0", signature)))
    issuer = replace(as_go(MEMBER.authority.certificate), public_key=key.public_key())
    assert revocations.revokes(as_go(REVOKED.certificate), issuer)
    assert not revocations.revokes(as_go(MEMBER.identity("client").certificate), issuer)
    assert not revocations.is_plain


def test_list_whose_authority_key_is_malformed_leaves_nobody_valid() -> None:
    extension = der(0x30, bytes.fromhex("0603551d23"), der(0x04, b"junk"))
    msp = Msp.from_config(MEMBER.config(revocation_list=[crl(EXTENSIONS, der(0xA0, der(0x30, extension)))]))
    with pytest.raises(IdentityError, match="authority key identifier"):
        msp.validate(parse_identity(MEMBER.identity("client").creator))


@pytest.mark.parametrize("count", [1, 10, 300])
def test_lists_of_any_length_are_read(count: int) -> None:
    crl = RevocationList.parse(MEMBER.crl(*[REVOKED.certificate] * count))
    assert crl.serial_numbers == {REVOKED.certificate.serial_number}


def test_only_lists_that_stricter_readers_take_are_plain() -> None:
    assert RevocationList.parse(PLAIN).is_plain
    assert not RevocationList.parse(crl(algorithm=with_null(PARTS[ALGORITHM]))).is_plain
