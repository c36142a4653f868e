"""Certificates are read only where Go reads them; drawn ones were held against a Go peer's verdicts."""

from __future__ import annotations

import base64
import ipaddress
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from network.crypto_material import new_key
from network.errors import IdentityError
from network.go_der import Der
from network.go_names import uri_host
from network.identity import parse_certificate, serialize_identity
from network.signing import sign
from tests.support.der import der, elements
from tests.support.members import START, Member

POLICY = x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)


def leaf(member: Member, extension: x509.ExtensionType, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    authority = member.authority
    unit = x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "peer")
    builder = x509.CertificateBuilder().subject_name(x509.Name([unit])).issuer_name(authority.certificate.subject)
    builder = builder.public_key(new_key().public_key()).serial_number(1).not_valid_before(START)
    builder = builder.not_valid_after(START + timedelta(days=1))
    certificate = builder.add_extension(extension, critical=False).sign(authority.key, algorithm or hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("extension", "reason"),
    [
        (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))]), "no address"),
        (x509.SubjectAlternativeName([x509.UniformResourceIdentifier("http://a..b/")]), "no URI"),
        (x509.CertificatePolicies([POLICY, POLICY]), "policy twice"),
    ],
)
def test_certificate_that_go_does_not_read_is_refused(extension: x509.ExtensionType, reason: str) -> None:
    with pytest.raises(IdentityError, match=reason):
        parse_certificate(leaf(Member("A"), extension))


@pytest.mark.parametrize(
    "extension",
    [
        x509.UnrecognizedExtension(x509.ObjectIdentifier(name), b"junk")
        for name in ("2.5.29.18", "2.5.29.9", "2.5.29.46", "2.5.29.16", "1.3.6.1.5.5.7.1.24", "1.3.6.1.4.1.11129.2.4.2")
    ],
)
def test_junk_where_go_does_not_look_makes_no_other_verdict(extension: x509.ExtensionType) -> None:
    member = Member("A")
    msp = member.msp()
    msp.validate(msp.deserialize(serialize_identity("A", leaf(member, extension))))


ECDSA_SHA256 = bytes.fromhex("06082a8648ce3d040302")
UNIT = bytes.fromhex("060355040b")
NAME = bytes.fromhex("0603550403")
VERSION, ALGORITHM, VALIDITY, SUBJECT, EXTENSIONS = 0, 2, 4, 5, 7


def peer(*more: bytes) -> bytes:
    return der(0x30, der(0x31, der(0x30, UNIT, der(0x0C, b"peer"))), *more)


def named(kind: bytes, tag: int, value: bytes) -> bytes:
    return der(0x31, der(0x30, kind, der(tag, value)))


def valid(*times: bytes) -> bytes:
    return der(0x30, *times)


BEGIN, END = der(0x17, b"260101000000Z"), der(0x17, b"271231000000Z")
UNKNOWN = bytes.fromhex("06022a03")


@pytest.mark.parametrize(
    ("part", "element", "held"),
    [
        (ALGORITHM, der(0x30, ECDSA_SHA256, b"\5\0"), True),
        (ALGORITHM, der(0x30, ECDSA_SHA256, der(0x04, b"x")), True),
        (VERSION, der(0xA0, b"\2\1\1"), True),
        (VERSION, der(0xA0, b"\2\1\3"), False),
        (VERSION, der(0xA0, b"\2\1\xff"), False),
        (VERSION, der(0xA0, der(0x02, b"\x7f" + b"\xff" * 7)), True),
        (VERSION, der(0xA0, der(0x02, b"\x7f" + b"\xff" * 6 + b"\xfe")), False),
        (VALIDITY, valid(der(0x17, b"2601010000Z"), END), True),
        (VALIDITY, valid(BEGIN, der(0x18, b"20280101000000+0100")), True),
        (VALIDITY, valid(BEGIN, der(0x18, b"20280101000000.5Z")), False),
        (VALIDITY, valid(BEGIN, der(0x17, b"280101000000+0000")), False),
        (VALIDITY, valid(BEGIN, der(0x17, b"400101000000+2430")), True),
        (VALIDITY, valid(BEGIN, der(0x18, b"20400101000000+2400")), True),
        (VALIDITY, valid(BEGIN, der(0x17, b"400101000000+2460")), False),
        (VALIDITY, valid(BEGIN, der(0x17, b"400101000000+2500")), False),
        (VALIDITY, valid(der(0x17, b"251231000000-2459"), END), True),
        (VALIDITY, valid(BEGIN, der(0x18, b"99991231235959-0100")), True),
        (VALIDITY, valid(BEGIN, END, b"\5\0"), True),
        (SUBJECT, peer(named(NAME, 0x14, b"\xe9")), True),
        (SUBJECT, peer(named(NAME, 0x13, b"*&")), True),
        (SUBJECT, peer(named(NAME, 0x12, b"a")), False),
        (SUBJECT, peer(named(NAME, 0x1A, b"a")), False),
        (SUBJECT, peer(named(NAME, 0x1E, b"\xff\xfe")), False),
        (SUBJECT, peer(der(0x31)), True),
        (SUBJECT, der(0x30, der(0x31, der(0x30, UNIT, der(0x1E, "peer\0".encode("utf-16-be"))))), True),
        (SUBJECT, der(0x30, der(0x31, *(der(0x30, UNIT, der(0x0C, name)) for name in (b"peer", b"a")))), True),
        (EXTENSIONS, der(0xA3, der(0x30, der(0x30, UNKNOWN, b"\1\1\0", der(0x04)))), True),
        (EXTENSIONS, der(0xA3, der(0x30, der(0x30, UNKNOWN, b"\1\1\1", der(0x04)))), False),
        (EXTENSIONS, der(0xA3, der(0x30, der(0x30, UNKNOWN, der(0x04), b"\5\0"))), True),
        (EXTENSIONS, der(0xA3, der(0x30, *[der(0x30, UNKNOWN, der(0x04))] * 2)), False),
        (EXTENSIONS, der(0xA3, der(0x30, der(0x30, der(0x06, b"\x2a" + b"\1" * 70), der(0x04)))), True),
    ],
)
def test_parts_of_a_certificate_make_the_verdict_of_a_go_peer(part: int, element: bytes, *, held: bool) -> None:
    """Each of these was held against one: where only one of the two refuses an endorser, their ledgers part."""
    member = Member("A")
    plain = x509.load_pem_x509_certificate(leaf(member, x509.SubjectKeyIdentifier(b"1")))
    parts = elements(Der(plain.tbs_certificate_bytes).read(0x30))
    parts[part] = element
    signed = der(0x30, *parts)
    signature = sign(member.authority.key, signed)
    whole = der(0x30, signed, parts[ALGORITHM], der(0x03, b"\0", signature))
    text = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(whole) + b"-----END CERTIFICATE-----\n"
    msp, creator = member.msp(), serialize_identity("A", text)
    if held:
        msp.validate(msp.deserialize(creator))
    else:
        with pytest.raises(IdentityError, match="Go reads"):
            msp.deserialize(creator)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", True),
        ("http://x", True),
        ("http://user:pass@host:80/a%20b?q=%zz#f", True),
        ("http://[::1]:8080/", True),
        ("urn:uuid:1", True),
        ("spiffe://domain/path", True),
        ("/path", True),
        ("a/b:c", True),
        ("::bad::", False),
        ("1a:b", False),
        ("http://a..b/", False),
        ("http://a./", False),
        ("http://a b/", False),
        ("http://a:x/", False),
        ("http://a:80:80/", False),
        ("x://a:80:80/", True),
        ("x://a:b:80/", True),
        ("http://a[b/", False),
        ("http://[fe80::1%25en0]/", True),
        ("http://[fe80::1%25]/", False),
        ("http://[1.2.3.4]/", False),
        ("http://[::1]:x", False),
        ("http://[::1", False),
        ("http://x/%zz", False),
        ("http://x/#%zz", False),
        ("http://x/\n", False),
    ],
)
def test_uris_are_read_as_by_go(text: str, *, read: bool) -> None:
    assert (uri_host(text) is not None) == read


@pytest.mark.parametrize("algorithm", [hashes.SHA224(), hashes.SHA256(), hashes.SHA3_256()])
def test_only_signatures_of_authorities_that_go_knows_hold(algorithm: hashes.HashAlgorithm) -> None:
    member = Member("A")
    creator = serialize_identity("A", leaf(member, x509.SubjectKeyIdentifier(b"1"), algorithm))
    msp = member.msp()
    if isinstance(algorithm, hashes.SHA256):
        msp.validate(msp.deserialize(creator))
    else:
        with pytest.raises(IdentityError, match="0 chains"):
            msp.validate(msp.deserialize(creator))
