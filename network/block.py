"""Blocks: their hashes, their metadata, and the hash each peer keeps of what a block did to its state.

Rules kept here:

- the data hash runs over the envelopes as received, the header hash over Fabric's ASN.1 form of the header;
- metadata has five slots, each with one writer: orderers sign, peers flag and hash;
- the commit hash chains over flags and updates, so that two peers that agree on it agree on the whole public state.

Signatures and the chain are checked by :mod:`network.block_verifier`.

Source: Fabric protoutil/blockutils.go, core/ledger/kvledger/kv_ledger.go (addBlockCommitHash),
core/ledger/kvledger/txmgmt/txmgr/update_batch_bytes.go, orderer/common/multichannel/blockwriter.go.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fabric_protos.common import common_pb2

from network.envelope import Signer
from network.errors import BlockError, WireError
from network.messages import varint
from network.proposal import NONCE_BYTES, decode
from network.rwset import StateKey, Version

SIGNATURES = common_pb2.SIGNATURES
TRANSACTIONS_FILTER = common_pb2.TRANSACTIONS_FILTER
COMMIT_HASH = common_pb2.COMMIT_HASH
METADATA_SLOTS = 5

_INTEGER, _OCTET_STRING, _SEQUENCE = 0x02, 0x04, 0x30


def header_bytes(header: common_pb2.BlockHeader) -> bytes:
    """Return the ASN.1 DER form of a header: what is hashed and what orderers sign.

    Source: Fabric protoutil/blockutils.go, BlockHeaderBytes.
    """
    # A DER integer is signed: one more byte than the value needs when its top bit is set.
    number = header.number.to_bytes(header.number.bit_length() // 8 + 1, "big")
    body = _der(_INTEGER, number) + _der(_OCTET_STRING, header.previous_hash) + _der(_OCTET_STRING, header.data_hash)
    return _der(_SEQUENCE, body)


def header_hash(header: common_pb2.BlockHeader) -> bytes:
    """Return the hash by which the next block names this one."""
    return hashlib.sha256(header_bytes(header)).digest()


def data_hash(data: common_pb2.BlockData) -> bytes:
    """Return SHA-256 of the envelopes, one after another as received."""
    return hashlib.sha256(b"".join(data.data)).digest()


def new_block(number: int, previous_hash: bytes, envelopes: Sequence[bytes]) -> common_pb2.Block:
    """Return an unsigned block over ``envelopes``, its metadata slots empty."""
    block = common_pb2.Block()
    block.data.data.extend(envelopes)
    block.header.number = number
    block.header.previous_hash = previous_hash
    block.header.data_hash = data_hash(block.data)
    block.metadata.metadata.extend([b""] * METADATA_SLOTS)
    return block


def parse_block(block: bytes) -> common_pb2.Block:
    """Return the block in these bytes.

    Raises:
        WireError: they do not parse.
    """
    return decode(common_pb2.Block(), block, "Block")


def sign_block(
    block: common_pb2.Block,
    signer: Signer,
    last_config: int,
    *,
    consenter_metadata: bytes = b"",
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> None:
    """Put an orderer's signature into the block.

    Args:
        last_config: number of the newest configuration block, this one included.
        consenter_metadata: the consensus protocol's own note; empty where there is none.
        random_bytes: source of the signature header's nonce.
    Source: Fabric orderer/common/multichannel/blockwriter.go, addBlockSignature.
    """
    orderer_metadata = common_pb2.OrdererBlockMetadata(
        last_config=common_pb2.LastConfig(index=last_config),
        consenter_metadata=common_pb2.Metadata(value=consenter_metadata).SerializeToString(),
    )
    value = orderer_metadata.SerializeToString()
    header = common_pb2.SignatureHeader(creator=signer.creator, nonce=random_bytes(NONCE_BYTES)).SerializeToString()
    signature = signer.sign(block_signature_data(value, header, block.header))
    metadata = common_pb2.Metadata(
        value=value,
        signatures=[common_pb2.MetadataSignature(signature_header=header, signature=signature)],
    )
    _set_slot(block, SIGNATURES, metadata.SerializeToString())


def block_signature_data(value: bytes, signer_header: bytes, header: common_pb2.BlockHeader) -> bytes:
    """Return what one orderer signs.

    Args:
        value: ``Metadata.value`` of the signatures slot, as it stands.
        signer_header: the signature header, or for SmartBFT the identifier header, as it stands.
    """
    return value + signer_header + header_bytes(header)


def signatures_metadata(block: common_pb2.Block) -> common_pb2.Metadata:
    """Return what the orderers left in the signatures slot.

    Raises:
        BlockError: the slot is missing or does not parse.
    """
    return _slot_message(block, SIGNATURES, "SIGNATURES")


def last_config_number(block: common_pb2.Block) -> int:
    """Return the number of the configuration block that was in force when this one was cut.

    Raises:
        BlockError: the orderers' metadata is missing or does not parse.
    """
    value = signatures_metadata(block).value
    try:
        metadata = decode(common_pb2.OrdererBlockMetadata(), value, "OrdererBlockMetadata")
    except WireError as error:
        raise BlockError(f"block {block.header.number}: {error}") from error
    return int(metadata.last_config.index)


def transactions_filter(block: common_pb2.Block) -> bytes:
    """Return the peer's ``TxValidationCode`` of each transaction; empty when no peer has validated the block."""
    return _slot(block, TRANSACTIONS_FILTER)


def set_transactions_filter(block: common_pb2.Block, flags: bytes) -> None:
    """Record the validation code of each transaction."""
    _set_slot(block, TRANSACTIONS_FILTER, flags)


def recorded_commit_hash(block: common_pb2.Block) -> bytes:
    """Return the commit hash a peer left in the block; empty when there is none.

    Raises:
        BlockError: the slot does not parse.
    """
    if not _slot(block, COMMIT_HASH):
        return b""
    return bytes(_slot_message(block, COMMIT_HASH, "COMMIT_HASH").value)


def set_commit_hash(block: common_pb2.Block, commit_hash: bytes) -> None:
    """Record the commit hash."""
    _set_slot(block, COMMIT_HASH, common_pb2.Metadata(value=commit_hash).SerializeToString())


def as_ordered(block: common_pb2.Block) -> bytes:
    """Return a committed block without what its peer wrote into it: serialized, as its orderer gave it."""
    ordered = common_pb2.Block()
    ordered.CopyFrom(block)
    for slot in (TRANSACTIONS_FILTER, COMMIT_HASH):
        _set_slot(ordered, slot, b"")
    serialized: bytes = ordered.SerializeToString()
    return serialized


def is_config_block(block: common_pb2.Block) -> bool:
    """Return whether the block holds a configuration: one transaction only, of that type."""
    return holds_config(block.data)


def holds_config(data: common_pb2.BlockData) -> bool:
    """Return whether block data is one configuration transaction.

    Source: Fabric protoutil/commonutils.go, HasConfigTx.
    """
    if len(data.data) != 1:
        return False
    try:
        envelope = decode(common_pb2.Envelope(), data.data[0], "Envelope")
        payload = decode(common_pb2.Payload(), envelope.payload, "Payload")
        channel = decode(common_pb2.ChannelHeader(), payload.header.channel_header, "ChannelHeader")
    except WireError:
        return False
    return bool(channel.type in (common_pb2.CONFIG, common_pb2.ORDERER_TRANSACTION) and payload.HasField("header"))


class Update(NamedTuple):
    """The new state of one key."""

    value: bytes | None
    """For a private key the hash of its value; ``None`` when the key is deleted."""
    metadata: bytes
    """Serialized metadata entries; empty for none."""
    version: Version


@dataclass(slots=True)
class UpdateBatch:
    """What a block's valid transactions do to the public state and to the hashes of private state."""

    entries: dict[StateKey, Update] = field(default_factory=dict)

    def get(self, key: StateKey) -> Update | None:
        """Return what the block has done to ``key`` so far."""
        return self.entries.get(key)

    def put(self, key: StateKey, update: Update) -> None:
        """Record the newest state of ``key``."""
        self.entries[key] = update

    def sorted(self) -> list[tuple[StateKey, Update]]:
        """Return all updates: by namespace, public before private, then by key."""
        return sorted(self.entries.items(), key=_position)

    def deterministic_bytes(self) -> bytes:
        """Return the batch as the commit hash takes it.

        A namespace's name stands on its first entry only, a collection's likewise. Key metadata is not covered, nor is
        the empty namespace, where peers keep the channel's configuration.

        Source: Fabric core/ledger/kvledger/txmgmt/txmgr/update_batch_bytes.go; updates.proto.
        """
        return b"".join(_field(1, entry) for entry in self._encoded())

    def _encoded(self) -> Iterator[bytes]:
        namespace, collection = "", ""
        for key, update in self.sorted():
            if not key.namespace:
                continue
            if key.namespace != namespace:
                named = _field(1, key.namespace.encode())
                collection = ""
            else:
                named = b""
            if key.collection != collection:
                named += _field(2, key.collection.encode())
            namespace, collection = key.namespace, key.collection
            yield named + _encoded_update(key, update)


def commit_hash(flags: bytes, updates: UpdateBatch, previous: bytes) -> bytes:
    """Return the hash that chains what this block did to everything before it.

    Args:
        flags: the validation code of each transaction.
        previous: commit hash of the block before; empty for block 1. Block 0 has none.
    Source: Fabric core/ledger/kvledger/kv_ledger.go, addBlockCommitHash.
    """
    return hashlib.sha256(varint(len(flags)) + flags + updates.deterministic_bytes() + previous).digest()


def version_bytes(version: Version) -> bytes:
    """Return a version in the form whose byte order is the order of versions.

    Source: Fabric common/ledger/util/util.go, EncodeOrderPreservingVarUint64.
    """
    return b"".join(
        bytes([length]) + number.to_bytes(length, "big")
        for number in version
        for length in [(number.bit_length() + 7) // 8]
    )


def _position(item: tuple[StateKey, Update]) -> StateKey:
    return item[0]


def _encoded_update(key: StateKey, update: Update) -> bytes:
    encoded = _field(3, key.key)
    if update.value is None:
        encoded += b"\x20\x01"
    elif update.value:
        encoded += _field(5, update.value)
    return encoded + _field(6, version_bytes(update.version))


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(value)) + value if value or number == 1 else b""


def _der(tag: int, content: bytes) -> bytes:
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _slot(block: common_pb2.Block, index: int) -> bytes:
    slots = block.metadata.metadata
    return bytes(slots[index]) if len(slots) > index else b""


def _set_slot(block: common_pb2.Block, index: int, value: bytes) -> None:
    slots = block.metadata.metadata
    slots.extend([b""] * (METADATA_SLOTS - len(slots)))
    slots[index] = value


def _slot_message(block: common_pb2.Block, index: int, name: str) -> common_pb2.Metadata:
    if len(block.metadata.metadata) <= index:
        raise BlockError(f"block {block.header.number}: metadata slot {name} is missing")
    try:
        return decode(common_pb2.Metadata(), _slot(block, index), "Metadata")
    except WireError as error:
        raise BlockError(f"block {block.header.number}: metadata slot {name}: {error}") from error
