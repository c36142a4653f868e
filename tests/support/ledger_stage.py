"""Where commands are played: one door for the model, the bare rules and the real books, so that all get the same.

The model speaks in plain words and numbers; here they become requests of the books, and answers come back.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from ledger.account import Side
from ledger.hold import HoldRelease, NewHold
from ledger.journal import NewEntry, Posting
from tests.support.accounting_table import START, Archive, Case, ClosePeriod, ReopenPeriod, SetTerms, Step, Sweep, Wait
from tests.support.ledger_model import Account, Answer, Entry, LedgerModel, Place, Release, Request

Real = NewEntry | NewHold | HoldRelease


class Stage(Protocol):
    """Books that take commands."""

    def open_account(self, name: str, account: Account) -> None: ...

    def post(self, requests: Sequence[Request]) -> list[Answer]: ...

    def dry_run(self, requests: Sequence[Request]) -> list[Answer]: ...

    def expire_holds(self) -> int: ...

    def set_terms(self, name: str, terms: dict[str, int | str | None]) -> str: ...

    def close_period(self, before: datetime) -> str: ...

    def reopen_period(self) -> str: ...

    def archive_all(self) -> int: ...

    def wait(self, seconds: int) -> None: ...

    def money(self, name: str) -> tuple[int, int]:
        """Balance and held money."""
        ...


class ModelStage:
    """The model with a clock."""

    def __init__(self) -> None:
        self.model = LedgerModel()
        self.now = START

    def open_account(self, name: str, account: Account) -> None:
        self.model.open_account(name, account)

    def post(self, requests: Sequence[Request]) -> list[Answer]:
        return self.model.post(list(requests), self.now)

    def dry_run(self, requests: Sequence[Request]) -> list[Answer]:
        return self.model.dry_run(list(requests), self.now)

    def expire_holds(self) -> int:
        return self.model.expire_holds(self.now)

    def set_terms(self, name: str, terms: dict[str, int | str | None]) -> str:
        return self.model.set_terms(name, **terms)

    def close_period(self, before: datetime) -> str:
        return self.model.close_period(before, self.now)

    def reopen_period(self) -> str:
        return self.model.reopen_period()

    def archive_all(self) -> int:
        return self.model.archive_all()

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def money(self, name: str) -> tuple[int, int]:
        return self.model.balance(name), self.model.held(name)


# Translation ----------------------------------------------------------------------------------------------------------


def key_of(number: int) -> uuid.UUID:
    """The key that stands for a number of the model."""
    return uuid.UUID(int=number)


def real_key(request: Request) -> uuid.UUID:
    """The key of an entry, or the id of the hold that is placed or released."""
    return key_of(request.key if isinstance(request, Entry) else request.hold)


def real_request(request: Request) -> Real:
    """Return a request of the model as the books take it."""
    if isinstance(request, Place):
        return NewHold(key_of(request.hold), request.account, request.amount, request.deadline, request.linked)
    if isinstance(request, Release):
        return HoldRelease(key_of(request.hold), request.linked)
    return NewEntry(
        key_of(request.key),
        tuple(Posting(leg.account, Side[leg.side.upper()], leg.amount) for leg in request.legs),
        effective_at=request.effective_at,
        settlement_id=request.settlement_id,
        description=request.description,
        hold_id=None if request.hold is None else key_of(request.hold),
        hold_final=request.hold_final,
        linked=request.linked,
        reverses=request.reverses,
        actor=request.actor,
        metadata=request.metadata,
    )


# Playing tables -------------------------------------------------------------------------------------------------------


def play(case: Case, stage: Stage, *, one_by_one: bool) -> None:
    """Play a case and compare codes and balances; linked rows always go in one call.

    Args:
        one_by_one: whether each request, or chain, is a call of its own; otherwise as many as possible go together.
    """
    for name, account in case.accounts.items():
        stage.open_account(name, account)
    waiting: list[Step] = []
    for step, follower in zip(case.steps, [*case.steps[1:], None], strict=True):
        if isinstance(step.command, Request):
            waiting.append(step)
            more = follower is not None and isinstance(follower.command, Request)
            if more and (step.command.linked or not one_by_one):
                continue
            _play_call(waiting, stage)
            waiting = []
        else:
            assert _play_command(step, stage) == step.code, step
        for name, money in step.money.items():
            assert stage.money(name) == money, (step.command, name)


def _play_call(steps: list[Step], stage: Stage) -> None:
    requests = [step.command for step in steps if isinstance(step.command, Entry | Place | Release)]
    rehearsed = stage.dry_run(requests)
    answers = stage.post(requests)
    for step, answer in zip(steps, answers, strict=True):
        assert answer.code == step.code, step.command
    assert rehearsed == answers


def _play_command(step: Step, stage: Stage) -> str:
    match step.command:
        case SetTerms(name, terms):
            return stage.set_terms(name, terms)
        case ClosePeriod(before):
            return stage.close_period(before)
        case ReopenPeriod():
            return stage.reopen_period()
        case Wait(seconds):
            stage.wait(seconds)
            return "waited"
        case Archive():
            return f"up to #{stage.archive_all()}"
        case Sweep():
            return str(stage.expire_holds())
    raise AssertionError(step)
