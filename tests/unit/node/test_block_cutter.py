"""The block cutter's rules. Method: time is an argument, so every case is a table of moments; no clock, no waiting."""

from __future__ import annotations

import pytest

from node.orderer.block_cutter import BatchLimits, BlockCutter


def cutter(max_messages: int = 10, preferred_max_bytes: int = 1_000, timeout_s: float = 2.0) -> BlockCutter[str]:
    return BlockCutter(BatchLimits(max_messages, preferred_max_bytes, timeout_s))


def test_lone_envelope_is_cut_at_once() -> None:
    waiting = cutter()
    waiting.add("a", 100)
    assert waiting.cut(5.0) == ["a"]
    assert waiting.cut(5.0) is None


def test_nothing_waiting_cuts_nothing() -> None:
    waiting = cutter()
    assert waiting.cut(5.0) is None
    assert waiting.due_at() is None


@pytest.mark.parametrize(("last_block", "gap_s"), [(1, 0.002), (5, 0.010), (35, 0.070), (100, 0.070)])
def test_gap_after_a_cut_is_two_milliseconds_an_envelope_up_to_seventy(last_block: int, gap_s: float) -> None:
    waiting = cutter(max_messages=1_000, preferred_max_bytes=10**6)
    for n in range(last_block):
        waiting.add(str(n), 10)
    assert len(waiting.cut(10.0) or []) == last_block
    waiting.add("next", 10)
    assert waiting.due_at() == pytest.approx(10.0 + gap_s)
    assert waiting.cut(10.0 + gap_s - 0.000_1) is None
    assert waiting.cut(10.0 + gap_s + 0.000_1) == ["next"]


def test_gap_never_exceeds_the_channels_batch_timeout() -> None:
    waiting = cutter(max_messages=1_000, preferred_max_bytes=10**6, timeout_s=0.005)
    for n in range(100):
        waiting.add(str(n), 10)
    waiting.cut(10.0)
    waiting.add("next", 10)
    assert waiting.due_at() == pytest.approx(10.005)


def test_full_batch_is_due_in_spite_of_the_gap_and_order_is_kept() -> None:
    waiting = cutter(max_messages=2)
    waiting.add("a", 1)
    assert waiting.cut(1.0) == ["a"]
    for name in "bcdef":
        waiting.add(name, 1)
    assert waiting.cut(1.0) == ["b", "c"]
    assert waiting.cut(1.0) == ["d", "e"]
    assert waiting.cut(1.0) is None
    assert waiting.cut(2.0) == ["f"]


def test_block_stays_within_the_preferred_bytes() -> None:
    waiting = cutter(preferred_max_bytes=1_000)
    for name, size in (("a", 600), ("b", 400), ("c", 1), ("d", 999), ("e", 2)):
        waiting.add(name, size)
    assert waiting.cut(1.0) == ["a", "b"]
    assert waiting.cut(1.0) == ["c", "d"]
    assert waiting.cut(1.0) is None
    assert waiting.cut(2.0) == ["e"]


def test_envelope_above_the_preferred_bytes_stands_alone_in_its_place() -> None:
    waiting = cutter(preferred_max_bytes=1_000)
    for name, size in (("a", 10), ("big", 1_001), ("b", 10)):
        waiting.add(name, size)
    assert [waiting.cut(9.0), waiting.cut(9.0), waiting.cut(10.0)] == [["a"], ["big"], ["b"]]


def test_drain_returns_everything_in_order_and_leaves_nothing() -> None:
    waiting = cutter(max_messages=2)
    for name in "abc":
        waiting.add(name, 1)
    assert waiting.drain() == ["a", "b", "c"]
    assert waiting.due_at() is None


def test_what_must_stand_alone_does_so_in_its_place_without_waiting() -> None:
    waiting = cutter()
    waiting.add("a", 1)
    assert waiting.cut(1.0) == ["a"]
    waiting.add("b", 1)
    waiting.add_alone("config")
    waiting.add("c", 1)
    assert [waiting.cut(1.0), waiting.cut(1.0), waiting.cut(1.0)] == [["b"], ["config"], None]
    assert waiting.cut(2.0) == ["c"]


def test_other_limits_apply_to_what_waits_already() -> None:
    waiting = cutter(max_messages=4)
    for name in "abcdef":
        waiting.add(name, 1)
    waiting.add_alone("config")
    waiting.add("g", 1)
    waiting.set_limits(BatchLimits(3, 1_000, 2.0))
    assert [waiting.cut(9.0) for _ in range(4)] == [["a", "b", "c"], ["d", "e", "f"], ["config"], None]
    assert waiting.cut(10.0) == ["g"]
