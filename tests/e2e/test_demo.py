"""`reelqueue demo`, as the first thing a user sees."""

import json
import re
import signal
import subprocess
from decimal import Decimal

import pytest
import requests
from simulator_driver import wait_until
from stack_driver import COMMAND, Done, Place
from terminal_driver import Terminal

from tasks.environment import OF_CELERY, OF_ITS_COMMAND

KEYS = (
    "custom_id, job_id, task_uuid, state, result_index, text, finish_reason, reasoning, seed, "
    "cost, prompt_tokens, completion_tokens, thinking_tokens, attempts, error_code, "
    "error_message, queued_at, submitted_at, completed_at, simulated"
)
COSTS = [Decimal(text) for text in ("0.01572", "0.01311", "0.02386", "0.02394")]
FIRST_LINE = "Here is the emergency-response brief based on the provided video:"


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with settings of the real service, and of others, which the demo must not touch."""
    nowhere = "redis://127.0.0.1:1"
    settings = {"RUNWARE_API_KEY": "rw-real", "REDIS_URL": nowhere, "COLUMNS": "80"}
    settings |= dict.fromkeys((*OF_CELERY, *OF_ITS_COMMAND), nowhere)
    return Place(tmp_path_factory.mktemp("demo"), **settings)


@pytest.fixture(scope="module")
def shown(where: Place) -> Done:
    """What the demo printed."""
    return where.run("demo")


def test_the_demo_ends_well_and_leaves_nothing_outside_its_data_folder(
    shown: Done, where: Place
) -> None:
    assert shown.returncode == 0, shown.stderr
    assert where.strays() == []


def test_the_demo_says_first_that_the_provider_is_simulated_and_where_flower_is(
    shown: Done,
) -> None:
    first, second = shown.stderr.splitlines()[:2]
    assert "SIMULATED" in first
    assert re.search(r"Flower.*http://127\.0\.0\.1:\d+", second)


def test_the_demo_prints_a_table_in_which_each_answer_can_be_read_at_80_columns(
    shown: Done,
) -> None:
    lines = shown.stdout.splitlines()
    assert "SIMULATED" in lines[0]
    assert "harbor-evacuation-video    completed  length       660/1200   0.01572" in lines
    assert f"    {FIRST_LINE}" in lines
    assert max(map(len, lines[:-1])) <= 80


def test_the_demo_writes_the_table_with_its_keys_in_order_and_the_real_costs(
    shown: Done, where: Place
) -> None:
    path = where.data / "demo" / "four-analyses.results.jsonl"
    assert shown.stdout.splitlines()[-1] == f"4 rows written to {path}"
    rows = [json.loads(line, parse_float=Decimal) for line in path.read_text("utf-8").splitlines()]
    assert all(", ".join(row).startswith(KEYS) for row in rows)
    assert [row["cost"] for row in rows] == COSTS
    assert {row["simulated"] for row in rows} == {True}
    assert rows[0]["scene"] == "harbor evacuation"


def test_a_demo_that_stays_open_ends_with_ctrl_c(place: Place) -> None:
    with Terminal(place, "demo", "--stay") as demo:
        wait_until(lambda: "Open until Ctrl-C" in demo.seen(), 30)
        assert f"    {FIRST_LINE}\n" in demo.seen()
        demo.type("\x03")
        wait_until(demo.ended)
    assert demo.process.returncode == 0
    assert place.strays() == []


def test_a_second_demo_in_one_place_ends_well_and_shows_only_its_own_jobs(place: Place) -> None:
    first = place.run("demo")
    assert first.returncode == 0, first.stderr
    with Terminal(place, "demo", "--stay") as second:
        wait_until(lambda: "Open until Ctrl-C" in second.seen() or second.ended(), 30)
        found = re.search(r"Open until Ctrl-C. Flower: (http://[0-9.:]+)", second.seen())
        assert found, second.seen()
        wait_until(lambda: len(shown_jobs(found[1])) >= 4)
        table = (place.data / "demo" / "four-analyses.results.jsonl").read_text("utf-8")
        own = {json.loads(line)["job_id"] for line in table.splitlines()}
        assert shown_jobs(found[1]) == own
        journal = (place.data / "demo" / "simulator.jsonl").read_text("utf-8")
        assert journal.count('"task_uuid"') == len(own)
        second.type("\x03")
        wait_until(second.ended)
    assert second.process.returncode == 0


def shown_jobs(flower: str) -> set[str]:
    """Return the ids of the jobs that Flower shows."""
    query = {"draw": "1", "start": "0", "length": "99", "order[0][column]": "0"}
    query |= {"columns[0][data]": "uuid", "order[0][dir]": "asc"}
    query |= {"search[value]": "name:reelqueue.text_inference"}
    rows = requests.get(f"{flower}/tasks/datatable", query, timeout=5).json()["data"]
    return {row["uuid"] for row in rows}


def test_a_demo_interrupted_in_its_start_leaves_nothing(place: Place) -> None:
    demo = subprocess.Popen([COMMAND, "demo"], env=place.env, cwd=place.cwd, stderr=subprocess.PIPE)
    wait_until((place.data / "demo" / "children.json").exists, 10)
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=10)
    assert demo.returncode == 130
    assert place.strays() == []
