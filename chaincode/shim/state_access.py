"""The port under the stub: everything a contract may ask of a peer.

Two things implement it: the peer's own simulator, when the contract runs in the peer's process, and
:class:`chaincode.shim.stream_state.StreamState`, which asks a peer over the chaincode stream. The types are
protocols, so that a peer implements them without importing this package. ``collection`` is ``""`` for public state.

Rules an implementation keeps (Fabric's, core/ledger/kvledger/txmgmt/txmgr):

- reads see committed state only, never this transaction's own writes;
- an absent key reads as ``b""``;
- range ends are exclusive, ``""`` as end means unbounded; keys come in the order of their UTF-8 bytes;
- any refusal raises; nothing is ever returned in place of an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable


class Response(Protocol):
    """Outcome of an invocation; a Fabric ``peer.Response`` message fits as it is."""

    @property
    def status(self) -> int: ...
    @property
    def message(self) -> str: ...
    @property
    def payload(self) -> bytes: ...


class KeyModification(Protocol):
    """One committed change of a key."""

    @property
    def tx_id(self) -> str: ...
    @property
    def value(self) -> bytes: ...
    @property
    def timestamp(self) -> datetime:
        """The transaction's own (client-given) time, UTC."""
        ...

    @property
    def is_delete(self) -> bool: ...


class StateQuery(Protocol):
    """An open query: an async iterator of ``(key, value)`` with the figures of its page.

    ``fetched_records_count`` and ``bookmark`` are meaningful for a paginated query only (0 and ``""`` otherwise) and
    must be known when the query is returned, before iteration.
    """

    @property
    def fetched_records_count(self) -> int: ...
    @property
    def bookmark(self) -> str: ...
    def __aiter__(self) -> StateQuery: ...
    async def __anext__(self) -> tuple[str, bytes]: ...
    async def aclose(self) -> None:
        """Give the peer's resources back; a second call does nothing."""
        ...


class StateAccess(Protocol):
    """What every peer offers."""

    async def get_state(self, collection: str, key: str) -> bytes: ...
    async def put_state(self, collection: str, key: str, value: bytes) -> None: ...
    async def del_state(self, collection: str, key: str) -> None: ...
    async def purge_private_data(self, collection: str, key: str) -> None: ...
    async def get_private_data_hash(self, collection: str, key: str) -> bytes: ...
    async def get_state_metadata(self, collection: str, key: str) -> Mapping[str, bytes]: ...
    async def put_state_metadata(self, collection: str, key: str, name: str, value: bytes) -> None: ...
    async def range_query(self, collection: str, start: str, end: str, page_size: int, bookmark: str) -> StateQuery:
        """Open a range query; ``page_size`` 0 and ``bookmark`` ``""`` mean no pagination."""
        ...

    async def history(self, key: str) -> Sequence[KeyModification]:
        """Committed changes of a key, newest first."""
        ...

    async def invoke_chaincode(self, name: str, args: Sequence[bytes], channel: str) -> Response: ...


@runtime_checkable
class RichQueries(Protocol):
    """A peer whose state database also answers JSON queries."""

    async def query_result(self, collection: str, query: str, page_size: int, bookmark: str) -> StateQuery: ...


@runtime_checkable
class MultipleReads(Protocol):
    """A peer that reads many keys for one request."""

    async def get_states(self, collection: str, keys: Sequence[str]) -> list[bytes]: ...


@runtime_checkable
class WriteBatches(Protocol):
    """A peer that takes many writes in one request; writes between start and finish are sent together."""

    def start_write_batch(self) -> None: ...
    async def finish_write_batch(self) -> None: ...
