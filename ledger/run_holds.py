"""Holds of a run, by columns: which of its requests are ordinary, and what the accepted ones do to holds. Pure.

``run_judge`` judges the money between the two.
"""

from __future__ import annotations

from datetime import datetime
from itertools import repeat

import numpy as np

from ledger.account_columns import Numbers
from ledger.event import HOLD_CAPTURED, HOLD_PLACED, Events
from ledger.journal import microseconds
from ledger.run import Flags, Legs, met_before
from ledger.state import CAPTURED, PLACED, State


def find_held(state: State, legs: Legs, now: datetime) -> Flags:
    """Tell legs what they capture, and return which requests have nothing out of the ordinary about a hold.

    A hold to be placed is new and ends later than now; one that is captured is placed and has as much left. Each is
    named once. Captures are of two postings, as their rows are.
    """
    now_us = microseconds(now)
    placing = legs.placing
    ordinary: Flags = ~placing | (legs.expires_us > now_us)
    hold_ids = [request.hold_id for request in legs.requests]
    capturing = [place for place, hold_id in enumerate(hold_ids) if hold_id is not None]
    named = np.flatnonzero(placing).tolist()
    numbers = [legs.keys[place] for place in named]
    ordinary[[place for place, number in zip(named, numbers, strict=True) if number in state.holds]] = False
    named += capturing
    numbers += [hold_id.int for hold_id in hold_ids if hold_id is not None]
    if capturing:
        places = np.array(capturing)
        legs.hold[places] = np.fromiter(map(state.holds.get, numbers[-len(places) :], repeat(0)), np.int64, len(places))
        ordinary[places] = _find_captured(state, legs, places, now_us)
    if len({*numbers}) < len(numbers):
        ordinary[met_before(named, numbers, set())] = False
    return ordinary


def _find_captured(state: State, legs: Legs, places: Numbers, now_us: int) -> Flags:
    """Tell legs what they capture of the holds that these entries name; return which may capture that."""
    views, sign, rows = state.hold_columns.views(), state.columns.views().sign, legs.hold[places]
    remaining = views.amount[rows] - views.captured[rows]
    whole = (views.state[rows] == PLACED) & (views.expires_us[rows] > now_us) & (legs.counts[places] == 2)
    ordinary: Flags = np.zeros_like(whole)
    for leg in (legs.starts[places], legs.starts[places] + 1):
        taken = -legs.amount[leg] * sign[legs.row[leg]]
        fits = whole & (legs.row[leg] == views.account[rows]) & (taken > 0) & (taken <= remaining)
        legs.held[leg[fits]] = -taken[fits]
        ordinary |= fits
    return ordinary


def change_holds(state: State, legs: Legs, newest: Numbers, now: datetime) -> Events:
    """Place the holds of a run and let its captures take from theirs; return what there is to tell.

    Args:
        state: the copy of the books; its accounts have moved on already.
        legs: of accepted requests.
        newest: of each request, the newest entry once it was judged.
        now: time of the batch.
    """
    own = np.flatnonzero(legs.held)
    requests, changes, now_us = legs.entry[own], legs.held[own], microseconds(now)
    rows = legs.hold[requests]
    new, taking = np.flatnonzero(changes > 0), np.flatnonzero(changes < 0)
    placed = requests[new]
    rows[new] = state.place_holds(
        [legs.keys[place] for place in placed.tolist()],
        account=legs.row[own[new]], amount=changes[new], placed_us=now_us, expires_us=legs.expires_us[placed],
    )  # fmt: skip
    _capture(state, rows[taking], -changes[taking], newest[requests[taking]], now_us)
    views = state.hold_columns.views()
    return Events(
        newest[requests],
        [HOLD_PLACED if is_new else HOLD_CAPTURED for is_new in (changes > 0).tolist()],
        state.columns.views().id[legs.row[own]],
        [None] * len(own),
        state.hold_columns.ids(rows).tolist(),
        np.abs(changes),
        views.amount[rows] - views.captured[rows],
    )


def _capture(state: State, rows: Numbers, taken: Numbers, seqs: Numbers, now_us: int) -> None:
    """Let entries take from holds, from each once."""
    state.touch_hold_rows(rows)
    views = state.hold_columns.views()
    views.captured[rows] += taken
    views.entry_seq[rows] = seqs
    ended = rows[views.captured[rows] == views.amount[rows]]
    views.state[ended] = CAPTURED
    views.ended_us[ended] = now_us
