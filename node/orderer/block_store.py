"""Keeps one channel's blocks in one append-only file.

Rules
- ``append`` returns only after fdatasync: a block that was returned from is there after any crash.
- A write that fails leaves the file as it was, so that the next one may succeed (a full disk loses nothing). Where that
  cannot be said, because fdatasync failed or the rest cannot be cut off, nothing more is written until the file is
  opened anew: after a failed fdatasync the kernel forgets which pages the disk lacks, and a second one would lie.
- At opening every record is read and checked, and the last one written again, so that no block is read here which the
  disk does not have: a killed process leaves one that was never synced, a failed fdatasync pages that look clean.
- A torn last record, left by a crash in the middle of a write, is cut off and, where there is space, kept beside the
  file. Anything else that does not check is refused by name: never skipped, never cut; nor is what cannot be read.
- One process at a time: the file is locked for as long as it is open.

Format: 16 bytes of magic, then records: number u64, length u32, CRC-32 of the block u32, CRC-32 of these 16 bytes
u32 (big-endian), then the block as serialized ``common.Block``. The header has its own checksum because a damaged
length would otherwise look like a torn tail, and cutting there would drop blocks that were acknowledged.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import zlib
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from node.disk import sync
from node.orderer.errors import BlockStoreCorruptError, BlockStoreError, BlockStoreLockedError, BlockStoreWriteError

log = structlog.get_logger(__name__)

MAGIC = b"dwaybank blocks1"
BLOCK_BYTES_MAX = 2**31
_HEADER = struct.Struct(">QII")
_CHECKSUM = struct.Struct(">I")
_HEADER_BYTES = _HEADER.size + _CHECKSUM.size
_SECTOR_BYTES = 512

Check = Callable[[int, bytes], None]
"""Called with number and bytes of each block found at opening, in order; may raise to refuse the file."""


class BlockStore:
    """An open block file.

    Args:
        path: the file; it and its directory are created when absent.
        check: see ``Check``.
    Raises:
        BlockStoreCorruptError: a record does not check and is not a torn tail.
        BlockStoreLockedError: another process has the file open.
        BlockStoreError: the file cannot be opened or is not a block file.
    """

    def __init__(self, path: Path, check: Check) -> None:
        self.path = path
        self._ends = array("Q")
        self._fd = _open(path)
        self._failed = False
        try:
            self._end = self._recover(check)
        except OSError as error:
            os.close(self._fd)
            raise BlockStoreError(
                f"{path}: cannot be read or made durable ({error.strerror}); no block in it was changed: free space on "
                "this file system, or mend the disk and restore this file: a backup, or `dwaybank rebuild-orderer`"
            ) from error
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def height(self) -> int:
        """Number of blocks stored; the next block has this number."""
        return len(self._ends)

    def append(self, number: int, block: bytes) -> None:
        """Write a block and make it durable.

        Args:
            number: must equal ``height``.
            block: serialized ``common.Block``.
        Raises:
            BlockStoreWriteError: the block is not stored; the file ends where it did.
            BlockStoreError: whether the disk has the block is unknown; the file must be opened anew.
        """
        assert number == self.height, f"block {number} appended at height {self.height}"
        assert 0 < len(block) < BLOCK_BYTES_MAX, f"block {number} of {len(block)} bytes"
        record = _record(number, block)
        if self._failed:
            raise BlockStoreError(f"{self.path}: takes no block before it is opened anew: an earlier write failed")
        try:
            _write_all(self._fd, record, self._end)
        except OSError as error:
            self._undo(number)
            raise BlockStoreWriteError(
                f"{self.path}: block {number} of {len(block)} bytes could not be written ({error.strerror}); "
                "free space on this file system or mend it, and ordering goes on by itself"
            ) from error
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise self._unknown(number, error) from error
        self._end += len(record)
        self._ends.append(self._end)

    def read(self, number: int) -> bytes:
        """Return a stored block.

        Raises:
            BlockStoreCorruptError: its bytes changed on disk since they were checked.
            BlockStoreError: the file cannot be read.
        """
        assert 0 <= number < self.height, f"block {number} read at height {self.height}"
        start = self._ends[number - 1] if number else len(MAGIC)
        try:
            record = _read_all(self._fd, self._ends[number] - start, start)
        except OSError as error:
            raise BlockStoreError(f"{self.path}: block {number} cannot be read ({error.strerror})") from error
        block = record[_HEADER_BYTES:]
        if len(record) < _HEADER_BYTES or _HEADER.unpack_from(record) != (number, len(block), zlib.crc32(block)):
            raise self._corrupt(start, f"block {number} has changed on disk")
        return block

    def close(self) -> None:
        """Release the file. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _recover(self, check: Check) -> int:
        size = os.fstat(self._fd).st_size
        if size < len(MAGIC):
            # Nothing can have been stored yet: the magic is durable before the first block is written.
            os.ftruncate(self._fd, 0)
            _write_all(self._fd, MAGIC, 0)
            _sync_with_directory(self._fd, self.path)
            return len(MAGIC)
        if os.pread(self._fd, len(MAGIC), 0) != MAGIC:
            raise BlockStoreError(f"{self.path}: not a block file of this version; move it away or restore a backup")
        position = len(MAGIC)
        last = b""
        while position < size:
            block = self._scan(position, size)
            if block is None:
                self._cut_tail(position, size)
                break
            check(self.height, block)
            last = block
            position += _HEADER_BYTES + len(block)
            self._ends.append(position)
        if last:
            _write_all(self._fd, _record(self.height - 1, last), position - _HEADER_BYTES - len(last))
            os.fdatasync(self._fd)
        return position

    def _scan(self, position: int, size: int) -> bytes | None:
        """Return the block recorded at ``position``, or None if the rest of the file is a torn write."""
        if position + _HEADER_BYTES > size:
            return None
        header = _read_all(self._fd, _HEADER_BYTES, position)
        number, length, checksum = _HEADER.unpack_from(header)
        if _CHECKSUM.unpack_from(header, _HEADER.size) != (zlib.crc32(header[: _HEADER.size]),):
            if _only_zeros(self._fd, position, size):
                return None  # the file was extended and nothing written yet
            raise self._corrupt(position, f"the header of block {self.height} is damaged")
        if number != self.height:
            raise self._corrupt(position, f"block {number} stands where block {self.height} belongs")
        start = position + _HEADER_BYTES
        if start + length > size:
            return None
        block = _read_all(self._fd, length, start)
        if zlib.crc32(block) == checksum:
            return block
        if start + length == size and _has_unwritten_sector(block, start):
            return None
        raise self._corrupt(position, f"the bytes of block {number} are damaged")

    def _cut_tail(self, position: int, size: int) -> None:
        torn = _read_all(self._fd, size - position, position)
        kept = self.path.with_name(f"{self.path.name}.torn-at-{position}")
        try:
            _keep(kept, torn)
            where = str(kept)
        except OSError as error:
            # A full disk is what tears records, and nobody was told of this one: the copy is for the curious.
            kept.unlink(missing_ok=True)
            where = f"nowhere: {error.strerror}"
        os.ftruncate(self._fd, position)
        _sync_with_directory(self._fd, self.path)
        log.warning("block_store.torn_tail_cut", file=str(self.path), height=self.height, bytes=len(torn), kept=where)

    def _undo(self, number: int) -> None:
        try:
            os.ftruncate(self._fd, self._end)
        except OSError as error:
            # A shorter block written over it would leave a rest behind it, which the next opening would refuse.
            raise self._unknown(number, error) from error

    def _unknown(self, number: int, error: OSError) -> BlockStoreError:
        self._failed = True
        return BlockStoreError(
            f"{self.path}: whether block {number} stands on the disk is unknown ({error.strerror}); mend the file "
            "system, and start again: the file is read anew then"
        )

    def _corrupt(self, position: int, reason: str) -> BlockStoreCorruptError:
        return BlockStoreCorruptError(
            f"{self.path}: at byte {position}, {reason}; blocks before it are whole. Nothing was changed: "
            "restore this file from a backup, or move it away and run `dwaybank rebuild-orderer`"
        )


def write_store(path: Path, blocks: Iterable[bytes]) -> None:
    """Write a whole block file, made durable at its end; one that is there is written over.

    Args:
        path: not where an orderer looks: half of it has no sign that it is half.
        blocks: serialized, from block 0 on.
    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(MAGIC)
        for number, block in enumerate(blocks):
            file.write(_record(number, block))
        file.flush()
        _sync_with_directory(file.fileno(), path)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BlockStoreError(f"{path}: cannot be opened ({error.strerror})") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise BlockStoreLockedError(f"{path}: another orderer process has this file open; stop it first") from error
    return fd


def _record(number: int, block: bytes) -> bytes:
    header = _HEADER.pack(number, len(block), zlib.crc32(block))
    return b"".join((header, _CHECKSUM.pack(zlib.crc32(header)), block))


def _write_all(fd: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, position)
        view, position = view[written:], position + written


def _read_all(fd: int, length: int, position: int) -> bytes:
    """Return what stands in the file, which is not shorter: a read ends early before a page that cannot be read, and
    beyond 2 GiB.

    Raises:
        OSError: it cannot be read.
    """
    pieces = []
    while length > 0:
        piece = os.pread(fd, length, position)
        if not piece:
            raise OSError(errno.EIO, "the file ends early")
        pieces.append(piece)
        length, position = length - len(piece), position + len(piece)
    return b"".join(pieces)


def _keep(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(fd, data, 0)
    finally:
        os.close(fd)


def _sync_with_directory(fd: int, path: Path) -> None:
    os.fsync(fd)
    # The folder may be new too, so its own entry must be durable as well.
    for folder in (path.parent, path.parent.parent):
        sync(folder)


def _only_zeros(fd: int, position: int, size: int) -> bool:
    while position < size:
        chunk = _read_all(fd, min(1 << 20, size - position), position)
        if chunk.count(0) != len(chunk):
            return False
        position += len(chunk)
    return True


def _has_unwritten_sector(block: bytes, start: int) -> bool:
    """Tell a torn write from damage: after a crash, sectors that did not reach the disk read as zeros.

    A few zeros at the end prove nothing, so a last piece shorter than 16 bytes is not judged; nor is the first, which
    shares its sector with the header, and the header was written.
    """
    first = -start % _SECTOR_BYTES
    for position in range(first, len(block), _SECTOR_BYTES):
        sector = block[position : position + _SECTOR_BYTES]
        if len(sector) >= 16 and not any(sector):
            return True
    return False
