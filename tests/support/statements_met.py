"""Which of the product's statements a run on another PostgreSQL meets: each must work on every version.

A statement of ours has a file, which is read when it is first run. Only what runs in the tests' own processes is seen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

from tests.support.shared_data import REPOSITORY

_met: set[str] = set()


def watch() -> None:
    """Note from now on which files of statements this process reads."""
    sys.addaudithook(_note)


def met() -> list[str]:
    """Return what this process has read, beginning at the repository."""
    return sorted(_met)


def unmet(met_elsewhere: Iterable[str]) -> list[str]:
    """Return the statements that neither this process nor others have read."""
    found = (path for room in ("ledger", "node") for path in (REPOSITORY / room).rglob("sql/queries/*.sql"))
    return sorted({str(path.relative_to(REPOSITORY)) for path in found} - _met - set(met_elsewhere))


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        path = os.fspath(arguments[0])
        if isinstance(path, str) and path.endswith(".sql"):
            _met.add(path.removeprefix(f"{REPOSITORY}/"))
