"""Joins a channel by a snapshot, in the background: ``peer channel joinbysnapshot`` asks, the log tells how it ended.

Source: Fabric core/ledger/ledgermgmt/ledger_mgmt.go (CreateLedgerFromSnapshot: one at a time, not waited for).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import structlog

from network.errors import NetworkError
from node.peer.block_store import BlockStore
from node.peer.database import connect, fetch
from node.peer.errors import PeerError, SnapshotError
from node.peer.snapshots.files import SnapshotMetadata
from node.peer.snapshots.importer import import_snapshot

_log = structlog.get_logger(__name__)


class SnapshotJoining:
    """Joins by one snapshot at a time.

    Args:
        url: database.
        peer_creator: this peer's serialized identity.
        take_up: serves the channel once its tables are filled.
        now: UTC clock.
    """

    def __init__(
        self,
        url: str,
        peer_creator: bytes,
        take_up: Callable[[str], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        self._url = url
        self._peer_creator = peer_creator
        self._take_up = take_up
        self._now = now
        self._task: asyncio.Task[None] | None = None
        self._folder: str | None = None

    @property
    def in_progress(self) -> str | None:
        """The folder of the snapshot a channel is being joined by now; None for none."""
        return self._folder

    async def begin(self, folder: Path) -> None:
        """Begin to join by a snapshot.

        Raises:
            SnapshotError: there is none, its channel is here already, or another one is under way.
        """
        if self._folder is not None:
            raise SnapshotError(
                f"a ledger is being created from a snapshot at {self._folder}. Call ledger creation again after it is "
                "done."
            )
        self._folder = str(folder)
        try:
            metadata = await asyncio.to_thread(self._look, folder)
        except BaseException:
            self._folder = None
            raise
        self._task = asyncio.create_task(self._join(folder, metadata))

    async def stop(self) -> None:
        """Wait for a join under way: the database takes all of it or nothing."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _look(self, folder: Path) -> SnapshotMetadata:
        try:
            empty = not any(folder.iterdir())
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise SnapshotError(f"error opening dir [{folder}]: open {folder}: {reason}") from error
        if empty:
            raise SnapshotError(f"snapshot dir {folder} is empty")
        metadata = SnapshotMetadata.read(folder)
        try:
            with connect(self._url) as connection:
                numbers = fetch(connection, "channel_number", (metadata.channel_id,))
                known = any(BlockStore(connection, number).tip().height for (number,) in numbers)
        except PeerError as error:
            raise SnapshotError(str(error)) from error
        if known:
            raise SnapshotError(f"ledger [{metadata.channel_id}] already exists with state [ACTIVE]")
        return metadata

    async def _join(self, folder: Path, metadata: SnapshotMetadata) -> None:
        names = {"channel": metadata.channel_id, "folder": str(folder)}
        try:
            await asyncio.to_thread(import_snapshot, self._url, folder, metadata, self._now(), self._peer_creator)
            await self._take_up(metadata.channel_id)
            _log.info("joined by snapshot", last_block=metadata.last_block, **names)
        except (PeerError, NetworkError) as error:
            _log.error("joining by a snapshot failed", reason=str(error), **names)
        except Exception:  # noqa: BLE001 - the root of a task: the other channels go on
            _log.exception("joining by a snapshot failed", **names)
        finally:
            self._folder = None
