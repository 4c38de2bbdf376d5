"""A batch from submit to results, through all processes, held against what really happened."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulator_driver import Simulator, wait_until
from stack_driver import Place, assert_true, by_uuid, real, up

EXAMPLES = Path(__file__).parents[2] / "examples" / "four-analyses.jsonl"
HOUR = "3600"

MIXED = (
    {"prompt": "plain", "video": "https://example.com/a.mp4", "mine": "kept"},
    {"prompt": "three alike [[sim: identical]]", "numberResults": 3},
    {"prompt": "four that differ [[sim: webhook=dup:2]]", "numberResults": 4},
    {"prompt": "two with index [[sim: index]]", "numberResults": 2, "seed": 7},
)


FOUR = {"prompt": "four that differ, told once", "numberResults": 4}


def _words(row: dict[str, object]) -> list[str]:
    return str(row["prompt"]).split()


def submit(place: Place, name: str, *rows: dict[str, object]) -> None:
    """Submit rows and see that all ended well."""
    done = place.run("submit", place.manifest(name, *rows), "--watch")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def callbacks_only(
    provider: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Give a running place that polls once an hour."""
    place = Place(
        tmp_path_factory.mktemp("callbacks"),
        **real(provider, REELQUEUE_POLL_FIRST=HOUR, REELQUEUE_POLL_MAX=HOUR),
    )
    place.env["PUBLIC_URL"] = f"http://127.0.0.1:{place.ports[0]}"
    with up(place):
        yield place


def test_callbacks_and_polls_together_count_nothing_twice(
    running: Place, provider: Simulator
) -> None:
    submit(running, "both-roads", *MIXED)
    rows = running.results("both-roads")
    assert [row["custom_id"] for row in rows] == [
        f"row-{i}" for i in (0, 1, 1, 1, 2, 2, 2, 2, 3, 3)
    ]
    assert_true(rows, provider)


def test_callbacks_alone_finish_jobs(callbacks_only: Place, provider: Simulator) -> None:
    # One that is told twice, or two that are alike, make the task due for a poll: the next test.
    told_once = [row for row in MIXED if not {"identical]]", "webhook=dup:2]]"} & {*_words(row)}]
    submit(callbacks_only, "called-back", *told_once, FOUR)
    rows = callbacks_only.results("called-back")
    assert_true(rows, provider)
    truth = by_uuid(provider)
    assert not any(truth[row["task_uuid"]]["delivered_by_poll"] for row in rows)


def test_callbacks_without_seed_and_index_that_are_alike_prompt_a_poll_that_counts_them(
    callbacks_only: Place, provider: Simulator
) -> None:
    submit(callbacks_only, "alike", MIXED[1])
    assert_true(callbacks_only.results("alike"), provider)


def test_an_error_told_by_callback_is_confirmed_by_a_poll_at_once(
    callbacks_only: Place, provider: Simulator
) -> None:
    row = {"prompt": "unsafe [[sim: fail=contentPolicyViolation]]"}
    done = callbacks_only.run("submit", callbacks_only.manifest("accused", row), "--watch")
    assert done.returncode == 3
    assert_true(callbacks_only.results("accused"), provider)


def test_the_four_examples_come_back_with_their_real_texts_and_costs(
    running: Place, provider: Simulator
) -> None:
    done = running.run("submit", str(EXAMPLES), "--watch")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    rows = running.results("four-analyses")
    assert [row["cost"] for row in rows] == [0.01572, 0.01311, 0.02386, 0.02394]
    truth = by_uuid(provider)
    for row in rows:
        (result,) = truth[row["task_uuid"]]["results"]
        assert hashlib.sha256(row["text"].encode()).hexdigest() == result["text_sha256"]


def test_some_failed_jobs_end_in_exit_code_3_and_stand_in_the_table_with_their_reason(
    running: Place, provider: Simulator
) -> None:
    manifest = running.manifest(
        "some-fail",
        {"prompt": "fine", "mine": 1},
        {"prompt": "unsafe [[sim: fail=contentPolicyViolation]]", "mine": 2},
        {"prompt": "refused [[sim: refuse=invalidValue]]", "mine": 3},
        {"prompt": "half [[sim: errors=1]]", "numberResults": 2, "mine": 4},
        {"prompt": "at the second attempt [[sim: fail=providerError*1]]", "mine": 5},
    )
    done = running.run("submit", manifest, "--watch")
    assert done.returncode == 3
    assert "some-fail completed: 2 ok, 1 partial, 2 failed" in done.stderr
    rows = running.results("some-fail")
    assert [(row["mine"], row["state"], row["error_code"]) for row in rows] == [
        (1, "completed", None),
        (2, "failed", "contentPolicyViolation"),
        (3, "failed", "invalidValue"),
        (4, "partial", None),
        (4, "partial", "timeoutProvider"),
        (5, "completed", None),
    ]
    assert rows[1]["error_message"]
    assert rows[5]["attempts"] == 2
    assert_true([row for row in rows if row["mine"] != 3], provider)


def test_a_table_read_while_the_batch_runs_says_that_it_is_incomplete(running: Place) -> None:
    rows = ({"prompt": "soon"}, {"prompt": "later [[sim: latency=20]]"})
    running.run("submit", running.manifest("early", *rows))
    wait_until(lambda: running.status("early")["request_counts"]["completed"] == 1)
    done = running.run("results", "early", "-o", "early.out.jsonl")
    assert done.returncode == 0
    assert "INCOMPLETE: 1 of 2 jobs are open" in done.stderr
    lines = (running.cwd / "early.out.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["completed", "processing"]
    assert running.run("cancel", "early", "--yes").returncode == 0
    assert "INCOMPLETE" not in running.run("results", "early").stderr
