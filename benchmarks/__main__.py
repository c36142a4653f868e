"""``python -m benchmarks [names...]``: run benchmarks one by one; JSON in ``build/bench/``, tables on the screen."""

from __future__ import annotations

import argparse
import importlib

from rich.console import Console

from benchmarks.measure import machine, save, show
from benchmarks.yardstick import yardstick

NAMES = (
    "posting",
    "ledger",
    "transfers",
    "network",
    "fabric",
    "catch_up",
    "anchoring",
    "proofs",
    "startup",
    "transport",
    "archive",
    "audit",
    "settlement",
)
"""Each is a module of this package with ``run() -> Result``."""


def main() -> int:
    """Run the benchmarks named, or all; return 0 when they ran, whatever they found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure; see docs/benchmarks.md.")
    parser.add_argument("names", nargs="*", help=f"which ones (default all): {', '.join(NAMES)}")
    parser.add_argument("--list", action="store_true", help="list the names and stop")
    ledger = parser.add_argument_group("of the benchmark ledger")
    ledger.add_argument("--entries", type=int, default=1_000_000, help="how far its books grow (default 1000000)")
    ledger.add_argument("--runs", type=int, default=5, help="of each case (default 5)")
    ledger.add_argument("--scale", type=float, default=1.0, help="part of its usual load, to try it (default 1)")
    parser.add_argument("--seconds", type=float, help="of the benchmark settlement's load (default 600)")
    options = parser.parse_args()
    console = Console(width=None if Console().is_terminal else 200)
    if options.list:
        console.print("\n".join(NAMES))
        return 0
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"{unknown[0]} is no benchmark; there are {', '.join(NAMES)}")
    for name in options.names or NAMES:
        console.rule(name)
        before = machine() | {"yardstick": yardstick()}
        own = {key: getattr(options, key) for key in ("entries", "runs", "scale")} if name == "ledger" else {}
        if name == "settlement" and options.seconds is not None:
            own = {"seconds": options.seconds}
        result = importlib.import_module(f"benchmarks.{name}").run(**own)
        show(result, console)
        after = yardstick()
        for moment, found in (("before", before["yardstick"]), ("after", after)):
            console.print(
                f"  the machine {moment}: {', '.join(f'{k} {v:g}' for k, v in found.items())}", highlight=False
            )
        console.print(f"  {save(result, before, after)}", highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
