"""Blocks that no channel is joined by are refused in the words of a Go peer. Method: each of them, with its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.peer.errors import ChaincodeError
from node.peer.join_block import channel_of, check_config
from tests.support.joining_blocks import joining_blocks
from tests.support.ordering import make_material

NO_MESSAGE = "proto: cannot parse invalid wire-format data"
EXTRACT = '"JoinChain" request failed to extract channel id from the block due to [{}]'
VALIDATE = '"JoinChain" for channelID = anchors failed because of validation of configuration block, because of {}'
TEXTS = {
    "block": f"Failed to reconstruct the genesis block, error unmarshalling Block: {NO_MESSAGE}",
    "envelopes": EXTRACT.format("failed to retrieve channel id - block is empty"),
    "envelope": EXTRACT.format(f"error unmarshalling Envelope: {NO_MESSAGE}"),
    "payload": EXTRACT.format(f"error unmarshalling Payload: {NO_MESSAGE}"),
    "header": EXTRACT.format("failed to retrieve channel id - payload header is empty"),
    "channel header": EXTRACT.format(f"error unmarshalling ChannelHeader: {NO_MESSAGE}"),
    "type": VALIDATE.format("Bad configuration envelope: invalid type ENDORSER_TRANSACTION, expected CONFIG"),
    "unknown type": VALIDATE.format("Bad configuration envelope: invalid type 77, expected CONFIG"),
    "config envelope": VALIDATE.format(
        f"Bad configuration envelope: error unmarshalling message for type CONFIG: {NO_MESSAGE}"
    ),
    "config": VALIDATE.format("Nil config envelope Config"),
    "channel group": VALIDATE.format("Nil channel group"),
    "groups": VALIDATE.format("No channel configuration groups are available"),
    "Application": VALIDATE.format("Invalid configuration block, missing Application configuration group"),
    "Application capability V9": VALIDATE.format(
        "Failed capabilities check: [Application capability V9 is required but not supported]"
    ),
    "Channel capability V9": VALIDATE.format(
        "Failed capabilities check: [Channel capability V9 is required but not supported]"
    ),
}


@pytest.fixture(scope="module")
def genesis(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder: Path = tmp_path_factory.mktemp("channel")
    return make_material(folder / "crypto").genesis(folder / "genesis.block").read_bytes()


@pytest.mark.parametrize("what", TEXTS)
def test_block_is_refused_in_fabrics_words(genesis: bytes, what: str) -> None:
    with pytest.raises(ChaincodeError) as refusal:
        check_config(*channel_of(joining_blocks(genesis)[what]))
    assert str(refusal.value) == TEXTS[what]


def test_each_damaged_block_has_its_text_and_the_sound_one_none(genesis: bytes) -> None:
    assert joining_blocks(genesis).keys() == TEXTS.keys()
    channel_id, envelope = channel_of(genesis)
    check_config(channel_id, envelope)
    assert channel_id == "anchors"
