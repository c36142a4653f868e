"""Aim: what bundles of one channel share is read from the peer once, and takes no more memory than it may.

Method: a channel in memory with more configuration blocks than most see in a year; what the evidence source asks of its
peer is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import pytest
from fabric_protos.common import common_pb2

from network.bundle_parts import TransactionRef
from node.audit import evidence
from node.audit.evidence import ChannelEvidenceSource, ChannelParts
from node.audit.index import AuditIndex
from tests.support.consortium_in_memory import BANK, ConsortiumInMemory, GatewayInMemory, make_material
from tests.support.proof_scenario import update_channel

UPDATES = 80


class CountingPeer:
    """A peer that remembers which blocks it was asked for."""

    def __init__(self, gateway: GatewayInMemory) -> None:
        self.asked: list[int | None] = []
        self._gateway = gateway

    def blocks(self, start: int | None = None, *, stop: int | None = None) -> AsyncGenerator[common_pb2.Block, None]:
        self.asked.append(start)
        return self._gateway.blocks(start, stop=stop)


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> ConsortiumInMemory:
    made = ConsortiumInMemory(make_material(tmp_path_factory.mktemp("crypto")))
    for _ in range(UPDATES):
        update_channel(made)
    return made


def source_of(consortium: ConsortiumInMemory) -> tuple[ChannelEvidenceSource, CountingPeer]:
    peer = CountingPeer(consortium.gateway(BANK))
    # Of the index nothing is asked here: which blocks a bundle shows is given.
    return ChannelEvidenceSource(cast("AuditIndex", None), peer), peer


def parts_up_to(consortium: ConsortiumInMemory, count: int) -> ChannelParts:
    return ChannelParts({"audit": (TransactionRef(1, 0),)}, tuple(range(len(consortium.blocks) - count)))


def test_blocks_of_an_old_channel_are_read_once(consortium: ConsortiumInMemory) -> None:
    source, peer = source_of(consortium)
    first, second = (asyncio.run(source.text(parts_up_to(consortium, count))) for count in (1, 0))
    assert len(second) > len(first)
    assert peer.asked == list(range(len(consortium.blocks)))


def test_blocks_and_texts_kept_are_bounded_by_their_size(
    consortium: ConsortiumInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = asyncio.run(source_of(consortium)[0].text(parts_up_to(consortium, 0)))
    monkeypatch.setattr(evidence, "BLOCK_BYTES_KEPT", 10 * len(consortium.raw(UPDATES)))
    monkeypatch.setattr(evidence, "TEXT_BYTES_KEPT", len(whole) - 1)
    source, peer = source_of(consortium)
    for count in (0, 1, 0):
        text = asyncio.run(source.text(parts_up_to(consortium, count)))
    assert text == whole
    # Neither the first text nor its blocks were kept beside the second one: all of them are read again.
    assert len(peer.asked) == 3 * len(consortium.blocks) - 1
