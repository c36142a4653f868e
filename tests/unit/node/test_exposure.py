"""Aim: what was settled long ago keeps nothing from being said of what is owed now; too much owed is told as such."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from network.obligation import ObligationDetails
from node.reports.exposure import OBLIGATIONS_MAX, read_obligations

PAGE_SIZE = 1_000


class Obligations:
    """Contract ``settlement`` as a peer answers, with as many obligations of each state as told."""

    def __init__(self, **counts: int) -> None:
        self.states = [state for state, count in counts.items() for _ in range(count)]

    async def read(self, function: str, *args: str) -> Any:
        assert function == "ListObligations"
        first = int(args[0] or "-1") + 1
        page = range(len(self.states))[first : first + PAGE_SIZE]
        return [
            {
                "obligation_id": f"{number:032}",
                "state": self.states[number],
                "commitment": details(number).commitment.hex(),
            }
            for number in page
        ]

    async def details(self, obligation_id: str) -> ObligationDetails:
        return details(int(obligation_id))


def details(number: int) -> ObligationDetails:
    return ObligationDetails("A", "B", "EUR", 1 + number % 7, date(2026, 3, 1), f"s-{number}", bytes(32))


async def test_obligations_that_are_settled_do_not_count_towards_what_can_be_told() -> None:
    view = await read_obligations(Obligations(settled=OBLIGATIONS_MAX + 1, agreed=3))
    assert (view.reason, len(view.owed), view.hidden, view.wrong) == ("", 3, 0, ())


@pytest.mark.parametrize("more", [0, 1])
async def test_more_obligations_that_stand_than_can_be_told_are_told_as_such(more: int) -> None:
    view = await read_obligations(Obligations(agreed=OBLIGATIONS_MAX + more))
    assert len(view.owed) == (0 if more else OBLIGATIONS_MAX)
    assert view.reason == (f"more than {OBLIGATIONS_MAX} of them stand" if more else "")
