"""A settled payment on its way to the shared ledger: what is to be done next, without any I/O.

    completed in the books ──▶ proposed, by the sender ──▶ agreed, by the receiver ──▶ settled or netted

- The sender proposes and anchors his booking with it; the receiver compares with what he was told and booked, agrees,
  and anchors his.
- The shared ledger alone says how far an obligation is. What is remembered here only saves asking.
- Ids follow from the settlement and the salt is kept before it is used, so a step repeated after a crash finds what it
  did before.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from network.obligation import ObligationDetails, obligation_id_of

PAUSE_FIRST_S = 1.0
PAUSE_MAX_S = 60.0
LOOK_FIRST_S = 60.0
LOOK_MAX_S = 3600.0
"""Between two looks at an obligation on which nothing is to be done: whatever happens to it is told by an event, and a
look finds what was missed."""

FINAL_STATES = frozenset({"settled", "returned", "cancelled", "expired"})

DEADLINE = timedelta(days=365)
"""How long the partner has to agree to a payment that was made; what he did not agree to by then is proposed anew."""


class Step(enum.Enum):
    """What this bank must do next."""

    PROPOSE = "propose"
    AGREE = "agree"
    BOOK = "book"
    WAIT = "wait"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A completed settlement and how its obligation stands.

    Args:
        outgoing: whether this bank paid.
        partner_msp_id: the other bank.
        settlement_id: shared by both banks.
        asset: code.
        amount: minor units, as agreed between the banks.
        seq: this bank's entry.
        completed_at: when the settlement was completed here.
        obligation_id: on the shared ledger; None before it was first worked on.
        salt: of the details this bank proposes; None where the other proposes.
        value_date: of the details this bank proposes.
        state: on the shared ledger, as last seen; empty for not there.
        books: what the shared ledger says about the bookings, as last seen.
        note: why the last try did not work; empty when it did.
        attempts: tries, or looks, since the last change.
    """

    outgoing: bool
    partner_msp_id: str
    settlement_id: str
    asset: str
    amount: int
    seq: int
    completed_at: datetime
    obligation_id: str | None = None
    salt: bytes | None = None
    value_date: date | None = None
    state: str = ""
    books: str = ""
    note: str = ""
    attempts: int = 0

    @property
    def account(self) -> str:
        """The account between the banks that this bank's entry must have moved."""
        kind = "vostro" if self.outgoing else "nostro"
        return f"{kind}-{self.partner_msp_id}-{self.asset}"

    def sender(self, own_msp_id: str) -> str:
        """Return who paid."""
        return own_msp_id if self.outgoing else self.partner_msp_id

    def details(self, own_msp_id: str) -> ObligationDetails:
        """Return what this bank proposes."""
        assert self.salt is not None
        assert self.value_date is not None
        return ObligationDetails(
            own_msp_id, self.partner_msp_id, self.asset, self.amount, self.value_date, self.settlement_id, self.salt
        )


def identified(recorded: Recorded, own_msp_id: str, salt: bytes, today: date) -> Recorded:
    """Return the obligation with its id for ever, and with salt and value date where this bank proposes."""
    if recorded.obligation_id is not None:
        return recorded
    obligation_id = obligation_id_of(recorded.sender(own_msp_id), recorded.settlement_id)
    if not recorded.outgoing:
        return replace(recorded, obligation_id=obligation_id)
    return replace(recorded, obligation_id=obligation_id, salt=salt, value_date=today)


def next_step(recorded: Recorded, record: Mapping[str, Any] | None, own_msp_id: str, now: str) -> Step:
    """Return what this bank must do.

    Args:
        recorded: the settlement.
        record: the obligation's public record; None where the shared ledger has none.
        own_msp_id: this bank.
        now: time, in the form of the ledger's.
    """
    if record is None:
        return Step.PROPOSE if recorded.outgoing else Step.WAIT
    if record["state"] in FINAL_STATES:
        return Step.NOTHING
    if record["state"] == "proposed":
        own, late = record["proposer"] == own_msp_id, now > record["deadline"]
        if late:
            return Step.PROPOSE if own and recorded.outgoing else Step.WAIT
        return Step.WAIT if own else Step.AGREE
    return Step.NOTHING if own_msp_id in record["bookings"] else Step.BOOK


def seen(recorded: Recorded, record: Mapping[str, Any]) -> Recorded:
    """Return the obligation as the shared ledger has it."""
    changed = (recorded.state, recorded.books) != (record["state"], record["books"])
    attempts = 0 if changed else recorded.attempts + 1
    return replace(recorded, state=record["state"], books=record["books"], attempts=attempts, note="")


def failed(recorded: Recorded, reason: str) -> Recorded:
    """Return the obligation after a try that did not work."""
    return replace(recorded, attempts=recorded.attempts + 1, note=reason[:500])


def next_day(recorded: Recorded, today: date) -> Recorded:
    """Return the obligation with a later value date, because the partner takes no more for this one."""
    assert recorded.value_date is not None
    return replace(recorded, value_date=max(recorded.value_date + timedelta(days=1), today), note="")


def pause(recorded: Recorded) -> timedelta:
    """Return how long to wait before the next try or look; doubling up to a minute, or an hour where all is done."""
    tries = 2 ** min(max(recorded.attempts - 1, 0), 20)
    if recorded.state in ("agreed", "netting") and not recorded.note:
        return timedelta(seconds=min(LOOK_FIRST_S * tries, LOOK_MAX_S))
    return timedelta(seconds=min(PAUSE_FIRST_S * tries, PAUSE_MAX_S))


def disagreement(recorded: Recorded, details: ObligationDetails, own_msp_id: str) -> str:
    """Return in what a partner's proposal differs from what this bank was told and booked; empty for nothing."""
    wanted = (recorded.partner_msp_id, own_msp_id, recorded.asset, recorded.amount, recorded.settlement_id)
    given = (details.debtor, details.creditor, details.asset, details.amount, details.reference)
    names = ("debtor", "creditor", "asset", "amount", "reference")
    wrong = [
        f"{name} {got} instead of {want}" for name, got, want in zip(names, given, wanted, strict=True) if got != want
    ]
    return f"the partner proposes {', '.join(wrong)}" if wrong else ""
