"""The canonical form of an entry, versions 1 to 3, and the hashes made of it.

Rules (docs/adr/0003-canonical-entry.md):
- every field is its length as 2 big-endian bytes, then its bytes; the order below is fixed; nothing is optional, an
  absent value is a field of length 0; so no two entries share a form and no form is the beginning of another;
- the first two fields are the domain tag and the version: another kind of record, or a later version, can never be
  taken for an entry of this one;
- integers are big-endian two's complement of fixed width; amounts are 16 bytes wide, enough for any later asset;
- no personal data: accounts are pseudonyms, a description enters only as a salted commitment.

Fields: tag, version (1 byte), seq (8), key (16), posted_at (8, microseconds since 1970 UTC), effective_at (8), number
of postings (2); for each posting account, asset, scale (1), side (1: debit 1, credit 2), amount (16); settlement id,
description commitment (32 or 0), decision id (16), decision outcome (1), decision leaf (32). Version 2 goes on with:
actor, metadata commitment (32 or 0), reversed entry (8 or 0), captured hold (16 or 0), first entry of its chain of
linked entries (8 or 0). Version 3 goes on with: head of the chain of refusals (32 or 0, ``ledger.refusal``). New
entries are of version 3; those of earlier versions stay as they are.

The leaf is the RFC 6962 leaf hash of ``salt ‖ canonical``, so that log verifiers made by others need no word of this.
``fixtures/ledger/`` holds vectors for all versions.
"""

from __future__ import annotations

import hashlib
import json
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.account import Side
from ledger.errors import InvalidValueError
from ledger.journal import Outcome

DOMAIN_TAG = b"dwaybank.node/entry"
VERSION = 3
"""Version of new entries."""
SALT_BYTES = 32
LEAF_BYTES = 32

_BATCH_TAG = b"dwaybank.node/batch\x01"
_SALT_TAG = b"dwaybank.node/salt\x01"
_DESCRIPTION_TAG = b"dwaybank.node/description\x01"
_METADATA_TAG = b"dwaybank.node/metadata\x01"


def field(value: bytes) -> bytes:
    """Return one field: 2 bytes of length, then the value."""
    return len(value).to_bytes(2, "big") + value


PREFIXES = {version: field(DOMAIN_TAG) + field(bytes([version])) + b"\x00\x08" for version in (1, 2, 3)}
"""What stands before the 8 bytes of ``seq``."""

PLAIN_EXTENSION = bytes(12)
"""The fields that versions 2 and 3 added, where all are absent."""

CAPTURE_EXTENSION = bytes(6) + b"\x00\x10", bytes(4)
"""The same before and after the id of a hold, where it alone is given."""

_HEAD = struct.Struct("!H16sHqHqHH")
_POSTING = struct.Struct("!HBHqQ")
_LOW_HALF = 2**64 - 1
_TAIL = struct.Struct("!H16sHBH32s")


@dataclass(frozen=True, slots=True)
class CanonicalPosting:
    """One leg as the canonical form tells it."""

    account: str
    asset: str
    scale: int
    side: Side
    amount: int


@dataclass(frozen=True, slots=True)
class CanonicalEntry:
    """An entry as the canonical form tells it; times in microseconds since 1970-01-01 UTC.

    From ``version`` on: what versions 2 and 3 added, and how its absence is told.
    """

    seq: int
    key: uuid.UUID
    posted_at_us: int
    effective_at_us: int
    postings: tuple[CanonicalPosting, ...]
    settlement_id: str
    description_commitment: bytes
    decision_id: bytes
    outcome: Outcome
    decision_leaf: bytes
    version: int = VERSION
    actor: str = ""
    metadata_commitment: bytes = b""
    reverses: int | None = None
    hold_id: uuid.UUID | None = None
    chain_seq: int | None = None
    refusals: bytes = b""


def encode_account(reference: str, asset: str, scale: int) -> bytes:
    """Return the fields account, asset and scale of a posting; constant for an account, so worth remembering."""
    return field(reference.encode("ascii")) + field(asset.encode("ascii")) + field(bytes([scale]))


def encode_posting(account_fields: bytes, side: int, amount: int) -> bytes:
    """Return all fields of a posting.

    Args:
        account_fields: what ``encode_account`` returned.
        side: 1 debit, 2 credit.
        amount: minor units, above zero.
    """
    return account_fields + _POSTING.pack(1, side, 16, amount >> 64, amount & _LOW_HALF)


def encode_body(
    key: bytes,
    posted_at_us: int,
    effective_at_us: int,
    postings: list[bytes],
    settlement_id: str,
    description_commitment: bytes,
    decision_id: bytes,
    outcome: int,
    decision_leaf: bytes,
) -> bytes:
    """Return what follows ``seq`` in the canonical form: all that is known before the entry has its number."""
    count = len(postings)
    head = _HEAD.pack(16, key, 8, posted_at_us, 8, effective_at_us, 2, count)
    tail = _TAIL.pack(16, decision_id, 1, outcome, 32, decision_leaf)
    settlement = settlement_id.encode()
    return b"".join((head, *postings, field(settlement), field(description_commitment), tail))


def encode_extension(
    actor: str, metadata_commitment: bytes, reverses: int | None, hold_id: bytes, chain_seq: int | None
) -> bytes:
    """Return the fields that version 2 added; ``hold_id`` is empty for none."""
    return b"".join(
        (
            field(actor.encode("ascii")),
            field(metadata_commitment),
            field(b"" if reverses is None else reverses.to_bytes(8, "big")),
            field(hold_id),
            field(b"" if chain_seq is None else chain_seq.to_bytes(8, "big")),
        )
    )


def encode_entry(entry: CanonicalEntry) -> bytes:
    """Return the canonical form of an entry."""
    postings = [
        encode_posting(encode_account(posting.account, posting.asset, posting.scale), posting.side, posting.amount)
        for posting in entry.postings
    ]
    body = encode_body(
        entry.key.bytes,
        entry.posted_at_us,
        entry.effective_at_us,
        postings,
        entry.settlement_id,
        entry.description_commitment,
        entry.decision_id,
        entry.outcome,
        entry.decision_leaf,
    )
    if entry.version >= 2:
        hold = entry.hold_id.bytes if entry.hold_id is not None else b""
        body += encode_extension(entry.actor, entry.metadata_commitment, entry.reverses, hold, entry.chain_seq)
    if entry.version >= 3:
        body += field(entry.refusals)
    return PREFIXES[entry.version] + entry.seq.to_bytes(8, "big") + body


class _Reader:
    """Takes fields off a canonical form, front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, name: str, size: int | None = None) -> bytes:
        end = self._at + 2
        length = int.from_bytes(self._data[self._at : end], "big")
        value = self._data[end : end + length]
        if end > len(self._data) or len(value) != length or (size is not None and length != size):
            raise InvalidValueError(f"canonical entry, {name}", self._data[self._at : end + 8], "wrong length")
        self._at = end + length
        return value

    def number(self, name: str, size: int) -> int:
        return int.from_bytes(self.take(name, size), "big", signed=size > 2)

    def at_end(self) -> bool:
        return self._at == len(self._data)


def decode_entry(data: bytes) -> CanonicalEntry:
    """Return the entry a canonical form tells, if it is one, byte for byte.

    Raises:
        InvalidValueError: another tag or version, a wrong length, an unknown number, or bytes left over.
    """
    reader = _Reader(data)
    tag, version = reader.take("tag"), reader.take("version")
    if tag != DOMAIN_TAG or version not in (b"\x01", b"\x02", b"\x03"):
        raise InvalidValueError("canonical entry, tag", data[:24], "is no entry of version 1, 2 or 3")
    seq, key = reader.number("seq", 8), uuid.UUID(bytes=reader.take("key", 16))
    posted_at_us, effective_at_us = reader.number("posted_at", 8), reader.number("effective_at", 8)
    count = reader.number("number of postings", 2)
    try:
        postings = tuple(_take_posting(reader) for _ in range(count))
        entry = CanonicalEntry(
            seq,
            key,
            posted_at_us,
            effective_at_us,
            postings,
            settlement_id=reader.take("settlement id").decode(),
            description_commitment=reader.take("description commitment"),
            decision_id=reader.take("decision id", 16),
            outcome=Outcome(reader.number("decision outcome", 1)),
            decision_leaf=reader.take("decision leaf", LEAF_BYTES),
            version=version[0],
            **(_take_extension(reader) if version >= b"\x02" else {}),
            refusals=reader.take("refusals") if version >= b"\x03" else b"",
        )
        if seq < 1 or any(posting.amount < 1 for posting in entry.postings):
            raise ValueError("has a number or an amount below 1")
        if len(entry.refusals) not in (0, LEAF_BYTES):
            raise ValueError("binds refusals by what is no head of their chain")
        if not reader.at_end() or encode_entry(entry) != data:
            raise ValueError("holds bytes that belong to no field")
    except (ValueError, OverflowError) as error:
        raise InvalidValueError("canonical entry", data[:24], str(error)) from error
    return entry


def _take_extension(reader: _Reader) -> dict[str, Any]:
    actor, commitment = reader.take("actor").decode("ascii"), reader.take("metadata commitment")
    reverses, hold, chain = reader.take("reversed entry"), reader.take("captured hold"), reader.take("chain")
    return {
        "actor": actor,
        "metadata_commitment": commitment,
        "reverses": int.from_bytes(reverses, "big") if reverses else None,
        "hold_id": uuid.UUID(bytes=hold) if hold else None,
        "chain_seq": int.from_bytes(chain, "big") if chain else None,
    }


def _take_posting(reader: _Reader) -> CanonicalPosting:
    return CanonicalPosting(
        account=reader.take("account").decode("ascii"),
        asset=reader.take("asset").decode("ascii"),
        scale=reader.number("scale", 1),
        side=Side(reader.number("side", 1)),
        amount=reader.number("amount", 16),
    )


def derive_salts(secret: bytes, first_seq: int, count: int) -> bytes:
    """Return the salts of the entries of a batch, joined: SHA-256(``dwaybank.node/salt`` ‖ 0x01 ‖ secret ‖ seq) each.

    Whoever knows salts of a batch can tell neither its secret nor any other salt: they are outputs of SHA-256 under a
    secret key, and as all of its inputs have one length, none continues another.

    Args:
        secret: 32 random bytes that are used for this batch only.
        first_seq: number of its first entry.
    """
    front, sha256 = _SALT_TAG + secret, hashlib.sha256
    numbers = struct.iter_unpack("8s", struct.pack(f"!{count}q", *range(first_seq, first_seq + count)))
    return b"".join([sha256(front + number).digest() for (number,) in numbers])


def leaf_hash(salt: bytes, canonical: bytes) -> bytes:
    """Return the RFC 6962 leaf hash of an entry: SHA-256(0x00 ‖ salt ‖ canonical)."""
    return hashlib.sha256(b"\x00" + salt + canonical).digest()


def batch_digest(first_seq: int, last_seq: int, leaves: bytes) -> bytes:
    """Return what the writer signs for one commit.

    Args:
        first_seq: first entry of the batch.
        last_seq: last entry of the batch.
        leaves: their leaf hashes, joined in order.
    """
    assert len(leaves) == LEAF_BYTES * (last_seq - first_seq + 1)
    return hashlib.sha256(_BATCH_TAG + struct.pack("!qq", first_seq, last_seq) + leaves).digest()


def metadata_bytes(pairs: Sequence[tuple[str, str]]) -> bytes:
    """Return metadata as it is committed to: a JSON object, names in order, as RFC 8785 writes it (texts only)."""
    return json.dumps(dict(pairs), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def metadata_commitment(salt: bytes, pairs: Sequence[tuple[str, str]]) -> bytes:
    """Return the salted commitment to metadata: SHA-256(tag ‖ salt[32] ‖ ``metadata_bytes``)."""
    return hashlib.sha256(_METADATA_TAG + salt + metadata_bytes(pairs)).digest()


def description_commitment(salt: bytes, description: str) -> bytes:
    """Return the salted commitment to a description: SHA-256(tag ‖ salt[32] ‖ UTF-8 text)."""
    return hashlib.sha256(_DESCRIPTION_TAG + salt + description.encode()).digest()
