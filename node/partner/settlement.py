"""The settlement of one payment between two banks, as two automatons without any I/O.

The sending bank:

    ordered ──place hold──▶ held ──Prepare──▶ prepared ──capture──▶ captured ──Complete──▶ completed
       │ refused             │ refused, late     │ refused, late       │ refused for good
       ▼                     ▼                   ▼                     ▼
    aborted            aborted, expired    aborted, expired         returned

The receiving bank:  prepared ──Complete──▶ completed, or aborted (by the sender's Abort, or refused at Complete)

Rules it keeps:

- The customer's money is only held until the partner has agreed; what is held comes back by itself at the deadline.
- Once captured, the sender never aborts: it asks until it knows, and gives the money back only after the receiver's
  refusal, which the receiver has made final before it says so.
- Nothing is decided twice: every step's entry and hold has an id derived from the settlement, so a step repeated after
  a crash finds what it did before.
- Time, or the one who ordered it, ends a settlement only while nothing has been captured.
- Money that came back after completion is a settlement of its own the other way, which names the one it returns.

Left to others: doing the steps (``driver``), keeping the states (``store``), answering the partner (``receiver``).
"""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from node.partner.errors import NotCancellableError, TransitionError

NAMESPACE = uuid.UUID("6f6c3f0e-5d0f-5b0a-8f1b-0f2a9a3d7c11")
"""Namespace of all ids derived from a settlement; fixed for ever, or a repeated step would not find its first doing."""


class SenderState(enum.StrEnum):
    """Where an outgoing settlement stands."""

    ORDERED = "ordered"
    HELD = "held"
    PREPARED = "prepared"
    CAPTURED = "captured"
    COMPLETED = "completed"
    RETURNED = "returned"
    ABORTED = "aborted"
    EXPIRED = "expired"


class ReceiverState(enum.StrEnum):
    """Where an incoming settlement stands."""

    PREPARED = "prepared"
    COMPLETED = "completed"
    ABORTED = "aborted"


class Step(enum.Enum):
    """What the sending bank must do next."""

    PLACE_HOLD = "place_hold"
    PREPARE = "prepare"
    EXPIRE = "expire"
    CAPTURE = "capture"
    COMPLETE = "complete"
    RETURN = "return"
    NOTIFY_ABORT = "notify_abort"
    NOTHING = "nothing"


FINAL_STATES = frozenset({SenderState.COMPLETED, SenderState.RETURNED, SenderState.ABORTED, SenderState.EXPIRED})

HOLD_GONE = frozenset({"hold_not_found", "hold_not_placed", "hold_expired"})
"""Results of a capture that came too late: the money is the customer's again."""

CANCELLED = "cancelled"
"""Refusal of a payment that the one who ordered it gave up."""

POSTED = frozenset({"posted", "exists"})
"""Results of an entry that stands in the books."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A payment to a partner bank.

    Args:
        settlement_id: shared by both banks; names the settlement in both books.
        payment_id: the caller's idempotency key.
        receiver_msp_id: the partner bank.
        debtor_account: whose money.
        beneficiary_account: account reference at the partner.
        asset: code, equal at both banks.
        amount: minor units.
        description: for the debtor's statement.
        ordered_at: when the order was written down; effective time of the capture, unless that period was closed since.
        deadline: when held money comes back by itself.
        state: see the automaton.
        refusal: code of the refusal; empty for none. In state captured it means: refused, to be returned.
        agreed_reference: the receiver's reference.
        seq: entry of the capture.
        partner_seq: entry at the receiver.
        return_seq: entry of the return.
        abort_due: the partner may have prepared this and must be told that it will not come.
        attempts: steps tried in vain since the last one that succeeded.
        quote_id: the receiver's quote it was ordered under; empty for none.
        return_of: the received settlement that this sends back; empty for none.
        return_reason: why, of ISO 20022's ExternalReturnReason1Code.
    """

    settlement_id: str
    payment_id: uuid.UUID
    receiver_msp_id: str
    debtor_account: str
    beneficiary_account: str
    asset: str
    amount: int
    description: str
    ordered_at: datetime
    deadline: datetime
    state: SenderState = SenderState.ORDERED
    refusal: str = ""
    agreed_reference: str = ""
    seq: int | None = None
    partner_seq: int | None = None
    return_seq: int | None = None
    abort_due: bool = False
    attempts: int = 0
    quote_id: str = ""
    return_of: str = ""
    return_reason: str = ""

    @property
    def hold_id(self) -> uuid.UUID:
        """Id of the hold."""
        return derived_id("hold", self.settlement_id)

    @property
    def capture_key(self) -> uuid.UUID:
        """Idempotency key of the entry that spends the held money."""
        return derived_id("capture", self.settlement_id)

    @property
    def return_key(self) -> uuid.UUID:
        """Idempotency key of the entry that gives the money back."""
        return derived_id("return", self.settlement_id)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A payment from a partner bank.

    Args:
        beneficiary_account: whom to credit; of a return, whose payment it was.
        completing: a Complete was accepted: the entry may stand in the books, so it can no more be aborted.
        seq: entry of the credit.
        quote_id: our quote it was ordered under; empty for none.
        return_of: our own settlement that this sends back; empty for none.
        return_reason: why, of ISO 20022's ExternalReturnReason1Code.
    """

    sender_msp_id: str
    settlement_id: str
    beneficiary_account: str
    asset: str
    amount: int
    deadline: datetime
    agreed_reference: str
    prepared_at: datetime
    state: ReceiverState = ReceiverState.PREPARED
    completing: bool = False
    seq: int | None = None
    refusal: str = ""
    quote_id: str = ""
    return_of: str = ""
    return_reason: str = ""

    @property
    def fee_key(self) -> uuid.UUID:
        """Idempotency key of the entry that takes a fee beside an exchange."""
        return derived_id("fee", f"{self.sender_msp_id}/{self.settlement_id}")

    @property
    def credit_key(self) -> uuid.UUID:
        """Idempotency key of the entry that credits the beneficiary."""
        return derived_id("credit", f"{self.sender_msp_id}/{self.settlement_id}")


def derived_id(purpose: str, settlement: str) -> uuid.UUID:
    """Return the id a step of a settlement has for ever."""
    return uuid.uuid5(NAMESPACE, f"{purpose}/{settlement}")


def next_step(settlement: Outgoing, now: datetime) -> Step:
    """Return what the sending bank must do next."""
    match settlement.state:
        case SenderState.ORDERED:
            return Step.PLACE_HOLD
        case SenderState.HELD:
            return Step.EXPIRE if now >= settlement.deadline else Step.PREPARE
        case SenderState.PREPARED:
            return Step.CAPTURE
        case SenderState.CAPTURED:
            return Step.RETURN if settlement.refusal else Step.COMPLETE
        case _:
            return Step.NOTIFY_ABORT if settlement.abort_due else Step.NOTHING


def after_hold(settlement: Outgoing, code: str, hold_state: str) -> Outgoing:
    """Return the settlement after the books were asked for the hold.

    Args:
        code: answer of the books.
        hold_state: how the hold stands, empty where there is none.
    """
    _require(settlement, SenderState.ORDERED)
    if code not in ("placed", "exists"):
        return replace(settlement, state=SenderState.ABORTED, refusal=code, attempts=0)
    if hold_state != "placed":
        return replace(settlement, state=SenderState.EXPIRED, refusal="hold_expired", attempts=0)
    return replace(settlement, state=SenderState.HELD, attempts=0)


def after_cancel(settlement: Outgoing, hold_state: str) -> Outgoing:
    """Return the settlement after the one who ordered it gave it up and the books were asked to free the hold.

    Args:
        settlement: not yet captured.
        hold_state: how the hold stands then, empty where there is none.
    Raises:
        NotCancellableError: the money was taken, which a crash may have kept from the records.
    """
    _require(settlement, SenderState.ORDERED, SenderState.HELD, SenderState.PREPARED)
    if hold_state == "captured":
        raise NotCancellableError(f"settlement {settlement.settlement_id}: its money was taken; ask for a return")
    # The partner may have agreed in an answer that was lost.
    return replace(settlement, state=SenderState.ABORTED, refusal=CANCELLED, abort_due=True, attempts=0)


def after_prepare(settlement: Outgoing, agreed_reference: str, refusal: str) -> Outgoing:
    """Return the settlement after the partner answered Prepare; a refusal's hold has been released before."""
    _require(settlement, SenderState.HELD)
    if refusal:
        return replace(settlement, state=SenderState.ABORTED, refusal=refusal, attempts=0)
    return replace(settlement, state=SenderState.PREPARED, agreed_reference=agreed_reference, attempts=0)


def after_expiry(settlement: Outgoing) -> Outgoing:
    """Return the settlement after its held money was given back because the partner did not agree in time."""
    _require(settlement, SenderState.HELD)
    # The partner may have agreed in an answer that was lost.
    return replace(settlement, state=SenderState.EXPIRED, refusal="deadline_passed", abort_due=True, attempts=0)


def after_capture(settlement: Outgoing, code: str, seq: int | None) -> Outgoing:
    """Return the settlement after the books were asked to spend the held money; when refused, it is free again."""
    _require(settlement, SenderState.PREPARED)
    if code in POSTED:
        return replace(settlement, state=SenderState.CAPTURED, seq=seq, attempts=0)
    state = SenderState.EXPIRED if code in HOLD_GONE else SenderState.ABORTED
    return replace(settlement, state=state, refusal=code, abort_due=True, attempts=0)


def after_complete(settlement: Outgoing, partner_seq: int | None, refusal: str) -> Outgoing:
    """Return the settlement after the partner's final answer to Complete."""
    _require(settlement, SenderState.CAPTURED)
    if refusal:
        return replace(settlement, refusal=refusal, attempts=0)
    return replace(settlement, state=SenderState.COMPLETED, partner_seq=partner_seq, attempts=0)


def after_return(settlement: Outgoing, seq: int) -> Outgoing:
    """Return the settlement after the money was given back by an entry of its own."""
    _require(settlement, SenderState.CAPTURED)
    if not settlement.refusal:
        raise TransitionError(f"settlement {settlement.settlement_id}: returned without the partner's refusal")
    return replace(settlement, state=SenderState.RETURNED, return_seq=seq, attempts=0)


def after_abort_notice(settlement: Outgoing) -> Outgoing:
    """Return the settlement after the partner knows that it will not come."""
    _require(settlement, SenderState.ABORTED, SenderState.EXPIRED)
    return replace(settlement, abort_due=False, attempts=0)


def after_failure(settlement: Outgoing) -> Outgoing:
    """Return the settlement after a step that could not be done now."""
    return replace(settlement, attempts=settlement.attempts + 1)


def _require(settlement: Outgoing, *states: SenderState) -> None:
    if settlement.state not in states:
        raise TransitionError(
            f"settlement {settlement.settlement_id}: state {settlement.state}, expected {' or '.join(states)}"
        )
