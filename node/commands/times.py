"""Times as people write them on the command line. A day means the whole of it, UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, TypeVar

import typer

T_End = TypeVar("T_End", datetime, Decimal)

AtOption = Annotated[
    str | None, typer.Option("--at", help="What counts by the end of this day (2026-03-31), or by this time.")
]
KnownAtOption = Annotated[
    str | None, typer.Option("--known-at", help="What was posted by the end of this day, or by this time.")
]


def first_moment(text: str | None, option: str) -> datetime | None:
    """Return the time, a day's first moment; None for none.

    Raises:
        ConfigurationError: it is no time.
    """
    from node.errors import ConfigurationError

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"{option} {text}: write a day (2026-03-31) or a time (2026-03-31T12:00)") from error


def last_moment(text: str | None, option: str) -> datetime | None:
    """Return the time, a day's last microsecond; None for none; raises as ``first_moment``."""
    moment = first_moment(text, option)
    if moment is None or text is None or not _is_day(text):
        return moment
    return moment + timedelta(days=1, microseconds=-1)


def span(first: T_End | None, last: T_End | None, option: str) -> tuple[T_End | None, T_End | None]:
    """Return both ends as they are.

    Raises:
        ConfigurationError: nothing lies between them, so that an empty answer would say nothing.
    """
    from node.errors import ConfigurationError

    if first is not None and last is not None and last < first:
        raise ConfigurationError(f"{option}: its end lies before its begin: turn them round")
    return first, last


def _is_day(text: str) -> bool:
    """Whether a text that names a moment names a day, in any of the forms that are taken, such as ``20260331``."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
