"""The committed statement file is what its generator writes, and is a consistent bank statement.

Method: the file is rebuilt from its seed and compared byte for byte, then read with the standard CSV reader and
checked as an accountant would: running balances, order, paired transfers inside the bank.
"""

from __future__ import annotations

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path

from tests.support.statement_generator import statement_bytes

STATEMENT = Path(__file__).parents[3] / "fixtures" / "statements" / "dwaybank-2026-09.csv"


def _rows() -> list[dict[str, str]]:
    with STATEMENT.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def test_statement_rebuilt_from_its_seed_is_identical() -> None:
    assert statement_bytes() == STATEMENT.read_bytes()


def test_statement_of_another_seed_is_different() -> None:
    assert statement_bytes(seed=1) != STATEMENT.read_bytes()


def test_statement_running_balances_add_up_and_never_fall_below_zero() -> None:
    balances: dict[str, Decimal] = {}
    for row in _rows():
        amount = Decimal(row["amount"])
        assert amount > 0
        signed = amount if row["type"] == "CREDIT" else -amount
        balances[row["account"]] = balances.get(row["account"], Decimal(0)) + signed
        assert balances[row["account"]] == Decimal(row["balance"]) >= 0
    assert len(balances) == 1_000


def test_statement_rows_are_numbered_without_a_gap_in_date_order() -> None:
    rows = _rows()
    assert [int(row["id"]) for row in rows] == list(range(int(rows[0]["id"]), int(rows[0]["id"]) + len(rows)))
    dates = [row["date"] for row in rows]
    assert dates == sorted(dates)
    assert 20_000 <= len(rows) <= 21_000


def test_statement_transfers_inside_the_bank_stand_on_both_accounts() -> None:
    paid: Counter[tuple[str, ...]] = Counter()
    received: Counter[tuple[str, ...]] = Counter()
    for row in _rows():
        if row["counterparty_bank"] != "DWAY":
            continue
        what = (row["date"], row["operation"], row["amount"])
        if row["type"] == "DEBIT":
            paid[(row["account"], row["counterparty_account"], *what)] += 1
        else:
            received[(row["counterparty_account"], row["account"], *what)] += 1
    assert paid and paid == received
