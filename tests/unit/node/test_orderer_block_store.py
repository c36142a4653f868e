"""The orderer's block file: what was appended is there, what was torn is cut, what is damaged is refused.

Method: real files; crashes are imitated by cutting, zeroing or changing bytes at every place that matters; a full disk
by the process's own file size limit, which makes the kernel refuse the write half-way, as a full disk does; a disk that
fails by system calls that answer what the kernel answers then.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.orderer.block_store import MAGIC, BlockStore
from node.orderer.errors import BlockStoreCorruptError, BlockStoreError, BlockStoreLockedError, BlockStoreWriteError

HEADER = 20
BLOCKS = [os.urandom(3_000), os.urandom(700), os.urandom(5_000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "channel" / "blocks"


def accept(number: int, block: bytes) -> None:
    """Check nothing."""


def write(path: Path, blocks: list[bytes]) -> None:
    store = BlockStore(path, accept)
    for block in blocks:
        store.append(store.height, block)
    store.close()


def read(path: Path) -> list[bytes]:
    store = BlockStore(path, accept)
    try:
        return [store.read(number) for number in range(store.height)]
    finally:
        store.close()


def start_of(number: int) -> int:
    return len(MAGIC) + sum(HEADER + len(block) for block in BLOCKS[:number])


def test_blocks_are_read_back_after_reopening_and_checked_in_order(path: Path) -> None:
    write(path, BLOCKS)
    seen: list[tuple[int, bytes]] = []
    BlockStore(path, lambda number, block: seen.append((number, block))).close()
    assert seen == list(enumerate(BLOCKS))
    assert read(path) == BLOCKS


def test_file_torn_at_any_byte_of_the_last_record_keeps_the_blocks_before(path: Path) -> None:
    write(path, BLOCKS)
    whole = path.read_bytes()
    for size in [*range(start_of(2), start_of(2) + 40), len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert read(path) == BLOCKS[:2], f"torn at {size}"
        assert path.stat().st_size == start_of(2)


def test_torn_bytes_are_kept_beside_the_file(path: Path) -> None:
    write(path, BLOCKS)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    read(path)
    assert path.with_name(f"blocks.torn-at-{start_of(2)}").read_bytes() == whole[start_of(2) : -100]


def test_block_written_after_a_torn_tail_takes_its_place(path: Path) -> None:
    write(path, BLOCKS)
    path.write_bytes(path.read_bytes()[:-1])
    store = BlockStore(path, accept)
    store.append(2, b"another")
    store.close()
    assert read(path) == [*BLOCKS[:2], b"another"]


def test_file_extended_with_zeros_by_a_crash_keeps_the_blocks_before(path: Path) -> None:
    write(path, BLOCKS)
    path.write_bytes(path.read_bytes() + bytes(5_000))
    assert read(path) == BLOCKS


def test_last_record_with_a_sector_that_never_reached_the_disk_is_cut(path: Path) -> None:
    write(path, BLOCKS)
    data = bytearray(path.read_bytes())
    sector = -(-(start_of(2) + HEADER + 1_000) // 512) * 512
    data[sector : sector + 512] = bytes(512)
    path.write_bytes(data)
    assert read(path) == BLOCKS[:2]


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("place", ["number", "length", "block checksum", "header checksum", "block"])
def test_flipped_bit_is_refused_by_name_and_changes_nothing(path: Path, number: int, place: str) -> None:
    write(path, BLOCKS)
    offset = {"number": 7, "length": 8, "block checksum": 12, "header checksum": 16, "block": HEADER + 350}[place]
    data = bytearray(path.read_bytes())
    data[start_of(number) + offset] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(BlockStoreCorruptError, match=rf"at byte {start_of(number)}, .*block {number} "):
        BlockStore(path, accept)
    assert path.read_bytes() == data


def test_block_missing_from_the_middle_is_refused(path: Path) -> None:
    write(path, BLOCKS)
    data = path.read_bytes()
    path.write_bytes(data[: start_of(1)] + data[start_of(2) :])
    with pytest.raises(BlockStoreCorruptError, match="block 2 stands where block 1 belongs"):
        BlockStore(path, accept)


def test_block_changed_while_the_store_is_open_is_not_read(path: Path) -> None:
    store = BlockStore(path, accept)
    store.append(0, BLOCKS[0])
    with path.open("r+b") as file:
        file.seek(start_of(0) + HEADER + 5)
        file.write(b"\x00\x01")
    with pytest.raises(BlockStoreCorruptError, match="block 0 has changed on disk"):
        store.read(0)
    store.close()


def test_foreign_file_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else entirely")
    with pytest.raises(BlockStoreError, match="not a block file"):
        BlockStore(path, accept)
    assert path.read_bytes() == b"something else entirely"


def test_file_created_but_not_begun_is_begun(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(MAGIC[:7])
    write(path, BLOCKS)
    assert read(path) == BLOCKS


def test_second_process_is_refused_while_the_first_has_the_file(path: Path) -> None:
    store = BlockStore(path, accept)
    with pytest.raises(BlockStoreLockedError, match="another orderer process"):
        BlockStore(path, accept)
    store.close()
    BlockStore(path, accept).close()


def test_check_that_raises_closes_the_file(path: Path) -> None:
    write(path, BLOCKS)

    def refuse(number: int, block: bytes) -> None:
        raise BlockStoreError(f"block {number} is not wanted")

    with pytest.raises(BlockStoreError, match="block 0 is not wanted"):
        BlockStore(path, refuse)
    assert read(path) == BLOCKS


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_loses_nothing_and_the_next_append_succeeds_when_there_is_space(path: Path) -> None:
    store = BlockStore(path, accept)
    store.append(0, BLOCKS[0])
    with full_disk(start_of(1) + 100), pytest.raises(BlockStoreWriteError, match="block 1 of 700 bytes"):
        store.append(1, BLOCKS[1])
    assert store.height == 1
    assert path.stat().st_size == start_of(1)
    store.append(1, BLOCKS[1])
    store.close()
    assert read(path) == BLOCKS[:2]


def test_disk_too_full_to_keep_a_torn_tail_stops_no_start(path: Path) -> None:
    write(path, [*BLOCKS[:2], os.urandom(50_000)])
    path.write_bytes(path.read_bytes()[:-1])
    with full_disk(start_of(2)):
        assert read(path) == BLOCKS[:2]
    assert [file.name for file in path.parent.iterdir()] == ["blocks"]


def test_disk_too_full_to_begin_a_file_is_named(path: Path) -> None:
    with full_disk(5), pytest.raises(BlockStoreError, match=r"blocks: cannot be read or made durable \(File too"):
        BlockStore(path, accept)
    write(path, BLOCKS)
    assert read(path) == BLOCKS


def unreadable_from(monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    """Let no byte be read from ``bad`` on: a read across it ends early, the next one fails, as over a bad page."""
    pread = os.pread

    def failing(fd: int, length: int, position: int) -> bytes:
        if position >= bad and length:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(fd, min(length, bad - position), position)

    monkeypatch.setattr("os.pread", failing)


@pytest.mark.parametrize("inside", [7, HEADER, HEADER + 350])
@pytest.mark.parametrize("number", [1, 2])
def test_block_that_cannot_be_read_is_no_torn_tail(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, inside: int
) -> None:
    write(path, [BLOCKS[0], bytes(700), bytes(5_000)])
    whole = path.read_bytes()
    with monkeypatch.context() as patch:
        unreadable_from(patch, start_of(number) + inside)
        with pytest.raises(BlockStoreError, match=r"blocks: cannot be read .*\(Input/output error\)"):
            BlockStore(path, accept)
    assert path.read_bytes() == whole


def test_block_that_cannot_be_read_later_is_no_changed_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, BLOCKS)
    store = BlockStore(path, accept)
    unreadable_from(monkeypatch, start_of(1) + 100)
    with pytest.raises(BlockStoreError, match=r"block 1 cannot be read \(Input/output error\)"):
        store.read(1)
    store.close()


def refuse(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_failed_sync_stops_the_store_until_it_is_opened_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, BLOCKS[:1])
    store = BlockStore(path, accept)
    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", refuse)
        with pytest.raises(BlockStoreError, match="whether block 1 stands on the disk is unknown") as raised:
            store.append(1, BLOCKS[1])
    assert not isinstance(raised.value, BlockStoreWriteError)
    with pytest.raises(BlockStoreError, match="takes no block before it is opened anew"):
        store.append(1, BLOCKS[1])
    assert store.height == 1
    store.close()
    assert read(path) == BLOCKS[:2]


def test_rest_that_cannot_be_cut_off_stops_the_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, BLOCKS[:1])
    store = BlockStore(path, accept)
    with monkeypatch.context() as patch, full_disk(start_of(1) + 600):
        patch.setattr("os.ftruncate", refuse)
        with pytest.raises(BlockStoreError, match="whether block 1 stands on the disk is unknown"):
            store.append(1, BLOCKS[2])
    with pytest.raises(BlockStoreError, match="takes no block before it is opened anew"):
        store.append(1, b"a shorter one, with the rest of the other behind it")
    store.close()
    assert read(path) == BLOCKS[:1]


def test_last_block_is_on_the_disk_before_it_is_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wrote it may have been killed before it was synced, or told that syncing failed."""
    write(path, BLOCKS)
    calls: list[tuple[int, bytes] | str] = []
    pwrite, fdatasync = os.pwrite, os.fdatasync

    def written(fd: int, data: memoryview, position: int) -> int:
        calls.append((position, bytes(data)))
        return pwrite(fd, data, position)

    def synced(fd: int) -> None:
        calls.append("synced")
        fdatasync(fd)

    whole = path.read_bytes()
    monkeypatch.setattr("os.pwrite", written)
    monkeypatch.setattr("os.fdatasync", synced)
    BlockStore(path, accept).close()
    assert calls == [(start_of(2), whole[start_of(2) :]), "synced"]
    assert path.read_bytes() == whole
    monkeypatch.setattr("os.fdatasync", refuse)
    with pytest.raises(BlockStoreError, match="cannot be read or made durable"):
        BlockStore(path, accept)
