"""TLS for HTTP/2: contexts from the port's material.

Rules
- TLS 1.2 or later, ephemeral keys and authenticated encryption only, no renegotiation, ALPN ``h2``.
- Any certificate among the roots may end a chain, an intermediate too, as Go's and gRPC's libraries have it.

Source: RFC 9113, section 9.2.
"""

from __future__ import annotations

import os
import ssl

from network.rpc.port import ClientTls, ServerTls

ALPN = "h2"
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_PIPE_BYTES_MAX = 60_000


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """Return the context of a server.

    Raises:
        ssl.SSLError: certificate and key do not belong together, or cannot be read.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    _load(context, tls.certificate_pem, tls.key_pem)
    if tls.client_roots_pem is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=tls.client_roots_pem.decode("ascii"))
    return context


def client_context(tls: ClientTls) -> ssl.SSLContext:
    """Return the context of a client; the server's name is checked.

    Raises:
        ssl.SSLError: as ``server_context``.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=tls.roots_pem.decode("ascii"))
    if tls.certificate_pem is not None and tls.key_pem is not None:
        _load(context, tls.certificate_pem, tls.key_pem)
    return context


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols([ALPN])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_TRUSTED_FIRST
    return context


def _load(context: ssl.SSLContext, certificate_pem: bytes, key_pem: bytes) -> None:
    # The library reads files only. Pipes look like files, and no key touches a disk.
    certificate, key = _pipe(certificate_pem), _pipe(key_pem)
    try:
        context.load_cert_chain(f"/dev/fd/{certificate}", f"/dev/fd/{key}")
    finally:
        os.close(certificate)
        os.close(key)


def _pipe(content: bytes) -> int:
    """Return a descriptor from which ``content`` can be read."""
    if len(content) > _PIPE_BYTES_MAX:
        raise ssl.SSLError(f"certificate or key of {len(content)} bytes; at most {_PIPE_BYTES_MAX} are read")
    reading, writing = os.pipe()
    try:
        os.write(writing, content)
    finally:
        os.close(writing)
    return reading
