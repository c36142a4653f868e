"""Lock files: the kernel frees one when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path
from typing import TextIO

TRIES, PAUSE_S = 20, 0.05


def take_lock(path: Path) -> TextIO | None:
    """Take a lock for as long as the returned file stays open; None where somebody else holds it.

    Raises:
        OSError: the file cannot be opened.
    """
    lock = path.open("a")
    for _ in range(TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Whoever looks whether it is held holds it for a moment.
            time.sleep(PAUSE_S)
        else:
            return lock
    lock.close()
    return None


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds this lock file, which may be another account's.

    Raises:
        OSError: it cannot be read.
    """
    if not path.exists():
        return False
    with path.open() as lock:
        try:
            # Shared: two who look at the same moment must not take each other for its holder.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
