"""The audit trail of one organization's node: its parts put together, started and stopped in order.

    posted rows → Sealer → LogStore → Anchorer → shared ledger → Indexer → AuditIndex → Attester, proofs, search

An organization without books (the regulator) has the same parts but the first three.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from nacl.signing import SigningKey

from node.anchor.anchorer import Anchorer, EpochSource, Gateway, Lag
from node.anchor.attester import Attester
from node.anchor.books import ArchivedEntries, Books, Recomputed, recompute_all
from node.anchor.database import Database
from node.anchor.mirror import LogReader, Mirror
from node.anchor.sealer import Sealer
from node.anchor.store import LogStore, MirrorStore
from node.audit.anchored_log import mirrored_leaves, own_leaves
from node.audit.books_audit import (
    BALANCE,
    DECISION,
    MIRROR,
    REFUSAL,
    BookFinding,
    BooksAudit,
    Leaves,
    join_findings,
)
from node.audit.cases import Cases
from node.audit.control_totals import OwnTotals, TotalsStore
from node.audit.customers import CustomerSource
from node.audit.demand_store import DemandStore
from node.audit.demands import Demands, Discloser
from node.audit.details import DetailStore
from node.audit.disclosed import DisclosedEntries
from node.audit.disclosure import Disclosures, DisclosureSettings
from node.audit.entry_search import EntrySearch
from node.audit.errors import BadRequestError, NotYetError
from node.audit.evidence import ChannelEvidenceSource
from node.audit.findings import Findings, TextHolder
from node.audit.head_proofs import HeadProofs
from node.audit.index import AnchorSizes, AuditIndex, Position
from node.audit.indexer import BlockRecordSource, BlockSource, Indexer, RecordSource
from node.audit.matter import Lasting
from node.audit.passkeys import Passkeys
from node.audit.proofs import DecisionSource, ProofBuilder
from node.audit.range_proofs import RangeProofs
from node.audit.receipt_watch import ReceiptWatch
from node.audit.receipts import ReceiptGiver, Receipts, ReceiptStore
from node.audit.records import BlockRecords
from node.audit.reviews import Reviews
from node.audit.sealing import OwnMember
from node.audit.supervisor import Deadlines, HeadReader, Supervisor
from node.audit.totals_watch import TotalsOpener, TotalsWatch


class OwnPeer(Gateway, BlockSource, Protocol):
    """The own peer: transactions and blocks; ``network.client.GatewayClient`` is one."""


class Member(LogReader, Discloser, TextHolder, HeadReader, ReceiptGiver, TotalsOpener, Protocol):
    """Another member's node; ``member_node.MemberNode`` is one."""

    def recompute(self, from_seq: int, to_seq: int) -> AsyncIterator[Recomputed]:
        """Give the leaves of the member's books as they stand now."""
        ...


@dataclass(frozen=True, slots=True)
class TrailKeys:
    """The node's signing and verifying keys."""

    log: SigningKey
    witness: SigningKey
    writer: bytes | None
    """Public half of the posting engine's Ed25519 key; None for an organization without books."""


@dataclass(frozen=True, slots=True)
class TrailStatus:
    """How far everything is."""

    posted_seq: int
    sealed_size: int
    sizes: AnchorSizes
    checkpoint_count: int
    position: Position
    lag: Lag
    stalled: str


@dataclass(frozen=True, slots=True)
class BooksAuditOutcome:
    """What an audit of books found."""

    findings: list[BookFinding]
    entries_checked: int
    anchored_size: int
    archived: list[ArchivedEntries]
    """Files that hold entries of which only the leaves were compared."""


class AuditTrail:
    """Seals, anchors, indexes, attests; and answers what the audit service is asked.

    Args:
        msp_id: the organization.
        channel_id: the shared ledger's channel.
        database_url: the organization's database; schema ``log`` (and ``ledger``, with books) is migrated already.
        genesis_hash: header hash of the channel's block 0.
        peer: the own peer, as the organization's client "Node".
        member: this organization towards the others.
        disclosure: how demands are made and answered.
        reviewer: the same peer as a reviewer; None where the node holds no reviewer's identity.
        members: the other members' nodes by organization.
        records: what the own peer commits, where it runs in this process; None reads the blocks ``peer`` gives.
        epochs, decisions: compliance; None where there are none.
        deadlines: by which other members are watched; None where they are not.
    """

    def __init__(
        self,
        msp_id: str,
        channel_id: str,
        *,
        database_url: str,
        genesis_hash: bytes,
        keys: TrailKeys,
        member: OwnMember,
        disclosure: DisclosureSettings,
        peer: OwnPeer,
        reviewer: Gateway | None,
        members: Mapping[str, Member],
        records: RecordSource | None = None,
        epochs: EpochSource | None = None,
        decisions: DecisionSource | None = None,
        deadlines: Deadlines | None = None,
        anchor_interval_s: float = 0.5,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.msp_id = msp_id
        self.channel_id = channel_id
        self.member = member
        self._members = members
        self._decisions = decisions
        self._now = now
        self._database = Database(database_url)
        self._books = Books(self._database, keys.writer) if keys.writer is not None else None
        self.store = LogStore(self._database)
        self.mirrors = MirrorStore(self._database)
        self.index = AuditIndex(self._database, now)
        self.indexer = Indexer(records or BlockRecordSource(peer), self.index, (self._told,))
        sealer = Sealer(msp_id, keys.log, self._books, self.store, now) if self._books is not None else None
        self.anchorer = Anchorer(
            msp_id,
            log_key=keys.log,
            witness_key=keys.witness,
            disclosure_key=bytes(disclosure.key.public_key),
            gateway=peer,
            sealer=sealer,
            store=self.store,
            source=self._books,
            epochs=epochs,
            now=now,
            random_bytes=random_bytes,
            interval_s=anchor_interval_s,
        )
        self.mirror = Mirror(self.mirrors, now)
        self.attester = self._make_attester(keys.witness, peer)
        self.reviews = Reviews(self.index, reviewer, decisions, now=now, random_bytes=random_bytes)
        self.findings = Findings(msp_id, self._database, self.index, peer, members, random_bytes)
        self.kept_receipts = ReceiptStore(msp_id, self._database)
        self.opened_totals = TotalsStore(self._database)
        self.supervisor = self._make_supervisor(deadlines, now) if deadlines is not None else None
        self.disclosed = DisclosedEntries(self._database)
        self.entries = EntrySearch(self._database, now)
        self.cases = Cases(self._database)
        self.passkeys = Passkeys(self._database)
        self.known_demands = DemandStore(msp_id, self._database, self.index)
        self.demands = self._make_demands(member, disclosure, peer, genesis_hash, random_bytes)
        evidence = ChannelEvidenceSource(self.index, peer)
        self.head_proofs = self._make_head_proofs(evidence)
        self._proofs = self._make_proofs(evidence, decisions)
        self._range_proofs = self._make_range_proofs(evidence)
        self.disclosures = self._make_disclosures(member, disclosure, peer)
        self.own_totals = OwnTotals(self.store, self.disclosures.require_supervisor)
        self.receipts = self._make_receipts(member, peer)

    @property
    def database(self) -> Database:
        """Connections to the organization's database."""
        return self._database

    def open(self) -> None:
        """Connect to the database. Blocks."""
        self._database.open()

    async def start(self) -> None:
        """Connect, and begin to index, anchor and attest in the background."""
        await asyncio.to_thread(self.open)
        await self.indexer.start()
        await self.anchorer.start()
        await self.attester.start()
        await self.receipts.start()
        if self.supervisor is not None:
            await self.supervisor.start()

    async def stop(self) -> None:
        """End all background work."""
        if self.supervisor is not None:
            await self.supervisor.stop()
        await self.receipts.stop()
        await self.attester.stop()
        await self.anchorer.stop()
        await self.indexer.stop()
        await asyncio.to_thread(self._database.close)

    @property
    def failure(self) -> BaseException | None:
        """Why a part of the background work ended without being told to; the process must then start again."""
        watching = self.supervisor.failure if self.supervisor is not None else None
        working = self.indexer.failure or self.anchorer.failure or self.attester.failure
        return working or self.receipts.failure or watching

    def status(self) -> TrailStatus:
        """Return how far everything is. Blocks."""
        return TrailStatus(
            posted_seq=self._books.posted_seq() if self._books is not None else 0,
            sealed_size=self.store.head().size,
            sizes=self.index.anchor_sizes(self.msp_id),
            checkpoint_count=self.index.checkpoint_count(self.msp_id),
            position=self.index.position(),
            lag=self.anchorer.lag(),
            stalled=self.anchorer.stalled,
        )

    def own_books(self) -> Books:
        """Return the organization's books.

        Raises:
            NotYetError: it keeps none.
        """
        if self._books is None:
            raise NotYetError(f"{self.msp_id} keeps no books on this node")
        return self._books

    def own_proofs(self) -> ProofBuilder:
        """Return the builder of the own entries' proofs.

        Raises:
            NotYetError: this organization keeps no books.
        """
        self.own_books()
        assert self._proofs is not None
        return self._proofs

    def own_range_proofs(self) -> RangeProofs:
        """Return the builder of proofs over many of the own entries.

        Raises:
            NotYetError: this organization keeps no books.
        """
        self.own_books()
        assert self._range_proofs is not None
        return self._range_proofs

    async def entry_state(self, seq: int) -> str:
        """Return how far an entry has come: ``posted``, ``sealed``, ``anchored`` or ``attested``."""
        return await self.own_proofs().state(seq)

    async def audit_books(self, organization: str) -> BooksAuditOutcome:
        """Compare an organization's books as they stand now with the log it anchored.

        Raises:
            BadRequestError: no such member's node is known here.
            NotYetError: nothing of it is anchored, or mirrored here, yet.
            MirrorError: this node's copy of the log is not sound.
            RpcError: the member does not answer.
        """
        if organization == self.msp_id:
            leaves: Leaves = await asyncio.to_thread(own_leaves, self.store, self.index, self.msp_id)
            rows = recompute_all(self.own_books(), 0, 0)
        elif organization in self._members:
            leaves = await asyncio.to_thread(mirrored_leaves, self.mirrors, self.index, organization)
            rows = self._members[organization].recompute(0, 0)
        else:
            raise BadRequestError(f"organization: {organization!r} is no member whose node is known here")
        audit = BooksAudit(leaves)
        async for some in rows:
            await asyncio.to_thread(audit.add, some)
        others = await asyncio.to_thread(self._other_findings, organization)
        findings = join_findings(audit.finish(), others)
        return BooksAuditOutcome(findings, audit.checked, len(leaves), audit.archived)

    def _other_findings(self, organization: str) -> list[BookFinding]:
        """Return what is not as it must be beside the rows themselves."""
        if organization != self.msp_id:
            kept = self.mirrors.findings(organization)
            return [
                BookFinding(MIRROR, 0, f"{explanation} (at {size} entries, found {found:%Y-%m-%d %H:%M:%S} UTC)")
                for size, explanation, found in kept
            ]
        balances = self.own_books().verify()
        decisions = self._decisions.violations() if self._decisions is not None else []
        return [
            *(
                BookFinding(
                    REFUSAL if found.subject.startswith("refusal") else BALANCE,
                    found.seq,
                    found.problem if found.seq else f"{found.subject} {found.problem}",
                )
                for found in balances
            ),
            *(BookFinding(DECISION, seq, explanation) for seq, explanation in decisions),
        ]

    def _make_supervisor(self, deadlines: Deadlines, now: Callable[[], datetime]) -> Supervisor:
        return Supervisor(
            self.msp_id,
            self._database,
            index=self.index,
            mirrors=self.mirrors,
            findings=self.findings,
            members=self._members,
            deadlines=deadlines,
            now=now,
            watches=(
                ReceiptWatch(self.kept_receipts, lambda: self.receipts.refusals, Lasting(deadlines.checkpoint, now)),
                TotalsWatch(
                    self.msp_id,
                    index=self.index,
                    store=self.opened_totals,
                    members=self._members,
                    lasting=Lasting(deadlines.checkpoint, now),
                    now=now,
                ),
            ),
        )

    def _make_receipts(self, member: OwnMember, peer: OwnPeer) -> Receipts:
        return Receipts(
            self.channel_id,
            member,
            index=self.index,
            source=peer,
            store=self.kept_receipts,
            members=self._members,
            now=self._now,
        )

    def _make_attester(self, key: SigningKey, peer: OwnPeer) -> Attester:
        return Attester(
            self.msp_id,
            key=key,
            gateway=peer,
            heads=self.index,
            mirror=self.mirror,
            readers=self._members,
            now=self._now,
        )

    def _make_demands(
        self,
        member: OwnMember,
        disclosure: DisclosureSettings,
        peer: OwnPeer,
        genesis_hash: bytes,
        random_bytes: Callable[[int], bytes],
    ) -> Demands:
        return Demands(
            member,
            disclosure.key,
            gateway=peer,
            members=self._members,
            genesis_hash=genesis_hash,
            demands=self.known_demands,
            kept=self.disclosed,
            details=DetailStore(self._database, disclosure.key),
            findings=self.findings if self.supervisor is not None else None,
            now=self._now,
            random_bytes=random_bytes,
        )

    def _make_disclosures(self, member: OwnMember, disclosure: DisclosureSettings, peer: OwnPeer) -> Disclosures:
        return Disclosures(
            member,
            disclosure,
            gateway=peer,
            demands=self.known_demands,
            indexer=self.indexer,
            proofs=self._proofs,
            books=self._books,
            customers=CustomerSource(self._database),
            now=self._now,
        )

    def _make_proofs(self, evidence: ChannelEvidenceSource, decisions: DecisionSource | None) -> ProofBuilder | None:
        if self._books is None:
            return None
        return ProofBuilder(
            self.channel_id,
            self.msp_id,
            books=self._books,
            store=self.store,
            index=self.index,
            indexer=self.indexer,
            evidence=evidence,
            decisions=decisions,
        )

    def _make_head_proofs(self, evidence: ChannelEvidenceSource) -> HeadProofs:
        return HeadProofs(
            self.channel_id,
            self.msp_id,
            store=self.store,
            mirrors=self.mirrors,
            index=self.index,
            evidence=evidence,
            members=self._members,
        )

    def _make_range_proofs(self, evidence: ChannelEvidenceSource) -> RangeProofs | None:
        if self._books is None:
            return None
        return RangeProofs(
            self.channel_id, self.msp_id, books=self._books, store=self.store, index=self.index, evidence=evidence
        )

    def _told(self, found: BlockRecords) -> None:
        if any(record.kind == "checkpoint" and record.organization != self.msp_id for record in found.records):
            self.attester.wake()
