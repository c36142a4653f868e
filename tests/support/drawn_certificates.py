"""Drawn certificates of endorsers, odd in every way that an authority may issue them."""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from network.crypto_material import Authority
from network.identity import serialize_identity
from network.signing import sign

CURVES = (ec.SECP224R1(), ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
UNITS = (["peer"], ["peer"], ["peer"], ["peer", "peer"], ["peer", "x"], ["client"], ["Peer"], ["peer "], [])
BEGINS = (datetime(2026, 6, 1), datetime(2026, 6, 1), datetime(2020, 1, 1), datetime(2030, 1, 1))
ENDS = (datetime(2031, 1, 1), datetime(2051, 1, 1), datetime(2030, 1, 2))
HASHES = (*[hashes.SHA256()] * 5, hashes.SHA384(), hashes.SHA512(), hashes.SHA224())
URIS = ("http://x", "", "::bad::", "http://a b/", "http://[::1]:x", "http://a..b/", "urn:x", "spiffe://a/b")
DIRECTORY = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "q")]))
NAMES = (
    *[x509.DNSName(name) for name in ("a.b", "", "*")],
    *[x509.RFC822Name(name) for name in ("a@b", "x")],
    *[x509.UniformResourceIdentifier(name) for name in URIS],
    *[x509.IPAddress(ipaddress.ip_address(name)) for name in ("1.2.3.4", "::1")],
    x509.IPAddress(ipaddress.ip_network("1.2.3.0/24")),
    x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
    DIRECTORY,
)
USAGES = (
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    x509.ObjectIdentifier("1.2.3"),
)


@dataclass
class Endorser:
    """Who signs, and what is odd about the certificate."""

    creator: bytes
    key: ec.EllipticCurvePrivateKey
    oddities: str

    def sign(self, message: bytes) -> bytes:
        """Return a signature."""
        return sign(self.key, message)


def drawn_endorser(drawn: random.Random, authority: Authority, msp_id: str) -> Endorser:
    """Return an endorser with a certificate of an authority."""
    key = ec.generate_private_key(drawn.choice(CURVES))
    units, begin, end = drawn.choice(UNITS), drawn.choice(BEGINS), drawn.choice(ENDS)
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(authority.certificate.subject)
    builder = builder.public_key(key.public_key()).serial_number(drawn.randrange(1, 2**159))
    builder = builder.not_valid_before(begin).not_valid_after(end)
    algorithm = drawn.choice(HASHES)
    oddities = [key.curve.name, str(units), str(begin.year), str(end.year), algorithm.name]
    for extension, likely in _extensions(drawn):
        if drawn.random() < likely:
            critical = drawn.random() < 0.4
            builder = builder.add_extension(extension, critical)
            oddities.append(f"{'critical ' * critical}{extension}")
    certificate = builder.sign(authority.key, algorithm)
    creator = serialize_identity(msp_id, certificate.public_bytes(serialization.Encoding.PEM))
    return Endorser(creator, key, ", ".join(oddities))


def _extensions(drawn: random.Random) -> list[tuple[x509.ExtensionType, float]]:
    usage = {"digital_signature": drawn.random() < 0.8, "key_cert_sign": drawn.random() < 0.2}
    others = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
    )
    policy = x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)
    access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, DIRECTORY)
    return [
        (x509.BasicConstraints(ca=drawn.random() < 0.15, path_length=None), 0.5),
        (x509.KeyUsage(**usage, **others, encipher_only=False, decipher_only=False), 0.6),
        (x509.ExtendedKeyUsage(drawn.sample(USAGES, drawn.choice([1, 2]))), 0.2),
        (x509.SubjectAlternativeName(drawn.sample(NAMES, drawn.choice([1, 1, 2]))), 0.45),
        (x509.SubjectKeyIdentifier(b"12345"), 0.3),
        (x509.AuthorityKeyIdentifier(b"zz", None, None), 0.3),
        (x509.CRLDistributionPoints([x509.DistributionPoint([DIRECTORY], None, None, None)]), 0.12),
        (x509.AuthorityInformationAccess([access]), 0.1),
        (x509.CertificatePolicies([policy] * drawn.choice([1, 2])), 0.1),
        (x509.NameConstraints([x509.DNSName("z")], None), 0.08),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1"), b"junk"), 0.1),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.99"), b"x"), 0.1),
    ]
