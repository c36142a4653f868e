"""Reads blocks for those that wait for them, and keeps nobody else waiting: a large one is read in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

READ_HERE_BYTES_MAX = 256 * 1024
"""Largest block that is read in the event loop: some milliseconds of it, and odd envelopes take many times as long."""


async def read_block(read: Callable[[bytes], T], content: bytes) -> T:
    """Return what a function finds in a committed block."""
    return await read_sized(lambda: read(content), len(content))


async def read_sized(read: Callable[[], T], size: int) -> T:
    """Return what a function finds in as many bytes as it is about to read."""
    if size <= READ_HERE_BYTES_MAX:
        return read()
    return await asyncio.to_thread(read)
