"""Builds proofs about anchored heads: that one extends another, or that two contradict each other.

Any member can build them: of its own log, and of every log it mirrors. ``network.bundle_claims`` says what they prove.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from network.audit_record import record_key
from network.bundle_many import CONSISTENCY, FORK, ForkClaim, ManyContent, SignedHead, claim_value
from network.bundle_parts import CheckpointEvidence, TransactionRef
from network.checkpoint import Checkpoint, open_checkpoint
from network.errors import ProofError
from network.merkle import ReadTile, build_consistency_proof, tile_node_reader
from node.anchor.store import LogStore, MirrorStore
from node.audit.errors import BadRequestError, NotYetError
from node.audit.evidence import ChannelEvidenceSource, ChannelParts, own_text, place_of, references_of
from node.audit.index import AuditIndex
from node.audit.records import AuditRecord

SIZE_MAX = 2**62


class HeadProofs:
    """Builds bundles of kinds ``consistency`` and ``fork``.

    Args:
        msp_id: the own organization.
        store: the own log.
        mirrors: copies of the others'.
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
    ) -> None:
        self._channel_id = channel_id
        self._msp_id = msp_id
        self._store = store
        self._mirrors = mirrors
        self._index = index
        self._evidence = evidence

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
        """Return the bundle which proves that two heads of one size bear a log's signature and differ in their roots.

        Args:
            organization: whose log.
            note: a signed note of it.
            other: another one; where empty, what is anchored at the first one's size.
        Raises:
            BadRequestError: the notes prove no fork; says why.
            NotYetError: the organization registered no log.
            GatewayError: the own peer does not give its blocks.
        """
        content, parts = await asyncio.to_thread(self._fork, organization, note, other)
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

    def _fork(self, organization: str, note: bytes, other: bytes) -> tuple[ManyContent, ChannelParts]:
        log = self._index.record(record_key("log", organization))
        if log is None:
            raise NotYetError(f"{organization} registered no log")
        key = str(json.loads(log.body)["verifier_key"])
        first, anchor = _opened("note", note, key), None
        if not other:
            record = self._index.record(record_key("checkpoint", organization, first.size))
            if record is None:
                raise BadRequestError(f"note: no head of {first.size} entries is anchored; give a second signed note")
            other, anchor = json.loads(record.body)["note"].encode(), place_of(record)
        second = _opened("other_note", other, key)
        if first.size != second.size or first.root == second.root:
            raise BadRequestError(
                f"note: heads of {first.size} and {second.size} entries contradict each other only where sizes are "
                "equal and roots are not"
            )
        heads = (SignedHead(note.decode(), None), SignedHead(other.decode(), anchor))
        claim = ForkClaim(place_of(log), heads, None)
        named: list[TransactionRef] = [claim.registration, *([anchor] if anchor is not None else [])]
        content = _content(FORK, self._channel_id, organization)
        return replace(content, fork=claim), self._evidence.parts(named)


def _content(kind: str, channel_id: str, organization: str) -> ManyContent:
    return ManyContent(kind, channel_id, organization, (), {}, {})


def _opened(field: str, note: bytes, key: str) -> Checkpoint:
    try:
        return open_checkpoint(note, key)
    except ProofError as error:
        raise BadRequestError(f"{field}: it is not signed by the log's registered key: {error}") from error
