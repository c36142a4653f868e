"""The hash tree that stands for a long range query's results.

Results are gathered in groups of ``max_degree + 1``; each group's serialized reads are hashed to a node of level 1, and
each ``max_degree + 1`` nodes of a level to one node of the next. What a read/write set carries is the highest level
reached. Up to ``max_degree`` results are carried as they are, without any tree. Simulation and validation build it the
same way, so equal summaries mean equal results.

Source: Fabric core/ledger/kvledger/txmgmt/rwsetutil/query_results_helper.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from network.errors import WireError
from network.rwset import KvRead, MerkleSummary, RangeQuery, serialize_reads

RANGE_DEGREE_MAX = 50
"""Results above which a peer hashes (Fabric's ``maxDegreeQueryReadsHashing``)."""


class RangeReads:
    """Gathers a range query's results as they are read.

    Args:
        max_degree: results that stay unhashed, and nodes that stay uncombined; at least 2.
    Raises:
        WireError: ``max_degree`` is below 2.
    """

    def __init__(self, max_degree: int = RANGE_DEGREE_MAX) -> None:
        if max_degree < 2:
            raise WireError(f"QueryReadsMerkleSummary.max_degree: {max_degree} is below 2")
        self._max_degree = max_degree
        self._pending: list[KvRead] = []
        self._levels: dict[int, list[bytes]] = {}
        self._max_level = 1

    def add(self, read: KvRead) -> None:
        """Take the next result, in key order."""
        self._pending.append(read)
        if len(self._pending) > self._max_degree:
            self._hash_pending()

    def finish(self) -> tuple[tuple[KvRead, ...] | None, MerkleSummary | None]:
        """Return raw reads or a summary; both ``None`` when nothing was read. Call once."""
        if not self._levels:
            return (tuple(self._pending) or None), None
        if self._pending:
            self._hash_pending()
        self._close_lower_levels()
        return None, MerkleSummary(self._max_degree, self._max_level, tuple(self._levels[self._max_level]))

    def _hash_pending(self) -> None:
        self._levels.setdefault(1, []).append(hashlib.sha256(serialize_reads(self._pending)).digest())
        self._pending = []
        level = 1
        while len(self._levels[level]) > self._max_degree:
            self._promote(level, _combine(self._levels[level]))
            level += 1

    def _close_lower_levels(self) -> None:
        for level in range(1, self._max_level):
            nodes = self._levels.get(level, [])
            if nodes:
                self._promote(level, nodes[0] if len(nodes) == 1 else _combine(nodes))
        top = self._levels[self._max_level]
        if len(top) > self._max_degree:
            self._promote(self._max_level, _combine(top))

    def _promote(self, level: int, node: bytes) -> None:
        del self._levels[level]
        self._levels.setdefault(level + 1, []).append(node)
        self._max_level = max(self._max_level, level + 1)


def recorded_range_query(
    start_key: str, end_key: str, reads: Sequence[KvRead], exhausted: bool, max_degree: int = RANGE_DEGREE_MAX
) -> RangeQuery:
    """Return the record of one range scan.

    Args:
        start_key: first key asked for.
        end_key: end asked for, exclusive; empty for the end of the namespace.
        reads: the results the contract took, in order.
        exhausted: whether the scan was read to its end; otherwise the record ends with the last key taken.
    Source: Fabric core/ledger/kvledger/txmgmt/txmgr/query_executor.go, updateRangeQueryInfo.
    """
    gathered = RangeReads(max_degree)
    for read in reads:
        gathered.add(read)
    raw, summary = gathered.finish()
    last = end_key if exhausted else reads[-1].key if reads else ""
    return RangeQuery(start_key, last, exhausted, raw, summary)


def _combine(nodes: Sequence[bytes]) -> bytes:
    return hashlib.sha256(b"".join(nodes)).digest()
