"""The portal's listener: HTTPS that tells the application which client certificate a connection proved.

A browser need not show a certificate; one that it shows must come from the organization's authorities, or the handshake
ends. uvicorn keeps the connection's TLS to itself, so the protocol below hands on the one thing needed.

Source: ASGI's TLS extension, ``client_cert_chain``; here the leaf alone, in DER.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from gateway.serving import BoundedHttp

_EXTENSION = "dwaybank.client_certificate"


class CertificateProtocol(BoundedHttp):
    """HTTP/1.1 whose requests carry the connection's verified client certificate."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        secured: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        certificate = secured.getpeercert(binary_form=True) if secured is not None else None
        if certificate is not None:
            self.scope["extensions"] = {_EXTENSION: {"der": certificate}}


def client_certificate(scope: Mapping[str, Any]) -> bytes:
    """Return the client certificate of a request's connection (DER); empty where it has none."""
    told = scope.get("extensions", {}).get(_EXTENSION, {})
    return bytes(told.get("der", b""))


def server_tls(certificate: str, key: str, client_roots: bytes) -> ssl.SSLContext:
    """Return the listener's TLS: 1.2 or newer; client certificates are optional, and verified where shown.

    Raises:
        OSError: a file cannot be used (``ssl.SSLError`` is one).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=client_roots.decode("ascii"))
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
