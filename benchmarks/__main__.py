"""``python -m benchmarks [names...]``: run benchmarks one by one; JSON in ``build/bench/``, tables on the screen."""

from __future__ import annotations

import argparse
import importlib

from rich.console import Console

from benchmarks.measure import machine, save, show

NAMES = ("posting", "transfers", "network", "anchoring", "proofs", "startup", "transport")
"""Each is a module of this package with ``run() -> Result``."""


def main() -> int:
    """Run the benchmarks named, or all; return 0 when they ran, whatever they found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure; see docs/benchmarks.md.")
    parser.add_argument("names", nargs="*", help=f"which ones (default all): {', '.join(NAMES)}")
    parser.add_argument("--list", action="store_true", help="list the names and stop")
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
        before = machine()
        result = importlib.import_module(f"benchmarks.{name}").run()
        show(result, console)
        console.print(f"  {save(result, before)}", highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
