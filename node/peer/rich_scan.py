"""An open rich query of a simulation.

Every document that is taken stands in the read set with its version, as if it had been read by its key; that none was
missed is not recorded, so a rich query protects nobody from phantoms. Private documents are recorded nowhere.

Source: Fabric kvledger/txmgmt/txmgr/query_executor.go (queryResultsItr, pvtdataResultsItr), statecouchdb.go.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from node.peer.documents import Document, DocumentPage, DocumentRequest
from node.peer.range_scan import BATCH_ROWS, Scan
from node.peer.rich_query import NO_BOOKMARK, Position, RichQuery

PAGE_DOCUMENTS = 1000
"""Documents read at once (core.yaml, internalQueryLimit)."""


class DocumentSource(Protocol):
    """Where documents come from: a simulation, which checks that they fit what it read before and records them."""

    async def fetch_documents(self, request: DocumentRequest) -> DocumentPage: ...
    def record_document(self, namespace: str, collection: str, document: Document) -> None: ...


class RichScan(Scan):
    """An open rich query.

    Args:
        source: simulation.
        namespace: chaincode.
        collection: private collection, '' for public state.
        query: what is asked.
        page_size: most results, with a bookmark to go on from; 0 for all.
        bookmark: where to go on from; '' for the start.
    """

    def __init__(
        self,
        source: DocumentSource,
        namespace: str,
        collection: str,
        query: RichQuery,
        *,
        page_size: int = 0,
        bookmark: str = "",
    ) -> None:
        super().__init__(namespace, collection, page_size)
        self._source = source
        self._query = query
        self._after: Position | None = query.position(bookmark)
        self._documents: deque[Document] = deque()
        self._more = True
        self._limit = min(page_size, PAGE_DOCUMENTS) or BATCH_ROWS + 1

    async def open(self) -> None:
        """Take the first results."""
        await super().open()
        if self._page_size:
            # An empty page gives back the bookmark it was asked with, so that asking again finds the end again.
            self.bookmark = self._after.bookmark() if self._after is not None else NO_BOOKMARK

    async def aclose(self) -> None:
        """Give no more results; a second call does nothing."""
        await super().aclose()
        self._documents.clear()

    async def _next(self) -> tuple[str, bytes] | None:
        if not self._documents and self._more:
            request = DocumentRequest(self.namespace, self.collection, self._query, self._after, self._limit)
            page = await self._source.fetch_documents(request)
            self._documents.extend(page.documents)
            self._more = len(page.documents) == self._limit
            # Who goes on past the first batch is likely to go to the end.
            self._limit = PAGE_DOCUMENTS
        if not self._documents:
            return None
        document = self._documents.popleft()
        self._after = document.position
        self._source.record_document(self.namespace, self.collection, document)
        return document.key.decode(), self._query.project(document.state.value)
