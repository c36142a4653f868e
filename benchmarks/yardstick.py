"""How fast the machine itself is at the moment: what figures of different hours and machines are compared by.

Two pieces of work that never change, the interpreter's and the processor's: a loop of plain Python, and verification of
an ECDSA signature on P-256. Each is timed in one process alone and in one process for each core at once; virtual cores
are often halves of one real core, so the second may be far slower, and a load that fills the machine meets that one.

    python -m benchmarks.yardstick
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.measure import REPOSITORY

ROUNDS = 15
LOOPS = 20_000
VERIFICATIONS = 200


def yardstick() -> dict[str, float]:
    """Return microseconds for one loop and one verification, alone and with every core at work; in about a second."""
    alone = _timed(1)
    crowded = _timed(os.cpu_count() or 1)
    return alone | {f"{name}_all_cores": value for name, value in crowded.items()}


def _timed(processes: int) -> dict[str, float]:
    """Return the figures of so many processes at once, the median of them each."""
    started = [
        subprocess.Popen([sys.executable, "-m", __name__], cwd=REPOSITORY, stdout=subprocess.PIPE)
        for _ in range(processes)
    ]
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise RuntimeError("the yardstick failed; what it printed stands above")
    found = [json.loads(text) for text in printed]
    return {name: sorted(item[name] for item in found)[len(found) // 2] for name in found[0]}


def _own() -> dict[str, float]:
    key = ec.generate_private_key(ec.SECP256R1())
    public, algorithm, message = key.public_key(), ec.ECDSA(hashes.SHA256()), b"yardstick"
    signature = key.sign(message, algorithm)

    def verify() -> None:
        for _ in range(VERIFICATIONS):
            public.verify(signature, message, algorithm)

    # In turn, and the median of the rounds: both meet the same moments.
    rounds = [(_seconds(_loop), _seconds(verify)) for _ in range(ROUNDS)]
    loops, verifications = (sorted(column)[ROUNDS // 2] for column in zip(*rounds, strict=True))
    return {
        "python_loop_us": round(loops / LOOPS * 1e6, 4),
        "p256_verify_us": round(verifications / VERIFICATIONS * 1e6, 2),
    }


def _loop() -> None:
    kept = {}
    for number in range(LOOPS):
        kept[number % 100] = (number, str(number))


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_own()) + "\n")
