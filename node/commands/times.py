"""Times as people write them on the command line. A day means the whole of it, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

AtOption = Annotated[
    str | None, typer.Option("--at", help="What counts by the end of this day (2026-03-31), or by this time.")
]
KnownAtOption = Annotated[
    str | None, typer.Option("--known-at", help="What was posted by the end of this day, or by this time.")
]

_DAY_LENGTH = len("2026-03-31")


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
    except ValueError as error:
        raise ConfigurationError(f"{option} {text}: write a day (2026-03-31) or a time (2026-03-31T12:00)") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def last_moment(text: str | None, option: str) -> datetime | None:
    """Return the time, a day's last microsecond; None for none; raises as ``first_moment``."""
    moment = first_moment(text, option)
    if moment is None or text is None or len(text) != _DAY_LENGTH:
        return moment
    return moment + timedelta(days=1, microseconds=-1)
