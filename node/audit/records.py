"""Reads the audit records out of a committed block.

Only transactions that this organization's own peer judged VALID count, and only what the contract could have written
(``node/audit/record_forms.py``). Which entries a record covers, and whose it is, is read from the record itself.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2

from network.audit_record import AUDIT, COMPLIANCE
from network.block import header_hash, recorded_commit_hash, transactions_filter
from network.bundle_channel import LIFECYCLE
from network.bundle_json import read_json
from network.envelope import VALID, ParsedTransaction, parse_transaction
from network.errors import NetworkError, ProofError
from network.identity import parse_identity
from node.audit.record_forms import is_record

logger = structlog.get_logger(__name__)

KINDS = {
    AUDIT: ("log", "witness", "checkpoint", "cosignature", "demand", "disclosure_key", "finding", "refusal"),
    COMPLIANCE: ("epoch", "flag", "review"),
}
"""Kinds of records by contract; the first part of a record's key."""

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""When a record was made whose transaction tells no time that a calendar holds: peers judge such a one VALID."""

_CONFIG_TYPES = (common_pb2.CONFIG, common_pb2.ORDERER_TRANSACTION)
_SEQUENCE_FIELD = "/Sequence"
_FIELDS = "namespaces/fields/"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record as a contract wrote it."""

    block_number: int
    tx_number: int
    namespace: str
    key: str
    kind: str
    organization: str
    transaction_id: str
    recorded_at: datetime
    from_seq: int | None
    to_seq: int | None
    signer: str
    body: str

    def anchored_root(self) -> bytes:
        """Return the root that a record of kind ``checkpoint`` anchored."""
        return base64.b64decode(json.loads(self.body)["root"])


@dataclass(frozen=True, slots=True)
class Landmark:
    """A block that decides how others are judged: a ``"config"``, or the ``"definition"`` of a contract."""

    kind: str
    name: str
    tx_number: int


@dataclass(frozen=True, slots=True)
class BlockRecords:
    """What one block adds to the audit trail."""

    number: int
    block_hash: bytes
    commit_hash: bytes
    records: tuple[AuditRecord, ...]
    landmarks: tuple[Landmark, ...]


def read_records(block: common_pb2.Block) -> BlockRecords:
    """Return the audit records and landmarks of a committed block, read from its bytes."""
    return records_of(
        int(block.header.number),
        header_hash(block.header),
        recorded_commit_hash(block),
        [parse_transaction(envelope) for envelope in block.data.data],
        transactions_filter(block),
    )


def records_of(
    number: int, block_hash: bytes, commit_hash: bytes, transactions: Sequence[ParsedTransaction], flags: bytes
) -> BlockRecords:
    """Return the audit records and landmarks of a committed block whose transactions are read already.

    Args:
        number: of the block.
        block_hash: its header's hash.
        commit_hash: as the own peer computed it.
        transactions: all of the block, in order.
        flags: the own peer's validation code of each; where there is none, nothing counts.
    """
    if len(transactions) == 1 and transactions[0].type in _CONFIG_TYPES:
        return BlockRecords(number, block_hash, commit_hash, (), (Landmark("config", "", 0),))
    records: list[AuditRecord] = []
    landmarks: list[Landmark] = []
    for tx_number, (parsed, flag) in enumerate(zip(transactions, flags, strict=False)):
        if flag == VALID and parsed.flag == VALID:
            records.extend(_records(parsed, number, tx_number))
            landmarks.extend(_definitions(parsed, tx_number))
    return BlockRecords(number, block_hash, commit_hash, tuple(records), tuple(landmarks))


def _records(parsed: ParsedTransaction, number: int, tx_number: int) -> Iterator[AuditRecord]:
    written_by = _msp_id(parsed.creator)
    for space in parsed.rwset.namespaces:
        kinds = KINDS.get(space.namespace)
        if kinds is None:
            continue
        for write in space.writes:
            kind = write.key.split("~", 1)[0]
            if kind not in kinds or write.deletes:
                continue
            try:
                body = read_json(write.value, "malformed_record")
            except ProofError:
                continue
            # A log's record moves with every anchor; only its registration is a record of its own.
            if kind == "log" and body.get("sequence") != 0:
                continue
            if not is_record(kind, write.key, body, written_by):
                logger.warning(
                    "audit_record_passed_over", block=number, transaction=tx_number, key=repr(write.key[:80])
                )
                continue
            first, last = _covered(kind, body)
            yield AuditRecord(
                block_number=number,
                tx_number=tx_number,
                namespace=space.namespace,
                key=write.key,
                kind=kind,
                organization=body["organization"],
                transaction_id=parsed.tx_id,
                recorded_at=_time(parsed),
                from_seq=first,
                to_seq=last,
                signer=_signer(parsed.creator),
                body=write.value.decode(),
            )


def _covered(kind: str, body: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return the range of entries a record is about."""
    if kind == "checkpoint":
        return int(body["previous_size"]) + 1, int(body["size"])
    if kind == "cosignature":
        return 1, int(body["size"])
    if kind == "epoch":
        return int(body["from_seq"]), int(body["to_seq"])
    if kind == "demand":
        return min(body["seqs"]), max(body["seqs"])
    return None, None


def _definitions(parsed: ParsedTransaction, tx_number: int) -> Iterator[Landmark]:
    for space in parsed.rwset.namespaces:
        if space.namespace != LIFECYCLE:
            continue
        for write in space.writes:
            if write.key.startswith(_FIELDS) and write.key.endswith(_SEQUENCE_FIELD) and not write.deletes:
                yield Landmark("definition", write.key[len(_FIELDS) : -len(_SEQUENCE_FIELD)], tx_number)


def _time(parsed: ParsedTransaction) -> datetime:
    # What a client writes there is judged by no peer, and some functions of the contracts never ask for it.
    return parsed.timestamp if parsed.timestamp is not None else NO_TIME


def _msp_id(creator: bytes) -> str:
    # A creator whose transaction is VALID can be read.
    return str(identities_pb2.SerializedIdentity.FromString(creator).mspid)


def _signer(creator: bytes) -> str:
    """Return organization and common name of a creator; both are in every block's certificates anyway."""
    try:
        identity = parse_identity(creator)
    except NetworkError:
        return ""
    # A member's authority may write anything into a certificate; the database keeps no NUL, and the index must go on.
    name = identity.certificate.common_name.replace("\x00", "\ufffd")
    return f"{identity.msp_id}/{name}" if name else identity.msp_id
