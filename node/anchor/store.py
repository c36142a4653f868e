"""Tiles and checkpoints of the organization's own log, and its copies of other members' logs.

Rules: tiles and their checkpoint are written in one database transaction; what was written only grows; reading a tile
or a head never trusts it, callers compare it with a root that was signed and anchored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from network.merkle import EMPTY_ROOT, TILE_HEIGHT, TILE_WIDTH, ReadTile, Tile, TileWriter, partial_widths
from node.anchor.database import Connection, Database, lock_sealing, run
from node.anchor.errors import LogError

ANCHOR_ENTRIES_MAX = 1 << 22
"""Most entries that an anchor adds to the one before, so that other members can copy them in one step."""


@dataclass(frozen=True, slots=True)
class Head:
    """A sealed head of the organization's own log."""

    size: int
    root: bytes
    note: bytes
    """Signed C2SP checkpoint; empty for the empty log."""
    sealed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ControlOpening:
    """What opens an anchor's commitment to the control totals."""

    totals: str
    """JSON: per asset, the sums of debits and credits over all entries of the anchored size, as decimal strings."""
    salt: bytes
    commitment: bytes


class AnchorTime(NamedTuple):
    """When this node learned that an anchor was committed."""

    size: int
    previous_size: int
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class MirrorHead:
    """The newest head of another member's log that this node checked in full."""

    size: int
    root: bytes


EMPTY_HEAD = Head(0, EMPTY_ROOT, b"", None)


class LogStore:
    """The organization's own log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self) -> Head:
        """Return the newest sealed head."""
        rows = self._database.fetch("last_checkpoint")
        return Head(rows[0][0], bytes(rows[0][1]), bytes(rows[0][2]), rows[0][3]) if rows else EMPTY_HEAD

    def head_at(self, size: int) -> Head:
        """Return the sealed head of exactly ``size`` leaves.

        Raises:
            LogError: the log was never sealed at that size.
        """
        rows = self._database.fetch("checkpoint_at", (size,))
        if not rows:
            raise LogError(f"the log holds no checkpoint of {size} leaves")
        return Head(rows[0][0], bytes(rows[0][1]), bytes(rows[0][2]), rows[0][3])

    def head_up_to(self, size: int) -> Head:
        """Return the newest sealed head of at most ``size`` leaves; that of the empty log where there is none."""
        rows = self._database.fetch("checkpoint_up_to", (size,))
        return Head(rows[0][0], bytes(rows[0][1]), bytes(rows[0][2]), rows[0][3]) if rows else EMPTY_HEAD

    def append(
        self, first_index: int, leaves: Sequence[bytes], sign: Callable[[int, bytes], bytes], now: datetime
    ) -> Head:
        """Append leaves and sign the new head; tiles and checkpoint stand or fall together.

        Args:
            first_index: where the first leaf goes; must be the log's size.
            leaves: leaf hashes, at least one.
            sign: from size and root to the signed checkpoint.
        Raises:
            LogError: the log is not ``first_index`` leaves long, or its stored edge does not hash to its last root.
        """
        with self._database.transaction() as connection:
            lock_sealing(connection)
            writer = _open_writer(connection)
            if writer.size != first_index:
                raise LogError(f"the log holds {writer.size} leaves, the next row to seal is number {first_index + 1}")
            for tile in writer.append(leaves):
                run(connection, "put_tile", (tile.level, tile.index, tile.hashes))
            root = writer.root()
            head = Head(writer.size, root, sign(writer.size, root), now)
            run(connection, "put_checkpoint", (head.size, head.root, head.note, now))
        return head

    def read_tile(self, level: int, index: int) -> bytes:
        """Return the hashes of a tile as far as it is filled; nothing where there is none."""
        rows = self._database.fetch("read_tile", (level, index))
        return bytes(rows[0][0]) if rows else b""

    def control_opening(self, size: int) -> ControlOpening | None:
        """Return what opens the commitment that the anchor of this size carries."""
        rows = self._database.fetch("control_opening", (size,))
        return ControlOpening(rows[0][0], bytes(rows[0][1]), bytes(rows[0][2])) if rows else None

    def keep_control_opening(self, size: int, opening: ControlOpening) -> ControlOpening:
        """Keep an opening before its commitment is shown to anyone; the first one kept for a size stays."""
        row = (size, opening.totals, opening.salt, opening.commitment)
        self._database.fetch("put_control_opening", row)
        kept = self.control_opening(size)
        assert kept is not None
        return kept

    def keep_anchor_time(self, anchored: AnchorTime) -> None:
        """Keep when an anchor was committed."""
        self._database.fetch("put_anchor_time", anchored)

    def anchor_times(self, count: int) -> list[AnchorTime]:
        """Return the newest anchors, newest first."""
        return [AnchorTime(*row) for row in self._database.fetch("anchor_times", (count,))]


class MirrorStore:
    """Copies of other members' logs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self, organization: str) -> MirrorHead:
        """Return the newest head of a member's log that was checked here."""
        rows = self._database.fetch("last_mirror_head", (organization,))
        return MirrorHead(rows[0][0], bytes(rows[0][1])) if rows else MirrorHead(0, EMPTY_ROOT)

    def tile_reader(self, organization: str) -> ReadTile:
        """Return a reader of the mirrored tiles of a member's log."""

        def read_tile(level: int, index: int) -> bytes:
            rows = self._database.fetch("read_mirror_tile", (organization, level, index))
            return bytes(rows[0][0]) if rows else b""

        return read_tile

    def extend(self, organization: str, tiles: Sequence[Tile], head: MirrorHead, now: datetime) -> None:
        """Keep tiles that were checked against an anchored head, and the head, in one database transaction."""
        with self._database.transaction() as connection:
            for tile in tiles:
                run(connection, "put_mirror_tile", (organization, tile.level, tile.index, tile.hashes))
            run(connection, "put_mirror_head", (organization, head.size, head.root, now))

    def keep_finding(self, organization: str, size: int, explanation: str, now: datetime) -> None:
        """Keep what was found wrong with a member's log; the same finding is kept once."""
        self._database.fetch("put_mirror_finding", (organization, size, explanation, now))

    def findings(self, organization: str) -> list[tuple[int, str, datetime]]:
        """Return what was found wrong with a member's log: size, explanation, time."""
        return [(row[0], row[1], row[2]) for row in self._database.fetch("mirror_findings", (organization,))]


def edge_tails(read_tile: ReadTile, size: int) -> list[bytes]:
    """Return the partial tile of each level of a log of ``size`` leaves, cut to that size."""
    tails: list[bytes] = []
    for level, width in enumerate(partial_widths(size)):
        index = (size >> (TILE_HEIGHT * level)) // TILE_WIDTH
        tails.append(read_tile(level, index)[: 32 * width] if width else b"")
    return tails


def _open_writer(connection: Connection) -> TileWriter:
    rows = run(connection, "last_checkpoint")
    if not rows:
        return TileWriter()

    def read_tile(level: int, index: int) -> bytes:
        found = run(connection, "read_tile", (level, index))
        return bytes(found[0][0]) if found else b""

    size = rows[0][0]
    writer = TileWriter(size, edge_tails(read_tile, size))
    if writer.root() != bytes(rows[0][1]):
        raise LogError(f"the stored tiles of the log do not hash to its last signed root of {size} leaves")
    return writer
