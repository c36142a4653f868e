"""Disputes about an obligation: both banks say what they have to say, and a third member decides if they do not agree.

    open ──answer──▶ answered ──escalate──▶ escalated
      │  └──────── not answered in time ───────▲  │
      └──────────── resolve, from any ────────────┴──▶ resolved

- Either bank opens one, with a reason and a statement; the other answers with a statement.
- Either bank escalates what was answered; who opened it, what was not answered in time. Then the arbiter decides, whom
  both banks accepted with the obligation.
- While it is not resolved, the obligation is in no netting cycle.
- Statements are texts that the two banks and the arbiter keep; the ledger has salted commitments.
- No step needs the peer of the other bank: who is accused cannot keep a dispute off the ledger.

| outcome | by | |
|---|---|---|
| ``withdrawn``, ``remedied`` | who opened it | nothing was wrong; it was put right |
| ``conceded`` | the other bank | who opened it was right |
| ``upheld``, ``rejected`` | the arbiter, once escalated | who opened it was right; was not |

State (JSON): ``dispute~<id>``; ``disputed~<obligation id>`` while it is not resolved.
"""

from __future__ import annotations

from typing import Any

from chaincode import keys, obligations
from chaincode.bookings import require_time
from chaincode.callers import require_client
from chaincode.contract import Contract, reads_only
from chaincode.encoding import decode_hex, format_time, from_json, to_json
from chaincode.errors import AccessError, ArgumentError, ConflictError, NotFoundError
from chaincode.pages import page
from chaincode.pairs import require_id
from chaincode.shim.stub import ChaincodeStub

OPEN, ANSWERED, ESCALATED, RESOLVED = "open", "answered", "escalated", "resolved"

REASONS = ("amount", "asset", "duplicate", "not_received", "not_sent", "value_date", "other")
BY_OPENER, BY_OTHER, BY_ARBITER = ("withdrawn", "remedied"), ("conceded",), ("upheld", "rejected")

HASH_BYTES = 32
LISTED_MAX = 500


class DisputesContract(Contract):
    """Leads disputes through their life."""

    async def open_dispute(
        self, stub: ChaincodeStub, dispute_id: str, obligation_id: str, reason: str, statement: str, answer_by: str
    ) -> dict[str, Any]:
        """Dispute an obligation; by a client of either bank, one at a time.

        Args:
            dispute_id: 16 random bytes in hex.
            obligation_id: about which.
            reason: one of ``REASONS``.
            statement: hex commitment to what the caller has to say.
            answer_by: UTC time by which the other bank must have answered.
        """
        caller = require_client(stub)
        require_id(dispute_id, "dispute_id")
        if reason not in REASONS:
            raise ArgumentError(f"reason is {reason[:40]!r}, not one of {', '.join(REASONS)}")
        decode_hex(statement, "statement", HASH_BYTES)
        if require_time(answer_by, "answer_by") <= format_time(stub.get_timestamp()):
            raise ArgumentError("answer_by lies before now")
        about = await obligations.existing(stub, obligation_id)
        if caller not in about["banks"]:
            raise AccessError(f"only {' and '.join(about['banks'])}, whom it binds, dispute obligation {obligation_id}")
        if about["state"] in (obligations.CANCELLED, obligations.EXPIRED):
            raise ConflictError(f"obligation {obligation_id} is {about['state']}: it binds nobody", "wrong_state")
        if await is_disputed(stub, obligation_id):
            raise ConflictError(f"obligation {obligation_id} is disputed already", "disputed")
        if await stub.get_state(keys.dispute(dispute_id)):
            raise ConflictError(f"dispute {dispute_id} exists; take a fresh random id", "dispute_exists")
        record = {
            "dispute_id": dispute_id,
            "obligation_id": obligation_id,
            "banks": about["banks"],
            "arbiter": about["arbiter"],
            "opened_by": caller,
            "reason": reason,
            "answer_by": answer_by,
            "steps": [],
        }
        await stub.put_state(keys.disputed(obligation_id), to_json({"dispute_id": dispute_id}))
        return await _step(stub, record, OPEN, caller, statement=statement)

    async def answer_dispute(self, stub: ChaincodeStub, dispute_id: str, statement: str) -> dict[str, Any]:
        """Answer, with a hex commitment to a statement; by a client of the other bank."""
        decode_hex(statement, "statement", HASH_BYTES)
        record, caller = await _standing(stub, dispute_id)
        if caller not in record["banks"] or caller == record["opened_by"]:
            raise AccessError("only the bank that did not open the dispute answers it")
        if record["state"] != OPEN:
            raise ConflictError(f"dispute {dispute_id} is {record['state']}", "wrong_state")
        return await _step(stub, record, ANSWERED, caller, statement=statement)

    async def escalate_dispute(self, stub: ChaincodeStub, dispute_id: str) -> dict[str, Any]:
        """Call the arbiter; by a client of either bank once it is answered, of the opener when it was not in time."""
        record, caller = await _standing(stub, dispute_id)
        if caller not in record["banks"]:
            raise AccessError("only the two banks escalate their dispute")
        if not record["arbiter"]:
            raise ConflictError("the obligation names no arbiter: settle it between you", "no_arbiter")
        unanswered = record["state"] == OPEN and caller == record["opened_by"]
        if unanswered and format_time(stub.get_timestamp()) <= record["answer_by"]:
            raise ConflictError(f"dispute {dispute_id} may be answered until {record['answer_by']}", "too_early")
        if not unanswered and record["state"] != ANSWERED:
            raise ConflictError(f"dispute {dispute_id} is {record['state']}", "wrong_state")
        return await _step(stub, record, ESCALATED, caller)

    async def resolve_dispute(self, stub: ChaincodeStub, dispute_id: str, outcome: str) -> dict[str, Any]:
        """End a dispute for good; by a client of whoever the outcome belongs to."""
        record, caller = await _standing(stub, dispute_id)
        if outcome not in (*BY_OPENER, *BY_OTHER, *BY_ARBITER):
            raise ArgumentError(
                f"outcome is {outcome[:40]!r}, not one of {', '.join(BY_OPENER + BY_OTHER + BY_ARBITER)}"
            )
        if outcome not in _outcomes_of(record, caller):
            raise AccessError(f"{caller} does not resolve this dispute as {outcome}")
        if caller == record["arbiter"] and record["state"] != ESCALATED:
            raise ConflictError(f"dispute {dispute_id} is {record['state']}: the arbiter was not called", "wrong_state")
        await stub.del_state(keys.disputed(record["obligation_id"]))
        return await _step(stub, record, RESOLVED, caller, outcome=outcome)

    @reads_only
    async def get_dispute(self, stub: ChaincodeStub, dispute_id: str) -> dict[str, Any]:
        """Return a dispute with all its steps; anyone on the channel may call."""
        return await _existing(stub, dispute_id)

    @reads_only
    async def list_disputes(self, stub: ChaincodeStub, after: str) -> list[dict[str, Any]]:
        """Return up to 500 disputes by id, after ``after`` where it is given; anyone on the channel may call."""
        begin = keys.dispute(require_id(after, "after")) if after else ""
        return [from_json(value) for _, value in await page(stub, "dispute", begin, LISTED_MAX)]


async def is_disputed(stub: ChaincodeStub, obligation_id: str) -> bool:
    """Whether a dispute about an obligation is not resolved."""
    return bool(await stub.get_state(keys.disputed(obligation_id)))


def _outcomes_of(record: dict[str, Any], caller: str) -> tuple[str, ...]:
    if caller == record["opened_by"]:
        return BY_OPENER
    if caller in record["banks"]:
        return BY_OTHER
    return BY_ARBITER if caller == record["arbiter"] else ()


async def _existing(stub: ChaincodeStub, dispute_id: str) -> dict[str, Any]:
    value = await stub.get_state(keys.dispute(require_id(dispute_id, "dispute_id")))
    if not value:
        raise NotFoundError(f"there is no dispute {dispute_id}")
    record: dict[str, Any] = from_json(value)
    return record


async def _standing(stub: ChaincodeStub, dispute_id: str) -> tuple[dict[str, Any], str]:
    """Return a dispute whose life goes on, and who calls."""
    caller = require_client(stub)
    record = await _existing(stub, dispute_id)
    if record["state"] == RESOLVED:
        raise ConflictError(f"dispute {dispute_id} is resolved", "wrong_state")
    return record, caller


async def _step(stub: ChaincodeStub, record: dict[str, Any], state: str, by: str, **more: str) -> dict[str, Any]:
    step = {
        "state": state,
        "by": by,
        **more,
        "transaction_id": stub.get_tx_id(),
        "timestamp": format_time(stub.get_timestamp()),
    }
    moved = {**record, "state": state, "steps": [*record["steps"], step]}
    await stub.put_state(keys.dispute(record["dispute_id"]), to_json(moved))
    stub.set_event("Dispute", to_json({name: moved[name] for name in ("dispute_id", "obligation_id", "state")}))
    return moved
