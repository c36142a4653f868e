"""What the demo claims and whether it held: every claim is a check, every figure is measured."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Check:
    """One claim."""

    step: str
    claim: str
    held: bool
    detail: str


@dataclass(slots=True)
class Report:
    """All checks and figures of one run."""

    console: Console
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    _step: str = ""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a heading, and the seconds the step took."""
        self._step = title
        self.console.rule(f"[bold]{title}", align="left")
        started = time.monotonic()
        yield
        self.figures[f"seconds: {title}"] = round(time.monotonic() - started, 2)

    def check(self, claim: str, held: bool, detail: str = "") -> bool:
        """Record a claim and print it; returns whether it held."""
        self.checks.append(Check(self._step, claim, held, detail))
        mark = "[green]✓[/green]" if held else "[red]✗[/red]"
        self.console.print(f" {mark} {claim}" + (f" [dim]{detail}[/dim]" if detail else ""), highlight=False)
        return held

    def figure(self, name: str, value: Any) -> None:
        """Record a measured figure."""
        self.figures[name] = value

    @property
    def all_held(self) -> bool:
        """True when there were checks and none failed."""
        return bool(self.checks) and all(check.held for check in self.checks)

    def print_summary(self) -> None:
        """Print the figures and the verdict."""
        table = Table("figure", "value", title="Summary", title_justify="left")
        for name, value in self.figures.items():
            table.add_row(name, str(value))
        self.console.print(table)
        held = sum(check.held for check in self.checks)
        colour = "green" if self.all_held else "red"
        self.console.print(f"[bold {colour}]{held} of {len(self.checks)} checks held[/bold {colour}]")
        for check in self.checks:
            if not check.held:
                self.console.print(f"[red]failed[/red] {check.step}: {check.claim} {check.detail}")

    def save(self, path: Path) -> None:
        """Write checks and figures as JSON."""
        content = {
            "all_held": self.all_held,
            "figures": self.figures,
            "checks": [
                {"step": check.step, "claim": check.claim, "held": check.held, "detail": check.detail}
                for check in self.checks
            ],
        }
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")
