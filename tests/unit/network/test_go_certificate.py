"""Certificates are read only where Go reads them; drawn ones were held against a Go peer's verdicts."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from network.crypto_material import new_key
from network.errors import IdentityError
from network.go_names import uri_host
from network.identity import parse_certificate, serialize_identity
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
