"""Simulates one transaction on committed state and gathers its read/write set.

Rules, Fabric's unless said:
- reads see committed state, never this transaction's own writes; each key is read once and recorded with its version;
- a simulation sees one committed height. Ours takes no lock: when blocks commit meanwhile and touched nothing it has
  read, it goes on at the new height; otherwise it is stale, and who runs it starts anew. A hung contract so never
  holds up a commit;
- a range query is recorded (``range_scan``); of a rich query the documents it gave are (``rich_scan``);
- a query over private values, or one with pages, forbids writes in the same transaction;
- the first use of a collection reads the chaincode's whole definition, which so stands in the read set.

Source: Fabric core/ledger/kvledger/txmgmt/txmgr/{tx_simulator,query_executor}.go.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from network.rwset import StateKey, Version, key_hash, parse_metadata
from network.rwset_builder import RwsetBuilder, SimulationResults
from node.peer.documents import Document, DocumentPage, DocumentRequest
from node.peer.errors import StaleReadError, StateError
from node.peer.history import KeyModification
from node.peer.progress import Progress
from node.peer.range_scan import RangeScan
from node.peer.rich_query import parse_query
from node.peer.rich_scan import RichScan
from node.peer.world_state import StateRange, StateValue


class Reader(Protocol):
    """Committed state, each answer with its height."""

    async def state(self, key: StateKey) -> tuple[StateValue | None, int]: ...
    async def private_value(self, key: StateKey) -> tuple[StateValue | None, int]: ...
    async def state_range(self, namespace: str, start: bytes, end: bytes, limit: int) -> StateRange: ...
    async def private_range(
        self, namespace: str, collection: str, start: bytes, end: bytes, limit: int
    ) -> StateRange: ...
    async def history(self, namespace: str, key: str) -> list[KeyModification]: ...
    async def documents(self, request: DocumentRequest) -> DocumentPage: ...


class States(Reader, Protocol):
    """What a simulation reads from: committed state, of which some is known at once, in any thread."""

    def known(self, key: StateKey) -> tuple[StateValue | None, int] | None: ...


@dataclass(frozen=True, slots=True)
class Scanned:
    """A range that was read: of public keys, or of a whole collection, whose hashed keys have no order."""

    namespace: str
    collection: str
    start: bytes
    end: bytes

    def contains(self, key: bytes) -> bool:
        """Say whether a changed key of the same namespace and collection lies in the range."""
        return bool(self.collection) or (key >= self.start and (not self.end or key < self.end))


class TxSimulator:
    """One transaction's view of the channel.

    Args:
        tx_id: transaction, for error texts.
        reader: committed state.
        progress: what was committed lately.
    """

    def __init__(self, tx_id: str, reader: States, progress: Progress) -> None:
        self._tx_id = tx_id
        self._reader = reader
        self._progress = progress
        self._builder = RwsetBuilder()
        self._height: int | None = None
        self._read: dict[StateKey, StateValue | None] = {}
        self._scanned: list[Scanned] = []
        self._scans: list[RangeScan] = []
        self._wrote = False
        self._private_query = False
        self._paged_query = False
        self._done = False
        self._fitting = threading.Lock()
        """Held while an answer is fitted in: what is known is, in the thread that asks; all else in the event loop."""
        self.stale = False
        """Whether a read no longer fitted; the outcome must then not be used."""
        self.written: set[StateKey] = set()
        """Keys written, for the key-level policies among them."""
        self.private_reads: set[tuple[str, str]] = set()
        """Namespace and collection of the values that were read in clear."""

    async def get_state(self, namespace: str, key: str) -> bytes:
        """Return the committed value, empty when there is none."""
        value = await self._read_key(StateKey(namespace, "", key.encode()))
        return self._recorded(namespace, key, value)

    def known_state(self, namespace: str, key: str) -> bytes | None:
        """Return the committed value, empty when there is none; None where it has to be read. For any thread."""
        self._require_open()
        wanted = StateKey(namespace, "", key.encode())
        with self._fitting:
            if wanted not in self._read:
                known = self._reader.known(wanted)
                if known is None or self._height not in (None, known[1]):
                    return None
                self._read[wanted], self._height = known
        return self._recorded(namespace, key, self._read[wanted])

    async def get_metadata(self, namespace: str, key: str) -> Mapping[str, bytes]:
        """Return the committed metadata of a public key."""
        value = await self._read_key(StateKey(namespace, "", key.encode()))
        self._recorded(namespace, key, value)
        return parse_metadata(value.metadata if value is not None else None)

    def put_state(self, namespace: str, key: str, value: bytes) -> None:
        """Write a key; an empty value deletes it."""
        self._before_write()
        self.written.add(StateKey(namespace, "", key.encode()))
        self._builder.add_write(namespace, key, value)

    def put_metadata(self, namespace: str, key: str, metadata: Mapping[str, bytes]) -> None:
        """Replace the metadata of a key."""
        self._before_write()
        self.written.add(StateKey(namespace, "", key.encode()))
        self._builder.add_metadata(namespace, key, metadata)

    async def get_private(self, namespace: str, collection: str, key: str) -> bytes:
        """Return a private value in clear.

        Raises:
            StateError: this peer does not hold the value that the public hash stands for.
        """
        hashed_key = StateKey(namespace, collection, key_hash(key))
        hashed = await self._read_key(hashed_key)
        clear, height = await self._reader.private_value(StateKey(namespace, collection, key.encode()))
        await self._settle(height, hashed_key)
        hash_version = hashed.version if hashed is not None else None
        clear_version = clear.version if clear is not None else None
        if hash_version != clear_version:
            raise StateError(
                "private data matching public hash version is not available. Public hash version = "
                f"{_version_text(hash_version)}, Private data version = {_version_text(clear_version)}"
            )
        self._builder.add_private_read(namespace, collection, key, clear_version)
        self.private_reads.add((namespace, collection))
        return clear.value if clear is not None else b""

    async def get_private_hash(self, namespace: str, collection: str, key: str) -> bytes:
        """Return the SHA-256 of a private value, empty when there is none."""
        hashed = await self._read_private_hash(namespace, collection, key)
        return hashed.value if hashed is not None else b""

    async def get_private_metadata(self, namespace: str, collection: str, key: str) -> Mapping[str, bytes]:
        """Return the committed metadata of a private key."""
        hashed = await self._read_private_hash(namespace, collection, key)
        return parse_metadata(hashed.metadata if hashed is not None else None)

    def put_private(self, namespace: str, collection: str, key: str, value: bytes) -> None:
        """Write a private key; an empty value deletes it."""
        self._before_write()
        self.written.add(StateKey(namespace, collection, key_hash(key)))
        self._builder.add_private_write(namespace, collection, key, value)

    def purge_private(self, namespace: str, collection: str, key: str) -> None:
        """Remove a private key with all its earlier values."""
        self._before_write()
        self.written.add(StateKey(namespace, collection, key_hash(key)))
        self._builder.add_private_purge(namespace, collection, key)

    def put_private_metadata(self, namespace: str, collection: str, key: str, metadata: Mapping[str, bytes]) -> None:
        """Replace the metadata of a private key."""
        self._before_write()
        self.written.add(StateKey(namespace, collection, key_hash(key)))
        self._builder.add_private_metadata(namespace, collection, key, metadata)

    async def range(self, namespace: str, start: str, end: str) -> RangeScan:
        """Open a range query over public keys in [start, end)."""
        return await self._open(RangeScan(self, namespace, "", start=start, end=end))

    async def range_page(self, namespace: str, start: str, end: str, page_size: int, bookmark: str) -> RangeScan:
        """Open a range query of at most ``page_size`` results, from ``bookmark`` on where one is given."""
        self._refuse_after_write("Paginated queries are supported only in a read-only transaction")
        self._paged_query = True
        return await self._open(RangeScan(self, namespace, "", start=bookmark or start, end=end, page_size=page_size))

    async def private_range(self, namespace: str, collection: str, start: str, end: str) -> RangeScan:
        """Open a range query over private keys; the transaction can write nothing then."""
        self._refuse_after_write("Queries on pvt data is supported only in a read-only transaction")
        self._private_query = True
        return await self._open(RangeScan(self, namespace, collection, start=start, end=end))

    async def rich_query(self, namespace: str, query: str) -> RichScan:
        """Open a rich query over public documents."""
        return await self._open_documents(RichScan(self, namespace, "", parse_query(query)))

    async def rich_page(self, namespace: str, query: str, page_size: int, bookmark: str) -> RichScan:
        """Open a rich query of at most ``page_size`` results, after ``bookmark`` where one is given."""
        self._refuse_after_write("Paginated queries are supported only in a read-only transaction")
        self._paged_query = True
        scan = RichScan(self, namespace, "", parse_query(query), page_size=page_size, bookmark=bookmark)
        return await self._open_documents(scan)

    async def private_rich_query(self, namespace: str, collection: str, query: str) -> RichScan:
        """Open a rich query over private documents; the transaction can write nothing then."""
        self._refuse_after_write("Queries on pvt data is supported only in a read-only transaction")
        self._private_query = True
        return await self._open_documents(RichScan(self, namespace, collection, parse_query(query)))

    async def history(self, namespace: str, key: str) -> list[KeyModification]:
        """Return the committed writes to a key, newest first; nothing is recorded for validation."""
        self._require_open()
        return await self._reader.history(namespace, key)

    def finish(self) -> SimulationResults:
        """End the simulation and return its read/write set; later calls are refused."""
        self._require_open()
        self._done = True
        for scan in self._scans:
            if not scan.collection:
                self._builder.add_range_query(scan.namespace, scan.recorded())
        return self._builder.build()

    def close(self) -> None:
        """End the simulation without a result."""
        self._done = True

    @property
    def wrote_private(self) -> bool:
        """Whether anything was written to a collection."""
        return any(key.collection for key in self.written)

    def namespaces(self) -> set[str]:
        """Return the chaincodes whose state was read or written so far."""
        keys = {key.namespace for key in self._read} | {key.namespace for key in self.written}
        return keys | {scan.namespace for scan in self._scans}

    async def fetch_page(self, scan: RangeScan, start: bytes, limit: int) -> StateRange:
        """Read rows for a scan and check that they fit what was read before."""
        self._require_open()
        end = scan.end.encode()
        if scan.collection:
            page = await self._reader.private_range(scan.namespace, scan.collection, start, end, limit)
            await self._settle(page.height, scanned=Scanned(scan.namespace, scan.collection, b"", b""))
            return page
        page = await self._reader.state_range(scan.namespace, start, end, limit)
        read_to = end if page.next_key is None else page.next_key
        await self._settle(page.height, scanned=Scanned(scan.namespace, "", start, read_to))
        return page

    async def fetch_documents(self, request: DocumentRequest) -> DocumentPage:
        """Read documents for a rich query and check that they fit what was read before."""
        self._require_open()
        page = await self._reader.documents(request)
        if request.collection:
            whole = Scanned(request.namespace, request.collection, b"", b"")
            await self._settle(page.height, scanned=whole)
        else:
            await self._settle(page.height, *(StateKey(request.namespace, "", item.key) for item in page.documents))
        return page

    def record_document(self, namespace: str, collection: str, document: Document) -> None:
        """Take note that a rich query gave a document."""
        self._require_open()
        if not collection:
            self._read.setdefault(StateKey(namespace, "", document.key), document.state)
            self._builder.add_read(namespace, document.key.decode(), document.state.version)

    async def _open_documents(self, scan: RichScan) -> RichScan:
        self._require_open()
        await scan.open()
        return scan

    async def _open(self, scan: RangeScan) -> RangeScan:
        self._require_open()
        self._scans.append(scan)
        await scan.open()
        return scan

    def _refuse_after_write(self, rule: str) -> None:
        if self._wrote:
            raise StateError(f"txid [{self._tx_id}]: unsuppored transaction. {rule}")

    def _recorded(self, namespace: str, key: str, value: StateValue | None) -> bytes:
        """Record that a public key was read; return its value, empty when there is none."""
        self._builder.add_read(namespace, key, value.version if value is not None else None)
        return value.value if value is not None else b""

    async def _read_private_hash(self, namespace: str, collection: str, key: str) -> StateValue | None:
        value = await self._read_key(StateKey(namespace, collection, key_hash(key)))
        self._builder.add_private_read(namespace, collection, key, value.version if value is not None else None)
        return value

    async def _read_key(self, key: StateKey) -> StateValue | None:
        self._require_open()
        if key not in self._read:
            value, height = await self._reader.state(key)
            await self._settle(height, key)
            self._read[key] = value
        return self._read[key]

    async def _settle(self, height: int, *keys: StateKey, scanned: Scanned | None = None) -> None:
        """Fit an answer that belongs to ``height`` into the simulation, or find the simulation stale."""
        await self._progress.wait_for_height(height)
        with self._fitting:
            if self._height is None:
                self._height = height
            if height > self._height:
                self._require_unchanged(self._height, height, self._read, self._scanned)
                self._height = height
            elif height < self._height:
                self._require_unchanged(height, self._height, keys, (scanned,) if scanned else ())
            if scanned is not None:
                self._scanned.append(scanned)

    def _require_unchanged(self, low: int, high: int, keys: Iterable[StateKey], scanned: Iterable[Scanned]) -> None:
        changes = self._progress.changes(low, high)
        if changes is None or any(_touches(changed, keys, scanned) for changed in changes):
            self.stale = True
            raise StaleReadError(f"transaction {self._tx_id}: what it read has changed meanwhile, run it again")

    def _require_open(self) -> None:
        if self._done:
            raise StateError(f"transaction {self._tx_id} is simulated: its state can no longer be used")

    def _before_write(self) -> None:
        self._require_open()
        if self._private_query:
            raise StateError(
                f"txid [{self._tx_id}]: unsuppored transaction. "
                "Transaction has already performed queries on pvt data. Writes are not allowed"
            )
        if self._paged_query:
            raise StateError(
                f"txid [{self._tx_id}]: unsuppored transaction. "
                "Transaction has already performed a paginated query. Writes are not allowed"
            )
        self._wrote = True


def _touches(changed: frozenset[StateKey], keys: Iterable[StateKey], scanned: Iterable[Scanned]) -> bool:
    return not changed.isdisjoint(keys) or any(
        key.namespace == scan.namespace and key.collection == scan.collection and scan.contains(key.key)
        for scan in scanned
        for key in changed
    )


def _version_text(version: Version | None) -> str:
    return f"{{BlockNum: {version.block}, TxNum: {version.tx}}}" if version is not None else "<nil>"
