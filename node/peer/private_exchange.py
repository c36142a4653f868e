"""Hands private write sets to the other members' peers before an endorsement leaves, and asks them for missing ones.

Rules, Fabric's but for who is known:
- each collection goes to the peers of its members' organizations, at most to as many as its ``maxPeerCount``; when
  fewer than its ``requiredPeerCount`` have taken it, there is no endorsement;
- peers come from the settings, one for each organization; nothing is gossiped;
- what is handed over late must have the hash that stands in the block, or be the rest of such a set after a purge.

Source: Fabric gossip/privdata/{distributor,reconcile}.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from google.protobuf.message import DecodeError

from network.errors import RpcError, WireError
from network.identity import SigningIdentity
from network.pb.dwaybank.peer.v1 import private_data_pb2 as pb
from network.rwset import PrivateCollectionRwset, parse_private_rwset, private_rwset_hash
from node.peer.block_writer import PrivateSetId
from node.peer.channel import Channel
from node.peer.collection_members import member_organizations, static_collection
from node.peer.errors import ChaincodeError
from node.peer.gateway.endorsers import RemotePeer
from node.peer.private_data import serialize_write_set
from node.peer.private_requests import signed_request
from node.peer.private_service import PULL, PUSH, WANTED_MAX

_log = structlog.get_logger(__name__)

PUSH_TIMEOUT_S = 3.0
"""Time a peer has to take a set (core.yaml, peer.gossip.pvtData.pushAckTimeout)."""

PULL_TIMEOUT_S = 10.0


class PrivateExchange:
    """One channel's exchange with the other organizations' peers.

    Args:
        channel: channel.
        identity: this peer's.
        others: the other organizations' peers.
    """

    def __init__(self, channel: Channel, identity: SigningIdentity, others: Sequence[RemotePeer]) -> None:
        self._channel = channel
        self._identity = identity
        self._others = others

    async def distribute(self, tx_id: str, write_set: bytes) -> None:
        """Hand an endorsed private write set to the members' peers.

        Raises:
            ChaincodeError: too few of them have taken a collection that asks for more.
        """
        items = parse_private_rwset(write_set)
        receivers: dict[int, list[PrivateCollectionRwset]] = {}
        wanted: dict[tuple[str, str], tuple[int, list[int]]] = {}
        for item in items:
            required, chosen = await self._receivers(item)
            wanted[item.namespace, item.collection] = (required, chosen)
            for number in chosen:
                receivers.setdefault(number, []).append(item)
        taken = dict(
            zip(
                receivers,
                await asyncio.gather(*(self._push(self._others[n], tx_id, sets) for n, sets in receivers.items())),
                strict=True,
            )
        )
        for (namespace, collection), (required, chosen) in wanted.items():
            if sum(taken[number] for number in chosen) < required:
                raise ChaincodeError(
                    f"error in private data dissemination: collection {collection} of chaincode {namespace} requires "
                    f"{required} other peers to have it, and {sum(taken[number] for number in chosen)} of "
                    f"{len(chosen)} that are known took it"
                )

    async def pull(self, missing: Mapping[PrivateSetId, bytes | None]) -> dict[PrivateSetId, list[bytes]]:
        """Ask the members' peers for sets of committed transactions.

        Args:
            missing: what is asked for, with the hash it has as it was endorsed, where that is known.
        Returns:
            what came: the set that has its hash, or else all others, one of which may be what a purge left of it.
        """
        found: dict[PrivateSetId, list[bytes]] = {}
        whole: set[PrivateSetId] = set()
        for peer in self._others:
            ids = [item for item in missing if item not in whole and await self._is_members(peer, item)][:WANTED_MAX]
            for item, rwset in (await self._ask(peer, ids)).items() if ids else ():
                if item not in missing or item in whole:
                    continue
                if private_rwset_hash(rwset) == missing[item]:
                    whole.add(item)
                    found[item] = [rwset]
                else:
                    found.setdefault(item, []).append(rwset)
        return found

    async def _receivers(self, item: PrivateCollectionRwset) -> tuple[int, list[int]]:
        """Return how many peers must take a collection, and which are asked to."""
        definition = await self._channel.committed_definition(item.namespace)
        static = static_collection(definition, item.collection)
        organizations = member_organizations(definition, item.collection)
        eligible = [number for number, peer in enumerate(self._others) if peer.msp_id in organizations]
        if static is None:
            return 0, eligible
        return static.required_peer_count, eligible[: static.maximum_peer_count]

    async def _is_members(self, peer: RemotePeer, item: PrivateSetId) -> bool:
        definition = await self._channel.committed_definition(item.namespace)
        return peer.msp_id in member_organizations(definition, item.collection)

    async def _push(self, peer: RemotePeer, tx_id: str, items: Sequence[PrivateCollectionRwset]) -> bool:
        payload = pb.PushedWriteSet(
            channel_id=self._channel.channel_id,
            tx_id=tx_id,
            write_set=serialize_write_set(items),
            tls_certificate_hash=peer.tls_certificate_hash,
        )
        request = pb.PushPrivateDataRequest(signed=signed_request(payload, self._identity))
        try:
            await peer.call(PUSH, request.SerializeToString(), PUSH_TIMEOUT_S)
        except RpcError as error:
            _log.warning("private data not taken", peer=peer.address, tx_id=tx_id, reason=str(error))
            return False
        return True

    async def _ask(self, peer: RemotePeer, ids: Sequence[PrivateSetId]) -> dict[PrivateSetId, bytes]:
        payload = pb.WantedWriteSets(
            channel_id=self._channel.channel_id,
            wanted=[
                pb.PrivateWriteSetId(
                    block_number=item.block,
                    tx_number=item.tx_number,
                    namespace=item.namespace,
                    collection=item.collection,
                )
                for item in ids
            ],
            tls_certificate_hash=peer.tls_certificate_hash,
        )
        request = pb.PullPrivateDataRequest(signed=signed_request(payload, self._identity))
        try:
            reply = await peer.call(PULL, request.SerializeToString(), PULL_TIMEOUT_S)
            response = pb.PullPrivateDataResponse.FromString(reply)
        except (RpcError, WireError, DecodeError) as error:
            _log.info("private data not handed over", peer=peer.address, reason=str(error))
            return {}
        return {
            PrivateSetId(item.id.block_number, item.id.tx_number, item.id.namespace, item.id.collection): item.rwset
            for item in response.found
        }
