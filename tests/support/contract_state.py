"""A peer's state in memory, and identities and proposals to call contracts with.

`CommittedState` keeps Fabric's rules (reads see committed state only; writes appear at `commit`), so that a contract
that reads its own writes fails here as it would on a peer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import proposal_pb2

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
"""Proposal time of every test call unless another is given."""


@dataclass(frozen=True)
class Modification:
    """One committed change of a key."""

    tx_id: str
    value: bytes
    timestamp: datetime
    is_delete: bool


@dataclass(frozen=True)
class Answer:
    """What a called chaincode answered."""

    status: int
    message: str
    payload: bytes


class ListQuery:
    """An open query over a list of results."""

    def __init__(self, results: list[tuple[str, bytes]], bookmark: str = "", paginated: bool = False) -> None:
        self._results = iter(results)
        self.fetched_records_count = len(results) if paginated else 0
        self.bookmark = bookmark
        self.closed = False

    def __aiter__(self) -> ListQuery:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        for result in self._results:
            return result
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class CommittedState:
    """World state of one contract; `fail_with` makes every further request fail."""

    values: dict[tuple[str, str], bytes] = field(default_factory=dict)
    metadata: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    changes: dict[str, list[Modification]] = field(default_factory=dict)
    pending: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    calls: list[tuple[str, list[bytes], str]] = field(default_factory=list)
    fail_with: Exception | None = None

    def _check(self) -> None:
        if self.fail_with is not None:
            raise self.fail_with

    async def get_state(self, collection: str, key: str) -> bytes:
        self._check()
        return self.values.get((collection, key), b"")

    async def put_state(self, collection: str, key: str, value: bytes) -> None:
        self._check()
        self.pending.append(("put", collection, key, value))

    async def del_state(self, collection: str, key: str) -> None:
        self._check()
        self.pending.append(("delete", collection, key, b""))

    async def purge_private_data(self, collection: str, key: str) -> None:
        self._check()
        self.pending.append(("purge", collection, key, b""))

    async def get_private_data_hash(self, collection: str, key: str) -> bytes:
        self._check()
        value = self.values.get((collection, key))
        return b"" if value is None else hashlib.sha256(value).digest()

    async def get_state_metadata(self, collection: str, key: str) -> dict[str, bytes]:
        self._check()
        return dict(self.metadata.get((collection, key), {}))

    async def put_state_metadata(self, collection: str, key: str, name: str, value: bytes) -> None:
        self._check()
        self.pending.append((f"metadata:{name}", collection, key, value))

    async def range_query(self, collection: str, start: str, end: str, page_size: int, bookmark: str) -> ListQuery:
        self._check()
        first = (bookmark or start).encode()
        found = [
            (key, value)
            for (where, key), value in sorted(self.values.items(), key=lambda item: item[0][1].encode())
            if where == collection and key.encode() >= first and (not end or key.encode() < end.encode())
        ]
        if not page_size:
            return ListQuery(found)
        next_key = found[page_size][0] if len(found) > page_size else ""
        return ListQuery(found[:page_size], next_key, paginated=True)

    async def history(self, key: str) -> list[Modification]:
        self._check()
        return list(reversed(self.changes.get(key, [])))

    async def invoke_chaincode(self, name: str, args: Sequence[bytes], channel: str) -> Answer:
        self._check()
        self.calls.append((name, list(args), channel))
        return Answer(200, "", b"answer of " + name.encode())

    def commit(self, tx_id: str = "tx", timestamp: datetime = NOW) -> None:
        """Apply the pending writes, as a valid transaction does."""
        for kind, collection, key, value in self.pending:
            place = (collection, key)
            if kind == "put":
                self.values[place] = value
            elif kind in ("delete", "purge"):
                self.values.pop(place, None)
            else:
                self.metadata.setdefault(place, {})[kind.removeprefix("metadata:")] = value
                continue
            if not collection:
                change = Modification(tx_id, value, timestamp, kind != "put")
                self.changes.setdefault(key, []).append(change)
        self.pending.clear()

    def discard(self) -> None:
        """Drop the pending writes, as an invalid transaction does."""
        self.pending.clear()


def serialized_identity(
    msp_id: str,
    common_name: str = "client1",
    units: Sequence[str] = ("client",),
    extensions: Sequence[x509.ExtensionType] = (),
) -> bytes:
    """Return a creator with a fresh self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    name = x509.Name(attributes)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"ca.{msp_id}")]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    creator: bytes = identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=certificate).SerializeToString()
    return creator


def signed_proposal(
    creator: bytes,
    *,
    timestamp: datetime = NOW,
    transient: dict[str, bytes] | None = None,
    nonce: bytes = b"n" * 24,
    header_type: int = common_pb2.ENDORSER_TRANSACTION,
) -> bytes:
    """Return a serialized SignedProposal as a peer hands it to chaincode (the signature is the peer's business)."""
    channel_header = common_pb2.ChannelHeader(type=header_type, channel_id="anchors")
    channel_header.timestamp.FromDatetime(timestamp)
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(),
        signature_header=common_pb2.SignatureHeader(creator=creator, nonce=nonce).SerializeToString(),
    )
    payload = proposal_pb2.ChaincodeProposalPayload(TransientMap=transient or {})
    proposal = proposal_pb2.Proposal(header=header.SerializeToString(), payload=payload.SerializeToString())
    signed: bytes = proposal_pb2.SignedProposal(proposal_bytes=proposal.SerializeToString()).SerializeToString()
    return signed
