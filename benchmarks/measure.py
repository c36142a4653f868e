"""What all benchmarks share: percentiles, CPU time and memory of processes from ``/proc``, the machine, the result."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "build" / "bench"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Target:
    """A figure the project promises.

    Args:
        what: the figure.
        bound: the promise, e.g. ``"at least 250"``.
        measured: what was measured.
        met: whether the promise holds for this run.
    """

    what: str
    bound: str
    measured: float
    met: bool


@dataclass(slots=True)
class Result:
    """What one benchmark found: rows for the table, the targets it touches, and anything else for the JSON file."""

    name: str
    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def at_least(self, what: str, bound: float, measured: float) -> None:
        """Compare with a promise from below."""
        self.targets.append(Target(what, f"at least {bound:g}", round(measured, 2), measured >= bound))

    def below(self, what: str, bound: float, measured: float) -> None:
        """Compare with a promise from above."""
        self.targets.append(Target(what, f"under {bound:g}", round(measured, 2), measured < bound))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0 to 1) of all do not exceed; 0 for no values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, int(rank) - 1)]


def latency_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Return the usual percentiles in milliseconds."""
    return {f"p{round(share * 100)}_ms": round(percentile(seconds, share) * 1000, 2) for share in (0.5, 0.95, 0.99)}


def cpu_s(pid: int) -> float:
    """Return the CPU seconds a process and its descendants, ended ones included, have used."""
    total = 0
    for process in (pid, *descendants(pid)):
        try:
            fields = _stat(process)
        except (FileNotFoundError, ProcessLookupError):
            continue
        # utime, stime; and of children already waited for: cutime, cstime.
        total += sum(int(value) for value in fields[11:15])
    return total / _TICKS_PER_S


def memory_mib(pids: Iterable[int]) -> dict[str, float]:
    """Return resident and proportional memory of some processes together, in MiB.

    Proportional memory shares a page among the processes that map it, so that figures of several processes add up.
    """
    found = {"Rss": 0, "Pss": 0, "Private_Dirty": 0}
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        except (FileNotFoundError, ProcessLookupError):
            continue
        values = {name.rstrip(":"): int(rest.split()[0]) for name, rest in (line.split(maxsplit=1) for line in lines)}
        for name in found:
            found[name] += values.get(name, 0)
    return {f"{name.lower()}_mib": round(kib / 1024, 1) for name, kib in found.items()}


def descendants(pid: int) -> list[int]:
    """Return the living descendants of a process."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents.setdefault(int(_stat(int(folder.name))[1]), []).append(int(folder.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/<pid>/stat`` after the name: state, parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def machine() -> dict[str, Any]:
    """Return what a figure must be read with: processor, memory, versions, and how busy the machine is."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_mib": int(memory) // 1024,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_version()} ({platform.python_compiler()}, {' '.join(platform.python_build())})",
        "loadavg": [round(value, 2) for value in os.getloadavg()],
    }


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def save(result: Result, before: Mapping[str, Any], yardstick: Mapping[str, float]) -> Path:
    """Write a result as JSON and return the file.

    Args:
        before: the machine before the run.
        yardstick: how fast it was after it.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{result.name}.json"
    content = {
        "name": result.name,
        "title": result.title,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            **before,
            "loadavg_after": [round(value, 2) for value in os.getloadavg()],
            "yardstick_after": yardstick,
        },
        "targets": [
            {"what": target.what, "bound": target.bound, "measured": target.measured, "met": target.met}
            for target in result.targets
        ],
        "rows": result.rows,
        **result.details,
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def show(result: Result, console: Console) -> None:
    """Print a result's rows and targets."""
    if result.rows:
        headings = list(dict.fromkeys(name for row in result.rows for name in row))
        table = Table(*headings, title=result.title, title_justify="left")
        for row in result.rows:
            table.add_row(*(_text(row.get(name, "")) for name in headings))
        console.print(table)
    for target in result.targets:
        verdict = "met" if target.met else "[bold]missed[/bold]"
        console.print(f"  {target.what}: {_text(target.measured)} ({target.bound}): {verdict}", highlight=False)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
