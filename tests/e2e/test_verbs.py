"""Retry and cancel beside a running `up`, held against what was really bought."""

from simulator_driver import Simulator, wait_until
from stack_driver import Place, assert_true, by_uuid
from terminal_driver import Terminal

UNSAFE = {"prompt": "unsafe [[sim: fail=contentPolicyViolation*1]]"}
SLOW = {"prompt": "slow [[sim: latency=12]]"}


def test_what_failed_is_bought_again_after_a_yes_alone(running: Place, provider: Simulator) -> None:
    failed = running.run("submit", running.manifest("again", UNSAFE), "--watch")
    assert failed.returncode == 3
    before = provider.totals()["purchases"]
    with Terminal(running, "retry", "again") as asking:
        wait_until(lambda: "Retry 1 job?" in asking.seen())
        assert "contentPolicyViolation" in asking.seen()
        asking.type("n\n")
        wait_until(asking.ended)
    assert running.status("again")["request_counts"]["failed"] == 1
    assert provider.totals()["purchases"] == before
    assert running.run("retry", "again", "--yes").returncode == 0
    assert running.run("watch", "again").returncode == 0
    rows = running.results("again")
    assert (rows[0]["state"], rows[0]["attempts"]) == ("completed", 2)
    assert rows[0]["task_uuid"] != rows[0]["job_id"]
    assert_true(rows, provider)


def test_what_is_at_the_provider_when_it_is_cancelled_is_kept_and_costed(
    running: Place, provider: Simulator
) -> None:
    running.run("submit", running.manifest("gone", SLOW, SLOW))
    wait_until(lambda: running.status("gone")["request_counts"]["in_progress"] == 2, 20)
    done = running.run("cancel", "gone")
    assert done.returncode == 0
    assert "2 at the provider, or perhaps: it cannot be told to stop" in done.stderr
    assert running.status("gone")["status"] == "cancelled"
    wait_until(lambda: all(row["text"] for row in running.results("gone")), 40)
    rows = running.results("gone")
    assert {row["state"] for row in rows} == {"cancelled"}
    assert_true(rows, provider)
    again = running.run("retry", "gone", "--cancelled")
    assert "2 jobs completed: all results had come meanwhile" in again.stderr
    truth = by_uuid(provider)
    assert [truth[row["task_uuid"]]["purchases"] for row in running.results("gone")] == [1, 1]
