"""The bare rules give what the model gives, whatever is asked and however it is gathered into batches.

Method: hypothesis draws commands; ``ledger.batch`` judges them on its copy of the books, the model on its lists, and
after each command codes, numbers, balances, held money and holds must be equal. No database.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.state import HOLD_STATES
from tests.support.ledger_commands import ACCOUNTS, Idea, Planner, after_days, batches, names, terms
from tests.support.ledger_commands import NAMES as ACCOUNT_NAMES
from tests.support.ledger_model import LedgerModel, Request, chains_of
from tests.support.ledger_stage import ModelStage, key_of
from tests.support.rules_stage import RulesStage

calls = st.tuples(st.just("call"), batches)
commands = st.one_of(
    calls,
    calls,
    calls,
    st.tuples(st.just("rehearse"), batches),
    st.tuples(st.just("wait"), st.integers(0, 4)),
    st.tuples(st.just("sweep"), st.none()),
    st.tuples(st.just("terms"), st.tuples(names, terms)),
    st.tuples(st.just("close"), st.integers(-35, 2)),
    st.tuples(st.just("reopen"), st.none()),
)


class Pair:
    """Rules and model side by side."""

    def __init__(self) -> None:
        self.rules, self.truth = RulesStage(), ModelStage()
        for name, account in ACCOUNTS.items():
            self.rules.open_account(name, account)
            self.truth.open_account(name, account)
        self.planner = Planner(self.truth.model)

    def run(self, name: str, what: Any) -> None:
        for_both = (self.rules, self.truth)
        match name:
            case "call":
                self._post(self._plan(what))
            case "rehearse":
                requests = self._plan(what)
                got, wanted = (stage.dry_run(requests) for stage in for_both)
                assert got == wanted
            case "wait":
                for stage in for_both:
                    stage.wait(what)
            case "sweep":
                got_count, wanted_count = (stage.expire_holds() for stage in for_both)
                assert got_count == wanted_count
            case "terms":
                got_code, wanted_code = (stage.set_terms(ACCOUNT_NAMES[what[0]], what[1]) for stage in for_both)
                assert got_code == wanted_code
            case "close":
                got_code, wanted_code = (stage.close_period(after_days(what)) for stage in for_both)
                assert got_code == wanted_code
            case "reopen":
                got_code, wanted_code = (stage.reopen_period() for stage in for_both)
                assert got_code == wanted_code
        self.compare()

    def _plan(self, drawn: list[Idea]) -> list[Request]:
        return self.planner.plan(drawn, self.truth.now)

    def _post(self, requests: list[Request]) -> None:
        wanted = self.truth.post(requests)
        got = self.rules.post(requests)
        assert [*zip(requests, got, strict=True)] == [*zip(requests, wanted, strict=True)]

    def compare(self) -> None:
        for name in ACCOUNTS:
            assert (name, self.rules.money(name)) == (name, self.truth.money(name))
        got = {hold.id: (HOLD_STATES[hold.state], hold.captured) for hold in self.rules.holds()}
        assert got == {key_of(n): (hold.state, hold.captured) for n, hold in self.truth.model.holds.items()}


@settings(max_examples=400, deadline=None)
@given(script=st.lists(commands, min_size=1, max_size=12))
def test_rules_give_what_the_model_gives(script: list[tuple[str, Any]]) -> None:
    pair = Pair()
    for name, what in script:
        pair.run(name, what)


@settings(max_examples=200, deadline=None)
@given(drawn=st.lists(batches, min_size=1, max_size=6))
def test_batches_give_what_their_requests_give_one_by_one(drawn: list[list[Idea]]) -> None:
    model = ModelStage()
    together, alone = RulesStage(), RulesStage()
    for name, account in ACCOUNTS.items():
        for stage in (model, together, alone):
            stage.open_account(name, account)
    planner = Planner(model.model)
    every: list[Request] = []
    for batch in drawn:
        requests = planner.plan(batch, model.now)
        model.post(requests)
        every += requests
    answers = together.post(every)
    one_by_one = [answer for chain in chains_of(every) for answer in alone.post(chain)]
    assert answers == one_by_one
    assert [together.money(name) for name in ACCOUNTS] == [alone.money(name) for name in ACCOUNTS]


@settings(max_examples=100, deadline=None)
@given(drawn=st.lists(batches, min_size=1, max_size=5), known=st.integers(0, 40), effective=st.integers(-45, 45))
def test_model_conserves_money_at_any_pair_of_times(drawn: list[list[Idea]], known: int, effective: int) -> None:
    stage = ModelStage()
    for name, account in ACCOUNTS.items():
        stage.open_account(name, account)
    planner = Planner(stage.model)
    for batch in drawn:
        stage.post(planner.plan(batch, stage.now))
        stage.wait(10)
    assert set(stage.model.trial_balance().values()) == {0}
    for asset in ("EUR", "USD"):
        assert _debit_less_credit(stage.model, asset, stage.now, after_days(effective)) == 0
    for name, account in stage.model.accounts.items():
        lines = stage.model.statement(name)
        assert stage.model.balance(name) == (lines[-1][3] if lines else 0)
        if account.available_least is not None:
            assert stage.model.available(name) >= account.available_least
        if account.ceiling is not None:
            assert stage.model.balance(name) <= account.ceiling


def _debit_less_credit(model: LedgerModel, asset: str, known_at: datetime, effective_at: datetime) -> int:
    return sum(
        model.balance(name, known_at=known_at, effective_at=effective_at)
        * (1 if account.normal_side == "debit" else -1)
        for name, account in model.accounts.items()
        if account.asset == asset
    )
