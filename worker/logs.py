"""Celery's own log lines, and Flower's, in the form of ours (tasks/log.py)."""

import logging
from typing import Any

from tasks.log import configure


def configured(**_: Any) -> None:  # noqa: ANN401  the signal's own
    """Take the place of Celery's own logging."""
    configure()
    logging.captureWarnings(capture=True)
    # Flower's receiver takes what is shown later than it happened for clocks that differ.
    logging.getLogger("celery.events.state").setLevel(logging.ERROR)
    logging.getLogger("kombu.connection").addFilter(_is_true)


def _is_true(record: logging.LogRecord) -> bool:
    # Said of a connection that only spells the URL for remote control, and is never made: those
    # that are made check certificates (worker/config.py).
    return "insecure SSL" not in str(record.msg)
