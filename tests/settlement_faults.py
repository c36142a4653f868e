"""``make settlement-faults``: payments, each while something is lost at some step, and counts of how they ended.

Each seed is a run of its own (``tests/support/settlement_faults.py``); several pairs of banks play at a time. Exit
status 1 when one payment did not end in time, or money was not where it should be; its seed repeats it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from network.operations.log_lines import write_log_lines
from node.postgres import PostgresCluster
from tests.support.bank_nodes import two_banks
from tests.support.server import running_cluster
from tests.support.settlement_faults import BOUND_S, COMBINATIONS, HOLD_LIFETIME, Result, Stage, draw

STAGES = 6
"""Most of a run is waiting: for what is away to come back, and for the next attempt."""


async def play_seeds(
    clusters: Sequence[PostgresCluster], root: Path, seeds: Iterable[int]
) -> tuple[list[Result], list[str]]:
    """Play all seeds, on a stage for each server; return what became of each, and what broke a promise."""
    left = iter(seeds)
    results, broken = list[Result](), list[str]()
    numbers = itertools.count()

    async def act(cluster: PostgresCluster) -> bool:
        """Play on a new stage until no seed is left, or until one breaks it; return whether any is left."""
        name = f"losses_{next(numbers)}"
        async with two_banks(cluster, root / name, name, HOLD_LIFETIME) as banks:
            stage = Stage(banks)
            try:
                for seed in left:
                    results.append(await stage.play(draw(seed)))
                    sys.stderr.write(f"\r{len(results)} payments")
            except AssertionError as error:
                sys.stderr.write(f"BROKEN: {error}\n")
                broken.append(str(error))
                return True
        return False

    async def acts(cluster: PostgresCluster) -> None:
        while await act(cluster):
            pass

    async with asyncio.TaskGroup() as group:
        for cluster in clusters:
            group.create_task(acts(cluster))
    return results, broken


def report(results: list[Result]) -> str:
    """Return the counts: by end, by what was lost, and the longest time to the end."""
    happened = [result for result in results if result.happened]
    ends = Counter(result.state for result in happened)
    lines = [
        f"{len(results)} payments, {len(happened)} losses",
        "ended: " + ", ".join(f"{count} {state}" for state, count in ends.most_common()),
    ]
    for lost in sorted({result.fault.lost for result in happened}):
        here = Counter(result.state for result in happened if result.fault.lost == lost)
        lines.append(f"  {lost}: " + ", ".join(f"{count} {state}" for state, count in here.most_common()))
    took = sorted(result.took_s for result in happened)
    if took:
        p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
        lines.append(f"from all being there again to the end everywhere: {took[-1]:.1f} s at most, {p99:.1f} s p99")
        lines.append(f"(bound {BOUND_S:.0f} s); slowest: {max(happened, key=lambda result: result.took_s).fault}")
    return "\n".join(lines)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.settlement_faults")
    parser.add_argument("--seeds", type=int, default=len(COMBINATIONS) * 3, help="how many runs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--stages", type=int, default=STAGES, help="pairs of banks at a time")
    asked = parser.parse_args()
    write_log_lines().set("fatal")
    began_s = time.monotonic()
    seeds = range(asked.first, asked.first + asked.seeds)
    with ExitStack() as running:
        root = Path(running.enter_context(tempfile.TemporaryDirectory()))
        clusters = [running.enter_context(running_cluster(sync=False)) for _ in range(asked.stages)]
        results, broken = asyncio.run(play_seeds(clusters, root, seeds))
    sys.stdout.write(f"{report(results)}\n{time.monotonic() - began_s:.0f} s\n")
    for what in broken:
        sys.stdout.write(f"BROKEN: {what}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
