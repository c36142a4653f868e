"""Pauses between attempts, as a table, and when an endpoint is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from node.webhooks.errors import DeliveryError
from node.webhooks.retry import GIVE_UP_AFTER, is_hopeless, pause_after

REFUSED, NOW = DeliveryError("status 500"), datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "shortest_s", "longest_s"),
    [(1, 0.5, 1), (2, 1, 2), (3, 2, 4), (10, 256, 512), (12, 1024, 2048), (13, 1800, 3600), (10**6, 1800, 3600)],
)
def test_pause_doubles_up_to_an_hour_and_is_spread(failures: int, shortest_s: float, longest_s: float) -> None:
    assert pause_after(failures, REFUSED, 0.0) == timedelta(seconds=shortest_s)
    almost = pause_after(failures, REFUSED, 0.999999)
    assert timedelta(seconds=shortest_s) < almost < timedelta(seconds=longest_s)


def test_pause_is_at_least_what_the_receiver_asked_for() -> None:
    asked = DeliveryError("status 429", retry_after_s=90)
    assert pause_after(1, asked, 0.5) == timedelta(seconds=90)
    assert pause_after(10, asked, 0.0) == timedelta(seconds=256)


def test_endpoint_is_given_up_after_days_of_attempts_or_when_it_says_so() -> None:
    days = timedelta(days=3)
    assert not is_hopeless(500, NOW - days + timedelta(seconds=1), REFUSED, NOW, days)
    assert is_hopeless(72, NOW - days, REFUSED, NOW, days)
    assert is_hopeless(1, NOW, DeliveryError("status 410", gone=True), NOW, days)


def test_endpoint_is_not_given_up_for_days_in_which_nobody_tried() -> None:
    days = timedelta(days=3)
    assert not is_hopeless(2, NOW - 10 * days, REFUSED, NOW, days)
    assert not is_hopeless(71, NOW - 10 * days, REFUSED, NOW, days)


def test_attempts_that_are_all_made_are_enough_after_the_time_itself() -> None:
    now, failures = NOW, 1
    while not is_hopeless(failures, NOW, REFUSED, now, GIVE_UP_AFTER):
        now += pause_after(failures, REFUSED, 0.999999)
        failures += 1
    assert now - NOW < GIVE_UP_AFTER + timedelta(hours=1)
