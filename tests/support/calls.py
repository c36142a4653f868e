"""Counts calls: what must not be done once for each part of a message that an attacker writes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType


def calls_during(work: Callable[[], object], name: str = "") -> int:
    """Return how many functions of Python's are called, or how often those of one name are."""
    count = 0

    def take(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and name in ("", frame.f_code.co_name)

    sys.setprofile(take)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count
