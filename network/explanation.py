"""What a gateway says of a failure beyond Fabric's own texts: which endorsement differs where, which read lost to whom.

Rules:
- the wire forms extend Fabric's messages by fields that Fabric's clients skip (`proto/dwaybank/peer/v1`): a gateway of
  Fabric says nothing here, and its answers read as ones without an explanation;
- sentences name keys and transactions, never values: they end in logs.

Source of the messages extended: Fabric proto gateway/gateway.proto (ErrorDetail, CommitStatusResponse).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fabric_protos.gateway import gateway_pb2
from google.protobuf.any_pb2 import Any as PackedMessage
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from network.pb.dwaybank.peer.v1 import explanations_pb2
from network.rwset import Version

DETAILS_BYTES_MAX = 3 * 1024
"""Differences that would make an error's details longer are counted and left out: clients limit what they read."""

_DETAIL_TYPE = "type.googleapis.com/" + gateway_pb2.ErrorDetail.DESCRIPTOR.full_name
_KEYS_NAMED_MAX = 3


class Difference(NamedTuple):
    """One thing in which an endorsement differs from the first one of the same proposal."""

    what: str
    """``read``, ``range``, ``write``, ``metadata``, the same with ``private`` before, ``response``, ``event``,
    ``chaincode``, ``proposal`` or ``order``."""
    namespace: str = ""
    collection: str = ""
    """Collection of private data; empty for public state."""
    key: str = ""
    """The key; of private data the hexadecimal hash of it."""
    first: str = ""
    """What the first endorser found or wrote, shortened."""
    other: str = ""
    """What this one did."""

    @property
    def place(self) -> str:
        """What differs and where, without values."""
        where = "/".join(part for part in (self.namespace, self.collection) if part)
        return self.what + (f" of {self.key!r} in {where}" if where else "")


class ErrorDetail(NamedTuple):
    """What one peer or orderer said.

    ``differences`` is what sets its endorsement apart from the first one's, where it says so and the gateway explains.
    """

    address: str
    msp_id: str
    message: str
    differences: tuple[Difference, ...] = ()
    differences_omitted: int = 0
    """Differences that were left out for length."""

    def __str__(self) -> str:
        text = f"{self.msp_id} at {self.address}: {self.message}"
        if not self.differences:
            return text
        named = "; ".join(difference.place for difference in self.differences[:_KEYS_NAMED_MAX])
        more = len(self.differences) - _KEYS_NAMED_MAX + self.differences_omitted
        return f"{text}: {named}" + (f"; {more} more" if more > 0 else "")


class ReadConflict(NamedTuple):
    """Why what a transaction read no longer held when it was judged."""

    namespace: str
    collection: str
    """Collection of private data; empty for public state."""
    key: str
    """The key; of private data the hexadecimal hash of it."""
    read: Version | None
    """Where the value that was read had been written; None when there was no such key."""
    found: Version | None
    """Where the value that stood there instead had been written; None when the key was gone."""
    winner_tx_id: str
    """The transaction that wrote or deleted the key meanwhile; empty where the peer cannot tell."""
    range_end: str = ""
    """End of the range that was scanned, for a phantom."""

    def __str__(self) -> str:
        where = "/".join(part for part in (self.namespace, self.collection) if part)
        scanned = f"range to {self.range_end!r} of {where}: " if self.range_end else ""
        by = f" by transaction {self.winner_tx_id}" if self.winner_tx_id else ""
        changed = f"stood at {_text(self.found)}, written{by}" if self.found else f"was gone, deleted{by}"
        return f"{scanned}key {self.key!r} of {where} was read at {_text(self.read)}, but {changed}"


def error_status(code: int, message: str, details: Sequence[ErrorDetail]) -> bytes:
    """Return the serialized ``google.rpc.Status`` of a failure."""
    status = status_pb2.Status(code=code, message=message)
    room = DETAILS_BYTES_MAX - sum(len(detail.message) + 100 for detail in details)
    for detail in details:
        item = explanations_pb2.ExplainedErrorDetail(
            address=detail.address, msp_id=detail.msp_id, message=detail.message
        )
        for difference in detail.differences:
            packed = explanations_pb2.Difference(**difference._asdict())
            room -= packed.ByteSize() + 4
            if room < 0:
                break
            item.differences.append(packed)
        item.differences_omitted = detail.differences_omitted + len(detail.differences) - len(item.differences)
        status.details.append(PackedMessage(type_url=_DETAIL_TYPE, value=item.SerializeToString()))
    return bytes(status.SerializeToString())


def error_details_of(status: bytes) -> tuple[ErrorDetail, ...]:
    """Return what single peers said, from a serialized ``google.rpc.Status``; empty where none of it is legible."""
    try:
        packed = status_pb2.Status.FromString(status).details
        return tuple(_detail(item.value) for item in packed if item.Is(gateway_pb2.ErrorDetail.DESCRIPTOR))
    except DecodeError:
        return ()


def commit_status_reply(code: int, block_number: int, conflict: ReadConflict | None) -> bytes:
    """Return a serialized ``gateway.CommitStatusResponse``, with the conflict where there is one."""
    message = explanations_pb2.ExplainedCommitStatus(result=code, block_number=block_number)
    if conflict is not None:
        item = message.conflict
        item.namespace, item.collection, item.key = conflict.namespace, conflict.collection, conflict.key
        item.winner_transaction_id, item.range_end = conflict.winner_tx_id, conflict.range_end
        for field, version in ((item.read, conflict.read), (item.found, conflict.found)):
            if version is not None:
                field.block_number, field.transaction_number = version
                field.SetInParent()
    return bytes(message.SerializeToString())


def read_commit_status(reply: bytes) -> tuple[int, int, ReadConflict | None]:
    """Return validation code, block number and conflict of a serialized ``gateway.CommitStatusResponse``.

    Raises:
        DecodeError: the bytes do not parse.
    """
    message = explanations_pb2.ExplainedCommitStatus.FromString(reply)
    if not message.HasField("conflict"):
        return message.result, message.block_number, None
    item = message.conflict
    read, found = (
        Version(field.block_number, field.transaction_number) if item.HasField(name) else None
        for name, field in (("read", item.read), ("found", item.found))
    )
    conflict = ReadConflict(
        item.namespace, item.collection, item.key, read, found, item.winner_transaction_id, item.range_end
    )
    return message.result, message.block_number, conflict


def places(differences: Iterable[Difference]) -> list[str]:
    """Return what differs and where, without values, for a log."""
    return [difference.place for difference in differences]


def _detail(value: bytes) -> ErrorDetail:
    item = explanations_pb2.ExplainedErrorDetail.FromString(value)
    differences = tuple(
        Difference(one.what, one.namespace, one.collection, one.key, one.first, one.other) for one in item.differences
    )
    return ErrorDetail(item.address, item.msp_id, item.message, differences, item.differences_omitted)


def _text(version: Version | None) -> str:
    return "no version" if version is None else f"version {version.block}:{version.tx}"
