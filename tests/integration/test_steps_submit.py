"""Submitting to the simulator: whatever the answer to the POST is, each task is bought once."""

from dataclasses import replace
from typing import Any

import pytest
from core_driver import KEYRING, Rig, agree, resize, row
from simulator_driver import Simulator

from tasks import reading, reading_results, steps
from tasks.job import State
from tasks.posting import Posting
from tasks.store import Store

pytestmark = pytest.mark.one_store


@pytest.fixture
def rig(store: Store, simulator: Simulator) -> Rig:
    return Rig(store, simulator.v1)


def told(*directives: str, **fields: object) -> dict[str, Any]:
    return row(f"Look. [[sim: {' '.join(directives)}]]", **fields)


@pytest.mark.parametrize(
    "directive",
    ["", "ack=lost", "ack=unnamed", "ack=500", "ack=final", "drop=before*1", "ack=late:0.2"],
)
def test_whatever_becomes_of_the_ack_the_job_completes_on_one_purchase(
    rig: Rig, simulator: Simulator, directive: str
) -> None:
    rig.queue(told(directive, "latency=0.1"))
    rig.run()
    assert rig.only().state is State.COMPLETED
    assert len(agree(rig, simulator)) == 1


def test_neighbours_of_a_lost_answer_are_found_one_by_one(rig: Rig, simulator: Simulator) -> None:
    rig.queue(*[told("latency=0.1", f"n{n}") for n in range(3)], told("ack=500"), row())
    rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    assert len(agree(rig, simulator)) == 5


@pytest.mark.parametrize("status", [429, 400, 200])
def test_a_refused_task_is_sent_again_byte_by_byte(
    rig: Rig, simulator: Simulator, status: int
) -> None:
    rig.queue(told("refuse=concurrentRequestLimitExceeded*2", f"status={status}"))
    rig.run()
    (job,) = rig.jobs
    truth = agree(rig, simulator)[job]
    assert (rig.only().state, truth["refused"], truth["submissions"]) == (State.COMPLETED, 2, 3)


def test_a_resend_with_a_callback_is_byte_equal_too(store: Store, simulator: Simulator) -> None:
    rig = Rig(store, simulator.v1, callbacks="http://127.0.0.1:9/webhooks/runware")
    rig.queue(told("refuse=rateLimitExceeded*1", "webhook=off"))
    rig.turn()
    rig.adopt(place=store.place("http://127.0.0.1:9/moved"))  # what is frozen stays
    rig.run()
    assert agree(rig, simulator)[rig.jobs[0]]["submissions"] == 2


@pytest.mark.parametrize("remember", ["forever", "running", "never"])
@pytest.mark.parametrize("directive", ["ack=lost", "ack=500", "drop=before*1"])
def test_nothing_is_bought_twice_however_long_used_uuids_are_remembered(
    rig: Rig, simulator: Simulator, remember: str, directive: str
) -> None:
    simulator.change(remember=remember)
    rig.queue(told(directive, "latency=0.2"))
    rig.run()
    agree(rig, simulator)
    assert rig.only().state is State.COMPLETED


@pytest.mark.parametrize("remember", ["forever", "running"])
def test_work_of_a_lost_history_meets_its_task_again(
    rig: Rig, simulator: Simulator, remember: str
) -> None:
    simulator.change(remember=remember)
    (job,) = rig.queue(told("latency=3"))
    client, mine = rig.store.client, f"{rig.store.keys.namespace}:*"
    second_before = {key: client.dump(key) for key in client.scan_iter(mine)}
    rig.turn()
    client.unlink(*client.scan_iter(mine))
    for key, value in second_before.items():
        client.restore(key, 0, value)
    assert rig.only().state is State.QUEUED
    rig.run()
    truth = agree(rig, simulator)[job]
    assert (truth["conflicts"], rig.only().state) == (1, State.COMPLETED)


def test_the_window_finds_the_capacity_and_grows_again(rig: Rig, simulator: Simulator) -> None:
    simulator.change(capacity=3, latency="0.3")
    rig.queue(*[row(f"Video {n}?") for n in range(12)])
    steps.submit(rig.context)
    assert rig.store.window() == (3, 3)
    rig.run()
    agree(rig, simulator)
    assert {one.state for one in rig.records()} == {State.COMPLETED}


def test_a_window_of_one_grows(rig: Rig, simulator: Simulator) -> None:
    resize(rig.store, 1)
    rig.queue(*[row(f"Video {n}?") for n in range(12)])
    rig.run()
    assert rig.store.window()[0] > 3
    agree(rig, simulator)


@pytest.mark.parametrize("most", [1, 3])
def test_a_provider_that_takes_fewer_tasks_is_found_out_once(
    rig: Rig, simulator: Simulator, most: int
) -> None:
    simulator.change(max_tasks=most)
    rig.queue(*[row(f"Video {n}?") for n in range(7)])
    rig.run()
    assert int(rig.store.limits.found()["tasks"]) <= most
    refused = simulator.totals()["posts"]
    rig.queue(*[row(f"Next {n}?") for n in range(6)], name="next")
    steps.submit(rig.context)
    assert simulator.totals()["posts"] - refused == 6 / int(rig.store.limits.found()["tasks"])
    rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    agree(rig, simulator)


@pytest.mark.parametrize("most", [1, 3])
def test_a_refusal_under_a_success_that_may_have_bought_spares_the_tasks_to_come(
    rig: Rig, simulator: Simulator, most: int
) -> None:
    simulator.change(max_submissions=most, error_status=200)
    resize(rig.store, 40)
    rig.queue(*[row(f"Video {n}?") for n in range(40)])
    rig.run()
    assert int(rig.store.limits.found()["tasks"]) <= most
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    sent = simulator.totals()["posts"]
    rig.queue(*[row(f"Next {n}?") for n in range(6)], name="next")
    steps.submit(rig.context)
    assert simulator.totals()["posts"] - sent == 6 / int(rig.store.limits.found()["tasks"])
    rig.run()
    agree(rig, simulator)


def test_a_large_post_that_no_answer_came_to_is_halved_from_then_on(
    rig: Rig, simulator: Simulator
) -> None:
    simulator.change(outage="refuse", outage_scope="submissions")
    rig.queue(*[row("x" * 100_000 + str(n)) for n in range(4)])
    steps.submit(rig.context)
    assert 190_000 < int(rig.store.limits.found()["bytes"]) < 210_000
    simulator.change(outage=None, outage_scope="all")
    rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    agree(rig, simulator)


def test_a_small_post_that_no_answer_came_to_limits_nothing(rig: Rig, simulator: Simulator) -> None:
    simulator.change(outage="refuse", outage_scope="submissions")
    rig.queue(*[row(f"Video {n}?") for n in range(4)])
    steps.submit(rig.context)
    assert {one.state for one in rig.records()} == {State.RESOLVING}
    assert rig.store.limits.found() == {}


def test_a_provider_that_takes_less_bytes_is_found_out(rig: Rig, simulator: Simulator) -> None:
    simulator.change(max_body=2000)
    rig.queue(*[row("x" * 300 + str(n)) for n in range(8)])
    rig.run()
    assert 500 < int(rig.store.limits.found()["bytes"]) < 2000
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    agree(rig, simulator)


def test_one_task_that_is_too_large_limits_no_other(rig: Rig, simulator: Simulator) -> None:
    simulator.change(max_body=20_000)
    rig.queue(row("One?"), row("x" * 30_000), row("Two?"))
    rig.run()
    states = [one.state for one in rig.records()]
    assert states == [State.COMPLETED, State.FAILED, State.COMPLETED]
    assert rig.store.limits.found() == {}


def test_fields_that_the_provider_refuses_are_left_out_and_nobody_fails(
    rig: Rig, simulator: Simulator
) -> None:
    simulator.change(unsupported="includeUsage,webhookURL")
    rig.adopt(place=rig.store.place("https://hooks.example/webhooks/runware"), keyring=KEYRING)
    rig.queue(row("One?"), row("Two?"))
    rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    assert rig.store.limits.found()["without"] == "includeUsage,webhookURL"
    assert simulator.totals()["purchases"] == 2


def test_a_field_of_the_row_that_the_provider_refuses_fails_the_row(
    rig: Rig, simulator: Simulator
) -> None:
    simulator.change(unsupported="seed")
    rig.queue(row("One?", seed=7), row("Two?"))
    rig.run()
    assert [one.state for one in rig.records()] == [State.FAILED, State.COMPLETED]
    assert rig.store.limits.found() == {}


def test_a_bad_task_fails_alone_and_unbought(rig: Rig, simulator: Simulator) -> None:
    good, bad, other = rig.queue(row("One?"), told("refuse=invalidMedia"), row("Two?"))
    rig.run()
    states = dict(zip(rig.jobs, (one.state for one in rig.records()), strict=True))
    assert states == {good: State.COMPLETED, bad: State.FAILED, other: State.COMPLETED}
    assert reading_results.failures(rig.store, [bad])[0][0] == "invalidMedia"
    agree(rig, simulator, unbought=[bad])


def test_a_record_that_cannot_be_read_fails_alone(rig: Rig, simulator: Simulator) -> None:
    good, bad, lost = rig.queue(row("One?"), row("Two?"), row("Three?"))
    rig.store.client.set(rig.store.keys("input", bad), b"no zlib")
    rig.store.client.unlink(rig.store.keys("input", lost))
    rig.run()
    assert [one.state for one in rig.records()] == [State.COMPLETED, State.FAILED, State.FAILED]
    assert [one.error_code for one in rig.records()] == ["", "unsendable", "unsendable"]
    assert set(agree(rig, simulator)) == {good}


def test_a_task_that_no_post_survives_while_others_are_taken_is_parked_and_not_bought(
    rig: Rig, simulator: Simulator
) -> None:
    (job,) = rig.queue(told("drop=before"))
    others = 0

    def parked() -> bool:
        nonlocal others
        if rig.records()[0].state is State.QUEUED and others < 20:
            others += 1  # sent in the next turn, beside or before the poisoned one
            rig.queue(row(f"Other {others}?"), name=f"other {others}")
        return "parked" in rig.records()[0].flags

    rig.run(parked, seconds=25)
    assert rig.records()[0].state is State.RESOLVING
    rig.run(lambda: all(one.state is State.COMPLETED for one in rig.records()[1:]))
    assert agree(rig, simulator, unbought=[job])[job]["submissions"] >= 4
    assert rig.store.window()[1] == 0


def test_an_outage_of_submissions_alone_parks_nothing_however_often_it_is_tried(
    rig: Rig, simulator: Simulator
) -> None:
    simulator.change(outage="500", outage_scope="submissions")
    (job,) = rig.queue(row())
    rig.run(lambda: simulator.totals()["posts"] > 0 and history(rig, job).count("absent") >= 5)
    assert (rig.only().flags, rig.only().passed_over) == (frozenset(), 0)
    simulator.change(outage=None, outage_scope="all")
    rig.run()
    assert rig.only().state is State.COMPLETED
    agree(rig, simulator)


def test_a_task_lost_for_as_long_as_a_job_may_take_is_parked(
    store: Store, simulator: Simulator
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_DEADLINE=2.0)
    simulator.change(outage="500", outage_scope="submissions")
    rig.queue(row())
    rig.run(lambda: "parked" in rig.only().flags)
    assert rig.only().state is State.RESOLVING


def history(rig: Rig, job: str) -> list[str]:
    events = reading.history(rig.store, job)
    return [event.what for event in events for _ in range(event.times)]


def test_posts_are_no_larger_than_the_setting(store: Store, simulator: Simulator) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_BYTES_PER_POST=1000)
    simulator.change(max_body=1000)
    rig.queue(*[row("x" * 200 + str(n)) for n in range(6)])
    rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}


def test_a_claim_past_half_its_lease_is_not_sent(rig: Rig, simulator: Simulator) -> None:
    (job,) = rig.queue(row())
    claim = rig.store.claim(5, 3600, "", "", 60)
    old = replace(claim, taken_at=claim.taken_at - 30)
    applied: list[object] = []
    Posting(rig.context, old, lambda *answer: applied.append(answer)).send(old.jobs, {job: b"{}"})
    assert applied == []
    assert rig.only().state is State.QUEUED
    assert simulator.totals()["posts"] == 0
