"""Has on disk what a machine that loses its power must find again."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Have on disk what a file holds, or which names a folder does.

    Raises:
        OSError: the disk does not take it, or nothing stands there.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
