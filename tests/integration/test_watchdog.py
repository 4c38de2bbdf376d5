"""A worker in which something no longer goes round ends; what goes round, or rests, is spared."""

import subprocess
import sys

from simulator_driver import ROOT
from store_driver import StoreServer
from structlog import get_logger

from worker.watchdog import CONSUMER, TICKER, Watchdog

PROGRAM = """
import sys, threading, time
from tasks.log import configure
from tasks.store import Store
from tasks.tally import Tally, Teller
from worker.watchdog import Watchdog
watchdog = Watchdog(configure(), rounds=2)
Teller(Tally(), Store.open(sys.argv[1], "watched"), "one", watchdog.look).start()
watchdog.expect("ticker")
threading.Event().wait()  # as whoever waits for a thread that died before it began
"""


def test_a_process_ends_that_waits_for_ever_and_says_why(valkey: StoreServer) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, valkey.url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert '"event":"worker.stuck","reason":"no round for 4 s: ticker"' in ended.stderr


def test_what_goes_round_or_rests_is_not_stuck() -> None:
    watchdog = Watchdog(get_logger(), rounds=3)
    for what in (TICKER, CONSUMER):
        watchdog.expect(what)
    for _ in range(9):
        watchdog.beat(TICKER)
        watchdog.beat(CONSUMER)
        assert watchdog.stuck() == []
    watchdog.rest(CONSUMER)
    watchdog.beat(CONSUMER)  # the last word of a thread that is left behind
    for _ in range(9):
        watchdog.beat(TICKER)
        assert watchdog.stuck() == []


def test_looks_are_counted_from_the_last_round_on_and_anew_after_a_rest() -> None:
    watchdog = Watchdog(get_logger(), rounds=3)
    for _ in range(2):
        watchdog.expect(TICKER)
        assert [watchdog.stuck() for _ in range(3)] == [[]] * 3
        watchdog.rest(TICKER)
    watchdog.expect(TICKER)
    assert [watchdog.stuck() for _ in range(4)] == [[], [], [], [TICKER]]
    watchdog.beat(TICKER)
    assert watchdog.stuck() == []
