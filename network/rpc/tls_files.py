"""TLS material from files, looked at when it is read: a damaged file is named at the start, not found out by a caller.

Left to others: whether a certificate is valid now, which each handshake asks (``network.operations.certificates``
warns before).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from network.errors import ConfigError
from network.rpc.port import ClientTls


def read_client_tls(certificate: Path, key: Path, roots: Iterable[Path]) -> ClientTls:
    """Return how a client proves itself, and whom it trusts.

    Raises:
        ConfigError: as ``read_pair`` and ``read_certificates``.
    """
    return ClientTls(b"".join(read_certificates(file) for file in roots), *read_pair(certificate, key))


def read_pair(certificate: Path, key: Path) -> tuple[bytes, bytes]:
    """Return a process's own certificate and its private key, as PEM.

    Raises:
        ConfigError: one of the files cannot be read, or they are no certificate and key that belong together.
    """
    pems = read_certificates(certificate), _read(key)
    try:
        # With no word for an encrypted key OpenSSL would ask the terminal for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise ConfigError(
            f"TLS key {key} is no unencrypted PEM key, or not that of {certificate}: put back the two that were issued "
            "together"
        ) from error
    return pems


def read_certificates(file: Path) -> bytes:
    """Return a PEM file of certificates as it stands.

    Raises:
        ConfigError: it cannot be read, or holds no certificate.
    """
    pem = _read(file)
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigError(f"{file} holds no PEM certificate: put back the one that was issued") from error
    return pem


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"file {file} cannot be read: {error.strerror}") from error
