"""Begins a channel's ledger from a snapshot, ours or a Go peer's.

Rules:
- every file is hashed before anything of it is believed; that the snapshot itself is the right one is the operator's
  word, as it is for a genesis block: compare its hash with that of another member's peer;
- all of it is one database transaction: the channel is there, at the snapshot's block, or nothing is;
- blocks up to that one are not here and never will be; every transaction id of them is, so that none is used twice;
- private values are in no snapshot: those this peer should have are missing from the start, and are asked for.

Source: Fabric core/ledger/kvledger/snapshot.go (CreateFromSnapshot), common/ledger/blkstorage/blockindex.go
(importTxIDsFromSnapshot), core/ledger/kvledger/txmgmt/pvtstatepurgemgmt (expiry of imported hashes).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from network.channel_config import ChannelConfig
from network.identity import Identity
from network.rwset import StateKey
from node.peer.block_store import BlockStore, lock_channel, open_channel
from node.peer.chaincode_definition import LIFECYCLE, read_definition
from node.peer.collection_members import own_identity
from node.peer.database import Connection, connect, fetch, index_key, index_text, long_key
from node.peer.endorsement_policy import implicit_collection_owner
from node.peer.errors import SnapshotError, StoreError
from node.peer.private_data import PrivateData
from node.peer.snapshots.files import (
    CONFIG_HISTORY,
    CONFIG_KEY,
    HASHES_MARK,
    PRIVATE_HASHES,
    PUBLIC_STATE,
    TX_IDS,
    SnapshotMetadata,
    StateRecord,
    parse_collections_key,
    read_items,
    read_records,
)
from node.peer.state import NeededState, StateEntry, StateSnapshot
from node.peer.world_state import WorldState

UNKNOWN_CODE = 255
"""Validation code that stands for a transaction of the snapshot: whether it was valid is not told there."""

_COPY_STATE = (
    "COPY channel.state (channel_no, namespace, collection, key, long_key, value, metadata, block_number, tx_number) "
    "FROM STDIN (FORMAT BINARY)"
)
_STATE_TYPES = ("int2", "text", "text", "bytea", "bytea", "bytea", "bytea", "int8", "int4")
_COPY_HISTORY = (
    "COPY channel.history (channel_no, namespace, key, block_number, tx_number, is_delete, value) "
    "FROM STDIN (FORMAT BINARY)"
)
_HISTORY_TYPES = ("int2", "text", "bytea", "int8", "int4", "bool", "bytea")
_COPY_TX_IDS = (
    "COPY channel.transaction (channel_no, block_number, tx_number, tx_id, validation_code, header_type, "
    "claimed_seconds, claimed_nanos) FROM STDIN (FORMAT BINARY)"
)
_TX_ID_TYPES = ("int2", "int8", "int4", "text", "int2", "int4", "int8", "int4")


def import_snapshot(
    url: str, folder: Path, metadata: SnapshotMetadata, joined_at: datetime, peer_creator: bytes
) -> None:
    """Put a snapshot into the tables as the beginning of its channel, which the peer is on from then.

    Args:
        peer_creator: the peer's serialized identity, which decides what private data it should have.
    Raises:
        SnapshotError: a file differs from what the metadata says, or the channel is here already.
        StoreError: the database refuses; nothing is there then.
    """
    metadata.verify_files(folder)
    try:
        with connect(url) as connection, connection.transaction():
            channel_no = open_channel(connection, metadata.channel_id)
            lock_channel(connection, channel_no, metadata.channel_id)
            if BlockStore(connection, channel_no).tip().height:
                raise SnapshotError(f"ledger [{metadata.channel_id}] already exists with state [ACTIVE]")
            _Importer(connection, channel_no, folder, metadata).run(joined_at, peer_creator)
    except psycopg.Error as error:
        raise StoreError(f"the snapshot cannot be written to the database: {error}") from error


class _Importer:
    def __init__(self, connection: Connection, channel_no: int, folder: Path, metadata: SnapshotMetadata) -> None:
        self._connection = connection
        self._channel_no = channel_no
        self._folder = folder
        self._metadata = metadata

    def run(self, joined_at: datetime, peer_creator: bytes) -> None:
        """Write everything."""
        found = self._metadata
        hashes = (found.last_block_hash, found.previous_block_hash, found.commit_hash)
        fetch(self._connection, "insert_origin_block", (self._channel_no, found.last_block, *hashes))
        self._copy(_COPY_TX_IDS, _TX_ID_TYPES, self._tx_ids())
        self._import_collections()
        config = self._import_state()
        if config is None:
            raise SnapshotError(f"snapshot {self._folder}: it holds no configuration of the channel")
        channel = ChannelConfig.from_envelope(config.value, found.channel_id)
        origin = (self._channel_no, found.last_block, config.value, *config.version)
        fetch(self._connection, "insert_origin", origin)
        fetch(self._connection, "insert_joined_channel", (self._channel_no, joined_at))
        self._import_expiries()
        self._note_missing(channel, own_identity(channel, peer_creator))

    def _tx_ids(self) -> Iterator[tuple[Any, ...]]:
        # What the ids themselves say comes last: one COPY at a time.
        self._odd: list[bytes] = []
        for number, (content,) in enumerate(read_items(self._folder, TX_IDS, 1)):
            claimed = content.decode()
            tx_id = index_text(claimed)
            if tx_id != claimed:
                self._odd.append(content)
            yield (self._channel_no, self._metadata.last_block, number, tx_id, UNKNOWN_CODE, -1, 0, 0)

    def _import_collections(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO channel.origin_tx_id (channel_no, claimed) VALUES (%s, %s)",
                [(self._channel_no, content) for content in self._odd],
            )
            cursor.executemany(
                "INSERT INTO channel.origin_collections (channel_no, chaincode, block_number, content) "
                "VALUES (%s, %s, %s, %s)",
                [
                    (self._channel_no, *parse_collections_key(key), content)
                    for key, content in read_items(self._folder, CONFIG_HISTORY, 2)
                ],
            )

    def _import_state(self) -> StateRecord | None:
        """Write public state and hashes; return the channel's configuration, which is kept elsewhere."""
        config: list[StateRecord] = []
        definitions: list[StateRecord] = []
        self._collections: set[tuple[str, str]] = set()

        def rows() -> Iterator[tuple[Any, ...]]:
            for namespace, record in read_records(self._folder, PUBLIC_STATE):
                if not namespace and record.key == CONFIG_KEY:
                    config.append(record)
                    continue
                if namespace == LIFECYCLE:
                    definitions.append(record)
                yield self._state_row(namespace, "", record)
            for name, record in read_records(self._folder, PRIVATE_HASHES):
                namespace, _, collection = name.partition(HASHES_MARK)
                self._collections.add((namespace, collection))
                yield self._state_row(namespace, collection, record)

        self._copy(_COPY_STATE, _STATE_TYPES, rows())
        # What a later snapshot tells of collections is told from the history of definitions.
        self._copy(
            _COPY_HISTORY,
            _HISTORY_TYPES,
            ((self._channel_no, LIFECYCLE, item.key, *item.version, False, item.value) for item in definitions),
        )
        return config[0] if config else None

    def _import_expiries(self) -> None:
        state = WorldState(self._connection, self._channel_no)

        def read(keys: Sequence[StateKey]) -> dict[StateKey, StateEntry]:
            return {key: value for key, value in zip(keys, state.values(keys)[0], strict=True) if value is not None}

        nothing = NeededState(frozenset(), frozenset())
        snapshot = StateSnapshot(nothing, {}, frozenset(), scan=state.scan_versions, read=read)
        for namespace, collection in sorted(self._collections):
            if namespace == LIFECYCLE:
                continue
            definition = read_definition(snapshot, namespace)
            rules = None if definition is None else definition.collections.get(collection)
            if rules is not None and rules.block_to_live:
                parameters = {
                    "channel": self._channel_no,
                    "namespace": index_text(namespace),
                    "collection": index_text(collection),
                    "blocks_to_live": rules.block_to_live,
                }
                fetch(self._connection, "insert_origin_expiries", parameters)

    def _note_missing(self, config: ChannelConfig, peer: Identity) -> None:
        """Take note of the private values that this peer should have and others may give it."""
        private = PrivateData(self._connection, self._channel_no)
        for namespace, collection in sorted(self._collections):
            # Implicit collections are one organization's, whose peers are not asked.
            if not implicit_collection_owner(collection) and private.may_keep(namespace, collection, config, peer):
                names = (index_text(namespace), index_text(collection))
                fetch(self._connection, "insert_origin_missing", (self._channel_no, *names))

    def _state_row(self, namespace: str, collection: str, record: StateRecord) -> tuple[Any, ...]:
        return (
            self._channel_no,
            index_text(namespace),
            index_text(collection),
            index_key(record.key),
            long_key(record.key) or None,
            record.value,
            record.metadata,
            *record.version,
        )

    def _copy(self, command: str, types: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(command.encode()) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)
