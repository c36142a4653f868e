"""Events: what happens in the books beside postings, as it is written down. Pure.

A payload holds references, amounts as decimal strings of minor units, and numbers: never free text, metadata or
personal data. docs/events.md says what each kind carries.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np

from ledger.account_columns import Numbers
from ledger.monitors import Monitor

ENTRY_POSTED: Final = "entry.posted"
MONITOR_FIRED: Final = "monitor.fired"
HOLD_PLACED: Final = "hold.placed"
HOLD_CAPTURED: Final = "hold.captured"
HOLD_RELEASED: Final = "hold.released"
HOLD_EXPIRED: Final = "hold.expired"
WEBHOOK_DEAD: Final = "webhook.dead"


class NewEvent(NamedTuple):
    """An event to be written beside the entries of a commit. It carries a payload, or a hold with its amounts.

    Args:
        after_seq: the newest entry when it happened: one of this commit's, or the newest before.
        kind: ``area.what``.
        account_id: the account's number inside the database; None when it is about none.
        payload: references, amounts as decimal strings, numbers; no personal data. None for a hold.
        hold_id: the hold; None where there is a payload.
        amount: minor units placed, captured or given back now.
        remaining: minor units still held by it afterwards.
    """

    after_seq: int
    kind: str
    account_id: int | None
    payload: Mapping[str, Any] | None
    hold_id: uuid.UUID | None = None
    amount: int = 0
    remaining: int = 0


class Events(NamedTuple):
    """Events by columns, in the order they happened; see ``NewEvent``.

    Args:
        account_id: 0 where it is about none.
        hold_id: 16 bytes; None where there is a payload.
    """

    after_seq: Numbers
    kind: Sequence[str]
    account_id: Numbers
    payload: Sequence[Mapping[str, Any] | None]
    hold_id: Sequence[bytes | None]
    amount: Numbers
    remaining: Numbers


def joined(events: Iterable[NewEvent | Events]) -> Events:
    """Return events, single ones and those by columns, at least one, as one set of columns."""
    parts = [event if isinstance(event, Events) else _columns_of(event) for event in events]
    seqs, kinds, accounts, payloads, holds, amounts, remaining = zip(*parts, strict=True)
    return Events(
        np.concatenate(seqs),
        [*chain.from_iterable(kinds)],
        np.concatenate(accounts),
        [*chain.from_iterable(payloads)],
        [*chain.from_iterable(holds)],
        np.concatenate(amounts),
        np.concatenate(remaining),
    )


def _columns_of(event: NewEvent) -> Events:
    return Events(
        np.array([event.after_seq]),
        [event.kind],
        np.array([event.account_id or 0]),
        [event.payload],
        [event.hold_id.bytes if event.hold_id is not None else None],
        np.array([event.amount]),
        np.array([event.remaining]),
    )


def monitor_fired(
    monitor: Monitor, account_id: int, after_seq: int, before: tuple[int, int], after: tuple[int, int]
) -> NewEvent:
    """Return the event of a monitor that ``monitors.crossed`` named; ``before`` and ``after`` as given there."""
    payload = {
        "monitor": str(monitor.id),
        "field": monitor.field.name.lower(),
        "operator": monitor.operator.symbol,
        "value_minor": str(monitor.value),
        "balance_minor": str(after[0]),
        "held_minor": str(after[1]),
        "balance_before_minor": str(before[0]),
        "held_before_minor": str(before[1]),
    }
    return NewEvent(after_seq, MONITOR_FIRED, account_id, payload)


def hold_changed(
    kind: str, hold_id: uuid.UUID, account_id: int, after_seq: int, *, amount: int, remaining: int
) -> NewEvent:
    """Return the event of a hold placed, captured, released or expired.

    Args:
        kind: ``HOLD_PLACED``, ``HOLD_CAPTURED``, ``HOLD_RELEASED`` or ``HOLD_EXPIRED``.
        hold_id: which.
        account_id: whose money, by the account's number inside the database.
        after_seq: the newest entry; of a capture, the entry that captured.
        amount: minor units placed, captured or given back now.
        remaining: minor units still held by it afterwards.
    """
    return NewEvent(after_seq, kind, account_id, None, hold_id, amount, remaining)
