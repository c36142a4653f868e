"""Writes a report as one HTML file: no script, nothing fetched, every text escaped; figures lead to their proofs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from node.reports.report import Proof, Report


def page_of(report: Report) -> bytes:
    """Return a report's page, UTF-8."""
    style = (files("node.reports") / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    numbers = {proof: number for number, proof in enumerate(dict.fromkeys(_proofs(report)), 1)}
    # The style is one of our own files; everything else is escaped.
    written = _template().render(
        report=report,
        numbers=numbers,
        style=Markup(style),  # noqa: S704
        style_hash=f"sha256-{digest}",
    )
    return written.encode()


def _proofs(report: Report) -> Iterator[Proof]:
    return (proof for table in report.tables for row in table.rows for cell in row for proof in cell.proofs)


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["moment"] = _moment
    return environment.from_string((files("node.reports") / "page.html").read_text(encoding="utf-8"))


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
