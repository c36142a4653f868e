"""Aim: our validator gives every block of a real Fabric network the flags and the commit hash that Fabric's peer gave.

Method: replay both captured channels from their genesis block, once on the state itself and once on what was read
ahead for each block; then change one thing in a captured block and see it refused, with Fabric's code.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_response_pb2, transaction_pb2

from network.block import data_hash, recorded_commit_hash, transactions_filter
from network.block_verifier import verify_block
from network.channel_config import ChannelConfig
from network.envelope import (
    BAD_CREATOR_SIGNATURE,
    DUPLICATE_TXID,
    ENDORSEMENT_POLICY_FAILURE,
    MVCC_READ_CONFLICT,
    PHANTOM_READ_CONFLICT,
    VALID,
    parse_transaction,
)
from network.errors import BlockError
from network.rwset import StateKey
from node.peer.errors import ChannelStoppedError
from node.peer.mvcc import Conflict, explain_conflict
from node.peer.state import MemoryState
from node.peer.validator import (
    CheckedTransaction,
    check_signatures,
    judge_block,
    needed_state,
    parse_transactions,
    valid_endorsers,
    validate_block,
)
from tests.support.captured import NETWORKS, captured, replayed

WRITE = 6
"""A block of both channels with one plain write."""


@pytest.mark.parametrize("network", NETWORKS)
def test_every_captured_block_gets_the_flags_and_commit_hash_of_fabric(network: str) -> None:
    channel = captured(network)
    replay = replayed(network, 0)
    for number, expected in enumerate(channel.expected):
        block = channel.block(number)
        verify_block(block, replay.header_hash, replay.config)
        validation = replay.take(block)
        assert validation.flags == channel.flags(number) == transactions_filter(block)
        assert validation.commit_hash.hex() == expected["commit_hash"]
        assert validation.commit_hash == recorded_commit_hash(block)
    assert replay.config.sequence == 1


@pytest.mark.parametrize("network", NETWORKS)
def test_state_read_ahead_is_all_that_judging_asks_for(network: str) -> None:
    channel = captured(network)
    replay = replayed(network, 0)
    for number in range(len(channel.blocks)):
        block = channel.block(number)
        checked = check_signatures(parse_transactions(block), replay.config)
        snapshot = replay.state.snapshot(needed_state(checked))
        ahead = judge_block(number, checked, replay.config, snapshot, replay.commit_hash)
        assert replay.take(block).commit_hash == ahead.commit_hash


@pytest.mark.parametrize("network", NETWORKS)
def test_private_hash_expires_with_its_collection_in_the_state_but_not_in_the_commit_hash(network: str) -> None:
    written, _ = captured(network).position_of("private write shortlived", VALID)
    replay = replayed(network, written)
    before = set(replay.state.entries)
    validation = replay.take(captured(network).block(written))
    [expiry] = validation.expiries
    assert expiry.expiring_block == written + 4
    assert expiry.key in set(replay.state.entries) - before
    for number in range(written + 1, expiry.expiring_block):
        replay.take(captured(network).block(number))
        assert expiry.key in replay.state.entries
    replay.take(captured(network).block(expiry.expiring_block))
    assert expiry.key not in replay.state.entries


@pytest.mark.parametrize("network", NETWORKS)
def test_purge_is_reported_with_the_private_key_it_erases(network: str) -> None:
    number, position = captured(network).position_of("private purge", VALID)
    validation = replayed(network, number).take(captured(network).block(number))
    [(key, version)] = validation.purges.items()
    assert (key.namespace, key.collection, version) == ("anchorgo", "bilateral", (number, position))
    assert validation.updates.entries[key].value is None


def test_conflict_is_explained_by_key_and_both_versions() -> None:
    number, position = captured("raft").position_of("second of two racing (MVCC)", MVCC_READ_CONFLICT)
    validation = replayed("raft", number).take(captured("raft").block(number))
    conflict = validation.conflicts[position]
    assert conflict == Conflict(
        MVCC_READ_CONFLICT, StateKey("anchorgo", "", b"hot"), None, (number, position - 1), in_block=True
    )
    assert "'hot'" in explain_conflict(conflict)
    assert f"{number}:{position - 1}" in explain_conflict(conflict)


def test_phantom_is_explained_by_the_key_that_appeared() -> None:
    number, position = captured("raft").position_of("small range after insert (phantom)", PHANTOM_READ_CONFLICT)
    conflict = replayed("raft", number).take(captured("raft").block(number)).conflicts[position]
    assert conflict.key.key == b"m0005x"
    assert conflict.expected is None
    assert conflict.found == (number - 1, 0)
    assert "m0005x" in explain_conflict(conflict)


@pytest.mark.parametrize("part", ["payload", "signature"])
def test_envelope_with_a_flipped_bit_is_a_bad_creator_signature(part: str) -> None:
    envelope = common_pb2.Envelope.FromString(captured("raft").block(WRITE).data.data[0])
    content = bytearray(getattr(envelope, part))
    # The last byte of the payload stands inside an endorsement, the last of the signature inside its s.
    content[-1] ^= 1
    setattr(envelope, part, bytes(content))
    assert _flags_of("raft", WRITE, envelope.SerializeToString()) == bytes([BAD_CREATOR_SIGNATURE])


def test_creator_signature_in_its_high_s_form_is_refused() -> None:
    envelope = common_pb2.Envelope.FromString(captured("raft").block(WRITE).data.data[0])
    envelope.signature = _high_s(envelope.signature)
    assert _flags_of("raft", WRITE, envelope.SerializeToString()) == bytes([BAD_CREATOR_SIGNATURE])


def test_envelope_written_in_another_way_is_refused_so_that_no_transaction_has_two_forms() -> None:
    block = captured("raft").block(WRITE)
    replay = replayed("raft", WRITE)
    envelope = common_pb2.Envelope.FromString(block.data.data[0])
    block.data.data[0] += common_pb2.Envelope(signature=envelope.signature).SerializeToString()
    block.header.data_hash = data_hash(block.data)
    with pytest.raises(BlockError, match="canonical form"):
        verify_block(block, replay.header_hash, replay.config)


def test_transaction_of_another_channel_is_a_bad_creator_signature() -> None:
    block = captured("raft").block(WRITE)
    replay = replayed("raft", WRITE)
    other = ChannelConfig.from_envelope(replay.config.envelope, "elsewhere")
    assert validate_block(block, other, replay.state, replay.commit_hash).flags == bytes([BAD_CREATOR_SIGNATURE])


@pytest.mark.parametrize("damage", ["dropped", "forged", "high-s", "repeated"])
def test_one_endorsement_of_two_does_not_satisfy_the_policy(damage: str) -> None:
    replay = replayed("raft", WRITE)
    block = captured("raft").block(WRITE)
    parsed = parse_transaction(block.data.data[0])
    endorsements = [(item.endorser, item.signature) for item in parsed.endorsements]
    assert len(endorsements) == 2
    first, (endorser, signature) = endorsements
    damaged = {
        "dropped": [first],
        "forged": [first, (endorser, first[1])],
        "high-s": [first, (endorser, _high_s(signature))],
        "repeated": [first, first],
    }[damage]
    # Endorsements stand inside what the creator signed: without its key, look at this stage by itself.
    forged = _with_endorsements(parsed.payload, damaged)
    [checked] = check_signatures([parse_transaction(block.data.data[0])], replay.config)
    [unsigned] = check_signatures([parse_transaction(_envelope(forged))], replay.config)
    assert unsigned.flag == BAD_CREATOR_SIGNATURE
    parsed = parse_transaction(_envelope(forged))
    trusted = CheckedTransaction(parsed, VALID, "", valid_endorsers(parsed, replay.config))
    judged = judge_block(WRITE, [trusted], replay.config, replay.state, replay.commit_hash)
    assert judged.flags == bytes([ENDORSEMENT_POLICY_FAILURE])
    assert judge_block(WRITE, [checked], replay.config, replay.state, replay.commit_hash).flags == bytes([VALID])


def test_transaction_twice_in_one_block_counts_once() -> None:
    replay = replayed("raft", WRITE)
    block = captured("raft").block(WRITE)
    block.data.data.append(block.data.data[0])
    validation = validate_block(block, replay.config, replay.state, replay.commit_hash)
    assert validation.flags == bytes([VALID, DUPLICATE_TXID])
    assert all(update.version == (WRITE, 0) for update in validation.updates.entries.values())


def test_transaction_of_an_earlier_block_is_a_duplicate() -> None:
    replay = replayed("raft", WRITE + 1)
    block = captured("raft").block(WRITE)
    block.header.number = WRITE + 1
    validation = validate_block(block, replay.config, replay.state, replay.commit_hash)
    assert validation.flags == bytes([DUPLICATE_TXID])
    assert validation.updates.entries == {}


def test_own_endorsement_is_not_verified_again_and_nobody_else_may_claim_it() -> None:
    replay = replayed("raft", WRITE)
    parsed = parse_transaction(captured("raft").block(WRITE).data.data[0])
    mine, other = parsed.endorsements
    asked: list[tuple[bytes, bytes]] = []

    def own(signature: bytes, payload: bytes) -> bool:
        asked.append((signature, payload))
        return True

    [checked] = check_signatures([parsed], replay.config, own_creator=mine.endorser, own_endorsement=own)
    assert asked == [(mine.signature, parsed.response_payload)]
    assert [identity.creator for identity in checked.endorsers] == [mine.endorser, other.endorser]


@pytest.mark.parametrize("network", NETWORKS)
def test_block_that_breaks_the_chain_is_refused(network: str) -> None:
    replay = replayed(network, WRITE)
    with pytest.raises(BlockError, match="previous_hash"):
        verify_block(captured(network).block(WRITE + 1), replay.header_hash, replay.config)


@pytest.mark.parametrize("network", NETWORKS)
def test_unsigned_block_that_calls_itself_the_first_is_refused_anywhere_else(network: str) -> None:
    replay = replayed(network, WRITE)
    forged = captured(network).block(WRITE)
    forged.header.number = 0
    forged.ClearField("metadata")
    with pytest.raises(BlockError, match="only block 0"):
        verify_block(forged, replay.header_hash, replay.config)
    orphan = captured(network).block(WRITE)
    orphan.header.previous_hash = b""
    with pytest.raises(BlockError, match="only block 0"):
        verify_block(orphan, b"", replay.config)


@pytest.mark.parametrize("network", NETWORKS)
def test_block_with_a_changed_number_is_refused(network: str) -> None:
    replay = replayed(network, WRITE)
    block = captured(network).block(WRITE)
    block.header.number += 1
    with pytest.raises(BlockError, match="orderer signatures"):
        verify_block(block, replay.header_hash, replay.config)


@pytest.mark.parametrize("network", NETWORKS)
def test_block_without_its_orderers_signatures_is_refused(network: str) -> None:
    replay = replayed(network, WRITE)
    block = captured(network).block(WRITE)
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[0])
    # One BFT orderer of four may be missing: a quorum is three.
    needed = 3 if network == "bft" else 1
    del metadata.signatures[needed:]
    block.metadata.metadata[0] = metadata.SerializeToString()
    verify_block(block, replay.header_hash, replay.config)
    del metadata.signatures[needed - 1 :]
    block.metadata.metadata[0] = metadata.SerializeToString()
    with pytest.raises(BlockError, match="orderer signatures"):
        verify_block(block, replay.header_hash, replay.config)


def test_one_orderer_signing_many_times_is_not_a_quorum() -> None:
    replay = replayed("bft", WRITE)
    block = captured("bft").block(WRITE)
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[0])
    first = metadata.signatures[0]
    del metadata.signatures[1:]
    metadata.signatures.extend([first, first, first])
    block.metadata.metadata[0] = metadata.SerializeToString()
    with pytest.raises(BlockError, match="orderer signatures"):
        verify_block(block, replay.header_hash, replay.config)


def test_block_whose_orderers_metadata_was_changed_is_refused() -> None:
    replay = replayed("raft", WRITE)
    block = captured("raft").block(WRITE)
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[0])
    metadata.value = metadata.value + b"\x12\x00"
    block.metadata.metadata[0] = metadata.SerializeToString()
    with pytest.raises(BlockError, match="orderer signatures"):
        verify_block(block, replay.header_hash, replay.config)


def test_block_with_a_transaction_removed_is_refused() -> None:
    channel = captured("raft")
    number = next(n for n, item in enumerate(channel.expected) if len(item["transactions"]) > 1)
    replay = replayed("raft", number)
    block = channel.block(number)
    del block.data.data[-1]
    with pytest.raises(BlockError, match="data_hash"):
        verify_block(block, replay.header_hash, replay.config)
    block.header.data_hash = data_hash(block.data)
    with pytest.raises(BlockError, match="orderer signatures"):
        verify_block(block, replay.header_hash, replay.config)


def test_block_without_metadata_header_or_data_is_refused() -> None:
    replay = replayed("raft", WRITE)
    block = captured("raft").block(WRITE)
    block.ClearField("metadata")
    with pytest.raises(BlockError, match="SIGNATURES is missing"):
        verify_block(block, replay.header_hash, replay.config)
    with pytest.raises(BlockError, match="header is missing"):
        verify_block(common_pb2.Block(), b"", replay.config)
    empty = common_pb2.Block()
    empty.header.data_hash = data_hash(empty.data)
    with pytest.raises(BlockError, match="no transaction"):
        verify_block(empty, b"", replay.config)


def test_block_of_another_channel_is_refused() -> None:
    replay = replayed("raft", WRITE)
    other = ChannelConfig.from_envelope(replay.config.envelope, "elsewhere")
    with pytest.raises(BlockError, match="'anchors', not 'elsewhere'"):
        verify_block(captured("raft").block(WRITE), replay.header_hash, other)


def test_configuration_that_is_not_the_next_one_stops_the_channel() -> None:
    channel = captured("raft")
    [number] = [n for n, item in enumerate(channel.expected) if n and item["transactions"][0]["type"] == 1]
    replay = replayed("raft", number + 1)
    with pytest.raises(ChannelStoppedError, match="configuration is refused"):
        validate_block(channel.block(number), replay.config, replay.state, replay.commit_hash)


def test_chaincode_never_defined_is_invalid_chaincode() -> None:
    replay = replayed("raft", WRITE)
    validation = validate_block(captured("raft").block(WRITE), replay.config, MemoryState(), b"\x01")
    assert validation.flags == bytes([25])
    assert "not defined" in validation.reasons[0]


def _flags_of(network: str, number: int, envelope: bytes) -> bytes:
    replay = replayed(network, number)
    block = captured(network).block(number)
    block.data.data[0] = envelope
    return validate_block(block, replay.config, replay.state, replay.commit_hash).flags


def _high_s(signature: bytes) -> bytes:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, order - s)


def _with_endorsements(payload: bytes, endorsements: list[tuple[bytes, bytes]]) -> bytes:
    outer = common_pb2.Payload.FromString(payload)
    transaction = transaction_pb2.Transaction.FromString(outer.data)
    action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
    del action.action.endorsements[:]
    for endorser, signature in endorsements:
        action.action.endorsements.append(proposal_response_pb2.Endorsement(endorser=endorser, signature=signature))
    transaction.actions[0].payload = action.SerializeToString()
    outer.data = transaction.SerializeToString()
    return bytes(outer.SerializeToString())


def _envelope(payload: bytes) -> bytes:
    return bytes(common_pb2.Envelope(payload=payload, signature=b"\x00").SerializeToString())
