"""Makes a snapshot of a channel's ledger from its tables.

Rules:
- everything is read in one database transaction that sees one height, row after row in the order the files want, so
  that a state of any size is exported in little memory;
- a snapshot appears under its name whole and on the disk, or not at all: it is written into a folder of its own beside
  and renamed; what a killed process left there is removed at the next start;
- long keys and odd names, which the tables hold as hashes, are told from where they stand in full.

The state is kept in SQL here and in LevelDB at Go peers: the order of the files is that of LevelDB's keys, namespace
before key, both by bytes, so both make the same files.

Source: Fabric core/ledger/kvledger/snapshot.go (generateSnapshot), common/ledger/blkstorage/blockindex.go
(exportUniqueTxIDs), core/ledger/kvledger/txmgmt/privacyenabledstate/snapshot.go.
"""

from __future__ import annotations

import heapq
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import db_pb2

from network.block import parse_block
from network.channel_config import config_of_block
from network.envelope import parse_transaction
from network.rwset import Version
from node.disk import sync
from node.peer.block_store import BlockStore
from node.peer.database import KEY_BYTES_MAX, Connection, connect, fetch, statement
from node.peer.errors import SnapshotError, StoreError
from node.peer.snapshots.files import (
    CONFIG_HISTORY,
    CONFIG_KEY,
    HASHES_MARK,
    PRIVATE_HASHES,
    PUBLIC_STATE,
    TX_IDS,
    ItemWriter,
    SnapshotMetadata,
    StateRecord,
    collections_key,
)

ROWS_AT_ONCE = 2000
"""Rows fetched from the database at once."""

_HASHED = "sha256:"


class SnapshotFolders:
    """Where a peer keeps its snapshots: ``completed/<channel>/<block>``, and ``temp`` for those being made.

    Args:
        root: folder of the peer's snapshots.
    Source: Fabric core/ledger/kvledger/ledger_filepath.go.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def completed(self, channel_id: str, number: int) -> Path:
        """Return the folder of a finished snapshot."""
        return self._root / "completed" / channel_id / str(number)

    def begin(self, channel_id: str, number: int) -> Path:
        """Return a new folder to make a snapshot in."""
        temporary = self._root / "temp"
        temporary.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{channel_id}-{number}-", dir=temporary))

    def finish(self, made: Path, channel_id: str, number: int) -> Path:
        """Give a finished folder its name, for good."""
        target = self.completed(channel_id, number)
        sync(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        made.chmod(0o755)
        made.rename(target)
        for folder in (target.parent, target.parent.parent, self._root):
            sync(folder)
        return target

    def remove_unfinished(self, channel_id: str) -> None:
        """Remove what a process that was killed left of a channel's snapshots."""
        for folder in (self._root / "temp").glob(f"{channel_id}-*-*"):
            if folder.name.removeprefix(f"{channel_id}-").split("-")[0].isdigit():
                shutil.rmtree(folder)


def export_snapshot(
    url: str, channel_no: int, channel_id: str, number: int, folders: SnapshotFolders, ended: Callable[[], bool]
) -> Path | None:
    """Make the snapshot at block ``number``, which must be the last one committed.

    Args:
        ended: asked again and again; once true, the snapshot is given up.
    Returns:
        its folder; None where it was given up.
    Raises:
        SnapshotError: the folder cannot be written, or the ledger is at another block.
        StoreError: the database does not answer.
    """
    try:
        made = folders.begin(channel_id, number)
        try:
            with connect(url) as connection, connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                try:
                    Exporter(connection, channel_no, made, ended).export(channel_id, number)
                except _GivenUpError:
                    return None
            return folders.finish(made, channel_id, number)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise SnapshotError(f"the snapshot cannot be written: {error.strerror}: {error.filename}") from error
    except psycopg.Error as error:
        raise StoreError(f"the ledger cannot be read for a snapshot: {error}") from error


class _GivenUpError(Exception):
    """The peer stops before the snapshot is done."""


class Exporter:
    """Writes the files of one snapshot.

    Args:
        connection: in a transaction that sees one height.
        folder: where to, empty.
        ended: whether to give up.
    """

    def __init__(self, connection: Connection, channel_no: int, folder: Path, ended: Callable[[], bool]) -> None:
        self._connection = connection
        self._channel_no = channel_no
        self._folder = folder
        self._ended = ended
        self._store = BlockStore(connection, channel_no)
        self._hashes: dict[str, bytes] = {}

    def export(self, channel_id: str, number: int) -> None:
        """Write everything.

        Raises:
            SnapshotError: the ledger is at another block than ``number``.
        """
        tip = self._store.tip()
        if tip.height != number + 1:
            raise SnapshotError(f"a snapshot at block {number} cannot be made: the last block is {tip.height - 1}")
        self._write_items(TX_IDS, ((tx_id,) for tx_id in self._tx_ids()))
        self._write_items(CONFIG_HISTORY, self._collections())
        self._write_states()
        previous = fetch(self._connection, "previous_hash", (self._channel_no, number))[0][0]
        SnapshotMetadata(channel_id, number, tip.header_hash, bytes(previous), self._hashes, tip.commit_hash).write(
            self._folder
        )

    def _write_items(self, base: str, rows: Iterable[tuple[bytes, ...]]) -> None:
        data, count = None, 0
        for row in rows:
            data = data or ItemWriter(self._folder / f"{base}.data")
            for item in row:
                data.item(item)
            count += 1
        if data is not None:
            self._hashes[f"{base}.data"] = data.done()
            numbers = ItemWriter(self._folder / f"{base}.metadata")
            numbers.number(count)
            self._hashes[f"{base}.metadata"] = numbers.done()

    def _tx_ids(self) -> Iterator[bytes]:
        """Give every transaction id once, ordered by length and bytes."""
        plain = ((length, tx_id.encode()) for length, tx_id in self._stream("export_tx_ids", (self._channel_no,)))
        for _, tx_id in heapq.merge(plain, sorted(self._odd_tx_ids())):
            yield tx_id

    def _odd_tx_ids(self) -> set[tuple[int, bytes]]:
        """Return the ids that the tables hold as hashes, from where they were claimed."""
        found = [bytes(row[0]) for row in fetch(self._connection, "origin_tx_ids", (self._channel_no,))]
        for block_number, tx_number in fetch(self._connection, "hashed_tx_ids", (self._channel_no,)):
            block = parse_block(self._store.block(block_number) or b"")
            found.append(parse_transaction(block.data.data[tx_number]).tx_id.encode())
        return {(len(tx_id), tx_id) for tx_id in found}

    def _collections(self) -> Iterator[tuple[bytes, bytes]]:
        """Give the private data collections of each chaincode, newest first, as they were defined."""
        found = []
        for chaincode, block_number, content, from_origin in fetch(
            self._connection, "collection_changes", {"channel": self._channel_no}
        ):
            package = bytes(content) if from_origin else db_pb2.StateData.FromString(bytes(content)).Bytes
            if collection_pb2.CollectionConfigPackage.FromString(package).config:
                found.append((collections_key(chaincode, block_number), package))
        yield from sorted(found)

    def _write_states(self) -> None:
        spaces = [tuple(row) for row in fetch(self._connection, "state_namespaces", {"channel": self._channel_no})]
        if odd := [namespace for namespace, _ in spaces if namespace.startswith(_HASHED)]:
            raise SnapshotError(f"namespace {odd[0]} has a name too long for a snapshot")
        public = [("", ""), *((namespace, "") for namespace, collection in spaces if not collection)]
        hashes = [pair for pair in spaces if pair[1]]
        for base, pairs in ((PUBLIC_STATE, public), (PRIVATE_HASHES, hashes)):
            if pairs:
                self._write_pair(base, sorted(pairs, key=lambda pair: _state_name(*pair).encode() + b"\x00"))

    def _write_pair(self, base: str, pairs: list[tuple[str, str]]) -> None:
        data = ItemWriter(self._folder / f"{base}.data")
        counts: list[tuple[str, int]] = []
        for namespace, collection in pairs:
            count = 0
            for record in self._records(namespace, collection):
                data.item(record.encode())
                count += 1
            counts.append((_state_name(namespace, collection), count))
        self._hashes[f"{base}.data"] = data.done()
        numbers = ItemWriter(self._folder / f"{base}.metadata")
        numbers.number(len(counts))
        for name, count in counts:
            numbers.item(name.encode())
            numbers.number(count)
        self._hashes[f"{base}.metadata"] = numbers.done()

    def _records(self, namespace: str, collection: str) -> Iterator[StateRecord]:
        if not namespace:
            yield self._config()
            return
        rows = self._stream("export_state", (self._channel_no, namespace, collection))
        for long, value, metadata, block_number, tx_number in _in_key_order(rows):
            yield StateRecord(long, bytes(value), bytes(metadata), Version(block_number, tx_number))

    def _config(self) -> StateRecord:
        """Return the channel's configuration as a Go peer keeps it in its state."""
        rows = fetch(self._connection, "last_config_number", (self._channel_no,))
        if rows:
            number, content = rows[0]
            return StateRecord(CONFIG_KEY, config_of_block(parse_block(bytes(content)))[1], b"", Version(number, 0))
        _, config, number, tx = fetch(self._connection, "read_origin", (self._channel_no,))[0]
        return StateRecord(CONFIG_KEY, bytes(config), b"", Version(number, tx))

    def _stream(self, name: str, parameters: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        """Give the rows of a statement while they come from the database.

        Raises:
            _GivenUpError: the snapshot is to be given up.
        """
        with self._connection.cursor("snapshot") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(statement(name), parameters, binary=True)
            for count, row in enumerate(cursor):
                if count % ROWS_AT_ONCE == 0 and self._ended():
                    raise _GivenUpError
                yield row


def _state_name(namespace: str, collection: str) -> str:
    return f"{namespace}{HASHES_MARK}{collection}" if collection else namespace


def _in_key_order(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Give rows with their keys in full, in the order of those: long keys that begin alike are indexed by hash."""
    head = b""
    held: list[tuple[Any, ...]] = []
    for index, long, *columns in rows:
        key = bytes(index) if long is None else bytes(long)
        if held and (long is None or key[:KEY_BYTES_MAX] != head):
            yield from sorted(held, key=lambda row: row[0])
            held = []
        if long is None:
            yield (key, *columns)
        else:
            head = key[:KEY_BYTES_MAX]
            held.append((key, *columns))
    yield from sorted(held, key=lambda row: row[0])
