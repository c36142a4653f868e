"""The sealer: appends posted rows to the organization's log, in order, and signs each new head.

Rules:
- Log index of a row = its sequence number - 1; no row is passed over.
- Only rows that a valid signature of the posting engine covers are sealed: a row someone put into the table by hand
  stops the log, and the sentence in ``stalled`` names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from nacl.signing import SigningKey

from network.checkpoint import Checkpoint, sign_checkpoint
from node.anchor.leaf_source import LeafSource
from node.anchor.store import Head, LogStore

logger = structlog.get_logger(__name__)

SEAL_COUNT_MAX = 20_000
"""Rows sealed in one database transaction."""


def log_origin(msp_id: str) -> str:
    """Return the name of an organization's log, which is its signing key's name too."""
    return f"dwaybank.node/log/{msp_id}"


def witness_name(msp_id: str) -> str:
    """Return the name of an organization's cosigning key."""
    return f"dwaybank.node/witness/{msp_id}"


class Sealer:
    """Seals what the books have posted.

    Args:
        msp_id: the organization.
        key: its log's Ed25519 key.
        now: the clock.
    """

    def __init__(
        self, msp_id: str, key: SigningKey, source: LeafSource, store: LogStore, now: Callable[[], datetime]
    ) -> None:
        self._origin = log_origin(msp_id)
        self._key = key
        self._source = source
        self._store = store
        self._now = now
        self.stalled = ""

    async def seal(self) -> Head:
        """Seal every row posted before this call that may be sealed; return the newest head.

        Raises:
            LogError: the stored log does not fit its own last checkpoint.
        """
        newest, head, sealed = await asyncio.to_thread(self._begin)
        # Rows posted meanwhile wait for the next call: a busy bank must not keep its own anchors waiting.
        while head.size < sealed.size < newest:
            head, sealed = sealed, await asyncio.to_thread(self._seal_some, sealed)
        return sealed

    def _begin(self) -> tuple[int, Head, Head]:
        """Return the newest row's number, the newest head, and the one after a first step."""
        head = self._store.head()
        return self._source.posted_seq(), head, self._seal_some(head)

    def _seal_some(self, head: Head) -> Head:
        found = self._source.sealable(head.size + 1, SEAL_COUNT_MAX)
        if found.stalled and found.stalled != self.stalled:
            logger.warning("sealing_stalled", reason=found.stalled)
        self.stalled = found.stalled
        if not found.leaves:
            return head
        return self._store.append(head.size, found.leaves, self._sign, self._now())

    def _sign(self, size: int, root: bytes) -> bytes:
        return sign_checkpoint(Checkpoint(self._origin, size, root), self._origin, self._key)
