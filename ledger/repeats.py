"""Finds movements that stand in the books already under another key, so that nothing is posted a second time.

A key tells a repeat only while it is made in the same way. Where it is made otherwise, account, time of effect and
amount still tell what may be one.
"""

from __future__ import annotations

import itertools
import operator
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from ledger.queries import query


class KeyedMovement(NamedTuple):
    """A movement that is to be posted.

    Args:
        key: idempotency key of its entry.
        account: reference.
        effective_at: time for which it is to count.
        change: minor units on the account's normal side.
    """

    key: uuid.UUID
    account: str
    effective_at: datetime
    change: int


@dataclass(frozen=True, slots=True)
class Repeats:
    """What the books know of movements.

    Args:
        posted_count: of how many an entry stands under their keys.
        equal: of the others, by their place among those asked for: numbers and keys of entries with the same account,
            time of effect and change, 20 at most.
    """

    posted_count: int
    equal: dict[int, list[tuple[int, uuid.UUID]]]


def find_repeats(connection: psycopg.Connection[Any], movements: Sequence[KeyedMovement]) -> Repeats:
    """Return which movements, not yet posted under their keys, equal entries under other keys.

    Entries that count for the very time of their posting are not looked at, nor archived ones, of closed periods.
    """
    keys = [movement.key for movement in movements]
    posted = {key for (key,) in connection.execute(query("posted_keys"), {"keys": keys})}
    new = [(number, movement) for number, movement in enumerate(movements) if movement.key not in posted]
    asked = {
        "numbers": [number for number, _ in new],
        "accounts": [movement.account for _, movement in new],
        "times": [movement.effective_at for _, movement in new],
        "changes": [movement.change for _, movement in new],
    }
    rows = connection.execute(query("repeated_movements"), asked).fetchall()
    equal = {
        number: [(seq, key) for _, seq, key in group]
        for number, group in itertools.groupby(rows, key=operator.itemgetter(0))
    }
    return Repeats(len(movements) - len(new), equal)
