"""Webhooks as the node's process and its operators see them: endpoints added, removed and resumed; messages sent.

An endpoint's address is judged when it is added and again at every attempt; its secret is told to whoever adds it.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import ssl
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import InvalidValueError
from ledger.outbox import Position, check_happened, check_kinds
from node.books.outbox_stream import Bell
from node.webhooks.errors import TargetError
from node.webhooks.retry import GIVE_UP_AFTER
from node.webhooks.secret_files import SecretFiles
from node.webhooks.signature import encode_public_key
from node.webhooks.store import Webhook, WebhookStore
from node.webhooks.target import Network, TargetRules, parse_target
from node.webhooks.worker import POLL_S, Signing, WebhookWorker

if TYPE_CHECKING:
    from node.webhooks.sender import Sender

TIMEOUT_S = 15.0
"""Longest attempt, from resolving the name to the end of the answer."""

WEBHOOKS_MAX = 100
"""Most endpoints of one organization."""

PREFIX_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """How the area works.

    Args:
        networks: private networks that endpoints may lie in, with plain HTTP if need be.
        tls: the authorities trusted; None for the system's.
        timeout_s: longest attempt.
        give_up_after: how long an endpoint may fail.
        poll_s: longest time between two looks for something to send.
    """

    networks: Sequence[Network] = ()
    tls: ssl.SSLContext | None = None
    timeout_s: float = TIMEOUT_S
    give_up_after: timedelta = GIVE_UP_AFTER
    poll_s: float = POLL_S


class Webhooks:
    """The webhooks of this organization.

    Args:
        database_url: the node's own role.
        secrets_folder: the organization's secrets.
        bell: rung after each commit of the books.
        now: the clock, UTC.
        settings: how it works.
        random_bytes: source of secrets.
        fraction: source of the jitter between attempts.
    """

    def __init__(
        self,
        database_url: str,
        *,
        secrets_folder: Path,
        bell: Bell,
        now: Callable[[], datetime],
        settings: WebhookSettings | None = None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        fraction: Callable[[], float] = random.random,
    ) -> None:
        settings = settings or WebhookSettings()
        self._store = WebhookStore(database_url)
        self._secrets = SecretFiles(secrets_folder, random_bytes)
        self._rules = TargetRules(settings.networks)
        self._bell = bell
        self._now = now
        key = self._secrets.signing_key()
        self.public_key = encode_public_key(key.verify_key)
        """What receivers check ``v1a`` signatures with, as ``whpk_`` and base64."""
        self._tls = settings.tls
        self._timeout_s = settings.timeout_s
        self._worker = WebhookWorker(
            self._store,
            Signing(self._secrets, key),
            self._sender,
            bell=bell,
            now=now,
            fraction=fraction,
            give_up_after=settings.give_up_after,
            poll_s=settings.poll_s,
        )

    def _sender(self, url: str) -> Sender:
        # The HTTP client and the system's authorities take 5 MiB: not before there is an endpoint.
        from node.webhooks.sender import Sender

        if self._tls is None:
            self._tls = ssl.create_default_context()
        return Sender(url, rules=self._rules, tls=self._tls, timeout_s=self._timeout_s)

    async def start(self) -> None:
        """Connect and begin to send."""
        await asyncio.to_thread(self._store.open)
        await self._worker.start()

    async def stop(self) -> None:
        """Stop sending and give the connections back."""
        await self._worker.stop()
        await asyncio.to_thread(self._store.close)

    async def progress(self) -> tuple[Position, list[Webhook]]:
        """Return the newest position of the outbox, and every endpoint with its own.

        Raises:
            WebhookStoreError: the database does not answer.
        """
        return await asyncio.to_thread(lambda: (self._store.newest(), self._store.all()))

    async def add(
        self,
        webhook_id: uuid.UUID,
        url: str,
        *,
        kinds: Sequence[str] = (),
        account_prefix: str = "",
        after: Position | None = None,
    ) -> tuple[str, str]:
        """Add an endpoint; returns the code and, for ``"created"`` and ``"exists"``, the secret for its receiver.

        Args:
            webhook_id: permanent name; adding it again with the same body changes nothing.
            url: where messages go.
            kinds: kinds of events wanted; none for all.
            account_prefix: beginning of the references of the accounts wanted; empty for all.
            after: send what stands behind this position; None for what happens from now on.
        Raises:
            InvalidValueError: naming the field.
            ArchivedError: some of what stands behind the position is archived.
            WebhookStoreError: the database does not answer.
        """
        wanted = check_kinds(kinds)
        if len(account_prefix) > PREFIX_LENGTH_MAX:
            raise InvalidValueError("account_prefix", account_prefix, f"give up to {PREFIX_LENGTH_MAX} characters")
        try:
            self._rules.check(parse_target(url))
        except TargetError as error:
            # A password before the host is no part of what may be shown.
            shown = url if "@" not in url else f"…@{url.rpartition('@')[2]}"
            raise InvalidValueError("url", shown, error.reason) from error
        newest = await asyncio.to_thread(self._store.newest)
        position = check_happened(after, newest) if after is not None else newest
        name = self._secrets.name_of(webhook_id)
        secret = self._secrets.make(name)
        webhook = Webhook(webhook_id, url, wanted, account_prefix, name, "active", position, 0, None, None, "")
        code = await asyncio.to_thread(self._store.add, webhook, self._now(), WEBHOOKS_MAX)
        if code == "too_many_webhooks":
            self._secrets.remove(name)
        self._bell.ring()
        return code, secret if code in ("created", "exists") else ""

    async def remove(self, webhook_id: uuid.UUID) -> bool:
        """Forget an endpoint and its secret; true when there was one."""
        was_there = await asyncio.to_thread(self._store.remove, webhook_id)
        self._secrets.remove(self._secrets.name_of(webhook_id))
        await self._worker.forget(webhook_id)
        return was_there

    async def resume(self, webhook_id: uuid.UUID, after: Position | None = None) -> bool:
        """Let an endpoint work again at once; true when there is such an endpoint.

        Args:
            webhook_id: which.
            after: send what stands behind this position, again if need be; None goes on where it stands.
        Raises:
            InvalidValueError: the position is ahead of the books.
            ArchivedError: some of what stands behind the position is archived.
            WebhookStoreError: the database does not answer.
        """
        if after is not None:
            check_happened(after, await asyncio.to_thread(self._store.newest))
        was_there = await asyncio.to_thread(self._store.resume, webhook_id, after)
        self._bell.ring()
        return was_there

    async def all(self) -> list[Webhook]:
        """Return every endpoint as it stands."""
        return await asyncio.to_thread(self._store.all)
