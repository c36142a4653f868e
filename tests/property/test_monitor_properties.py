"""Crossings against a model that knows nothing of steps: it replays the whole history of one account and asks, for each
monitor, how often the condition came true after it was false."""

from __future__ import annotations

import uuid
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ledger.monitors import Field, Monitor, Operator, crossed

money = st.tuples(st.integers(-6, 6), st.integers(0, 4))
histories = st.lists(money, min_size=2, max_size=40)
conditions = st.tuples(
    st.sampled_from(["balance", "available", "held"]), st.sampled_from(list(Operator)), st.integers(-6, 6)
)


def model_holds(field: str, operator: Operator, value: int, state: tuple[int, int]) -> bool:
    seen = {"balance": state[0], "available": state[0] - state[1], "held": state[1]}[field]
    return {
        ">=": seen - value >= 0,
        "<=": seen - value <= 0,
        ">": seen - value > 0,
        "<": seen - value < 0,
        "=": seen - value == 0,
    }[operator.symbol]


def model_firings(condition: tuple[str, Operator, int], history: list[tuple[int, int]]) -> int:
    """Count the runs of "true" in the history, without one that stands at its beginning."""
    truth = "".join("T" if model_holds(*condition, state) else "F" for state in history)
    return sum(1 for run in truth.replace("F", " ").split()) - truth.startswith("T")


@given(histories, st.lists(conditions, max_size=6))
def test_each_monitor_fires_once_for_each_time_its_condition_came_true(
    history: list[tuple[int, int]], watched: list[tuple[str, Operator, int]]
) -> None:
    monitors = tuple(
        Monitor(uuid.UUID(int=number), "a", Field[field.upper()], operator, value)
        for number, (field, operator, value) in enumerate(watched)
    )
    fired = [monitor.id for before, after in pairwise(history) for monitor in crossed(monitors, before, after)]
    for monitor, condition in zip(monitors, watched, strict=True):
        assert fired.count(monitor.id) == model_firings(condition, history)


@given(histories, conditions)
def test_no_monitor_fires_twice_without_being_false_between(
    history: list[tuple[int, int]], condition: tuple[str, Operator, int]
) -> None:
    field, operator, value = condition
    monitor = Monitor(uuid.UUID(int=1), "a", Field[field.upper()], operator, value)
    armed = not model_holds(*condition, history[0])
    for before, after in pairwise(history):
        if crossed((monitor,), before, after):
            assert armed
            armed = False
        armed = armed or not model_holds(*condition, after)
