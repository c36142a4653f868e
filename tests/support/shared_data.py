"""Finds the large reference data that is kept beside the repository rather than in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def has_shared_data() -> bool:
    """Whether no test skips for want of it."""
    return _root().is_dir()


def shared_data(relative: str) -> Path:
    """Return a path in the reference data, or skip the test with the way to enable it."""
    path = _root() / relative
    if not path.exists():
        pytest.skip(f"reference data {relative} is absent: set DWAYBANK_SHARED_DATA to the folder that holds it")
    return path


def _root() -> Path:
    return Path(os.environ.get("DWAYBANK_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
