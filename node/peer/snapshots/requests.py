"""The requests for snapshots of one channel, and the making of them at exactly the block asked for.

Rules:
- while a snapshot is made nothing is committed, so that a peer killed meanwhile still stands at that block and makes it
  at its next start; endorsing, evaluating and reading go on;
- a request stands in the database until its snapshot is there; where making it fails, the log says why and the request
  is given up, as at Fabric's peers;
- committing waits here, never the event loop.

Source: Fabric core/ledger/kvledger/snapshot_mgmt.go (the same refusals, in its words).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import structlog

from node.peer.database import connect, fetch
from node.peer.errors import PeerError, SnapshotError
from node.peer.snapshots.exporter import SnapshotFolders, export_snapshot

_log = structlog.get_logger(__name__)

_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class SnapshotSettings:
    """Where snapshots of a channel come from and go to.

    Args:
        url: database.
        channel_id: channel.
        root: folder of the peer's snapshots; None for a peer that makes none.
    """

    url: str
    channel_id: str
    root: Path | None


class SnapshotRequests:
    """What is asked for, made, and waited for; used by the committing thread and by callers of the service."""

    def __init__(self, settings: SnapshotSettings) -> None:
        self._settings = settings
        self._folders = SnapshotFolders(settings.root) if settings.root is not None else None
        self._changed = threading.Condition()
        self._pending: set[int] = set()
        self._committing = False
        self._exporting: int | None = None
        self._ending = False
        self._exporter: threading.Thread | None = None
        self._channel_no = 0
        self._last = -1

    def open(self, channel_no: int, last: int) -> None:
        """Take up what was asked for before, and make a snapshot that is due at the last block.

        Args:
            last: number of the last block committed.
        Raises:
            StoreError: the database does not answer.
        """
        self._channel_no, self._last = channel_no, last
        if self._folders is None:
            return
        self._folders.remove_unfinished(self._settings.channel_id)
        with connect(self._settings.url) as connection:
            self._pending = {row[0] for row in fetch(connection, "read_snapshot_requests", (channel_no,))}
        with self._changed:
            for number in sorted(number for number in self._pending if number <= last):
                if number == last and not self._exists(number):
                    self._begin(number)
                    continue
                if number < last:
                    _log.error("a snapshot was not made: the ledger is past its block", **self._names(number))
                self._forget(number)

    def enter(self) -> bool:
        """Wait until a block may be committed; False when the peer stops before a snapshot is made."""
        with self._changed:
            while self._exporting is not None and not self._ending:
                self._changed.wait(_POLL_S)
            self._committing = self._exporting is None
            return self._committing

    def leave(self, number: int | None) -> None:
        """Take note that a block is committed, or None was, and begin the snapshot that was asked for there."""
        with self._changed:
            self._committing = False
            if number is None:
                return
            self._last = number
            if number in self._pending:
                self._begin(number)

    def submit(self, number: int) -> None:
        """Ask for a snapshot at a block; 0 stands for the last one.

        Raises:
            SnapshotError: the block is past, or its snapshot is there or asked for already.
            StoreError: the database does not answer.
        """
        if self._folders is None:
            raise SnapshotError("this peer makes no snapshots: name a folder for them in its settings")
        with self._changed:
            least = self._last + 1 if self._committing else self._last
            number = number or least
            if number < least:
                raise SnapshotError(
                    f"requested snapshot for block number {number} cannot be less than the last committed block "
                    f"number {least}"
                )
            if number in self._pending:
                raise SnapshotError(f"duplicate snapshot request for block number {number}")
            if number == self._last and self._exists(number):
                raise SnapshotError(f"snapshot already generated for block number {number}")
            with connect(self._settings.url) as connection:
                fetch(connection, "insert_snapshot_request", (self._channel_no, number))
            self._pending.add(number)
            if number == self._last and not self._committing:
                self._begin(number)

    def cancel(self, number: int) -> None:
        """Withdraw a request.

        Raises:
            SnapshotError: there is none, or its snapshot is being made.
            StoreError: the database does not answer.
        """
        with self._changed:
            if self._exporting == number:
                raise SnapshotError("cannot cancel the snapshot request because it is under processing")
            if number not in self._pending:
                raise SnapshotError(f"no snapshot request exists for block number {number}")
            self._forget(number)

    def pending(self) -> list[int]:
        """Return the blocks asked for whose snapshots are not there yet."""
        with self._changed:
            return sorted(self._pending)

    def stop(self) -> None:
        """Give up what is being made; its request stays for the next start."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            exporter = self._exporter
        if exporter is not None:
            exporter.join()

    def _begin(self, number: int) -> None:
        self._exporting = number
        self._exporter = threading.Thread(target=self._export, args=(number,), name="peer-snapshot", daemon=True)
        self._exporter.start()

    def _export(self, number: int) -> None:
        settings = self._settings
        assert self._folders is not None
        try:
            made = export_snapshot(
                settings.url, self._channel_no, settings.channel_id, number, self._folders, lambda: self._ending
            )
            if made is not None:
                _log.info("snapshot made", folder=str(made), **self._names(number))
        except PeerError as error:
            _log.error("a snapshot was not made", reason=str(error), **self._names(number))
        except Exception:  # noqa: BLE001 - the root of a thread: commits go on without this snapshot
            _log.exception("a snapshot was not made", **self._names(number))
        with self._changed:
            if self._ending and not self._exists(number):
                # Nothing may be committed any more: the next start makes it, at this very block.
                return
            try:
                self._forget(number)
            except PeerError as error:
                _log.warning("a request for a snapshot stays", reason=str(error), **self._names(number))
            finally:
                self._exporting = None
                self._changed.notify_all()

    def _forget(self, number: int) -> None:
        with connect(self._settings.url) as connection:
            fetch(connection, "delete_snapshot_request", (self._channel_no, number))
        self._pending.discard(number)

    def _exists(self, number: int) -> bool:
        return self._folders is not None and self._folders.completed(self._settings.channel_id, number).exists()

    def _names(self, number: int) -> dict[str, object]:
        return {"channel": self._settings.channel_id, "block": number}
