"""Builds the proof bundle of one entry of the organization's own books.

What goes in is read where it stands: the row in the books, tiles in the log, records and landmarks in the audit index,
blocks at the own peer. ``network.bundle`` says what the result proves.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from ledger.rows import Disclosure
from network.audit_record import AUDIT, COMPLIANCE
from network.bundle import BundleContent, DecisionEvidence
from network.bundle_format import entry_value
from network.merkle import ReadNode, build_inclusion_proof, level_reader, tile_node_reader
from node.anchor.books import Books
from node.anchor.errors import NotSealedError
from node.anchor.store import LogStore
from node.audit.entry_fields import describe_entry
from node.audit.errors import BadRequestError, NotYetError, UnknownEntryError
from node.audit.evidence import ChannelEvidenceSource, ChannelParts, own_text, place_of, references_of
from node.audit.index import AnchorSizes, AuditIndex
from node.audit.indexer import Indexer
from node.audit.records import AuditRecord

EPOCHS_KEPT = 4
"""Trees over the decisions of epochs kept in memory: each has up to 100,000 leaves, some 15 MiB."""
NODES_KEPT = 1 << 16
"""Subtrees of the log kept in memory while the index stands still."""

STATES = ("posted", "sealed", "anchored", "attested")


class DecisionSource(Protocol):
    """Compliance decisions as their leaves in an epoch commit to them. Calls block."""

    def decision_record(self, seq: int) -> bytes | None:
        """Return the leaf data (salt and record) of an entry's decision; None where it is not known."""
        ...

    def decision_leaves(self, from_seq: int, to_seq: int) -> Sequence[bytes]:
        """Return the leaves of the decisions of a range of entries, in order."""
        ...

    def seqs_of_flagged(self, decision_ids: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the numbers of the entries behind flagged decisions, as far as they are the own books'."""
        ...

    def violations(self) -> Sequence[tuple[int, str]]:
        """Return entries and decisions that do not fit together, with what is wrong."""
        ...


class ProofBuilder:
    """Builds bundles.

    Args:
        channel_id: the shared ledger's channel.
        msp_id: the organization.
        evidence: what the bundles of the channel share.
        decisions: None where this node keeps no decision records; bundles then carry none.
    """

    def __init__(
        self,
        channel_id: str,
        msp_id: str,
        *,
        books: Books,
        store: LogStore,
        index: AuditIndex,
        indexer: Indexer,
        evidence: ChannelEvidenceSource,
        decisions: DecisionSource | None,
    ) -> None:
        self._channel_id = channel_id
        self._msp_id = msp_id
        self._books = books
        self._store = store
        self._index = index
        self._indexer = indexer
        self._evidence = evidence
        self._decisions = decisions
        self._epochs: dict[int, ReadNode] = {}

    async def state(self, seq: int) -> str:
        """Return how far an entry has come: one of ``STATES``.

        Raises:
            UnknownEntryError: there is no such entry.
        """
        return await asyncio.to_thread(self._state, seq)

    async def build(self, seq: int, wait_s: float = 0.0, archived: Disclosure | None = None) -> bytes:
        """Return the bundle of an entry.

        Args:
            wait_s: how long to wait for the entry to become attested; an entry that is anchored by then gets its
                bundle without witnesses.
            archived: of an archived entry, what its file tells; the log says whether that is true.
        Raises:
            UnknownEntryError: there is no such entry.
            NotYetError: it is not anchored yet.
            SealError: its row no longer reads as it was posted.
            InArchiveError: it is archived, and what its file tells was not given.
            BadRequestError: what was given is not the entry that was sealed.
            GatewayError: the own peer does not give its blocks.
        """
        deadline = asyncio.get_running_loop().time() + wait_s
        while wait_s and not await asyncio.to_thread(self._is_complete, seq):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await self._indexer.wait(min(left, 0.25))
        text, parts = await asyncio.to_thread(self._own_text, seq, archived)
        return text + await self._evidence.text(parts)

    def _own_text(self, seq: int, archived: Disclosure | None) -> tuple[bytes, ChannelParts]:
        """Return a bundle's own part, and what of the channel it needs."""
        self._require_posted(seq)
        try:
            content, parts = self._content(archived if archived is not None else self._books.disclose(seq))
        except NotSealedError as error:
            if archived is None:
                raise
            raise BadRequestError(
                f"canonical: entry {seq} is not what was sealed: give the archive's own file"
            ) from error
        return own_text(entry_value(content)), parts

    def _sizes(self) -> AnchorSizes:
        return self._evidence.remembered("sizes", lambda: self._index.anchor_sizes(self._msp_id))

    def _require_posted(self, seq: int) -> None:
        """Refuse a number that no entry has; one that is anchored was posted."""
        if not 0 < seq <= self._sizes().anchored and not 0 < seq <= self._books.posted_seq():
            raise UnknownEntryError(f"entry {seq} does not exist")

    def _state(self, seq: int) -> str:
        self._require_posted(seq)
        sizes = self._sizes()
        if seq <= sizes.attested:
            return "attested"
        if seq <= sizes.anchored:
            return "anchored"
        return "sealed" if seq <= self._store.head().size else "posted"

    def _is_complete(self, seq: int) -> bool:
        has_epoch = self._decisions is None or self._epoch_covering(seq) is not None
        return self._state(seq) == "attested" and has_epoch

    def _content(self, disclosure: Disclosure) -> tuple[BundleContent, ChannelParts]:
        """Return a bundle's own content, without definitions and blocks, and which of those it needs."""
        seq = disclosure.seq
        record = self._evidence.checkpoint_covering(self._msp_id, seq)
        checkpoint = self._evidence.checkpoint(self._msp_id, record) if record is not None else None
        if checkpoint is None:
            raise NotYetError(f"entry {seq} is {self._state(seq)}, not anchored yet: ask again in a moment")
        decision = self._decision(disclosure)
        references = references_of(checkpoint) + ([decision.transaction] if decision else [])
        parts = self._evidence.parts(references, (AUDIT, COMPLIANCE) if decision else (AUDIT,))
        content = BundleContent(
            channel=self._channel_id,
            organization=self._msp_id,
            seq=seq,
            salt=disclosure.salt,
            canonical=disclosure.canonical,
            fields=describe_entry(disclosure.canonical),
            size=checkpoint.size,
            proof=tuple(self._inclusion(disclosure, checkpoint.size)),
            note=checkpoint.note,
            registration=checkpoint.registration,
            anchor=checkpoint.anchor,
            witnesses=checkpoint.witnesses,
            decision=decision,
            definitions={},
            blocks={},
        )
        return content, parts

    def _inclusion(self, disclosure: Disclosure, size: int) -> list[bytes]:
        read_node = self._evidence.remembered("log", lambda: log_reader(self._store))
        if read_node(0, disclosure.seq - 1) != disclosure.leaf:
            raise NotSealedError(f"entry {disclosure.seq} is not what was sealed: audit the books before disclosing it")
        return build_inclusion_proof(read_node, disclosure.seq - 1, size)

    def _decision(self, disclosure: Disclosure) -> DecisionEvidence | None:
        if self._decisions is None:
            return None
        record = self._decisions.decision_record(disclosure.seq)
        epoch = self._epoch_covering(disclosure.seq)
        if record is None or epoch is None or epoch.from_seq is None or epoch.to_seq is None:
            return None
        first, last = epoch.from_seq, epoch.to_seq
        read_node = self._epoch_reader(first, last)
        proof = build_inclusion_proof(read_node, disclosure.seq - first, last - first + 1)
        return DecisionEvidence(record, int(json.loads(epoch.body)["epoch"]), tuple(proof), place_of(epoch))

    def _epoch_reader(self, first: int, last: int) -> ReadNode:
        """Return a reader of the tree over the decisions of an anchored epoch, which never changes any more."""
        found = self._epochs.get(first)
        if found is None:
            assert self._decisions is not None
            found = level_reader(self._decisions.decision_leaves(first, last))
            if len(self._epochs) >= EPOCHS_KEPT:
                self._epochs.clear()
            self._epochs[first] = found
        return found

    def _epoch_covering(self, seq: int) -> AuditRecord | None:
        epochs: list[AuditRecord] = self._evidence.remembered("epochs", list)
        for known in epochs:
            if (known.from_seq or 0) <= seq <= (known.to_seq or 0):
                return known
        found = self._index.epoch_covering(self._msp_id, seq)
        if found is not None:
            epochs.append(found)
        return found


def log_reader(store: LogStore) -> ReadNode:
    """Return a reader of the own log's complete subtrees that remembers them, for as long as the log's end is not."""
    return lru_cache(NODES_KEPT)(tile_node_reader(store.read_tile))
