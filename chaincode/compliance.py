"""Contract ``compliance``: what the screening rules of every member decided, and what reviewers decided afterwards.

Rules every endorser applies:

- an organization's epochs are numbered from 1 and cover its entries from 1 without gap or overlap;
- an epoch's counts add up to its entries, and it flags exactly as many records as its rules sent to manual review;
- a flag's random id is used once, on the whole channel;
- a review is decided once, by a reviewer of the record's organization or of the regulator;
- nothing that could name a person is stored: roots, counts, version hashes of rules, random ids, commitments.

State (JSON, see :mod:`chaincode.encoding`; roots are base64, ids, version hashes and commitments hex):
``epochs~<msp>`` (newest epoch), ``epoch~<msp>~<number>``, ``flag~<id>``, ``review~<id>``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from chaincode import keys
from chaincode.callers import require_client, require_reviewer
from chaincode.contract import Contract, reads_only
from chaincode.encoding import INTEGER_MAX, decode_base64, decode_hex, format_time, from_json, to_json
from chaincode.errors import AccessError, ArgumentError, ConflictError, NotFoundError
from chaincode.shim.stub import ChaincodeStub

FLAGS_MAX = 10_000
RECORD_ID_BYTES = 16
HASH_BYTES = 32

APPROVED = "automated_approval"
MANUAL = "requires_manual_review"
DECISIONS = ("approved", "rejected")

_EPOCH_FIELDS = ("counts", "epoch", "flags", "from_seq", "root", "rules_hash", "to_seq")


class ComplianceContract(Contract):
    """Anchors epochs of decisions and records reviews."""

    name = "compliance"
    version = "1.0"

    regulators: ClassVar[tuple[str, ...]] = ("RegulatorMSP",)
    """MSP ids whose reviewers may decide the reviews of every organization; a consortium may subclass."""

    async def anchor_epoch(self, stub: ChaincodeStub, epoch: dict[str, Any]) -> dict[str, Any]:
        """Anchor the next epoch of the caller's organization; by a client of that organization.

        Args:
            epoch: JSON object with ``epoch`` (number), ``from_seq``, ``to_seq``, ``root`` (base64 RFC 6962 root over
                the decision leaves), ``counts`` per outcome, ``rules_hash`` (hex) and ``flags`` (list of hex ids).
        """
        organization = require_client(stub)
        _require_epoch(epoch)
        await _require_continuity(stub, organization, epoch)
        flags: list[str] = epoch["flags"]
        await _require_unused(stub, flags)
        record = {
            "organization": organization,
            **{name: epoch[name] for name in _EPOCH_FIELDS if name != "flags"},
            "transaction_id": stub.get_tx_id(),
            "timestamp": format_time(stub.get_timestamp()),
        }
        await stub.put_state(keys.epoch(organization, epoch["epoch"]), to_json(record))
        await stub.put_state(keys.epoch_head(organization), to_json(record))
        flagged = {"organization": organization, "epoch": epoch["epoch"], "status": MANUAL}
        stub.start_write_batch()
        for record_id in flags:
            await stub.put_state(keys.flag(record_id), to_json({"record_id": record_id, **flagged}))
        await stub.finish_write_batch()
        summary = {name: record[name] for name in ("organization", "epoch", "from_seq", "to_seq", "counts")}
        stub.set_event("Epoch", to_json(summary))
        return record

    async def decide_review(
        self, stub: ChaincodeStub, record_id: str, decision: str, reason_commitment: str
    ) -> dict[str, Any]:
        """Decide a manual review; by a reviewer of the record's organization or of a regulator, once.

        Args:
            record_id: the flagged decision's random id, hex.
            decision: ``approved`` or ``rejected``.
            reason_commitment: hex SHA-256 commitment to the reason, which stays with the reviewer's organization.
        """
        reviewer = require_reviewer(stub)
        decode_hex(record_id, "record_id", RECORD_ID_BYTES)
        decode_hex(reason_commitment, "reason_commitment", HASH_BYTES)
        if decision not in DECISIONS:
            raise ArgumentError(f"decision is {decision[:40]!r}, not one of {', '.join(DECISIONS)}")
        flag = await _flag(stub, record_id)
        if reviewer != flag["organization"] and reviewer not in self.regulators:
            raise AccessError(f"a reviewer of {reviewer} may not decide records of {flag['organization']}")
        if flag["status"] != MANUAL:
            raise ConflictError(f"record {record_id} is {flag['status']} already", "already_decided")
        record = {
            "record_id": record_id,
            "organization": flag["organization"],
            "decision": decision,
            "reviewer_organization": reviewer,
            "reason_commitment": reason_commitment,
            "transaction_id": stub.get_tx_id(),
            "timestamp": format_time(stub.get_timestamp()),
        }
        await stub.put_state(keys.review(record_id), to_json(record))
        await stub.put_state(keys.flag(record_id), to_json({**flag, "status": decision}))
        stub.set_event("Review", to_json({"record_id": record_id, "decision": decision}))
        return record

    @reads_only
    async def get_review(self, stub: ChaincodeStub, record_id: str) -> dict[str, Any]:
        """Return a flagged record with its status and, once decided, the decision; anyone on the channel may call."""
        decode_hex(record_id, "record_id", RECORD_ID_BYTES)
        flag = await _flag(stub, record_id)
        review = await stub.get_state(keys.review(record_id))
        return {**flag, "review": from_json(review) if review else None}

    @reads_only
    async def get_epoch(self, stub: ChaincodeStub, organization: str, number: int) -> dict[str, Any]:
        """Return one anchored epoch; anyone on the channel may call."""
        keys.require_organization(organization)
        value = await stub.get_state(keys.epoch(organization, _require_count("number", number, 1)))
        return _found(value, f"epoch {number} of {organization} is not anchored")

    @reads_only
    async def get_last_epoch(self, stub: ChaincodeStub, organization: str) -> dict[str, Any]:
        """Return an organization's newest anchored epoch; anyone on the channel may call."""
        keys.require_organization(organization)
        value = await stub.get_state(keys.epoch_head(organization))
        return _found(value, f"no epoch of {organization} is anchored yet")


def _found(value: bytes, message: str) -> dict[str, Any]:
    if not value:
        raise NotFoundError(message)
    record: dict[str, Any] = from_json(value)
    return record


async def _flag(stub: ChaincodeStub, record_id: str) -> dict[str, Any]:
    return _found(await stub.get_state(keys.flag(record_id)), f"there is no flagged record {record_id}")


def _require_count(what: str, value: object, least: int) -> int:
    # A boolean is an integer to Python, but not to other readers of the record.
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= INTEGER_MAX:
        raise ArgumentError(f"{what} is {str(value)[:40]!r}, not an integer from {least} to {INTEGER_MAX}")
    return value


def _require_text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise ArgumentError(f"{what} is not text")
    return value


def _require_epoch(epoch: dict[str, Any]) -> None:
    """Check everything about an epoch that needs no state."""
    if tuple(sorted(epoch)) != _EPOCH_FIELDS:
        raise ArgumentError(f"an epoch has exactly the fields {', '.join(_EPOCH_FIELDS)}")
    _require_count("epoch", epoch["epoch"], 1)
    first = _require_count("from_seq", epoch["from_seq"], 1)
    last = _require_count("to_seq", epoch["to_seq"], first)
    if len(decode_base64(_require_text("root", epoch["root"]), "root", HASH_BYTES)) != HASH_BYTES:
        raise ArgumentError(f"root is not {HASH_BYTES} bytes")
    decode_hex(_require_text("rules_hash", epoch["rules_hash"]), "rules_hash", HASH_BYTES)
    counts = epoch["counts"]
    if not isinstance(counts, dict) or sorted(counts) != [APPROVED, MANUAL]:
        raise ArgumentError(f"counts has exactly the fields {APPROVED} and {MANUAL}")
    total = sum(_require_count(f"counts.{outcome}", counts[outcome], 0) for outcome in sorted(counts))
    if total != last - first + 1:
        raise ArgumentError(
            f"counts add up to {total}, but the epoch covers {last - first + 1} entries", "wrong_counts"
        )
    _require_flags(epoch["flags"], counts[MANUAL])


def _require_flags(flags: object, expected: int) -> None:
    if not isinstance(flags, list) or len(flags) > FLAGS_MAX:
        raise ArgumentError(f"flags is not a list of at most {FLAGS_MAX} ids")
    if len(flags) != expected:
        raise ArgumentError(f"{len(flags)} records are flagged, but {expected} require manual review", "wrong_counts")
    for index, record_id in enumerate(flags):
        decode_hex(_require_text(f"flags[{index}]", record_id), f"flags[{index}]", RECORD_ID_BYTES)
    if len(set(flags)) != len(flags):
        raise ArgumentError("flags names an id twice")


async def _require_continuity(stub: ChaincodeStub, organization: str, epoch: dict[str, Any]) -> None:
    value = await stub.get_state(keys.epoch_head(organization))
    head = from_json(value) if value else {"epoch": 0, "to_seq": 0}
    if epoch["epoch"] <= head["epoch"]:
        raise ConflictError(f"epoch {epoch['epoch']} of {organization} is already anchored", "already_anchored")
    if epoch["epoch"] != head["epoch"] + 1 or epoch["from_seq"] != head["to_seq"] + 1:
        raise ConflictError(
            f"the next epoch of {organization} is {head['epoch'] + 1} from entry {head['to_seq'] + 1}, "
            f"not {epoch['epoch']} from entry {epoch['from_seq']}",
            "not_contiguous",
        )


async def _require_unused(stub: ChaincodeStub, flags: list[str]) -> None:
    state = await stub.get_multiple_states(*(keys.flag(record_id) for record_id in flags))
    for record_id, value in zip(flags, state, strict=True):
        if value:
            raise ConflictError(f"record id {record_id} is in use; ids are random and used once", "id_in_use")
