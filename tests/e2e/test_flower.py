"""What Flower shows of a batch, through its own pages in a browser."""

import html
import re
import subprocess
from collections.abc import Callable

import pytest
from simulator_driver import wait_until
from stack_driver import Place

QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
ROWS = (
    {"prompt": "fine", "video": "https://example.com/harbour.mp4?signature=canary-signature"},
    {"prompt": "two", "numberResults": 2, "image": "https://example.com/stall.jpg"},
    {"prompt": "unsafe [[sim: fail=contentPolicyViolation]]"},
    {"prompt": "refused [[sim: refuse=invalidValue]]"},
    {"prompt": "half [[sim: errors=1]]", "numberResults": 2},
    {"prompt": "hostile", "custom_id": "<b id=hostile>"},
)

TOLD = (
    ("|harbour.mp4|shown|SUCCESS|1 ok, finish: ",),
    ("|stall.jpg|shown|SUCCESS|2 ok, finish: ",),
    ("|shown|FAILURE|contentPolicyViolation: The task ended", "|0|"),
    ("|shown|FAILURE|invalidValue: ", "|0|"),
    ("|shown|SUCCESS|1 ok, 1 failed, finish: ",),
    ("|shown|SUCCESS|",),
)

pytestmark = pytest.mark.needs("chromium", "chromium")


@pytest.fixture(scope="module")
def page(running: Place, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return the DOM of one of Flower's pages once its scripts have run."""
    profile = tmp_path_factory.mktemp("chromium")

    def dump(path: str, *options: str) -> str:
        argv = ["chromium", *QUIET, f"--user-data-dir={profile}", *options]
        shown = subprocess.run(
            [*argv, "--virtual-time-budget=8000", "--dump-dom", f"{running.flower}{path}"],
            env=running.env | {"HOME": str(profile), "TMPDIR": str(profile)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return shown.stdout

    return dump


@pytest.fixture(scope="module")
def jobs(running: Place) -> list[dict[str, object]]:
    """Give the table of a batch that has ended, a row per job."""
    running.run("submit", running.manifest("shown", *ROWS), "--watch")
    return list({row["job_id"]: row for row in running.results("shown")}.values())


def rows_of(dom: str) -> dict[str, str]:
    """Return the text of each row of Flower's task table, by taskUUID, cells parted by |."""
    rows = re.findall(r'<tr id="([^"]+)"[^>]*>(.*?)</tr>', dom, re.DOTALL)
    return {uuid: html.unescape(re.sub(r"(<[^>]*>)+", "|", cells)) for uuid, cells in rows}


def test_flower_shows_one_row_per_job_with_its_state_arguments_result_and_cost(
    page: Callable[..., str], jobs: list[dict[str, object]]
) -> None:
    wait_until(lambda: "|STARTED|" not in str(rows_of(page("/tasks"))))
    dom = page("/tasks")
    assert "<b " not in dom
    shown = rows_of(dom)
    for job, told in zip(jobs, TOLD, strict=True):
        row = shown.pop(str(job["job_id"]))
        assert row.startswith(f"|{job['custom_id']}|")
        for part in told:
            assert part in row


@pytest.mark.usefixtures("jobs")
def test_a_batch_and_each_seat_of_a_door_have_one_row(page: Callable[..., str]) -> None:
    def others() -> list[str]:
        rows = rows_of(page("/tasks")).values()
        return [row for row in rows if "reelqueue.text_inference" not in row]

    wait_until(lambda: any(re.match(r"\|shown\|+shown\|SUCCESS\|", row) for row in others()))
    shown = others()
    (batch,) = [row for row in shown if row.startswith("|shown|")]
    assert "|6 jobs, 3 completed, 1 partial, 2 failed|" in batch
    seats = re.findall(r"^\|(\w+:\d)\|", "\n".join(shown), re.MULTILINE)
    assert {"submit:0", "poll:0"} <= set(seats)
    assert len(seats) == len(set(seats))
    assert all("reelqueue." in row for row in shown)


def test_flowers_page_of_a_failed_job_tells_the_reason_and_no_page_tells_a_signature(
    page: Callable[..., str], jobs: list[dict[str, object]]
) -> None:
    assert "contentPolicyViolation: The task ended" in page(f"/task/{jobs[2]['job_id']}")
    assert "canary" not in page(f"/task/{jobs[0]['job_id']}")
