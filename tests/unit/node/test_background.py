"""What keeps a worker waiting is logged once: tables of what happened in each look, and the lines that are left."""

from __future__ import annotations

import pytest
import structlog
from structlog.testing import capture_logs

from ledger.errors import BooksUnavailableError, ClockLeaptError
from node.background import Waits

LEAPT = [ClockLeaptError(f"leapt forward by 10 days, to 2026-12-10T12:00:0{second}") for second in range(5)]
GONE = BooksUnavailableError("the database does not answer")


@pytest.mark.parametrize(
    ("looks", "lines"),
    [
        (LEAPT, ["part_waits"]),
        ([None, None], []),
        ([*LEAPT, None, None], ["part_waits", "part_waits_no_more"]),
        ([*LEAPT, GONE, GONE, LEAPT[0]], ["part_waits", "part_waits", "part_waits"]),
        ([GONE, None, GONE], ["part_waits", "part_waits_no_more", "part_waits"]),
    ],
    ids=["the clock", "nothing", "and is set right", "another reason", "again"],
)
def test_a_reason_to_wait_is_told_when_it_begins_changes_and_ends(
    looks: list[Exception | None], lines: list[str]
) -> None:
    with capture_logs() as logged:
        waits = Waits(structlog.get_logger(), "part_waits")
        for error in looks:
            if error is None:
                waits.over("one", name="one")
            else:
                waits.tell(error, "one", name="one")
            waits.over("another")
    assert [(line["event"], line["name"]) for line in logged] == [(event, "one") for event in lines]
