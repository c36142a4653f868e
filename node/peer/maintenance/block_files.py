"""A channel's blocks in the files that Fabric's peers and orderers keep them in.

    <folder>/ledgersData/chains/chains/<channel>/blockfile_000000, blockfile_000001, ...

A file is blocks one after the other, each with its length before it as a varint; a block is its header, its envelopes
and its metadata, numbers as varints and bytes with their lengths. A new file begins where the next block would not fit
into 64 MiB. The index beside them is left to Fabric's programs, which make it when they open the folder.

Source: Fabric common/ledger/blkstorage/{block_serialization,blockfile_mgr,config}.go.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import psycopg
from fabric_protos.common import common_pb2

from network.block import parse_block
from network.messages import varint
from node.disk import sync
from node.peer.block_store import BlockStore
from node.peer.database import connect, fetch
from node.peer.errors import MaintenanceError, StoreError
from node.peer.snapshots.files import open_new, sync_file

FILE_BYTES_MAX = 64 * 1024 * 1024
"""Where a file ends, unless one block alone is larger."""

BLOCKS_AT_ONCE = 20


def export_blocks(
    url: str, channel_id: str, folder: Path, progress: Callable[[int, int], None] = lambda done, whole: None
) -> int:
    """Write all blocks of a channel into a new folder and return their number; the folder is whole or not there.

    Raises:
        MaintenanceError: the channel is not here or began from a snapshot, or the folder exists or cannot be written.
        StoreError: the database does not answer.
    """
    if folder.exists():
        raise MaintenanceError(f"{folder} exists: name a folder that does not")
    building = folder.with_name(f"{folder.name}.building")
    target = building / "ledgersData" / "chains" / "chains" / channel_id
    try:
        shutil.rmtree(building, ignore_errors=True)
        target.mkdir(parents=True)
        with connect(url) as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            numbers = fetch(connection, "channel_number", (channel_id,))
            if not numbers:
                raise MaintenanceError(f"channel {channel_id!r} is not in this database")
            store = BlockStore(connection, numbers[0][0])
            if (origin := store.origin()) is not None:
                raise MaintenanceError(
                    f"channel {channel_id!r} began from a snapshot at block {origin.last_block}: its first blocks are "
                    "not here; export them at a peer that joined with the genesis block"
                )
            height = store.tip().height
            write_block_files(target, _all_blocks(store, height, progress))
        sync(target)
        building.rename(folder)
        sync(folder.parent)
    except OSError as error:
        raise MaintenanceError(f"folder {folder} cannot be written: {error.strerror}: {error.filename}") from error
    except psycopg.Error as error:
        raise StoreError(f"the blocks cannot be read: {error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return height


def write_block_files(folder: Path, blocks: Iterable[common_pb2.Block], bytes_max: int = FILE_BYTES_MAX) -> None:
    """Write blocks into files of a folder."""
    number, size = 0, 0
    file = open_new(folder / f"blockfile_{number:06}", 0o644)
    try:
        for block in blocks:
            serialized = serialize_block(block)
            content = varint(len(serialized)) + serialized
            if size and size + len(content) > bytes_max:
                sync_file(file)
                file.close()
                number, size = number + 1, 0
                file = open_new(folder / f"blockfile_{number:06}", 0o644)
            file.write(content)
            size += len(content)
        sync_file(file)
    finally:
        file.close()


def serialize_block(block: common_pb2.Block) -> bytes:
    """Return a block in the form in which Fabric stores it."""
    header = block.header
    parts = [varint(header.number), _item(header.data_hash), _item(header.previous_hash)]
    for items in (block.data.data, block.metadata.metadata):
        parts.append(varint(len(items)))
        parts += [_item(item) for item in items]
    return b"".join(parts)


def _item(content: bytes) -> bytes:
    return varint(len(content)) + content


def _all_blocks(store: BlockStore, height: int, progress: Callable[[int, int], None]) -> Iterable[common_pb2.Block]:
    for start in range(0, height, BLOCKS_AT_ONCE):
        for number, content in store.blocks(start, min(start + BLOCKS_AT_ONCE, height)):
            yield parse_block(content)
            progress(number + 1, height)
