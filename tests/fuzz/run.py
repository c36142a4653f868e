"""Fuzzes one parser, guided by the lines it reaches: ``python -m tests.fuzz.run NAME [options of libFuzzer]``.

Ends with a status other than 0 where the parser ends in another way than it promises; libFuzzer then prints the input
and keeps it in the folder that ``-artifact_prefix`` names.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["network", "node", "ledger"]):
    from tests.fuzz.targets import TARGETS


def fuzz(name: str, options: Sequence[str]) -> None:
    """Fuzz a parser with options of libFuzzer; does not return."""
    target = TARGETS[name]

    def try_it(data: bytes) -> None:
        try:
            target.parse(data)
        except target.refusals:
            return

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], folder, *options], try_it)
        atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], sys.argv[2:])
