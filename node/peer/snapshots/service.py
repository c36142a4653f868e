"""``protos.Snapshot``: what ``peer snapshot submitrequest|cancelrequest|listpending`` calls.

Only an administrator of the peer's own organization may ask; every refusal is a gRPC error in Fabric's words.

Source: Fabric core/ledger/snapshotgrpc/snapshot_service.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fabric_protos.peer import snapshot_pb2
from google.protobuf.message import DecodeError

from network import rpc
from network.channel_acl import LOCAL_ROLES
from network.errors import RpcError, WireError
from network.identity import check_creator_size
from network.policy import SignedData
from network.proposal import NO_MESSAGE
from network.rpc import StatusCode
from node.peer.errors import ChaincodeError, PeerError, SnapshotError
from node.peer.snapshots.requests import SnapshotRequests
from node.peer.system_chaincode import LocalMembers
from node.received import received_message

SERVICE_NAME = "protos.Snapshot"


class SnapshotService:
    """The service of one peer.

    Args:
        channels: requests of each channel this peer is on.
        members: this peer's own organization.
    """

    def __init__(self, channels: Mapping[str, SnapshotRequests], members: LocalMembers) -> None:
        self._channels = channels
        self._members = members

    def register(self, server: rpc.Server) -> None:
        """Serve on ``server``."""
        server.unary(f"/{SERVICE_NAME}/Generate", self._generate)
        server.unary(f"/{SERVICE_NAME}/Cancel", self._cancel)
        server.unary(f"/{SERVICE_NAME}/QueryPendings", self._query)

    async def _generate(self, request: bytes, call: rpc.Call) -> bytes:
        asked, requests = self._authorized(request, snapshot_pb2.SnapshotRequest, "snapshot/submitrequest")
        await self._try(lambda: requests.submit(asked.block_number))
        return b""

    async def _cancel(self, request: bytes, call: rpc.Call) -> bytes:
        asked, requests = self._authorized(request, snapshot_pb2.SnapshotRequest, "snapshot/cancelrequest")
        await self._try(lambda: requests.cancel(asked.block_number))
        return b""

    async def _query(self, request: bytes, call: rpc.Call) -> bytes:
        _, requests = self._authorized(request, snapshot_pb2.SnapshotQuery, "snapshot/listpending")
        found = await asyncio.to_thread(requests.pending)
        reply: bytes = snapshot_pb2.QueryPendingSnapshotsResponse(block_numbers=found).SerializeToString()
        return reply

    async def _try(self, work: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(work)
        except PeerError as error:
            raise RpcError(StatusCode.UNKNOWN, str(error)) from error

    def _authorized(self, request: bytes, kind: Any, resource: str) -> tuple[Any, SnapshotRequests]:
        signed = received_message(snapshot_pb2.SignedSnapshotRequest, request)
        try:
            asked = kind.FromString(signed.request)
        except DecodeError as error:
            raise RpcError(StatusCode.UNKNOWN, f"failed to unmarshal snapshot request: {NO_MESSAGE}") from error
        try:
            if not asked.HasField("signature_header"):
                raise SnapshotError("missing signature header")
            creator = asked.signature_header.creator
            check_creator_size(creator, "signature_header.creator")
            self._members.authorize_signed(LOCAL_ROLES[resource], SignedData(signed.request, creator, signed.signature))
            if not asked.channel_id:
                raise SnapshotError("missing channel ID")
            requests = self._channels.get(asked.channel_id)
            if requests is None:
                raise SnapshotError(f"cannot find ledger for channel {asked.channel_id}")
        except (ChaincodeError, SnapshotError, WireError) as error:
            raise RpcError(StatusCode.UNKNOWN, str(error)) from error
        return asked, requests
