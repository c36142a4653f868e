"""Portions: the postings of an entry from one amount and a plan of who gives and who receives which part of it.

A plan is an account, or one of

- ``shares(("1/3", plan), ("12.5%", plan), (REST, plan))``: exact fractions of the amount that sum to the whole;
- ``in_order(plan, plan, ...)``: each takes what it can of what those before it left;
- ``at_most(500, plan)``: takes no more than so many minor units;
- ``KEPT``: what falls here is not posted at all, and the other side is divided over that much less.

Rules:
- no amount is lost or made: the parts of a division sum to what was divided, whatever the fractions;
- *largest remainder*: each share first gets its whole minor units; the units left over go, one each, to the shares with
  the largest fraction cut off, and among equals to the one that stands first. A share is so never a whole unit off;
- fractions are ``fractions.Fraction``; "0.1" of a float never comes near;
- the result names each account once, in the order in which the plan first names it; parts of nothing are left out.

An amount that finds no place, a share that cannot be, a part that nothing can reach: all are refused with the place in
the plan, as in ``credit.shares[1].at_most``. Left to others: whether an account has the money (``ledger.posting``); for
"what A has, the rest from B", give A's available balance as its ``at_most``.

After the example of Numscript's sources and destinations, as plain values.

>>> [(p.account, p.side.name, p.amount) for p in split(100, debit="rent", credit=shares(("1/3", "ann"), (REST, "bob")))]
[('rent', 'DEBIT', 100), ('ann', 'CREDIT', 33), ('bob', 'CREDIT', 67)]
>>> plan = in_order(at_most(500, "savings"), "current")
>>> [(p.account, p.amount) for p in split(800, debit=plan, credit="shop")]
[('savings', 500), ('current', 300), ('shop', 800)]
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final, Literal, TypeAlias

from ledger.account import Side, check_reference
from ledger.errors import InvalidValueError
from ledger.journal import Posting
from ledger.money import AMOUNT_MAX

DEPTH_MAX = 16
"""Most plans inside one another."""

_RATIO = re.compile(r"([0-9]{1,18})/([0-9]{1,18})")
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,18}))?%")


class _Word(Enum):
    REST = "the rest"
    KEPT = "kept"


REST: Final = _Word.REST
"""The share that takes what the other shares leave of the whole."""

KEPT: Final = _Word.KEPT
"""The plan that posts nothing."""


@dataclass(frozen=True, slots=True)
class AtMost:
    """A plan that takes no more than ``amount`` minor units; made by ``at_most``."""

    amount: int
    plan: Plan


@dataclass(frozen=True, slots=True)
class InOrder:
    """Plans of which each takes what those before it left; made by ``in_order``."""

    plans: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Shares:
    """Plans with a fraction of the whole for each; made by ``shares``."""

    fractions: tuple[Fraction, ...]
    plans: tuple[Plan, ...]


Plan: TypeAlias = "str | AtMost | InOrder | Shares | Literal[_Word.KEPT]"
"""Who takes which part of an amount; a string is an account's reference and takes everything."""


def parse_share(text: str, field: str = "share") -> Fraction:
    """Return the exact fraction a text such as ``"1/3"`` or ``"12.5%"`` names.

    Raises:
        InvalidValueError: another form, nothing, or more than the whole.

    >>> parse_share("12.5%")
    Fraction(1, 8)
    """
    if ratio := _RATIO.fullmatch(text):
        numerator, denominator = int(ratio[1]), int(ratio[2])
    elif percent := _PERCENT.fullmatch(text):
        decimals = percent[2] or ""
        numerator, denominator = int(percent[1] + decimals), 100 * 10 ** len(decimals)
    else:
        raise InvalidValueError(field, text, 'give a fraction such as "1/3" or a percentage such as "12.5%"')
    if not 0 < numerator <= denominator:
        raise InvalidValueError(field, text, "a share is above 0 and at most the whole")
    return Fraction(numerator, denominator)


def at_most(amount: int, plan: Plan) -> AtMost:
    """Return the plan with a cap; zero is a cap too, so that an empty account may stand in a plan."""
    if not 0 <= amount <= AMOUNT_MAX:
        raise InvalidValueError("at_most", amount, f"give 0 to {AMOUNT_MAX} minor units")
    return AtMost(amount, plan)


def in_order(*plans: Plan) -> InOrder:
    """Return the plan that fills the given ones one after the other."""
    if not plans:
        raise InvalidValueError("in_order", plans, "name at least one part")
    return InOrder(plans)


def shares(*portions: tuple[str | Fraction | Literal[_Word.REST], Plan]) -> Shares:
    """Return the plan that gives each portion its fraction of the whole.

    Args:
        portions: pairs of a share (``"1/3"``, ``"12.5%"``, a ``Fraction``, or ``REST`` once) and its plan.
    Raises:
        InvalidValueError: the shares do not sum to the whole and none is the rest, or they exceed it.
    """
    given: list[Fraction | None] = []
    for number, (share, _) in enumerate(portions):
        given.append(None if share is REST else _fraction(share, f"shares[{number}]"))
    total = sum((share for share in given if share is not None), Fraction(0))
    if given.count(None) > 1:
        raise InvalidValueError("shares", "REST", "only one share can be the rest")
    if total > 1 or (total < 1 and None not in given):
        raise InvalidValueError("shares", str(total), "shares sum to 1, or to less with one that is the rest")
    rest = 1 - total
    return Shares(tuple(rest if share is None else share for share in given), tuple(plan for _, plan in portions))


def _fraction(share: object, field: str) -> Fraction:
    if isinstance(share, str):
        return parse_share(share, field)
    if not isinstance(share, Fraction) or not 0 < share <= 1:
        raise InvalidValueError(field, share, 'give text such as "1/3", or a Fraction above 0 and at most 1')
    return share


def allocate(amount: int, fractions: Sequence[Fraction]) -> tuple[int, ...]:
    """Return whole parts of an amount for fractions that sum to one, by largest remainder.

    Args:
        amount: what is divided, zero or more.
        fractions: none below zero, together exactly 1.
    Returns:
        A part for each fraction, in their order; they sum to ``amount`` and each differs from its exact share by less
        than one.
    Raises:
        InvalidValueError: a negative amount, or fractions that do not sum to 1.

    >>> allocate(100, [Fraction(1, 3)] * 3)
    (34, 33, 33)
    """
    if amount < 0:
        raise InvalidValueError("amount_minor", amount, "give zero or more")
    if sum(fractions) != 1 or any(fraction < 0 for fraction in fractions):
        raise InvalidValueError("shares", str(sum(fractions)), "fractions that are divided by sum to 1")
    exact = [amount * fraction for fraction in fractions]
    parts = [share.numerator // share.denominator for share in exact]
    # Sorting is stable: among equal remainders the share that stands first comes first.
    by_remainder = sorted(range(len(parts)), key=lambda number: parts[number] - exact[number])
    for number in by_remainder[: amount - sum(parts)]:
        parts[number] += 1
    return tuple(parts)


def split(amount: int, *, debit: Plan, credit: Plan) -> tuple[Posting, ...]:
    """Return the postings that move an amount as two plans say: debits first, then credits.

    Args:
        amount: minor units, above zero; all accounts count the same asset.
        debit: which accounts are debited with which part.
        credit: which accounts are credited with which part.
    Returns:
        Legs for ``NewEntry``; debits equal credits.
    Raises:
        InvalidValueError: a part finds no place or can never be reached, both sides keep something, nothing is left to
            post, or an account stands on both sides.
    """
    if not 0 < amount <= AMOUNT_MAX:
        raise InvalidValueError("amount_minor", amount, f"give 1 to {AMOUNT_MAX}")
    for plan, place in ((debit, "debit"), (credit, "credit")):
        _check(plan, place, 0)
    if _keeps(debit) and _keeps(credit):
        raise InvalidValueError("credit", "KEPT", "only one of the sides can keep a part")
    if _keeps(debit):
        debited = _divide(amount, debit, "debit")
        credited = _divide(sum(debited.values()), credit, "credit")
    else:
        credited = _divide(amount, credit, "credit")
        debited = _divide(sum(credited.values()), debit, "debit")
    if not debited:
        raise InvalidValueError("amount_minor", amount, "everything is kept: there is nothing to post")
    if both := [account for account in debited if account in credited]:
        raise InvalidValueError("account", both[0], "stands on both sides of the entry")
    return (
        *(Posting(account, Side.DEBIT, part) for account, part in debited.items()),
        *(Posting(account, Side.CREDIT, part) for account, part in credited.items()),
    )


def _divide(amount: int, plan: Plan, place: str) -> dict[str, int]:
    """Return what each account takes; what finds no place is refused."""
    taken: dict[str, int] = {}
    left = _take(amount, plan, place, taken)
    if left:
        raise InvalidValueError(place, amount, f"{left} minor units find no place: raise a cap or add a part")
    return taken


def _take(amount: int, plan: Plan, place: str, taken: dict[str, int]) -> int:
    """Let a plan take what it can of an amount; return what it leaves."""
    match plan:
        case str():
            if amount:
                taken[plan] = taken.get(plan, 0) + amount
            return 0
        case AtMost(cap, inner):
            left = max(0, amount - cap)
            return left + _take(amount - left, inner, f"{place}.at_most", taken)
        case InOrder(plans):
            for number, inner in enumerate(plans):
                amount = _take(amount, inner, f"{place}.in_order[{number}]", taken)
            return amount
        case Shares(fractions, plans):
            for number, (part, inner) in enumerate(zip(allocate(amount, fractions), plans, strict=True)):
                here = f"{place}.shares[{number}]"
                if left := _take(part, inner, here, taken):
                    raise InvalidValueError(here, part, f"{left} minor units of this share find no place")
            return 0
        case _:
            return 0


def _parts(plan: Plan, place: str) -> Iterator[tuple[str, Plan]]:
    """Yield the plans right inside this one, with their places."""
    match plan:
        case AtMost(_, inner):
            yield f"{place}.at_most", inner
        case InOrder(plans):
            yield from ((f"{place}.in_order[{number}]", inner) for number, inner in enumerate(plans))
        case Shares(_, plans):
            yield from ((f"{place}.shares[{number}]", inner) for number, inner in enumerate(plans))


def _check(plan: Plan, place: str, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise InvalidValueError(place, depth, f"at most {DEPTH_MAX} plans inside one another")
    if isinstance(plan, str):
        check_reference(plan, place)
    elif not isinstance(plan, AtMost | InOrder | Shares) and plan is not KEPT:
        raise InvalidValueError(place, plan, "give an account, shares, in_order, at_most or KEPT")
    inside = list(_parts(plan, place))
    for here, inner in inside:
        _check(inner, here, depth + 1)
    if isinstance(plan, InOrder):
        for (before, inner), (after, _) in itertools.pairwise(inside):
            if _takes_everything(inner):
                raise InvalidValueError(after, before, "can never be reached: the part before takes everything")


def _takes_everything(plan: Plan) -> bool:
    """Whether a plan never leaves anything; shares either take their parts whole or are refused."""
    if isinstance(plan, InOrder):
        return any(_takes_everything(inner) for inner in plan.plans)
    return not isinstance(plan, AtMost)


def _keeps(plan: Plan) -> bool:
    return plan is KEPT or any(_keeps(inner) for _, inner in _parts(plan, ""))
