"""Makes reports, signs them as the organization, and keeps them as they were signed.

Whoever is shown disclosed entries in one is written down before he sees it, when it is made and whenever it is read.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from network.signed_report import ReportStatement, read_statement, sign_report
from node.anchor.database import Database
from node.audit.disclosed import DisclosedEntries, ranges_of
from node.audit.errors import BadRequestError, NotYetError, UnknownEntryError
from node.audit.indexer import BlockSource
from node.audit.pages import PAGE_SIZE_MAX, limit_of, read_place, split, whole
from node.audit.sealing import OwnMember
from node.reports.anchoring import anchoring_part
from node.reports.daily import daily_part
from node.reports.exposure import Obligations, exposure_part, read_obligations
from node.reports.large_transactions import THRESHOLD_MINOR, large_part
from node.reports.page import page_of
from node.reports.report import Part, Period, Report, Table
from node.reports.source import ReportSource
from node.reports.trial_balance import trial_balance_part

TITLES = {
    "daily": "Daily supervisory summary",
    "trial-balance": "Trial balance",
    "large": "Large transactions",
    "exposure": "Interbank exposure",
    "anchoring": "Anchoring service levels",
}
KINDS = tuple(TITLES)
DAYS_MAX = 366

_PACKAGE = "node.reports"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which report.

    Args:
        kind: one of ``KINDS``.
        day: it begins on, UTC; None for today.
        days: how many it is about.
        threshold, asset: of ``large``.
    """

    kind: str
    day: date | None = None
    days: int = 1
    threshold: int = THRESHOLD_MINOR
    asset: str = ""


class KeptReport(NamedTuple):
    """A report that is kept."""

    number: int
    kind: str
    made_at: datetime
    made_by: str


@dataclass(frozen=True, slots=True)
class MadeReport:
    """A report with its page and its signature file; ``tables`` only of one made just now."""

    kept: KeptReport
    page: bytes
    signature: bytes
    tables: tuple[Table, ...] = ()


class ReportMaker:
    """Makes and keeps.

    Args:
        member: this organization; its node's certificate signs.
        blocks: the own peer's.
        disclosed: where looks are written down.
        obligations: contract ``settlement`` as the own peer answers.
    """

    def __init__(
        self,
        channel_id: str,
        member: OwnMember,
        *,
        database: Database,
        source: ReportSource,
        blocks: BlockSource,
        disclosed: DisclosedEntries,
        obligations: Obligations,
        now: Callable[[], datetime],
    ) -> None:
        self._channel_id = channel_id
        self._member = member
        self._database = database
        self._source = source
        self._blocks = blocks
        self._disclosed = disclosed
        self._obligations = obligations
        self._now = now

    async def make(self, wanted: Wanted, user: str) -> MadeReport:
        """Make, sign and keep a report.

        Raises:
            BadRequestError: a field cannot be used.
            NotYetError: nothing was committed here yet.
        """
        period = self._period(wanted)
        position = await asyncio.to_thread(self._source.position)
        if position.next_block < 1:
            raise NotYetError("no block is committed here yet: ask again in a moment")
        part = await self._part(wanted, period)
        organization = self._member.identity.msp_id
        made_at, newest = self._now(), position.next_block - 1
        title = f"{TITLES[wanted.kind]} of {period.begins_at:%Y-%m-%d}"
        report = Report(
            wanted.kind,
            title,
            organization,
            self._channel_id,
            period,
            made_at,
            newest,
            position.block_hash,
            part.tables,
        )
        page = await asyncio.to_thread(page_of, report)
        signature = await self._signed(report, part, page)
        kept = await asyncio.to_thread(self._keep, report, user, page, signature, part)
        return MadeReport(kept, page, signature, part.tables)

    def page(self, kind: str = "", page_size: int = 0, page_token: str = "") -> tuple[list[KeptReport], str]:
        """Return a page of kept reports, the newest first, and the token of the next one (empty for none). Blocks.

        Raises:
            PageTokenError: the token is not one of this list's.
        """
        limit = limit_of(page_size, PAGE_SIZE_MAX)
        (before,) = read_place(page_token, whole) if page_token else (2**62,)
        rows = self._database.fetch("reports", {"kind": kind, "limit": limit + 1, "before": before}, _PACKAGE)
        return split([KeptReport(*row) for row in rows], limit, lambda last: (last.number,))

    def days_of(self, kind: str) -> set[date]:
        """Return the days of which a whole day's report of a kind is kept, of the last month. Blocks."""
        rows = self._database.fetch("report_days", (kind, self._now() - timedelta(days=31)), _PACKAGE)
        return {begins_at.astimezone(UTC).date() for (begins_at,) in rows}

    def read(self, number: int, user: str) -> MadeReport:
        """Return a kept report as it was signed, after writing down who looks. Blocks.

        Raises:
            UnknownEntryError: there is none.
        """
        rows = self._database.fetch("report", (number,), _PACKAGE)
        if not rows:
            raise UnknownEntryError(f"there is no report {number}: list them first")
        *kept, page, signature = rows[0]
        shown = read_statement(signature.encode()).shown
        entries = [
            (organization, seq)
            for organization, ranges in shown.items()
            for first, last in ranges
            for seq in range(first, last + 1)
        ]
        self._disclosed.note_look(user, {"report": {"number": number}}, entries, self._now())
        return MadeReport(KeptReport(*kept), bytes(page), signature.encode())

    async def _part(self, wanted: Wanted, period: Period) -> Part:
        source = self._source
        if wanted.kind == "daily":
            return await asyncio.to_thread(daily_part, source, period)
        if wanted.kind == "trial-balance":
            return await asyncio.to_thread(trial_balance_part, source, period)
        if wanted.kind == "large":
            return await asyncio.to_thread(large_part, source, period, wanted.threshold, wanted.asset)
        if wanted.kind == "exposure":
            return await asyncio.to_thread(exposure_part, source, period, await read_obligations(self._obligations))
        return await asyncio.to_thread(anchoring_part, source, period)

    def _period(self, wanted: Wanted) -> Period:
        if wanted.kind not in TITLES:
            raise BadRequestError(f"kind: {wanted.kind[:40]!r} is none of {', '.join(KINDS)}")
        if not 1 <= wanted.days <= DAYS_MAX:
            raise BadRequestError(f"days: {wanted.days} is not a number from 1 to {DAYS_MAX}")
        now = self._now()
        day = wanted.day or now.date()
        if day > now.date():
            raise BadRequestError(f"day: {day} has not begun")
        begins_at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        try:
            ends_at = begins_at + timedelta(days=wanted.days)
        except OverflowError as error:
            raise BadRequestError(f"days: {wanted.days} days from {day} end after all calendars") from error
        return Period(begins_at, ends_at, min(ends_at, now))

    async def _signed(self, report: Report, part: Part, page: bytes) -> bytes:
        statement = ReportStatement(
            kind=report.kind,
            organization=report.organization,
            channel=report.channel,
            made_at=report.made_at.isoformat(),
            begins_at=report.period.begins_at.isoformat(),
            ends_at=report.period.ends_at.isoformat(),
            block_number=report.block_number,
            block_hash=report.block_hash.hex(),
            sha256=hashlib.sha256(page).hexdigest(),
            shown=ranges_of(part.shown),
        )
        configs = await asyncio.to_thread(self._source.config_blocks, report.block_number)
        numbers = sorted({0, *configs, report.block_number})
        blocks = {number: await self._block(number) for number in numbers}
        return await asyncio.to_thread(sign_report, statement, self._member.identity, blocks)

    async def _block(self, number: int) -> bytes:
        found = b""
        async with aclosing(self._blocks.blocks(number, stop=number)) as blocks:
            async for block in blocks:
                found = bytes(block.SerializeToString())
        return found

    def _keep(self, report: Report, user: str, page: bytes, signature: bytes, part: Part) -> KeptReport:
        row = (report.kind, report.made_at, user, page, signature.decode())
        ((number,),) = self._database.fetch("put_report", row, _PACKAGE)
        self._disclosed.note_look(user, {"report": {"number": number}}, part.shown, report.made_at)
        return KeptReport(number, report.kind, report.made_at, user)
