"""``dwaybank.audit.v1.ReportService``: makes, lists and gives reports, to this organization's own programs."""

from __future__ import annotations

import asyncio
from datetime import date

from ledger.errors import InvalidValueError
from ledger.money import parse_amount_minor
from network.pb.dwaybank.audit.v1 import report_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.audit.errors import BadRequestError
from node.audit.serving import Serving, acting, number, text, timestamp
from node.reports.large_transactions import THRESHOLD_MINOR
from node.reports.maker import KINDS, KeptReport, ReportMaker, Wanted
from node.reports.report import Cell, Proof, Table

SERVICE = "dwaybank.audit.v1.ReportService"


class ReportService:
    """Serves reports.

    Args:
        maker: makes and keeps them.
        members: tells who calls.
    """

    def __init__(self, maker: ReportMaker, members: Members) -> None:
        self._maker = maker
        self._members = members

    def register(self, server: Server) -> None:
        """Offer all methods."""
        serving = Serving(server, self._members, SERVICE)
        serving.own_users("MakeReport", pb.MakeReportRequest, self._make_report)
        serving.own("ListReports", pb.ListReportsRequest, self._list_reports)
        serving.own_users("GetReport", pb.GetReportRequest, self._get_report)

    async def _make_report(self, user: str, request: pb.MakeReportRequest) -> pb.MakeReportResponse:
        wanted = Wanted(
            request.kind,
            _day(request.day),
            request.days or 1,
            _threshold(request.threshold_minor),
            text("asset", request.asset),
        )
        made = await self._maker.make(wanted, acting(user, request.for_user))
        return pb.MakeReportResponse(
            report=_report(made.kept),
            page=made.page,
            signature=made.signature,
            tables=[_table(table) for table in made.tables],
        )

    async def _list_reports(self, request: pb.ListReportsRequest) -> pb.ListReportsResponse:
        if request.kind and request.kind not in KINDS:
            raise BadRequestError(f"kind: {request.kind[:40]!r} is none of {', '.join(KINDS)}")
        token = text("page_token", request.page_token)
        found, next_token = await asyncio.to_thread(self._maker.page, request.kind, request.page_size, token)
        return pb.ListReportsResponse(reports=[_report(each) for each in found], next_page_token=next_token)

    async def _get_report(self, user: str, request: pb.GetReportRequest) -> pb.GetReportResponse:
        wanted, who = number("number", request.number, 1), acting(user, request.for_user)
        found = await asyncio.to_thread(self._maker.read, wanted, who)
        return pb.GetReportResponse(report=_report(found.kept), page=found.page, signature=found.signature)


def _day(told: str) -> date | None:
    if not told:
        return None
    try:
        return date.fromisoformat(told)
    except ValueError as error:
        raise BadRequestError(f"day: {told[:40]!r} is not a day such as 2026-03-01") from error


def _threshold(told: str) -> int:
    if not told:
        return THRESHOLD_MINOR
    try:
        return parse_amount_minor(told, "threshold_minor")
    except InvalidValueError as error:
        raise BadRequestError(str(error)) from error


def _report(kept: KeptReport) -> pb.Report:
    return pb.Report(number=kept.number, kind=kept.kind, made_at=timestamp(kept.made_at), made_by=kept.made_by)


def _table(table: Table) -> pb.ReportTable:
    return pb.ReportTable(
        title=table.title,
        rests_on=table.rests_on,
        columns=table.columns,
        rows=[pb.ReportRow(cells=[_cell(cell) for cell in row]) for row in table.rows],
    )


def _cell(cell: Cell) -> pb.ReportCell:
    proofs = [_proof(proof) for proof in cell.proofs]
    return pb.ReportCell(text=cell.text, number=cell.number, bad=cell.bad, proofs=proofs)


def _proof(proof: Proof) -> pb.ReportProof:
    return pb.ReportProof(
        what=proof.what,
        block_number=proof.block_number,
        transaction_id=proof.transaction_id,
        record=proof.record,
        bundle=proof.bundle,
    )
