"""Compares the leaves of the books, as they stand now, with the organization's own log: tiles, tree and sealed head."""

from __future__ import annotations

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from ledger.ranges import Finding
from network.merkle import TILE_WIDTH, TileWriter, split_hashes
from node.anchor.store import LogStore, edge_tails

_HASH_BYTES = 32


def is_signed(writer_key: bytes, digest: bytes, signature: bytes) -> bool:
    """Tell whether a signature over a digest is that of the writer whose public key is given."""
    try:
        VerifyKey(writer_key).verify(digest, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


class LogCheck:
    """The log as ``ledger.verify`` compares with it.

    Recomputed leaves are held against the log's; the log's own are hashed up to its tiles and its newest sealed head.
    So an entry that changed is one finding, and a log that does not hash to its head another.
    """

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._head = store.head()
        self._writer = TileWriter()

    def compare(self, first_seq: int, leaves: bytes) -> list[Finding]:
        """Compare leaves from ``first_seq`` on with the log, as far as it was sealed when this began."""
        end = min(self._head.size, first_seq - 1 + len(leaves) // _HASH_BYTES)
        if first_seq > end:
            return []
        found = []
        sealed = self._leaves(first_seq - 1, end)
        for seq, (leaf, kept) in enumerate(zip(split_hashes(leaves), sealed, strict=False), first_seq):
            if leaf != kept:
                found.append(Finding(seq, f"entry {seq}", "its row does not give the leaf that was sealed in the log"))
        if self._writer.size != first_seq - 1:
            self._writer = TileWriter(first_seq - 1, edge_tails(self._store.read_tile, first_seq - 1))
        for tile in self._writer.append(sealed):
            # The log went on since: a tile may hold more by now.
            if self._store.read_tile(tile.level, tile.index)[: len(tile.hashes)] != tile.hashes:
                subject = f"log tile {tile.index} of level {tile.level}"
                found.append(Finding(first_seq, subject, "does not hold the hashes of the tiles below it"))
        return found

    def finish(self, last_seq: int) -> list[Finding]:
        """Compare the log with its sealed head, once every leaf up to ``last_seq`` was given."""
        if self._head.size > last_seq:
            problem = f"holds {self._head.size} leaves, the books end with entry {last_seq}"
            return [Finding(0, "log", problem)]
        if self._writer.size != self._head.size:
            self._writer = TileWriter(self._head.size, edge_tails(self._store.read_tile, self._head.size))
        if self._writer.root() != self._head.root:
            return [Finding(0, "log", f"does not hash to the root that was sealed for {self._head.size} leaves")]
        return []

    def _leaves(self, first: int, end: int) -> list[bytes]:
        """Return the log's leaves by index; zeros where a tile is too short."""
        tiles = range(first // TILE_WIDTH, (end + TILE_WIDTH - 1) // TILE_WIDTH)
        width = TILE_WIDTH * _HASH_BYTES
        hashes = b"".join(self._store.read_tile(0, index)[:width].ljust(width, b"\x00") for index in tiles)
        skipped = tiles.start * TILE_WIDTH
        return split_hashes(hashes[(first - skipped) * _HASH_BYTES : (end - skipped) * _HASH_BYTES])
