"""Which log lines a process writes: Fabric's logging specification, changed while it runs.

    info                                  everything from INFO on
    node.peer=debug:warning               node.peer and all below it from DEBUG on, everything else from WARNING on
    node.peer,node.orderer=debug:info     two loggers alike

A logger's name is that of its module; a name in a specification stands for the module and all below it, one that ends
in a dot for the module alone.

Source: Fabric common/flogging/loggerlevels.go; docs, "Logging Control".
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, TextIO

import structlog

from network.errors import NetworkError
from network.operations.metrics import Counter, Metrics

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "panic": logging.CRITICAL,
    "fatal": logging.CRITICAL,
}
"""Fabric's words for levels; nothing here is above CRITICAL."""

DEFAULT_SPEC = "info"
_METHODS = {"exception": logging.ERROR, "critical": logging.CRITICAL}


class LogSpecError(NetworkError):
    """A logging specification that cannot be understood."""


class NamedLogger(structlog.PrintLogger):
    """Writes lines to a file, and knows the name it was asked for by.

    Args:
        lost: told of each line that could not be written.
    """

    def __init__(self, file: TextIO | None, name: str, lost: Callable[[], None]) -> None:
        super().__init__(file)
        self.name = name
        self._lost = lost

    def msg(self, message: str) -> None:
        """Write a line, or lose it: what a full disk cannot be told must not end the work that it tells of."""
        try:
            super().msg(message)
        except OSError:
            self._lost()

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


class LogLevels:
    """The specification in force, as a structlog processor.

    Args:
        spec: specification at the start.
    Raises:
        LogSpecError: it cannot be understood.
    """

    def __init__(self, spec: str = DEFAULT_SPEC) -> None:
        self._checked: dict[str, Counter] = {}
        self._written: dict[str, Counter] = {}
        self._lost: Counter | None = None
        self.set(spec)

    def set(self, spec: str) -> None:
        """Put another specification in force.

        Raises:
            LogSpecError: it cannot be understood; the one before stays.
        """
        self._default, self._named = _parse(spec)
        self.spec = _text(self._default, self._named)
        self._known: dict[str, int] = {}

    def level_of(self, name: str) -> int:
        """Return the lowest level that a logger writes, in the numbers of ``logging``."""
        level = self._known.get(name)
        if level is None:
            level = self._known[name] = LEVELS[self._word_of(name)]
        return level

    def count_in(self, metrics: Metrics) -> None:
        """Count lines checked and written under Fabric's names."""
        checked = metrics.counter(
            "logging_entries_checked", "Number of log entries checked against the active logging level", ["level"]
        )
        written = metrics.counter("logging_entries_written", "Number of log entries that are written", ["level"])
        for word in ("debug", "info", "warning", "error", "critical"):
            self._checked[word], self._written[word] = checked.of(word), written.of(word)
        self._lost = metrics.counter("dwaybank_log_lines_lost", "Number of log lines that could not be written.").of()

    def logger(self, *arguments: Any) -> NamedLogger:
        """Make the logger that structlog asks for."""
        return NamedLogger(sys.stderr, str(arguments[0]) if arguments else "", self._count_lost)

    def __call__(self, logger: Any, method: str, event: Any) -> Any:
        """Let a line pass, or drop it."""
        word = "error" if method == "exception" else method
        if word in self._checked:
            self._checked[word].value += 1
        level = _METHODS.get(method) or LEVELS.get(method, logging.INFO)
        if level < self.level_of(getattr(logger, "name", "")):
            raise structlog.DropEvent
        if word in self._written:
            self._written[word].value += 1
        return event

    def _count_lost(self) -> None:
        if self._lost is not None:
            self._lost.value += 1

    def _word_of(self, name: str) -> str:
        exact = self._named.get(name + ".")
        while exact is None and name:
            exact = self._named.get(name)
            name = name.rpartition(".")[0]
        return exact or self._default


def _parse(spec: str) -> tuple[str, dict[str, str]]:
    default, named = DEFAULT_SPEC, {}
    for field in spec.split(":"):
        names, separator, word = field.rpartition("=")
        word = word.strip().lower()
        if not word and not separator:
            continue
        if word not in LEVELS:
            raise LogSpecError(f"invalid logging specification '{spec}': bad segment '{field}'")
        if not separator:
            default = word
            continue
        for name in names.split(","):
            if not name or not name.replace(".", "").replace("_", "").isalnum() or name.startswith("."):
                raise LogSpecError(f"invalid logging specification '{spec}': bad logger name '{name}'")
            named[name] = word
    return default, named


def _text(default: str, named: dict[str, str]) -> str:
    return ":".join([*(f"{name}={named[name]}" for name in sorted(named)), default])
