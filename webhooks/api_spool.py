"""Receiving a manifest: from the request's body to a file, bounded in size and time."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from flask import request
from gunicorn.http.errors import ParseException

from webhooks.api_errors import Refused

MOST_BYTES = 100 * 1024 * 1024
"""Largest manifest; a hundred thousand rows with a kilobyte each."""

MOST_LINE = 16 * 1024 * 1024
"""Longest line: more than the provider takes in one request, less than would fill the memory."""

STEP = 64 * 1024

TYPES = ("application/jsonl", "application/x-ndjson", "text/plain")


@contextmanager
def received(folder: Path) -> Iterator[Path]:
    """Give the body as a file, removed on leaving.

    Raises:
        Refused: it is of another type, too large, has too long a line, or did not come whole.
    """
    _look_at_the_head()
    try:
        with tempfile.NamedTemporaryFile(suffix=".jsonl", dir=folder) as file:
            _copy(cast("IO[bytes]", file))
            file.flush()
            yield Path(file.name)
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno else type(exc).__name__
        message = f"the data folder cannot be written: {reason}"
        raise Refused(503, "unavailable", message) from exc


def _look_at_the_head() -> None:
    if request.mimetype not in TYPES:
        message = f"a manifest is JSON Lines: send it with Content-Type {TYPES[0]}"
        raise Refused(415, "unsupported_media_type", message)
    if request.mimetype_params.get("charset", "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise Refused(415, "unsupported_media_type", "a manifest is UTF-8")
    if (request.headers.get("Content-Encoding") or "identity").lower() != "identity":
        raise Refused(415, "unsupported_media_type", "send the manifest without Content-Encoding")
    if (request.content_length or 0) > MOST_BYTES:
        raise _too_large()


def _too_large() -> Refused:
    message = f"a manifest has at most {MOST_BYTES >> 20} MiB; divide it, under the same name"
    return Refused(413, "too_large", message)


def _copy(file: IO[bytes]) -> None:
    size, line, number = 0, 0, 1
    for data in _parts():
        size += len(data)
        if size > MOST_BYTES:
            raise _too_large()
        first = data.find(b"\n")
        _check_line(line + (first if first >= 0 else len(data)), number)
        # What stands between two line ends of one step is not too long.
        line = line + len(data) if first < 0 else len(data) - data.rfind(b"\n") - 1
        number += data.count(b"\n")
        file.write(data)


def _check_line(size: int, number: int) -> None:
    if size > MOST_LINE:
        problem = f"has more than {MOST_LINE >> 20} MiB"
        detail = {"line": number, "column": "row", "value": "", "problem": problem}
        message = f"nothing was queued: line {number} {problem}"
        raise Refused(400, "invalid_manifest", message, [detail])


def _parts() -> Iterator[bytes]:
    """Yield the body as it comes.

    The server's own stream is read: werkzeug's would be empty where no length is declared.
    """
    stream, left = request.environ["wsgi.input"], request.content_length
    while left is None or left > 0:
        try:
            data = stream.read(STEP if left is None else min(STEP, left))
        except (OSError, ParseException):  # the client went away, stalled, or its chunks are broken
            data, left = b"", left or 1
        if not data:
            if left:
                message = "the body did not come whole; nothing was queued"
                raise Refused(400, "invalid_request", message)
            return
        left = None if left is None else left - len(data)
        yield data
