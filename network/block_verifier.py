"""Decides whether a block may follow the one before it.

A block is taken only whole: its number and previous hash continue the chain, its data hash covers its envelopes, every
envelope is in canonical form (so that one transaction has one encoding), and the orderers' signatures satisfy the
channel's ``BlockValidation`` policy. Block 0 is signed by no one: whoever takes it must know its hash beforehand.

Whether the transactions inside are valid is another question; see ``node.peer.validator``.

Source: Fabric internal/peer/gossip/mcs.go (VerifyBlock), protoutil/blockutils.go (BlockSignatureVerifier,
VerifyTransactionsAreWellFormed), common/deliverclient.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fabric_protos.common import common_pb2

from network.block import block_signature_data, data_hash, holds_config, signatures_metadata
from network.channel_config import ChannelConfig
from network.errors import BlockError, PolicyError, WireError
from network.messages import holds_only_unknown
from network.policy import SignedData
from network.proposal import decode

BLOCK_POLICY = "/Channel/Orderer/BlockValidation"
_KNOWN = frozenset(common_pb2.Envelope.DESCRIPTOR.fields_by_number)
BFT_CAPABILITY = "V3_0"
"""Channel capability from which orderers may sign by their number."""


def verify_block(block: common_pb2.Block, previous_header_hash: bytes, config: ChannelConfig) -> None:
    """Check that ``block`` continues the chain and that its channel's orderers signed it.

    Args:
        previous_header_hash: hash of the header before; empty for block 0.
        config: configuration in force before this block.
    Raises:
        BlockError: what is wrong, by block number.
    """
    verify_hashes(block, previous_header_hash)
    verify_well_formed(block)
    number = block.header.number
    channel_id = channel_of(block)
    if channel_id != config.channel_id:
        raise BlockError(f"block {number}: its transactions name channel {channel_id!r}, not {config.channel_id!r}")
    if number:
        verify_signatures(block, config)


def verify_signatures(block: common_pb2.Block, config: ChannelConfig) -> None:
    """Check that the channel's orderers signed a block's header; the block may have no data.

    Raises:
        BlockError: they did not, or not enough of them.
    """
    try:
        config.policy(BLOCK_POLICY).evaluate(list(_signed(block, config)))
    except PolicyError as error:
        raise BlockError(f"block {block.header.number}: orderer signatures: {error}") from error


def verify_hashes(block: common_pb2.Block, previous_header_hash: bytes) -> None:
    """Check a block's place in the chain and its own data hash.

    Raises:
        BlockError: header missing, number 0 not at the start, previous hash or data hash differs.
    """
    if not block.HasField("header"):
        raise BlockError("block: header is missing")
    header = block.header
    # Without this, a block numbered 0 could follow any other, and go unsigned.
    if (header.number == 0) != (not previous_header_hash):
        raise BlockError(f"block {header.number}: only block 0 has none before it, and it has none")
    if header.previous_hash != previous_header_hash:
        raise BlockError(
            f"block {header.number}: previous_hash is {header.previous_hash.hex()}, "
            f"the block before hashes to {previous_header_hash.hex()}"
        )
    computed = data_hash(block.data)
    if header.data_hash != computed:
        raise BlockError(
            f"block {header.number}: data_hash is {header.data_hash.hex()}, its data hash to {computed.hex()}"
        )


def verify_well_formed(block: common_pb2.Block) -> None:
    """Check that each envelope has payload and signature and only the bytes these two need.

    A block that is one configuration transaction is exempt: block 0's envelope carries no signature.

    Raises:
        BlockError: the block is empty, or names the first malformed transaction.
    """
    number = block.header.number
    if not block.data.data:
        raise BlockError(f"block {number}: holds no transaction")
    if holds_config(block.data):
        return
    for index, raw in enumerate(block.data.data):
        try:
            envelope = decode(common_pb2.Envelope(), raw, "Envelope")
        except WireError as error:
            raise BlockError(f"block {number}, transaction {index}: {error}") from error
        if not envelope.payload or not envelope.signature:
            missing = "signature" if envelope.payload else "payload"
            raise BlockError(f"block {number}, transaction {index}: Envelope.{missing} is empty")
        known = common_pb2.Envelope(payload=envelope.payload, signature=envelope.signature).SerializeToString()
        if raw != known and not (raw.startswith(known) and holds_only_unknown(raw[len(known) :], _KNOWN)):
            raise BlockError(f"block {number}, transaction {index}: the envelope is not in canonical form")


def channel_of(block: common_pb2.Block) -> str:
    """Return the channel that a block's first transaction names.

    Raises:
        BlockError: it cannot be read.
    """
    try:
        envelope = decode(common_pb2.Envelope(), block.data.data[0], "Envelope")
        payload = decode(common_pb2.Payload(), envelope.payload, "Payload")
        channel = decode(common_pb2.ChannelHeader(), payload.header.channel_header, "ChannelHeader")
    except (IndexError, WireError) as error:
        raise BlockError(f"block {block.header.number}: its channel cannot be read: {error}") from error
    return str(channel.channel_id)


def _signed(block: common_pb2.Block, config: ChannelConfig) -> Iterator[SignedData]:
    metadata = signatures_metadata(block)
    by_number = BFT_CAPABILITY in config.capabilities.channel
    for item in metadata.signatures:
        # SmartBFT orderers sign with their number in the configuration instead of a certificate.
        if by_number and not item.signature_header and item.identifier_header:
            signer_header = item.identifier_header
            number = _read(block, common_pb2.IdentifierHeader(), signer_header).identifier
            consenter = config.orderer.consenter(number)
            if consenter is None:
                continue
            creator = consenter.creator
        else:
            signer_header = item.signature_header
            creator = _read(block, common_pb2.SignatureHeader(), signer_header).creator
        data = block_signature_data(metadata.value, signer_header, block.header)
        yield SignedData(data=data, creator=creator, signature=item.signature)


def _read(block: common_pb2.Block, message: Any, data: bytes) -> Any:
    try:
        return decode(message, data, type(message).__name__)
    except WireError as error:
        raise BlockError(f"block {block.header.number}: orderer signatures: {error}") from error
