"""The files of a ledger snapshot, as Fabric's peers write and read them.

A folder holds pairs of files, each left out where it would hold nothing, and two JSON files:

    public_state.{data,metadata}            records of the public state, in the order of namespace and key
    private_state_hashes.{data,metadata}    the same of the hashes of private data
    txids.{data,metadata}                   every transaction id once, shorter ids first
    confighistory.{data,metadata}           private data collections of every chaincode, as they changed
    _snapshot_signable_metadata.json        channel, last block, SHA-256 of each file above
    _snapshot_additional_metadata.json      SHA-256 of that file, and the last block's commit hash

A data file is a format byte and then items, each with its length before it; all numbers are varints. Every peer of a
channel makes the same bytes at the same block, so the hash in the last file stands for the whole ledger.

Source: Fabric 3.1 common/ledger/snapshot/file.go, core/ledger/kvledger/snapshot.go,
core/ledger/kvledger/txmgmt/privacyenabledstate/snapshot.go, core/ledger/confighistory/{mgr,db_helper}.go.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from network.block import version_bytes
from network.messages import varint
from network.rwset import Version
from node.peer.errors import SnapshotError

FORMAT = b"\x01"
"""First byte of every data and metadata file."""

SIGNABLE_NAME = "_snapshot_signable_metadata.json"
ADDITIONAL_NAME = "_snapshot_additional_metadata.json"

PUBLIC_STATE = "public_state"
PRIVATE_HASHES = "private_state_hashes"
TX_IDS = "txids"
CONFIG_HISTORY = "confighistory"

KEY_VALUE_STATE = "SimpleKeyValueDB"
"""Kind of state database that Fabric's name for LevelDB is, and whose bytes ours are; CouchDB's differ."""

CONFIG_KEY = b"CHANNEL_CONFIG_ENV_BYTES"
"""Key of the channel's configuration, in the namespace without a name."""

HASHES_MARK = "$$h"
"""Stands between chaincode and collection in the name of a namespace of hashes."""

ITEM_BYTES_MAX = 512 * 1024 * 1024
"""No item is larger; a damaged length must not take all memory."""

_READ_BYTES = 1024 * 1024
_BLOCK_NUMBER_MAX = 2**64 - 1


@dataclass(frozen=True, slots=True)
class StateRecord:
    """One key of the state."""

    key: bytes
    value: bytes
    metadata: bytes
    version: Version

    def encode(self) -> bytes:
        """Return the record in its wire form (``SnapshotRecord``)."""
        fields = (self.key, self.value, self.metadata, version_bytes(self.version))
        return b"".join(
            bytes([number << 3 | 2]) + varint(len(content)) + content
            for number, content in enumerate(fields, 1)
            if content
        )

    @classmethod
    def decode(cls, content: bytes) -> StateRecord:
        """Return a record by its wire form.

        Raises:
            SnapshotError: it has another form.
        """
        fields: dict[int, bytes] = {}
        position = 0
        while position < len(content):
            number, kind = content[position] >> 3, content[position] & 7
            length, position = _varint_at(content, position + 1)
            if kind != 2 or number not in (1, 2, 3, 4) or position + length > len(content):
                raise SnapshotError(f"a record of the state is damaged: {content[:40].hex()}...")
            fields[number] = content[position : position + length]
            position += length
        return cls(fields.get(1, b""), fields.get(2, b""), fields.get(3, b""), _version(fields.get(4, b"")))


@dataclass(frozen=True, slots=True)
class SnapshotMetadata:
    """What a snapshot says of itself.

    Args:
        channel_id: channel.
        last_block: number of the last block whose effects it holds.
        last_block_hash: hash of that block's header.
        previous_block_hash: hash of the header before.
        files: SHA-256 of each file.
        commit_hash: commit hash of the last block.
    """

    channel_id: str
    last_block: int
    last_block_hash: bytes
    previous_block_hash: bytes
    files: Mapping[str, bytes]
    commit_hash: bytes

    def write(self, folder: Path) -> None:
        """Write both JSON files."""
        signable = _json(
            {
                "channel_name": self.channel_id,
                "last_block_number": self.last_block,
                "last_block_hash": self.last_block_hash.hex(),
                "previous_block_hash": self.previous_block_hash.hex(),
                "snapshot_files_raw_hashes": {name: self.files[name].hex() for name in sorted(self.files)},
                "state_db_type": KEY_VALUE_STATE,
            }
        )
        additional = _json(
            {
                "snapshot_hash": hashlib.sha256(signable).hexdigest(),
                "last_block_commit_hash": self.commit_hash.hex(),
            }
        )
        for name, content in ((SIGNABLE_NAME, signable), (ADDITIONAL_NAME, additional)):
            with open_new(folder / name) as file:
                file.write(content)
                sync_file(file)

    @classmethod
    def read(cls, folder: Path) -> SnapshotMetadata:
        """Read both JSON files, the first of which must have the hash that the second names.

        Raises:
            SnapshotError: naming the file, and what is wrong with it.
        """
        content = _read(folder / SIGNABLE_NAME)
        additional = _parse(folder / ADDITIONAL_NAME, _read(folder / ADDITIONAL_NAME))
        actual = hashlib.sha256(content).hexdigest()
        if additional.get("snapshot_hash") != actual:
            raise SnapshotError(
                f"hash mismatch for file [{SIGNABLE_NAME}]. Expected hash = [{additional.get('snapshot_hash')}], "
                f"Actual hash = [{actual}]"
            )
        signable = _parse(folder / SIGNABLE_NAME, content)
        if signable.get("state_db_type") != KEY_VALUE_STATE:
            raise SnapshotError(
                f"snapshot {folder}: its state database is {signable.get('state_db_type')!r}; only "
                f"{KEY_VALUE_STATE!r} can be read: take the snapshot at a peer with LevelDB, or at one of ours"
            )
        try:
            return cls(
                channel_id=str(signable["channel_name"]),
                last_block=_block_number(signable["last_block_number"]),
                last_block_hash=_hash(signable, "last_block_hash"),
                previous_block_hash=bytes.fromhex(signable["previous_block_hash"]),
                files={name: bytes.fromhex(text) for name, text in signable["snapshot_files_raw_hashes"].items()},
                commit_hash=bytes.fromhex(additional["last_block_commit_hash"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SnapshotError(f"snapshot {folder}: its metadata is incomplete or damaged: {error}") from error

    def verify_files(self, folder: Path) -> None:
        """Hash every file of the snapshot and compare.

        Raises:
            SnapshotError: a file is missing, cannot be read or differs.
        """
        for name, expected in self.files.items():
            if Path(name).name != name:
                raise SnapshotError(f"snapshot {folder}: {name!r} is not the name of a file of it")
            try:
                with (folder / name).open("rb") as file:
                    actual = hashlib.file_digest(file, "sha256").digest()
            except OSError as error:
                raise SnapshotError(f"file {folder / name} cannot be read: {error.strerror}") from error
            if actual != expected:
                raise SnapshotError(
                    f"hash mismatch for file [{name}]. Expected hash = [{expected.hex()}], "
                    f"Actual hash = [{actual.hex()}]"
                )


class ItemWriter:
    """Writes one file of a snapshot and hashes it on the way."""

    def __init__(self, path: Path) -> None:
        self._file = open_new(path)
        self._hash = hashlib.sha256()
        self._write(FORMAT)

    def item(self, content: bytes) -> None:
        """Append an item with its length."""
        self._write(varint(len(content)) + content)

    def number(self, value: int) -> None:
        """Append a number."""
        self._write(varint(value))

    def done(self) -> bytes:
        """Bring the file to the disk, close it and return its SHA-256."""
        sync_file(self._file)
        self._file.close()
        return self._hash.digest()

    def close(self) -> None:
        """Close a file that is given up."""
        self._file.close()

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._hash.update(content)


class ItemReader:
    """Reads one file of a snapshot, whose hash was compared before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb", buffering=_READ_BYTES)
        except OSError as error:
            raise SnapshotError(f"file {path} cannot be read: {error.strerror}") from error
        if self._file.read(1) != FORMAT:
            self._file.close()
            raise SnapshotError(f"file {path} has another format than 1")

    def number(self) -> int:
        """Return the next number."""
        value = shift = 0
        while True:
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise SnapshotError(f"file {self._path}: a number has more than 64 bits")

    def item(self) -> bytes:
        """Return the next item."""
        length = self.number()
        if length > ITEM_BYTES_MAX:
            raise SnapshotError(f"file {self._path}: an item of {length} bytes; at most {ITEM_BYTES_MAX} are read")
        return self._take(length)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take(self, length: int) -> bytes:
        content = self._file.read(length)
        if len(content) < length:
            raise SnapshotError(f"file {self._path} ends too early")
        return content


def read_records(folder: Path, base: str) -> Iterator[tuple[str, StateRecord]]:
    """Give the records of a pair of state files with their namespaces; nothing where the pair is not there.

    Raises:
        SnapshotError: a file is damaged.
    """
    with _opened(folder, base) as files:
        for counts, data in files:
            for _ in range(counts.number()):
                namespace = _text(counts.item())
                for _ in range(counts.number()):
                    yield namespace, StateRecord.decode(data.item())


def read_items(folder: Path, base: str, parts: int) -> Iterator[tuple[bytes, ...]]:
    """Give the items of a pair of files whose metadata is their number, so many at a time."""
    with _opened(folder, base) as files:
        for counts, data in files:
            for _ in range(counts.number()):
                yield tuple(data.item() for _ in range(parts))


@contextmanager
def _opened(folder: Path, base: str) -> Iterator[list[tuple[ItemReader, ItemReader]]]:
    """Open a pair of files, metadata and data; none where they are not there."""
    if not (folder / f"{base}.data").exists():
        yield []
        return
    with (
        closing(ItemReader(folder / f"{base}.metadata")) as counts,
        closing(ItemReader(folder / f"{base}.data")) as data,
    ):
        yield [(counts, data)]


def collections_key(chaincode: str, block_number: int) -> bytes:
    """Return the key under which a chaincode's collections as of a block stand in the history of configurations."""
    return b"slscc\x00" + f"{chaincode}~collection".encode() + (_BLOCK_NUMBER_MAX - block_number).to_bytes(8, "big")


def parse_collections_key(key: bytes) -> tuple[str, int]:
    """Return chaincode and block of such a key.

    Raises:
        SnapshotError: it is none.
    """
    name = key[6:-8]
    if not key.startswith(b"slscc\x00") or not name.endswith(b"~collection"):
        raise SnapshotError(f"the history of collections has a key of another form: {key[:60].hex()}")
    return _text(name.removesuffix(b"~collection")), _BLOCK_NUMBER_MAX - int.from_bytes(key[-8:], "big")


def open_new(path: Path, mode: int = 0o444) -> BinaryIO:
    """Open a new file, which nobody may change once it is closed unless its mode says otherwise."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    return os.fdopen(descriptor, "wb", buffering=_READ_BYTES)


def sync_file(file: BinaryIO) -> None:
    """Bring what was written to a file to the disk."""
    file.flush()
    os.fsync(file.fileno())


def _varint_at(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(content) and shift <= 63:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
    raise SnapshotError("a record of the state ends within a number")


def _version(content: bytes) -> Version:
    numbers: list[int] = []
    while content and len(numbers) < 2:
        length = content[0]
        if length > 8 or len(content) <= length:
            break
        numbers.append(int.from_bytes(content[1 : 1 + length], "big"))
        content = content[1 + length :]
    if content or len(numbers) != 2:
        raise SnapshotError("a record of the state has no version of block and transaction")
    return Version(*numbers)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise SnapshotError(f"a name in the snapshot is not UTF-8: {content[:40].hex()}") from error


def _block_number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(f"last_block_number is {value!r}")
    return value


def _hash(found: Mapping[str, Any], name: str) -> bytes:
    value = bytes.fromhex(found[name])
    if len(value) != 32:
        raise ValueError(f"{name} has {len(value)} bytes instead of 32")
    return value


def _json(content: Mapping[str, object]) -> bytes:
    """Return JSON as Go's encoder indents it."""
    return json.dumps(content, indent=4, ensure_ascii=False).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SnapshotError(f"file {path} cannot be read: {error.strerror}") from error


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise SnapshotError(f"file {path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise SnapshotError(f"file {path} holds no JSON object")
    return found
