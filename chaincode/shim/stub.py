"""The stub: what one invocation of a contract sees of its proposal and may do to the ledger.

Fabric's ``ChaincodeStub`` API with names in snake_case. The rules kept here, for every peer alike:

- keys are non-empty valid UTF-8; plain ranges never reach composite keys;
- a stub works only while its transaction runs: afterwards every state call raises;
- whatever the peer refuses raises :class:`StateError`.

What reads and writes mean is the peer's part (:mod:`chaincode.shim.state_access`).

Source: fabric-chaincode-go shim/stub.go, shim/interfaces.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TypeVar

from fabric_protos.peer import chaincode_event_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from chaincode.errors import StateError
from chaincode.shim import composite_key
from chaincode.shim.client_identity import ClientIdentity
from chaincode.shim.proposal import ProposalFields
from chaincode.shim.state_access import (
    KeyModification,
    MultipleReads,
    Response,
    RichQueries,
    StateAccess,
    StateQuery,
    WriteBatches,
)

T = TypeVar("T")

VALIDATION_PARAMETER = "VALIDATION_PARAMETER"
"""Metadata name under which a key's endorsement policy is stored (peer.MetaDataKeys)."""


@dataclass(frozen=True, slots=True)
class QueryMetadata:
    """Figures of one page of a paginated query.

    Args:
        fetched_records_count: records in this page.
        bookmark: where the next page starts; empty after the last.
    """

    fetched_records_count: int
    bookmark: str


@dataclass(frozen=True, slots=True)
class ChaincodeResponse:
    """A response as plain values; ``status`` 200 is success, 400 and more is never endorsed."""

    status: int
    message: str
    payload: bytes


async def _asked(request: Awaitable[T]) -> T:
    """Return the peer's answer; a refusal in the peer's own terms becomes a StateError with its words.

    Python's own exceptions are defects, not refusals: they pass unchanged, and their text reaches no client.
    """
    try:
        return await request
    except Exception as error:
        if isinstance(error, StateError) or type(error).__module__ == "builtins":
            raise
        raise StateError(str(error)) from error


class StateIterator:
    """Results of a query, in key order: ``async for key, value in iterator``.

    It closes itself at the end, and by ``async with`` or :meth:`close`; reading from a closed one raises.
    """

    def __init__(self, stub: ChaincodeStub, query: StateQuery) -> None:
        self._stub = stub
        self._query = query
        self._closed = False

    def __aiter__(self) -> StateIterator:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        self._stub.require_open()
        if self._closed:
            raise StateError("the query iterator is closed")
        return await _asked(self._query.__anext__())

    async def __aenter__(self) -> StateIterator:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the query at the peer; a second call does nothing."""
        if not self._closed:
            self._closed = True
            await _asked(self._query.aclose())

    @property
    def metadata(self) -> QueryMetadata:
        """Figures of the page, for a paginated query."""
        return QueryMetadata(self._query.fetched_records_count, self._query.bookmark)


class ChaincodeStub:
    """One invocation of a contract.

    Args:
        channel_id: channel of the transaction.
        tx_id: transaction id.
        args: arguments as bytes, the function's name first.
        signed_proposal: serialized ``SignedProposal``; empty for an internal call.
        state: the peer's side.
        decorations: what the peer's decorators added to the input.
    Raises:
        StateError: when the signed proposal is malformed.
    """

    def __init__(
        self,
        channel_id: str,
        tx_id: str,
        args: Sequence[bytes],
        signed_proposal: bytes,
        state: StateAccess,
        decorations: Mapping[str, bytes] | None = None,
    ) -> None:
        self._channel_id = channel_id
        self._tx_id = tx_id
        self._args = tuple(args)
        self._signed_proposal = signed_proposal
        self._fields = ProposalFields.from_signed_proposal(signed_proposal)
        self._state = state
        self._decorations = dict(decorations or {})
        self._batches: WriteBatches | None = None
        self._event: tuple[str, bytes] | None = None
        self._open = True
        self._reads_only = ""

    # --- the invocation ---

    def get_args(self) -> list[bytes]:
        """Return all arguments, the function's name first."""
        return list(self._args)

    def get_string_args(self) -> list[str]:
        """Return all arguments as text.

        Raises:
            StateError: when one is not valid UTF-8.
        """
        try:
            return [argument.decode() for argument in self._args]
        except UnicodeDecodeError:
            raise StateError("an argument is not valid UTF-8") from None

    def get_function_and_parameters(self) -> tuple[str, list[str]]:
        """Return the function's name and its parameters as text; an empty name when there are no arguments."""
        texts = self.get_string_args()
        return (texts[0], texts[1:]) if texts else ("", [])

    def get_args_slice(self) -> bytes:
        """Return all arguments joined without separators."""
        return b"".join(self._args)

    def get_tx_id(self) -> str:
        """Return the transaction id."""
        return self._tx_id

    def get_channel_id(self) -> str:
        """Return the channel's name."""
        return self._channel_id

    def get_creator(self) -> bytes:
        """Return the serialized identity that signed the proposal."""
        return self._fields.creator

    @cached_property
    def client_identity(self) -> ClientIdentity:
        """The creator, parsed; raises StateError when it is no X.509 identity."""
        return ClientIdentity.from_creator(self._fields.creator)

    def get_transient(self) -> dict[str, bytes]:
        """Return the proposal's transient map, which never becomes part of the transaction."""
        return dict(self._fields.transient or {})

    def get_binding(self) -> bytes:
        """Return SHA-256 of nonce ‖ creator ‖ epoch (8 bytes, little-endian), or empty without a proposal."""
        if not self._signed_proposal:
            return b""
        fields = self._fields
        return hashlib.sha256(fields.nonce + fields.creator + fields.epoch.to_bytes(8, "little")).digest()

    def get_decorations(self) -> dict[str, bytes]:
        """Return what the peer's decorators added to the input."""
        return dict(self._decorations)

    def get_signed_proposal(self) -> bytes:
        """Return the serialized ``SignedProposal``, empty for an internal call."""
        return self._signed_proposal

    def get_tx_timestamp(self) -> Timestamp:
        """Return the proposal's time, given by the client and the same at every endorser.

        Raises:
            StateError: when the proposal carries none.
        """
        if self._fields.timestamp is None:
            raise StateError("the proposal carries no timestamp")
        return self._fields.timestamp

    def get_timestamp(self) -> datetime:
        """Return :meth:`get_tx_timestamp` as UTC datetime, cut to microseconds.

        Raises:
            StateError: when the proposal carries none, or one outside the years 1 to 9999.
        """
        timestamp = self.get_tx_timestamp()
        try:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000
            )
        except OverflowError:
            raise StateError(f"the proposal's timestamp {timestamp.seconds} s is out of range") from None

    # --- public state ---

    async def get_state(self, key: str) -> bytes:
        """Return the committed value of ``key``, ``b""`` when absent."""
        return await _asked(self._checked("", key).get_state("", key))

    async def get_multiple_states(self, *keys: str) -> list[bytes]:
        """Return the committed values of ``keys``, in their order."""
        return await self._get_multiple("", keys)

    async def put_state(self, key: str, value: bytes) -> None:
        """Write ``key`` when the transaction commits."""
        await _asked(self._writable("", key).put_state("", key, value))

    async def del_state(self, key: str) -> None:
        """Delete ``key`` when the transaction commits."""
        await _asked(self._writable("", key).del_state("", key))

    async def set_state_validation_parameter(self, key: str, policy: bytes) -> None:
        """Set the endorsement policy of ``key`` (see :class:`KeyEndorsementPolicy`)."""
        await _asked(self._writable("", key).put_state_metadata("", key, VALIDATION_PARAMETER, policy))

    async def get_state_validation_parameter(self, key: str) -> bytes:
        """Return the endorsement policy of ``key``, ``b""`` when it has none of its own."""
        metadata = await _asked(self._checked("", key).get_state_metadata("", key))
        return metadata.get(VALIDATION_PARAMETER, b"")

    async def get_state_by_range(self, start_key: str, end_key: str) -> StateIterator:
        """Query plain keys from ``start_key`` (inclusive) to ``end_key`` (exclusive); empty means open."""
        return await self._range("", *composite_key.plain_range(start_key, end_key))

    async def get_state_by_range_with_pagination(
        self, start_key: str, end_key: str, page_size: int, bookmark: str
    ) -> tuple[StateIterator, QueryMetadata]:
        """Query one page of plain keys; only in a transaction that writes nothing."""
        return await self._page(*composite_key.plain_range(start_key, end_key), page_size, bookmark)

    async def get_state_by_partial_composite_key(self, object_type: str, attributes: Sequence[str]) -> StateIterator:
        """Query the composite keys that begin with these parts."""
        return await self._range("", *composite_key.partial_range(object_type, attributes))

    async def get_state_by_partial_composite_key_with_pagination(
        self, object_type: str, attributes: Sequence[str], page_size: int, bookmark: str
    ) -> tuple[StateIterator, QueryMetadata]:
        """Query one page of the composite keys that begin with these parts."""
        return await self._page(*composite_key.partial_range(object_type, attributes), page_size, bookmark)

    async def get_all_states_composite_key_with_pagination(
        self, page_size: int, bookmark: str
    ) -> tuple[StateIterator, QueryMetadata]:
        """Query one page of all composite keys."""
        return await self._page(*composite_key.all_composite_keys(), page_size, bookmark)

    async def get_query_result(self, query: str) -> StateIterator:
        """Run a JSON query; results are not protected against phantoms."""
        return await self._rich_query("", query, 0, "")

    async def get_query_result_with_pagination(
        self, query: str, page_size: int, bookmark: str
    ) -> tuple[StateIterator, QueryMetadata]:
        """Run a JSON query for one page."""
        iterator = await self._rich_query("", query, page_size, bookmark)
        return iterator, iterator.metadata

    async def get_history_for_key(self, key: str) -> list[KeyModification]:
        """Return the committed changes of ``key``, newest first; not protected against phantoms."""
        return list(await _asked(self._checked("", key).history(key)))

    # --- private data ---

    async def get_private_data(self, collection: str, key: str) -> bytes:
        """Return the committed value of a private key, ``b""`` when absent."""
        return await _asked(self._private(collection, key).get_state(collection, key))

    async def get_multiple_private_data(self, collection: str, *keys: str) -> list[bytes]:
        """Return the committed values of private keys, in their order."""
        self._require_collection(collection)
        return await self._get_multiple(collection, keys)

    async def get_private_data_hash(self, collection: str, key: str) -> bytes:
        """Return SHA-256 of a private value, known to members that may not read it."""
        return await _asked(self._private(collection, key).get_private_data_hash(collection, key))

    async def put_private_data(self, collection: str, key: str, value: bytes) -> None:
        """Write a private key when the transaction commits; only its hash enters the block."""
        await _asked(self._private_writable(collection, key).put_state(collection, key, value))

    async def del_private_data(self, collection: str, key: str) -> None:
        """Delete a private key when the transaction commits; earlier values stay in private stores."""
        await _asked(self._private_writable(collection, key).del_state(collection, key))

    async def purge_private_data(self, collection: str, key: str) -> None:
        """Delete a private key with all its earlier values from every member's private store."""
        await _asked(self._private_writable(collection, key).purge_private_data(collection, key))

    async def set_private_data_validation_parameter(self, collection: str, key: str, policy: bytes) -> None:
        """Set the endorsement policy of a private key."""
        await _asked(
            self._private_writable(collection, key).put_state_metadata(collection, key, VALIDATION_PARAMETER, policy)
        )

    async def get_private_data_validation_parameter(self, collection: str, key: str) -> bytes:
        """Return the endorsement policy of a private key, ``b""`` when it has none of its own."""
        metadata = await _asked(self._private(collection, key).get_state_metadata(collection, key))
        return metadata.get(VALIDATION_PARAMETER, b"")

    async def get_private_data_by_range(self, collection: str, start_key: str, end_key: str) -> StateIterator:
        """Query private keys from ``start_key`` (inclusive) to ``end_key`` (exclusive)."""
        self._require_collection(collection)
        return await self._range(collection, *composite_key.plain_range(start_key, end_key))

    async def get_private_data_by_partial_composite_key(
        self, collection: str, object_type: str, attributes: Sequence[str]
    ) -> StateIterator:
        """Query the private composite keys that begin with these parts."""
        self._require_collection(collection)
        return await self._range(collection, *composite_key.partial_range(object_type, attributes))

    async def get_private_data_query_result(self, collection: str, query: str) -> StateIterator:
        """Run a JSON query over a collection."""
        self._require_collection(collection)
        return await self._rich_query(collection, query, 0, "")

    # --- keys, events, other chaincode, batches ---

    def create_composite_key(self, object_type: str, attributes: Sequence[str]) -> str:
        """Return the composite key of these parts."""
        return composite_key.create_composite_key(object_type, attributes)

    def split_composite_key(self, key: str) -> tuple[str, list[str]]:
        """Return object type and attributes of a composite key."""
        return composite_key.split_composite_key(key)

    def set_event(self, name: str, payload: bytes) -> None:
        """Attach the transaction's one event; a second call replaces the first.

        Raises:
            StateError: when ``name`` is empty, or the transaction is over.
        """
        self.require_open()
        if not name:
            raise StateError("an event's name must not be empty")
        composite_key.require_utf8("event name", name)
        self._event = (name, bytes(payload))

    @property
    def event(self) -> tuple[str, bytes] | None:
        """Name and payload of the event set, None without one."""
        return self._event

    def chaincode_event(self) -> chaincode_event_pb2.ChaincodeEvent | None:
        """Return the event as Fabric's message; the peer fills in chaincode and transaction id."""
        if self._event is None:
            return None
        return chaincode_event_pb2.ChaincodeEvent(event_name=self._event[0], payload=self._event[1])

    async def invoke_chaincode(self, name: str, args: Sequence[bytes], channel: str = "") -> Response:
        """Call another chaincode within this transaction; on another channel its writes are dropped.

        Args:
            name: chaincode's name.
            args: arguments, the function's name first.
            channel: its channel; empty for this one.
        """
        self.require_open()
        if not name:
            raise StateError("the name of the chaincode to invoke must not be empty")
        return await _asked(self._state.invoke_chaincode(name, list(args), channel))

    def start_write_batch(self) -> None:
        """Collect writes from here on and send them together, where the peer allows it."""
        self.require_open()
        if isinstance(self._state, WriteBatches):
            self._state.start_write_batch()
            self._batches = self._state

    async def finish_write_batch(self) -> None:
        """Send the writes collected; done by itself at the end of the invocation."""
        self.require_open()
        if self._batches is not None:
            await _asked(self._batches.finish_write_batch())

    def forbid_writes(self, function: str) -> None:
        """Refuse every write from here on, because ``function`` is declared to read only."""
        self._reads_only = function

    def close(self) -> None:
        """End the stub's life: from now on every state call raises."""
        self._open = False

    def require_open(self) -> None:
        """Refuse use after the transaction.

        Raises:
            StateError: when the invocation is over.
        """
        if not self._open:
            raise StateError(f"transaction {self._tx_id} is over; its stub can no longer be used")

    # --- inner ---

    def _checked(self, collection: str, key: str) -> StateAccess:
        self.require_open()
        if not key:
            raise StateError("a key must not be empty")
        composite_key.require_utf8("key", key)
        return self._state

    @staticmethod
    def _require_collection(collection: str) -> None:
        if not collection:
            raise StateError("the name of a collection must not be empty")

    def _private(self, collection: str, key: str) -> StateAccess:
        self._require_collection(collection)
        return self._checked(collection, key)

    def _writable(self, collection: str, key: str) -> StateAccess:
        if self._reads_only:
            raise StateError(f"function {self._reads_only} reads only, but tried to write key {key!r}")
        return self._checked(collection, key)

    def _private_writable(self, collection: str, key: str) -> StateAccess:
        self._require_collection(collection)
        return self._writable(collection, key)

    async def _get_multiple(self, collection: str, keys: Sequence[str]) -> list[bytes]:
        for key in keys:
            self._checked(collection, key)
        if isinstance(self._state, MultipleReads):
            return await _asked(self._state.get_states(collection, keys))
        return [await _asked(self._state.get_state(collection, key)) for key in keys]

    async def _range(self, collection: str, start: str, end: str) -> StateIterator:
        self.require_open()
        return StateIterator(self, await _asked(self._state.range_query(collection, start, end, 0, "")))

    async def _page(self, start: str, end: str, page_size: int, bookmark: str) -> tuple[StateIterator, QueryMetadata]:
        self.require_open()
        if page_size <= 0:
            raise StateError(f"page size is {page_size}, but must be at least 1")
        iterator = StateIterator(self, await _asked(self._state.range_query("", start, end, page_size, bookmark)))
        return iterator, iterator.metadata

    async def _rich_query(self, collection: str, query: str, page_size: int, bookmark: str) -> StateIterator:
        self.require_open()
        if not isinstance(self._state, RichQueries):
            raise StateError("this peer's state database answers no JSON queries")
        return StateIterator(self, await _asked(self._state.query_result(collection, query, page_size, bookmark)))
