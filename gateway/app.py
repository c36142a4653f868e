"""Composition root of the gateway: configuration in, application out.

Rules it keeps: nothing connects before the application starts and everything is closed when it ends; every answer says
that it must not be stored; bodies above 64 KiB are refused before they are read.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import structlog
from anyio import to_thread
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from gateway import problems
from gateway.auth.failures import Failures
from gateway.auth.passwords import Passwords
from gateway.auth.session_store import SessionStore
from gateway.auth.sessions import Sessions
from gateway.auth.tokens import AccessTokens, utc_now
from gateway.config import GatewayConfig, PasswordCost, read_secret
from gateway.errors import ConfigurationError
from gateway.guard import Guard
from gateway.migrate import migrate
from gateway.node_client import NodeClient
from gateway.openapi import describe_failures
from gateway.operations import GatewayOperations, HttpMetrics
from gateway.order_locks import OrderLocks
from gateway.routes import accounts, auth, documentation, health, proofs, transfers
from gateway.senders import UntrustedForwarders
from gateway.services import Services
from gateway.store import Store
from gateway.transfers import Transfers
from network.operations.log_levels import LogLevels
from network.operations.metrics import Metrics
from network.rpc import Channel

log = structlog.get_logger(__name__)

BODY_BYTES_MAX = 64 * 1024
CONNECTIONS = 6
"""Database connections kept open, one of them for the locks of orders; as many again may be opened for a moment."""
POOL_TIMEOUT_S = 5.0


def create_app(
    config: GatewayConfig, *, now: Callable[[], datetime] = utc_now, levels: LogLevels | None = None
) -> FastAPI:
    """Build the gateway.

    Args:
        config: where everything is.
        now: clock, for tests of what expires.
        levels: log levels in force; None where they are nobody's to change.
    Returns:
        The ASGI application; its lifespan connects and disconnects.
    Raises:
        ConfigurationError: the token secret cannot be used.
        NetworkError: a TLS file cannot be used.
    """
    secret = read_secret(config.jwt_secret_file)
    tls = None if config.tls is None else config.tls.client()
    metrics = Metrics()
    forwarders = UntrustedForwarders(metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = engine_of(config.database_url)
        channel = Channel(config.node.address, tls, server_name=config.node.server_name)
        passwords = passwords_of(config.password_cost)
        # An order may take two calls of the node.
        locks = OrderLocks(engine, patience_s=2 * config.node.timeout_s)
        try:
            await to_thread.run_sync(migrate, engine)
            services = app.state.services = _services(
                config, engine, locks, channel, passwords, secret, now, forwarders
            )
            operations = GatewayOperations(config, levels or LogLevels(), metrics, services.store, services.node, now)
            await operations.start()
            log.info("gateway.ready", organization=config.organization.msp_id, node=config.node.address)
            try:
                yield
            finally:
                await operations.stop()
        finally:
            passwords.close()
            await channel.close()
            await to_thread.run_sync(locks.close)
            await to_thread.run_sync(engine.dispose)

    app = FastAPI(
        title=f"{config.organization.display_name} gateway",
        summary="Accounts, balances, payments and their proofs",
        version="1.0.0",
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would send token and body on to whatever the Host header says, in clear text
    )
    problems.install(app)
    describe_failures(app)
    for routes in (health, auth, accounts, transfers, proofs, documentation):
        app.include_router(routes.router)
    app.add_middleware(Guard, body_bytes_max=BODY_BYTES_MAX, metrics=HttpMetrics(metrics))
    return app


def prepare_database(config: GatewayConfig) -> None:
    """Bring schema ``gateway`` up to date before anything is served.

    Raises:
        ConfigurationError: the database does not answer or refuses; one sentence without its password.
    """
    engine = engine_of(config.database_url)
    try:
        migrate(engine)
    except SQLAlchemyError as error:
        server = f"{engine.url.host or engine.url.query.get('host')}, database {engine.url.database}"
        raise ConfigurationError(
            f"database_url: {server} cannot be used ({type(error).__name__}): start the server or correct the setting"
        ) from error
    finally:
        engine.dispose()


def _services(
    config: GatewayConfig,
    engine: Engine,
    locks: OrderLocks,
    channel: Channel,
    passwords: Passwords,
    secret: bytes,
    now: Callable[[], datetime],
    forwarders: UntrustedForwarders,
) -> Services:
    store, node = Store(engine), NodeClient(channel, timeout_s=config.node.timeout_s)
    access_tokens = AccessTokens(secret, config.organization.msp_id, now)
    partner_msp_ids = frozenset(partner.msp_id for partner in config.partners)
    return Services(
        config=config,
        store=store,
        node=node,
        sessions=Sessions(
            store,
            SessionStore(engine),
            Failures(engine),
            passwords,
            access_tokens,
            now=now,
            random_bytes=secrets.token_bytes,
        ),
        access_tokens=access_tokens,
        transfers=Transfers(store, node, locks, partner_msp_ids=partner_msp_ids, now=now, new_id=uuid.uuid4),
        forwarders=forwarders,
        now=now,
        random_bytes=secrets.token_bytes,
    )


def passwords_of(cost: PasswordCost) -> Passwords:
    """Return what hashes passwords at the cost of the settings."""
    return Passwords(memory_kib=cost.memory_kib, iterations=cost.iterations, threads=cost.threads)


def engine_of(database_url: str) -> Engine:
    """Return the connections to the gateway's database; nothing connects yet."""
    return create_engine(
        database_url.replace("postgresql://", "postgresql+psycopg://", 1),
        pool_size=CONNECTIONS,
        max_overflow=CONNECTIONS,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,
        hide_parameters=True,  # an error's text must not carry what a customer typed
        connect_args={"connect_timeout": 5, "application_name": "dwaybank-gateway"},
    )
