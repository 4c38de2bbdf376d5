"""One line per event, with its fields; no payload and no secret is ever one of them."""

import logging
import sys
from typing import TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger

from tasks.sink import Sink


def configure() -> FilteringBoundLogger:
    """Send this process's own events to stderr; returns the logger to hand on."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            # repr of every value: a line break in one cannot forge another line
            structlog.dev.ConsoleRenderer(colors=False, repr_native_str=True, pad_event_to=16),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", Sink(sys.stderr.fileno()))),
    )
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger
