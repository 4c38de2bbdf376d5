"""Running the processes: one at a time per data folder, in the foreground, ended together."""

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

from filelock import FileLock, Timeout

from console import orphan
from console.codes import INTERRUPTED
from console.context import progress_console
from console.damage import advice
from console.stack import Stack
from console.supervise import ChildFailed, Supervisor
from tasks.errors import ConfigurationError, Error

T = TypeVar("T")


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
            progress_console(unread=True).print(f"ended {name}, left by a run that was killed")
        yield
    finally:
        lock.release()


class Stop(threading.Event):
    """Set when the user wants to leave; `over` once nothing more is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    def ask(self) -> None:
        """Hear a signal: the first lets what runs end well, the second cuts it short."""
        (self.over if self.is_set() else self).set()

    def cutting(self, rows: Iterable[T]) -> Iterator[T]:
        """Yield rows until it is over.

        Raises:
            KeyboardInterrupt: it is, and there are more.
        """
        for row in rows:
            if self.over.is_set():
                raise KeyboardInterrupt
            yield row


def stop_on_signals() -> Stop:
    """Return what Ctrl-C and SIGTERM set, and a second one sets to be over; `nohup` is heeded."""
    stop = Stop()
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    for kind in (signal.SIGINT, signal.SIGTERM, *hangup):
        signal.signal(kind, lambda *_: stop.ask())
    return stop


def run_with(
    stack: Stack,
    data: Path,
    stop: Stop,
    work: Callable[[Stop], int],
    echo: TextIO | None = sys.stderr,
    *,
    quiet: bool = False,
) -> int:
    """Start the processes, do `work` beside them, stop them.

    Children are tended by the main thread, whose death ends them; `work` runs in another. After a
    signal it has the time that it needs to end well; a second one ends the children under it.

    Returns:
        What `work` returned; 130 where a signal came first.

    Raises:
        Error: a process could not be kept running; its last lines are in the text.
    """
    done: list[int] = []
    failed: list[BaseException] = []

    def working() -> None:
        try:
            done.append(work(stop))
        except BaseException as exc:  # noqa: BLE001  told by the main thread
            failed.append(exc)
        finally:
            stop.set()
            stop.over.set()

    worker = threading.Thread(target=working, name="work")
    try:
        with Supervisor(
            stack.children, logs=data / "logs", records=data, echo=echo, quiet=quiet
        ) as supervisor:
            supervisor.start(stop)
            if not stop.is_set():
                worker.start()
            supervisor.watch(stop)
            if worker.is_alive():
                supervisor.watch(stop.over)
    except ChildFailed as exc:
        damage = advice(data / "store", exc.tail) if exc.name == "store" else ""
        raise Error(f"{exc}\n  All logs: {data / 'logs'}{damage}") from None
    finally:
        stop.set()
        stop.over.set()
        if worker.is_alive():
            worker.join()
    if failed:
        raise failed[0]
    return done[0] if done else INTERRUPTED
