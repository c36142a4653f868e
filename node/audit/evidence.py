"""What the bundles of one channel share: anchored heads with their witnesses, definitions, blocks.

All of it is read from the audit index and the own peer. What the index says is remembered as long as it stands still: a
new block forgets it. Blocks never change, and are kept: bundles of one head are made of texts that are there already.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from network.audit_record import AUDIT, record_key
from network.bundle_parts import (
    WITNESS_COUNT_MAX,
    CheckpointEvidence,
    TransactionRef,
    WitnessEvidence,
    channel_value,
    write_json,
)
from node.audit.index import AuditIndex
from node.audit.indexer import BlockSource
from node.audit.records import AuditRecord

BLOCK_BYTES_KEPT = 32 * 1024 * 1024
"""Blocks kept in memory: genesis, configurations, definitions and registrations stand in every bundle."""
REMEMBERED_MAX = 1_000
"""Answers of the index kept while it stands still."""
TEXTS_MAX = 8
TEXT_BYTES_KEPT = 32 * 1024 * 1024
"""Serialized sets of blocks kept, and the size of several: hundreds of kilobytes each, of an old channel megabytes."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChannelParts:
    """Which transactions and blocks a bundle shows; ``blocks`` are read later."""

    definitions: Mapping[str, tuple[TransactionRef, ...]]
    numbers: tuple[int, ...]
    """Block 0, every configuration block, each block that is named, ascending."""


class ChannelEvidenceSource:
    """Reads and remembers.

    Args:
        index: audit records of the own peer's blocks.
        source: the own peer's blocks.
    """

    def __init__(self, index: AuditIndex, source: BlockSource) -> None:
        self._index = index
        self._source = source
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._block_bytes = 0
        self._position: Hashable = None
        self._remembered: dict[Hashable, Any] = {}
        self._texts: dict[Hashable, bytes] = {}

    def remembered(self, key: Hashable, read: Callable[[], T]) -> T:
        """Return what was read under a key since the index moved last, or read it now. Blocks."""
        position = self._index.position()
        if position != self._position or len(self._remembered) >= REMEMBERED_MAX:
            self._remembered, self._position = {}, position
        kept = self._remembered
        if key not in kept:
            kept[key] = read()
        found: T = kept[key]
        return found

    def checkpoint_covering(self, organization: str, seq: int) -> AuditRecord | None:
        """Return the oldest anchored head that covers an entry, a cosigned one if there is one. Blocks."""
        # The head that covers an entry covers all from there on to its own last one.
        spans: list[tuple[int, int, AuditRecord]] = self.remembered(("spans", organization), list)
        for first, last, record in spans:
            if first <= seq <= last:
                return record
        found = self._index.checkpoint_covering(organization, seq)
        if found is not None and found.to_seq is not None and len(spans) < REMEMBERED_MAX:
            spans.append((seq, found.to_seq, found))
        return found

    def registration(self, organization: str) -> TransactionRef | None:
        """Return where an organization registered its log; None where it did not. Blocks."""
        key = record_key("log", organization)
        record = self.remembered(key, lambda: self._index.record(key))
        return place_of(record) if record is not None else None

    def checkpoint(self, organization: str, record: AuditRecord) -> CheckpointEvidence | None:
        """Return an anchored head with everything that vouches for it; None before a log is registered. Blocks."""
        registration = self.registration(organization)
        if registration is None:
            return None
        body = json.loads(record.body)
        size = int(body["size"])
        witnesses = self.remembered(("witnesses", organization, size), lambda: self._witnesses(organization, size))
        return CheckpointEvidence(size, body["note"], registration, place_of(record), witnesses)

    def parts(self, references: Iterable[TransactionRef], contracts: Sequence[str] = (AUDIT,)) -> ChannelParts:
        """Return definitions and blocks that a bundle needs beside these transactions. Blocks."""
        named = tuple(references)
        newest = max((reference.block for reference in named), default=0)
        landmarks = self.remembered(("landmarks", newest), lambda: self._index.landmarks(newest))
        definitions = {
            name: tuple(TransactionRef(*place) for place in landmarks.definitions.get(name, ())) for name in contracts
        }
        blocks = {0, *landmarks.configs, *(reference.block for reference in named)}
        blocks |= {place.block for places in definitions.values() for place in places}
        return ChannelParts(definitions, tuple(sorted(blocks)))

    async def text(self, parts: ChannelParts) -> bytes:
        """Return the end of a bundle's text: its definitions and blocks, and the brace that closes it.

        Raises:
            GatewayError: the own peer does not give its blocks.
        """
        key = (parts.numbers, tuple(parts.definitions.items()))
        found = self._texts.get(key)
        if found is None:
            blocks = {number: await self._block(number) for number in parts.numbers}
            found = (await asyncio.to_thread(lambda: write_json(channel_value(parts.definitions, blocks))))[1:]
            if len(self._texts) >= TEXTS_MAX or sum(map(len, self._texts.values())) + len(found) > TEXT_BYTES_KEPT:
                self._texts.clear()
            self._texts[key] = found
        return found

    def _witnesses(self, organization: str, size: int) -> tuple[WitnessEvidence, ...]:
        found: list[WitnessEvidence] = []
        # A bundle has room for no more, and verifiers ask for one.
        for record in self._index.cosignatures(organization, size)[:WITNESS_COUNT_MAX]:
            body = json.loads(record.body)
            registration = self._index.record(record_key("witness", body["witness"]))
            if registration is None:
                continue  # members who together write what they like can record what the contract would refuse
            found.append(WitnessEvidence(body["witness"], body["cosignature"], place_of(registration)))
        return tuple(found)

    async def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            async with aclosing(self._source.blocks(number, stop=number)) as blocks:
                async for block in blocks:
                    self._blocks[number] = bytes(block.SerializeToString())
                    self._block_bytes += len(self._blocks[number])
        self._blocks.move_to_end(number)
        found = self._blocks[number]
        while self._block_bytes > BLOCK_BYTES_KEPT:
            self._block_bytes -= len(self._blocks.popitem(last=False)[1])
        return found


def references_of(checkpoint: CheckpointEvidence) -> list[TransactionRef]:
    """Return every transaction that a head names."""
    witnesses = (witness.registration for witness in checkpoint.witnesses)
    return [checkpoint.registration, checkpoint.anchor, *witnesses]


def place_of(record: AuditRecord) -> TransactionRef:
    """Return where a record was written."""
    return TransactionRef(record.block_number, record.tx_number)


def own_text(value: Mapping[str, Any]) -> bytes:
    """Return the text of a bundle's own part, to which ``ChannelEvidenceSource.text`` is appended."""
    return write_json(value)[:-1] + b","
