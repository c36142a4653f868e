"""Builds the proof bundle of one entry of the organization's own books.

What goes in is read where it stands: the row in the books, tiles in the log, records and landmarks in the audit index,
blocks at the own peer. ``network.bundle`` says what the result proves.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from ledger.rows import Disclosure
from network.audit_record import AUDIT, COMPLIANCE, record_key
from network.bundle import BundleContent, DecisionEvidence, TransactionRef, WitnessEvidence, build_bundle
from network.merkle import build_inclusion_proof, inclusion_proof, tile_node_reader
from node.anchor.books import Books
from node.anchor.errors import NotSealedError
from node.anchor.store import LogStore
from node.audit.entry_fields import describe_entry
from node.audit.errors import BadRequestError, NotYetError, UnknownEntryError
from node.audit.index import AuditIndex
from node.audit.indexer import BlockSource, Indexer
from node.audit.records import AuditRecord

BLOCKS_KEPT = 64
"""Blocks kept in memory: genesis, definitions and registrations stand in every bundle."""

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
        source: BlockSource,
        decisions: DecisionSource | None,
    ) -> None:
        self._channel_id = channel_id
        self._msp_id = msp_id
        self._books = books
        self._store = store
        self._index = index
        self._indexer = indexer
        self._source = source
        self._decisions = decisions
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

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
        while not await asyncio.to_thread(self._is_complete, seq):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await self._indexer.wait(min(left, 0.25))
        disclosure = archived if archived is not None else await asyncio.to_thread(self._books.disclose, seq)
        try:
            content = await asyncio.to_thread(self._content, disclosure)
        except NotSealedError as error:
            if archived is None:
                raise
            raise BadRequestError(
                f"canonical: entry {seq} is not what was sealed: give the archive's own file"
            ) from error
        blocks = {number: await self._block(number) for number in sorted(content.blocks)}
        return build_bundle(replace(content, blocks=blocks))

    def _state(self, seq: int) -> str:
        if not 0 < seq <= self._books.posted_seq():
            raise UnknownEntryError(f"entry {seq} does not exist")
        sizes = self._index.anchor_sizes(self._msp_id)
        if seq <= sizes.attested:
            return "attested"
        if seq <= sizes.anchored:
            return "anchored"
        return "sealed" if seq <= self._store.head().size else "posted"

    def _is_complete(self, seq: int) -> bool:
        has_epoch = self._decisions is None or self._index.epoch_covering(self._msp_id, seq) is not None
        return self._state(seq) == "attested" and has_epoch

    def _content(self, disclosure: Disclosure) -> BundleContent:
        """Return a bundle's content; its blocks are still empty."""
        seq = disclosure.seq
        checkpoint = self._index.checkpoint_covering(self._msp_id, seq)
        registration = self._index.record(record_key("log", self._msp_id))
        if checkpoint is None or registration is None:
            raise NotYetError(f"entry {seq} is {self._state(seq)}, not anchored yet: ask again in a moment")
        record = json.loads(checkpoint.body)
        size = int(record["size"])
        witnesses = self._witnesses(size)
        decision = self._decision(disclosure)
        newest = max(checkpoint.block_number, decision.transaction.block if decision else 0)
        landmarks = self._index.landmarks(newest)
        definitions = {
            name: tuple(TransactionRef(*place) for place in landmarks.definitions.get(name, ()))
            for name in ((AUDIT, COMPLIANCE) if decision else (AUDIT,))
        }
        references = [_place(checkpoint), _place(registration), *(witness.registration for witness in witnesses)]
        references += [decision.transaction] if decision else []
        references += [place for places in definitions.values() for place in places]
        return BundleContent(
            channel=self._channel_id,
            organization=self._msp_id,
            seq=seq,
            salt=disclosure.salt,
            canonical=disclosure.canonical,
            fields=describe_entry(disclosure.canonical),
            size=size,
            proof=tuple(self._inclusion(disclosure, size)),
            note=record["note"],
            registration=_place(registration),
            anchor=_place(checkpoint),
            witnesses=tuple(witnesses),
            decision=decision,
            definitions=definitions,
            blocks=dict.fromkeys({0, *landmarks.configs, *(reference.block for reference in references)}, b""),
        )

    def _inclusion(self, disclosure: Disclosure, size: int) -> list[bytes]:
        read_node = tile_node_reader(self._store.read_tile)
        if read_node(0, disclosure.seq - 1) != disclosure.leaf:
            raise NotSealedError(f"entry {disclosure.seq} is not what was sealed: audit the books before disclosing it")
        return build_inclusion_proof(read_node, disclosure.seq - 1, size)

    def _witnesses(self, size: int) -> list[WitnessEvidence]:
        found: list[WitnessEvidence] = []
        for record in self._index.cosignatures(self._msp_id, size):
            body = json.loads(record.body)
            registration = self._index.record(record_key("witness", body["witness"]))
            assert registration is not None, "a cosignature is only recorded for a registered key"
            found.append(WitnessEvidence(body["witness"], body["cosignature"], _place(registration)))
        return found

    def _decision(self, disclosure: Disclosure) -> DecisionEvidence | None:
        if self._decisions is None:
            return None
        record = self._decisions.decision_record(disclosure.seq)
        epoch = self._index.epoch_covering(self._msp_id, disclosure.seq)
        if record is None or epoch is None or epoch.from_seq is None or epoch.to_seq is None:
            return None
        leaves = self._decisions.decision_leaves(epoch.from_seq, epoch.to_seq)
        proof = inclusion_proof(leaves, disclosure.seq - epoch.from_seq)
        return DecisionEvidence(record, int(json.loads(epoch.body)["epoch"]), tuple(proof), _place(epoch))

    async def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            async with aclosing(self._source.blocks(number, stop=number)) as blocks:
                async for block in blocks:
                    self._blocks[number] = bytes(block.SerializeToString())
        self._blocks.move_to_end(number)
        found = self._blocks[number]
        while len(self._blocks) > BLOCKS_KEPT:
            self._blocks.popitem(last=False)
        return found


def _place(record: AuditRecord) -> TransactionRef:
    return TransactionRef(record.block_number, record.tx_number)
