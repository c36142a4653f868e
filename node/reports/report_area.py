"""Reports of one node, put together: what they are made from, who makes and serves them, the summaries of each day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from network.rpc import Server
from node.access import Members
from node.audit.indexer import BlockSource
from node.audit.trail import AuditTrail
from node.reports.daily_worker import DailyWorker
from node.reports.exposure import Obligations
from node.reports.maker import ReportMaker
from node.reports.report_service import ReportService
from node.reports.source import ReportSource, ReportStores


class ReportArea:
    """Serves reports; makes each past day's summary where it is told to.

    Args:
        trail: what they are made from.
        blocks: the own peer's.
        obligations: contract ``settlement`` as the own peer answers.
        daily: whether each day's summary is made without being asked for.
    """

    def __init__(
        self,
        trail: AuditTrail,
        *,
        blocks: BlockSource,
        obligations: Obligations,
        members: Members,
        daily: bool,
        now: Callable[[], datetime],
    ) -> None:
        stores = ReportStores(
            trail.database, trail.index, trail.findings, trail.known_demands, trail.kept_receipts, trail.opened_totals
        )
        source = ReportSource(trail.msp_id, stores)
        self.maker = ReportMaker(
            trail.channel_id,
            trail.member,
            database=trail.database,
            source=source,
            blocks=blocks,
            disclosed=trail.disclosed,
            obligations=obligations,
            now=now,
        )
        self.worker = DailyWorker(self.maker, f"{trail.msp_id}/node", since=source.first_recorded_at, now=now)
        self._daily = daily
        self._service = ReportService(self.maker, members)

    def register(self, server: Server) -> None:
        """Offer the service."""
        self._service.register(server)

    async def start(self) -> None:
        """Begin to make each day's summary in the background, where it is told to."""
        if self._daily:
            await self.worker.start()

    async def stop(self) -> None:
        """End the background work."""
        await self.worker.stop()
