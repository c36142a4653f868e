"""The books as a pure Python model: one entry after the other, no SQL, written from docs/result-codes.md alone."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from ledger.account import Side
from ledger.hold import NewHold
from ledger.journal import NewEntry, ResultCode
from ledger.money import AMOUNT_MAX


@dataclass
class ModelAccount:
    asset: str
    normal_side: Side
    floor: int | None
    status: str = "open"
    balance: int = 0
    held: int = 0
    lines: list[tuple[int, int]] = field(default_factory=list)
    """Sequence number and balance after, oldest first."""


@dataclass
class ModelHold:
    body: NewHold
    state: str = "placed"
    entry_seq: int | None = None


class BooksModel:
    """Every rule of posting, the slow and obvious way."""

    def __init__(self) -> None:
        self.accounts: dict[str, ModelAccount] = {}
        self.entries: list[NewEntry] = []
        self.by_key: dict[uuid.UUID, int] = {}
        self.holds: dict[uuid.UUID, ModelHold] = {}

    def post(self, entry: NewEntry, now: datetime) -> tuple[ResultCode, int | None]:
        known = self.by_key.get(entry.key)
        if known is not None:
            if self.entries[known - 1] == entry:
                return ResultCode.EXISTS, known
            return ResultCode.EXISTS_WITH_DIFFERENT_BODY, None
        code = self._refusal(entry, now)
        if code is not None:
            return code, None
        self.entries.append(entry)
        seq = len(self.entries)
        self.by_key[entry.key] = seq
        if entry.hold_id is not None:
            hold = self.holds[entry.hold_id]
            hold.state, hold.entry_seq = "captured", seq
            self.accounts[hold.body.account].held -= hold.body.amount
        for posting in entry.postings:
            account = self.accounts[posting.account]
            account.balance += posting.amount if posting.side is account.normal_side else -posting.amount
            account.lines.append((seq, account.balance))
        return ResultCode.POSTED, seq

    def _refusal(self, entry: NewEntry, now: datetime) -> ResultCode | None:
        names = [posting.account for posting in entry.postings]
        if any(name not in self.accounts for name in names):
            return ResultCode.ACCOUNT_NOT_FOUND
        if not self._is_balanced(entry):
            return ResultCode.UNBALANCED
        if entry.hold_id is not None:
            code = self._hold_refusal(entry, now)
            if code is not None:
                return code
        statuses = {self.accounts[name].status for name in names}
        if "closed" in statuses:
            return ResultCode.ACCOUNT_CLOSED
        if "frozen" in statuses:
            return ResultCode.ACCOUNT_FROZEN
        changes = {name: self.change(entry, name) for name in names}
        if any(abs(self.accounts[name].balance + change) > AMOUNT_MAX for name, change in changes.items()):
            return ResultCode.BALANCE_OVERFLOW
        freed = self.holds[entry.hold_id].body if entry.hold_id is not None else None
        for name, change in changes.items():
            account = self.accounts[name]
            held = account.held - (freed.amount if freed is not None and freed.account == name else 0)
            if account.floor is not None and account.balance + change - held < account.floor:
                return ResultCode.EXCEEDS_AVAILABLE
        return None

    def _hold_refusal(self, entry: NewEntry, now: datetime) -> ResultCode | None:
        assert entry.hold_id is not None
        hold = self.holds.get(entry.hold_id)
        if hold is None:
            return ResultCode.HOLD_NOT_FOUND
        if hold.state == "expired" or (hold.state == "placed" and hold.body.expires_at <= now):
            return ResultCode.HOLD_EXPIRED
        if hold.state != "placed":
            return ResultCode.HOLD_NOT_PLACED
        if self.change(entry, hold.body.account) != -hold.body.amount:
            return ResultCode.HOLD_MISMATCH
        return None

    def change(self, entry: NewEntry, name: str) -> int:
        side = self.accounts[name].normal_side
        own = [posting for posting in entry.postings if posting.account == name]
        return sum(posting.amount if posting.side is side else -posting.amount for posting in own)

    def _is_balanced(self, entry: NewEntry) -> bool:
        totals: dict[str, int] = {}
        for posting in entry.postings:
            asset = self.accounts[posting.account].asset
            signed = posting.amount if posting.side is Side.DEBIT else -posting.amount
            totals[asset] = totals.get(asset, 0) + signed
        return not any(totals.values())

    def place_hold(self, hold: NewHold, now: datetime) -> str:
        known = self.holds.get(hold.id)
        if known is not None:
            return "exists" if known.body == hold else "exists_with_different_body"
        account = self.accounts.get(hold.account)
        if account is None:
            return "account_not_found"
        if account.status != "open":
            return f"account_{account.status}"
        if hold.expires_at <= now:
            return "deadline_passed"
        if account.held + hold.amount > AMOUNT_MAX or account.balance - account.held - hold.amount < -AMOUNT_MAX:
            return "balance_overflow"
        if account.floor is not None and account.balance - account.held - hold.amount < account.floor:
            return "exceeds_available"
        self.holds[hold.id] = ModelHold(hold)
        account.held += hold.amount
        return "placed"

    def release_hold(self, hold_id: uuid.UUID, now: datetime) -> str:
        hold = self.holds.get(hold_id)
        if hold is None:
            return "hold_not_found"
        if hold.state != "placed":
            return {"released": "exists", "expired": "hold_expired", "captured": "hold_not_placed"}[hold.state]
        late = hold.body.expires_at <= now
        hold.state = "expired" if late else "released"
        self.accounts[hold.body.account].held -= hold.body.amount
        return "hold_expired" if late else "released"

    def expire_holds(self, now: datetime) -> int:
        due = [hold for hold in self.holds.values() if hold.state == "placed" and hold.body.expires_at <= now]
        for hold in due:
            hold.state = "expired"
            self.accounts[hold.body.account].held -= hold.body.amount
        return len(due)
