"""What goes wrong between the provider and the callback door."""

import os
import resource
import signal
from contextlib import suppress
from dataclasses import replace

from registry import Open, case
from simulator_driver import wait_until
from yard import BLIND, KINDS, OFF, Told, Yard, until

from tasks import verbs
from tasks.job import State
from tasks.token import new_keys

SHAPES = ("wrapped", "both", "list", "nostatus", "nested", "fields", "processing")


@case()
def results_come_twelve_times_in_any_order(yard: Open) -> Told:
    words = f"webhook=dup:12,jitter:0.6,reverse {BLIND}"
    with yard(simulator=("--latency", "0.2"), settings={"REELQUEUE_POLL_FIRST": "30"}) as at:
        at.submit([(words, width) for width in (1, 2, 3, 4)] + [(f"{words} errors=1", 3)] * 2)
        wait_until(lambda: acknowledged(at) >= 12 * 16, 40)
        at.events = acknowledged(at)
        at.submit([(f"webhook=again:1 {BLIND}", 2)], "again")  # comes once more when it is over
        return at.verdict()


@case()
def callbacks_overtake_the_acknowledgment(yard: Open) -> Told:
    with yard() as at:
        at.submit([("ack=late:2 latency=0.1", n) for n in (1, 2, 3)])
        until(lambda: at.count(State.COMPLETED))
        at.events = at.count(State.COMPLETED)
        at.heal()
        return at.verdict()


@case()
def results_come_after_the_job_was_cancelled(yard: Open) -> Told:
    with yard(settings={"REELQUEUE_POLL_FIRST": "30"}) as at:
        at.submit([("latency=6", 1), ("latency=6", 2), (f"latency=6 {OFF}", 1)])
        until(lambda: at.count(State.PROCESSING) == 3)
        assert verbs.cancel(at.store, at.records()) == ["sent"] * 3
        at.events = 3
        told = at.verdict()
        assert all(one.state is State.CANCELLED and "late" in one.flags for one in at.records())
        return told


@case()
def answers_of_the_door_are_lost(yard: Open) -> Told:
    with yard(settings={"REELQUEUE_POLL_FIRST": "30"}) as at:
        at.callback_line.lose(b"POST /webhooks", 9)
        at.submit([(BLIND, n % 4 + 1) for n in range(8)])
        until(lambda: not at.callback_line.left_to_lose)
        at.heal()
        return at.verdict()


@case()
def deliveries_overlap_while_the_store_hesitates(yard: Open) -> Told:
    late = ("--latency", "4")  # so that the store hesitates before the first of them comes
    with yard(simulator=late, settings={"REELQUEUE_POLL_FIRST": "30"}) as at:
        at.submit([(f"webhook=dup:2 {BLIND}", 2)] * 6)
        until(lambda: at.count(State.PROCESSING) == 6)
        at.door_store.delay = 1.5
        until(lambda: at.simulator.totals()["webhooks_sent"] > 12)
        at.door_store.delay = 0
        at.heal()
        return at.verdict()


@case()
def the_door_is_away_for_longer_than_all_tries(yard: Open) -> Told:
    with yard(simulator=("--latency", "0.3", "--webhook-tries", "2")) as at:
        assert at.door
        at.door.end()
        at.submit(KINDS)
        told = at.verdict()
        assert acknowledged(at) == 0
        return replace(told, events=at.simulator.totals()["webhooks_sent"])


@case()
def a_storm_of_retries_meets_a_door_that_comes_back(yard: Open) -> Told:
    with yard(
        simulator=("--latency", "0.3"),
        settings={"REELQUEUE_POLL_FIRST": "30", "REELQUEUE_WINDOW_START": "200"},
    ) as at:
        assert at.door
        at.door.end()
        at.submit([(BLIND, 1)] * 150)
        until(lambda: at.simulator.totals()["webhooks_sent"] > 300, 40)
        at.events = at.simulator.totals()["webhooks_sent"]
        at.open_door()
        at.heal()
        return at.verdict()


@case()
def a_result_comes_by_callback_and_poll_at_once(yard: Open) -> Told:
    quick = {"REELQUEUE_POLL_FIRST": "0.05", "REELQUEUE_POLL_MAX": "0.1"}
    with yard(workers=2, simulator=("--latency", "0.2-0.5"), settings=quick) as at:
        at.submit([("webhook=dup:2", n % 4 + 1) for n in range(60)])
        told = at.verdict()
        made = [r for task in at.simulator.truth("?tasks=1")["tasks"] for r in task["results"]]
        by_both = [r for r in made if r["delivered_by_poll"] and r["webhooks"]["acknowledged"]]
        return replace(told, events=len(by_both))


@case()
def fewer_alike_or_failed_results_are_what_they_are(yard: Open) -> Told:
    with yard(simulator=("--latency", "0.2", "--index", "never")) as at:
        at.submit(
            [
                *[("errors=1", 3), ("errors=2", 4), ("one_error fail=providerError", 2)],
                *[("webhook=skip:1", 3), ("identical", 4), (f"identical {OFF}", 3)],
                ("identical webhook=dup:2", 2),
            ]
        )
        at.events = 7
        return at.verdict()


@case()
def callbacks_come_in_every_shape(yard: Open) -> Told:
    with yard(simulator=("--latency", "0.3")) as at:
        alive = at.pids
        at.submit(
            [(f"webhook={shape}", n) for shape in SHAPES for n in (1, 2)]
            + [("unknown_field webhook=fields", 2)]
        )
        told = at.verdict()
        assert at.pids == alive
        return replace(told, events=acknowledged(at))


@case()
def texts_are_hostile(yard: Open) -> Told:
    with yard(simulator=("--latency", "0.2")) as at:
        alive = at.pids
        at.submit([("text=hostile", 2), (f"text=hostile {OFF}", 1), ("text=empty", 1)])
        at.events = 3
        told = at.verdict()
        assert at.pids == alive
        logs = [at.folder / name for name in ("worker.log", "door.log")]
        assert all(b"\x1b[" not in log.read_bytes() for log in logs)
        return told


@case()
def a_door_dies_between_the_steps_of_a_callback(yard: Open) -> Told:
    with yard(settings={"REELQUEUE_POLL_FIRST": "30"}) as at:
        for point in ("before:callback", "after:callback"):
            assert at.door
            at.door.end(signal.SIGTERM)
            mark = at.folder / point.replace(":", "-")
            at.open_door(CRASH_AT=point, CRASH_MARK=str(mark))
            wait_until(at.answers, 30)
            at.submit([(BLIND, n) for n in (1, 2, 3)], point.replace(":", "-"))
            wait_until(mark.exists, 20)
            at.events += 1
        at.heal()
        return at.verdict()


@case()
def processes_of_the_door_are_killed_again_and_again(yard: Open) -> Told:
    with yard(settings={"REELQUEUE_POLL_FIRST": "30"}) as at:
        at.submit([(f"webhook=jitter:3 {BLIND}", n % 3 + 1) for n in range(40)])
        assert at.door
        while at.ended < 40 and at.events < 6:
            wait_until(lambda: at.door is not None and at.door.children, 10)
            _kill(at.door.children[0], signal.SIGKILL)
            at.events += 1
            before = at.ended
            until(lambda seen=before: at.ended > seen or at.ended == 40)
        at.heal()
        return at.verdict()


@case()
def the_door_is_reloaded_and_restarted_under_load(yard: Open) -> Told:
    with yard(settings={"REELQUEUE_POLL_FIRST": "30"}) as at:
        at.submit([(f"webhook=jitter:4 {BLIND}", n % 3 + 1) for n in range(60)])
        for kind in (signal.SIGHUP, signal.SIGTERM, signal.SIGTERM):
            before = at.ended
            until(lambda seen=before: at.ended > seen)
            assert at.door
            if kind is signal.SIGHUP:
                at.door.send(kind)
            else:
                at.door.end(kind)
                at.open_door()
            at.events += 1
        at.heal()
        return at.verdict()


@case()
def a_process_of_the_door_is_stopped_and_goes_on(yard: Open) -> Told:
    with yard(settings={"REELQUEUE_POLL_FIRST": "30"}) as at:
        at.submit([(f"webhook=jitter:1 {BLIND}", n % 3 + 1) for n in range(20)])
        until(lambda: at.simulator.totals()["webhooks_sent"])
        assert at.door
        stopped = at.door.children[0]
        _kill(stopped, signal.SIGSTOP)
        before = at.simulator.totals()["webhooks_sent"]
        until(lambda: at.simulator.totals()["webhooks_sent"] > before + 10)
        _kill(stopped, signal.SIGCONT)
        at.events = 1
        at.heal()
        return at.verdict()


@case()
def the_key_of_all_tokens_is_dropped_in_the_middle(yard: Open) -> Told:
    with yard(simulator=("--latency", "1-2", "--webhook-tries", "2")) as at:
        at.submit([("", n % 3 + 1) for n in range(20)])
        until(lambda: at.count(State.PROCESSING) > 5)
        assert at.door
        at.door.end(signal.SIGTERM)
        at.open_door(REELQUEUE_SECRETS=new_keys())
        at.events = 1
        at.heal()
        return at.verdict()


@case()
def the_door_runs_out_of_file_descriptors(yard: Open) -> Told:
    with yard(settings={"REELQUEUE_POLL_FIRST": "30"}) as at:
        assert at.door
        pids = at.door.children
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)  # theirs too
        for pid in pids:  # only the soft one: the hard one could not be raised again
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, limits[1]))
        at.submit([(BLIND, n % 3 + 1) for n in range(20)])
        until(lambda: at.simulator.totals()["webhooks_sent"] > 20)
        for pid in pids:
            with suppress(ProcessLookupError):  # it did not live through it, and was replaced
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        at.events = len(pids)
        at.heal()
        return at.verdict()


def acknowledged(at: Yard) -> int:
    """Return how many deliveries the door has answered with 2xx."""
    return at.simulator.totals()["webhooks_acknowledged"]


def _kill(pid: int, kind: signal.Signals) -> None:
    os.kill(pid, kind)
