"""A certificate authority of the tests' own, for TLS and for identities whose organization does not matter."""

from __future__ import annotations

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from network.crypto_material import key_usage


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.pem = self._issue(self._name, self._key, ca=True).public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, *units: str) -> tuple[bytes, bytes]:
        """Return certificate and key, PEM, for loopback; with organizational units."""
        key = ec.generate_private_key(ec.SECP256R1())
        named = [x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
        subject = x509.Name([*named, x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._issue(subject, key, ca=False)
        pkcs8, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        pem = serialization.Encoding.PEM
        return certificate.public_bytes(pem), key.private_bytes(pem, pkcs8, none)

    def _issue(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            # Python asks for these from 3.13 on.
            .add_extension(issuer_key, critical=False)
            .add_extension(key_usage(encipherment=False, authority=ca), critical=True)
            .sign(self._key, hashes.SHA256())
        )
