"""Issues a certificate anew: the same names and uses, by the same authority, for another while.

What a channel and its members hold against a certificate is its authority, organization and units, never its number or
its key; records name its holder by subject and issuer. All of these stay.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from network.crypto_material import VALIDITY, Authority, low_s
from network.errors import ConfigError


def check_renewable(certificate: x509.Certificate, authority: Authority) -> None:
    """Check that an authority can issue a certificate anew, and for longer.

    Raises:
        ConfigError: another authority issued it, or this one ends no later.
    """
    issuer = authority.certificate
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError, ValueError) as error:
        raise ConfigError(
            f"{authority.name} did not issue it: whoever did ({certificate.issuer.rfc4514_string()}) renews it"
        ) from error
    if issuer.not_valid_after_utc <= certificate.not_valid_after_utc:
        raise ConfigError(
            f"its authority {authority.name} itself ends no later, {issuer.not_valid_after_utc:%Y-%m-%d}: renew the "
            "authority first, `dwaybank certificates renew-authority`"
        )


def reissued(
    certificate: x509.Certificate, authority: Authority, key: ec.EllipticCurvePublicKey | None, not_before: datetime
) -> x509.Certificate:
    """Return a certificate with another number and validity, and another key unless ``key`` is None.

    It is valid for ten years, or until its authority ends.

    Raises:
        ConfigError: as ``check_renewable``.
    """
    check_renewable(certificate, authority)
    issuer = authority.certificate
    not_before = max(not_before, issuer.not_valid_before_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(issuer.subject)
        .public_key(key or certificate.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(min(not_before + VALIDITY, issuer.not_valid_after_utc))
    )
    for extension in certificate.extensions:
        value = extension.value
        if key is not None and isinstance(value, x509.SubjectKeyIdentifier):
            value = x509.SubjectKeyIdentifier.from_public_key(key)
        builder = builder.add_extension(value, extension.critical)
    return low_s(builder.sign(authority.key, hashes.SHA256()), issuer)


def renewed_authority(authority: Authority, not_after: datetime) -> Authority:
    """Return an authority that is valid until later, with the key and the name it has and from when it was."""
    old = authority.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.subject)
        .public_key(authority.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(not_after)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    certificate = builder.sign(authority.key, hashes.SHA256())
    return Authority(low_s(certificate, certificate), authority.key)
