"""Messages as they are read: plain JSON, and nothing of them in the log."""

import json
import logging
from typing import Any

from celery import current_app
from celery.signals import worker_init
from celery.worker.consumer import consumer
from kombu import serialization
from kombu.utils.json import dumps

REFUSED = {
    consumer.MESSAGE_DECODE_ERROR: "a message that cannot be read was dropped",
    consumer.INVALID_TASK_ERROR: "a message that is no task was dropped",
    consumer.UNKNOWN_FORMAT: "a message that is no task was dropped",
    consumer.UNKNOWN_TASK_ERROR: "a message was dropped: there is no task of its name",
}
"""What Celery logs with the whole message, by its format; and what is logged instead."""


def loads(text: str | bytes) -> Any:  # noqa: ANN401  any JSON value
    """Read JSON as it stands.

    kombu's own reader makes Python objects of `{"__type__": ...}`, which a manifest row may hold.
    NaN is read, though it is no JSON: so its sender is told of it, and does not wait for ever.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(text)


BUILT_IN = "celery."
"""What the names of Celery's own tasks begin with. Of these only `map`, `starmap` and `chunks` are
ever sent; their arguments would stand in events and log. Whoever calls them is told so."""


class Quiet(logging.Filter):
    """Keeps messages out of the log: they hold arguments."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace what repeats a message."""
        if str(record.msg) in REFUSED:
            record.msg, record.args, record.exc_info = REFUSED[str(record.msg)], (), None
        return True


@worker_init.connect
def read_plainly(**_: object) -> None:
    """Let this process, which is a worker, read and log so."""
    register: Any = serialization.register  # kombu has no types
    register("json", dumps, loads, "application/json", "utf-8")
    logging.getLogger(consumer.__name__).addFilter(Quiet())
    for name in [name for name in current_app.tasks if name.startswith(BUILT_IN)]:
        current_app.tasks.unregister(name)
