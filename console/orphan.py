"""Two nets under children whose supervisor is killed with -9, when it can stop nothing itself.

First net: every child is started through this file, `python -I -S orphan.py PARENT_PID -- argv...`.
Linux then sends it SIGTERM when the *thread* that started it ends; so children are started from a
thread that lives as long as the program, which is the main thread.

Second net: running children are recorded in `children.json`, and the next run ends those left over.

Run as a script under -I this file sees nothing but the standard library.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_RECORD = "children.json"
_GRACE = 3.0
_POLL = 0.05
_PR_SET_PDEATHSIG = 1


def spawn(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that a terminal's Ctrl-C is for us alone.

    Args:
        argv: The program, looked for in the PATH of `env`, and its arguments.
        env: Its whole environment.

    Returns:
        The process, its output and errors together in `stdout`.

    Raises:
        OSError: The machine has no room for another process.
    """
    wrapper = [sys.executable, "-I", "-S", __file__, str(os.getpid()), "--"]
    return subprocess.Popen(
        [*wrapper, *argv],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def record(folder: Path, pids: Mapping[str, int]) -> None:
    """Replace the record of running children, atomically; with none the file is removed.

    Args:
        folder: Where `children.json` stands.
        pids: Process id of each running child, by name; each leads its own process group.

    Raises:
        OSError: The folder cannot be written.
    """
    path = folder / _RECORD
    if not pids:
        path.unlink(missing_ok=True)
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    rows = [{"name": name, "pid": pid, "born": _born(pid)} for name, pid in pids.items()]
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(rows), encoding="utf-8")
    fresh.replace(path)


def end_leftovers(folder: Path) -> list[str]:
    """End what an earlier run left running: SIGTERM, after 3 s SIGKILL, to the process groups.

    A process counts as left over only when its start time is the recorded one: a process id may
    long have gone to a stranger.

    Args:
        folder: Where `children.json` stands; call this before a `Supervisor` records there.

    Returns:
        The names of the children ended, as recorded.

    Raises:
        OSError: The record can be neither read nor removed.
    """
    left = [each for each in _recorded(folder) if each.lives()]
    for each in left:
        signal_group(each.pid, signal.SIGTERM)
    _kill_groups(left, time.monotonic() + _GRACE)
    record(folder, {})
    return [each.name for each in left]


def is_running(folder: Path) -> bool:
    """Whether a process that is recorded in this folder lives."""
    return any(each.lives() for each in _recorded(folder))


def signal_group(pid: int, kind: signal.Signals) -> None:
    """Send a signal to all of a child's process group, if there is one left."""
    # macOS answers "not permitted" for a group of which only zombies are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, kind)


class _Recorded(NamedTuple):
    name: str
    pid: int
    born: str | None

    def lives(self) -> bool:
        return self.born is not None and self.born == _born(self.pid)


def _recorded(folder: Path) -> list[_Recorded]:
    try:
        rows = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        return [_Recorded(**row) for row in rows]
    except (FileNotFoundError, ValueError, TypeError):
        return []  # never written, or torn by a power cut, which leaves no process; or not ours


def _kill_groups(left: list[_Recorded], deadline: float) -> None:
    waiting = set(left)
    while waiting:
        over = {each for each in waiting if not each.lives() or time.monotonic() >= deadline}
        # As soon as its leader has ended: what is left of a group keeps the number from strangers,
        # but an empty one may be theirs before long.
        for each in over:
            signal_group(each.pid, signal.SIGKILL)
        waiting -= over
        time.sleep(_POLL)
    # The ports and files they held are free only now.
    while any(each.lives() for each in left) and time.monotonic() < deadline + _GRACE:
        time.sleep(_POLL)


def _born(pid: int) -> str | None:
    """Return when a process started, in words that fit no other process; None if it is dead."""
    return _born_by_proc(pid) if sys.platform == "linux" else _born_by_ps(pid)


def _born_by_proc(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name, in brackets, and may itself hold spaces and brackets.
    state, *others = stat.rpartition(")")[2].split()
    # Field 22 counts from boot, and machines that boot alike start alike.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return None if state in "ZX" else f"{boot} {others[18]}"


def _born_by_ps(pid: int) -> str | None:
    # The time is printed for people: their zone and language must not change it between runs.
    env = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    argv = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    state, _, born = answer.stdout.strip().partition(" ")
    return None if state.startswith("Z") else " ".join(born.split()) or None


def _end_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        # Where a sandbox forbids it, the second net remains.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # Only now: a parent that ended before the call above would not be noticed by it.
    if os.getppid() != parent:
        sys.exit("the supervisor has ended")


def _become(argv: list[str]) -> None:
    # Python ignores this, and what is ignored stays ignored in the program that follows. SIGXFSZ is
    # to stay so: a store at the limit of a file's size is not killed, but says that it is full.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted: the argv goes through as it is
    except OSError as error:
        sys.exit(f"cannot start {Path(argv[0]).name}: {error.strerror}")


if __name__ == "__main__":
    _end_with_parent(int(sys.argv[1]))
    _become(sys.argv[3:])
