"""Takes private write sets from other members' peers, and gives them to those that lack them.

Rules:
- pushed sets wait in the transient store like own ones, cut down to what this organization is a member for; at commit
  only a set whose hash stands in the block counts;
- asked for committed sets, it gives those that the asking identity satisfies the collection's policy for, and only
  those it has whole.

Source: Fabric gossip/privdata/pull.go, core/common/privdata (eligibility).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from google.protobuf.message import DecodeError

from network import rpc
from network.errors import RpcError, WireError
from network.identity import Identity
from network.pb.dwaybank.peer.v1 import private_data_pb2 as pb
from network.rpc import Call, StatusCode
from network.rwset import PrivateCollectionRwset, parse_private_rwset
from node.peer.channel import Channel
from node.peer.collection_members import is_member, own_identity
from node.peer.errors import PeerError
from node.peer.private_data import serialize_write_set
from node.peer.private_requests import RequestVerifier

SERVICE_NAME = "dwaybank.peer.v1.PrivateDataService"
PUSH = f"/{SERVICE_NAME}/PushPrivateData"
PULL = f"/{SERVICE_NAME}/PullPrivateData"

WANTED_MAX = 200
"""Sets asked for in one request."""

ANSWER_BYTES_MAX = 16 * 1024 * 1024
"""Size after which an answer takes no further set; who asked comes again for the rest."""


class PrivateDataService:
    """The service.

    Args:
        channels: the channels this peer is on, by id.
        own: this peer's serialized identity.
        now: UTC clock.
    """

    def __init__(self, channels: Mapping[str, Channel], own: bytes, now: Callable[[], datetime]) -> None:
        self._verifier = RequestVerifier(channels, now)
        self._own = own

    def register(self, server: rpc.Server) -> None:
        """Serve both calls on ``server``."""
        server.unary(PUSH, self._guarded(self._push))
        server.unary(PULL, self._guarded(self._pull))

    @staticmethod
    def _guarded(handler: Callable[[bytes, Call], Awaitable[Any]]) -> rpc.Unary:
        async def guarded(request: bytes, call: Call) -> bytes:
            try:
                return bytes((await handler(request, call)).SerializeToString())
            except DecodeError as error:
                raise RpcError(StatusCode.INVALID_ARGUMENT, "the request cannot be read") from error
            except PeerError as error:
                raise RpcError(StatusCode.UNAVAILABLE, "this peer's database does not answer") from error

        return guarded

    async def _push(self, request: bytes, call: Call) -> pb.PushPrivateDataResponse:
        signed = pb.PushPrivateDataRequest.FromString(request).signed
        pushed, channel, _ = self._verifier.verify(signed, pb.PushedWriteSet, call)
        try:
            items = parse_private_rwset(pushed.write_set)
        except WireError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, f"write_set: {error}") from error
        own = own_identity(channel.config, self._own)
        kept = [item for item in items if await _may_have(channel, item.namespace, item.collection, own)]
        if not kept:
            raise RpcError(StatusCode.PERMISSION_DENIED, "this organization is no member of any of the collections")
        await channel.store_transient(pushed.tx_id, serialize_write_set(kept))
        return pb.PushPrivateDataResponse()

    async def _pull(self, request: bytes, call: Call) -> pb.PullPrivateDataResponse:
        signed = pb.PullPrivateDataRequest.FromString(request).signed
        wanted, channel, identity = self._verifier.verify(signed, pb.WantedWriteSets, call)
        if len(wanted.wanted) > WANTED_MAX:
            raise RpcError(StatusCode.INVALID_ARGUMENT, f"wanted: at most {WANTED_MAX} sets in one request")
        response = pb.PullPrivateDataResponse()
        sets: dict[tuple[int, int], list[PrivateCollectionRwset]] = {}
        size = 0
        for item in wanted.wanted:
            if size > ANSWER_BYTES_MAX:
                break
            if not await _may_have(channel, item.namespace, item.collection, identity):
                continue
            place = (item.block_number, item.tx_number)
            if place not in sets:
                sets[place] = await _held(channel, *place)
            for held in sets[place]:
                if (held.namespace, held.collection) == (item.namespace, item.collection):
                    response.found.add(id=item, rwset=held.rwset_bytes)
                    size += len(held.rwset_bytes)
        return response


async def _may_have(channel: Channel, namespace: str, collection: str, identity: Identity) -> bool:
    return is_member(await channel.committed_definition(namespace), collection, channel.config, identity)


async def _held(channel: Channel, block: int, tx_number: int) -> list[PrivateCollectionRwset]:
    """Return what this peer has of one transaction."""
    found = dict(await channel.reader.private_write_sets(block)).get(tx_number)
    return list(parse_private_rwset(found)) if found is not None else []
