"""Gives every transaction of a block its validation code, as every other peer of the channel will.

The stages, each pure; the first that a transaction fails gives its code:

1. :func:`parse_transactions`: the envelope's own bytes;
2. :func:`check_signatures`: creator and endorsers, the costly part, which needs the configuration but no state, so that
   it may run in a thread of its own and ahead of the blocks before;
3. :func:`needed_state`: what the rest will ask of the committed state, to be read at once, the many keys of a large
   transaction aside: those are read when its policies hold;
4. :func:`judge_block`: duplicate ids, chaincode definitions, endorsement policies for each namespace written, then
   duplicates within the block, then MVCC; and what the block does to the state, with its commit hash.

:func:`validate_block` is all of them in a row. A configuration transaction yields the next configuration. What cannot
be judged at all (a refused configuration, damaged definitions) stops the channel rather than fork it.

Source: Fabric core/committer/txvalidator/v20/validator.go and plugindispatcher/dispatcher.go,
core/handlers/validation/builtin/v20/validation_logic.go, core/ledger/kvledger/kv_ledger.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fabric_protos.common import common_pb2

from network.block import UpdateBatch, commit_hash
from network.channel_config import ChannelConfig
from network.envelope import (
    BAD_CREATOR_SIGNATURE,
    DUPLICATE_TXID,
    ENDORSEMENT_POLICY_FAILURE,
    INVALID_CHAINCODE,
    VALID,
    ParsedTransaction,
    parse_transaction,
)
from network.errors import ConfigError, IdentityError, PolicyError, SignatureError, WireError
from network.identity import Identity, Verify
from network.proposal import endorsement_message
from network.rwset import StateKey, TxRwset, Version
from network.signing import SHA2
from node.peer.chaincode_definition import (
    DEFINITION_KEYS,
    LIFECYCLE,
    ChaincodeDefinition,
    definition_keys,
    read_definition,
)
from node.peer.endorsement_policy import EndorsementPolicies
from node.peer.errors import ChannelStoppedError
from node.peer.key_policy import MetadataChanges, NamespaceCheck, written_keys
from node.peer.mvcc import Conflict, explain_conflict, judge_transactions
from node.peer.state import Expiry, NeededState, StateReader

BUILTIN_PLUGIN = "vscc"
"""The one validation plugin every peer has."""

KEYS_AHEAD_MAX = 48
"""Keys of one transaction, those of definitions among them, that are read whether or not it is endorsed."""

IDENTITY_BYTES_MIN = 64
"""No certificate with its organization's name is shorter."""

OwnEndorsement = Callable[[bytes, bytes], bool]
"""Signature and response payload -> whether this very peer made that signature over that payload."""


class CheckedTransaction(NamedTuple):
    """A transaction whose signatures have been looked at."""

    parsed: ParsedTransaction
    flag: int
    """VALID when bytes, creator and transaction id hold; later stages may still refuse it."""
    reason: str
    endorsers: tuple[Identity, ...]
    """Those whose endorsements verify, each once, in the order they signed."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What a block comes to."""

    number: int
    flags: bytes
    """``TxValidationCode`` of each transaction, for the block's metadata."""
    transactions: tuple[ParsedTransaction, ...]
    updates: UpdateBatch
    commit_hash: bytes
    """Empty for block 0."""
    purges: Mapping[StateKey, Version]
    """Private keys to be erased with their history."""
    expiries: tuple[Expiry, ...]
    """Private hashes this block wrote that a later block removes."""
    conflicts: Mapping[int, Conflict]
    reasons: Mapping[int, str]
    """Why each invalid transaction was refused, for the log."""
    next_config: ChannelConfig | None
    """Configuration in force from the next block on, when this block changes it."""


def validate_block(
    block: common_pb2.Block,
    config: ChannelConfig,
    state: StateReader,
    previous_commit_hash: bytes,
    *,
    own_creator: bytes = b"",
    own_endorsement: OwnEndorsement | None = None,
) -> Validation:
    """Judge a block that :func:`network.block_verifier.verify_block` accepts.

    Args:
        config: configuration in force before this block.
        state: as committed before this block.
        previous_commit_hash: of the block before; empty for blocks 0 and 1.
        own_creator: this peer's serialized identity, if ``own_endorsement`` is given.
        own_endorsement: tells endorsements this peer made itself, which need not be verified again.
    Raises:
        ChannelStoppedError: the block cannot be judged.
    """
    parsed = parse_transactions(block)
    checked = check_signatures(parsed, config, own_creator=own_creator, own_endorsement=own_endorsement)
    return judge_block(block.header.number, checked, config, state, previous_commit_hash)


def parse_transactions(block: common_pb2.Block) -> tuple[ParsedTransaction, ...]:
    """Take a block's transactions apart."""
    return tuple(parse_transaction(envelope) for envelope in block.data.data)


def check_signatures(
    transactions: Iterable[ParsedTransaction],
    config: ChannelConfig,
    *,
    own_creator: bytes = b"",
    own_endorsement: OwnEndorsement | None = None,
) -> tuple[CheckedTransaction, ...]:
    """Verify the creators' and the endorsers' signatures.

    Args:
        own_endorsement: asked only about endorsements that name ``own_creator``.
    """
    return tuple(
        check_transaction(parsed, config, own_creator=own_creator, own_endorsement=own_endorsement)
        for parsed in transactions
    )


def valid_endorsers(
    parsed: ParsedTransaction,
    config: ChannelConfig,
    *,
    own_creator: bytes = b"",
    own_endorsement: OwnEndorsement | None = None,
    verify: Verify = Identity.verify,
) -> tuple[Identity, ...]:
    """Return who endorsed, each once, in order: as ``network.policy.valid_signers``, but trusting this peer's own.

    Args:
        own_endorsement: asked only about endorsements that name ``own_creator``.
        verify: checks a signature.
    """
    own = own_endorsement if own_creator else None
    found: dict[tuple[str, bytes], Identity] = {}
    nobody: set[bytes] = set()
    for endorser, signature in parsed.endorsements:
        if len(endorser) < IDENTITY_BYTES_MIN or endorser in nobody:
            continue
        try:
            identity = config.msps.deserialize(endorser)
        except (IdentityError, WireError):
            # Whoever submits a transaction may add worthless endorsements; they must not spoil the others.
            nobody.add(endorser)
            continue
        try:
            if identity.identifier in found:
                continue
            mine = own is not None and endorser == own_creator and own(signature, parsed.response_payload)
            # This peer signs by SHA-256, whatever its organization has signatures checked by.
            if not mine or identity.hash_family != SHA2:
                verify(identity, endorsement_message(parsed.response_payload, endorser), signature)
            found[identity.identifier] = identity
        except SignatureError:
            continue
    return tuple(found.values())


def needed_state(transactions: Iterable[CheckedTransaction]) -> NeededState:
    """Return what :func:`judge_block` will ask of the state first.

    Of a transaction that names many keys it will ask for more, if its endorsement policies hold: who may submit could
    otherwise have every peer read 100,000 keys a MiB for nothing.
    """
    keys: set[StateKey] = set()
    tx_ids: set[str] = set()
    chaincodes: set[str] = set()
    for checked in transactions:
        parsed = checked.parsed
        if checked.flag != VALID or parsed.is_config:
            continue
        tx_ids.add(parsed.tx_id)
        if parsed.action_flag != VALID:
            continue
        if _names_many_keys(parsed.rwset):
            chaincodes.add(parsed.chaincode)
            continue
        chaincodes.update(_namespaces_to_check(parsed))
        keys.update(_keys_of(parsed.rwset))
    for chaincode in chaincodes - {LIFECYCLE}:
        keys.update(definition_keys(chaincode))
    return NeededState(frozenset(keys), frozenset(tx_ids))


def judge_block(
    number: int,
    transactions: Sequence[CheckedTransaction],
    config: ChannelConfig,
    state: StateReader,
    previous_commit_hash: bytes,
) -> Validation:
    """Decide each transaction's code and what the block does to the state.

    Raises:
        ChannelStoppedError: the block cannot be judged.
    """
    if number == 0:
        return _genesis(transactions, config)
    judge = _BlockJudge(number, config, state)
    endorsed = {
        position: checked.parsed.rwset
        for position, checked in enumerate(transactions)
        if _names_many_keys(checked.parsed.rwset) and judge.is_endorsed(checked)
    }
    state.read_ahead([key for rwset in endorsed.values() for key in _keys_of(rwset)])
    for position, checked in enumerate(transactions):
        judge.judge(position, checked)
    judge.mark_duplicates(transactions)
    valid = [
        (position, checked.parsed.rwset)
        for position, checked in enumerate(transactions)
        if judge.flags[position] == VALID and not checked.parsed.is_config
    ]
    # What holds by policies of keys alone had its written keys read piece by piece.
    others = (rwset for position, rwset in valid if position not in endorsed and _names_many_keys(rwset))
    state.read_ahead([key for rwset in others for key in _keys_of(rwset)])
    outcome = judge_transactions(number, valid, state)
    judge.flags.update({position: code for position, code in outcome.codes.items() if code != VALID})
    judge.reasons.update({position: explain_conflict(item) for position, item in outcome.conflicts.items()})
    flags = bytes(judge.flags[position] for position in range(len(transactions)))
    # A peer keeps commit hashes only if it has done so from block 1 on.
    hashed = number == 1 or bool(previous_commit_hash)
    return Validation(
        number=number,
        flags=flags,
        transactions=tuple(checked.parsed for checked in transactions),
        updates=outcome.updates,
        commit_hash=commit_hash(flags, outcome.updates, previous_commit_hash) if hashed else b"",
        purges=outcome.purges,
        expiries=judge.expiries(outcome.updates),
        conflicts=outcome.conflicts,
        reasons=judge.reasons,
        next_config=judge.next_config,
    )


@dataclass(slots=True)
class _BlockJudge:
    """The stages between signatures and MVCC, transaction by transaction."""

    number: int
    config: ChannelConfig
    state: StateReader
    flags: dict[int, int] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    next_config: ChannelConfig | None = None
    _policies: EndorsementPolicies | None = None
    _definitions: dict[str, ChaincodeDefinition | None] = field(default_factory=dict)
    _changes: MetadataChanges = field(default_factory=MetadataChanges)

    def judge(self, position: int, checked: CheckedTransaction) -> None:
        """Decide what can be decided before MVCC."""
        if checked.flag != VALID:
            self._refuse(position, checked.flag, checked.reason)
        elif checked.parsed.is_config:
            self._apply_config(position, checked.parsed)
        else:
            self._require_known_rules()
            self._judge_endorsed(position, checked)

    def is_endorsed(self, checked: CheckedTransaction) -> bool:
        """Return whether the policy of the chaincode invoked holds, whatever else may refuse the transaction."""
        parsed = checked.parsed
        if checked.flag != VALID or parsed.is_config or parsed.action_flag != VALID:
            return False
        self._require_known_rules()
        if self.state.has_transaction(parsed.tx_id):
            return False
        check = self._namespace_check(parsed.chaincode, checked)
        try:
            if check is not None:
                check.check(None)
        except PolicyError:
            return False
        return check is not None

    def mark_duplicates(self, transactions: Sequence[CheckedTransaction]) -> None:
        """Refuse whoever repeats the id of a transaction before it that has held so far."""
        seen: set[str] = set()
        for position, checked in enumerate(transactions):
            if self.flags[position] != VALID or checked.parsed.is_config:
                continue
            if checked.parsed.tx_id in seen:
                self._refuse(position, DUPLICATE_TXID, "its id stands earlier in this block")
            seen.add(checked.parsed.tx_id)

    def expiries(self, updates: UpdateBatch) -> tuple[Expiry, ...]:
        """Return when the private hashes that this block writes leave the state again."""
        found = []
        for key, update in updates.entries.items():
            if not key.collection or update.value is None or key.namespace == LIFECYCLE:
                continue
            definition = self._definition(key.namespace)
            collection = None if definition is None else definition.collections.get(key.collection)
            if collection is not None and collection.block_to_live:
                block = update.version.block
                found.append(Expiry(key, block, block + collection.block_to_live + 1))
        return tuple(found)

    def _refuse(self, position: int, flag: int, reason: str) -> None:
        self.flags[position] = flag
        self.reasons[position] = reason

    def _require_known_rules(self) -> None:
        try:
            self.config.capabilities.require_validation()
        except ConfigError as error:
            raise ChannelStoppedError(f"block {self.number} cannot be judged by this peer: {error}") from error

    def _apply_config(self, position: int, parsed: ParsedTransaction) -> None:
        try:
            self.next_config = self.config.validate_update(parsed.data)
        except ConfigError as error:
            raise ChannelStoppedError(f"block {self.number}: its configuration is refused: {error}") from error
        self.flags[position] = VALID

    def _judge_endorsed(self, position: int, checked: CheckedTransaction) -> None:
        parsed = checked.parsed
        if self.state.has_transaction(parsed.tx_id):
            self._refuse(position, DUPLICATE_TXID, "its id stands in an earlier block")
        elif parsed.action_flag != VALID:
            self._refuse(position, parsed.action_flag, "its proposal response breaks the form of an endorsed action")
        else:
            flag, reason = self._check_namespaces(checked)
            if flag == VALID:
                self.flags[position] = VALID
            else:
                self._refuse(position, flag, reason)

    def _check_namespaces(self, checked: CheckedTransaction) -> tuple[int, str]:
        sets = {item.namespace: item for item in checked.parsed.rwset.namespaces}
        satisfied: list[str] = []
        flag, reason = VALID, ""
        for name in _namespaces_to_check(checked.parsed):
            check = self._namespace_check(name, checked)
            if check is None:
                flag, reason = INVALID_CHAINCODE, f"chaincode {name!r} is not defined on the channel"
                break
            try:
                check.check(sets.get(name))
            except PolicyError as error:
                flag, reason = ENDORSEMENT_POLICY_FAILURE, f"chaincode {name!r}: {error}"
                break
            satisfied.append(name)
        self._changes.add(checked.parsed.rwset, satisfied)
        return flag, reason

    def _namespace_check(self, name: str, checked: CheckedTransaction) -> NamespaceCheck | None:
        """Return the check of what a transaction does in a namespace; None where no chaincode is defined for it."""
        definition = None if name == LIFECYCLE else self._definition(name)
        if name != LIFECYCLE and not _is_usable(definition):
            return None
        if self._policies is None:
            self._policies = EndorsementPolicies(self.config)
        return NamespaceCheck(name, definition, checked.endorsers, self._policies, self.state, self._changes)

    def _definition(self, name: str) -> ChaincodeDefinition | None:
        if name not in self._definitions:
            self._definitions[name] = read_definition(self.state, name)
        return self._definitions[name]


def _genesis(transactions: Sequence[CheckedTransaction], config: ChannelConfig) -> Validation:
    """Block 0 is taken on trust by its hash; it changes nothing but the configuration, which was read from it."""
    return Validation(
        number=0,
        flags=bytes([VALID] * len(transactions)),
        transactions=tuple(checked.parsed for checked in transactions),
        updates=UpdateBatch(),
        commit_hash=b"",
        purges={},
        expiries=(),
        conflicts={},
        reasons={},
        next_config=config,
    )


def check_transaction(
    parsed: ParsedTransaction,
    config: ChannelConfig,
    *,
    own_creator: bytes = b"",
    own_endorsement: OwnEndorsement | None = None,
    verify: Verify = Identity.verify,
) -> CheckedTransaction:
    """Look at one transaction's form and signatures; the arguments are those of :func:`valid_endorsers`."""
    if parsed.header_flag != VALID:
        return CheckedTransaction(parsed, parsed.header_flag, "its envelope or headers are malformed", ())
    try:
        # A peer looks the creator up in the channel the header names; elsewhere it knows nobody.
        if parsed.channel_id != config.channel_id:
            raise IdentityError(f"it names channel {parsed.channel_id!r}")
        verify(config.msps.identity(parsed.creator), parsed.payload, parsed.signature)
    except (IdentityError, SignatureError, WireError) as error:
        return CheckedTransaction(parsed, BAD_CREATOR_SIGNATURE, f"creator: {error}", ())
    if parsed.body_flag != VALID:
        return CheckedTransaction(parsed, parsed.body_flag, "its headers or its action break the form", ())
    if parsed.is_config or parsed.action_flag != VALID:
        return CheckedTransaction(parsed, VALID, "", ())
    endorsers = valid_endorsers(parsed, config, own_creator=own_creator, own_endorsement=own_endorsement, verify=verify)
    return CheckedTransaction(parsed, VALID, "", endorsers)


def _namespaces_to_check(parsed: ParsedTransaction) -> tuple[str, ...]:
    """Return the namespaces whose policy must hold: the one invoked, and each one written."""
    if parsed.action_flag != VALID:
        return ()
    written = sorted(item.namespace for item in parsed.rwset.namespaces if item.writes_anything)
    return tuple(dict.fromkeys((parsed.chaincode, *written)))


def _is_usable(definition: ChaincodeDefinition | None) -> bool:
    if definition is None or not definition.validation_plugin or not definition.endorsement_policy:
        return False
    if definition.validation_plugin != BUILTIN_PLUGIN:
        raise ChannelStoppedError(
            f"chaincode {definition.name!r} wants validation plugin {definition.validation_plugin!r}; "
            f"this peer has only {BUILTIN_PLUGIN!r}"
        )
    return True


def _names_many_keys(rwset: TxRwset) -> bool:
    """Return whether judging a transaction may ask for more than ``KEYS_AHEAD_MAX`` keys."""
    count = 0
    for namespace in rwset.namespaces:
        count += DEFINITION_KEYS + len(namespace.reads) + len(namespace.range_queries)
        count += len(namespace.writes) + len(namespace.metadata_writes)
        for collection in namespace.collections:
            count += len(collection.reads) + len(collection.writes) + len(collection.metadata_writes)
        if count > KEYS_AHEAD_MAX:
            return True
    return False


def _keys_of(rwset: TxRwset) -> Iterator[StateKey]:
    for namespace in rwset.namespaces:
        name = namespace.namespace
        yield from written_keys(namespace)
        for read in namespace.reads:
            yield StateKey(name, "", read.key.encode())
        for query in namespace.range_queries:
            if not query.exhausted:
                yield StateKey(name, "", query.end_key.encode())
        for collection in namespace.collections:
            for hashed in collection.reads:
                yield StateKey(name, collection.name, hashed.key_hash)
