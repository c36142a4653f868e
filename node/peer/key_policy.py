"""Which policies the writes of one transaction in one namespace must satisfy.

Rules kept here:

- a key with a policy of its own (metadata entry ``VALIDATION_PARAMETER``) is judged by that, any other key by its
  collection's policy, or else by the chaincode's; each policy is asked once;
- a transaction whose keys all have their own policies need not satisfy the chaincode's, but one that writes nothing in
  the namespace must;
- who writes a key whose metadata an earlier transaction of the same block changes is refused, because nobody can tell
  which policy holds. That earlier transaction counts as soon as its own endorsements suffice, whatever MVCC says later.

Source: Fabric core/common/validation/statebased/{v20,validator_keylevel,vpmanagerimpl}.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from network.errors import PolicyError, WireError
from network.identity import Identity
from network.rwset import NamespaceRwset, StateKey, TxRwset, parse_metadata
from node.peer.chaincode_definition import ChaincodeDefinition
from node.peer.endorsement_policy import EndorsementPolicies, implicit_collection_owner
from node.peer.errors import ChannelStoppedError
from node.peer.state import StateReader

VALIDATION_PARAMETER = "VALIDATION_PARAMETER"
"""Name of the metadata entry that holds a key's policy."""

KEYS_AT_FIRST = 32
"""Written keys of a namespace that are read before the policies of any are asked; then twice as many, and so on."""


@dataclass(slots=True)
class MetadataChanges:
    """Keys whose metadata the sufficiently endorsed transactions of a block change, as far as it has been judged."""

    keys: set[StateKey] = field(default_factory=set)

    def add(self, rwset: TxRwset, namespaces: Sequence[str]) -> None:
        """Record a transaction's metadata writes in the namespaces whose policies it satisfied."""
        for item in rwset.namespaces:
            if item.namespace in namespaces:
                self.keys.update(_metadata_keys(item))


@dataclass(slots=True)
class NamespaceCheck:
    """The check of one transaction's writes in one namespace.

    Args:
        namespace: name of the chaincode.
        definition: the chaincode's; ``None`` for the lifecycle itself.
        endorsers: those whose signatures verified, each once.
    """

    namespace: str
    definition: ChaincodeDefinition | None
    endorsers: Sequence[Identity]
    policies: EndorsementPolicies
    state: StateReader
    changes: MetadataChanges
    _asked: set[str] = field(default_factory=set)
    _any_asked: bool = False

    def check(self, rwset: NamespaceRwset | None) -> None:
        """Check all writes; ``None`` when the transaction does nothing in this namespace.

        Raises:
            PolicyError: the first policy that is not satisfied.
        """
        if rwset is not None:
            for keys in _growing_parts(written_keys(rwset)):
                self.state.read_ahead(keys)
                for key in keys:
                    self._check_key(key)
        if not self._any_asked:
            self._check_chaincode()

    def _check_key(self, key: StateKey) -> None:
        if key in self.changes.keys:
            raise PolicyError(
                f"the policy of a key of {key.namespace} is changed by an earlier transaction of the block"
            )
        own = self._own_policy(key)
        if own:
            self.policies.check_key(own, self.endorsers)
            self._any_asked = True
        elif key.collection:
            self._check_collection(key.collection)
        else:
            self._check_chaincode()

    def _own_policy(self, key: StateKey) -> bytes:
        entry = self.state.entry(key)
        if entry is None or not entry.metadata:
            return b""
        try:
            return parse_metadata(entry.metadata).get(VALIDATION_PARAMETER, b"")
        except WireError as error:
            raise ChannelStoppedError(f"the metadata of a key of {key.namespace} does not parse") from error

    def _check_collection(self, collection: str) -> None:
        if collection in self._asked:
            return
        owner = implicit_collection_owner(collection)
        if owner:
            self.policies.check_implicit_collection(owner, self.endorsers)
        else:
            policy = self._collection_policy(collection)
            if policy is None:
                self._check_chaincode()
                return
            self.policies.check_application(policy, self.endorsers)
        self._asked.add(collection)
        self._any_asked = True

    def _collection_policy(self, name: str) -> bytes | None:
        collection = None if self.definition is None else self.definition.collections.get(name)
        if collection is None:
            raise PolicyError(f"chaincode {self.namespace!r} has no collection {name!r}")
        return collection.endorsement_policy or None

    def _check_chaincode(self) -> None:
        if "" in self._asked:
            return
        if self.definition is None:
            self.policies.check_lifecycle(self.endorsers)
        else:
            self.policies.check_application(self.definition.endorsement_policy, self.endorsers)
        self._asked.add("")
        self._any_asked = True


def written_keys(rwset: NamespaceRwset) -> Iterator[StateKey]:
    """Return the keys whose policies matter, in the order Fabric asks for them."""
    name = rwset.namespace
    for write in rwset.writes:
        yield StateKey(name, "", write.key.encode())
    for metadata in rwset.metadata_writes:
        yield StateKey(name, "", metadata.key.encode())
    for collection in rwset.collections:
        for hashed in collection.writes:
            yield StateKey(name, collection.name, hashed.key_hash)
    for collection in rwset.collections:
        for hashed_metadata in collection.metadata_writes:
            yield StateKey(name, collection.name, hashed_metadata.key_hash)


def _growing_parts(keys: Iterator[StateKey]) -> Iterator[list[StateKey]]:
    """Divide keys so that few are read where the first are refused, and all of them with few queries otherwise."""
    size = KEYS_AT_FIRST
    while part := list(islice(keys, size)):
        yield part
        size *= 2


def _metadata_keys(rwset: NamespaceRwset) -> Iterator[StateKey]:
    for metadata in rwset.metadata_writes:
        yield StateKey(rwset.namespace, "", metadata.key.encode())
    for collection in rwset.collections:
        for hashed in collection.metadata_writes:
            yield StateKey(rwset.namespace, collection.name, hashed.key_hash)
