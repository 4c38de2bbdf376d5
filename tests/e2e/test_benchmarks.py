"""Each benchmark runs, with tiny numbers, and keeps what it found beside the others' figures."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def bench(name: str, results: Path, *args: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--results", str(results), *args],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    assert {"date", "how", "machine", "figures"} == kept[name].keys()
    assert kept[name]["figures"]
    for figure in kept[name]["figures"]:
        other = figure["other"]  # the CPU of a handful of jobs may be none
        assert figure["ratio"] == (pytest.approx(figure["ours"] / other) if other else 0)
        assert (figure["met"] is None) == (not figure["claim"])
    return kept


def test_queueing_is_measured_three_ways_and_other_figures_stay(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text('{"idle": {"figures": []}}', encoding="utf-8")
    kept = bench("queueing", results, "--rows", "200", "--sent", "20", "--rounds", "1")
    assert kept["idle"] == {"figures": []}
    assert all(figure["ours"] > 0 < figure["other"] for figure in kept["queueing"]["figures"])


def test_idling_is_measured(tmp_path: Path) -> None:
    bench("idle", tmp_path / "results.json", "--seconds", "1", "--settling", "0.1")


@pytest.mark.long
def test_draining_is_measured_against_the_usual_design(tmp_path: Path) -> None:
    few = ["--jobs=30", "--baseline-jobs=6", "--rounds=1"]
    sizes = [*few, "--latency=0.2", "--roads=callbacks"]
    figures = bench("drain", tmp_path / "results.json", *sizes)["drain"]["figures"]
    assert {"jobs/s", "ms/job", "calls"} == {figure["unit"] for figure in figures}


@pytest.mark.long
def test_following_capacity_is_measured(tmp_path: Path) -> None:
    bench("capacity", tmp_path / "results.json", "--phase", "10", "--latency", "0.2")


@pytest.mark.long
def test_growth_is_measured_through_the_whole_product(tmp_path: Path) -> None:
    sizes = ["--few", "100", "--many", "300", "--batches", "3", "--latency", "0.2"]
    bench("growth", tmp_path / "results.json", *sizes)
