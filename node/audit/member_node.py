"""Another member's node, as far as its audit service serves this organization."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from ledger.audit import NO_LEAF, RecomputedLeaf
from network.errors import RpcError
from network.pb.dwaybank.audit.v1 import audit_pb2
from network.rpc import Channel, StatusCode
from node.anchor.books import ArchivedEntries, Recomputed
from node.audit.finding_text import OpenedText

SERVICE = "dwaybank.audit.v1.AuditService"
TILE_TIMEOUT_S = 10.0
DISCLOSE_TIMEOUT_S = 50.0
RECOMPUTE_TIMEOUT_S = 300.0

R = TypeVar("R", bound=Message)


class MemberNode:
    """Calls one other member's audit service over mutual TLS."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def read_tile(self, level: int, index: int, width: int) -> bytes:
        """Return the first ``width`` hashes of a tile of the member's log.

        Raises:
            RpcError: the member does not answer or refuses.
        """
        request = audit_pb2.ReadTileRequest(level=level, index=index, width=width)
        reply = await self._call("ReadTile", request, audit_pb2.ReadTileResponse, TILE_TIMEOUT_S)
        return reply.hashes

    async def read_checkpoint(self) -> bytes:
        """Return the member's newest signed note.

        Raises:
            RpcError: the member does not answer or refuses; FAILED_PRECONDITION while its log is empty.
        """
        request = audit_pb2.ReadCheckpointRequest()
        return (await self._call("ReadCheckpoint", request, audit_pb2.ReadCheckpointResponse, TILE_TIMEOUT_S)).note

    async def read_finding_text(self, finding_id: str, commitment: bytes) -> OpenedText:
        """Return a text of a finding that concerns both organizations.

        Raises:
            RpcError: the member does not answer or refuses.
        """
        request = audit_pb2.ReadFindingTextRequest(finding_id=finding_id, commitment=commitment)
        reply = await self._call("ReadFindingText", request, audit_pb2.ReadFindingTextResponse, TILE_TIMEOUT_S)
        return OpenedText(reply.salt, reply.text)

    async def read_receipt(self, block_number: int) -> bytes:
        """Return the member's signed receipt of a block.

        Raises:
            RpcError: the member does not answer or refuses; FAILED_PRECONDITION before it committed the block.
        """
        request = audit_pb2.ReadReceiptRequest(block_number=block_number)
        return (await self._call("ReadReceipt", request, audit_pb2.ReadReceiptResponse, TILE_TIMEOUT_S)).receipt

    async def open_control_totals(self, size: int) -> tuple[str, bytes]:
        """Return the control totals of an anchored size, as they are committed to, and the salt.

        Raises:
            RpcError: the member does not answer or refuses.
        """
        request = audit_pb2.OpenControlTotalsRequest(size=size)
        reply = await self._call("OpenControlTotals", request, audit_pb2.OpenControlTotalsResponse, TILE_TIMEOUT_S)
        return reply.totals, reply.salt

    async def disclose(self, demand_id: str) -> bytes:
        """Return what an on-chain demand asks this member for, signed and sealed.

        Raises:
            RpcError: the member does not answer or refuses.
        """
        request = audit_pb2.DiscloseRequest(demand_id=demand_id)
        return (await self._call("Disclose", request, audit_pb2.DiscloseResponse, DISCLOSE_TIMEOUT_S)).sealed

    async def recompute(self, from_seq: int, to_seq: int) -> AsyncIterator[Recomputed]:
        """Give the leaves of the member's books as they stand now; bounds of 0 ask for every row there is.

        Raises:
            RpcError: the member does not answer or refuses.
        """
        request = audit_pb2.RecomputeLeavesRequest(from_seq=from_seq, to_seq=to_seq)
        path = f"/{SERVICE}/RecomputeLeaves"
        async for reply in self._channel.server_stream(path, request.SerializeToString(), RECOMPUTE_TIMEOUT_S):
            some = _parse(audit_pb2.RecomputeLeavesResponse, reply)
            yield Recomputed(
                [
                    RecomputedLeaf(leaf.seq, leaf.leaf, leaf.covered, leaf.leaf != NO_LEAF, leaf.archived)
                    for leaf in some.leaves
                ],
                [archived_entries(each) for each in some.archived],
            )

    async def _call(self, method: str, request: Message, reply_type: type[R], timeout_s: float) -> R:
        path = f"/{SERVICE}/{method}"
        return _parse(reply_type, await self._channel.unary(path, request.SerializeToString(), timeout_s))


def archived_entries(told: audit_pb2.ArchivedEntries) -> ArchivedEntries:
    """Return what a member, or the own node, tells of an archive."""
    try:
        moment = told.archived_at.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise RpcError(StatusCode.INTERNAL, "the member's answer names a time that no clock shows") from error
    return ArchivedEntries(told.first_seq, told.last_seq, told.file_name, told.file_sha256, moment)


def _parse(kind: type[R], data: bytes) -> R:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise RpcError(StatusCode.INTERNAL, f"the member's answer is no {kind.__name__}") from error
