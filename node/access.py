"""Who calls: the organization behind a mutual-TLS connection.

Every member's TLS certificate authority is a client root of the node's one port, so any member may connect; which
services it may use is decided here, from the authority that issued its client certificate. The channel's own services
check signatures inside the messages as Fabric does and do not come here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from network.errors import RpcError
from network.rpc import Call

UNAUTHENTICATED = 16
PERMISSION_DENIED = 7


class Members:
    """Tells which member organization issued a client certificate.

    Args:
        own_msp_id: the organization this node belongs to.
        tls_roots: PEM certificates of each member's TLS certificate authorities, by MSP id.
    """

    def __init__(self, own_msp_id: str, tls_roots: Mapping[str, Sequence[bytes]]) -> None:
        self.own_msp_id = own_msp_id
        self._authorities = [
            (msp_id, x509.load_pem_x509_certificate(pem)) for msp_id, pems in tls_roots.items() for pem in pems
        ]
        self._known: dict[bytes, str] = {}

    def caller(self, call: Call) -> str:
        """Return the MSP id of the organization that calls.

        Raises:
            RpcError: UNAUTHENTICATED when there is no client certificate or no member issued it.
        """
        pem = call.peer_certificate
        if pem is None:
            raise RpcError(UNAUTHENTICATED, "client certificate missing: connect with mutual TLS")
        if pem not in self._known:
            self._known[pem] = self._issuer(x509.load_pem_x509_certificate(pem))
        return self._known[pem]

    def require_own(self, call: Call) -> None:
        """Let only this organization's own programs pass (gateway, command line, portal).

        Raises:
            RpcError: PERMISSION_DENIED for another member's certificate.
        """
        caller = self.caller(call)
        if caller != self.own_msp_id:
            raise RpcError(PERMISSION_DENIED, f"this service answers {self.own_msp_id} only, the caller is {caller}")

    def _issuer(self, certificate: x509.Certificate) -> str:
        for msp_id, authority in self._authorities:
            try:
                certificate.verify_directly_issued_by(authority)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return msp_id
        raise RpcError(UNAUTHENTICATED, "client certificate was issued by no member's TLS authority")
