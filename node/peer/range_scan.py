"""Open queries of a simulation: results are taken from the database as a Go peer takes them, and recorded.

A Go peer reads 101 results when the query opens and sends 100 to the chaincode; when those are used up it reads 100
more, and so on. What it read, not what the contract looked at, stands in the read set; so we do the same, because
endorsements of different peers must be equal byte for byte.

Source: Fabric core/chaincode/query_response_generator.go; kvledger/txmgmt/txmgr/query_executor.go, resultsItr and
queryResultsItr.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Protocol

from network.range_query import RangeReads
from network.rwset import KvRead, RangeQuery
from node.peer.errors import StateError
from node.peer.world_state import StateRange, StateValue

BATCH_ROWS = 100
"""Results a Go peer sends to a chaincode at once; it reads one more to know whether there are more."""

RESULTS_MAX = 100_000
"""Results of one query after which a Go peer stops (core.yaml, ledger.state.totalQueryLimit)."""


class Scan(ABC):
    """An open query: an async iterator of keys and values.

    Args:
        namespace: chaincode.
        collection: private collection, '' for public state.
        page_size: most results, with a bookmark to go on from; 0 for all.
    """

    def __init__(self, namespace: str, collection: str, page_size: int) -> None:
        self.namespace = namespace
        self.collection = collection
        self.fetched_records_count = 0
        self.bookmark = ""
        self._page_size = page_size
        self._ready: deque[tuple[str, bytes]] = deque()
        self._taken = 0
        self._exhausted = False
        self._closed = False

    @abstractmethod
    async def _next(self) -> tuple[str, bytes] | None:
        """Take the next result and record that it was taken; None at the end."""

    async def open(self) -> None:
        """Take the first results."""
        await self._take(self._page_size or BATCH_ROWS + 1)
        if self._page_size:
            self.fetched_records_count = self._taken

    def __aiter__(self) -> Scan:
        return self

    def ready(self) -> tuple[str, bytes] | None:
        """Return the next result where that needs no reading; None where it does, or there is none."""
        if self._closed or not self._ready or self._needs_more:
            return None
        return self._ready.popleft()

    async def __anext__(self) -> tuple[str, bytes]:
        await self._refill()
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.popleft()

    async def next_batch(self) -> tuple[list[tuple[str, bytes]], bool]:
        """Return the results a Go peer would send at once, and whether more are to come."""
        await self._refill()
        batch = [self._ready.popleft() for _ in range(min(len(self._ready), self._page_size or BATCH_ROWS))]
        return batch, bool(self._ready)

    async def aclose(self) -> None:
        """Give no more results; a second call does nothing."""
        self._closed = True
        self._ready.clear()

    @property
    def _needs_more(self) -> bool:
        """Whether the batch is used up and only the result read ahead is left."""
        return len(self._ready) == 1 and not self._exhausted and not self._page_size and self._taken < RESULTS_MAX

    async def _refill(self) -> None:
        if self._closed:
            raise StateError("the query is closed")
        if self._needs_more:
            await self._take(BATCH_ROWS)

    async def _take(self, count: int) -> None:
        for _ in range(count):
            if self._taken == RESULTS_MAX:
                return
            result = await self._next()
            if result is None:
                self._exhausted = True
                return
            self._taken += 1
            self._ready.append(result)


class PageSource(Protocol):
    """Where rows come from: a simulation, which checks that they fit what it read before."""

    async def fetch_page(self, scan: RangeScan, start: bytes, limit: int) -> StateRange: ...


class RangeScan(Scan):
    """An open range query.

    Args:
        source: simulation.
        namespace: chaincode.
        collection: private collection, '' for public state.
        start: first key.
        end: end of the range, exclusive; '' for the end of the namespace.
        page_size: most results, with a bookmark to go on from; 0 for all.
    """

    def __init__(
        self, source: PageSource, namespace: str, collection: str, *, start: str, end: str, page_size: int = 0
    ) -> None:
        super().__init__(namespace, collection, page_size)
        self.end = end
        self._source = source
        self._start = start
        self._rows: deque[tuple[bytes, StateValue]] = deque()
        self._next_key: bytes | None = start.encode()
        self._reads = RangeReads()
        self._last_key = ""

    async def open(self) -> None:
        """Take the first results."""
        await super().open()
        if self._page_size:
            # A full page is not read past its end, so it is recorded up to its last key; the bookmark looks a key on.
            following = await self._next_row()
            self.bookmark = following[0].decode() if following is not None else ""

    async def aclose(self) -> None:
        """Give no more results; a second call does nothing."""
        await super().aclose()
        self._rows.clear()

    def recorded(self) -> RangeQuery:
        """Return the record of what was taken; call once, at the end of the simulation."""
        raw, summary = self._reads.finish()
        last = self.end if self._exhausted else self._last_key
        return RangeQuery(self._start, last, self._exhausted, raw, summary)

    async def _next(self) -> tuple[str, bytes] | None:
        row = await self._next_row()
        if row is None:
            return None
        key, value = row
        self._last_key = key.decode()
        self._reads.add(KvRead(self._last_key, value.version))
        return self._last_key, value.value

    async def _next_row(self) -> tuple[bytes, StateValue] | None:
        while not self._rows:
            if self._next_key is None:
                return None
            page = await self._source.fetch_page(self, self._next_key, (self._page_size or BATCH_ROWS) + 1)
            self._rows.extend(page.rows)
            self._next_key = page.next_key
        return self._rows.popleft()
