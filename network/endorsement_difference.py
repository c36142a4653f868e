"""Tells in what two peers' answers to one proposal differ, key by key.

Endorsements count together only when their bytes are equal. Here the bytes are taken apart and compared piece by piece,
so that a developer sees which key a contract wrote differently, instead of being told that something does not match.

Source of the form: Fabric protoutil/proputils.go (GetBytesProposalResponsePayload); proto peer/proposal.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fabric_protos.peer import chaincode_event_pb2, proposal_pb2, proposal_response_pb2

from network.errors import WireError
from network.explanation import Difference
from network.proposal import decode
from network.rwset import (
    HashedCollection,
    NamespaceRwset,
    RangeQuery,
    TxRwset,
    Version,
    parse_rwset,
    serialize_metadata,
)

ABSENT = "(nothing)"
DELETED = "(deleted)"
VALUE_BYTES_SHOWN = 48
_LEAD_BYTES = 12

_Place = tuple[str, str, str, str]
"""What, namespace, collection, key."""

_Piece = bytes | str
"""What stands there: contents as bytes, words of our own as text."""


def differences(first: bytes, other: bytes) -> tuple[Difference, ...]:
    """Return what differs between two serialized ``ProposalResponsePayload``; empty when they are equal.

    Args:
        first: of the endorser asked first.
        other: of the one that differs.
    """
    if first == other:
        return ()
    try:
        left, right = _pieces(first), _pieces(other)
    except WireError as error:
        return (Difference("response", first=f"{len(first)} bytes", other=f"{len(other)} bytes, unreadable: {error}"),)
    found = tuple(_compared(left, right))
    # Equal contents in another order or encoding are different bytes all the same.
    return found or (Difference("order", first="the same contents", other="in another order or encoding"),)


def _compared(left: Mapping[_Place, _Piece], right: Mapping[_Place, _Piece]) -> Iterator[Difference]:
    for place in sorted(left.keys() | right.keys(), key=_rank):
        before, now = left.get(place), right.get(place)
        if before != now:
            start = _first_difference(before, now)
            yield Difference(*place, first=_show(before, start), other=_show(now, start))


def _rank(place: _Place) -> tuple[bool, _Place]:
    # What is read decides what is written and answered: causes before effects.
    return "read" not in place[0] and place[0] != "range", place


def _pieces(payload: bytes) -> dict[_Place, _Piece]:
    message = decode(proposal_response_pb2.ProposalResponsePayload(), payload, "ProposalResponsePayload")
    action = decode(proposal_pb2.ChaincodeAction(), message.extension, "ChaincodeAction")
    event = decode(chaincode_event_pb2.ChaincodeEvent(), action.events, "ChaincodeEvent")
    pieces: dict[_Place, _Piece] = {
        ("proposal", "", "", ""): message.proposal_hash,
        ("chaincode", "", "", ""): f"{action.chaincode_id.name} {action.chaincode_id.version}",
        ("response", "", "", ""): f"{action.response.status} {action.response.message}".encode()
        + action.response.payload,
    }
    if action.events:
        pieces["event", "", "", ""] = event.event_name.encode() + b" " + event.payload
    pieces.update(_rwset_pieces(parse_rwset(action.results)))
    return pieces


def _rwset_pieces(rwset: TxRwset) -> Iterator[tuple[_Place, _Piece]]:
    for namespace in rwset.namespaces:
        yield from _public_pieces(namespace)
        for collection in namespace.collections:
            yield from _private_pieces(namespace.namespace, collection)


def _public_pieces(rwset: NamespaceRwset) -> Iterator[tuple[_Place, _Piece]]:
    name = rwset.namespace
    for read in rwset.reads:
        yield ("read", name, "", read.key), _version(read.version)
    for query in rwset.range_queries:
        yield ("range", name, "", f"{query.start_key} to {query.end_key}"), _range(query)
    for write in rwset.writes:
        yield ("write", name, "", write.key), DELETED if write.deletes else write.value
    for metadata in rwset.metadata_writes:
        yield ("metadata", name, "", metadata.key), serialize_metadata(metadata.entries)


def _private_pieces(name: str, rwset: HashedCollection) -> Iterator[tuple[_Place, _Piece]]:
    for read in rwset.reads:
        yield ("private read", name, rwset.name, read.key_hash.hex()), _version(read.version)
    for write in rwset.writes:
        value = DELETED if write.deletes else f"hash {write.value_hash.hex()}"
        yield ("private write", name, rwset.name, write.key_hash.hex()), value
    for metadata in rwset.metadata_writes:
        yield ("private metadata", name, rwset.name, metadata.key_hash.hex()), serialize_metadata(metadata.entries)


def _version(version: Version | None) -> str:
    return "no such key" if version is None else f"version {version.block}:{version.tx}"


def _range(query: RangeQuery) -> str:
    if query.summary is not None:
        return "many results, hashes " + " ".join(item.hex() for item in query.summary.hashes)
    reads = query.reads or ()
    return f"{len(reads)} results: " + ", ".join(f"{read.key} {_version(read.version)}" for read in reads)


def _first_difference(first: _Piece | None, other: _Piece | None) -> int:
    left, right = _bytes(first), _bytes(other)
    for position, (before, now) in enumerate(zip(left, right, strict=False)):
        if before != now:
            return position
    return min(len(left), len(right))


def _bytes(piece: _Piece | None) -> bytes:
    return piece.encode() if isinstance(piece, str) else piece or b""


def _show(piece: _Piece | None, difference: int) -> str:
    """Return a piece for people: whole when short, else the part where the difference begins."""
    if piece is None:
        return ABSENT
    value = _bytes(piece)
    if len(value) <= VALUE_BYTES_SHOWN:
        return _legible(value)
    start = max(0, min(difference - _LEAD_BYTES, len(value) - VALUE_BYTES_SHOWN))
    part = _legible(value[start : start + VALUE_BYTES_SHOWN])
    return f"{'…' if start else ''}{part}{'…' if start + VALUE_BYTES_SHOWN < len(value) else ''} ({len(value)} bytes)"


def _legible(value: bytes) -> str:
    text = value.decode(errors="replace")
    return text if text.isprintable() and "\ufffd" not in text else value.hex()
