"""A batch with a limit: stopped before it can cost more, and raised."""

from simulator_driver import Simulator
from stack_driver import Place, real, up

ROWS = [{"prompt": f"What is at {n}?", "maxTokens": 500} for n in range(12)]
MOST = 12_000 * 500
"""Nano-dollars that the output of one of them costs at most."""


def test_a_batch_stops_at_its_limit_says_so_and_goes_on_once_it_is_raised(
    place: Place, provider: Simulator
) -> None:
    place.env |= real(provider, REELQUEUE_POLL_FIRST="0.2", REELQUEUE_POLL_MAX="0.5")
    before = provider.totals()
    file, limit = place.manifest("clips", *ROWS), str(3 * MOST / 10**9)
    with up(place) as running:
        watched = place.run("submit", file, "--max-cost", limit, "--watch", timeout=60)
        assert watched.returncode == 4, watched.stderr
        assert f"stopped by --max-cost {limit}" in watched.stderr
        assert "first jobs go one at a time" in watched.stderr
        spent = provider.totals()["charged_nano"] - before["charged_nano"]
        assert 0 < spent <= 3 * MOST
        assert place.run("watch", "clips").returncode == 4
        shown = place.run("watch", "clips", "--once").stdout
        waiting = next(one for one in place.results("clips") if one["state"] == "queued")
        for told in (shown, place.run("job", waiting["job_id"]).stdout):
            assert "nothing of its batch is sent: its --max-cost is reached." in " ".join(
                told.split()
            )
        assert '"status": "paused"' in place.run("status", "clips", "--json").stdout
        wrong = place.run("submit", file, "--max-cost", "5,00")
        assert (wrong.returncode, "plain number of dollars" in wrong.stderr) == (2, True)
        raised = place.run("submit", file, "--max-cost", "25", "--watch", timeout=60)
        assert raised.returncode == 0, raised.stderr
        assert "12 known before" in raised.stderr
        assert len(place.results("clips")) == len(ROWS)
        lowered = place.run("submit", file, "--max-cost", limit, "--watch", timeout=60)
        assert lowered.returncode == 0, lowered.stderr
        cost = place.status("clips")["cost"]
        told = " ".join(lowered.stderr.split())
        assert (
            f"has already cost {cost} USD: no more of it is sent under --max-cost {limit}" in told
        )
        assert "before it can cost more" not in told
        assert f"more than --max-cost {limit}: that was set below what had been spent" in told
        running.stop()
    assert provider.totals()["purchases"] - before["purchases"] == len(ROWS)
