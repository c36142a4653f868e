"""``Endorse``: collects the endorsements a proposal needs and gives the transaction back to be signed.

Rules:
- the gateway's own peer goes first; its answer tells which policies count, and so which others are asked, all at once;
- the client may name the organizations instead and answers for the policy itself;
- all answers must be equal byte for byte, or the peer that differs is named, and the client told in what;
- transient data goes to no organization that may not see the collections it was written to.

Source: Fabric internal/pkg/gateway/{endorse,endorsement}.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_response_pb2

from network.endorsement_difference import differences
from network.envelope import Endorsement, prepared_transaction
from network.errors import RpcError, WireError
from network.explanation import ErrorDetail, places
from network.rpc import Call, StatusCode
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.definition import Definition
from node.peer.gateway.calls import Requested, parse_gateway_proposal, read_asked, within_deadline
from node.peer.gateway.endorsers import Answer, GatewayPeer
from node.peer.gateway.gateway import Gateway
from node.peer.gateway.plan import Requirement, requirement_of
from node.peer.gateway.status import rpc_error
from node.peer.system_chaincode import SYSTEM_CHAINCODES

_log = structlog.get_logger(__name__)

FIRST_FAILED = "failed to endorse transaction, see attached details for more info"
NOT_ENOUGH = "failed to collect enough transaction endorsements, see attached details for more info"
MISMATCH = "ProposalResponsePayloads do not match"
RETRY_PAUSES_S = (0.02, 0.06, 0.18, 0.4)
"""Pauses before the endorsements of a proposal are collected anew; a block takes far less between two peers."""

NO_COMBINATION = "no combination of peers can be derived which satisfy the endorsement policy"


async def endorse(gateways: Mapping[str, Gateway], request: bytes, call: Call) -> bytes:
    """Serve ``/gateway.Gateway/Endorse``."""
    asked = read_asked(gateway_pb2.EndorseRequest, request, "endorsing_organizations")
    if not asked.proposal_bytes:
        raise RpcError(StatusCode.INVALID_ARGUMENT, "the proposed transaction must contain a signed proposal")
    proposal = parse_gateway_proposal(asked)
    gateway = gateways.get(proposal.channel_id)
    if gateway is None:
        if asked.msp_ids:
            raise _no_peers(asked.msp_ids)
        raise _no_metadata(proposal.channel_id, proposal.chaincode)
    work = _collect(gateway, proposal, asked.msp_ids)
    timeout = "endorsement timeout expired while collecting endorsements"
    collection = await within_deadline(call, work, timeout, gateway.limits)
    try:
        payload = prepared_transaction(proposal.parsed(), collection.payload, collection.endorsements)
    except WireError as error:
        raise RpcError(StatusCode.ABORTED, f"failed to assemble transaction: {error}") from error
    response = gateway_pb2.EndorseResponse()
    response.prepared_transaction.payload = payload
    reply: bytes = response.SerializeToString()
    return reply


def _no_peers(msp_ids: Sequence[str]) -> RpcError:
    text = f"failed to find any endorsing peers for org(s): {', '.join(msp_ids)}"
    return RpcError(StatusCode.UNAVAILABLE, text)


def _no_metadata(channel_id: str, chaincode: str) -> RpcError:
    text = f"{NO_COMBINATION}: No metadata was found for chaincode {chaincode} in channel {channel_id}"
    return RpcError(StatusCode.FAILED_PRECONDITION, text)


async def _collect(gateway: Gateway, proposal: Requested, msp_ids: Sequence[str]) -> _Collection:
    """Collect endorsements, again after a moment where the peers asked may stand at different heights.

    Peers commit the same block some milliseconds apart; who proposes in between gets different answers from a contract
    that is quite deterministic. Fabric's gateway gives up there, ours asks again.
    """
    for pause_s in (*RETRY_PAUSES_S, None):
        collection = _Collection(gateway, proposal)
        try:
            await (collection.from_organizations(msp_ids) if msp_ids else collection.by_policy())
        except RpcError:
            if not collection.heights_may_differ or pause_s is None:
                raise
            _log.info("peers answer differently, collecting endorsements again", tx_id=proposal.tx_id)
            await asyncio.sleep(pause_s)
        else:
            break
    return collection


class _Collection:
    """The endorsements of one proposal while they are collected."""

    def __init__(self, gateway: Gateway, proposal: Requested) -> None:
        self._gateway = gateway
        self._proposal = proposal
        self._endorsed: list[GatewayPeer] = []
        self._asked: set[str] = set()
        self._errors: list[ErrorDetail] = []
        self.payload = b""
        self.endorsements: list[Endorsement] = []
        self.heights_may_differ = False
        """Whether an answer may differ only because its peer has committed fewer or more blocks."""

    async def from_organizations(self, msp_ids: Sequence[str]) -> None:
        """Collect one endorsement of each organization the client named."""
        known = await self._is_defined()
        groups = {msp_id: self._gateway.peers.of([msp_id]) if known else [] for msp_id in dict.fromkeys(msp_ids)}
        missing = [msp_id for msp_id, peers in groups.items() if not peers]
        if missing:
            raise _no_peers(missing)
        if not all(await asyncio.gather(*(self._ask_one_of(peers) for peers in groups.values()))):
            raise rpc_error(StatusCode.ABORTED, NOT_ENOUGH, self._errors)

    async def by_policy(self) -> None:
        """Collect what the policies need, beginning with the gateway's own organization."""
        if not await self._is_defined():
            raise _no_metadata(self._proposal.channel_id, self._proposal.chaincode)
        first = await self._first_endorsement()
        requirement = await self._requirement(first)
        planner = self._gateway.planner()
        while True:
            others = [peer for peer in self._gateway.peers.in_order() if peer.address not in self._asked]
            chosen = planner.smallest(requirement, self._endorsed, others)
            if chosen is None:
                raise self._cannot_satisfy()
            if not chosen:
                return
            if len(chosen) == 1:
                await self._ask(chosen[0])  # as nearly always: one needs no task beside this one
            else:
                await asyncio.gather(*(self._ask(peer) for peer in chosen))

    async def _is_defined(self) -> bool:
        chaincode = self._proposal.chaincode
        definition = self._gateway.channel.committed_definition
        return chaincode in SYSTEM_CHAINCODES or await definition(chaincode) is not None

    async def _first_endorsement(self) -> proposal_response_pb2.ProposalResponse:
        own = self._gateway.peers.local
        candidates: list[GatewayPeer] = self._gateway.peers.of([own.msp_id])
        if not await self._gateway.runs_here(self._proposal.chaincode):
            candidates = [peer for peer in self._gateway.peers.in_order() if peer is not own]
            if self._proposal.transient:
                text = (
                    "no endorsers found in the gateway's organization; retry specifying endorsing organization(s) to "
                    "protect transient data"
                )
                raise RpcError(StatusCode.FAILED_PRECONDITION, text)
        for peer in candidates:
            answer = await self._ask(peer)
            if answer is not None and answer.response is not None:
                return answer.response
        raise rpc_error(StatusCode.ABORTED, FIRST_FAILED, self._errors)

    async def _requirement(self, first: proposal_response_pb2.ProposalResponse) -> Requirement:
        """Return the policies behind what the first endorser touched."""
        if self._proposal.chaincode == LIFECYCLE:
            return Requirement(lifecycle=True)
        interest = first.interest
        if not interest.chaincodes:
            interest.chaincodes.add(name=self._proposal.chaincode)
        definitions: dict[str, Definition] = {}
        for name in {item.name for item in interest.chaincodes}:
            definition = await self._gateway.channel.committed_definition(name)
            if definition is None:
                raise _no_metadata(self._proposal.channel_id, name)
            definitions[name] = definition
        self._protect_transient(interest, definitions)
        return requirement_of(interest, definitions)

    def _protect_transient(
        self, interest: proposal_response_pb2.ChaincodeInterest, definitions: dict[str, Definition]
    ) -> None:
        """Ask only members of the collections written, when the proposal carries transient data."""
        if not self._proposal.transient:
            return
        members = self._gateway.collection_members(interest, definitions)
        if members is not None:
            self._asked.update(peer.address for peer in self._gateway.peers.in_order() if peer.msp_id not in members)

    def _cannot_satisfy(self) -> RpcError:
        if self._errors:
            return rpc_error(StatusCode.ABORTED, NOT_ENOUGH, self._errors)
        if self._proposal.transient and len(self._endorsed) < len(self._asked):
            text = (
                "requires endorsement from organisation(s) that are not in the distribution policy of the private data "
                "collection(s); retry specifying trusted endorsing organizations to protect transient data"
            )
            return RpcError(StatusCode.FAILED_PRECONDITION, text)
        text = f"{NO_COMBINATION}: no peer combination can satisfy the endorsement policy"
        return RpcError(StatusCode.FAILED_PRECONDITION, text)

    async def _ask_one_of(self, peers: Sequence[GatewayPeer]) -> bool:
        for peer in peers:
            if await self._ask(peer) is not None:
                return True
        return False

    async def _ask(self, peer: GatewayPeer) -> Answer | None:
        """Ask one peer and keep its endorsement; None, and a detail for the client, where there is none to keep."""
        self._asked.add(peer.address)
        answer = await peer.ask(self._proposal)
        if answer.verdict.code == StatusCode.OK and answer.response is not None:
            problem = self._keep(peer, answer.response)
        else:
            problem = peer.error(answer.verdict.message)
            if self.endorsements and answer.verdict.code == StatusCode.UNKNOWN:
                # One peer's chaincode agreed, this one's refuses: it may not have seen a block yet that the other has.
                self.heights_may_differ = True
        if problem is not None and problem.message:
            _log.warning(
                "endorsement failed",
                address=peer.address,
                msp_id=peer.msp_id,
                reason=problem.message,
                **({"differs": places(problem.differences)} if problem.differences else {}),
            )
            self._errors.append(problem)
            return None
        return answer

    def _keep(self, peer: GatewayPeer, response: proposal_response_pb2.ProposalResponse) -> ErrorDetail | None:
        """Keep an endorsement, or say why it is worthless."""
        if self.endorsements and response.payload != self.payload:
            self.heights_may_differ = True
            found = differences(self.payload, response.payload)
            return ErrorDetail(peer.address, peer.msp_id, MISMATCH, found)
        self.payload = response.payload
        self.endorsements.append(Endorsement(response.endorsement.endorser, response.endorsement.signature))
        self._endorsed.append(peer)
        return None
