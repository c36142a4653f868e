"""Aim: a block is taken whole or not at all, whoever hands it over.

Method: captured blocks with a malformed part; those with a changed hash or signature are in
``tests/unit/node/test_validator_replay.py``. Each is refused by the name of what is wrong.
"""

from __future__ import annotations

import pytest
from fabric_protos.common import common_pb2

from network.block import data_hash
from network.block_verifier import channel_of, verify_block, verify_well_formed
from network.errors import BlockError
from tests.support.captured import captured, replayed

NUMBER = 6


def with_transactions(*transactions: bytes) -> common_pb2.Block:
    block = captured("bft").block(NUMBER)
    del block.data.data[:]
    block.data.data.extend(transactions)
    block.header.data_hash = data_hash(block.data)
    return block


def with_signatures(*signatures: common_pb2.MetadataSignature) -> common_pb2.Block:
    block = captured("bft").block(NUMBER)
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[0])
    del metadata.signatures[:]
    metadata.signatures.extend(signatures)
    block.metadata.metadata[0] = metadata.SerializeToString()
    return block


@pytest.mark.parametrize(
    ("transaction", "names"),
    [
        (b"\xff", "transaction 1: Envelope"),
        (common_pb2.Envelope(signature=b"s").SerializeToString(), "transaction 1: Envelope.payload is empty"),
        (common_pb2.Envelope(payload=b"p").SerializeToString(), "transaction 1: Envelope.signature is empty"),
        (b"\x12\x01s\x0a\x01p", "transaction 1: the envelope is not in canonical form"),
        (b"\x0a\x01q\x0a\x01p\x12\x01s", "transaction 1: the envelope is not in canonical form"),
        (b"\x0a\x81\x00p\x12\x01s", "transaction 1: the envelope is not in canonical form"),
    ],
)
def test_malformed_transaction_is_named(transaction: bytes, names: str) -> None:
    good = captured("bft").block(NUMBER).data.data[0]
    with pytest.raises(BlockError, match=names):
        verify_well_formed(with_transactions(good, transaction))


def test_channel_that_cannot_be_read_is_refused() -> None:
    payload = common_pb2.Payload(header=common_pb2.Header(channel_header=b"\xff")).SerializeToString()
    envelope = common_pb2.Envelope(payload=payload, signature=b"s").SerializeToString()
    replay = replayed("bft", NUMBER)
    with pytest.raises(BlockError, match="channel cannot be read"):
        verify_block(with_transactions(envelope), replay.header_hash, replay.config)
    with pytest.raises(BlockError, match="channel cannot be read"):
        channel_of(common_pb2.Block())


def test_genesis_block_is_taken_without_signatures() -> None:
    replay = replayed("bft", 0)
    verify_block(captured("bft").block(0), b"", replay.config)


@pytest.mark.parametrize(
    ("signature", "names"),
    [
        (common_pb2.MetadataSignature(signature_header=b"\xff"), "SignatureHeader"),
        (common_pb2.MetadataSignature(identifier_header=b"\xff"), "IdentifierHeader"),
        (common_pb2.MetadataSignature(identifier_header=b"\x08\x63", signature=b"s"), "do not satisfy|satisfied"),
        (common_pb2.MetadataSignature(), "do not satisfy|satisfied"),
    ],
)
def test_signature_by_nobody_is_no_quorum(signature: common_pb2.MetadataSignature, names: str) -> None:
    replay = replayed("bft", NUMBER)
    with pytest.raises(BlockError, match=names):
        verify_block(with_signatures(signature), replay.header_hash, replay.config)
