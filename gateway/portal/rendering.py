"""Makes pages: Jinja2 with every value escaped, and a missing one an error instead of a gap.

Templates get what a page shows and nothing that could act; texts of other members are values like all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from gateway.config import Organization

SHORT_CHARACTERS = 12


class Pages:
    """All pages of a portal.

    Args:
        organization: whose portal it is.
        members: whom pages show by name.
    """

    def __init__(self, organization: Organization, members: Mapping[str, str]) -> None:
        self._environment = Environment(
            loader=PackageLoader("gateway.portal"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._environment.globals.update(organization=organization, members=members)
        self._environment.filters.update(utc=utc, short=short, minor=minor, ago=ago)

    def response(self, template: str, status: int = 200, **shown: Any) -> HTMLResponse:
        """Return a page.

        Args:
            template: file name.
            status: HTTP status.
            shown: all that the template names.
        """
        return HTMLResponse(self._environment.get_template(template).render(shown), status)

    def refusal(self, status: int, sentence: str) -> HTMLResponse:
        """Return the page of a refusal, for somebody who need not be logged in."""
        return self.response("error.html", status, refused=status, sentence=sentence, visit=None)


def utc(moment: Timestamp | datetime | str) -> str:
    """Return a time as pages show it: to the second, UTC."""
    if isinstance(moment, Timestamp):
        moment = moment.ToDatetime(tzinfo=UTC)
    elif isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def short(text: str) -> str:
    """Return the beginning of an id or hash."""
    return text if len(text) <= SHORT_CHARACTERS + 1 else text[:SHORT_CHARACTERS] + "…"


def minor(amount_minor: str, scale: int) -> str:
    """Return minor units as people write amounts: ``"12345"`` with scale 2 is ``"123.45"``."""
    digits = amount_minor.lstrip("-").rjust(scale + 1, "0")
    sign = "-" if amount_minor.startswith("-") else ""
    return sign + (digits if scale == 0 else f"{digits[:-scale]}.{digits[-scale:]}")


def ago(seconds: float) -> str:
    """Return an age in the unit that suits it."""
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(seconds, 0.0):.1f} s" if seconds < 10 else f"{seconds:.0f} s"
