"""Queueing as it is shown: bars on a terminal, a line now and then elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.filesize import decimal
from rich.progress import Progress

from batches.accounts import account_of
from batches.queueing import Queued
from batches.uploads import Uploads
from console.plain import plain
from tasks.settings import Settings
from tasks.store import Store

EVERY = 10.0
"""Seconds between two lines where no terminal shows a bar."""


@contextmanager
def uploads_to(store: Store, settings: Settings, files: int) -> Iterator[Uploads | None]:
    """Yield the uploads of a manifest with so many local files; None where it has none.

    Raises:
        ConfigurationError: they cannot be uploaded; the text says why.
        Error: the index of uploads cannot be used.
    """
    if not files:
        yield None
        return
    account = account_of(store, settings)
    with Uploads(store, account, settings.data_dir.absolute(), settings.uploads) as uploads:
        yield uploads


def heed(stop: threading.Event | None) -> None:
    """Raise KeyboardInterrupt once `stop` is set."""
    if stop and stop.is_set():
        raise KeyboardInterrupt


@contextmanager
def shown(
    out: Console, rows: int, uploads: Uploads | None, stop: threading.Event | None
) -> Iterator[Callable[[int], None]]:
    """Show how far queueing is; yields what must hear how many rows were handled.

    Args:
        out: Where.
        rows: Of the manifest.
        uploads: Of their files, if there are any.
        stop: Once set, what is yielded raises KeyboardInterrupt.
    """
    done, said = 0, time.monotonic()
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        bar = progress.add_task("queueing", total=rows)

        def told(count: int) -> None:
            nonlocal done, said
            heed(stop)
            done += count
            progress.advance(bar, count)
            if uploads is None:
                return
            progress.update(bar, description=f"queueing · {sent(uploads)}")
            if not out.is_terminal and time.monotonic() - said >= EVERY:
                out.print(f"{done} of {rows} rows queued · {sent(uploads)}")
                said = time.monotonic()

        try:
            yield told
        except KeyboardInterrupt:
            out.print(f"{done} of {rows} rows are queued; the same command goes on from there")
            raise


def sent(uploads: Uploads) -> str:
    """Return in a line what uploads have done."""
    tally = uploads.tally
    told = [f"{tally.uploaded} {'file' if tally.uploaded == 1 else 'files'} uploaded"]
    told += [f"{decimal(tally.sent)} sent"] if tally.sent else []
    told += [f"{tally.known} there before"] if tally.known else []
    told += [f"{tally.failed} failed"] if tally.failed else []
    return ", ".join(told)


def remarks(queued: Queued) -> Iterator[str]:
    """Yield what to say of rows with local files beside how many were queued."""
    if queued.again:
        rows = "row" if queued.again == 1 else "rows"
        yield f"{queued.again} {rows} retried with fresh uploads"
    lacking = queued.withheld + queued.still
    if lacking:
        rows = "row has" if lacking == 1 else "rows have"
        yield f"{lacking} {rows} failed, for a file could not be uploaded:"
        yield from map(plain, queued.lacking)
        yield "Mend that, and submit the same manifest again: it uploads and retries them."
