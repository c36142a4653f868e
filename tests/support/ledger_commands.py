"""Ideas of requests that hypothesis draws, and what becomes of them on the books as they stand.

An idea is a few small numbers, so that a failing example stays small; only here does it become a request that has a
chance: a reversal that mirrors an entry, a capture that takes part of a hold, the same request again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from hypothesis import strategies as st

from ledger.errors import InvalidValueError
from tests.support.accounting_table import START
from tests.support.ledger_model import AMOUNT_MAX, Account, Entry, LedgerModel, Leg, Place, Release, Request
from tests.support.ledger_stage import real_request

ACCOUNTS = {
    "cash": Account("EUR", "debit", floor=None),
    "alice": Account("EUR", "credit"),
    "bob": Account("EUR", "credit"),
    "dave": Account("EUR", "credit", overdraft=40),
    "till": Account("EUR", "debit", ceiling=60),
    "jar": Account("EUR", "credit", floor=None, ceiling=50),
    "dollars": Account("USD", "debit", floor=None),
    "carol": Account("USD", "credit"),
}
NAMES = [*ACCOUNTS, "nobody"]

SIDES = ("debit", "credit")


class Fresh(NamedTuple):
    """A new entry; a transfer where it has two legs of the same amount on two sides."""

    key: int
    legs: tuple[tuple[int, int, int], ...]
    days: int | None
    extra: int
    hold: int | None
    reverses: int | None
    linked: bool


class Again(NamedTuple):
    """A request of before: as it was, with another amount (1), or linked otherwise (2)."""

    number: int
    other: int


class Mirror(NamedTuple):
    """Takes back the whole or a part of an entry."""

    key: int
    number: int
    percent: int
    days: int | None
    linked: bool


class Capture(NamedTuple):
    """Takes of a hold what remains, or so many per cent of it."""

    key: int
    hold: int
    percent: int
    towards: int
    final: bool
    linked: bool


class Hold(NamedTuple):
    hold: int
    account: int
    amount: int
    seconds: int
    linked: bool


class Free(NamedTuple):
    hold: int
    linked: bool


Idea = Fresh | Again | Mirror | Capture | Hold | Free

names = st.integers(0, len(NAMES) - 1)
amounts = st.one_of(st.integers(1, 60), st.integers(1, 60), st.sampled_from([AMOUNT_MAX, AMOUNT_MAX - 1]))
keys = st.integers(1, 60)
holds = st.integers(1, 6)
days = st.one_of(st.none(), st.none(), st.integers(-40, 5))
linked = st.sampled_from([False, False, False, True])
percents = st.sampled_from([100, 100, 50, 30, 101, 200])

transfer_legs = st.tuples(names, names, amounts).map(lambda t: ((t[0], 0, t[2]), (t[1], 1, t[2])))
any_legs = st.lists(st.tuples(names, st.integers(0, 1), st.integers(1, 20)), min_size=2, max_size=5).map(tuple)
split_legs = st.tuples(names, names, names, st.integers(1, 30), st.integers(1, 30)).map(
    lambda t: ((t[0], 0, t[3] + t[4]), (t[1], 1, t[3]), (t[2], 1, t[4]))
)

fresh_legs = st.one_of(transfer_legs, transfer_legs, split_legs, any_legs)
fresh = st.builds(Fresh, keys, fresh_legs, days, st.integers(0, 12), st.none(), st.none(), linked)
odd = st.builds(
    Fresh, keys, transfer_legs, days, st.just(0), st.one_of(st.none(), holds), st.one_of(st.none(), st.integers(1, 30)),
    linked,
)  # fmt: skip
ideas: st.SearchStrategy[Idea] = st.one_of(
    fresh,
    fresh,
    fresh,
    odd,
    st.builds(Again, st.integers(0, 99), st.sampled_from([0, 0, 1, 2])),
    st.builds(Mirror, keys, st.integers(0, 40), percents, days, linked),
    st.builds(Capture, keys, holds, percents, names, st.booleans(), linked),
    st.builds(Hold, holds, names, amounts, st.integers(0, 6), linked),
    st.builds(Free, holds, linked),
)
batches = st.lists(ideas, min_size=1, max_size=12)
terms = st.one_of(
    st.fixed_dictionaries({"floor": st.one_of(st.none(), st.integers(-30, 10))}),
    st.fixed_dictionaries({"overdraft": st.integers(0, 50)}),
    st.fixed_dictionaries({"ceiling": st.one_of(st.none(), st.integers(0, 90))}),
    st.fixed_dictionaries({"status": st.sampled_from(["open", "open", "frozen", "closed"])}),
)


def after_days(count: int) -> datetime:
    """A moment so many days from the beginning."""
    return START + timedelta(days=count)


@dataclass
class Planner:
    """Turns ideas into requests; remembers what was asked.

    Args:
        model: the books as they stand.
        now: the clock's moment for deadlines.
    """

    model: LedgerModel
    asked: list[Request] = field(default_factory=list)

    def plan(self, drawn: list[Idea], now: datetime) -> list[Request]:
        """Return the requests of one call; ideas that can never be right are left out."""
        requests: list[Request] = []
        for idea in drawn:
            request = self._request(idea, now, requests)
            if request is not None and _is_valid(request):
                requests.append(request)
        if requests and requests[-1].linked:
            requests[-1] = replace(requests[-1], linked=False)
        self.asked += requests
        return requests

    def _request(self, idea: Idea, now: datetime, before: list[Request]) -> Request | None:
        match idea:
            case Fresh():
                return self._fresh(idea)
            case Again(number, other):
                return self._again(number, other)
            case Mirror():
                return self._mirror(idea, before)
            case Capture():
                return self._capture(idea)
            case Hold(hold, account, amount, seconds, is_linked):
                return Place(hold, NAMES[account], amount, now + timedelta(seconds=seconds), is_linked)
            case Free(hold, is_linked):
                return Release(hold, is_linked)

    def _fresh(self, idea: Fresh) -> Entry:
        extra: dict[str, object] = {}
        if idea.extra & 1:
            extra["settlement_id"] = f"s-{idea.extra}"
        if idea.extra & 2:
            extra["description"] = "rent"
        if idea.extra & 4:
            extra["actor"] = "teller"
        if idea.extra & 8:
            extra["metadata"] = (("channel", "web"),)
        return Entry(
            idea.key,
            tuple(Leg(NAMES[account], SIDES[side], amount) for account, side, amount in idea.legs),
            effective_at=None if idea.days is None else after_days(idea.days),
            hold=idea.hold,
            reverses=idea.reverses,
            linked=idea.linked,
            **extra,  # type: ignore[arg-type]
        )

    def _again(self, number: int, other: int) -> Request | None:
        if not self.asked:
            return None
        request = self.asked[-1 - number % len(self.asked)]
        if other == 2:
            return replace(request, linked=not request.linked)
        if other == 1 and isinstance(request, Entry):
            return replace(request, legs=tuple(replace(leg, amount=leg.amount % 60 + 1) for leg in request.legs))
        if other == 1 and isinstance(request, Place):
            return replace(request, amount=request.amount % 60 + 1)
        return request

    def _mirror(self, idea: Mirror, before: list[Request]) -> Entry | None:
        """Take back an entry of the books, or one of the same call that should become the next."""
        entries = [posted.body for posted in self.model.entries]
        entries += [request for request in before if isinstance(request, Entry)]
        if not entries:
            return None
        place = -1 - idea.number % len(entries)
        legs = tuple(
            Leg(leg.account, SIDES[leg.side == "debit"], min(AMOUNT_MAX, max(1, leg.amount * idea.percent // 100)))
            for leg in entries[place].legs
        )
        when = None if idea.days is None else after_days(idea.days)
        return Entry(idea.key, legs, effective_at=when, reverses=len(entries) + place + 1, linked=idea.linked)

    def _capture(self, idea: Capture) -> Entry | None:
        hold = self.model.holds.get(idea.hold)
        if hold is None:
            return None
        amount = min(AMOUNT_MAX, max(1, (hold.remaining or hold.body.amount) * idea.percent // 100))
        side = self.model.accounts[hold.body.account].normal_side
        taken = Leg(hold.body.account, SIDES[side == "debit"], amount)
        given = Leg(NAMES[idea.towards], side, amount)
        return Entry(idea.key, (taken, given), hold=idea.hold, hold_final=idea.final, linked=idea.linked)


def _is_valid(request: Request) -> bool:
    try:
        real_request(request)
    except InvalidValueError:
        return False
    return True
