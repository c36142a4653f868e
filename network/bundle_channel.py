"""What a channel's blocks prove to someone who trusts nothing but the hash of its genesis block.

Rules kept here:
- Block 0 is the one whose header hash is trusted; its configuration names the first members.
- A later configuration is taken only from a block that the orderers before it signed, and only if it was allowed.
- A block counts when its data hash covers its envelopes, its orderers' signatures satisfy the configuration in force,
  and the configuration block it names (signed with it) is the newest one given: none can be left out.
- A transaction counts when its creator's signature and its endorsements hold under the contract's definition, which is
  itself a transaction endorsed as the channel's lifecycle policy demands.

Whether two endorsed transactions conflicted (MVCC) cannot be seen from single blocks: that a transaction was VALID is
what witnesses vouch for, who cosign only after their own peer committed it so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fabric_protos.common import common_pb2
from fabric_protos.peer import policy_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2
from google.protobuf.message import DecodeError

from network.block import header_hash, is_config_block, last_config_number, parse_block
from network.block_verifier import verify_block, verify_hashes
from network.bundle_parts import BLOCK_REST_BYTES_MAX, TransactionRef
from network.channel_config import ChannelConfig
from network.envelope import ParsedTransaction, parse_transaction
from network.errors import (
    BlockError,
    ConfigError,
    IdentityError,
    NetworkError,
    PolicyError,
    ProofError,
    SignatureError,
    WireError,
)
from network.identity import Identity
from network.messages import read_message
from network.policy import Policy, SignaturePolicy, SignedData
from network.proposal import endorsement_message

LIFECYCLE = "_lifecycle"
LIFECYCLE_POLICY = "/Channel/Application/LifecycleEndorsement"
IDENTITY_BYTES_MAX = 16_384
"""A larger identity is none: anyone may add signatures to a bundle's blocks, and reading a text of megabytes for a
certificate takes hours. Real ones have one to four thousand bytes."""


@dataclass(frozen=True, slots=True)
class VerifiedTransaction:
    """A transaction whose creator's signature and endorsements hold."""

    parsed: ParsedTransaction
    creator: Identity
    block: int
    config: ChannelConfig
    """The configuration in force at that block."""


@dataclass(frozen=True, slots=True)
class _Definition:
    """One sequence of a contract's definition."""

    block: int
    sequence: int
    policy: policy_pb2.ApplicationPolicy


class ChannelEvidence:
    """Blocks of one channel that were checked against the hash of its genesis block.

    Args:
        genesis_hash: header hash of block 0, the one thing trusted.
        blocks: serialized blocks by number; block 0 and every configuration block up to the newest must be there.
        definitions: for each contract the transactions that defined it, oldest first.
    Raises:
        ProofError: ``genesis_missing``, ``wrong_genesis``, ``malformed_block``, ``wrong_block_number``,
            ``wrong_block_data``, ``wrong_block_signature``, ``broken_chain``, ``config_missing``, ``wrong_config``,
            or the reason a definition is refused.
    """

    def __init__(
        self, genesis_hash: bytes, blocks: Mapping[int, bytes], definitions: Mapping[str, Sequence[TransactionRef]]
    ) -> None:
        parsed = {number: _parse(number, block) for number, block in sorted(blocks.items())}
        genesis = parsed.pop(0, None)
        if genesis is None:
            raise ProofError("genesis_missing", "the bundle holds no block 0")
        self._blocks: dict[int, common_pb2.Block] = {0: genesis}
        self._configs: list[tuple[int, ChannelConfig]] = [(0, _open_genesis(genesis, genesis_hash))]
        for number, block in parsed.items():
            self._accept(number, block)
        self._definitions: dict[str, list[_Definition]] = {}
        for name, references in definitions.items():
            self._definitions[name] = self._define(name, references)
        self._transactions: dict[tuple[TransactionRef, str], VerifiedTransaction] = {}

    @property
    def channel_id(self) -> str:
        """Name of the channel."""
        return self._configs[0][1].channel_id

    def require_channel(self, channel_id: str) -> None:
        """Refuse the name of another channel.

        Raises:
            ProofError: ``wrong_channel``.
        """
        if self.channel_id != channel_id:
            raise ProofError("wrong_channel", f"the blocks are of channel {self.channel_id[:80]!r}")

    def block_hash(self, number: int) -> bytes:
        """Return the header hash of a block that was given."""
        return header_hash(self._blocks[number].header)

    def block(self, number: int) -> common_pb2.Block:
        """Return a block that was given."""
        return self._blocks[number]

    def config_after(self, number: int) -> ChannelConfig:
        """Return the configuration in force once a block is committed, as far as configuration blocks were given."""
        return next(config for at, config in reversed(self._configs) if at <= number)

    def config_before(self, number: int) -> ChannelConfig:
        """Return the configuration in force before a block, as far as configuration blocks were given."""
        return next(config for at, config in reversed(self._configs) if at < number or at == 0)

    def transaction(self, reference: TransactionRef, contract: str) -> VerifiedTransaction:
        """Return an invocation of a contract once its creator's signature and its endorsements hold.

        Raises:
            ProofError: ``missing_block``, ``missing_transaction``, ``invalid_transaction``, ``wrong_channel``,
                ``wrong_contract``, ``wrong_creator``, ``wrong_creator_signature``, ``definition_missing`` or
                ``endorsement_policy``.
        """
        found = self._transactions.get((reference, contract))
        if found is None:
            found = self._signed_transaction(reference, contract)
            self._check_endorsements(found, self._policy(contract, found))
            # No more than the blocks hold: kept for whoever checks many bundles of one channel.
            self._transactions[reference, contract] = found
        return found

    def _accept(self, number: int, block: common_pb2.Block) -> None:
        """Check a block under the newest configuration before it; a configuration block adds the next one."""
        config_number, config = self._configs[-1]
        before = self._blocks.get(number - 1)
        if before is not None and block.header.previous_hash != header_hash(before.header):
            raise ProofError("broken_chain", f"block {number} does not follow block {number - 1}")
        _check_hashes(block)
        is_config = is_config_block(block)
        try:
            verify_block(block, block.header.previous_hash, config)
            last_config = last_config_number(block)
        except NetworkError as error:
            raise ProofError("wrong_block_signature", str(error)) from error
        if last_config != (number if is_config else config_number):
            raise ProofError("config_missing", f"block {number} was cut under configuration block {last_config}")
        self._blocks[number] = block
        if is_config:
            self._configs.append((number, _next_config(config, block)))

    def _signed_transaction(self, reference: TransactionRef, contract: str) -> VerifiedTransaction:
        block = self._blocks.get(reference.block)
        if block is None:
            raise ProofError("missing_block", f"the bundle holds no block {reference.block}")
        if reference.index >= len(block.data.data):
            raise ProofError("missing_transaction", f"block {reference.block} has no transaction {reference.index}")
        parsed = parse_transaction(block.data.data[reference.index])
        if parsed.flag or parsed.is_config:
            raise ProofError("invalid_transaction", f"a transaction would be refused with code {parsed.flag}")
        config = self.config_before(reference.block)
        if parsed.channel_id != config.channel_id:
            raise ProofError("wrong_channel", f"a transaction is of channel {parsed.channel_id[:80]!r}")
        if parsed.chaincode != contract:
            raise ProofError(
                "wrong_contract", f"a transaction of {parsed.chaincode[:80]!r} stands for one of {contract}"
            )
        return VerifiedTransaction(parsed, _check_creator(parsed, config), reference.block, config)

    def _define(self, name: str, references: Sequence[TransactionRef]) -> list[_Definition]:
        """Check the transactions that defined a contract; each must carry a higher sequence than the one before."""
        known: list[_Definition] = []
        for reference in references:
            found = self._signed_transaction(reference, LIFECYCLE)
            self._check_endorsements(found, _find_policy(found.config, LIFECYCLE_POLICY))
            before = known[-1] if known else None
            definition = _read_definition(found, name, before)
            if before and (definition.sequence <= before.sequence or definition.block <= before.block):
                raise ProofError("wrong_definition", f"the definitions of {name} are not in order")
            known.append(definition)
        return known

    def _policy(self, contract: str, found: VerifiedTransaction) -> Policy:
        known = [definition for definition in self._definitions.get(contract, []) if definition.block < found.block]
        if not known:
            raise ProofError("definition_missing", f"the bundle does not show who must endorse {contract}")
        policy = known[-1].policy
        if policy.WhichOneof("Type") == "channel_config_policy_reference":
            return _find_policy(found.config, policy.channel_config_policy_reference)
        try:
            return SignaturePolicy(policy.signature_policy, found.config.msps)
        except NetworkError as error:
            raise ProofError("wrong_definition", f"the endorsement policy of {contract} cannot be read") from error

    def _check_endorsements(self, found: VerifiedTransaction, policy: Policy) -> None:
        payload = found.parsed.response_payload
        signed = [
            SignedData(endorsement_message(payload, item.endorser), item.endorser, item.signature)
            for item in found.parsed.endorsements
        ]
        try:
            policy.evaluate(signed)
        except PolicyError as error:
            raise ProofError("endorsement_policy", f"a transaction of {found.parsed.chaincode}: {error}") from error


def _parse(number: int, raw: bytes) -> common_pb2.Block:
    try:
        block = parse_block(raw)
    except WireError as error:
        raise ProofError("malformed_block", f"block {number} cannot be read") from error
    rest = len(raw) - sum(map(len, block.data.data))
    if rest > BLOCK_REST_BYTES_MAX:
        raise ProofError("malformed_block", f"block {number} has {rest} bytes besides its transactions")
    if not block.HasField("header") or block.header.number != number:
        raise ProofError("wrong_block_number", f"the block given as number {number} says it is {block.header.number}")
    return block


def _open_genesis(block: common_pb2.Block, genesis_hash: bytes) -> ChannelConfig:
    if header_hash(block.header) != genesis_hash:
        raise ProofError("wrong_genesis", f"block 0 hashes to {header_hash(block.header).hex()}, which is not trusted")
    _check_hashes(block)
    try:
        return _bounded(ChannelConfig.from_block(block))
    except NetworkError as error:
        raise ProofError("wrong_config", f"the configuration in block 0 cannot be read: {error}") from error


def _next_config(config: ChannelConfig, block: common_pb2.Block) -> ChannelConfig:
    parsed = parse_transaction(block.data.data[0])
    try:
        return _bounded(config.validate_update(parsed.data))
    except (ConfigError, WireError) as error:
        raise ProofError("wrong_config", f"the configuration in block {block.header.number} is refused") from error


def _bounded(config: ChannelConfig) -> ChannelConfig:
    config.msps.identity_bytes_max = IDENTITY_BYTES_MAX
    config.msps.only_plain = True
    config.capabilities.require_ordering()
    if config.hashing != "SHA256":
        raise ConfigError(f"HashingAlgorithm.name is {config.hashing!r}; proofs are made by SHA256 only")
    for msp in config.msps.msps.values():
        if not msp.is_plain:
            raise ConfigError(f"MSP {msp.msp_id}: a certificate has an odd form, or constrains paths; no proof is so")
        # Browsers, where the other verifier runs, have none but these.
        if not msp.hashes_by_sha256:
            raise ConfigError(f"MSP {msp.msp_id}: crypto_config names another hash than SHA2/SHA256")
    return config


def _check_hashes(block: common_pb2.Block) -> None:
    try:
        verify_hashes(block, block.header.previous_hash)
    except BlockError as error:
        raise ProofError("wrong_block_data", str(error)) from error


def _check_creator(parsed: ParsedTransaction, config: ChannelConfig) -> Identity:
    try:
        creator = config.msps.identity(parsed.creator)
    except (IdentityError, WireError) as error:
        raise ProofError("wrong_creator", f"a transaction's creator is no member: {error}") from error
    try:
        creator.verify(parsed.payload, parsed.signature)
    except SignatureError as error:
        raise ProofError("wrong_creator_signature", "a transaction is not signed by its creator") from error
    return creator


def _find_policy(config: ChannelConfig, path: str) -> Policy:
    try:
        return config.policy(path)
    except PolicyError as error:
        raise ProofError("wrong_definition", f"the channel has no policy {path[:80]}") from error


def _read_definition(found: VerifiedTransaction, name: str, before: _Definition | None) -> _Definition:
    """Read sequence and endorsement policy from a definition's writes; a policy that did not change is not written.

    Source: Fabric core/chaincode/lifecycle, namespaces/fields/<name>/{Sequence,ValidationInfo}.
    """
    writes = {
        write.key: write.value
        for space in found.parsed.rwset.namespaces
        if space.namespace == LIFECYCLE
        for write in space.writes
        if not write.deletes
    }
    prefix = f"namespaces/fields/{name}/"
    if prefix + "Sequence" not in writes:
        raise ProofError("wrong_definition", f"a transaction does not define {name}")
    try:
        sequence = read_message(db_pb2.StateData, writes[prefix + "Sequence"]).Int64
        if prefix + "ValidationInfo" not in writes and before:
            return _Definition(found.block, sequence, before.policy)
        field = read_message(db_pb2.StateData, writes.get(prefix + "ValidationInfo", b""))
        info = read_message(chaincode_definition_pb2.ChaincodeValidationInfo, field.Bytes)
        policy = read_message(policy_pb2.ApplicationPolicy, info.validation_parameter)
    except DecodeError as error:
        raise ProofError("wrong_definition", f"the definition of {name} cannot be read") from error
    if policy.WhichOneof("Type") is None:
        raise ProofError("wrong_definition", f"the definition of {name} names no endorsement policy")
    return _Definition(found.block, sequence, policy)
