"""Logging in at an issuer (OpenID Connect), then with a passkey."""

from __future__ import annotations

import hashlib
import hmac
import uuid

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import CredentialsError, CustomerGatewayError, ForbiddenError, NotFoundError
from gateway.portal.forms import Form, read_form
from gateway.portal.node import PORTAL
from gateway.portal.oidc import Known, OidcProvider
from gateway.portal.passkeys import ANSWER_LENGTH_MAX
from gateway.portal.pending import COOKIE, Pending, take_authorization, take_challenge
from gateway.portal.routes.login import logged_in
from gateway.portal.services import Services, services_of
from network.pb.dwaybank.audit.v1 import portal_pb2 as pb

CALLBACK = "/login/oidc/callback"


async def begin_login(request: Request) -> Response:
    """Send the browser to the issuer."""
    services = services_of(request)
    origin = _origin(request)
    secret, authorization = services.pending.begin(origin)
    response = RedirectResponse(await _issuer(services).address(authorization, origin + CALLBACK), 303)
    # Lax, not strict: the issuer's answer is a step from another site. It opens nothing by itself.
    response.set_cookie(COOKIE, secret, max_age=600, path="/", secure=True, httponly=True, samesite="lax")
    return response


async def take_answer(request: Request) -> Response:
    """Take the issuer's answer, and ask for the passkey."""
    services = services_of(request)
    issuer = _issuer(services)
    # Issuers add fields of their own (scope, session_state, error_uri), to be passed over: RFC 6749, 4.1.2.
    answer = read_form(request.url.query, ("code", "state", "iss", "error"), is_foreign=True)
    secret = request.cookies.get(COOKIE, "")
    pending = services.pending.find(secret, _origin(request))
    authorization = take_authorization(pending)
    if not hmac.compare_digest(answer.get("state", "").encode(), authorization.state.encode()):
        raise CredentialsError("the issuer's answer is to another log-in: begin again")
    if answer.get("iss", issuer.name) != issuer.name:
        raise CredentialsError("another issuer than the portal's answered: begin again")
    if "error" in answer or "code" not in answer:
        raise CredentialsError(f"the issuer did not let you in: {answer.get('error', 'no code')[:80]}")
    pending.known = await issuer.redeem(answer["code"], authorization, pending.origin + CALLBACK)
    services.pending.keep(secret, pending)
    return await _ask_passkey(services, pending, pending.known)


async def log_in_by_passkey(request: Request) -> Response:
    """Begin a session for whom issuer and passkey name."""
    services = services_of(request)
    secret = request.cookies.get(COOKIE, "")
    pending, form = await _finishing(request, services, secret)
    challenge, known = take_challenge(pending)
    passkeys = await _passkeys(services, known)
    signed = services.relying_party.signed(form.get("credential", ""), challenge, pending.origin, passkeys)
    use = pb.UsePasskeyRequest(credential_id=signed.credential_id, sign_count=signed.sign_count)
    try:
        await services.node.call("UsePasskey", use, pb.UsePasskeyResponse, service=PORTAL)
    except CustomerGatewayError as error:
        raise CredentialsError(str(error)) from error
    return _enter(services, secret, known)


async def enrol_passkey(request: Request) -> Response:
    """Keep somebody's first passkey, which an administrator allowed, and begin a session."""
    services = services_of(request)
    secret = request.cookies.get(COOKIE, "")
    pending, form = await _finishing(request, services, secret)
    challenge, known = take_challenge(pending)
    if await _passkeys(services, known):
        raise CredentialsError("you have a passkey: log in with it")
    services.invitations.take(known.login, form.get("code", ""))
    passkey = services.relying_party.registered(form.get("credential", ""), challenge, pending.origin)
    passkey.person, passkey.label = known.subject, known.person.name
    added = pb.AddPasskeyRequest(passkey=passkey)
    await services.node.call("AddPasskey", added, pb.AddPasskeyResponse, service=PORTAL)
    return _enter(services, secret, known)


async def _finishing(request: Request, services: Services, secret: str) -> tuple[Pending, Form]:
    form = read_form(await request.body(), ("csrf", "credential", "code"), ANSWER_LENGTH_MAX)
    pending = services.pending.find(secret, _origin(request))
    if not hmac.compare_digest(form.pop("csrf", "").encode(), pending.csrf.encode()):
        raise ForbiddenError("csrf", "this form was not made for you: begin the log-in again")
    return pending, form


def _enter(services: Services, secret: str, known: Known) -> Response:
    services.pending.end(secret)
    session, _ = services.sessions.begin(known.person)
    response = logged_in(RedirectResponse("/", 303), session)
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


async def _ask_passkey(services: Services, pending: Pending, known: Known) -> HTMLResponse:
    passkeys = await _passkeys(services, known)
    challenge = services.pending.new_challenge(pending)
    party = services.relying_party
    if passkeys:
        options = party.authentication(passkeys, challenge)
    else:
        # Random to strangers, the same for the same person: authenticators keep one passkey for each.
        user_id = uuid.UUID(bytes=hashlib.sha256(known.subject.encode()).digest()[:16]).bytes
        options = party.registration(known.person.name, user_id, challenge)
    return services.pages.response(
        "passkey.html", visit=None, csrf=pending.csrf, known=known, has_passkey=bool(passkeys), options=options
    )


async def _passkeys(services: Services, known: Known) -> list[pb.Passkey]:
    request = pb.ListPasskeysRequest(person=known.subject)
    reply = await services.node.call("ListPasskeys", request, pb.ListPasskeysResponse, service=PORTAL)
    return list(reply.passkeys)


def _origin(request: Request) -> str:
    return f"https://{request.headers['host']}"


def _issuer(services: Services) -> OidcProvider:
    if services.issuer is None:
        raise NotFoundError("this portal's settings name no issuer: log in with a certificate")
    return services.issuer


ROUTES = [
    Route("/login/oidc", begin_login),
    Route(CALLBACK, take_answer),
    Route("/login/passkey", log_in_by_passkey, methods=["POST"]),
    Route("/login/passkey/enrol", enrol_passkey, methods=["POST"]),
]
