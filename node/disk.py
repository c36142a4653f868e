"""Has on disk what a machine that loses its power must find again."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Source: Linux uapi/linux/fcntl.h, uapi/linux/fs.h; renameat2(2)."""


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


def exchange(one: Path, other: Path) -> None:
    """Give each of two folders the other's place, in one step: no moment in which one of them is missing.

    Raises:
        OSError: ``ENOTSUP`` where the file system cannot do it; else as for a rename.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(one))
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        number = errno.ENOTSUP if number in (errno.EINVAL, errno.ENOSYS, errno.EXDEV) else number
        raise OSError(number, os.strerror(number), str(one))
