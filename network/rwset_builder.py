"""Builds the read/write set of one simulation, in Fabric's order.

The last write of a key stands; the first read of a key stands (a version cannot change within one simulation). A
private write enters three places: the private set in the clear, the public set as hashes, and the hash of the private
set's bytes.

Source: Fabric core/ledger/kvledger/txmgmt/rwsetutil/rwset_builder.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from fabric_protos.ledger.rwset import rwset_pb2

from network.rwset import (
    HashedCollection,
    HashedMetadataWrite,
    HashedRead,
    HashedWrite,
    KvMetadataWrite,
    KvRead,
    KvWrite,
    NamespaceRwset,
    RangeQuery,
    TxRwset,
    Version,
    key_hash,
    serialize_private_kv_rwset,
    serialize_rwset,
    sorted_entries,
)

T = TypeVar("T")


class SimulationResults(NamedTuple):
    """What a simulation leaves behind."""

    public: bytes
    """``TxReadWriteSet``, for ``ChaincodeAction.results``."""
    private: bytes
    """``TxPvtReadWriteSet`` for the members of the collections; empty when nothing private was written."""


@dataclass(slots=True)
class _Collection:
    reads: dict[str, HashedRead] = field(default_factory=dict)
    hashed_writes: dict[str, HashedWrite] = field(default_factory=dict)
    hashed_metadata: dict[str, HashedMetadataWrite] = field(default_factory=dict)
    writes: dict[str, KvWrite] = field(default_factory=dict)

    def private_bytes(self) -> bytes | None:
        if not self.writes and not self.hashed_metadata:
            return None
        return serialize_private_kv_rwset(_by_key(self.writes), sorted(self.hashed_metadata))

    def build(self, name: str) -> HashedCollection:
        private = self.private_bytes()
        return HashedCollection(
            name=name,
            reads=_by_key(self.reads),
            writes=_by_key(self.hashed_writes),
            metadata_writes=_by_key(self.hashed_metadata),
            private_rwset_hash=b"" if private is None else hashlib.sha256(private).digest(),
        )


@dataclass(slots=True)
class _Namespace:
    reads: dict[str, KvRead] = field(default_factory=dict)
    writes: dict[str, KvWrite] = field(default_factory=dict)
    metadata: dict[str, KvMetadataWrite] = field(default_factory=dict)
    range_queries: dict[tuple[str, str, bool], RangeQuery] = field(default_factory=dict)
    collections: dict[str, _Collection] = field(default_factory=dict)

    def build(self, name: str) -> NamespaceRwset:
        return NamespaceRwset(
            namespace=name,
            reads=_by_key(self.reads),
            range_queries=tuple(self.range_queries.values()),
            writes=_by_key(self.writes),
            metadata_writes=_by_key(self.metadata),
            collections=tuple(self.collections[item].build(item) for item in sorted(self.collections)),
        )


class RwsetBuilder:
    """Collects what one simulation reads and writes."""

    def __init__(self) -> None:
        self._namespaces: dict[str, _Namespace] = {}

    def add_read(self, namespace: str, key: str, version: Version | None) -> None:
        """Record that ``key`` was read at ``version``; ``None`` when it does not exist."""
        self._namespace(namespace).reads.setdefault(key, KvRead(key, version))

    def add_write(self, namespace: str, key: str, value: bytes) -> None:
        """Record a write; an empty value deletes."""
        self._namespace(namespace).writes[key] = KvWrite(key, value, is_delete=not value)

    def add_metadata(self, namespace: str, key: str, metadata: Mapping[str, bytes]) -> None:
        """Record the whole new metadata of ``key``; empty removes it."""
        self._namespace(namespace).metadata[key] = KvMetadataWrite(key, sorted_entries(metadata))

    def add_range_query(self, namespace: str, query: RangeQuery) -> None:
        """Record a range scan; the same scan asked twice is recorded once."""
        identity = (query.start_key, query.end_key, query.exhausted)
        self._namespace(namespace).range_queries.setdefault(identity, query)

    def add_private_read(self, namespace: str, collection: str, key: str, version: Version | None) -> None:
        """Record that a private key, or its hash, was read."""
        self._collection(namespace, collection).reads.setdefault(key, HashedRead(key_hash(key), version))

    def add_private_write(self, namespace: str, collection: str, key: str, value: bytes) -> None:
        """Record a private write; an empty value deletes."""
        target = self._collection(namespace, collection)
        target.writes[key] = KvWrite(key, value, is_delete=not value)
        value_hash = hashlib.sha256(value).digest() if value else b""
        target.hashed_writes[key] = HashedWrite(key_hash(key), value_hash, is_delete=not value)

    def add_private_purge(self, namespace: str, collection: str, key: str) -> None:
        """Record that a private key and all its history are to be erased."""
        target = self._collection(namespace, collection)
        target.writes[key] = KvWrite(key, b"", is_delete=True)
        target.hashed_writes[key] = HashedWrite(key_hash(key), b"", is_delete=True, is_purge=True)

    def add_private_metadata(self, namespace: str, collection: str, key: str, metadata: Mapping[str, bytes]) -> None:
        """Record the whole new metadata of a private key."""
        target = self._collection(namespace, collection)
        target.hashed_metadata[key] = HashedMetadataWrite(key_hash(key), sorted_entries(metadata))

    def rwset(self) -> TxRwset:
        """Return the public set gathered so far."""
        return TxRwset(tuple(self._namespaces[name].build(name) for name in sorted(self._namespaces)))

    def build(self) -> SimulationResults:
        """Return the bytes of the public and the private set."""
        return SimulationResults(serialize_rwset(self.rwset()), self._private_set())

    def _private_set(self) -> bytes:
        if not any(namespace.collections for namespace in self._namespaces.values()):
            return b""
        message = rwset_pb2.TxPvtReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
        for name in sorted(self._namespaces):
            sets = {
                collection: private
                for collection, target in sorted(self._namespaces[name].collections.items())
                if (private := target.private_bytes()) is not None
            }
            if sets:
                item = message.ns_pvt_rwset.add(namespace=name)
                for collection, private in sets.items():
                    item.collection_pvt_rwset.add(collection_name=collection, rwset=private)
        return bytes(message.SerializeToString()) if message.ns_pvt_rwset else b""

    def _namespace(self, name: str) -> _Namespace:
        found = self._namespaces.get(name)
        if found is None:
            found = self._namespaces[name] = _Namespace()
        return found

    def _collection(self, namespace: str, name: str) -> _Collection:
        return self._namespace(namespace).collections.setdefault(name, _Collection())


def _by_key(items: Mapping[str, T]) -> tuple[T, ...]:
    return tuple([items[key] for key in sorted(items)]) if len(items) > 1 else tuple(items.values())
