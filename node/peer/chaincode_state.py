"""The state as one chaincode sees it within a transaction: its own namespace, and only the collections it may use.

It implements, by shape, the port that contracts and the chaincode stream are written against.

Source: Fabric core/chaincode/handler.go (HandleGetState and its siblings, permission checks),
core/ledger/kvledger/txmgmt/txmgr/collection_val.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from network.channel_config import ChannelConfig
from network.errors import PolicyError
from network.identity import Identity
from network.policy import SignaturePolicy
from node.peer.definition import Definition
from node.peer.endorsement_policy import implicit_collection_owner
from node.peer.errors import StateError
from node.peer.history import KeyModification
from node.peer.lifecycle_state import read_whole_definition
from node.peer.range_scan import RESULTS_MAX, RangeScan
from node.peer.rich_scan import RichScan
from node.peer.tx_simulator import TxSimulator


class Response(Protocol):
    """What a chaincode answers."""

    @property
    def status(self) -> int: ...
    @property
    def message(self) -> str: ...
    @property
    def payload(self) -> bytes: ...


InvokeChaincode = Callable[[str, Sequence[bytes], str], Awaitable[Response]]
"""Name, arguments and channel of a chaincode called by a chaincode."""


class ChaincodeState:
    """One chaincode's view of one transaction.

    Args:
        simulator: the transaction.
        namespace: the chaincode.
        creator: who proposed, for collections that only members may read or write.
        config: channel configuration in force.
        invoke: runs another chaincode in the same transaction.
        is_init: whether the chaincode is being initialised, when it may use no private data.
    """

    def __init__(
        self,
        simulator: TxSimulator,
        namespace: str,
        *,
        creator: Identity,
        config: ChannelConfig,
        invoke: InvokeChaincode,
        is_init: bool = False,
    ) -> None:
        self._simulator = simulator
        self._namespace = namespace
        self._creator = creator
        self._config = config
        self._invoke = invoke
        self._is_init = is_init
        self._definition: Definition | None = None

    async def get_state(self, collection: str, key: str) -> bytes:
        """Return a committed value, empty when there is none."""
        if not collection:
            return await self._simulator.get_state(self._namespace, key)
        await self._check(collection, "read")
        return await self._simulator.get_private(self._namespace, collection, key)

    def known_state(self, collection: str, key: str) -> bytes | None:
        """Return a committed value as ``get_state`` does, None where it has to be read; for any thread."""
        return None if collection else self._simulator.known_state(self._namespace, key)

    async def get_states(self, collection: str, keys: Sequence[str]) -> list[bytes]:
        """Return several committed values."""
        return [await self.get_state(collection, key) for key in keys]

    async def put_state(self, collection: str, key: str, value: bytes) -> None:
        """Write a key; Fabric refuses nothing here, and an empty value deletes."""
        if not collection:
            self._simulator.put_state(self._namespace, key, value)
            return
        await self._check(collection, "write")
        self._simulator.put_private(self._namespace, collection, key, value)

    async def del_state(self, collection: str, key: str) -> None:
        """Delete a key."""
        await self.put_state(collection, key, b"")

    async def purge_private_data(self, collection: str, key: str) -> None:
        """Delete a private key with all its earlier values."""
        if not collection:
            raise StateError("only applicable for private data")
        await self._check(collection, "write")
        self._simulator.purge_private(self._namespace, collection, key)

    async def get_private_data_hash(self, collection: str, key: str) -> bytes:
        """Return the SHA-256 of a private value; any member of the channel may ask."""
        await self._check(collection, "")
        return await self._simulator.get_private_hash(self._namespace, collection, key)

    async def get_state_metadata(self, collection: str, key: str) -> Mapping[str, bytes]:
        """Return a key's metadata."""
        if not collection:
            return await self._simulator.get_metadata(self._namespace, key)
        await self._check(collection, "read")
        return await self._simulator.get_private_metadata(self._namespace, collection, key)

    async def put_state_metadata(self, collection: str, key: str, name: str, value: bytes) -> None:
        """Make one entry the whole metadata of a key, as Fabric does."""
        if not collection:
            self._simulator.put_metadata(self._namespace, key, {name: value})
            return
        await self._check(collection, "write")
        self._simulator.put_private_metadata(self._namespace, collection, key, {name: value})

    async def range_query(self, collection: str, start: str, end: str, page_size: int, bookmark: str) -> RangeScan:
        """Open a range query; page size 0 and bookmark '' mean no pages."""
        if collection:
            await self._check(collection, "read")
            return await self._simulator.private_range(self._namespace, collection, start, end)
        if page_size or bookmark:
            return await self._simulator.range_page(self._namespace, start, end, _page(page_size), bookmark)
        return await self._simulator.range(self._namespace, start, end)

    async def query_result(self, collection: str, query: str, page_size: int, bookmark: str) -> RichScan:
        """Open a rich query; page size 0 and bookmark '' mean no pages, which private data does not have."""
        if collection:
            await self._check(collection, "read")
            return await self._simulator.private_rich_query(self._namespace, collection, query)
        if page_size or bookmark:
            return await self._simulator.rich_page(self._namespace, query, _page(page_size), bookmark)
        return await self._simulator.rich_query(self._namespace, query)

    async def history(self, key: str) -> Sequence[KeyModification]:
        """Return the committed writes to a key, newest first."""
        return await self._simulator.history(self._namespace, key)

    async def invoke_chaincode(self, name: str, args: Sequence[bytes], channel: str) -> Response:
        """Run another chaincode within this transaction."""
        return await self._invoke(name, args, channel)

    async def _check(self, collection: str, access: str) -> None:
        """Require that the collection is defined, and that the creator may use it where only members may."""
        if self._is_init:
            raise StateError("private data APIs are not allowed in chaincode Init()")
        # For an implicit collection too, where it tells nothing: Fabric reads it, and that stands in the read set.
        if self._definition is None:
            self._definition = await read_whole_definition(self._simulator, self._namespace)
        if owner := implicit_collection_owner(collection):
            if owner not in self._config.application_msp_ids:
                raise self._not_defined(collection, "")
            return
        collections = self._definition.static_collections() if self._definition is not None else {}
        config = collections.get(collection)
        if config is None:
            raise self._not_defined(collection, access)
        if (access == "read" and config.member_only_read) or (access == "write" and config.member_only_write):
            self._require_member(config.member_orgs_policy.signature_policy, collection, access)

    def _not_defined(self, collection: str, access: str) -> StateError:
        """Return the error of a collection that is not there: Fabric asks its rules about access first, if at all."""
        if access:
            place = f"{self._config.channel_id}/{self._namespace}/{collection}"
            return StateError(f"collection {place} could not be found")
        return StateError(
            f"collection [{collection}] not defined in the collection config for chaincode [{self._namespace}]"
        )

    def _require_member(self, policy: Any, collection: str, access: str) -> None:
        try:
            SignaturePolicy(policy, self._config.msps).evaluate_identities([self._creator])
        except PolicyError as error:
            raise StateError(
                f"tx creator does not have {access} access permission on privatedata in "
                f"chaincodeName:{self._namespace} collectionName: {collection}"
            ) from error


def _page(size: int) -> int:
    """Return the size of a page that was asked for; one without a size, by a bookmark alone, holds all that follows."""
    return size if size > 0 else RESULTS_MAX
