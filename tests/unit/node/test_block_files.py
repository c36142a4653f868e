"""Block files as Fabric's peers write them; Fabric's own reader is ``tests/interop/test_ledger_maintenance.py``'s."""

from __future__ import annotations

from pathlib import Path

from node.peer.maintenance.block_files import serialize_block, write_block_files
from tests.support.captured import captured


def parse_files(folder: Path) -> list[bytes]:
    """Take block files apart into the blocks they hold, as Fabric's reader does."""
    found = []
    for path in sorted(folder.iterdir()):
        content, position = path.read_bytes(), 0
        while position < len(content):
            length = shift = 0
            while True:
                byte = content[position]
                position += 1
                length |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            found.append(content[position : position + length])
            position += length
    return found


def test_block_files_hold_every_block_and_end_where_the_next_does_not_fit(tmp_path: Path) -> None:
    channel = captured("raft")
    blocks = [channel.block(number) for number in range(len(channel.blocks))]
    bytes_max = max(len(serialize_block(block)) for block in blocks) - 1
    write_block_files(tmp_path, blocks, bytes_max=bytes_max)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [f"blockfile_{number:06}" for number in range(len(files))]
    assert len(files) > 2
    sizes = [file.stat().st_size for file in files]
    assert all(size > 0 for size in sizes)
    assert len([size for size in sizes if size > bytes_max]) == 1, "only a block that is larger itself has no room"
    assert parse_files(tmp_path) == [serialize_block(block) for block in blocks]
