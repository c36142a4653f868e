"""Writes one month of a retail bank's movements as a statement file, the same bytes for the same seed on every machine.

Rules it keeps:

- Every account begins with its balance brought forward; every later row's balance is the sum of the rows before it.
- No account falls below zero; a payment that would do so is not made.
- A transfer between two accounts of the bank is two rows that name each other; one to or from the partner is one row.
- Only ``random.Random.random`` and exact integer arithmetic decide (no logarithms, no library distributions), because
  only their results are promised to stay equal across Python versions and machines.

Nothing here describes a real person: account numbers are random digits, amounts follow made-up price tables.
Run ``python tests/support/statement_generator.py FILE`` to rebuild ``fixtures/statements/dwaybank-2026-09.csv``.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

SEED = 20260901
"""Seed of the committed file."""
FIRST_DAY = date(2026, 9, 1)
DAY_COUNT = 30
HOUSEHOLD_COUNT = 960
BUSINESS_COUNT = 40
OWN_BANK = "DWAY"
PARTNER_BANK = "PRTN"
HEADER = "id;account;date;type;operation;amount;balance;counterparty_bank;counterparty_account"

FIRST_ID = 7_000_001
"""Number of the first row; rows are numbered in booking order without a gap."""

CARD_PRICES: Sequence[tuple[int, int, int]] = (
    (30, 250, 900),
    (34, 800, 6_500),
    (18, 1_500, 9_000),
    (12, 3_500, 14_000),
    (5, 9_000, 45_000),
    (1, 40_000, 160_000),
)
"""Weight, lowest and highest amount in minor units: bakery, groceries, restaurant, clothing, household, furniture."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who stands on the other side of a movement; both empty where there is no account (card scheme, cash, fees)."""

    bank: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Movement:
    """One row, before its number and balance are known."""

    account: str
    day: int
    credit: bool
    operation: str
    amount_minor: int
    party: Party = field(default_factory=Party)


@dataclass(slots=True)
class Household:
    """One private customer and his habits of the month."""

    account: str
    salary_minor: int
    salary_day: int
    employer: Party
    rent_minor: int
    landlord: Party
    cards_per_ten_days: int


class StatementGenerator:
    """One month of movements from one seed.

    Args:
        seed: decides every number in the file.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        numbers = self._account_numbers(HOUSEHOLD_COUNT + BUSINESS_COUNT)
        self._businesses = numbers[:BUSINESS_COUNT]
        self._partner_accounts = self._account_numbers(180)
        self._households = [self._household(account) for account in numbers[BUSINESS_COUNT:]]

    def lines(self) -> Iterator[str]:
        """Yield the file's lines without their line ends, header first."""
        yield HEADER
        balances: dict[str, int] = {}
        number = FIRST_ID
        for day in range(DAY_COUNT):
            for group in self._day(day):
                if any(not row.credit and balances.get(row.account, 0) < row.amount_minor for row in group):
                    continue
                for row in group:
                    balances[row.account] = balances.get(row.account, 0) + (
                        row.amount_minor if row.credit else -row.amount_minor
                    )
                    yield self._line(number, row, balances[row.account])
                    number += 1

    def _line(self, number: int, row: Movement, balance_minor: int) -> str:
        day = FIRST_DAY + timedelta(days=row.day)
        kind = "CREDIT" if row.credit else "DEBIT"
        money = f"{_decimal(row.amount_minor)};{_decimal(balance_minor)}"
        what = f"{number};{row.account};{day.isoformat()};{kind};{row.operation}"
        return f"{what};{money};{row.party.bank};{row.party.account}"

    def _day(self, day: int) -> list[tuple[Movement, ...]]:
        """Groups of rows that stand or fall together, in booking order."""
        groups = list(self._opening()) if day == 0 else []
        groups += self._payroll(day)
        rest = [*self._standing_orders(day), *self._cards(day), *self._cash(day), *self._transfers(day)]
        self._shuffle(rest)
        groups += rest
        if day == DAY_COUNT - 1:
            groups += self._month_end()
        return groups

    def _opening(self) -> Iterator[tuple[Movement, ...]]:
        for account in self._businesses:
            yield (Movement(account, 0, True, "BROUGHT FORWARD", self._amount(9_000_000, 60_000_000)),)
        for household in self._households:
            yield (Movement(household.account, 0, True, "BROUGHT FORWARD", self._amount(30_000, 2_400_000)),)

    def _payroll(self, day: int) -> Iterator[tuple[Movement, ...]]:
        for household in self._households:
            if household.salary_day != day:
                continue
            received = Movement(household.account, day, True, "SALARY", household.salary_minor, household.employer)
            yield self._with_other_side(received)

    def _standing_orders(self, day: int) -> Iterator[tuple[Movement, ...]]:
        for household in self._households:
            if day == 2 and household.rent_minor:
                rent = Movement(
                    household.account, day, False, "STANDING ORDER", household.rent_minor, household.landlord
                )
                yield self._with_other_side(rent)
            if day == 14 and self._chance(82):
                bill = self._amount(2_500, 16_000)
                yield (Movement(household.account, day, False, "DIRECT DEBIT", bill, self._partner_party()),)
            if day == 19 and self._chance(30):
                saving = 5_000 * (1 + self._below(10))
                yield (Movement(household.account, day, False, "STANDING ORDER", saving, self._partner_party()),)

    def _cards(self, day: int) -> Iterator[tuple[Movement, ...]]:
        weekend = (FIRST_DAY + timedelta(days=day)).weekday() >= 5
        for household in self._households:
            chance = household.cards_per_ten_days * (13 if weekend else 9)
            while self._chance(min(chance, 92)):
                yield (Movement(household.account, day, False, "CARD PAYMENT", self._card_price()),)
                chance //= 3

    def _cash(self, day: int) -> Iterator[tuple[Movement, ...]]:
        for household in self._households:
            if self._chance(4):
                yield (Movement(household.account, day, False, "CASH WITHDRAWAL", 1_000 * (1 + self._below(30))),)
            if self._below(1_000) < 6:
                yield (Movement(household.account, day, True, "CASH DEPOSIT", 500 * (4 + self._below(200))),)
        for account in self._businesses:
            if self._chance(25):
                yield (Movement(account, day, True, "CASH DEPOSIT", self._amount(40_000, 900_000)),)

    def _transfers(self, day: int) -> Iterator[tuple[Movement, ...]]:
        for household in self._households:
            if self._chance(3):
                other = self._households[self._below(len(self._households))].account
                if other != household.account:
                    paid = Movement(
                        household.account, day, False, "TRANSFER", self._amount(500, 40_000), Party(OWN_BANK, other)
                    )
                    yield self._with_other_side(paid)
            if self._chance(4):
                yield (
                    Movement(
                        household.account, day, False, "TRANSFER", self._amount(1_000, 90_000), self._partner_party()
                    ),
                )
            if self._chance(2):
                yield (
                    Movement(
                        household.account, day, True, "TRANSFER", self._amount(1_000, 70_000), self._partner_party()
                    ),
                )
        for account in self._businesses:
            if self._chance(60):
                yield (
                    Movement(account, day, True, "TRANSFER", self._amount(30_000, 2_500_000), self._partner_party()),
                )
            if self._chance(35):
                yield (
                    Movement(account, day, False, "TRANSFER", self._amount(20_000, 1_800_000), self._partner_party()),
                )

    def _month_end(self) -> Iterator[tuple[Movement, ...]]:
        for account in self._businesses:
            yield (Movement(account, DAY_COUNT - 1, False, "FEE", 1_490),)
        for household in self._households:
            yield (Movement(household.account, DAY_COUNT - 1, False, "FEE", 390),)

    def _with_other_side(self, row: Movement) -> tuple[Movement, ...]:
        """A transfer inside the bank is two rows, the paying one first; one to or from the partner is a single row."""
        if row.party.bank != OWN_BANK:
            return (row,)
        mirror = Movement(
            row.party.account, row.day, not row.credit, row.operation, row.amount_minor, Party(OWN_BANK, row.account)
        )
        return (mirror, row) if row.credit else (row, mirror)

    def _household(self, account: str) -> Household:
        salary_minor = 100 * (1_150 + self._skewed(5_200)) + self._below(100)
        own_employer = self._chance(40)
        own_landlord = self._chance(25)
        return Household(
            account=account,
            salary_minor=salary_minor,
            salary_day=(0, 9, 14, 24, 24, 27)[self._below(6)],
            employer=self._business_party() if own_employer else self._partner_party(),
            rent_minor=100 * (350 + self._skewed(900)) if self._chance(55) else 0,
            landlord=self._business_party() if own_landlord else self._partner_party(),
            cards_per_ten_days=1 + self._below(5),
        )

    def _business_party(self) -> Party:
        return Party(OWN_BANK, self._businesses[self._below(len(self._businesses))])

    def _partner_party(self) -> Party:
        return Party(PARTNER_BANK, self._partner_accounts[self._below(len(self._partner_accounts))])

    def _account_numbers(self, count: int) -> list[str]:
        numbers: dict[str, None] = {}
        while len(numbers) < count:
            numbers[f"{1_000_000_000 + self._below(9_000_000_000)}"] = None
        return list(numbers)

    def _card_price(self) -> int:
        ticket = self._below(sum(weight for weight, _, _ in CARD_PRICES))
        for weight, lowest, highest in CARD_PRICES:
            if ticket < weight:
                return self._amount(lowest, highest)
            ticket -= weight
        raise AssertionError("the weights cover every ticket")

    def _amount(self, lowest: int, highest: int) -> int:
        """Minor units between both, small ones far more often than large ones."""
        return lowest + self._skewed(highest - lowest)

    def _skewed(self, limit: int) -> int:
        # The product of three dice: its mean is an eighth of the limit, its tail reaches the limit.
        product = self._below(1_000) * self._below(1_000) * self._below(1_000)
        return product * limit // 1_000_000_000 + self._below(max(limit // 20, 1))

    def _chance(self, percent: int) -> bool:
        return self._below(100) < percent

    def _below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def _shuffle(self, groups: list[tuple[Movement, ...]]) -> None:
        for last in range(len(groups) - 1, 0, -1):
            other = self._below(last + 1)
            groups[last], groups[other] = groups[other], groups[last]


def _decimal(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def statement_bytes(seed: int = SEED) -> bytes:
    """Return the whole statement file.

    Args:
        seed: decides every number in it.
    Returns:
        UTF-8, lines ended by a line feed.
    """
    return ("\n".join(StatementGenerator(seed).lines()) + "\n").encode()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(statement_bytes())
