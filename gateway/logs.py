"""Log lines of the gateway: one JSON object a line on standard error, UTC, no personal data and no secrets.

Traces are plain: the library's own default would print local variables, and with them passwords.
"""

from __future__ import annotations

import logging
import sys

import structlog

from network.operations.log_levels import LogLevels


def configure_logging() -> LogLevels:
    """Set up structlog and the standard library's loggers; return what decides on levels from here on."""
    levels = LogLevels()
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    structlog.configure(
        processors=[
            levels,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=levels.logger,
        cache_logger_on_first_use=True,
    )
    return levels
