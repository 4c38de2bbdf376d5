"""Running the processes: one at a time per data folder, in the foreground, ended together."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from filelock import FileLock, Timeout

from console import orphan
from console.context import INTERRUPTED, progress_console
from console.stack import Stack
from console.supervise import ChildFailed, Supervisor
from tasks.errors import ConfigurationError, Error


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the data folder's lock; end what a killed run has left.

    Raises:
        ConfigurationError: another `up`, `run` or `demo` holds it, or it cannot be written.
    """
    lock = FileLock(data / "up.lock")
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:  # first: it is an OSError too
        raise ConfigurationError(
            f"it is running already, with the data folder {data}. Use it with `reelqueue submit`, "
            "stop it with Ctrl-C, or set REELQUEUE_DATA_DIR to run another."
        ) from None
    except OSError as exc:
        raise ConfigurationError(
            f"the data folder {data} cannot be used: {exc.strerror}; set REELQUEUE_DATA_DIR"
        ) from None
    try:
        for name in orphan.end_leftovers(data):
            progress_console().print(f"ended {name}, left by a run that was killed")
        yield
    finally:
        lock.release()


def stop_on_signals() -> threading.Event:
    """Return an event that Ctrl-C and SIGTERM set; a second Ctrl-C changes nothing."""
    stop = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(kind, lambda *_: stop.set())
    return stop


def run_with(
    stack: Stack,
    data: Path,
    stop: threading.Event,
    work: Callable[[threading.Event], int] | None,
    echo: TextIO | None = sys.stderr,
    *,
    quiet: bool = False,
) -> int:
    """Start the processes, do `work` beside them (or wait for a signal), stop them.

    Children are tended by the main thread, whose death ends them; `work` runs in another.

    Returns:
        What `work` returned; 0 without it, 130 where a signal came first.

    Raises:
        Error: a process could not be kept running; its last lines are in the text.
    """
    done: list[int] = []
    failed: list[BaseException] = []

    def working() -> None:
        try:
            done.append(work(stop) if work else 0)
        except BaseException as exc:  # noqa: BLE001  told by the main thread
            failed.append(exc)
        finally:
            stop.set()

    worker = threading.Thread(target=working, name="work")
    try:
        with Supervisor(
            stack.children, logs=data / "logs", records=data, echo=echo, quiet=quiet
        ) as supervisor:
            supervisor.start(stop)
            if work and not stop.is_set():
                worker.start()
            supervisor.watch(stop)
            stop.set()
            if worker.is_alive():
                worker.join(timeout=5)
    except ChildFailed as exc:
        stop.set()
        raise Error(f"{exc}\n  All logs: {data / 'logs'}") from None
    if failed:
        raise failed[0]
    return done[0] if done else 0 if work is None else INTERRUPTED
