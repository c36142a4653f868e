"""Reports: made and signed by the node; shown here with links to the proof of each figure, given as signed files."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import CustomerGatewayError, NotFoundError
from gateway.portal.forms import whole_number
from gateway.portal.node import REPORTS, SLOW_S
from gateway.portal.roles import Action
from gateway.portal.routes.entries import file_of
from gateway.portal.searching import next_query_of
from gateway.portal.services import Visit, page
from network.pb.dwaybank.audit.v1 import report_pb2 as pb

KINDS = ("daily", "trial-balance", "large", "exposure", "anchoring")
DAYS_MAX = 366


@page(Action.READ_REPORTS, ("page_token",))
async def show_reports(visit: Visit) -> Response:
    """Show the form and the reports that are kept."""
    return await _page(visit, dict(visit.form))


@page(Action.READ_REPORTS, ("kind", "day", "days", "threshold_minor", "asset"))
async def make_report(visit: Visit) -> Response:
    """Make a report, and show it."""
    form = dict(visit.form)
    try:
        request = pb.MakeReportRequest(
            kind=form.get("kind", ""),
            day=form.get("day", ""),
            days=whole_number(form, "days", 1, DAYS_MAX) or 0,
            threshold_minor=form.get("threshold_minor", ""),
            asset=form.get("asset", ""),
            for_user=visit.person.name,
        )
        reply = await visit.services.node.call("MakeReport", request, pb.MakeReportResponse, SLOW_S, REPORTS)
    except CustomerGatewayError as error:
        return await _page(visit, form, str(error), 422)
    return visit.page("report.html", report=reply.report, tables=reply.tables)


@page(Action.READ_REPORTS)
async def give_report(visit: Visit) -> Response:
    """Give a report's signed page as a file: it stands without the portal, and is not shown under its address."""
    reply = await _kept(visit)
    return file_of(reply.page, f"{_name(reply.report)}.html", "application/octet-stream")


@page(Action.READ_REPORTS)
async def give_signature(visit: Visit) -> Response:
    """Give the signature of a report's page as a file."""
    reply = await _kept(visit)
    return file_of(reply.signature, f"{_name(reply.report)}.html.sig", "application/octet-stream")


async def _kept(visit: Visit) -> pb.GetReportResponse:
    number = visit.request.path_params["number"]
    if not 0 < number < 2**53:
        raise NotFoundError("there is no such report: they are listed under Reports")
    request = pb.GetReportRequest(number=number, for_user=visit.person.name)
    return await visit.services.node.call("GetReport", request, pb.GetReportResponse, service=REPORTS)


async def _page(visit: Visit, form: dict[str, str], fault: str = "", status: int = 200) -> Response:
    request = pb.ListReportsRequest(page_token=form.get("page_token", ""))
    reply = await visit.services.node.call("ListReports", request, pb.ListReportsResponse, service=REPORTS)
    following = next_query_of({}, reply.next_page_token)
    return visit.page(
        "reports.html", status, form=form, kinds=KINDS, reports=reply.reports, next_query=following, fault=fault
    )


def _name(report: pb.Report) -> str:
    return f"{report.kind}-{report.number}"


ROUTES = [
    Route("/reports", show_reports),
    Route("/reports", make_report, methods=["POST"]),
    Route("/reports/{number:int}/page", give_report),
    Route("/reports/{number:int}/signature", give_signature),
]
