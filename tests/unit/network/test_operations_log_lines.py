"""Log lines of a process, as a process of its own writes them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.shared_data import REPOSITORY

PROGRAM = """
import logging, structlog
from network.operations.log_lines import write_log_lines
levels = write_log_lines()
log, library = structlog.get_logger("node.books"), logging.getLogger("uvicorn.error")
secret = "local variable"
log.info("batch_posted", entries=3)
log.debug("unwanted")
library.warning("port %d is taken", 80)
library.info("unwanted")
logging.getLogger("psycopg").warning("error ignored terminating %s", "pipeline")
logging.getLogger("psycopg").error("a fault")
for tell in (log.exception, library.exception):
    try:
        raise ValueError("broken")
    except ValueError:
        tell("failed")
"""


def test_every_line_is_an_object_of_json_whoever_wrote_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.stdout == ""
    times = [datetime.fromisoformat(line.pop("timestamp")) for line in lines]
    assert all(timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=5) for at in times)
    traces = [line.pop("exception") for line in lines if "exception" in line]
    assert lines == [
        {"level": "info", "event": "batch_posted", "entries": 3},
        {"level": "warning", "event": "port 80 is taken", "logger": "uvicorn.error"},
        {"level": "error", "event": "a fault", "logger": "psycopg"},
        {"level": "error", "event": "failed"},
        {"level": "error", "event": "failed", "logger": "uvicorn.error"},
    ]
    assert [trace.splitlines()[-1] for trace in traces] == ["ValueError: broken"] * 2
    assert "local variable" not in done.stderr


FULL = """
import asyncio, logging, structlog, sys
from network.operations.log_lines import write_log_lines
from network.operations.metrics import Metrics
metrics = Metrics()
write_log_lines().count_in(metrics)
log = structlog.get_logger("node.books")
for tell in (log.info, log.warning, log.error, logging.getLogger("uvicorn.error").warning):
    tell("a line")
sys.stderr = sys.stdout
print([line for line in asyncio.run(metrics.text()).splitlines() if line.startswith("dwaybank_log_lines_lost")])
"""


def test_line_that_a_full_disk_takes_no_more_ends_nobodys_work_and_is_counted() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", FULL], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
    assert done.stdout == "['dwaybank_log_lines_lost 3']\n", done.stdout
