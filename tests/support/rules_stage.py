"""The bare rules as a stage: ``ledger.batch`` judges on a copy of books that stand nowhere. No database."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ledger.account import AccountFacts, Side
from ledger.batch import BatchJudge
from ledger.hold import HoldRelease
from ledger.journal import ResultCode
from ledger.money import Asset
from ledger.prepared import PreparedBatch, Surroundings
from ledger.state import CLOSED, FROZEN, OPEN, PLACED, AccountState, HoldState, State
from tests.support.accounting_table import START
from tests.support.ledger_model import Account, Answer, Entry, Request
from tests.support.ledger_stage import Real, real_request

STATUS = {"open": OPEN, "frozen": FROZEN, "closed": CLOSED}
ASSETS = {"EUR": 1, "USD": 2}


class RulesStage:
    """Judges as the writer does, and takes every answer for committed."""

    def __init__(self) -> None:
        self.state = State(next_seq=1, closed_before=None)
        self.now = START
        self._recent: dict[int, int] = {}
        self._batches: list[PreparedBatch] = []
        self._closes: list[datetime] = []
        self._numbers = 0

    def open_account(self, name: str, account: Account) -> None:
        opened = self._opened(name, account, self.state.add_account)
        parts = [f"{name}#{number:02}" for number in range(1, account.stripes + 1)]
        if parts:
            self.state.stripe(opened, [self._opened(part, account, self.state.add_stripe) for part in parts])

    def _opened(self, name: str, account: Account, add: Callable[..., AccountState]) -> AccountState:
        self._numbers += 1
        facts = AccountFacts(self._numbers, name, Asset(account.asset, 2), Side[account.normal_side.upper()])
        return add(
            facts,
            ASSETS[account.asset],
            status=STATUS[account.status],
            balance=0,
            held=0,
            floor=account.floor,
            overdraft=account.overdraft,
            ceiling=account.ceiling,
            terms=0,
            last_seq=0,
            posting_count=0,
        )

    def post(self, requests: Sequence[Request]) -> list[Answer]:
        batch = self._judge([real_request(request) for request in requests])
        self._batches.append(batch)
        return self._answers(requests, batch)

    def dry_run(self, requests: Sequence[Request]) -> list[Answer]:
        first_seq, recent = self.state.next_seq, dict(self._recent)
        self.state.undo = []
        batch = self._judge([real_request(request) for request in requests])
        answers = self._answers(requests, batch)
        self.state.take_back()
        self.state.undo = None
        self.state.next_seq = first_seq
        self._recent = recent
        return answers

    def _judge(self, requests: Sequence[Real]) -> PreparedBatch:
        batch = PreparedBatch(1, requests, self.now, self.state.next_seq)
        around = Surroundings({}, self._recent, self._batches, {})
        judge = BatchJudge(self.state, batch, around)
        judge.run()
        self._repeats = dict(judge._repeats)
        return batch

    def _answers(self, requests: Sequence[Request], batch: PreparedBatch) -> list[Answer]:
        posted = {at: batch.first_seq + number for number, at in enumerate(batch.places)}
        answers = []
        for at, (request, result) in enumerate(zip(requests, batch.results, strict=True)):
            seq = posted.get(at) if isinstance(request, Entry) else None
            if at in self._repeats:
                answers.append(Answer("exists", self._repeats[at]))
            else:
                answers.append(Answer(result.code.text, seq))
        return answers

    def holds(self) -> list[HoldState]:
        """Return the holds that the rules know."""
        found = [self.state.hold(uuid.UUID(int=number)) for number in self.state.holds]
        return [hold for hold in found if hold is not None]

    def expire_holds(self) -> int:
        due = [hold for hold in self.holds() if hold.state == PLACED and hold.expires_at <= self.now]
        batch = self._judge([HoldRelease(hold.id) for hold in due])
        assert all(result.code is ResultCode.HOLD_EXPIRED for result in batch.results)
        return len(due)

    def set_terms(self, name: str, terms: dict[str, int | str | None]) -> str:
        """Change terms as ``ledger.set_account_terms`` does in the database."""
        account = self.state.accounts.get(name)
        if account is None:
            return "account_not_found"
        given = {key: STATUS[str(value)] if key == "status" else value for key, value in terms.items()}
        before = {key: getattr(account, key) for key in ("status", "floor", "overdraft", "ceiling")}
        after = before | given
        if after == before:
            return "unchanged"
        if after["status"] == CLOSED and (account.balance != 0 or account.held != 0):
            return "account_not_empty"
        if account.stripes and (after["floor"] not in (0, None) or after["overdraft"] or after["ceiling"] is not None):
            return "account_striped"
        if after["floor"] is not None and any(stripe.balance < after["floor"] for stripe in account.stripes):
            return "below_floor"
        if after["floor"] is not None and account.balance - account.held < after["floor"] - after["overdraft"]:
            return "below_floor"
        if after["ceiling"] is not None and account.balance > after["ceiling"]:
            return "above_ceiling"
        for each in (account, *account.stripes):
            for key, value in after.items():
                setattr(each, key, value)
            each.bound()
        return "changed"

    def close_period(self, before: datetime) -> str:
        """Close as ``ledger.close_period`` does in the database."""
        if before > self.now:
            return "not_over_yet"
        if self._closes and before <= self._closes[-1]:
            return "not_after_last"
        self._closes.append(before)
        self.state.closed_before = before
        return "closed"

    def reopen_period(self) -> str:
        if not self._closes:
            return "period_not_found"
        if self.state.archived_seq:
            return "archived"
        self._closes.pop()
        self.state.closed_before = self._closes[-1] if self._closes else None
        return "reopened"

    def archive_all(self) -> int:
        """The rules are told up to where: all but the newest, once a period is closed after them, as in the tables."""
        self.state.archived_seq = self.state.next_seq - 2 if self._closes else 0
        return self.state.archived_seq

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def money(self, name: str) -> tuple[int, int]:
        account = self.state.accounts[name]
        return account.balance, account.held
