"""Writes one validated block with everything it changes, in one database transaction.

Either the block, its index, the world state, the history and the private values are all there after a crash, or none
of them; so a peer that starts again just goes on at its height. A block that is there already is not written twice.

Source: Fabric core/ledger/kvledger/kv_ledger.go, commit (which writes four stores one after another and repairs them at
start; one transaction needs no repair).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from fabric_protos.common import common_pb2

from network.block import UpdateBatch, is_config_block
from network.envelope import VALID, ParsedTransaction
from network.rwset import StateKey, Version
from node.peer.database import Connection, fetch, index_key, index_text, long_key
from node.peer.errors import StoreError
from node.peer.purge import expire_write_sets, purge_write_sets, remember_purges
from node.peer.state import Expiry

TRANSIENT_BLOCKS_MAX = 1000
"""Blocks after which an endorsed but never committed private write set is dropped (transientstoreMaxBlockRetention)."""


@dataclass(frozen=True, slots=True)
class PrivateSetId:
    """One collection's part of one committed transaction."""

    block: int
    tx_number: int
    namespace: str
    collection: str


@dataclass(frozen=True, slots=True)
class PrivateWrite:
    """A private value this organization may hold.

    Args:
        namespace: chaincode.
        collection: collection of it.
        key: in clear.
        value: new value; None when only its metadata changed, which gives the value there the new version.
        tx_number: position of the transaction in the block.
    """

    namespace: str
    collection: str
    key: bytes
    value: bytes | None
    tx_number: int


@dataclass(frozen=True, slots=True)
class PrivateUpdate:
    """What a block does to the private values this organization holds.

    Args:
        writes: values, the last write of each key.
        write_sets: the sets they came from, by transaction number, serialized ``TxPvtReadWriteSet``.
        missing: what it should have and lacks, with the hash it must have.
    """

    writes: Sequence[PrivateWrite] = ()
    write_sets: Mapping[int, bytes] = field(default_factory=dict)
    missing: Mapping[PrivateSetId, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ValidatedBlock:
    """A block whose outcome is decided.

    Args:
        block: with validation flags and commit hash in its metadata.
        header_hash: its header's hash.
        commit_hash: this peer's commit hash; empty for block 0.
        transactions: what its envelopes hold, in order.
        flags: validation code of each.
        updates: changes to public state and to hashes of private state.
        expiries: private hashes written here that a later block removes.
        private: values this organization may hold.
        purges: private keys to be erased with their history, and the transaction that asked for it.
    """

    block: common_pb2.Block
    header_hash: bytes
    commit_hash: bytes
    transactions: Sequence[ParsedTransaction]
    flags: bytes
    updates: UpdateBatch
    expiries: Sequence[Expiry] = ()
    private: PrivateUpdate = PrivateUpdate()
    purges: Mapping[StateKey, Version] = field(default_factory=dict)

    @property
    def touches_private(self) -> bool:
        """Whether anything private is written, deleted or set to expire."""
        private = self.private
        return bool(
            private.write_sets
            or private.missing
            or self.expiries
            or any(key.collection for key in self.updates.entries)
        )


def write_block(connection: Connection, channel_no: int, validated: ValidatedBlock, *, expire: bool = True) -> bytes:
    """Commit a block; it is durable when this returns.

    Args:
        expire: whether private hashes may be due; False spares the question on channels without them.
    Returns:
        the block as it is stored.
    Raises:
        StoreError: the database refused, or the block does not follow the last one there.
    """
    number = validated.block.header.number
    content: bytes = validated.block.SerializeToString()
    parameters = {"channel": channel_no, "block": number, "content": content}
    parameters |= _block_columns(validated) | _state_columns(validated.updates) | _history_columns(validated)
    try:
        if not (expire or validated.touches_private):
            # One statement is a database transaction of its own: one round trip, one flush.
            _write_public(connection, parameters)
            return content
        with connection.transaction():
            _write_public(connection, parameters)
            if validated.touches_private:
                _write_private(connection, channel_no, validated)
            expired = fetch(connection, "expire_private", {"channel": channel_no, "block": number})
            expire_write_sets(connection, channel_no, expired)
    except psycopg.Error as error:
        raise StoreError(f"block {number} could not be written: {error}") from error
    return content


def _write_public(connection: Connection, parameters: dict[str, Any]) -> None:
    written = fetch(connection, "commit_block", parameters)[0][0]
    if written != 1:
        raise StoreError(f"block {parameters['block']} does not follow the last block in the database")


def _write_private(connection: Connection, channel_no: int, validated: ValidatedBlock) -> None:
    number = validated.block.header.number
    puts = [write for write in validated.private.writes if write.value is not None]
    renewed = [write for write in validated.private.writes if write.value is None]
    deletes = [key for key, update in validated.updates.entries.items() if key.collection and update.value is None]
    parameters = {
        "channel": channel_no,
        "block": number,
        "set_txs": list(validated.private.write_sets),
        "set_contents": list(validated.private.write_sets.values()),
        "exp_blocks": [expiry.expiring_block for expiry in validated.expiries],
        "exp_namespaces": [index_text(expiry.key.namespace) for expiry in validated.expiries],
        "exp_collections": [index_text(expiry.key.collection) for expiry in validated.expiries],
        "exp_keys": [index_key(expiry.key.key) for expiry in validated.expiries],
        "put_long_keys": [long_key(write.key) for write in puts],
        "put_values": [write.value for write in puts],
        "del_namespaces": [index_text(key.namespace) for key in deletes],
        "del_collections": [index_text(key.collection) for key in deletes],
        "del_hashes": [key.key for key in deletes],
    }
    for prefix, writes in (("put", puts), ("new", renewed)):
        parameters[f"{prefix}_namespaces"] = [index_text(write.namespace) for write in writes]
        parameters[f"{prefix}_collections"] = [index_text(write.collection) for write in writes]
        parameters[f"{prefix}_keys"] = [index_key(write.key) for write in writes]
        parameters[f"{prefix}_txs"] = [write.tx_number for write in writes]
    fetch(connection, "commit_private", parameters)
    tx_ids = [index_text(transaction.tx_id) for transaction in validated.transactions]
    _write_missing(connection, channel_no, number, validated.private.missing)
    if validated.purges:
        remember_purges(connection, channel_no, number, validated.purges)
        purge_write_sets(connection, channel_no, number, validated.purges)
    fetch(connection, "purge_transient", (channel_no, tx_ids, number - TRANSIENT_BLOCKS_MAX))


def _write_missing(connection: Connection, channel_no: int, number: int, missing: Mapping[PrivateSetId, bytes]) -> None:
    if missing:
        parameters = {
            "channel": channel_no,
            "block": number,
            "txs": [item.tx_number for item in missing],
            "namespaces": [index_text(item.namespace) for item in missing],
            "collections": [index_text(item.collection) for item in missing],
            "hashes": list(missing.values()),
        }
        fetch(connection, "insert_missing_private", parameters)


def _block_columns(validated: ValidatedBlock) -> dict[str, Any]:
    return {
        "header_hash": validated.header_hash,
        "previous_hash": validated.block.header.previous_hash,
        "commit_hash": validated.commit_hash,
        "is_config": is_config_block(validated.block),
        "tx_ids": [index_text(transaction.tx_id) for transaction in validated.transactions],
        "codes": list(validated.flags),
        "types": [transaction.type for transaction in validated.transactions],
        "seconds": [transaction.claimed[0] for transaction in validated.transactions],
        "nanos": [transaction.claimed[1] for transaction in validated.transactions],
    }


def _state_columns(updates: UpdateBatch) -> dict[str, Any]:
    puts = [(key, update) for key, update in updates.entries.items() if update.value is not None]
    deletes = [key for key, update in updates.entries.items() if update.value is None]
    return {
        "put_namespaces": [index_text(key.namespace) for key, _ in puts],
        "put_collections": [index_text(key.collection) for key, _ in puts],
        "put_keys": [index_key(key.key) for key, _ in puts],
        "put_long_keys": [long_key(key.key) for key, _ in puts],
        "put_values": [update.value for _, update in puts],
        "put_metadata": [update.metadata for _, update in puts],
        "put_txs": [update.version.tx for _, update in puts],
        "del_namespaces": [index_text(key.namespace) for key in deletes],
        "del_collections": [index_text(key.collection) for key in deletes],
        "del_keys": [index_key(key.key) for key in deletes],
    }


def _history_columns(validated: ValidatedBlock) -> dict[str, Any]:
    # By key, because nothing keeps a transaction from listing one key twice; its last write stands.
    rows = {
        (index_text(namespace.namespace), index_key(write.key.encode()), number): write
        for number, transaction in _valid(validated)
        for namespace in transaction.rwset.namespaces
        for write in namespace.writes
    }
    return {
        "his_namespaces": [namespace for namespace, _, _ in rows],
        "his_keys": [key for _, key, _ in rows],
        "his_txs": [number for _, _, number in rows],
        "his_deletes": [write.deletes for write in rows.values()],
        "his_values": [write.value for write in rows.values()],
    }


def _valid(validated: ValidatedBlock) -> Iterable[tuple[int, ParsedTransaction]]:
    return (
        (number, transaction)
        for number, (transaction, flag) in enumerate(zip(validated.transactions, validated.flags, strict=True))
        if flag == VALID
    )
