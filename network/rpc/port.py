"""The transport port: what a served or made call looks like, whichever library carries it.

Rules
- Handlers and callers see bytes, never messages: so bytes are hashed and verified as received.
- A refusal travels as ``RpcError`` in both directions; any other exception of a handler reaches the caller
  as INTERNAL with a random error id, and the log with the same id and the trace.
- Nothing outside ``network.rpc`` imports the library behind it, so it can be replaced without touching a service.
"""

from __future__ import annotations

import enum
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

MESSAGE_BYTES_MAX = 100 * 1024 * 1024
"""Largest message accepted or sent, as Fabric's default (internal/pkg/comm/config.go, DefaultMaxRecvMsgSize)."""

CONCURRENT_CALLS_MAX = 4_096
"""Calls, open streams included, that one server carries; a further one is refused with RESOURCE_EXHAUSTED."""


class StatusCode(enum.IntEnum):
    """The gRPC status codes, so that callers need not import a gRPC library."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Call:
    """The circumstances of one call, given to its handler.

    Args:
        method: full path, ``/package.Service/Method``.
        deadline: ``time.monotonic()`` value after which the caller no longer waits; ``None`` if it waits for ever.
        peer_certificate: the caller's TLS certificate (PEM), verified against the server's client roots;
            ``None`` without mutual TLS.
        peer: the caller's address, for logs only: it proves nothing.
        traceparent: which trace the caller says the call belongs to (``network.tracing``); empty for none.
    """

    method: str
    deadline: float | None
    peer_certificate: bytes | None
    peer: str
    traceparent: str = ""

    @property
    def tls_certificate_hash(self) -> bytes | None:
        """SHA-256 of the caller's TLS certificate; None without mutual TLS."""
        return certificate_hash(self.peer_certificate) if self.peer_certificate is not None else None


Unary = Callable[[bytes, Call], Awaitable[bytes]]
ServerStream = Callable[[bytes, Call], AsyncIterator[bytes]]
Bidi = Callable[[AsyncIterator[bytes], Call], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How a server proves itself, and whom it lets in.

    Args:
        certificate_pem: the server's certificate, followed by intermediates if any.
        key_pem: its private key.
        client_roots_pem: concatenated authorities; every client must then present a certificate issued by one
            of them (mutual TLS). ``None`` lets clients connect without a certificate.
    """

    certificate_pem: bytes
    key_pem: bytes
    client_roots_pem: bytes | None = None

    def __repr__(self) -> str:
        """Name the kind of TLS and nothing of the key."""
        return f"ServerTls(mutual={self.client_roots_pem is not None})"


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Whom a client trusts, and how it proves itself.

    Args:
        roots_pem: concatenated authorities one of which must have issued the server's certificate.
        certificate_pem: the client's certificate for mutual TLS; ``None`` for none.
        key_pem: its private key.
    """

    roots_pem: bytes
    certificate_pem: bytes | None = None
    key_pem: bytes | None = None

    def __repr__(self) -> str:
        """Name the kind of TLS and nothing of the key."""
        return f"ClientTls(mutual={self.certificate_pem is not None})"


def certificate_hash(certificate_pem: bytes) -> bytes:
    """Return the SHA-256 of the first certificate's DER form.

    Source: Fabric common/util, ExtractCertificateHashFromContext.
    """
    end = b"-----END CERTIFICATE-----"
    first = certificate_pem[: certificate_pem.index(end) + len(end)].decode("ascii")
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[first.index("-----BEGIN") :])).digest()
