"""The peers of a channel as discovery tells of them: who they are, how far they are, what they run.

Fabric's peers learn this by gossip. Ours know one another's addresses from their settings, and ask: ``GetChainInfo``
of the system chaincode ``qscc`` gives a peer's height, and the signature under the answer its identity, of our peers
and of Go peers alike. A peer that does not answer is not alive and stands in no answer.

What another organization's peer runs is told from the channel: the definitions its organization approved together with
a package. Where this peer's settings approve a definition, every member's are taken to
(``docs/adr/0017-approvals-on-the-channel.md``).

Messages about other peers carry no signature: only their own could make it. Fabric's clients read these messages and do
not verify them.

Source: Fabric discovery/support/gossip, gossip/protoext, core/chaincode/lifecycle/cache.go (chaincodes of a peer).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from fabric_protos.common import ledger_pb2
from fabric_protos.discovery import protocol_pb2
from fabric_protos.gossip import message_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import proposal_response_pb2
from google.protobuf.message import DecodeError

from network.errors import IdentityError, RpcError, SignatureError, WireError
from network.identity import Identity, SigningIdentity
from network.proposal import endorsement_message, new_proposal, signed_proposal
from node.peer.approvals import Approvals
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.channel import Channel
from node.peer.collection_members import own_identity
from node.peer.gateway.endorsers import PROCESS_PROPOSAL, RemotePeer

_log = structlog.get_logger(__name__)

ASK_TIMEOUT_S = 3.0
"""Time another peer has to say that it is alive."""

KNOWN_S = 5.0
"""How long what the others said is believed (as Fabric's gossip: peers send alive messages every 5 seconds)."""

OK = 200


@dataclass(frozen=True, slots=True)
class Member:
    """One peer of a channel.

    Args:
        identity: who it is.
        address: ``host:port``.
        height: blocks it has.
        chaincodes: name and sequence of each definition it endorses for, ``_lifecycle`` among them.
        envelopes: what it says of itself and of its state, in gossip's form.
    """

    identity: Identity
    address: str
    height: int
    chaincodes: frozenset[tuple[str, int]]
    envelopes: tuple[message_pb2.Envelope, message_pb2.Envelope]

    def describe(self, *, with_state: bool) -> protocol_pb2.Peer:
        """Return it as answers name it."""
        membership, state = self.envelopes
        return protocol_pb2.Peer(
            identity=self.identity.creator, membership_info=membership, state_info=state if with_state else None
        )


class ChannelMembers:
    """The peers of one channel.

    Args:
        channel: channel.
        identity: this peer's.
        address: ``host:port`` under which others know this peer.
        others: the other organizations' peers.
        approvals: this organization's view of the definitions.
        endorses: says whether this peer endorses for a chaincode.
        now: UTC clock.
        random_bytes: for nonces.
    """

    def __init__(
        self,
        channel: Channel,
        identity: SigningIdentity,
        address: str,
        others: Sequence[RemotePeer],
        *,
        approvals: Approvals,
        endorses: Callable[[str], Awaitable[bool]],
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._channel = channel
        self._identity = identity
        self._address = address
        self._others = others
        self._approvals = approvals
        self._endorses = endorses
        self._now = now
        self._random_bytes = random_bytes
        self._started_ns = time.time_ns()
        self._sequence = 0
        self._asking = asyncio.Lock()
        self._answers: list[tuple[RemotePeer, Identity, int]] = []
        self._answered_at = float("-inf")

    async def alive(self) -> list[Member]:
        """Return this peer and the others that answer."""
        definitions = await self._approvals.definitions()
        answers = await self._heard()
        runs = [
            (definition.name, definition.sequence)
            for definition in definitions
            if await self._endorses(definition.name)
        ]
        own = own_identity(self._channel.config, self._identity.creator)
        members = [self._member(own, self._address, self._channel.progress.height, runs)]
        for peer, identity, height in answers:
            runs = [
                (definition.name, definition.sequence)
                for definition in definitions
                if await self._approvals.runs_at(identity.msp_id, definition)
            ]
            members.append(self._member(identity, peer.address, height, runs))
        return members

    async def _heard(self) -> list[tuple[RemotePeer, Identity, int]]:
        """Ask all other peers, unless they were asked a moment ago."""
        async with self._asking:
            if time.monotonic() - self._answered_at > KNOWN_S:
                found = await asyncio.gather(*(self._ask(peer) for peer in self._others))
                self._answers = [answer for answer in found if answer is not None]
                self._answered_at = time.monotonic()
            return self._answers

    async def _ask(self, peer: RemotePeer) -> tuple[RemotePeer, Identity, int] | None:
        """Ask one peer for its height; the endorsement under its answer says who it is."""
        channel_id, creator = self._channel.channel_id, self._identity.creator
        args = [b"GetChainInfo", channel_id.encode()]
        _, proposal = new_proposal(channel_id, "qscc", args, creator, self._random_bytes(24), self._now())
        request = signed_proposal(proposal, self._identity.sign(proposal))
        try:
            reply = await peer.call(PROCESS_PROPOSAL, request, ASK_TIMEOUT_S)
            answer = proposal_response_pb2.ProposalResponse.FromString(reply)
            if answer.response.status != OK:
                raise WireError(answer.response.message)
            identity = self._channel.config.msps.identity(answer.endorsement.endorser, self._now())
            identity.verify(endorsement_message(answer.payload, identity.creator), answer.endorsement.signature)
            if identity.msp_id != peer.msp_id:
                # Its words may be another's, passed on.
                raise IdentityError(f"it answers as a peer of {identity.msp_id}, and the settings say {peer.msp_id}")
            height = ledger_pb2.BlockchainInfo.FromString(answer.response.payload).height
        except (RpcError, WireError, DecodeError, IdentityError, SignatureError) as error:
            _log.info("peer not on the channel or not alive", peer=peer.address, reason=str(error))
            return None
        return peer, identity, height

    def _member(self, identity: Identity, address: str, height: int, runs: Sequence[tuple[str, int]]) -> Member:
        self._sequence += 1
        moment = message_pb2.PeerTime(inc_num=self._started_ns, seq_num=self._sequence)
        named = identities_pb2.SerializedIdentity.FromString(identity.creator)
        pki_id = hashlib.sha256(named.mspid.encode() + named.id_bytes).digest()
        alive = message_pb2.GossipMessage(tag=message_pb2.GossipMessage.EMPTY)
        alive.alive_msg.membership.endpoint = address
        alive.alive_msg.membership.pki_id = pki_id
        alive.alive_msg.timestamp.CopyFrom(moment)
        state = message_pb2.GossipMessage(tag=message_pb2.GossipMessage.CHAN_OR_ORG)
        state.state_info.timestamp.CopyFrom(moment)
        state.state_info.pki_id = pki_id
        state.state_info.channel_MAC = hashlib.sha256(pki_id + self._channel.channel_id.encode()).digest()
        state.state_info.properties.ledger_height = height
        chaincodes = sorted({*runs, (LIFECYCLE, 1)})
        for name, sequence in chaincodes:
            state.state_info.properties.chaincodes.add(name=name, version=str(sequence))
        envelopes = (self._envelope(identity, alive), self._envelope(identity, state))
        return Member(identity, address, height, frozenset(chaincodes), envelopes)

    def _envelope(self, identity: Identity, message: message_pb2.GossipMessage) -> message_pb2.Envelope:
        payload = message.SerializeToString()
        own = identity.creator == self._identity.creator
        return message_pb2.Envelope(payload=payload, signature=self._identity.sign(payload) if own else b"")
