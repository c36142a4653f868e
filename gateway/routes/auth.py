"""Registration and sessions."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from gateway.auth.sessions import Sender, TokenPair
from gateway.schemas import (
    CustomerResponse,
    LoginRequest,
    PasswordRequest,
    RefreshRequest,
    RegisterRequest,
    TokenResponse,
)
from gateway.senders import is_place, sender_of
from gateway.services import ChangingCustomerId, CustomerId, Services, ServicesOf, problems
from gateway.store import Customer

router = APIRouter(prefix="/v1/auth", tags=["auth"])


@router.post(
    "/register", status_code=201, summary="Become a customer", responses=problems(400, 409, 413, 422, 429, 503)
)
async def register(body: RegisterRequest, services: ServicesOf, request: Request) -> CustomerResponse:
    """Create a customer; sign in afterwards."""
    sender = _sender(request, services)
    return _customer(await services.sessions.register(body.email, body.password, body.display_name, sender))


@router.post("/login", summary="Sign in", responses=problems(400, 401, 403, 409, 413, 422, 429, 503))
async def login(body: LoginRequest, services: ServicesOf, request: Request) -> TokenResponse:
    """Begin a session; a wrong password and an unknown e-mail address look the same.

    With a password that the bank gave (`must_change_password`), set one of your own first: everything else is refused
    (`password_change_required`).
    """
    return _tokens(await services.sessions.login(body.email, body.password, _sender(request, services)))


@router.post("/refresh", summary="Stay signed in", responses=problems(400, 401, 403, 413, 422, 503))
async def refresh(body: RefreshRequest, services: ServicesOf) -> TokenResponse:
    """Exchange a refresh token for a new pair; using one twice ends the session."""
    return _tokens(await services.sessions.refresh(body.refresh_token))


@router.post("/logout", status_code=204, summary="Sign out", responses=problems(400, 413, 422, 503))
async def logout(body: RefreshRequest, services: ServicesOf) -> Response:
    """End the session of a refresh token; its access tokens open nothing any more."""
    await services.sessions.logout(body.refresh_token)
    return Response(status_code=204)


@router.post("/password", summary="Change the password", responses=problems(400, 401, 403, 409, 413, 422, 429, 503))
async def change_password(
    body: PasswordRequest, customer_id: ChangingCustomerId, services: ServicesOf, request: Request
) -> TokenResponse:
    """Set a new password; it ends all sessions, also this one, and begins a new one: go on with the tokens returned."""
    passwords = body.current_password, body.new_password
    return _tokens(await services.sessions.change_password(customer_id, *passwords, _sender(request, services)))


@router.get("/me", summary="Who am I", responses=problems(401, 403, 503))
async def me(customer_id: CustomerId, services: ServicesOf) -> CustomerResponse:
    """Return the signed-in customer."""
    return _customer(await to_thread.run_sync(services.store.customer, customer_id))


def _sender(request: Request, services: Services) -> Sender:
    proxies = services.config.trusted_proxies
    services.forwarders.note(request, proxies)
    address = sender_of(request, proxies)
    return Sender(address, is_place(address, proxies))


def _customer(customer: Customer) -> CustomerResponse:
    return CustomerResponse(customer_id=customer.customer_id, email=customer.email, display_name=customer.display_name)


def _tokens(pair: TokenPair) -> TokenResponse:
    return TokenResponse(
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in_s=pair.expires_in_s,
        must_change_password=pair.must_change_password,
    )
