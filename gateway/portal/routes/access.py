"""Access: whose passkeys there are, who is invited to make one; for administrators."""

from __future__ import annotations

import binascii

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import CustomerGatewayError, RefusedError
from gateway.portal.node import PORTAL
from gateway.portal.roles import Action
from gateway.portal.services import Visit, page
from network.pb.dwaybank.audit.v1 import portal_pb2 as pb


@page(Action.MANAGE_ACCESS)
async def show_access(visit: Visit) -> Response:
    """Show passkeys."""
    return await _page(visit)


@page(Action.MANAGE_ACCESS, ("login",))
async def invite(visit: Visit) -> Response:
    """Invite somebody to make his first passkey; show the code, this once."""
    login = visit.form.get("login", "")
    try:
        code = visit.services.invitations.invite(login)
    except CustomerGatewayError as error:
        return await _page(visit, fault=str(error), status=422)
    return await _page(visit, login=login, code=code)


@page(Action.MANAGE_ACCESS, ("credential_id",))
async def drop_passkey(visit: Visit) -> Response:
    """Forget a passkey, and log its owner out."""
    try:
        credential_id = binascii.unhexlify(visit.form.get("credential_id", ""))
    except ValueError as error:
        raise RefusedError("not_hex", "field credential_id: give hex digits") from error
    passkeys = await _passkeys(visit)
    request = pb.DropPasskeyRequest(credential_id=credential_id)
    await visit.services.node.call("DropPasskey", request, pb.DropPasskeyResponse, service=PORTAL)
    for passkey in passkeys:
        if passkey.credential_id == credential_id:
            visit.services.sessions.end_all_of(passkey.label)
    return RedirectResponse("/access", 303)


async def _page(visit: Visit, fault: str = "", login: str = "", code: str = "", status: int = 200) -> Response:
    has_issuer = visit.services.issuer is not None
    passkeys = await _passkeys(visit)
    return visit.page(
        "access.html", status, passkeys=passkeys, has_issuer=has_issuer, fault=fault, login=login, code=code
    )


async def _passkeys(visit: Visit) -> list[pb.Passkey]:
    request = pb.ListPasskeysRequest()
    return list(
        (await visit.services.node.call("ListPasskeys", request, pb.ListPasskeysResponse, service=PORTAL)).passkeys
    )


ROUTES = [
    Route("/access", show_access),
    Route("/access/invite", invite, methods=["POST"]),
    Route("/access/drop", drop_passkey, methods=["POST"]),
]
