"""Aim: hashes, metadata and the commit hash of blocks are Fabric's, byte for byte.

Method: two captured channels give the hashes expected; ASN.1 lengths and version bytes are checked against their rules
at the places where they change; a block of our own is signed and read back.
"""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2

from network.block import (
    Update,
    UpdateBatch,
    block_signature_data,
    commit_hash,
    data_hash,
    header_bytes,
    header_hash,
    is_config_block,
    last_config_number,
    new_block,
    parse_block,
    recorded_commit_hash,
    set_commit_hash,
    set_transactions_filter,
    sign_block,
    signatures_metadata,
    transactions_filter,
    version_bytes,
)
from network.errors import BlockError, SignatureError, WireError
from network.rwset import StateKey, Version
from network.signing import sign, verify
from tests.support.captured import NETWORKS, captured

V = Version(5, 2)


class Orderer:
    """An orderer's key with any creator."""

    creator = b"\x0a\x03Org\x12\x04cert"

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, message: bytes) -> bytes:
        return sign(self.key, message)


@pytest.mark.parametrize("network", NETWORKS)
def test_hashes_and_metadata_of_every_captured_block_are_those_fabric_recorded(network: str) -> None:
    channel = captured(network)
    previous = b""
    last_config = 0
    for number, expected in enumerate(channel.expected):
        block = channel.block(number)
        assert block.header.previous_hash == previous
        previous = header_hash(block.header)
        assert previous.hex() == expected["header_hash"]
        assert data_hash(block.data).hex() == expected["data_hash"] == block.header.data_hash.hex()
        assert recorded_commit_hash(block).hex() == expected["commit_hash"]
        assert transactions_filter(block) == channel.flags(number)
        assert len(signatures_metadata(block).signatures) == expected["orderer_signatures"]
        if is_config_block(block):
            last_config = number
        if number:
            assert last_config_number(block) == last_config


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, "020100"),
        (127, "02017f"),
        (128, "02020080"),
        (255, "020200ff"),
        (256, "02020100"),
        (2**64 - 1, "020900ffffffffffffffff"),
    ],
)
def test_block_number_is_a_signed_integer_in_the_header(number: int, encoded: str) -> None:
    header = common_pb2.BlockHeader(number=number)
    body = bytes.fromhex(encoded) + b"\x04\x00\x04\x00"
    assert header_bytes(header) == bytes([0x30, len(body)]) + body


@pytest.mark.parametrize(("length", "prefix"), [(127, "047f"), (128, "048180"), (255, "0481ff"), (256, "04820100")])
def test_long_hash_takes_the_long_form_of_a_length(length: int, prefix: str) -> None:
    header = common_pb2.BlockHeader(previous_hash=b"h" * length)
    assert bytes.fromhex(prefix) + b"h" * length in header_bytes(header)


@pytest.mark.parametrize(
    ("version", "encoded"),
    [((0, 0), "0000"), ((1, 0), "010100"), ((255, 256), "01ff020100"), ((2**64 - 1, 1), "08ffffffffffffffff0101")],
)
def test_version_bytes_sort_as_versions_do(version: tuple[int, int], encoded: str) -> None:
    assert version_bytes(Version(*version)).hex() == encoded


def test_batch_names_a_namespace_and_a_collection_on_their_first_entry_only() -> None:
    batch = UpdateBatch(
        {
            StateKey("b", "", b"k"): Update(b"v", b"", V),
            StateKey("a", "c", b"h2"): Update(b"w", b"", V),
            StateKey("a", "c", b"h1"): Update(None, b"", V),
            StateKey("a", "", b"z"): Update(b"x", b"m", V),
            StateKey("", "", b"config"): Update(b"never", b"", V),
        }
    )
    version = "3204" + "01050102"
    entries = [
        "0a0161" + "1a017a" + "2a0178" + version,
        "120163" + "1a026831" + "2001" + version,
        "1a026832" + "2a0177" + version,
        "0a0162" + "1a016b" + "2a0176" + version,
    ]
    expected = b"".join(bytes([0x0A, len(item) // 2]) + bytes.fromhex(item) for item in entries)
    assert batch.deterministic_bytes() == expected


def test_collection_of_the_same_name_in_the_next_namespace_is_named_again() -> None:
    batch = UpdateBatch(
        {
            StateKey("a", "c", b"k"): Update(b"v", b"", V),
            StateKey("b", "c", b"k"): Update(b"v", b"", V),
        }
    )
    assert batch.deterministic_bytes().count(b"\x12\x01c") == 2


def test_commit_hash_covers_flags_updates_and_the_hash_before_but_not_metadata() -> None:
    key = StateKey("cc", "", b"k")
    batch = UpdateBatch({key: Update(b"v", b"", V)})
    base = commit_hash(b"\x00", batch, b"p")
    assert base == hashlib.sha256(b"\x01\x00" + batch.deterministic_bytes() + b"p").digest()
    assert commit_hash(b"\x00", UpdateBatch({key: Update(b"v", b"m", V)}), b"p") == base
    others = [
        commit_hash(b"\x0b", batch, b"p"),
        commit_hash(b"\x00", batch, b"q"),
        commit_hash(b"\x00", UpdateBatch({key: Update(b"w", b"", V)}), b"p"),
        commit_hash(b"\x00", UpdateBatch({key: Update(None, b"", V)}), b"p"),
        commit_hash(b"\x00", UpdateBatch({key: Update(b"v", b"", Version(5, 3))}), b"p"),
        commit_hash(b"\x00", UpdateBatch(), b"p"),
    ]
    assert len({base, *others}) == 7


def test_block_of_many_transactions_counts_them_in_more_than_one_byte() -> None:
    flags = bytes(300)
    assert commit_hash(flags, UpdateBatch(), b"") == hashlib.sha256(b"\xac\x02" + flags).digest()


def test_signed_block_reads_back_with_its_last_configuration() -> None:
    orderer = Orderer()
    block = new_block(9, b"previous", [b"one", b"two"])
    sign_block(block, orderer, 4, consenter_metadata=b"c", random_bytes=lambda count: b"n" * count)
    again = parse_block(block.SerializeToString())
    assert len(again.metadata.metadata) == 5
    assert last_config_number(again) == 4
    metadata = signatures_metadata(again)
    [item] = metadata.signatures
    header = common_pb2.SignatureHeader.FromString(item.signature_header)
    assert (header.creator, header.nonce) == (orderer.creator, b"n" * 24)
    data = block_signature_data(metadata.value, item.signature_header, again.header)
    verify(orderer.key.public_key(), data, item.signature)
    with pytest.raises(SignatureError):
        verify(orderer.key.public_key(), data + b"x", item.signature)


def test_flags_and_commit_hash_are_kept_in_their_slots() -> None:
    block = common_pb2.Block()
    assert (transactions_filter(block), recorded_commit_hash(block)) == (b"", b"")
    set_transactions_filter(block, b"\x00\x0b")
    set_commit_hash(block, b"hash")
    assert (transactions_filter(block), recorded_commit_hash(block)) == (b"\x00\x0b", b"hash")
    assert [len(slot) > 0 for slot in block.metadata.metadata] == [False, False, True, False, True]


def test_damaged_metadata_is_named() -> None:
    block = new_block(3, b"", [b"x"])
    block.metadata.metadata[0] = b"\xff"
    with pytest.raises(BlockError, match="block 3: metadata slot SIGNATURES"):
        signatures_metadata(block)
    block.metadata.metadata[0] = common_pb2.Metadata(value=b"\xff").SerializeToString()
    with pytest.raises(BlockError, match="OrdererBlockMetadata"):
        last_config_number(block)
    block.metadata.metadata[4] = b"\xff"
    with pytest.raises(BlockError, match="COMMIT_HASH"):
        recorded_commit_hash(block)
    with pytest.raises(BlockError, match="missing"):
        signatures_metadata(common_pb2.Block())
    with pytest.raises(WireError, match="Block"):
        parse_block(b"\xff")


def test_only_a_single_configuration_transaction_makes_a_config_block() -> None:
    config = captured("raft").block(0)
    assert is_config_block(config)
    config.data.data.append(config.data.data[0])
    assert not is_config_block(config)
    assert not is_config_block(captured("raft").block(6))
    assert not is_config_block(new_block(1, b"", [b"\xff"]))
    assert not is_config_block(new_block(1, b"", []))
