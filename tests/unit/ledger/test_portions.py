"""Plans are divided exactly, in a stated order, and what cannot be divided is refused with its place in the plan.

Method: tables of plans with the postings an accountant expects; properties over drawn amounts and fractions.
"""

from __future__ import annotations

import doctest
import itertools
import uuid
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import portions
from ledger.account import Side
from ledger.errors import InvalidValueError
from ledger.journal import NewEntry
from ledger.money import AMOUNT_MAX
from ledger.portions import DEPTH_MAX, KEPT, REST, Plan, allocate, at_most, in_order, parse_share, shares, split

amounts = st.one_of(st.integers(1, 1000), st.integers(1, AMOUNT_MAX))
weights = st.lists(st.integers(1, 10**6), min_size=1, max_size=20)

TABLE: list[tuple[int, Plan, Plan, str]] = [
    (800, "cash", "ann", "D cash 800 C ann 800"),
    (100, "cash", shares(("1/3", "ann"), ("1/3", "bob"), ("1/3", "cid")), "D cash 100 C ann 34 C bob 33 C cid 33"),
    (100, "cash", shares(("33.3%", "ann"), (REST, "bob")), "D cash 100 C ann 33 C bob 67"),
    (1, "cash", shares(("1/2", "ann"), ("1/2", "bob")), "D cash 1 C ann 1"),
    (1, "cash", shares(("49.99%", "ann"), (REST, "bob")), "D cash 1 C bob 1"),
    (7, "cash", shares(("100%", "ann"), (REST, "bob")), "D cash 7 C ann 7"),
    (800, in_order(at_most(500, "A"), "B"), "shop", "D A 500 D B 300 C shop 800"),
    (400, in_order(at_most(500, "A"), "B"), "shop", "D A 400 C shop 400"),
    (400, in_order(at_most(0, "A"), "B"), "shop", "D B 400 C shop 400"),
    (
        100,
        shares(("25%", "A"), (REST, "B")),
        shares(("10%", "fee"), (REST, "shop")),
        "D A 25 D B 75 C fee 10 C shop 90",
    ),
    (20, in_order(at_most(10, at_most(5, "A")), "B"), "shop", "D A 5 D B 15 C shop 20"),
    (900, "cash", in_order(at_most(300, "rent"), at_most(200, "food"), KEPT), "D cash 500 C rent 300 C food 200"),
    (100, shares(("1/4", KEPT), (REST, "A")), "shop", "D A 75 C shop 75"),
    (100, shares(("50%", "A"), ("50%", "B")), shares(("1/2", KEPT), (REST, "shop")), "D A 25 D B 25 C shop 50"),
    (100, "cash", shares(("1/2", in_order(at_most(20, "a"), "b")), (REST, "a")), "D cash 100 C a 70 C b 30"),
    (90, at_most(60, shares(("1/2", "a"), (REST, "b"))), "c", "refused debit: 30 minor units find no place"),
    (90, "c", at_most(60, "a"), "refused credit: 30 minor units find no place"),
    (90, "c", shares(("1/3", "a"), (REST, at_most(59, "b"))), "refused credit.shares[1]: 1 minor units of this share"),
    (90, "c", in_order("a", "b"), "refused credit.in_order[1]: can never be reached"),
    (90, "c", in_order(in_order(at_most(1, "a"), KEPT), "b"), "refused credit.in_order[1]: can never be reached"),
    (90, in_order(at_most(5, "a"), "x y"), "c", "refused debit.in_order[1]: use 1 to 64 letters"),
    (90, "c", shares(("1/2", "c"), (REST, "b")), "refused account: stands on both sides"),
    (90, in_order(at_most(5, "a"), KEPT), in_order(at_most(5, "b"), KEPT), "refused credit: only one of the sides"),
    (90, KEPT, "a", "refused amount_minor: everything is kept"),
    (0, "a", "b", "refused amount_minor: give 1 to"),
    (AMOUNT_MAX + 1, "a", "b", "refused amount_minor: give 1 to"),
]


@pytest.mark.parametrize(("amount", "debit", "credit", "expected"), TABLE, ids=lambda value: str(value)[:60])
def test_plan_gives_the_postings_an_accountant_expects(amount: int, debit: Plan, credit: Plan, expected: str) -> None:
    if not expected.startswith("refused"):
        postings = split(amount, debit=debit, credit=credit)
        assert " ".join(f"{leg.side.name[0]} {leg.account} {leg.amount}" for leg in postings) == expected
        assert NewEntry(uuid.UUID(int=1), postings).postings == postings
        return
    _, field, reason = expected.split(" ", 2)
    with pytest.raises(InvalidValueError) as refused:
        split(amount, debit=debit, credit=credit)
    assert f"{refused.value.field}:" == field
    assert refused.value.reason.startswith(reason)


@pytest.mark.parametrize(
    "text", ["", "1", "0/5", "3/2", "1/0", "0%", "100.1%", "-1/2", "1 /2", "1e1%", "0.5", "٣/٤", ".5%", "5.%"]
)
def test_share_that_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        parse_share(text, "shares[3]")
    assert refused.value.field == "shares[3]"


def test_first_account_that_stands_on_both_sides_is_named() -> None:
    debit, credit = in_order(at_most(5, "a"), at_most(5, "b"), "c"), in_order(at_most(1, "b"), "a")
    with pytest.raises(InvalidValueError) as refused:
        split(90, debit=debit, credit=credit)
    assert (refused.value.field, refused.value.value) == ("account", "a")


def test_fraction_that_is_no_share_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidValueError) as refused:
        shares(("1/2", "a"), (Fraction(3, 2), "b"))
    assert refused.value.field == "shares[1]"


def test_shares_are_exact() -> None:
    assert parse_share("0.1%") == Fraction(1, 1000)
    assert parse_share("100.000%") == 1
    assert parse_share("33.333333333333333333%") == Fraction(33333333333333333333, 10**20)
    assert parse_share("2/6") == Fraction(1, 3)


@pytest.mark.parametrize(
    "pairs",
    [
        [("1/2", "a"), ("1/3", "b")],
        [("2/3", "a"), ("1/2", "b")],
        [("2/3", "a"), ("1/2", "b"), (REST, "c")],
        [(REST, "a"), (REST, "b")],
        [(0.5, "a"), (0.5, "b")],
        [(Fraction(0), "a"), (REST, "b")],
        [],
    ],
)
def test_shares_that_do_not_make_the_whole_are_refused(pairs: list[tuple[object, Plan]]) -> None:
    with pytest.raises(InvalidValueError, match="shares"):
        shares(*pairs)  # type: ignore[arg-type]


def test_plan_too_deep_or_of_foreign_parts_is_refused() -> None:
    plan: Plan = "a"
    assert DEPTH_MAX == 16
    for _ in range(DEPTH_MAX):
        plan = at_most(AMOUNT_MAX, plan)
    assert len(split(AMOUNT_MAX, debit=plan, credit="b")) == 2
    plan = at_most(5, plan)
    with pytest.raises(InvalidValueError, match="inside one another"):
        split(1, debit=plan, credit="b")
    with pytest.raises(InvalidValueError, match=r"debit\.in_order\[0\]"):
        split(1, debit=in_order(7), credit="b")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="in_order"):
        in_order()
    for cap in (-1, AMOUNT_MAX + 1):
        with pytest.raises(InvalidValueError, match="at_most"):
            at_most(cap, "a")


@given(amount=amounts, weights=weights)
def test_parts_sum_to_the_whole_and_stand_within_one_unit_of_their_share(amount: int, weights: list[int]) -> None:
    fractions = [Fraction(weight, sum(weights)) for weight in weights]
    parts = allocate(amount, fractions)
    assert sum(parts) == amount
    for part, fraction in zip(parts, fractions, strict=True):
        assert abs(part - amount * fraction) < 1


@given(amount=amounts, weights=weights, data=st.data())
def test_another_order_of_shares_moves_units_only_between_equal_remainders(
    amount: int, weights: list[int], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(weights))))
    fractions = [Fraction(weight, sum(weights)) for weight in weights]
    straight = allocate(amount, fractions)
    shuffled = allocate(amount, [fractions[number] for number in order])
    changed = {number for place, number in enumerate(order) if shuffled[place] != straight[number]}
    assert len({(amount * fractions[number]) % 1 for number in changed}) <= 1


@given(amount=amounts, weights=weights)
def test_larger_share_never_gets_less(amount: int, weights: list[int]) -> None:
    fractions = [Fraction(weight, sum(weights)) for weight in weights]
    by_share = sorted(zip(fractions, allocate(amount, fractions), strict=True))
    for (smaller, less), (larger, more) in itertools.pairwise(by_share):
        assert less <= more or smaller == larger


@given(amount=amounts, count=st.integers(1, 30))
def test_equal_shares_give_their_spare_units_to_the_first(amount: int, count: int) -> None:
    parts = allocate(amount, [Fraction(1, count)] * count)
    spare = amount % count
    assert parts == (amount // count + 1,) * spare + (amount // count,) * (count - spare)


@given(amount=st.integers(1, 10**6), caps=st.lists(st.integers(0, 10**5), max_size=6), weights=weights)
def test_both_sides_of_any_plan_are_equal(amount: int, caps: list[int], weights: list[int]) -> None:
    debit = in_order(*(at_most(cap, f"d{number}") for number, cap in enumerate(caps)), "d")
    credit = shares(*((Fraction(weight, sum(weights)), f"c{number}") for number, weight in enumerate(weights)))
    postings = split(amount, debit=debit, credit=credit)
    for side in Side:
        assert sum(posting.amount for posting in postings if posting.side is side) == amount


def test_allocation_divides_nothing_and_refuses_what_is_no_whole() -> None:
    assert allocate(0, [Fraction(1, 3), Fraction(2, 3)]) == (0, 0)
    with pytest.raises(InvalidValueError, match="shares"):
        allocate(10, [Fraction(1, 2)])
    with pytest.raises(InvalidValueError, match="shares"):
        allocate(10, [Fraction(3, 2), Fraction(-1, 2)])
    with pytest.raises(InvalidValueError, match="amount_minor"):
        allocate(-1, [Fraction(1)])


def test_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(portions).failed == 0
