"""What a process counts, and how Prometheus reads it.

Rules
- Counting costs next to nothing: a cell is a number that its owner adds to, without a lock; whoever counts in a thread
  of its own keeps its own cell. Cells of label values that recur are fetched once and kept.
- Names are written as given: those of Fabric have no suffix ``_total``, so that dashboards made for Fabric work.
- Label values may come from strangers: beyond a thousand cells a family counts everything else together.
- What is cheap to ask and changes by itself is asked at the scrape (``before_scrape``), not kept up to date.

Source: Prometheus, exposition formats, text format 0.0.4.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, TypeVar

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

CELLS_MAX = 1_000
"""Cells of one family; what comes then is counted as ``other``."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of durations, Prometheus's usual ones, which Fabric uses where it names no others."""


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    kind = "counter"

    def __init__(self) -> None:
        self.value: float = 0

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """Yield the text of this cell."""
        yield f"{name}{_braces(labels)} {_number(self.value)}"


class Gauge(Counter):
    """A number that goes up and down."""

    __slots__ = ()

    kind = "gauge"


class Histogram:
    """How many values lay below each bound, and their sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    kind = "histogram"

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Add a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """Yield the text of this cell."""
        total = 0
        for bound, count in zip((*self._bounds, math.inf), self._counts, strict=True):
            total += count
            separator = "," if labels else ""
            yield f'{name}_bucket{{{labels}{separator}le="{_number(bound)}"}} {total}'
        yield f"{name}_sum{_braces(labels)} {_number(self._sum)}"
        yield f"{name}_count{_braces(labels)} {total}"


Cell = TypeVar("Cell", Counter, Gauge, Histogram)


class Family(Generic[Cell]):
    """The cells of one name, by the values of its labels."""

    def __init__(self, name: str, text: str, labels: Sequence[str], make: Callable[[], Cell]) -> None:
        self.name = name
        self._text = text
        self._labels = tuple(labels)
        self._make: Callable[[], Cell] = make
        self._cells: dict[tuple[str, ...], Cell] = {}
        if not labels:
            self._cells[()] = make()

    def of(self, *values: str) -> Cell:
        """Return the cell of these label values, made at first sight."""
        cell = self._cells.get(values)
        if cell is None:
            assert len(values) == len(self._labels), f"{self.name} has labels {self._labels}"
            if len(self._cells) >= CELLS_MAX:
                values = ("other",) * len(values)
            cell = self._cells.setdefault(values, self._make())
        return cell

    def forget(self) -> None:
        """Drop all cells, for a gauge whose label values come and go."""
        self._cells.clear()

    def lines(self) -> Iterator[str]:
        """Yield the text of all cells."""
        if not self._cells:
            return
        yield f"# HELP {self.name} {_escaped(self._text, quotes=False)}"
        yield f"# TYPE {self.name} {next(iter(self._cells.values())).kind}"
        for values, cell in sorted(self._cells.items()):
            pairs = (f'{label}="{_escaped(value)}"' for label, value in zip(self._labels, values, strict=True))
            yield from cell.lines(self.name, ",".join(pairs))


class Metrics:
    """All that one process counts."""

    def __init__(self) -> None:
        self._families: dict[str, Family[Counter] | Family[Gauge] | Family[Histogram]] = {}
        self._refreshers: list[Callable[[], Awaitable[None]]] = []
        self._stale = self.gauge(
            "dwaybank_metrics_stale", "1 for a part whose figures could not be read and are old.", ["part"]
        )

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Family[Counter]:
        """Return a new family of counters."""
        return self._add(Family(name, text, labels, Counter))

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Family[Gauge]:
        """Return a new family of gauges."""
        return self._add(Family(name, text, labels, Gauge))

    def histogram(
        self, name: str, text: str, labels: Sequence[str] = (), bounds: Sequence[float] = SECONDS
    ) -> Family[Histogram]:
        """Return a new family of histograms."""
        return self._add(Family(name, text, labels, lambda: Histogram(bounds)))

    def stale(self, part: str) -> Gauge:
        """Return the mark of a part whose figures could not be read at the last scrape."""
        return self._stale.of(part)

    def before_scrape(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """Have ``refresh`` bring its gauges up to date before each scrape."""
        self._refreshers.append(refresh)

    async def text(self) -> str:
        """Return everything in Prometheus's text format."""
        await asyncio.gather(*(refresh() for refresh in self._refreshers))
        lines = (line for name in sorted(self._families) for line in self._families[name].lines())
        return "".join(f"{line}\n" for line in lines)

    def _add(self, family: Family[Cell]) -> Family[Cell]:
        assert family.name not in self._families, f"metric {family.name} is there already"
        self._families[family.name] = family
        return family


def _braces(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _escaped(text: str, *, quotes: bool = True) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quotes else escaped


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(value)
