"""The node's process: one organization's peer, books, audit trail, compliance and settlement behind one port.

Order of start: schemas · peer and books · the port · what calls other members, or the own peer, through their ports.
Everything is made here and handed what it needs; nothing else in ``node`` reads settings or the clock.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from ledger.errors import ClockLeaptError, LedgerError
from ledger.journal import EPOCH
from ledger.posting import Writer
from network.block import header_hash, parse_block
from network.client import GatewayClient
from network.envelope import parse_transaction
from network.identity import SigningIdentity
from network.msp_folder import read_msp_config
from network.obligation import SETTLEMENT
from network.operations.certificates import CertificateWatch, Watched, authorities_of, certificates_in, require_valid
from network.operations.health import UnhealthyError
from network.operations.log_levels import LogLevels
from network.operations.log_lines import write_log_lines
from network.operations.otlp_tracer import traced
from network.rpc import Channel, Server
from node.access import Members
from node.audit.audit_service import AuditService
from node.audit.disclosure import DisclosureSettings
from node.audit.disclosure_service import DisclosureService
from node.audit.entry_service import EntryService
from node.audit.finding_service import FindingService
from node.audit.indexer import OwnPeerRecords
from node.audit.member_node import SERVICE as AUDIT_SERVICE
from node.audit.member_node import MemberNode
from node.audit.portal_service import SERVICE as PORTAL_SERVICE
from node.audit.portal_service import PortalService
from node.audit.proof_service import SERVICE as PROOF_SERVICE
from node.audit.proof_service import ProofService
from node.audit.receipt_service import ReceiptService
from node.audit.sealing import OwnMember
from node.audit.supervisor import Deadlines
from node.audit.trail import AuditTrail, TrailKeys
from node.books.books import Books
from node.books.chart_service import SERVICE as CHART_SERVICE
from node.books.chart_service import ChartService
from node.books.clock import BooksClock
from node.books.currency_service import SERVICE as CURRENCY_SERVICE
from node.books.currency_service import CurrencyService
from node.books.event_service import SERVICE as EVENT_SERVICE
from node.books.event_service import EventService
from node.books.ledger_service import SERVICE as LEDGER_SERVICE
from node.books.ledger_service import LedgerService
from node.books.period_service import SERVICE as PERIOD_SERVICE
from node.books.period_service import PeriodService
from node.books.reconciliation_service import SERVICE as RECONCILIATION_SERVICE
from node.books.reconciliation_service import ReconciliationService
from node.books.tenant_service import SERVICE as TENANT_SERVICE
from node.books.tenant_service import TenantService
from node.chaincodes import contracts, definitions, external_chaincodes, indexes
from node.compliance.compliance import Compliance
from node.config import NodeConfig, load_settings, new_tracer, read_file, read_key, read_url
from node.definitions import DefinitionCommitter
from node.errors import NodeError
from node.home import write_secret
from node.operations.books_metrics import BooksMetrics, TrailMetrics, WebhookMetrics
from node.operations.grpc_metrics import GrpcMetrics, ObservedServer
from node.operations.node_health import NodeHealth
from node.operations.peer_metrics import DeliveryMetrics, PeerMetrics
from node.operations.process_operations import ProcessOperations
from node.partner.from_settings import partner_limits, partner_terms
from node.partner.obligation_area import ObligationArea
from node.partner.obligation_chain import SettlementChain
from node.partner.partner import SERVICE_NAMES as PARTNER_SERVICES
from node.partner.partner import PartnerArea
from node.peer.gateway.endorsers import PeerEndpoint
from node.peer.gateway.orderers import OrdererEndpoint
from node.peer.peer import Peer, PeerSettings
from node.reports.report_area import ReportArea
from node.reports.report_service import SERVICE as REPORT_SERVICE
from node.schedules.schedule_service import SERVICE as SCHEDULE_SERVICE
from node.schedules.schedule_service import ScheduleService
from node.schedules.worker import ScheduleWorker
from node.schemas import prepare_schemas
from node.service import Service, run_process, run_until_stopped
from node.webhooks.webhooks import Webhooks, WebhookSettings

STOP_GRACE_S = 2.0
WATCH_PAUSE_S = 0.5

CLOCK_IS_RIGHT, CLOCK_SAID_S = "clock-is-right", 86_400.0
"""File beside the secrets by which an operator says so, and for how long it is believed: no later leap shall be."""

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """The clock of this process."""
    return datetime.now(UTC)


class NodeProcess:
    """All of a node; a bank keeps books and settles, a regulator only watches and proves."""

    def __init__(self, config: NodeConfig, levels: LogLevels, now: Callable[[], datetime] = utc_now) -> None:
        levels.set(config.log_spec)
        self._config = config
        self._now = now
        self._operations = ProcessOperations(config.operations, levels, now)
        metrics = self._operations.metrics
        self._database_url = read_url(config.database_url_file)
        self._genesis = read_file(config.genesis_block)
        self._tls = config.tls.client()
        self._members = Members(
            config.msp_id,
            config.tls.roots_by_msp(),
            lambda: self.peer.config.msps.msps,
            roles_required=config.roles_required,
        )
        self._server = ObservedServer(config.host, config.port, config.tls.server(), GrpcMetrics(metrics))
        self.peer = Peer(self._peer_settings(), now=now, metrics=PeerMetrics(metrics))
        self._clock = BooksClock(now)
        self._ledger_time = EPOCH
        """Of the newest block here when this process started."""
        self.books: Books | None = None
        self.trail: AuditTrail | None = None
        NodeHealth(self._operations.checks, self)
        DeliveryMetrics(metrics, lambda: self.peer.silences_s)
        self._own_certificates = own = self._read_own_certificates()
        self._operations.checks.add("certificates", lambda: require_valid(own, now()))
        if config.role == "bank":
            self._operations.checks.add("clock", self._check_clock)
        self._running = AsyncExitStack()

    async def start(self) -> None:
        """Start all parts; the port opens when this node can serve."""
        await self._start_part(self._operations)
        owner_url = read_url(self._config.owner_database_url_file)
        await asyncio.to_thread(prepare_schemas, owner_url)
        await self._start_part(self.peer)
        self._ledger_time = await self._newest_block_time()
        self.peer.register(self._server)
        await self._serve_chaincodes()
        services = [*self.peer.service_names]
        late: list[Service] = []
        compliance = None
        if self._config.role == "bank":
            compliance = Compliance(self._database_url, self._config.rules_file)
            await self._start_part(compliance)
        trail = self.trail = self._audit_trail(compliance)
        TrailMetrics(self._operations.metrics, trail)
        late.append(trail)
        services += self._offer_audit(trail)
        reports = self._report_area(trail)
        reports.register(self._server)
        late.append(reports)
        services.append(REPORT_SERVICE)
        if compliance is not None:
            self.books = await self._start_books(compliance)
        obligations = self._obligation_area(trail)
        obligations.register(self._server)
        late.append(obligations)
        services += obligations.service_names
        if self.books is not None:
            LedgerService(self.books, self._members, trail.entry_state).register(self._server)
            PeriodService(self.books, self._members).register(self._server)
            webhooks = self._webhooks(self.books)
            BooksMetrics(self._operations.metrics, self.books)
            WebhookMetrics(self._operations.metrics, webhooks)
            EventService(self.books, webhooks, self._members).register(self._server)
            services += self._offer_accounting(self.books)
            late.append(self._schedule_worker(self.books))
            partners = self._partner_area(self.books, obligations)
            partners.register(self._server)
            late += [partners, webhooks]
            services += [LEDGER_SERVICE, PERIOD_SERVICE, EVENT_SERVICE, *PARTNER_SERVICES]
        if self._config.commits_definitions:
            late.append(DefinitionCommitter(self.peer, self._own_peer("Node"), definitions(self._config.chaincodes)))
        self._server.enable_health()
        self._server.enable_reflection(services)
        await self._server.start()
        self._running.push_async_callback(self._server.stop, STOP_GRACE_S)
        for part in late:
            await self._start_part(part)
        await self._start_part(CertificateWatch(self._operations.metrics, self._certificates, self._now))
        self._operations.started()

    def _offer_audit(self, trail: AuditTrail) -> list[str]:
        """Offer the audit trail; return the names of the services."""
        AuditService(trail, self._members).register(self._server)
        FindingService(trail.findings, self._members).register(self._server)
        DisclosureService(trail.demands, trail.disclosures, trail.known_demands, self._members).register(self._server)
        ReceiptService(
            trail.receipts, trail.kept_receipts, trail.own_totals, trail.opened_totals, self._members
        ).register(self._server)
        ProofService(trail, self._members).register(self._server)
        EntryService(trail.entries, trail.disclosed, self._members, self._now).register(self._server)
        self._portal_service(trail).register(self._server)
        return [AUDIT_SERVICE, PORTAL_SERVICE, PROOF_SERVICE]

    def _report_area(self, trail: AuditTrail) -> ReportArea:
        peer = self._own_peer("Node")
        return ReportArea(
            trail,
            blocks=peer,
            obligations=SettlementChain(peer, trail.msp_id),
            members=self._members,
            daily=self._config.role == "regulator",
            now=self._now,
        )

    async def _check_clock(self) -> None:
        try:
            self._clock()
        except ClockLeaptError as error:
            raise UnhealthyError(str(error)) from error

    async def _newest_block_time(self) -> datetime:
        """Return when the newest transactions here were sent, by their senders' clocks; the epoch before any."""
        content = await self.peer.block(self.peer.height - 1) if self.peer.height > 1 else None
        if content is None:
            return EPOCH
        sent = (parse_transaction(envelope).timestamp for envelope in parse_block(content).data.data)
        return max((moment for moment in sent if moment is not None), default=EPOCH)

    def _secrets_folder(self) -> Path:
        return self._config.secrets_folder or self._config.writer_key_file.parent

    def _hold_clock_against(self, newest_entry: datetime) -> None:
        if (newest := max(newest_entry, self._ledger_time)) > EPOCH:
            self._clock.begin(newest, self._says_clock_is_right)

    def _says_clock_is_right(self, now: datetime) -> bool:
        """Tell whether an operator has touched the file that says so, within a day by this clock."""
        try:
            touched = (self._secrets_folder() / CLOCK_IS_RIGHT).stat().st_mtime
        except OSError:
            return False
        return abs(now.timestamp() - touched) < CLOCK_SAID_S

    async def failed(self) -> None:
        """Return when a part has ended that this process cannot do without; raises why."""
        while True:
            await asyncio.sleep(WATCH_PAUSE_S)
            if self.peer.stopped is not None:
                raise self.peer.stopped
            if self.trail is not None and (failure := self.trail.failure) is not None:
                log.error("audit trail failed", exc_info=failure)
                raise NodeError("the audit trail failed: the node must start again") from failure
            if self.books is not None and self.books.fenced:
                raise NodeError("another process took over this organization's books: only one node may write them")

    async def stop(self) -> None:
        """Stop in reverse order of start."""
        await self._running.aclose()

    async def _start_part(self, part: Service) -> None:
        self._running.push_async_callback(part.stop)
        await part.start()

    async def _serve_chaincodes(self) -> None:
        """Let chaincodes that dial in register, at a port of their own as on Fabric's peers."""
        if self._config.chaincode_port is None:
            return
        server = Server(self._config.chaincode_host, self._config.chaincode_port, self._config.tls.server())
        self.peer.register_chaincodes(server)
        self._running.push_async_callback(server.stop, 0)
        await server.start()

    async def _start_books(self, compliance: Compliance) -> Books:
        key = SigningKey(read_key(self._config.writer_key_file))
        writer = Writer(
            self._database_url,
            sign=lambda digest: key.sign(digest).signature,
            decider=compliance.decider,
            now=self._clock,
        )
        books = Books(self._database_url, writer, now=self._clock, taken_over=self._hold_clock_against)
        await self._start_part(books)
        return books

    def _offer_accounting(self, books: Books) -> list[str]:
        """Offer what the books can do beside posting; return the names of the services."""
        ScheduleService(books, self._members, now=self._clock).register(self._server)
        ChartService(books, self._members, now=self._clock).register(self._server)
        CurrencyService(books, self._members, now=self._clock).register(self._server)
        TenantService(books, self._members, now=self._clock).register(self._server)
        # Where the command line finds it too; a node without it refuses mappings with keyed pseudonyms.
        key_file = self._config.writer_key_file.parent / "pseudonym.key"
        pseudonym_key = read_key(key_file) if key_file.exists() else None
        reconciliation = ReconciliationService(books, self._members, now=self._clock, pseudonym_key=pseudonym_key)
        reconciliation.register(self._server)
        return [SCHEDULE_SERVICE, CHART_SERVICE, CURRENCY_SERVICE, TENANT_SERVICE, RECONCILIATION_SERVICE]

    def _schedule_worker(self, books: Books) -> ScheduleWorker:
        return ScheduleWorker(books, epoch=lambda: books.epoch, now=self._clock)

    def _peer_settings(self) -> PeerSettings:
        config = self._config
        return PeerSettings(
            database_url=self._database_url,
            channel_id=config.channel,
            genesis=self._genesis,
            identity=SigningIdentity.from_msp_folder(config.msp_folder, config.msp_id),
            local_msp=read_msp_config(config.msp_folder, config.msp_id),
            address=config.peers[config.msp_id],
            approved=definitions(config.chaincodes),
            chaincode_values=config.chaincode_values,
            contracts=contracts(config.chaincodes),
            indexes=indexes(config.chaincodes),
            external_chaincodes=external_chaincodes(config, self._tls),
            authorize_chaincode=self._members.require_own if config.chaincode_port is not None else None,
            orderers=[OrdererEndpoint(address, "") for address in config.orderers],
            other_peers=[
                PeerEndpoint(address, msp_id)
                for msp_id, address in config.peers.items()
                if msp_id != config.msp_id and config.fabric_peer is None
            ],
            client_tls=self._tls,
            execute_timeout_s=config.execute_timeout_s,
            snapshots_folder=config.snapshots_folder,
            followed_peer=config.fabric_peer,
        )

    def _own_peer(self, user: str) -> GatewayClient:
        folder = self._config.reviewer_msp_folder if user == "Reviewer" else self._config.client_msp_folder
        return GatewayClient(
            self._connect(self._config.fabric_peer or self._config.peers[self._config.msp_id]),
            SigningIdentity.from_msp_folder(folder, self._config.msp_id),
            self._config.channel,
            self._now,
        )

    def _read_own_certificates(self) -> list[Watched]:
        config = self._config
        return [
            *certificates_in("peer", config.msp_folder),
            *certificates_in("node", config.client_msp_folder),
            *certificates_in("reviewer", config.reviewer_msp_folder),
            *certificates_in("tls", config.tls.certificate),
            *([] if config.operations is None else config.operations.certificates()),
        ]

    def _certificates(self) -> list[Watched]:
        return [*self._own_certificates, *authorities_of(self.peer.config)]

    def _connect(self, address: str) -> Channel:
        channel = Channel(address, self._tls)
        self._running.push_async_callback(channel.close)
        return channel

    def _audit_trail(self, compliance: Compliance | None) -> AuditTrail:
        config = self._config
        keeps_books = compliance is not None
        writer_key = bytes(SigningKey(read_key(config.writer_key_file)).verify_key) if keeps_books else None
        return AuditTrail(
            config.msp_id,
            config.channel,
            database_url=self._database_url,
            genesis_hash=header_hash(parse_block(self._genesis).header),
            keys=TrailKeys(
                log=SigningKey(read_key(config.log_key_file)),
                witness=SigningKey(read_key(config.witness_key_file)),
                writer=writer_key,
            ),
            member=OwnMember(
                SigningIdentity.from_msp_folder(config.msp_folder, config.msp_id), lambda: self.peer.config.msps
            ),
            disclosure=self._disclosure_settings(),
            peer=self._own_peer("Node"),
            reviewer=self._own_peer("Reviewer"),
            members={
                msp_id: MemberNode(self._connect(address))
                for msp_id, address in config.peers.items()
                if msp_id != config.msp_id
            },
            records=OwnPeerRecords(self.peer),
            epochs=compliance.epochs if compliance is not None else None,
            decisions=compliance.decisions if compliance is not None else None,
            deadlines=self._deadlines(),
            anchor_interval_s=config.anchor_interval_s,
            now=self._now,
            random_bytes=secrets.token_bytes,
        )

    def _disclosure_settings(self) -> DisclosureSettings:
        config = self._config
        file = config.disclosure_key_file or config.witness_key_file.parent / "disclosure.key"
        # Homes made before there were such keys get theirs at the first start.
        write_secret(file, secrets.token_bytes(PrivateKey.SIZE))
        key = PrivateKey(read_key(file))
        return DisclosureSettings(key, frozenset(config.supervisors), at_once=config.discloses_at_once)

    def _deadlines(self) -> Deadlines | None:
        if self._config.role != "regulator":
            return None
        told = self._config.supervision
        seconds = (told.checkpoint_deadline_s, told.disclosure_deadline_s, told.interval_s)
        return Deadlines(*(timedelta(seconds=each) for each in seconds))

    def _webhooks(self, books: Books) -> Webhooks:
        config = self._config
        return Webhooks(
            self._database_url,
            # Settings written before webhooks came name no folder: secrets lie where the writer's key lies.
            secrets_folder=self._secrets_folder(),
            bell=books.bell,
            now=self._clock,
            settings=WebhookSettings(networks=config.webhook_networks),
        )

    def _obligation_area(self, trail: AuditTrail) -> ObligationArea:
        config = self._config
        approved = any(chaincode.name == SETTLEMENT for chaincode in config.chaincodes)
        others = {msp_id: address for msp_id, address in config.peers.items() if msp_id != config.msp_id}
        return ObligationArea(
            config.msp_id,
            self._database_url,
            gateway=self._own_peer("Node") if approved else None,
            books=self.books,
            findings=trail.findings,
            partners=frozenset(partner.msp_id for partner in config.partners),
            others={msp_id: self._connect(address) for msp_id, address in others.items()},
            members=self._members,
            now=self._now if self.books is None else self._clock,
            random_bytes=secrets.token_bytes,
        )

    def _portal_service(self, trail: AuditTrail) -> PortalService:
        return PortalService(
            trail.cases, trail.passkeys, lambda: self.peer.config.msps.msps.values(), self._members, self._now
        )

    def _partner_area(self, books: Books, obligations: ObligationArea) -> PartnerArea:
        config = self._config
        return PartnerArea(
            self._database_url,
            books=books,
            identity=SigningIdentity.from_msp_folder(config.client_msp_folder, config.msp_id),
            partners={partner.msp_id: Channel(partner.address, self._tls) for partner in config.partners},
            members=self._members,
            msps=lambda: self.peer.config.msps,
            now=self._clock,
            limits=partner_limits(config.partners),
            terms=partner_terms(config.partners),
            beyond_line=obligations.beyond_line,
        )


def run(config_file: Path) -> int:
    """Run a node until it is told to stop; return the exit status."""
    levels = write_log_lines()

    async def main() -> None:
        config = load_settings(NodeConfig, config_file)
        with traced(new_tracer(config.tracing, f"node {config.msp_id}")):
            process = NodeProcess(config, levels)
            await run_until_stopped(process, process.failed)

    return run_process("node", main, (LedgerError,))
