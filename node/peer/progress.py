"""How far the channel is committed, as the event loop knows it, and what the last blocks changed.

The committer reports each block here after it is durable. Simulations ask what changed between two heights, so that
they never hold up a commit and still see one committed height; services wait here for a height.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from itertools import islice

from network.rwset import StateKey
from node.peer.errors import ChannelStoppedError

BLOCKS_REMEMBERED = 200
"""A simulation that is older than this many blocks starts anew."""


class Progress:
    """Height, hashes and recent changes of one channel; belongs to the event loop."""

    def __init__(self, height: int, header_hash: bytes, commit_hash: bytes) -> None:
        self.height = height
        """Number of blocks committed."""
        self.header_hash = header_hash
        """Hash of the last block's header; empty at height 0."""
        self.commit_hash = commit_hash
        """The last block's commit hash; empty at height 0."""
        self.stopped: ChannelStoppedError | None = None
        """Why nothing more is committed; None while all is well."""
        self._changes: deque[frozenset[StateKey]] = deque(maxlen=BLOCKS_REMEMBERED)
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def advance(self, header_hash: bytes, commit_hash: bytes, changed: Iterable[StateKey]) -> None:
        """Take note of the next block and wake who waits for it."""
        self.height += 1
        self.header_hash = header_hash
        self.commit_hash = commit_hash
        self._changes.append(frozenset(changed))
        self._wake()

    def stop(self, error: ChannelStoppedError) -> None:
        """Take note that no block will follow and fail who waits for one."""
        self.stopped = error
        self._wake()

    def changes(self, low: int, high: int) -> list[frozenset[StateKey]] | None:
        """Return what the blocks from height ``low`` up to height ``high`` changed; None when no longer known."""
        oldest = self.height - len(self._changes)
        if low < oldest:
            return None
        return list(islice(self._changes, low - oldest, high - oldest))

    async def wait_for_height(self, height: int) -> None:
        """Return once at least ``height`` blocks are committed.

        Raises:
            ChannelStoppedError: a block before that was refused.
        """
        if self.height >= height:
            return
        if self.stopped is not None:
            raise self.stopped
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((height, future))
        await future

    def _wake(self) -> None:
        still_waiting = []
        for height, future in self._waiting:
            if future.done():
                continue
            if self.height >= height:
                future.set_result(None)
            elif self.stopped is not None:
                future.set_exception(self.stopped)
            else:
                still_waiting.append((height, future))
        self._waiting = still_waiting
