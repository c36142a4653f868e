"""Builds proofs about anchored heads: that one extends another, or that two contradict each other.

Any member can build them: of its own log, and of every log it mirrors. ``network.bundle_claims`` says what they prove.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from network.audit_record import record_key
from network.bundle_many import CONSISTENCY, FORK, Difference, ForkClaim, ManyContent, SignedHead
from network.bundle_many_form import claim_value
from network.bundle_parts import CheckpointEvidence, TransactionRef
from network.checkpoint import Checkpoint, open_checkpoint
from network.errors import ProofError
from network.merkle import (
    ReadTile,
    build_consistency_proof,
    build_inclusion_proof,
    level_reader,
    root,
    tile_node_reader,
)
from node.anchor.errors import MirrorError
from node.anchor.mirror import LogReader, fetch_leaves
from node.anchor.store import LogStore, MirrorStore
from node.audit.anchored_log import AnchoredLeaves
from node.audit.errors import BadRequestError, NotYetError
from node.audit.evidence import ChannelEvidenceSource, ChannelParts, own_text, place_of, references_of
from node.audit.index import AuditIndex
from node.audit.records import AuditRecord

SIZE_MAX = 2**62
LEAVES_MAX = 4_000_000
"""Entries of logs that are compared leaf by leaf, in memory."""


@dataclass(frozen=True, slots=True)
class _Suspects:
    """Two heads that may contradict each other."""

    registration: TransactionRef
    heads: tuple[SignedHead, SignedHead]
    first: Checkpoint
    second: Checkpoint


class HeadProofs:
    """Builds bundles of kinds ``consistency`` and ``fork``.

    Args:
        msp_id: the own organization.
        store: the own log.
        mirrors: copies of the others'.
        members: the others' nodes, by organization.
    """

    def __init__(
        self,
        channel_id: str,
        msp_id: str,
        *,
        store: LogStore,
        mirrors: MirrorStore,
        index: AuditIndex,
        evidence: ChannelEvidenceSource,
        members: Mapping[str, LogReader],
    ) -> None:
        self._channel_id = channel_id
        self._msp_id = msp_id
        self._store = store
        self._mirrors = mirrors
        self._index = index
        self._evidence = evidence
        self._members = members

    async def consistency(self, organization: str, old_size: int, new_size: int) -> bytes:
        """Return the bundle which proves that a log's later head only appended to its earlier one.

        Args:
            organization: whose log; the own one where empty.
            old_size, new_size: of two anchored heads; 0 stands for the oldest and the newest that is cosigned.
        Raises:
            BadRequestError: a size was never anchored, or they are not two in order.
            NotYetError: nothing is anchored, or this node's copy is not as far.
            GatewayError: the own peer does not give its blocks.
        """
        content, parts = await asyncio.to_thread(
            self._consistency, organization or self._msp_id, old_size, new_size or SIZE_MAX
        )
        return own_text(claim_value(content)) + await self._evidence.text(parts)

    async def fork(self, organization: str, note: bytes, other: bytes = b"") -> bytes:
        """Return the bundle which proves that two heads bear a log's signature and contradict each other.

        Heads of one size do so by their roots. Of heads of different sizes an entry must be shown in which they differ:
        from this node's copy of the log, and from what the organization's own node serves now.

        Args:
            organization: whose log.
            note: a signed note of it.
            other: another one; where empty, what is anchored: at the first one's size, or else the newest head.
        Raises:
            BadRequestError: the notes prove no fork; says why.
            NotYetError: the organization registered no log, or anchored nothing.
            GatewayError: the own peer does not give its blocks.
            RpcError: the organization's node is needed and does not answer.
        """
        suspects = await asyncio.to_thread(self._suspects, organization, note, other)
        difference = None
        if suspects.first.size != suspects.second.size:
            difference = await self._difference(organization, suspects.first, suspects.second)
        elif suspects.first.root == suspects.second.root:
            raise BadRequestError("note: both heads are the same: they contradict nothing")
        claim = ForkClaim(suspects.registration, suspects.heads, difference)
        content = replace(_content(FORK, self._channel_id, organization), fork=claim)
        anchors = [head.anchor for head in claim.heads if head.anchor is not None]
        parts = await asyncio.to_thread(self._evidence.parts, [claim.registration, *anchors])
        return own_text(claim_value(content)) + await self._evidence.text(parts)

    def _consistency(self, organization: str, old_size: int, new_size: int) -> tuple[ManyContent, ChannelParts]:
        old = self._head(organization, old_size) if old_size else self._oldest(organization)
        new = self._head(organization, new_size) if new_size != SIZE_MAX else self._newest(organization)
        if old.size >= new.size:
            raise BadRequestError(
                f"new_size: {new.size} is not above {old.size}: name two heads, the smaller one first"
            )
        reader: ReadTile = self._store.read_tile
        if organization != self._msp_id:
            reader = self._mirrors.tile_reader(organization)
            if self._mirrors.head(organization).size < new.size:
                raise NotYetError(f"this node's copy of the log of {organization} is not yet of {new.size} entries")
        proof = tuple(build_consistency_proof(tile_node_reader(reader), old.size, new.size))
        parts = self._evidence.parts(references_of(old) + references_of(new))
        content = _content(CONSISTENCY, self._channel_id, organization)
        return replace(content, checkpoints=(old, new), consistency=proof), parts

    def _oldest(self, organization: str) -> CheckpointEvidence:
        return self._checkpoint(organization, self._index.checkpoint_covering(organization, 1))

    def _newest(self, organization: str) -> CheckpointEvidence:
        return self._checkpoint(organization, self._index.checkpoint_up_to(organization, SIZE_MAX))

    def _head(self, organization: str, size: int) -> CheckpointEvidence:
        record = self._index.record(record_key("checkpoint", organization, size))
        if record is None:
            raise BadRequestError(
                f"size: {organization} anchored no head of {size} entries; `dwaybank audit search` lists"
            )
        return self._checkpoint(organization, record)

    def _checkpoint(self, organization: str, record: AuditRecord | None) -> CheckpointEvidence:
        found = self._evidence.checkpoint(organization, record) if record is not None else None
        if found is None:
            raise NotYetError(f"nothing of {organization} is anchored yet")
        return found

    def _suspects(self, organization: str, note: bytes, other: bytes) -> _Suspects:
        log = self._index.record(record_key("log", organization))
        if log is None:
            raise NotYetError(f"{organization} registered no log")
        key = str(json.loads(log.body)["verifier_key"])
        first, anchor = _opened("note", note, key), None
        if not other:
            same = self._index.record(record_key("checkpoint", organization, first.size))
            record = same or self._index.checkpoint_up_to(organization, SIZE_MAX)
            if record is None:
                raise NotYetError(f"{organization} anchored nothing yet: give a second signed note")
            other, anchor = json.loads(record.body)["note"].encode(), place_of(record)
        second = _opened("other_note", other, key)
        heads = (SignedHead(note.decode(), None), SignedHead(other.decode(), anchor))
        return _Suspects(place_of(log), heads, first, second)

    async def _difference(self, organization: str, first: Checkpoint, second: Checkpoint) -> Difference:
        one, another = await self._leaves(organization, first), await self._leaves(organization, second)
        pairs = enumerate(zip(one, another, strict=False))
        index = next((index for index, pair in pairs if pair[0] != pair[1]), None)
        if index is None:
            raise BadRequestError(
                f"note: the log of {max(len(one), len(another))} entries begins with that of "
                f"{min(len(one), len(another))}: the heads contradict nothing"
            )

        def proved(leaves: list[bytes]) -> tuple[bytes, ...]:
            return tuple(build_inclusion_proof(level_reader(leaves), index, len(leaves)))

        proofs = await asyncio.to_thread(lambda: (proved(one), proved(another)))
        return Difference(index, (one[index], another[index]), proofs)

    async def _leaves(self, organization: str, head: Checkpoint) -> list[bytes]:
        """Return the leaves that hash to a head: of this node's copy, or else as the other node serves them."""
        if head.size > LEAVES_MAX:
            raise BadRequestError(f"note: logs of more than {LEAVES_MAX} entries are not compared here")
        copy = self._store.read_tile if organization == self._msp_id else self._mirrors.tile_reader(organization)
        try:
            return await asyncio.to_thread(lambda: list(AnchoredLeaves(copy, head.size, head.root, "the copy")))
        except (MirrorError, ProofError) as error:
            member = self._members.get(organization)
            if member is None:
                raise BadRequestError(f"note: nobody gives the {head.size} entries of its head") from error
        served = await fetch_leaves(member, 0, head.size)
        if len(served) != head.size or await asyncio.to_thread(root, served) != head.root:
            raise BadRequestError(
                f"note: neither this node's copy nor what {organization} serves now hashes to its head of {head.size} "
                "entries: two heads of one size would prove a fork without them"
            )
        return served


def _content(kind: str, channel_id: str, organization: str) -> ManyContent:
    return ManyContent(kind, channel_id, organization, (), {}, {})


def _opened(field: str, note: bytes, key: str) -> Checkpoint:
    try:
        return open_checkpoint(note, key)
    except ProofError as error:
        raise BadRequestError(f"{field}: it is not signed by the log's registered key: {error}") from error
