"""At most one request at a time carries an order out, also where several gateways share the records.

Rules it keeps:

- An order's lock is a PostgreSQL advisory lock, so that it is free again as soon as its gateway is gone.
- All locks of a gateway belong to one database session, and no request keeps a connection while the node works.
- A session that is lost frees its locks early: what is under way then is as safe as what a killed gateway left.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import structlog
from anyio import CancelScope, to_thread
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from gateway.errors import UnavailableError

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 0.05
"""How long another gateway's order is left alone before it is asked for again."""


class OrderLocks:
    """Locks of this gateway.

    Args:
        engine: the gateway's records.
        patience_s: how long a request waits for another one of the same order.
    """

    def __init__(self, engine: Engine, *, patience_s: float) -> None:
        self._engine = engine
        self._patience_s = patience_s
        self._session: Connection | None = None
        self._session_use = threading.Lock()
        # The session itself may take a lock that it has again, so requests of this gateway wait here.
        self._own: WeakValueDictionary[uuid.UUID, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, transfer_id: uuid.UUID) -> AsyncIterator[None]:
        """Keep every other request from carrying an order out.

        Raises:
            UnavailableError: another gateway carries it out for longer than the patience.
        """
        async with self._own.setdefault(transfer_id, asyncio.Lock()):
            deadline = time.monotonic() + self._patience_s
            while not await to_thread.run_sync(self._take, transfer_id):
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        "busy", "this very transfer is under way: send it again to learn its outcome"
                    )
                await asyncio.sleep(LOOK_AGAIN_S)
            try:
                yield
            finally:
                with CancelScope(shield=True):  # or a customer who hangs up would leave the order to this gateway alone
                    await to_thread.run_sync(self._free, transfer_id)

    def close(self) -> None:
        """End the session, and with it all locks."""
        with self._session_use:
            self._end()

    def _take(self, transfer_id: uuid.UUID) -> bool:
        with self._session_use:
            try:
                return self._ask("pg_try_advisory_lock", transfer_id)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            # The server was started anew, or cut an idle session.
            return self._ask("pg_try_advisory_lock", transfer_id)

    def _free(self, transfer_id: uuid.UUID) -> None:
        with self._session_use:
            if self._session is None:
                return
            try:
                self._ask("pg_advisory_unlock", transfer_id)
            except DBAPIError as error:
                log.warning("order_locks.session_lost", reason=type(error).__name__)

    def _ask(self, function: str, transfer_id: uuid.UUID) -> bool:
        if self._session is None:
            self._session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        key = int.from_bytes(transfer_id.bytes[8:], "big", signed=True)
        try:
            return bool(self._session.scalar(text(f"SELECT {function}(:key)"), {"key": key}))
        except DBAPIError:
            self._end()
            raise

    def _end(self) -> None:
        if self._session is not None:
            self._session.invalidate()  # not given back to the pool: locks live as long as the session
            self._session.close()
            self._session = None
