"""Decides which envelopes share a block, and when it is cut.

Rules
- Envelopes keep the order in which they came.
- A block holds at most ``max_messages`` envelopes, and at most ``preferred_max_bytes`` of them, unless it is a single
  larger one, which then stands alone.
- A full batch is due at once. Any other is due when the gap since the last cut has passed, and the gap grows with the
  last block: a lone transaction waits for nobody, a busy channel gets blocks large enough to pay for themselves.
- Time comes in as an argument; the caller asks only when nothing is being written.

Source: Fabric orderer/common/blockcutter/blockcutter.go (limits); the gap replaces its fixed batch timer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")

GAP_PER_ENVELOPE_S = 0.002
"""Seconds of gap for each envelope of the last block. Below 500 envelopes/s every idle moment cuts; above, blocks grow
until the gap's ceiling. A block of one costs all members together about 9 ms of CPU, a transaction in a block of 14
about 2: with 10 ms, 16 callers got 157 transactions/s instead of 484 (docs/benchmarks.md)."""

GAP_MAX_S = 0.070
"""Ceiling of the gap, seconds; with 100 ms, 64 callers waited 101 ms instead of 93, and 256 got no more."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The channel's BatchSize and BatchTimeout.

    Args:
        max_messages: envelopes in one block.
        preferred_max_bytes: bytes of payloads and signatures in one block of several envelopes.
        timeout_s: longest time an envelope may wait for company; the gap never exceeds it.
    """

    max_messages: int
    preferred_max_bytes: int
    timeout_s: float


class _Entry(NamedTuple, Generic[Item]):
    item: Item
    size: int | None
    """None for what stands alone whatever its size."""


class BlockCutter(Generic[Item]):
    """Envelopes waiting for their block.

    Args:
        limits: see ``BatchLimits``.
    """

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._full: deque[list[_Entry[Item]]] = deque()
        self._open: list[_Entry[Item]] = []
        self._open_bytes = 0
        self._next_cut_at = 0.0

    def set_limits(self, limits: BatchLimits) -> None:
        """Apply other limits, to what waits already too."""
        waiting = [*(entry for batch in self._full for entry in batch), *self._open]
        self._limits = limits
        self._full.clear()
        self._open, self._open_bytes = [], 0
        for entry in waiting:
            if entry.size is None:
                self.add_alone(entry.item)
            else:
                self.add(entry.item, entry.size)

    def add(self, item: Item, size: int) -> None:
        """Queue one envelope of ``size`` bytes, payload and signature together."""
        entry = _Entry(item, size)
        if size > self._limits.preferred_max_bytes:
            self._close()
            self._full.append([entry])
            return
        if self._open_bytes + size > self._limits.preferred_max_bytes:
            self._close()
        self._open.append(entry)
        self._open_bytes += size
        if len(self._open) >= self._limits.max_messages:
            self._close()

    def add_alone(self, item: Item) -> None:
        """Queue what must have a block of its own, in its place."""
        self._close()
        self._full.append([_Entry(item, None)])

    def cut(self, now: float) -> list[Item] | None:
        """Return the next block's envelopes if one is due at ``now`` (seconds, any monotonic clock), else None."""
        if not self._full:
            if not self._open or now < self._next_cut_at:
                return None
            self._close()
        batch = [entry.item for entry in self._full.popleft()]
        gap = min(GAP_PER_ENVELOPE_S * len(batch), GAP_MAX_S, self._limits.timeout_s)
        self._next_cut_at = now + gap
        return batch

    def due_at(self) -> float | None:
        """Return the time from which ``cut`` gives a batch; None while nothing waits."""
        if self._full:
            return 0.0
        return self._next_cut_at if self._open else None

    def drain(self) -> list[Item]:
        """Remove and return everything that waits."""
        self._close()
        items = [entry.item for batch in self._full for entry in batch]
        self._full.clear()
        return items

    def _close(self) -> None:
        if self._open:
            self._full.append(self._open)
            self._open = []
            self._open_bytes = 0
