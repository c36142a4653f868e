"""A channel with keys of our own, so that tests can sign whatever a hostile client or peer might."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.common import common_pb2, policies_pb2
from fabric_protos.peer import (
    collection_pb2,
    policy_pb2,
)
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2

from network.block import Update, UpdateBatch, new_block
from network.channel_config import ChannelConfig
from network.genesis import ChannelSpec, genesis_block
from network.identity import SigningIdentity
from network.policy import parse_signature_policy
from network.rwset import StateKey, TxRwset, Version
from node.peer.state import MemoryState
from node.peer.validator import Validation, validate_block
from tests.support.consortium_in_memory import BANK, CHANNEL, ORDERER, PARTNER, REGULATOR, Material
from tests.support.crafted import Edits, crafted_transaction

__all__ = ["BANK", "CHANNEL", "ORDERER", "PARTNER", "REGULATOR", "Edits", "OwnChannel", "signature_policy"]

MAJORITY = policy_pb2.ApplicationPolicy(channel_config_policy_reference="/Channel/Application/Endorsement")


def signature_policy(text: str) -> policies_pb2.SignaturePolicyEnvelope:
    """Return a policy by its text."""
    return parse_signature_policy(text)


@dataclass
class OwnChannel:
    """A channel of three organizations, its configuration and its state."""

    material: Material
    config: ChannelConfig = field(init=False)
    genesis: common_pb2.Block = field(init=False)
    state: MemoryState = field(default_factory=MemoryState)
    commit_hash: bytes = b""
    height: int = 1
    _nonces: int = 0

    def __post_init__(self) -> None:
        spec = ChannelSpec(
            CHANNEL,
            orderer_orgs=(self.material.org(ORDERER),),
            application_orgs=tuple(self.material.org(msp_id) for msp_id in (BANK, PARTNER, REGULATOR)),
        )
        self.genesis = genesis_block(spec)
        self.config = ChannelConfig.from_block(self.genesis)
        self.define("cc")

    def define(
        self,
        chaincode: str,
        policy: policy_pb2.ApplicationPolicy = MAJORITY,
        *,
        plugin: str = "vscc",
        collections: Sequence[collection_pb2.StaticCollectionConfig] = (),
        datatype: str = "ChaincodeDefinition",
    ) -> None:
        """Put a chaincode definition into the state."""
        package = collection_pb2.CollectionConfigPackage()
        for collection in collections:
            package.config.add().static_collection_config.CopyFrom(collection)
        info = chaincode_definition_pb2
        fields = {
            "Sequence": db_pb2.StateData(Int64=1),
            "EndorsementInfo": db_pb2.StateData(
                Bytes=info.ChaincodeEndorsementInfo(version="1.0", endorsement_plugin="escc").SerializeToString()
            ),
            "ValidationInfo": db_pb2.StateData(
                Bytes=info.ChaincodeValidationInfo(
                    validation_plugin=plugin, validation_parameter=policy.SerializeToString()
                ).SerializeToString()
            ),
            "Collections": db_pb2.StateData(Bytes=package.SerializeToString()),
        }
        metadata = db_pb2.StateMetadata(datatype=datatype, fields=list(fields))
        values = {f"namespaces/fields/{chaincode}/{name}": data.SerializeToString() for name, data in fields.items()}
        values[f"namespaces/metadata/{chaincode}"] = metadata.SerializeToString()
        self.put({StateKey("_lifecycle", "", key.encode()): value for key, value in values.items()})

    def put(self, values: Mapping[StateKey, bytes], metadata: bytes = b"") -> None:
        """Put entries into the state at version 0:0."""
        updates = UpdateBatch({key: Update(value, metadata, Version(0, 0)) for key, value in values.items()})
        self.state.commit(0, updates, ())

    def transaction(
        self,
        rwset: TxRwset | bytes,
        *,
        endorsers: Sequence[str | SigningIdentity] = (BANK, PARTNER),
        creator: SigningIdentity | None = None,
        chaincode: str = "cc",
        event: bytes = b"",
        edits: Edits | None = None,
    ) -> bytes:
        """Return an envelope, signed and endorsed after each edit."""
        self._nonces += 1
        return crafted_transaction(
            self.material,
            rwset,
            self._nonces.to_bytes(24, "big"),
            endorsers=endorsers,
            creator=creator,
            chaincode=chaincode,
            event=event,
            edits=edits,
        )

    def judge(self, *envelopes: bytes, commit: bool = False) -> Validation:
        """Judge a block of these envelopes as the next one."""
        block = new_block(self.height, b"", envelopes)
        validation = validate_block(block, self.config, self.state, self.commit_hash)
        if commit:
            ids = [transaction.tx_id for transaction in validation.transactions]
            self.state.commit(validation.number, validation.updates, ids, validation.expiries)
            self.commit_hash = validation.commit_hash
            self.height += 1
        return validation

    def flag(self, rwset: TxRwset | bytes, **options: Any) -> int:
        """Return the code of a block's only transaction."""
        return self.judge(self.transaction(rwset, **options)).flags[0]
