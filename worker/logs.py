"""Celery's own log lines in the form of ours (tasks/log.py), and without what messages hold."""

import logging
from typing import Any

from tasks.log import configure
from worker.config import TEXT_INFERENCE

QUOTING = ("Received ", "Can't decode message")
"""How those lines of Celery 5.7 begin that quote a message."""


def configured(**_: Any) -> None:  # noqa: ANN401  the signal's own
    """Keep Celery from setting up logging of its own."""
    configure()
    logging.captureWarnings(capture=True)
    logging.getLogger("celery.worker.consumer.consumer").addFilter(_without_message)
    logging.getLogger("celery.app.trace").addFilter(_with_job)
    # Flower's receiver takes what is shown later than it happened for clocks that differ.
    logging.getLogger("celery.events.state").setLevel(logging.ERROR)


def _without_message(record: logging.LogRecord) -> bool:
    """Cut off the message that could not be read: Celery quotes it, with headers and arguments."""
    if str(record.msg).startswith(QUOTING):
        record.msg, record.args = str(record.msg).partition("\n")[0].partition("%")[0].rstrip(), ()
    return True


def _with_job(record: logging.LogRecord) -> bool:
    """Name the job of a Celery task that is one; a door's id says nothing."""
    data = getattr(record, "data", None)
    if isinstance(data, dict) and data.get("name") == TEXT_INFERENCE:
        record.job = data.get("id")
    return True
