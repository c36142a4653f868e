"""What routes work with: the parts wired together by ``app.py``, and who is asking."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gateway.auth.sessions import Sessions
from gateway.auth.tokens import AccessTokens
from gateway.config import GatewayConfig
from gateway.errors import TokenError
from gateway.node_client import NodeClient
from gateway.schemas import ProblemResponse
from gateway.senders import UntrustedForwarders
from gateway.store import Store
from gateway.transfers import Transfers


@dataclass(frozen=True, slots=True)
class Services:
    """The gateway's parts."""

    config: GatewayConfig
    store: Store
    node: NodeClient
    sessions: Sessions
    access_tokens: AccessTokens
    transfers: Transfers
    forwarders: UntrustedForwarders
    now: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]


_bearer = HTTPBearer(auto_error=False, description="access token of /v1/auth/login, valid for 15 minutes")


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesOf = Annotated[Services, Depends(_services)]


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _customer_id(services: ServicesOf, bearer: Bearer) -> uuid.UUID:
    return _signed_in(services, bearer, changes_password=False)


def _changing_customer_id(services: ServicesOf, bearer: Bearer) -> uuid.UUID:
    return _signed_in(services, bearer, changes_password=True)


def _signed_in(services: Services, bearer: HTTPAuthorizationCredentials | None, *, changes_password: bool) -> uuid.UUID:
    if bearer is None:
        raise TokenError("access token missing: send it as 'Authorization: Bearer …'")
    named = services.access_tokens.bearer_of(bearer.credentials)
    # A token lives for minutes: who was suspended meanwhile, logged out, or found it, must not pay with it.
    services.sessions.require_active(named, changes_password=changes_password)
    return named.customer_id


CustomerId = Annotated[uuid.UUID, Depends(_customer_id)]
"""The signed-in customer; a route that takes it answers 401 to anybody else, and 403 to who is suspended or must change
his password first."""

ChangingCustomerId = Annotated[uuid.UUID, Depends(_changing_customer_id)]
"""The same, also one who must change his password first: for the route that changes it."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the problems a route may answer with."""
    return {status: {"description": _MEANINGS[status], "model": ProblemResponse} for status in statuses}


_MEANINGS = {
    400: "The body is not JSON",
    401: "Not signed in, or the token is not valid any more",
    403: "Suspended customer, frozen account, or the password must be changed first; `code` tells which",
    404: "There is no such thing of this customer",
    409: "Contradicts what stands already",
    413: "The body is too large",
    422: "A field is wrong, or the books refuse; `code` tells which",
    429: "Too many attempts; see Retry-After",
    503: "Not available now; sending it again is safe",
}
