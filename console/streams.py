"""Standard input, output and errors as every verb may take them for granted."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase, TextIOWrapper
from pathlib import Path
from typing import IO, TextIO, cast

import click


class Closed(RawIOBase):
    """Stands in for a closed output: writing to it fails with a sentence."""

    def writable(self) -> bool:
        """Say yes, so that it is tried."""
        return True

    def write(self, _data: object) -> int:
        """Refuse.

        Raises:
            click.ClickException: always; it ends the command with its sentence and code 1.
        """
        raise click.ClickException("standard output is closed, and there is something to write")


class Remarks:
    """A stream whose words may be lost: where they cannot be written, on a full disk, say.

    Args:
        to: Where to.
        unread: Also where nobody reads them any longer.
    """

    def __init__(self, to: TextIO, *, unread: bool) -> None:
        self._to, self._unread = to, unread

    def __getattr__(self, name: str) -> object:
        """Be like the stream in all else."""
        return getattr(self._to, name)

    def write(self, text: str) -> int:
        """Write it if possible."""
        with self._losing():
            self._to.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what was held back, if possible."""
        with self._losing():
            self._to.flush()

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            if not self._unread:
                raise
        except OSError:
            pass


@contextmanager
def writable() -> Iterator[None]:
    """End with a sentence where what was written of data or help cannot be.

    Raises:
        click.ClickException: it cannot.
    """
    try:
        try:
            yield
        except SystemExit:  # which has said why
            _end(sys.stdout)
            raise
        finally:
            sys.stdout.flush()  # else Python does it at the end, and only its exit code tells
    except BrokenPipeError:  # `reelqueue --help | head`: click ends quietly
        raise
    except OSError as exc:
        _end(sys.stdout)
        raise click.ClickException(f"standard output: {exc.strerror or exc}") from exc
    finally:
        _end(sys.stderr)


def _end(stream: TextIO) -> None:
    """Write what a stream holds; where that cannot be, let it go nowhere."""
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def make_ready() -> None:
    """Put something in the place of streams that are closed, and let every character be written.

    What a stream's encoding lacks is written as `\\N`.
    """
    # In their order, so that each gets its own number, which no file or socket takes from now on.
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115  as long as the process
    if sys.stdout is None:
        os.open(os.devnull, os.O_WRONLY)
        sys.stdout = TextIOWrapper(cast("IO[bytes]", Closed()), "utf-8", write_through=True)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  the same
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
