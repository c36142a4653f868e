"""Log lines of a process: one JSON object a line on standard error, UTC; those of libraries too.

Rule: no payloads, no personal data and no secrets. So traces are plain: structlog's own default would print local
variables, and with them secrets.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.types import Processor

from network.operations.log_levels import LogLevels


def write_log_lines() -> LogLevels:
    """Set up structlog and the standard library's loggers for this process.

    Returns:
        what decides on the levels of our own lines from here on; libraries write from WARNING on.
    """
    levels = LogLevels()
    common: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # What fails on a connection is raised to whoever uses it, and told there; psycopg warns of it as well.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    structlog.configure(
        processors=[levels, *common, *last],
        # Every line reaches the first processor, which drops what the specification in force does not want.
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=levels.logger,
        cache_logger_on_first_use=True,
    )
    return levels
