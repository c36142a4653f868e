"""When a failed delivery is tried again, and when an endpoint is given up."""

from __future__ import annotations

from datetime import datetime, timedelta

from node.webhooks.errors import DeliveryError

FIRST_PAUSE_S = 1.0
PAUSE_S_MAX = 3600.0
GIVE_UP_AFTER = timedelta(days=3)
"""How long an endpoint may fail without a success between."""


def pause_after(failures: int, failure: DeliveryError, fraction: float) -> timedelta:
    """Return how long to wait: twice as long after each failure, up to an hour, and not all at the same moment.

    Args:
        failures: in a row, this one included.
        failure: the newest; what the receiver asked for is the least.
        fraction: random, from 0 up to 1: the pause is between half and the whole of its length.
    """
    whole = min(FIRST_PAUSE_S * 2 ** min(failures - 1, 30), PAUSE_S_MAX)
    return timedelta(seconds=max(whole * (0.5 + fraction / 2), float(failure.retry_after_s)))


def is_hopeless(
    failures: int, failing_since: datetime, failure: DeliveryError, now: datetime, give_up_after: timedelta
) -> bool:
    """Whether an endpoint is given up after this failure: it said that it is gone, or has failed for too long.

    Too long is in attempts as well as in time: while this node was down, nothing failed.

    Args:
        failures: in a row, this one included.
        failing_since: the first of them.
    """
    least = give_up_after // timedelta(seconds=PAUSE_S_MAX)
    return failure.gone or (now - failing_since >= give_up_after and failures >= least)
