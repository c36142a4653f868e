"""Who calls: the organization behind a mutual-TLS connection, and the tenant inside the own one.

Every member's TLS certificate authority is a client root of the node's one port, so any member may connect; which
services it may use is decided here, from the authority that issued its client certificate. The channel's own services
check signatures inside the messages as Fabric does and do not come here.

A certificate of the own organization with the unit ``tenant:NAME`` speaks for that tenant and for nobody else: it is
refused wherever tenants are not asked for by name (``own_tenant``).

A certificate with a unit that says what it is for (``role:reader``, ``service:gateway``, ...) opens what that needs and
nothing else (``access_roles``); one with ``role:operator`` speaks for its organization. One without such a unit does,
too, unless this node's settings ask for a role.

A certificate that its organization has revoked is refused with its next call, and streams of ours that it opened end
within a second: the channel's configuration in force holds every member's revocation lists, also those of its TLS
authorities.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from network.errors import IdentityError, RpcError
from network.go_certificate import Certificate
from network.msp import Msp
from network.role_unit import Role, role_of
from network.rpc import Call, ServerStream
from network.tenant_unit import tenant_of
from node.access_roles import refusal

UNAUTHENTICATED = 16
PERMISSION_DENIED = 7

ASK_AGAIN_S = 1.0
"""Time after which the caller of a stream that is silent is judged again."""

Msps = Callable[[], Mapping[str, Msp]]
"""Gives the members' MSPs as the channel's configuration in force has them."""

KNOWN_MAX = 1_000
"""Certificates whose issuer is remembered: a member's authority may issue any number."""


class Caller(NamedTuple):
    """Whom a client certificate speaks for.

    Args:
        msp_id: the organization whose authority issued it.
        tenant: the tenant inside it; empty for the organization itself.
        user: the certificate's common name.
        role: what it is for; None where it does not say so.
    """

    msp_id: str
    tenant: str
    user: str
    role: Role | None


@dataclass(slots=True)
class _Known:
    """What is remembered of a client certificate, also the last MSP that had not revoked it: lists may be long."""

    caller: Caller
    certificate: Certificate
    authority: Certificate
    passed: Msp | None = None


class Members:
    """Tells which member organization issued a client certificate.

    Args:
        own_msp_id: the organization this node belongs to.
        tls_roots: PEM certificates of each member's TLS certificate authorities, by MSP id.
        msps: who knows what was revoked.
        roles_required: whether a certificate of this organization must say what it is for.
    """

    def __init__(
        self,
        own_msp_id: str,
        tls_roots: Mapping[str, Sequence[bytes]],
        msps: Msps = dict,
        *,
        roles_required: bool = False,
    ) -> None:
        self.own_msp_id = own_msp_id
        self._roles_required = roles_required
        self._msps = msps
        self._authorities = [
            (msp_id, x509.load_pem_x509_certificate(pem)) for msp_id, pems in tls_roots.items() for pem in pems
        ]
        self.msp_ids = tuple(sorted(tls_roots))
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def caller(self, call: Call) -> str:
        """Return the MSP id of the organization that calls.

        Raises:
            RpcError: UNAUTHENTICATED when there is no client certificate or no member issued it; PERMISSION_DENIED for
                a tenant's, which does not speak for its organization.
        """
        caller = self._caller(call)
        if caller.tenant:
            raise RpcError(PERMISSION_DENIED, f"this method is not for tenants, the caller is tenant {caller.tenant}")
        return caller.msp_id

    def require_own(self, call: Call) -> None:
        """Let only this organization's own programs pass (gateway, command line, portal), and none of a tenant's.

        Raises:
            RpcError: PERMISSION_DENIED for another member's or a tenant's certificate.
        """
        self._check_own(self.caller(call))

    def own_user(self, call: Call) -> str:
        """Return which user of this organization calls, as ``MSP id/common name``; never a tenant's.

        Raises:
            RpcError: PERMISSION_DENIED for another member's or a tenant's certificate.
        """
        self.require_own(call)
        caller = self._caller(call)
        return f"{caller.msp_id}/{caller.user}"

    def own_tenant(self, call: Call) -> str:
        """Return the tenant that calls, empty for this organization's own programs.

        Raises:
            RpcError: PERMISSION_DENIED for another member's certificate.
        """
        caller = self._caller(call)
        self._check_own(caller.msp_id)
        return caller.tenant

    def admitted(self, handler: Callable[[bytes, Call], AsyncIterator[bytes]]) -> ServerStream:
        """Return the handler of a stream that ends when its caller's certificate is revoked, silent or not.

        The stream ends with what each of its calls would be refused with: UNAUTHENTICATED.
        """

        async def serve(request: bytes, call: Call) -> AsyncGenerator[bytes, None]:
            replies: Any = handler(request, call)
            following: asyncio.Future[bytes] = asyncio.ensure_future(anext(replies))
            try:
                while True:
                    await asyncio.wait((following,), timeout=ASK_AGAIN_S)
                    self._caller(call)
                    if not following.done():
                        continue
                    try:
                        reply = following.result()
                    except StopAsyncIteration:
                        return
                    yield reply
                    following = asyncio.ensure_future(anext(replies))
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                await replies.aclose()

        return serve

    def is_gateway(self, call: Call) -> bool:
        """Tell whether a certificate calls that opens to gateways alone."""
        return self._caller(call).role is Role.GATEWAY

    def _check_own(self, msp_id: str) -> None:
        if msp_id != self.own_msp_id:
            raise RpcError(PERMISSION_DENIED, f"this service answers {self.own_msp_id} only, the caller is {msp_id}")

    def _caller(self, call: Call) -> Caller:
        pem = call.peer_certificate
        if pem is None:
            raise RpcError(UNAUTHENTICATED, "client certificate missing: connect with mutual TLS")
        if pem not in self._known:
            self._known[pem] = self._recognize(pem)
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        self._known.move_to_end(pem)
        known = self._known[pem]
        msp = self._msps().get(known.caller.msp_id)
        if msp is not None and known.passed is not msp:
            try:
                msp.check_not_revoked(known.certificate, known.authority)
            except IdentityError as error:
                raise RpcError(UNAUTHENTICATED, f"client certificate: {error}") from error
            known.passed = msp
        self._check_role(known.caller, call.method)
        return known.caller

    def _check_role(self, caller: Caller, method: str) -> None:
        # A tenant's certificate is bounded by its tenant, and may say further what it is for.
        role_required = self._roles_required and not caller.tenant
        is_own = caller.msp_id == self.own_msp_id
        if why := refusal(caller.role, method, is_own=is_own, role_required=role_required):
            raise RpcError(PERMISSION_DENIED, f"{why}, the caller is {caller.user}")

    def _recognize(self, pem: bytes) -> _Known:
        certificate = x509.load_pem_x509_certificate(pem)
        msp_id, authority = self._issuer(certificate)
        try:
            own, above = (Certificate.read(one.public_bytes(Encoding.DER)) for one in (certificate, authority))
        except IdentityError as error:
            raise RpcError(UNAUTHENTICATED, f"client certificate: {error}") from error
        return _Known(_caller_of(msp_id, certificate), own, above)

    def _issuer(self, certificate: x509.Certificate) -> tuple[str, x509.Certificate]:
        for msp_id, authority in self._authorities:
            try:
                certificate.verify_directly_issued_by(authority)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return msp_id, authority
        raise RpcError(UNAUTHENTICATED, "client certificate was issued by no member's TLS authority")


def _caller_of(msp_id: str, certificate: x509.Certificate) -> Caller:
    units = _values(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME)
    try:
        tenant, role = tenant_of(units), role_of(units)
    except ValueError as error:
        raise RpcError(PERMISSION_DENIED, f"client certificate: {error}") from error
    return Caller(msp_id, tenant, "".join(_values(certificate, NameOID.COMMON_NAME)), role)


def _values(certificate: x509.Certificate, name: x509.ObjectIdentifier) -> list[str]:
    return [str(found.value) for found in certificate.subject.get_attributes_for_oid(name)]
