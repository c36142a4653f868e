"""Log lines of our processes: one JSON object a line on standard error, UTC, no payloads and no secrets."""

from __future__ import annotations

import logging
import sys

import structlog

from network.operations.log_levels import LogLevels


def configure_logging() -> LogLevels:
    """Set up structlog and the standard library's loggers for a process; return what decides on levels from here on."""
    levels = LogLevels()
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    structlog.configure(
        processors=[
            levels,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        # Every line reaches the first processor, which drops what the specification in force does not want.
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=levels.logger,
        cache_logger_on_first_use=True,
    )
    return levels
