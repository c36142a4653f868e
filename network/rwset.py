"""Read/write sets: what a simulated transaction saw and what it will change.

Rules kept here:

- the order is Fabric's, so that two peers simulating the same proposal produce equal bytes: namespaces, reads, writes,
  metadata writes and collections sorted by name or key, range queries in the order they were asked;
- private data appears in the public set only as SHA-256 of keys and values, plus the hash of the private set's bytes;
- a range query with more results than ``RANGE_DEGREE_MAX`` is kept as the top level of a hash tree.

Keys are ``str`` as on the wire; ``StateKey`` carries them as bytes, because the order of bytes is the order of state.
What transactions have is named tuples: every peer builds some for each, and a frozen dataclass takes four times as
long. Whoever may submit a transaction may put half a million of them into a MiB, valid or not: so equal parts are read
once, and no part costs more than it must.
Whether reads still hold is decided by ``node.peer.mvcc``.

Source: Fabric core/ledger/kvledger/txmgmt/rwsetutil/{rwset_builder,rwset_proto_util}.go; ledger/rwset/kvrwset.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from google.protobuf.message import DecodeError

from network.canonical import BYTES_MAX, REFUSED, fields, repeated, text
from network.errors import WireError
from network.messages import read_message

HASH_OF_NOTHING = hashlib.sha256(b"").digest()
"""A private write of this value hash deletes (FAB-18386)."""

CANONICAL_NAMESPACES_MAX = 32
"""More namespaces in one set are no contract's, but of somebody who wants them read twice."""

KNOWN_NAMESPACE_BYTES_MAX = 128
"""Largest that is remembered."""

_build = tuple.__new__
"""Makes a named tuple of its fields in half the time that its class takes."""


class Version(NamedTuple):
    """Where a value was written: the transaction's block and its position in it."""

    block: int
    tx: int


class StateKey(NamedTuple):
    """Address of one entry of the world state; sorts as Fabric's commit hash wants it."""

    namespace: str
    collection: str
    """Empty for public state."""
    key: bytes
    """UTF-8 of a public key, SHA-256 of a private one."""


class KvRead(NamedTuple):
    """One key read, with the version seen; ``None`` when the key did not exist."""

    key: str
    version: Version | None


class KvWrite(NamedTuple):
    """One key written or deleted."""

    key: str
    value: bytes
    is_delete: bool = False

    @property
    def deletes(self) -> bool:
        """Whether the key is gone afterwards: an empty value deletes as well (FAB-18386)."""
        return self.is_delete or not self.value


class KvMetadataWrite(NamedTuple):
    """The whole metadata of one key; no entries means that it is removed."""

    key: str
    entries: tuple[tuple[str, bytes], ...]


class MerkleSummary(NamedTuple):
    """Top level of the hash tree over a long range query's results."""

    max_degree: int
    max_level: int
    hashes: tuple[bytes, ...]


class RangeQuery(NamedTuple):
    """A range scan and what it returned: ``reads``, or ``summary``, or neither when nothing was found."""

    start_key: str
    end_key: str
    """The end asked for when ``exhausted``, else the last key the contract saw."""
    exhausted: bool
    reads: tuple[KvRead, ...] | None = None
    summary: MerkleSummary | None = None


class HashedRead(NamedTuple):
    """A private key read, by its hash."""

    key_hash: bytes
    version: Version | None


class HashedWrite(NamedTuple):
    """A private key written, deleted or purged, by its hash."""

    key_hash: bytes
    value_hash: bytes
    is_delete: bool = False
    is_purge: bool = False

    @property
    def deletes(self) -> bool:
        """Whether the key is gone afterwards; the hash of an empty value deletes as well (FAB-18386)."""
        return self.is_delete or not self.value_hash or self.value_hash == HASH_OF_NOTHING


class HashedMetadataWrite(NamedTuple):
    """The whole metadata of one private key."""

    key_hash: bytes
    entries: tuple[tuple[str, bytes], ...]


class HashedCollection(NamedTuple):
    """What a transaction did to one private collection, in hashes."""

    name: str
    reads: tuple[HashedRead, ...] = ()
    writes: tuple[HashedWrite, ...] = ()
    metadata_writes: tuple[HashedMetadataWrite, ...] = ()
    private_rwset_hash: bytes = b""


class NamespaceRwset(NamedTuple):
    """What a transaction read and wrote in one chaincode's namespace."""

    namespace: str
    reads: tuple[KvRead, ...] = ()
    range_queries: tuple[RangeQuery, ...] = ()
    writes: tuple[KvWrite, ...] = ()
    metadata_writes: tuple[KvMetadataWrite, ...] = ()
    collections: tuple[HashedCollection, ...] = ()

    @property
    def writes_anything(self) -> bool:
        """Whether the endorsement policy of this namespace must hold."""
        return bool(
            self.writes
            or self.metadata_writes
            or (self.collections and any(item.writes or item.metadata_writes for item in self.collections))
        )


class TxRwset(NamedTuple):
    """The public read/write set of one transaction."""

    namespaces: tuple[NamespaceRwset, ...] = ()


@dataclass(frozen=True, slots=True)
class PrivateCollectionRwset:
    """The writes of one private collection in the clear, and the exact bytes its hash was taken of."""

    namespace: str
    collection: str
    writes: tuple[KvWrite, ...]
    metadata_keys: tuple[str, ...]
    rwset_bytes: bytes


_Public = tuple[tuple[KvRead, ...], tuple[RangeQuery, ...], tuple[KvWrite, ...], tuple[KvMetadataWrite, ...]]
_Hashed = tuple[tuple[HashedRead, ...], tuple[HashedWrite, ...], tuple[HashedMetadataWrite, ...]]


def parse_rwset(results: bytes) -> TxRwset:
    """Return the read/write set in ``ChaincodeAction.results``.

    Raises:
        WireError: the bytes, or a set nested in them, do not parse.
    Source: rwsetutil/rwset_proto_util.go, FromProtoBytes.
    """
    with suppress(*REFUSED):
        return TxRwset(
            tuple(
                [
                    _known_namespace(item) if len(item) <= KNOWN_NAMESPACE_BYTES_MAX else _canonical_namespace(item)
                    for item in canonical_namespaces(results)
                ]
            )
        )
    message = _decode(rwset_pb2.TxReadWriteSet(), results, "TxReadWriteSet")
    return TxRwset(tuple(_namespaces_from(message.ns_rwset)))


def serialize_rwset(rwset: TxRwset) -> bytes:
    """Return the bytes Fabric's peers would produce for ``rwset``, in the order given."""
    message = rwset_pb2.TxReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
    for namespace in rwset.namespaces:
        item = message.ns_rwset.add(namespace=namespace.namespace)
        item.rwset = _kv_rwset(namespace).SerializeToString()
        for collection in namespace.collections:
            item.collection_hashed_rwset.add(
                collection_name=collection.name,
                hashed_rwset=_hashed_rwset(collection).SerializeToString(),
                pvt_rwset_hash=collection.private_rwset_hash,
            )
    return bytes(message.SerializeToString())


def parse_private_rwset(private: bytes) -> tuple[PrivateCollectionRwset, ...]:
    """Return the collections of a serialized ``TxPvtReadWriteSet``.

    Raises:
        WireError: the bytes do not parse.
    """
    message = _decode(rwset_pb2.TxPvtReadWriteSet(), private, "TxPvtReadWriteSet")
    collections = []
    for namespace in message.ns_pvt_rwset:
        for item in namespace.collection_pvt_rwset:
            kv = _decode(kv_rwset_pb2.KVRWSet(), item.rwset, f"KVRWSet of collection {item.collection_name!r}")
            collections.append(
                PrivateCollectionRwset(
                    namespace=namespace.namespace,
                    collection=item.collection_name,
                    writes=tuple(KvWrite(write.key, write.value, write.is_delete) for write in kv.writes),
                    metadata_keys=tuple(write.key for write in kv.metadata_writes),
                    rwset_bytes=item.rwset,
                )
            )
    return tuple(collections)


def serialize_private_kv_rwset(writes: Iterable[KvWrite], metadata_keys: Iterable[str]) -> bytes:
    """Return the bytes of one private collection's set, the ones its hash is taken of."""
    message = kv_rwset_pb2.KVRWSet()
    _fill_writes(message.writes, writes)
    for key in metadata_keys:
        message.metadata_writes.add(key=key)
    return bytes(message.SerializeToString())


def private_rwset_hash(rwset_bytes: bytes) -> bytes:
    """Return what the public set must carry as ``pvt_rwset_hash`` for these private bytes."""
    return hashlib.sha256(rwset_bytes).digest()


def key_hash(key: str) -> bytes:
    """Return the hash by which a private key is known in public."""
    return hashlib.sha256(key.encode()).digest()


def sorted_entries(metadata: Mapping[str, bytes]) -> tuple[tuple[str, bytes], ...]:
    """Return metadata entries in the order they are written to a set."""
    return tuple((name, metadata[name]) for name in sorted(metadata))


def serialize_metadata(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a key's metadata as it is kept in state.

    Source: Fabric core/ledger/kvledger/txmgmt/statemetadata/metadata.go.
    """
    message = kv_rwset_pb2.KVMetadataWrite()
    for name, value in entries:
        message.entries.add(name=name, value=value)
    return bytes(message.SerializeToString())


def parse_metadata(metadata: bytes | None) -> dict[str, bytes]:
    """Return the entries of a key's metadata as kept in state; empty for none.

    Raises:
        WireError: the bytes do not parse.
    """
    if not metadata:
        return {}
    message = _decode(kv_rwset_pb2.KVMetadataWrite(), metadata, "KVMetadataWrite")
    return {entry.name: entry.value for entry in message.entries}


def serialize_reads(reads: Iterable[KvRead]) -> bytes:
    """Return a ``QueryReads`` message: the leaf the hash tree of a range query is built from."""
    message = kv_rwset_pb2.QueryReads()
    _fill_reads(message.kv_reads, reads)
    return bytes(message.SerializeToString())


def _decode(message: Any, data: bytes, name: str) -> Any:
    try:
        return read_message(type(message), data)
    except DecodeError as error:
        raise WireError(f"{name}: the bytes do not parse") from error


def canonical_namespaces(results: bytes) -> list[bytes]:
    """Return the namespaces of a set, not yet read, or refuse the bytes as ``network.canonical`` does."""
    if len(results) > BYTES_MAX:
        raise ValueError("long: left to read_message")
    # The model of the data is 0, the one there is, and is not written.
    [namespaces] = repeated(results, b"\x12")
    if len(namespaces) > CANONICAL_NAMESPACES_MAX:
        raise ValueError("many: left to read_message, where equal ones cost little")
    return namespaces


@lru_cache(maxsize=64)
def _known_namespace(content: bytes) -> NamespaceRwset:
    """Return a small namespace; nearly every transaction has one like the last: the definition it was run by."""
    return _canonical_namespace(content)


def _canonical_namespace(content: bytes) -> NamespaceRwset:
    [name, *others], [rwset], collections = repeated(content, b"\x0a\x12\x1a")
    reads, queries, writes, metadata_writes = repeated(rwset, b"\x0a\x12\x1a\x22")
    if others or queries or metadata_writes or collections:
        raise ValueError("rare, and left to read_message")
    return _build(
        NamespaceRwset,
        (
            name.decode(),
            tuple([_canonical_read(item) for item in reads]),
            (),
            tuple([_canonical_write(item) for item in writes]),
            (),
            (),
        ),
    )


def _canonical_read(content: bytes) -> KvRead:
    key, version = fields(content, b"\x0a\x12")
    if version is not None:
        block, tx = fields(version, b"\x08\x10")
        version = _build(Version, (block or 0, tx or 0))
    return _build(KvRead, (text(key), version))


def _canonical_write(content: bytes) -> KvWrite:
    key, is_delete, value = fields(content, b"\x0a\x10\x1a")
    return _build(KvWrite, (text(key), value or b"", bool(is_delete)))


def _namespaces_from(items: Iterable[Any]) -> Iterator[NamespaceRwset]:
    public: dict[bytes, _Public] = {b"": ((), (), (), ())}
    hashed: dict[bytes, _Hashed] = {b"": ((), (), ())}
    for item in items:
        name, rwset = item.namespace, item.rwset
        if (parts := public.get(rwset)) is None:
            parts = public[rwset] = _public_parts(name, rwset)
        collections = item.collection_hashed_rwset
        yield _build(
            NamespaceRwset,
            (name, *parts, tuple([_collection_from(found, hashed) for found in collections]) if collections else ()),
        )


def _public_parts(namespace: str, rwset: bytes) -> _Public:
    try:
        kv = read_message(kv_rwset_pb2.KVRWSet, rwset)
    except DecodeError as error:
        raise WireError(f"KVRWSet of namespace {namespace!r}: the bytes do not parse") from error
    return (
        _reads_from(kv.reads),
        tuple([_range_query_from(query) for query in kv.range_queries_info]),
        tuple([_build(KvWrite, (write.key, write.value, write.is_delete)) for write in kv.writes]),
        tuple([_build(KvMetadataWrite, (write.key, _entries_from(write))) for write in kv.metadata_writes]),
    )


def _collection_from(item: Any, known: dict[bytes, _Hashed]) -> HashedCollection:
    name, rwset = item.collection_name, item.hashed_rwset
    if (parts := known.get(rwset)) is None:
        parts = known[rwset] = _hashed_parts(name, rwset)
    return _build(HashedCollection, (name, *parts, item.pvt_rwset_hash))


def _hashed_parts(collection: str, rwset: bytes) -> _Hashed:
    hashed = _decode(kv_rwset_pb2.HashedRWSet(), rwset, f"HashedRWSet of {collection!r}")
    return (
        tuple([_build(HashedRead, (read.key_hash, _version_from(read))) for read in hashed.hashed_reads]),
        tuple(
            [
                _build(HashedWrite, (write.key_hash, write.value_hash, write.is_delete, write.is_purge))
                for write in hashed.hashed_writes
            ]
        ),
        tuple(
            [_build(HashedMetadataWrite, (write.key_hash, _entries_from(write))) for write in hashed.metadata_writes]
        ),
    )


def _range_query_from(query: Any) -> RangeQuery:
    kind = query.WhichOneof("reads_info")
    reads = summary = None
    if kind == "raw_reads":
        reads = _reads_from(query.raw_reads.kv_reads)
    elif kind == "reads_merkle_hashes":
        found = query.reads_merkle_hashes
        summary = MerkleSummary(found.max_degree, found.max_level, tuple(found.max_level_hashes))
    return _build(RangeQuery, (query.start_key, query.end_key, query.itr_exhausted, reads, summary))


def _reads_from(reads: Any) -> tuple[KvRead, ...]:
    return tuple([_build(KvRead, (read.key, _version_from(read))) for read in reads])


def _version_from(read: Any) -> Version | None:
    if not read.HasField("version"):
        return None
    version = read.version
    return _build(Version, (version.block_num, version.tx_num))


def _entries_from(write: Any) -> tuple[tuple[str, bytes], ...]:
    return tuple([(entry.name, entry.value) for entry in entries]) if (entries := write.entries) else ()


def _kv_rwset(namespace: NamespaceRwset) -> Any:
    message = kv_rwset_pb2.KVRWSet()
    _fill_reads(message.reads, namespace.reads)
    for query in namespace.range_queries:
        _fill_range_query(message.range_queries_info.add(), query)
    _fill_writes(message.writes, namespace.writes)
    for write in namespace.metadata_writes:
        _fill_entries(message.metadata_writes.add(key=write.key), write.entries)
    return message


def _hashed_rwset(collection: HashedCollection) -> Any:
    message = kv_rwset_pb2.HashedRWSet()
    for read in collection.reads:
        _set_version(message.hashed_reads.add(key_hash=read.key_hash), read.version)
    for write in collection.writes:
        message.hashed_writes.add(
            key_hash=write.key_hash, value_hash=write.value_hash, is_delete=write.is_delete, is_purge=write.is_purge
        )
    for metadata_write in collection.metadata_writes:
        _fill_entries(message.metadata_writes.add(key_hash=metadata_write.key_hash), metadata_write.entries)
    return message


def _fill_range_query(message: Any, query: RangeQuery) -> None:
    message.start_key = query.start_key
    message.end_key = query.end_key
    message.itr_exhausted = query.exhausted
    if query.summary is not None:
        message.reads_merkle_hashes.max_degree = query.summary.max_degree
        message.reads_merkle_hashes.max_level = query.summary.max_level
        message.reads_merkle_hashes.max_level_hashes.extend(query.summary.hashes)
        message.reads_merkle_hashes.SetInParent()
    elif query.reads is not None:
        _fill_reads(message.raw_reads.kv_reads, query.reads)
        message.raw_reads.SetInParent()


def _fill_reads(field: Any, reads: Iterable[KvRead]) -> None:
    for read in reads:
        _set_version(field.add(key=read.key), read.version)


def _fill_writes(field: Any, writes: Iterable[KvWrite]) -> None:
    for write in writes:
        field.add(key=write.key, is_delete=write.is_delete, value=write.value)


def _fill_entries(message: Any, entries: Iterable[tuple[str, bytes]]) -> None:
    for name, value in entries:
        message.entries.add(name=name, value=value)


def _set_version(message: Any, version: Version | None) -> None:
    if version is not None:
        message.version.block_num, message.version.tx_num = version
        # Version (0, 0) has no field to write, but it is not the same as no version.
        message.version.SetInParent()
