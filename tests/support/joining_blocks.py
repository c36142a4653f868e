"""Blocks that no peer joins a channel by, each wrong in one way; a Go peer answers each with a text of its own."""

from __future__ import annotations

from fabric_protos.common import common_pb2, configtx_pb2

from network.block import parse_block
from network.channel_config import config_of_block


def joining_blocks(genesis: bytes) -> dict[str, bytes]:
    """Return a channel's genesis block damaged in every way that is told apart, by what is wrong with it."""
    blocks = {"block": b"no block", "envelopes": b""}
    for name, data in (
        ("envelope", b"\xff"),
        ("payload", b"\x0a\x01\xff"),
        ("header", b""),
        ("channel header", b"\x0a\x05\x0a\x03\x0a\x01\xff"),
    ):
        blocks[name] = common_pb2.Block(data=common_pb2.BlockData(data=[data])).SerializeToString()
    blocks["type"] = _changed(genesis, header_type=common_pb2.ENDORSER_TRANSACTION)
    blocks["unknown type"] = _changed(genesis, header_type=77)
    blocks["config envelope"] = _changed(genesis, data=b"\xff")
    envelope = configtx_pb2.ConfigEnvelope()
    blocks["config"] = _changed(genesis, data=envelope.SerializeToString())
    envelope.config.SetInParent()
    blocks["channel group"] = _changed(genesis, data=envelope.SerializeToString())
    envelope.config.channel_group.SetInParent()
    blocks["groups"] = _changed(genesis, data=envelope.SerializeToString())
    envelope.config.channel_group.groups["Orderer"].SetInParent()
    blocks["Application"] = _changed(genesis, data=envelope.SerializeToString())
    for level in ("Application", "Channel"):
        envelope = configtx_pb2.ConfigEnvelope.FromString(config_of_block(parse_block(genesis))[1])
        root = envelope.config.channel_group
        group = root if level == "Channel" else root.groups[level]
        group.values["Capabilities"].value = group.values["Capabilities"].value + b"\x0a\x06\x0a\x02V9\x12\x00"
        blocks[f"{level} capability V9"] = _changed(genesis, data=envelope.SerializeToString())
    return blocks


def _changed(genesis: bytes, *, header_type: int = common_pb2.CONFIG, data: bytes | None = None) -> bytes:
    block = parse_block(genesis)
    envelope = common_pb2.Envelope.FromString(block.data.data[0])
    payload = common_pb2.Payload.FromString(envelope.payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    header.type = header_type
    payload.header.channel_header = header.SerializeToString()
    payload.data = payload.data if data is None else data
    envelope.payload = payload.SerializeToString()
    block.data.data[0] = envelope.SerializeToString()
    changed: bytes = block.SerializeToString()
    return changed
