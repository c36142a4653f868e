"""A bank and a regulator with real databases, real books and the whole audit trail, on an in-memory channel."""

from __future__ import annotations

import asyncio
import base64
import os
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import psycopg
from google.protobuf.message import Message
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from ledger.account import Side
from ledger.balances import open_account
from ledger.canonical import field
from ledger.decision import AcceptedEntries, Decision, Decisions
from ledger.journal import Outcome, microseconds, transfer
from ledger.posting import Writer
from ledger.schema import migrate as migrate_ledger
from ledger.script import Executes
from network.channel_config import ChannelConfig
from network.checkpoint import COSIGNATURE_V1, cosign, verifier_key
from network.errors import GatewayError
from network.merkle import leaf_hash, root
from network.obligation import ObligationDetails
from network.rpc import Call, Channel, Server
from node.access import Members
from node.anchor.database import migrate as migrate_log
from node.anchor.sealer import witness_name
from node.audit.audit_service import AuditService
from node.audit.disclosure import DisclosureSettings
from node.audit.disclosure_service import DisclosureService
from node.audit.entry_service import EntryService
from node.audit.finding_service import FindingService
from node.audit.member_node import SERVICE, MemberNode
from node.audit.proof_service import SERVICE as PROOF_SERVICE
from node.audit.proof_service import ProofService
from node.audit.receipt_service import ReceiptService
from node.audit.sealing import OwnMember
from node.audit.supervisor import Deadlines
from node.audit.trail import AuditTrail, TrailKeys
from node.compliance.decisions import encode_decision
from node.reports.report_area import ReportArea
from tests.support.consortium_in_memory import BANK, CHANNEL, DOMAINS, PARTNER, REGULATOR, ConsortiumInMemory, Material

R = TypeVar("R", bound=Message)
WRITER_KEY = SigningKey(bytes(31) + b"\x09")
DISCLOSURE_KEY = PrivateKey(bytes(31) + b"\x06")
RULES_HASH = bytes([0x22]) * 32


class RecordedDecisions:
    """Approves all but round thousands, and remembers the record of each decision."""

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}
        self.entries: list[tuple[bytes, Outcome, bytes]] = []

    def decide(self, entries: AcceptedEntries, now: datetime) -> Decisions:
        decisions = []
        for entry in entries.entries:
            manual = entry.postings[0].amount % 1000 == 0
            outcome = Outcome.REQUIRES_MANUAL_REVIEW if manual else Outcome.AUTOMATED_APPROVAL
            number, shared = (
                os.urandom(16),
                field(RULES_HASH) + field(microseconds(now).to_bytes(8, "big")) + field(b"EUR"),
            )
            canonical = encode_decision(number, entry.key.bytes, outcome, shared, entry.postings[0].amount)
            record = os.urandom(32) + canonical
            self.records[number] = record
            decisions.append(Decision(number, outcome, leaf_hash(record)))
        return Decisions.of(decisions)

    def in_commit(self, script: Executes, accepted: AcceptedEntries, now: datetime) -> None:
        self.entries += [(item.decision.id, item.decision.outcome, item.decision.leaf) for item in accepted]

    def decision_record(self, seq: int) -> bytes | None:
        return self.records.get(self.entries[seq - 1][0])

    def decision_leaves(self, from_seq: int, to_seq: int) -> list[bytes]:
        return [leaf for _, _, leaf in self.entries[from_seq - 1 : to_seq]]

    def seqs_of_flagged(self, decision_ids: Sequence[bytes]) -> dict[bytes, int]:
        known = {number: seq for seq, (number, _, _) in enumerate(self.entries, 1)}
        return {number: known[number] for number in decision_ids if number in known}

    def violations(self) -> list[tuple[int, str]]:
        return []

    def build_epoch(self, number: int, from_seq: int, to_seq: int) -> dict[str, Any]:
        covered = self.entries[from_seq - 1 : to_seq]
        flags = [number.hex() for number, outcome, _ in covered if outcome is Outcome.REQUIRES_MANUAL_REVIEW]
        return {
            "epoch": number,
            "from_seq": from_seq,
            "to_seq": to_seq,
            "root": base64.b64encode(root([leaf for _, _, leaf in covered])).decode(),
            "counts": {"automated_approval": len(covered) - len(flags), "requires_manual_review": len(flags)},
            "rules_hash": RULES_HASH.hex(),
            "flags": flags,
        }


def open_books(url: str, decider: RecordedDecisions) -> Writer:
    """Make the schemas, open two accounts and return the books' writer."""
    with psycopg.connect(url, autocommit=True) as connection:
        migrate_ledger(connection)
    writer = Writer(
        url, sign=lambda digest: WRITER_KEY.sign(digest).signature, decider=decider, now=lambda: datetime.now(UTC)
    )
    writer.open()
    with psycopg.connect(url, autocommit=True) as connection:
        for reference in ("cash", "alice"):
            open_account(connection, reference, "EUR", Side.DEBIT, floor=None, now=datetime.now(UTC))
    return writer


def post(writer: Writer, *amounts: int, description: str = "") -> list[int]:
    """Post one batch of transfers; return their numbers."""
    entries = [transfer(uuid.uuid4(), "cash", "alice", amount, description=description) for amount in amounts]
    return [result.seq or 0 for result in writer.post(entries)]


class Handlers:
    """Collects a service's handlers as a server does."""

    def __init__(self) -> None:
        self.of: dict[str, Any] = {}

    def unary(self, path: str, handler: Any) -> None:
        self.of[path] = handler

    def server_stream(self, path: str, handler: Any) -> None:
        self.of[path] = handler


class DirectChannel:
    """Calls a service's handlers as the transport would, showing the caller's certificate; ``bend`` changes replies."""

    def __init__(self, handlers: Handlers, certificate: bytes | None) -> None:
        self._handlers = handlers
        self._certificate = certificate
        self.bend: Callable[[str, bytes], bytes] = lambda path, reply: reply

    async def unary(self, path: str, request: bytes, timeout_s: float) -> bytes:
        reply: bytes = await self._handlers.of[path](request, Call(path, None, self._certificate, "test"))
        return self.bend(path, reply)

    async def server_stream(self, path: str, request: bytes, timeout_s: float | None) -> AsyncIterator[bytes]:
        async for reply in self._handlers.of[path](request, Call(path, None, self._certificate, "test")):
            yield self.bend(path, reply)


def tls_certificate(material: Material, msp_id: str) -> bytes:
    """Return the TLS certificate an organization's node shows."""
    folder = material.root / "peerOrganizations" / DOMAINS[msp_id] / "users" / f"Node@{DOMAINS[msp_id]}" / "tls"
    return (folder / "client.crt").read_bytes()


def members_of(material: Material, own: str) -> Members:
    """Return who may call a node."""
    roots = {}
    for msp_id in (BANK, PARTNER, REGULATOR):
        folder = material.root / "peerOrganizations" / DOMAINS[msp_id] / "tlsca"
        roots[msp_id] = [path.read_bytes() for path in folder.glob("*-cert.pem")]
    return Members(own, roots)


@dataclass
class World:
    """A channel, a bank with books, and a regulator."""

    consortium: ConsortiumInMemory
    writer: Writer
    decisions: RecordedDecisions
    bank_url: str
    bank: AuditTrail
    regulator: AuditTrail
    bank_handlers: Handlers
    regulator_handlers: Handlers
    line: DirectChannel
    """The regulator's connection to the bank's node."""
    reports: ReportArea
    """The regulator's."""

    async def call(self, handlers: Handlers, caller: str, method: str, request: Message, reply_type: type[R]) -> R:
        """Call a node's audit service as a program of ``caller``."""
        channel = DirectChannel(handlers, tls_certificate(self.consortium.material, caller))
        return reply_type.FromString(await channel.unary(f"/{SERVICE}/{method}", request.SerializeToString(), 5))

    async def prove(self, handlers: Handlers, caller: str, method: str, request: Message, reply_type: type[R]) -> R:
        """Call a node's proof service as a program of ``caller``."""
        channel = DirectChannel(handlers, tls_certificate(self.consortium.material, caller))
        return reply_type.FromString(await channel.unary(f"/{PROOF_SERVICE}/{method}", request.SerializeToString(), 5))

    async def settle(self) -> None:
        """Seal, anchor, index, mirror and cosign everything posted so far."""
        await self.bank.anchorer.anchor()
        await self.index()
        failed = await self.regulator.attester.attest()
        assert failed == [], failed
        await self.index()

    async def cosign_in_a_time_to_come(self, msp_id: str, *sizes: int) -> None:
        """Cosign the bank's heads as an organization whose clock is wrong beyond all measure."""
        gateway, name, key = self.consortium.gateway(msp_id), witness_name(msp_id), SigningKey(bytes(31) + b"\x0a")
        await gateway.submit("audit", "RegisterWitness", name, verifier_key(name, key, COSIGNATURE_V1))
        for size in sizes:
            note = self.bank.store.head_at(size).note
            await gateway.submit("audit", "Cosign", BANK, str(size), cosign(note, name, key, 2**53 - 1))
        await self.index()

    async def index(self) -> None:
        """Bring both indexes up to the newest block."""
        tip = len(self.consortium.blocks) - 1
        for trail in (self.bank, self.regulator):
            await trail.indexer.follow(stop=tip)


def own_member(consortium: ConsortiumInMemory, msp_id: str) -> OwnMember:
    """Return an organization towards the others, under the channel's first configuration."""
    config = ChannelConfig.from_block(consortium.blocks[0])
    return OwnMember(consortium.material.signer(msp_id, "peer"), lambda: config.msps)


class NoObligations:
    """A channel on which no contract holds obligations."""

    async def read(self, function: str, *args: str) -> Any:
        raise GatewayError("there is no contract settlement", "")

    async def details(self, obligation_id: str) -> ObligationDetails:
        raise GatewayError("there is no contract settlement", "")


def report_area(trail: AuditTrail, consortium: ConsortiumInMemory, members: Members) -> ReportArea:
    """Return what makes and serves an organization's reports."""
    return ReportArea(
        trail,
        blocks=consortium.gateway(trail.msp_id),
        obligations=NoObligations(),
        members=members,
        daily=True,
        now=lambda: datetime.now(UTC),
    )


@asynccontextmanager
async def running_world(consortium: ConsortiumInMemory, bank_url: str, regulator_url: str) -> AsyncIterator[World]:
    """Yield a world whose parts a test moves step by step; nothing runs in the background."""
    decisions = RecordedDecisions()
    with psycopg.connect(regulator_url, autocommit=True) as connection:
        migrate_log(connection)
    with psycopg.connect(bank_url, autocommit=True) as connection:
        migrate_log(connection)
    writer = open_books(bank_url, decisions)
    handlers = {BANK: Handlers(), REGULATOR: Handlers()}
    line = DirectChannel(handlers[BANK], tls_certificate(consortium.material, REGULATOR))
    bank = AuditTrail(
        BANK,
        CHANNEL,
        database_url=bank_url,
        genesis_hash=consortium.genesis_hash,
        keys=TrailKeys(SigningKey(bytes(31) + b"\x01"), SigningKey(bytes(31) + b"\x02"), bytes(WRITER_KEY.verify_key)),
        member=own_member(consortium, BANK),
        disclosure=DisclosureSettings(PrivateKey(bytes(31) + b"\x05"), frozenset({REGULATOR})),
        peer=consortium.gateway(BANK),
        reviewer=consortium.gateway(BANK, "Reviewer"),
        members={},
        epochs=decisions,
        decisions=decisions,
        now=lambda: datetime.now(UTC),
    )
    regulator = AuditTrail(
        REGULATOR,
        CHANNEL,
        database_url=regulator_url,
        genesis_hash=consortium.genesis_hash,
        keys=TrailKeys(SigningKey(bytes(31) + b"\x03"), SigningKey(bytes(31) + b"\x04"), None),
        member=own_member(consortium, REGULATOR),
        disclosure=DisclosureSettings(DISCLOSURE_KEY),
        peer=consortium.gateway(REGULATOR),
        reviewer=consortium.gateway(REGULATOR, "Reviewer"),
        members={BANK: MemberNode(cast(Channel, line))},
        deadlines=Deadlines(timedelta(seconds=60), timedelta(hours=1), timedelta(seconds=5)),
        now=lambda: datetime.now(UTC),
    )
    reports: dict[str, ReportArea] = {}
    for trail in (bank, regulator):
        members, server = members_of(consortium.material, trail.msp_id), cast(Server, handlers[trail.msp_id])
        AuditService(trail, members).register(server)
        FindingService(trail.findings, members).register(server)
        DisclosureService(trail.demands, trail.disclosures, trail.known_demands, members).register(server)
        ReceiptService(trail.receipts, trail.kept_receipts, trail.own_totals, trail.opened_totals, members).register(
            server
        )
        ProofService(trail, members).register(server)
        EntryService(trail.entries, trail.disclosed, members, lambda: datetime.now(UTC)).register(server)
        reports[trail.msp_id] = report_area(trail, consortium, members)
        reports[trail.msp_id].register(server)
        await asyncio.to_thread(trail.open)
    try:
        await bank.anchorer.register()
        await regulator.anchorer.register()
        yield World(
            consortium,
            writer,
            decisions,
            bank_url,
            bank,
            regulator,
            handlers[BANK],
            handlers[REGULATOR],
            line,
            reports[REGULATOR],
        )
    finally:
        writer.close()
        for trail in (bank, regulator):
            await trail.stop()
