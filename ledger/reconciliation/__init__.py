"""Holds statements of other banks against the books: which movement is which posting, and what stays open.

``daily_balances`` compares recorded with computed balances day by day.
"""

from __future__ import annotations

from ledger.reconciliation.daily_balances import (
    Break,
    DayChange,
    Reconciliation,
    RecordedDay,
    day_changes,
    reconcile,
    recorded_days,
)

__all__ = ["Break", "DayChange", "Reconciliation", "RecordedDay", "day_changes", "reconcile", "recorded_days"]
