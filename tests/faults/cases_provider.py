"""What goes wrong between our workers and the provider."""

from registry import MEMORIES, Open, case
from simulator_driver import wait_until
from yard import KINDS, LONG, OFF, Told, Yard, until

from tasks.job import State

MANY = KINDS * 3


@case(memories=MEMORIES)
def acknowledgments_are_lost(yard: Open) -> Told:
    with yard() as at:
        at.provider_line.lose(b"textInference", 2)
        at.submit([*KINDS, ("ack=lost", 2), (f"ack=500 {OFF}", 1), ("ack=unnamed", 1)])
        until(lambda: not at.provider_line.left_to_lose)
        at.heal()
        return at.verdict()


@case(memories=MEMORIES)
def a_post_is_accepted_and_never_answered(yard: Open) -> Told:
    with yard(simulator=("--latency", "1")) as at:
        at.provider_line.mute = True
        at.submit([("", 2), (OFF, 1), ("webhook=delay:8", 1)])
        wait_until(lambda: at.purchases() == 3, 20)
        until(lambda: at.count(State.SUBMITTING) == 0, 40)
        at.provider_line.mute = False
        at.heal()
        return at.verdict()


@case(memories=MEMORIES)
def a_post_never_arrives(yard: Open) -> Told:
    with yard() as at:
        at.provider_line.deaf = True
        at.submit([("", 2), (OFF, 1)])
        until(lambda: at.provider_line.events > 0)
        at.provider_line.cut()
        at.provider_line.deaf = False
        at.heal()
        return at.verdict()


@case()
def a_storm_of_refusals(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        for outage in ("429", "500", "503", "502"):
            outlast(at, outage)
        at.heal()
        return at.verdict()


@case()
def the_key_is_refused_and_the_credit_spent_in_the_middle(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.submit(MANY)
        until(lambda: at.ended > 4)
        for switch in ("reject_key", "insufficient_credits"):
            at.simulator.change(**{switch: True})
            until(at.store.paused, 20)
            at.simulator.change(**{switch: False})
            at.events += 1
            until(lambda before=at.ended: hastened(at) and at.ended > before)
        at.heal()
        told = at.verdict()
        assert {one.state for one in at.records()} == {State.COMPLETED, State.PARTIAL}
        return told


@case()
def answers_are_pages_halves_and_of_somebody_else(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        alive = at.pids
        at.submit(MANY)
        for outage in ("html", "garbage"):
            outlast(at, outage)
        for reply in ("nameless", "shuffled,duplicate,foreign,foreign_data,empty_errors"):
            at.simulator.change(reply=reply)
            before = at.simulator.totals()["posts"]
            wait_until(
                lambda seen=before: hastened(at) and at.simulator.totals()["posts"] > seen + 3
            )
            at.events += 4
        at.heal()
        told = at.verdict()
        assert at.pids == alive
        return told


@case()
def the_line_to_the_provider_drips_breaks_and_redirects(yard: Open) -> Told:
    with yard(settings=LONG) as at:
        at.provider_line.drip = True
        at.submit(MANY)
        until(lambda: at.ended > 3, 40)
        at.provider_line.drip = False
        for _ in range(5):
            before = at.simulator.totals()["posts"]
            wait_until(lambda seen=before: hastened(at) and at.simulator.totals()["posts"] > seen)
            at.provider_line.cut()
        at.provider_line.refusing = True
        at.provider_line.cut()
        until(lambda: at.provider_line.events > 8, 20)
        at.provider_line.refusing = False
        outlast(at, "302")
        at.heal()
        return at.verdict()


@case(memories=("running", "never"))
def polls_do_not_show_what_runs(yard: Open) -> Told:
    calm = {"REELQUEUE_RESOLVE_AFTER": "5"}  # and several polls are silent before a task is done
    with yard(settings=calm, simulator=("--latency", "3", "--poll", "empty")) as at:
        at.submit([("ack=lost", 2), (f"ack=lost {OFF}", 1), ("", 1), ("poll=forever_empty", 1)])
        at.events = 4
        at.heal()
        return at.verdict()


@case()
def results_are_kept_for_three_seconds_only(yard: Open) -> Told:
    with yard(simulator=("--latency", "0.5", "--retention", "3", "--expired", "taskExpired")) as at:
        at.submit([(OFF, n % 3 + 1) for n in range(12)])
        at.events = 12
        told = at.verdict()
        assert {one.state for one in at.records()} == {State.COMPLETED}
        return told


def hastened(at: Yard) -> bool:
    """Let what is held back go on."""
    at.hasten()
    return True


def outlast(at: Yard, outage: str) -> None:
    """Let an outage meet some requests."""
    at.simulator.change(outage=outage)
    before = at.simulator.totals()["posts"]
    wait_until(lambda: hastened(at) and at.simulator.totals()["posts"] > before + 2, 30)
    at.simulator.change(outage=None)
    at.events += 3
