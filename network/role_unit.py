"""The organizational unit by which a TLS certificate of an organization says what it is for, and opens no more.

Whatever only looks like one is refused: a slip of the pen must not turn a reader into the whole organization.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

_BEGINNINGS = ("role:", "service:")


class Role(StrEnum):
    """What a certificate is for; the value is the unit."""

    READER = "role:reader"
    """Sees books and audit trail, and changes nothing: an auditor's."""
    POSTER = "role:poster"
    """A reader who also moves money: entries, holds, payments, schedules."""
    OPERATOR = "role:operator"
    """Speaks for the whole organization."""
    GATEWAY = "service:gateway"
    PORTAL = "service:portal"


def role_of(units: Iterable[str]) -> Role | None:
    """Return what a certificate's units say that it is for; None where they say nothing.

    Raises:
        ValueError: one looks like such a unit and is none, or there are two.
    """
    named = [unit for unit in units if unit.strip().casefold().startswith(_BEGINNINGS)]
    if not named:
        return None
    if len(named) > 1 or named[0] not in set(Role):
        raise ValueError(f"name one of the units {', '.join(Role)}, or none")
    return Role(named[0])
