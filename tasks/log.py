"""One line per event, with its fields; no payload and no secret is ever one of them.

A terminal gets text, anything else a JSON object per line. Lines of libraries take the same form.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from types import TracebackType
from typing import Any, TextIO, cast

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from tasks.sink import Direct, Sink

LONGEST = 8000
"""Most characters of a value: a traceback or a library's message may have no end."""

# ASCII alone: whatever stands in a value, a line of JSON is one line and moves no cursor.
_json = json.JSONEncoder(separators=(",", ":"), default=str).encode


def _stamped(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add level and time; structlog's own three take as long as all else of a line."""
    now = time.time()
    event["level"] = "error" if method == "exception" else method
    event["timestamp"] = f"{_second(int(now))}.{int(now % 1 * 1_000_000):06d}Z"
    if "exc_info" in event:  # the traceback as text, without variables
        return structlog.processors.format_exc_info(logger, method, event)
    return event


@lru_cache(1)
def _second(now: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))


def configure(*, forks: bool = False) -> FilteringBoundLogger:
    """Send this process's events, and those of its libraries, to stderr; returns the logger.

    Lines go through a thread that may drop them; a process that forks can have none.
    The logger is bound once: to bind it anew costs as much as the rest of a line.
    """
    render = _on_terminal if sys.stderr.isatty() else _elsewhere
    stream = _direct() if forks else _sink(os.getpid())
    structlog.configure(
        processors=[_stamped, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            processors=[ProcessorFormatter.remove_processors_meta, render],
            foreign_pre_chain=[_stamped, structlog.stdlib.add_logger_name],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings quote headers
    logger: FilteringBoundLogger = structlog.get_logger().bind()
    _tell_of_crashes(logger)
    return logger


def _direct() -> TextIO:
    return cast("TextIO", Direct(sys.stderr.fileno()))


@cache
def _sink(pid: int) -> TextIO:
    """Return the stream of this process, which a fork does not take along."""
    del pid
    return cast("TextIO", Sink(sys.stderr.fileno()))


def as_text(event: Mapping[str, Any]) -> str:
    """Return an event as a terminal shows it; only the lines of a traceback follow, indented."""
    fields = dict(event)
    clock = datetime.fromisoformat(fields.pop("timestamp")).astimezone().strftime("%H:%M:%S")
    level, name = fields.pop("level"), _shown(fields.pop("event"), plain=" ")
    trace = str(fields.pop("exception", ""))[-LONGEST:].splitlines()
    told = "".join(f" {_shown(key)}={_shown(value)}" for key, value in fields.items())
    return "\n    ".join([f"{clock} [{level:<9}] {name:<16}{told}", *map(_printable, trace)])


def _shown(value: object, plain: str = "") -> str:
    """Return a value; quoted where it could be taken for something else."""
    text = str(value)[:LONGEST]
    is_plain = text.isprintable() and text != "" and not set(" \"'=") - set(plain) & set(text)
    return text if is_plain else repr(text)


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]


def _on_terminal(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return as_text(event)


def _elsewhere(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    first = {name: str(event.pop(name))[:LONGEST] for name in ("timestamp", "level", "event")}
    if "exception" in event:  # its end tells what happened
        event["exception"] = event["exception"][-LONGEST:]
    told = {
        name: value[:LONGEST] if isinstance(value, str) else value for name, value in event.items()
    }
    return _json({**first, **told})


def _tell_of_crashes(logger: FilteringBoundLogger) -> None:
    """Let what nobody catches be one event, too."""

    def crashed(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, Exception):
            logger.critical("crashed", exc_info=(kind, error, trace))

    def thread_died(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and args.exc_type is not SystemExit:
            found = (args.exc_type, args.exc_value, args.exc_traceback)
            thread = args.thread.name if args.thread else ""
            logger.error("thread.died", thread=thread, exc_info=found)

    sys.excepthook = crashed
    threading.excepthook = thread_died
