"""Reads the channels captured from a real Fabric network, and replays them up to a block."""

from __future__ import annotations

import functools
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2

from network.block import header_hash, parse_block
from network.channel_config import ChannelConfig
from node.peer.state import MemoryState
from node.peer.validator import Validation, validate_block

NETWORKS = ("raft", "bft")
FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "wire"


@dataclass(frozen=True)
class CapturedChannel:
    """A channel's blocks, and what Fabric's peer said of each."""

    blocks: tuple[bytes, ...]
    expected: tuple[Mapping[str, Any], ...]
    what: tuple[Mapping[str, Any], ...]

    def block(self, number: int) -> common_pb2.Block:
        """Return a fresh copy of one block."""
        return parse_block(self.blocks[number])

    def flags(self, number: int) -> bytes:
        """Return the validation codes Fabric's peer gave."""
        return bytes(transaction["flag"] for transaction in self.expected[number]["transactions"])

    def position_of(self, what: str, code: int) -> tuple[int, int]:
        """Return block and position of the first transaction made for a purpose and flagged so by Fabric."""
        ids = {item.get("txid") for item in self.what if item["what"] == what}
        for block in self.expected:
            for position, transaction in enumerate(block["transactions"]):
                if transaction["tx_id"] in ids and transaction["flag"] == code:
                    return block["number"], position
        raise LookupError(f"no transaction {what!r} with code {code}")


@dataclass
class Replay:
    """A channel as a peer has it after some blocks."""

    channel: CapturedChannel
    config: ChannelConfig
    state: MemoryState
    commit_hash: bytes = b""
    header_hash: bytes = b""

    def take(self, block: common_pb2.Block, **own: Any) -> Validation:
        """Judge and commit a block."""
        validation = validate_block(block, self.config, self.state, self.commit_hash, **own)
        ids = [transaction.tx_id for transaction in validation.transactions]
        self.state.commit(validation.number, validation.updates, ids, validation.expiries)
        self.commit_hash = validation.commit_hash
        self.header_hash = header_hash(block.header)
        self.config = validation.next_config or self.config
        return validation


@functools.cache
def captured(network: str) -> CapturedChannel:
    """Return one captured channel: ``"raft"`` or ``"bft"``."""
    with tarfile.open(FOLDER / f"fabric-3.1-{network}.tar.xz") as archive:
        files = {name: _content(archive, name) for name in archive.getnames() if archive.getmember(name).isfile()}
    blocks = tuple(files[name] for name in sorted(files) if name.startswith("blocks/"))
    return CapturedChannel(blocks, tuple(json.loads(files["expected.json"])), tuple(json.loads(files["what.json"])))


def replayed(network: str, height: int) -> Replay:
    """Return the channel after its first ``height`` blocks."""
    channel = captured(network)
    replay = Replay(channel, ChannelConfig.from_block(channel.block(0)), MemoryState())
    for number in range(height):
        replay.take(channel.block(number))
    return replay


def endorsed_envelopes(network: str) -> Iterator[tuple[int, int, bytes]]:
    """Return block, position and bytes of every endorsed transaction of a captured channel."""
    channel = captured(network)
    for number, expected in enumerate(channel.expected):
        for position, envelope in enumerate(channel.block(number).data.data):
            if expected["transactions"][position]["type"] == common_pb2.ENDORSER_TRANSACTION:
                yield number, position, envelope


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    assert stream is not None, f"{name} is not a file"
    return stream.read()
