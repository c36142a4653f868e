"""What is to be opened as a finding, and how long something is borne before it is."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

TOLD_LENGTH_MAX = 1_000
"""What a member says goes into evidence cut to so many characters: evidence is a text of limited length."""


class Matter(NamedTuple):
    """What is to be opened as a finding."""

    organization: str
    kind: str
    subject: str
    evidence: str


class Watch(Protocol):
    """Something that is looked at in each round of a supervisor."""

    async def look(self) -> list[Matter]:
        """Return what is to be opened now; what was opened before may be among it."""
        ...


class Lasting:
    """Remembers since when something lasts; a restart forgets it, which gives more time, never less.

    Args:
        deadline: how long it is borne.
    """

    def __init__(self, deadline: timedelta, now: Callable[[], datetime]) -> None:
        self._deadline = deadline
        self._now = now
        self._since: dict[Hashable, datetime] = {}

    def overdue(self, what: Hashable) -> datetime | None:
        """Return since when something lasts once that is too long; None before."""
        first = self._since.setdefault(what, self._now())
        return first if self._now() - first > self._deadline else None

    def known(self) -> set[Hashable]:
        """Return what lasts."""
        return set(self._since)

    def over(self, what: Hashable) -> None:
        """Forget something that no longer lasts."""
        self._since.pop(what, None)
