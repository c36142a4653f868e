"""A channel of three organizations in one process: real keys, real contracts, real endorsements and signed blocks.

What a peer and an orderer do over the wire is done here by plain calls, one transaction to a block, so that anchoring,
auditing and proofs are tested on genuine bytes without a database or a port. Reads are not recorded and MVCC is not
checked: those belong to the peer's own tests.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.peer import policy_pb2, proposal_response_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2

from chaincode.in_process import execute, load
from network.block import header_hash, new_block, set_commit_hash, set_transactions_filter, sign_block
from network.channel_config import config_of_block
from network.crypto_material import OrganizationSpec, generate_organization
from network.envelope import Endorsement, prepared_transaction, sign_envelope
from network.errors import CommitStatusError, EndorseError, GatewayError
from network.genesis import ChannelSpec, OrgSpec, genesis_block
from network.identity import SigningIdentity
from network.policy import parse_signature_policy
from network.proposal import (
    ParsedProposal,
    chaincode_event,
    endorsement_message,
    new_proposal,
    parse_proposal,
    proposal_response_payload,
    signed_proposal,
)
from network.rwset_builder import RwsetBuilder
from tests.support.contract_state import CommittedState

CHANNEL = "anchors"
BANK, PARTNER, REGULATOR, ORDERER = "DwaybankMSP", "PartnerMSP", "RegulatorMSP", "OrdererMSP"
DOMAINS = {BANK: "dwaybank.test", PARTNER: "partner.test", REGULATOR: "regulator.test", ORDERER: "orderer.test"}
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POLICY = "OutOf(2, 'DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"


class Committed(NamedTuple):
    """A transaction that was committed."""

    tx_id: str
    block_number: int
    result: bytes


@dataclass(frozen=True)
class Material:
    """Certificates and keys of the organizations, made once for many channels."""

    root: Path

    def signer(self, msp_id: str, user: str = "Node") -> SigningIdentity:
        """Return a user of an organization; ``user`` "peer" or "orderer" is its host."""
        kind = "orderer" if msp_id == ORDERER else "peer"
        folder = self.root / f"{kind}Organizations" / DOMAINS[msp_id]
        if user in ("peer", "orderer"):
            return SigningIdentity.from_msp_folder(folder / f"{kind}s" / f"node.{DOMAINS[msp_id]}" / "msp", msp_id)
        return SigningIdentity.from_msp_folder(folder / "users" / f"{user}@{DOMAINS[msp_id]}" / "msp", msp_id)

    def org(self, msp_id: str) -> OrgSpec:
        """Return what the channel's configuration says about an organization."""
        kind = "orderer" if msp_id == ORDERER else "peer"
        folder = self.root / f"{kind}Organizations" / DOMAINS[msp_id] / "msp"
        endpoints = ("127.0.0.1:7050",) if msp_id == ORDERER else ()
        return OrgSpec(msp_id, folder, orderer_endpoints=endpoints)


def make_material(root: Path) -> Material:
    """Generate all organizations below ``root``."""
    for msp_id, domain in DOMAINS.items():
        spec = OrganizationSpec(
            name=domain,
            msp_id=msp_id,
            domain=domain,
            kind="orderer" if msp_id == ORDERER else "peer",
            hosts=("node",),
            users=("Node",),
            reviewers=("Reviewer",),
        )
        generate_organization(root, spec, START - timedelta(days=1))
    return Material(root)


class ConsortiumInMemory:
    """The channel. ``fault`` may raise before an ordered transaction is committed, or after."""

    def __init__(self, material: Material) -> None:
        self.material = material
        spec = ChannelSpec(
            CHANNEL,
            orderer_orgs=(material.org(ORDERER),),
            application_orgs=tuple(material.org(msp_id) for msp_id in (BANK, PARTNER, REGULATOR)),
        )
        self.blocks = [genesis_block(spec)]
        self.config_envelope = config_of_block(self.blocks[0])[1]
        self.last_config = 0
        self.states: dict[str, CommittedState] = {}
        self.contracts = {
            "audit": load("chaincode.audit:AuditContract"),
            "compliance": load("chaincode.compliance:ComplianceContract"),
        }
        self.clock = START
        self.fault: Callable[[str, str], None] = lambda stage, function: None
        self.calls: list[str] = []
        for name in self.contracts:
            self.define(name)

    @property
    def genesis_hash(self) -> bytes:
        """What a verifier trusts."""
        return header_hash(self.blocks[0].header)

    def now(self) -> datetime:
        """Return a time one second after the last."""
        self.clock += timedelta(seconds=1)
        return self.clock

    def gateway(self, msp_id: str, user: str = "Node") -> GatewayInMemory:
        """Return a client's view of the channel."""
        return GatewayInMemory(self, self.material.signer(msp_id, user))

    def define(
        self, name: str, policy: str = POLICY, sequence: int = 1, endorsers: tuple[str, ...] = (BANK, REGULATOR)
    ) -> int:
        """Commit a contract's definition as Fabric's lifecycle does; return the block's number."""
        application = policy_pb2.ApplicationPolicy(signature_policy=parse_signature_policy(policy))
        info = chaincode_definition_pb2.ChaincodeValidationInfo(
            validation_plugin="vscc", validation_parameter=application.SerializeToString()
        )
        builder = RwsetBuilder()
        prefix = f"namespaces/fields/{name}/"
        fields = {
            "Sequence": db_pb2.StateData(Int64=sequence),
            "ValidationInfo": db_pb2.StateData(Bytes=info.SerializeToString()),
        }
        for field, value in fields.items():
            builder.add_write("_lifecycle", prefix + field, value.SerializeToString())
        proposal = self.propose(self.material.signer(BANK, "Admin"), "_lifecycle", b"CommitChaincodeDefinition")
        return self.commit([self.endorse(proposal, "_lifecycle", builder, b"", endorsers=endorsers)])

    def propose(self, signer: SigningIdentity, chaincode: str, *args: bytes) -> ParsedProposal:
        """Return a signed proposal, as an endorser reads it."""
        nonce = secrets.token_bytes(24)
        _, proposal = new_proposal(CHANNEL, chaincode, args, signer.creator, nonce, self.now())
        self._signer = signer
        return parse_proposal(signed_proposal(proposal, signer.sign(proposal)))

    def endorse(
        self,
        proposal: ParsedProposal,
        chaincode: str,
        builder: RwsetBuilder,
        payload: bytes,
        event: bytes = b"",
        endorsers: tuple[str, ...] = (BANK, REGULATOR),
    ) -> bytes:
        """Return the envelope that the proposal's creator signs over the peers' endorsements."""
        response = proposal_response_pb2.Response(status=200, payload=payload)
        results = builder.build().public
        body = proposal_response_payload(proposal.proposal_hash, results, event, response, chaincode, "1.0")
        peers = [self.material.signer(msp_id, "peer") for msp_id in endorsers]
        endorsements = [Endorsement(p.creator, p.sign(endorsement_message(body, p.creator))) for p in peers]
        envelope = sign_envelope(prepared_transaction(proposal, body, endorsements), self._signer)
        return bytes(envelope.SerializeToString())

    def commit(self, envelopes: list[bytes], flags: bytes = b"", *, is_config: bool = False) -> int:
        """Cut, sign and append a block; return its number."""
        before = self.blocks[-1]
        block = new_block(before.header.number + 1, header_hash(before.header), envelopes)
        self.last_config = block.header.number if is_config else self.last_config
        sign_block(block, self.material.signer(ORDERER, "orderer"), last_config=self.last_config)
        set_transactions_filter(block, flags or bytes(len(envelopes)))
        set_commit_hash(block, header_hash(block.header))
        self.blocks.append(block)
        return int(block.header.number)

    def raw(self, number: int) -> bytes:
        """Return a block's bytes."""
        return bytes(self.blocks[number].SerializeToString())

    async def invoke(
        self, signer: SigningIdentity, chaincode: str, args: list[bytes]
    ) -> tuple[ParsedProposal, bytes, RwsetBuilder, bytes]:
        """Run a contract on committed state; give proposal, result, writes and event."""
        proposal = self.propose(signer, chaincode, *args)
        state = self.states.setdefault(chaincode, CommittedState())
        response, event = await execute(
            self.contracts[chaincode],
            channel_id=CHANNEL,
            tx_id=proposal.tx_id,
            args=args,
            signed_proposal=proposal.signed_proposal,
            state=state,
        )
        if response.status >= 400:
            state.discard()
            raise EndorseError(response.message, proposal.tx_id, 10)
        builder = RwsetBuilder()
        for kind, _, key, value in state.pending:
            assert kind == "put"
            builder.add_write(chaincode, key, value)
        encoded = chaincode_event(chaincode, proposal.tx_id, *event) if event else b""
        return proposal, response.payload, builder, encoded


class GatewayInMemory:
    """What ``network.client.GatewayClient`` is to a real channel."""

    def __init__(self, consortium: ConsortiumInMemory, signer: SigningIdentity) -> None:
        self._consortium = consortium
        self._signer = signer
        self.msp_id = signer.msp_id

    async def evaluate(self, chaincode: str, function: str, *args: bytes | str) -> bytes:
        """Return what a function returns; its writes are dropped."""
        try:
            _, payload, _, _ = await self._consortium.invoke(self._signer, chaincode, _encoded(function, args))
        except EndorseError as error:
            raise GatewayError(f"Evaluate: {error}", error.transaction_id) from error
        self._consortium.states[chaincode].discard()
        return payload

    async def blocks(
        self, start: int | None = None, *, stop: int | None = None
    ) -> AsyncGenerator[common_pb2.Block, None]:
        """Give committed blocks, waiting for those to come."""
        number = start or 0
        while stop is None or number <= stop:
            if number < len(self._consortium.blocks):
                yield self._consortium.blocks[number]
                number += 1
            else:
                await asyncio.sleep(0.005)

    async def submit(self, chaincode: str, function: str, *args: bytes | str) -> Committed:
        """Run a function and commit its writes in a block of their own."""
        consortium = self._consortium
        consortium.calls.append(function)
        proposal, payload, builder, event = await consortium.invoke(self._signer, chaincode, _encoded(function, args))
        state = consortium.states[chaincode]
        pending, state.pending = state.pending, []
        consortium.fault("before", function)
        envelope = consortium.endorse(proposal, chaincode, builder, payload, event)
        number = consortium.commit([envelope])
        state.pending = pending
        state.commit(proposal.tx_id)
        consortium.fault("after", function)
        return Committed(proposal.tx_id, number, payload)


def lose_answer_once(function: str, stage: str) -> Callable[[str, str], None]:
    """Return a fault that loses one call of ``function``, before or after it was committed."""
    left = [1]

    def fault(at: str, called: str) -> None:
        if left[0] and (at, called) == (stage, function):
            left[0] = 0
            raise CommitStatusError(f"{function}: the connection broke", "", 14)

    return fault


def _encoded(function: str, args: tuple[bytes | str, ...]) -> list[bytes]:
    return [arg.encode() if isinstance(arg, str) else arg for arg in (function, *args)]


def block_of(raw: bytes) -> common_pb2.Block:
    """Return a block's message."""
    return common_pb2.Block.FromString(raw)
