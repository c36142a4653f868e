"""Log levels by Fabric's specification: read, refused, and in force for a logger and all below it."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from network.operations.log_levels import LogLevels, LogSpecError, NamedLogger
from network.operations.metrics import Metrics


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ("", "info"),
        ("debug", "debug"),
        ("WARN", "warn"),
        ("node.peer=debug:warning", "node.peer=debug:warning"),
        ("node.peer,node.orderer=debug", "node.orderer=debug:node.peer=debug:info"),
        ("error:gateway=info:", "gateway=info:error"),
        ("a=debug:a=error", "a=error:info"),
    ],
)
def test_specification_is_shown_as_it_is_in_force(spec: str, shown: str) -> None:
    levels = LogLevels(spec)
    assert levels.spec == shown
    assert LogLevels(levels.spec).spec == shown


@pytest.mark.parametrize("spec", ["loud", "node=loud", "=debug", "a,=debug", "no de=debug", ".a=debug", "a=b=debug"])
def test_specification_that_makes_no_sense_is_refused_and_the_one_before_stays(spec: str) -> None:
    levels = LogLevels("node=debug:error")
    with pytest.raises(LogSpecError, match="invalid logging specification"):
        levels.set(spec)
    assert levels.spec == "node=debug:error"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("node.peer", logging.DEBUG),
        ("node.peer.channel", logging.DEBUG),
        ("node.peer.gateway.endorse", logging.ERROR),
        ("node.peerless", logging.WARNING),
        ("node", logging.WARNING),
        ("exactly", logging.INFO),
        ("exactly.below", logging.WARNING),
        ("", logging.WARNING),
    ],
)
def test_nearest_name_decides(name: str, level: int) -> None:
    levels = LogLevels("node.peer=debug:node.peer.gateway=error:exactly.=info:warning")
    assert levels.level_of(name) == level


async def test_levels_change_while_loggers_are_in_use_and_lines_are_counted() -> None:
    levels, metrics, output = LogLevels(), Metrics(), io.StringIO()
    levels.count_in(metrics)
    log = structlog.wrap_logger(
        NamedLogger(output, "node.peer", lambda: pytest.fail("a line was lost")),
        processors=[levels, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    ).bind()
    log.debug("unseen")
    levels.set("node.peer=debug")
    log.debug("seen")
    levels.set("error")
    log.warning("unseen too")
    log.exception("seen too", exc_info=False)
    assert [json.loads(line)["event"] for line in output.getvalue().splitlines()] == ["seen", "seen too"]
    text = await metrics.text()
    assert 'logging_entries_checked{level="debug"} 2' in text
    assert 'logging_entries_written{level="debug"} 1' in text
    assert 'logging_entries_written{level="warning"} 0' in text
    assert 'logging_entries_written{level="error"} 1' in text
