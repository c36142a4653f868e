"""The orderer's block file under arbitrary crashes and damage.

Aim: however the file was cut, opening gives exactly the blocks that were whole; whatever single byte was changed,
opening never gives a block that was not written, and never drops one that has another after it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from node.orderer.block_store import MAGIC, BlockStore
from node.orderer.errors import BlockStoreError

HEADER = 20
blocks_lists = st.lists(st.binary(min_size=1, max_size=1_500), min_size=1, max_size=5)


def written(path: Path, blocks: list[bytes]) -> bytes:
    """Write blocks and return the file's bytes."""
    store = BlockStore(path, lambda number, block: None)
    for block in blocks:
        store.append(store.height, block)
    store.close()
    return path.read_bytes()


def opened(path: Path) -> list[bytes]:
    """Open the file and return its blocks."""
    store = BlockStore(path, lambda number, block: None)
    try:
        return [store.read(number) for number in range(store.height)]
    finally:
        store.close()


@given(blocks_lists, st.data())
def test_file_cut_anywhere_gives_the_blocks_that_were_whole(blocks: list[bytes], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blocks"
        whole = written(path, blocks)
        size = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:size])
        ends = [len(MAGIC) + sum(HEADER + len(block) for block in blocks[: n + 1]) for n in range(len(blocks))]
        expected = [block for block, end in zip(blocks, ends, strict=True) if end <= size]
        assert opened(path) == expected
        written(path, [b"next"])
        assert opened(path) == [*expected, b"next"]


@given(blocks_lists, st.data())
def test_single_changed_byte_is_refused_or_costs_at_most_an_unfinished_last_block(
    blocks: list[bytes], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blocks"
        damaged = bytearray(written(path, blocks))
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(damaged)
        try:
            found = opened(path)
        except BlockStoreError:
            assert path.read_bytes() == damaged
            return
        assert found == blocks[:-1]
        assert any(not any(blocks[-1][at : at + 16]) for at in range(len(blocks[-1])))
