"""`make faults`: run every case and print what came of each.

Cases run in threads, a few at a time: each is processes of its own that mostly wait.
"""

import os
import shutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from all_cases import CASES  # noqa: E402 - the path comes first
from fault_table import ROWS  # noqa: E402
from preload import has_compiler  # noqa: E402
from registry import Case  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.markup import escape  # noqa: E402
from rich.table import Table  # noqa: E402
from yard import Told  # noqa: E402

AT_ONCE = 3
COLUMNS = ("events", "jobs", "lost", "doubled", "bought twice", "recovered in", "took")


def main(words: list[str]) -> int:
    """Run the cases whose names hold one of the words, or all."""
    os.environ["REELQUEUE_ENV_FILE"] = os.devnull
    chosen = [one for one in CASES if not words or any(word in one.title for word in words)]
    runnable = [one for one in chosen if not lacks(one)]
    console, begun = Console(width=None if sys.stdout.isatty() else 150), time.monotonic()
    table, failed = Table("fault", "rows", *COLUMNS), 0
    rows: dict[str, list[str]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(run, one): one for one in runnable}
        for done in as_completed(running):
            one, (told, wrong, took) = running[done], done.result()
            rows[one.title] = (
                line(told, took) if told else ["FAILED"] + [""] * 5 + [f"{took:.1f} s"]
            )
            failed += told is None
            console.print(f"{'ok' if told else 'FAILED':6} {one.title} {took:.1f} s", markup=False)
            if wrong:
                console.print(wrong, markup=False)
    for one in chosen:
        named = ", ".join(str(n) for n, row in ROWS.items() if one.name in row.met)
        title = escape(one.title.replace("_", " "))
        table.add_row(title, named, *rows.get(one.title, [lacks(one)]))
    console.print(table)
    took = time.monotonic() - begun
    console.print(f"{len(runnable)} cases, {failed} failed, {took:.0f} s", markup=False)
    return int(failed > 0)


def lacks(one: Case) -> str:
    """Return what the machine has not, that a case needs."""
    if one.needs == "compiler" and not has_compiler():
        return "NOT RUN: no C compiler"
    if one.needs == "root" and os.geteuid() != 0:
        return "NOT RUN: only root may limit a disk"
    return ""


def run(one: Case) -> tuple[Told | None, str, float]:
    """Run a case; returns what came of it, or what went wrong, and the seconds."""
    folder, begun = Path(tempfile.mkdtemp(prefix="fault-")), time.monotonic()
    try:
        told = one.run(folder / "yard")
        assert told.events, "nothing was injected"
    except Exception:  # noqa: BLE001 - the table shows it
        wrong = f"{traceback.format_exc()}\nits folder stays: {folder}"
        return None, wrong, time.monotonic() - begun
    shutil.rmtree(folder)
    return told, "", time.monotonic() - begun


def line(told: Told, took: float) -> list[str]:
    """Return a row of the table."""
    seconds = "" if told.seconds is None else f"{told.seconds:.1f} s"
    numbers = (told.events, told.score.jobs, told.score.lost, told.score.doubled, told.score.twice)
    return [*map(str, numbers), seconds, f"{took:.1f} s"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
