"""Who may do what: three roles, one table, asked by every page before anything else.

Whoever administers access sees nothing that was disclosed; whoever examines gives nobody access.
"""

from __future__ import annotations

from enum import StrEnum

from gateway.errors import ForbiddenError


class Role(StrEnum):
    """What somebody is at the portal."""

    EXAMINER = "examiner"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


class Action(StrEnum):
    """What a page does."""

    OVERVIEW = "see the overview"
    SEARCH = "search and see entries"
    EXPORT = "export entries"
    SAVE_SEARCH = "save searches"
    DEMAND = "demand disclosure"
    READ_FINDINGS = "read findings"
    OPEN_FINDING = "open and explain findings"
    SETTLE_FINDING = "escalate and close findings"
    READ_REPORTS = "make and read reports"
    KEEP_CASES = "keep cases"
    READ_RECORDS = "see records of the shared ledger"
    READ_MEMBERS = "see members and keys"
    READ_LOOKS = "see who looked"
    MANAGE_ACCESS = "manage access"


_ALL = frozenset(Role)
_EXAMINING = frozenset({Role.EXAMINER, Role.SUPERVISOR})

MAY: dict[Action, frozenset[Role]] = {
    Action.OVERVIEW: _ALL,
    Action.SEARCH: _EXAMINING,
    Action.EXPORT: _EXAMINING,
    Action.SAVE_SEARCH: _EXAMINING,
    Action.DEMAND: _EXAMINING,
    Action.READ_FINDINGS: _EXAMINING,
    Action.OPEN_FINDING: _EXAMINING,
    Action.SETTLE_FINDING: frozenset({Role.SUPERVISOR}),
    Action.READ_REPORTS: _EXAMINING,
    Action.KEEP_CASES: _EXAMINING,
    Action.READ_RECORDS: _ALL,
    Action.READ_MEMBERS: _ALL,
    Action.READ_LOOKS: frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR}),
    Action.MANAGE_ACCESS: frozenset({Role.ADMINISTRATOR}),
}
"""The whole of it."""


def require(role: Role, action: Action) -> None:
    """Let a role pass that may do this.

    Raises:
        ForbiddenError: it may not.
    """
    if role not in MAY[action]:
        allowed = " and ".join(sorted(MAY[action]))
        raise ForbiddenError("wrong_role", f"to {action} is for the roles {allowed}: you are {role}")
