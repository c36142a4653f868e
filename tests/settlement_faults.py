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
from collections.abc import Iterable
from pathlib import Path

from node.logs import configure_logging
from node.postgres import PostgresCluster
from tests.support.bank_nodes import Material, two_nodes
from tests.support.server import running_cluster
from tests.support.settlement_faults import BOUND_S, HOLD_LIFETIME, Result, Stage, draw

STAGES = 2
"""Each pair of banks takes up to some twenty connections, and a server gives a hundred."""


async def play_seeds(
    cluster: PostgresCluster, root: Path, seeds: Iterable[int], stages: int
) -> tuple[list[Result], list[str]]:
    """Play all seeds on several stages at a time; return what became of each, and what broke a promise."""
    material, left = Material(root), iter(seeds)
    results, broken = list[Result](), list[str]()
    numbers = itertools.count()

    async def act() -> bool:
        """Play on a stage of its own until no seed is left, or until one breaks it; return whether any is left."""
        payer, payee = await two_nodes(material, cluster, f"losses_{next(numbers)}", HOLD_LIFETIME)
        stage = Stage(payer, payee)
        try:
            for seed in left:
                results.append(await stage.play(draw(seed)))
        except AssertionError as error:
            broken.append(str(error))
            return True
        finally:
            for bank in (payer, payee):
                await bank.stop()
        return False

    async def acts() -> None:
        while await act():
            pass

    async with asyncio.TaskGroup() as group:
        for _ in range(stages):
            group.create_task(acts())
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
        lines.append(f"from all being there again to the end on both sides: {took[-1]:.1f} s at most, {p99:.1f} s p99")
        lines.append(f"(bound {BOUND_S:.0f} s)")
    return "\n".join(lines)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.settlement_faults")
    parser.add_argument("--seeds", type=int, default=540, help="how many runs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--stages", type=int, default=STAGES, help="pairs of banks at a time")
    asked = parser.parse_args()
    configure_logging().set("fatal")
    began_s = time.monotonic()
    seeds = range(asked.first, asked.first + asked.seeds)
    with running_cluster(sync=False) as cluster, tempfile.TemporaryDirectory() as root:
        results, broken = asyncio.run(play_seeds(cluster, Path(root), seeds, asked.stages))
    sys.stdout.write(f"{report(results)}\n{time.monotonic() - began_s:.0f} s\n")
    for what in broken:
        sys.stdout.write(f"BROKEN: {what}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
