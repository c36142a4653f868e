"""Aim: a map's entry is there for us whenever it is there for Fabric's peers, which are written in Go.

Method: messages with maps, written by hand with what belongs in no entry; read whole, and in a configuration.
"""

from __future__ import annotations

from random import Random

import pytest
from fabric_protos.common import configtx_pb2, configuration_pb2
from google.protobuf.message import DecodeError

from network.channel_config import ChannelConfig
from network.errors import ConfigError
from network.map_entries import read_message
from tests.support.twin_mutations import varint
from tests.support.twin_world import CHANNEL, Bend, World

VALUE = configtx_pb2.ConfigValue(version=1, mod_policy="Admins")
STRAY = {
    "number": b"\x80\x01\x01",
    "bytes": b"\x82\x01\x01x",
    "fixed_64": b"\x81\x01" + bytes(8),
    "fixed_32": b"\x85\x01" + bytes(4),
    "group": b"\x83\x01\x0b\x0c\x84\x01",
    "group_of_the_keys_number": b"\x0b\x0c",
    "number_of_the_values_number": b"\x10\x01",
    "long_tag": b"\xf8\xff\xff\xff\x0f\x00",
}


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def group_with(entry: bytes) -> bytes:
    below = configtx_pb2.ConfigGroup(version=7).SerializeToString() + field(3, entry)
    return field(2, field(1, b"Below") + field(2, below)) + b"\x92\x3f\x01x"


@pytest.mark.parametrize("stray", STRAY.values(), ids=STRAY)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_entry_is_there_whatever_stands_beside_its_key_and_value(stray: bytes, place: int) -> None:
    parts = [field(1, b"MSP"), field(2, VALUE.SerializeToString())]
    parts.insert(place, stray)
    read = read_message(configtx_pb2.ConfigGroup, group_with(b"".join(parts)))
    assert read.groups["Below"].version == 7
    assert read.groups["Below"].values["MSP"] == VALUE
    # What nobody knows outside of entries stays, as it does in Go.
    assert read.SerializeToString().endswith(b"\x92\x3f\x01x")


def test_of_equal_keys_the_last_one_counts_with_and_without_a_stray_field() -> None:
    def entry(name: bytes, stray: bytes) -> bytes:
        return field(1, field(1, name) + field(2, b"") + stray)

    kind = configuration_pb2.Capabilities
    assert set(read_message(kind, entry(b"V2_0", b"\x80\x01\x01") + entry(b"V3_0", b"")).capabilities) == {
        "V2_0",
        "V3_0",
    }
    first, last = (field(2, configtx_pb2.ConfigValue(version=number).SerializeToString()) for number in (1, 2))
    for strays in ((b"", b"\x80\x01\x01"), (b"\x80\x01\x01", b"")):
        entries = (field(1, b"k") + value + stray for value, stray in zip((first, last), strays, strict=True))
        read = read_message(configtx_pb2.ConfigGroup, b"".join(field(3, each) for each in entries))
        assert read.values["k"].version == 2


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(DecodeError):
        read_message(configtx_pb2.ConfigGroup, b"\x12\x05\x0a")


@pytest.mark.parametrize(
    ("key", "refusal"),
    [(field(1, b"Admins") + STRAY["number"], None), (field(16, b"Admins"), "config ID illegal, cannot be empty")],
)
def test_configuration_has_the_policy_whose_entry_carries_more(key: bytes, refusal: str | None) -> None:
    """Once it had none, and Fabric's peers heeded or refused what ours did not see."""
    world = World(Bend("", 0, Random(0)))
    world.genesis()
    root = world.config.channel_group
    policy = root.policies["Admins"].SerializeToString()
    del root.policies["Admins"]
    envelope = field(1, field(2, root.SerializeToString() + field(4, key + field(2, policy))))
    if refusal:
        with pytest.raises(ConfigError, match=refusal):
            ChannelConfig.from_envelope(envelope, CHANNEL)
    else:
        assert ChannelConfig.from_envelope(envelope, CHANNEL).policy("/Channel/Admins")
