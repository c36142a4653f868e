"""Something is lost at every step of a payment between two banks, and it ends by itself: on both sides and on-chain.

A share of the seeded runs of ``make settlement-faults``: every loss, each at another step. Real books, peers, gRPC and
signatures; what each run asserts stands in ``tests/support/settlement_faults.py``.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from node.postgres import PostgresCluster
from tests.settlement_faults import play_seeds, report
from tests.support.bank_nodes import GATES
from tests.support.settlement_faults import BOUND_S, COMBINATIONS, ENDS, LOSSES, draw

SEEDS = range(0, len(COMBINATIONS), 11)


def test_seeds_draw_every_loss_at_every_step_and_the_same_again() -> None:
    drawn = [draw(seed) for seed in range(len(COMBINATIONS))]
    assert {(fault.lost, (fault.bank, fault.call, fault.when)) for fault in drawn} == set(COMBINATIONS)
    assert [draw(seed) for seed in range(len(COMBINATIONS))] == drawn
    assert len(COMBINATIONS) == len(LOSSES) * len(GATES) == 224
    assert {draw(seed).lost for seed in SEEDS} == set(LOSSES)


@pytest.mark.faults
def test_payment_ends_everywhere_whatever_is_lost_at_whichever_step(
    postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    results, broken = asyncio.run(play_seeds([postgres_cluster], tmp_path, SEEDS))
    print(report(results))
    assert broken == []
    assert len(results) == len(SEEDS)
    assert all(result.happened for result in results), [result.fault for result in results if not result.happened]
    assert {result.state for result in results} <= ENDS
    assert max(result.took_s for result in results) < BOUND_S
