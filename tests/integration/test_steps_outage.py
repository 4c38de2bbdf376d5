"""A provider that refuses the key, has no credit, or is away: nobody fails for it."""

from collections.abc import Callable

import pytest
from core_driver import LOG, Rig, agree, row
from market import age
from simulator_driver import Simulator, wait_until
from store_driver import free_port
from wire_driver import Wire, answer_with, whole

from tasks import steps, timing
from tasks.job import ENDED, State
from tasks.outages import Outages, gap
from tasks.provider import Patience, Provider
from tasks.settings import load
from tasks.store import Store
from tasks.sweep import sweep

pytestmark = pytest.mark.one_store


@pytest.fixture
def rig(store: Store, simulator: Simulator) -> Rig:
    return Rig(store, simulator.v1)


@pytest.mark.parametrize("switch", ["reject_key", "insufficient_credits"])
def test_a_refused_key_or_no_credit_pauses_all_and_fails_nobody(
    rig: Rig, simulator: Simulator, switch: str
) -> None:
    simulator.change(**{switch: True})
    rig.queue(*[row(f"Video {n}?") for n in range(5)])
    rig.turn()
    assert set(rig.store.paused()) == {"*"}
    assert {one.state for one in rig.records()} == {State.QUEUED}
    posts = simulator.totals()["posts"]
    rig.turn()
    assert simulator.totals()["posts"] == posts
    simulator.change(**{switch: False})
    rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    agree(rig, simulator)


def test_a_probe_that_is_refused_again_pauses_again(rig: Rig, simulator: Simulator) -> None:
    simulator.change(reject_key=True)
    rig.queue(row())
    rig.turn()
    for _ in range(2):
        wait_until(lambda: sweep(rig.store, LOG))
        assert not rig.store.paused()
        rig.turn()
        assert set(rig.store.paused()) == {"*"}
    assert rig.only().state is State.QUEUED
    agree(rig, simulator)


def test_polls_refused_for_the_key_are_no_news_of_any_task(rig: Rig, simulator: Simulator) -> None:
    rig.queue(row("Look. [[sim: latency=0.2]]"))
    steps.submit(rig.context)
    simulator.change(reject_key=True)
    rig.run(rig.store.paused)
    assert (rig.only().state, rig.only().empties) == (State.PROCESSING, 0)
    simulator.change(reject_key=False)
    release_holds(rig)
    rig.run()
    agree(rig, simulator)


def test_one_batch_without_credit_is_paused_alone_and_two_pause_all(
    rig: Rig, simulator: Simulator
) -> None:
    refused = "Look. [[sim: refuse=textInferenceVideoInputInsufficientCredits*1]]"
    rig.queue(row(refused), name="one")
    rig.turn()
    assert set(rig.store.paused()) == {"batch_one"}
    rig.queue(row(refused + " "), name="two")
    rig.turn()
    assert "*" in rig.store.paused()
    rig.run()
    assert {one.state for one in rig.records()} == {State.COMPLETED}
    agree(rig, simulator)


@pytest.mark.parametrize("outage", ["refuse", "500", "html"])
def test_an_outage_loses_nothing_and_buys_nothing_twice(
    rig: Rig, simulator: Simulator, outage: str
) -> None:
    rig.queue(*[row(f"Look {n}. [[sim: latency=0.2]]") for n in range(3)], name="before")
    rig.turn()
    simulator.change(outage=outage)
    rig.queue(*[row(f"Look {n}. [[sim: latency=0.1]]") for n in range(3)], name="during")
    for _ in range(5):
        release_holds(rig)
        rig.turn()
    assert State.FAILED not in {one.state for one in rig.records()}
    simulator.change(outage=None)
    rig.run(lambda: release_holds(rig) or all_completed(rig))
    agree(rig, simulator)


@pytest.mark.parametrize("came_to", ["latency=2", "fail=internalServerError*1"])
def test_time_in_which_nobody_heard_of_the_provider_counts_against_no_deadline(
    store: Store, simulator: Simulator, came_to: str
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_DEADLINE=60)
    rig.queue(row(f"Look. [[sim: {came_to}]]"))
    steps.submit(rig.context)
    age(store, rig.jobs, 300)
    store.client.hset(store.keys("meta"), "heard", store.now() - 299_000)
    for _ in range(2):
        rig.turn()
        assert rig.only().state is State.PROCESSING
        age(store, rig.jobs, 20)
    rig.run()
    assert rig.only().state is State.COMPLETED
    agree(rig, simulator)


def test_gaps_between_answered_polls_are_known_to_all_workers_and_few_are_kept(
    store: Store,
) -> None:
    settings, first, second, least = load({"REELQUEUE_DEADLINE": 60}), Outages(), Outages(), 50_000
    assert first.between(100_500, 100_900, least) == 400, "nothing was heard of yet"
    first.heard(store, settings, 1_000_000)
    first.heard(store, settings, 1_100_000)
    assert first.between(1_000_000, 1_110_000, least) == 100_000
    assert first.between(1_050_000, 1_080_000, least) == 30_000
    assert first.between(1_000_000, 1_110_000, 200_000) == 0, "polls are as rare as that"
    assert first.between(1_100_000, 1_200_000, least) == 100_000, "it lasts"
    second.heard(store, settings, 1_101_000)
    assert second.between(1_000_000, 1_110_000, least) == 100_000
    for moment in range(2_000_000, 3_200_000, 100_000):
        second.heard(store, settings, moment)
    assert second.between(1_000_000, 1_999_999, least) == 0, "the oldest are forgotten"
    assert second.between(2_400_000, 3_100_000, least) == 700_000


@pytest.mark.parametrize("outage", ["html", "500"])
def test_answers_without_news_after_an_outage_are_no_end_of_it(
    store: Store, simulator: Simulator, outage: str
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_DEADLINE=60)
    rig.queue(row("Look. [[sim: latency=0]]"))
    steps.submit(rig.context)
    rig.adopt(outages=Outages())
    age(store, rig.jobs, 300)
    store.client.hset(store.keys("meta"), "heard", store.now() - 299_000)
    simulator.change(outage=outage)
    for _ in range(5):
        rig.turn()
        age(store, rig.jobs, 20)
        assert rig.only().state is State.PROCESSING
    simulator.change(outage=None)
    rig.run()
    assert rig.only().state is State.COMPLETED
    agree(rig, simulator)


def test_a_parked_task_that_is_polled_rarely_ends_at_its_deadline(store: Store) -> None:
    outages, least = Outages(), gap(timing.RARELY)
    for moment in range(1_000_000, 9_000_000, 600_000):
        outages.heard(store, load(), moment)
    assert outages.between(1_000_000, 8_800_000, least) == 0


def test_a_provider_that_hangs_is_given_up_in_time(store: Store, simulator: Simulator) -> None:
    rig = Rig(store, simulator.v1)
    rig.adopt(provider=Provider(simulator.v1, "k", 1, Patience(silence=0.3, total=0.5)))
    simulator.change(outage="hang")
    rig.queue(row())
    steps.submit(rig.context)
    assert rig.only().state is State.RESOLVING
    simulator.change(outage=None)
    rig.run()
    agree(rig, simulator)


def test_a_provider_nobody_reaches_was_sent_nothing(store: Store) -> None:
    rig = Rig(store, f"http://127.0.0.1:{free_port()}/v1")
    rig.queue(row())
    steps.submit(rig.context)
    assert (rig.only().state, rig.store.window()[1]) == (State.QUEUED, 0)


def test_a_restarted_provider_that_knows_nothing_is_sent_the_task_once_more(
    store: Store, start: Callable[..., Simulator]
) -> None:
    first = start("--latency", "30")
    rig = Rig(store, first.v1)
    rig.queue(row("Look. [[sim: ack=lost]]"))
    steps.submit(rig.context)
    first.stop()
    second = start("--latency", "0")
    rig.adopt(provider=Provider(second.v1, "k", 1))
    rig.run()
    assert (rig.only().state, rig.only().resends) == (State.COMPLETED, 1)
    agree(rig, second)


@pytest.mark.parametrize("looked_for", [False, True])
def test_a_post_lost_as_an_outage_began_that_outlasts_the_deadline_is_sent_again_after_it(
    store: Store, simulator: Simulator, *, looked_for: bool
) -> None:
    rig = Rig(store, simulator.v1, REELQUEUE_DEADLINE=0.5)
    (job,) = rig.queue(row("Look. [[sim: drop=before*1 latency=0.1]]"))
    steps.submit(rig.context)
    if looked_for:
        steps.poll(rig.context)
    assert (rig.only().state, rig.only().empties) == (State.RESOLVING, int(looked_for))
    simulator.change(outage="500")
    lost = rig.only().lost_since or 0
    wait_until(lambda: store.now() > lost + 600)
    release_holds(rig)
    rig.turn()
    assert rig.only().state is State.RESOLVING
    simulator.change(outage=None)
    rig.run(lambda: release_holds(rig) or rig.only().state in ENDED)
    assert (rig.only().state, rig.only().resends) == (State.COMPLETED, 1)
    assert agree(rig, simulator)[job]["submissions"] == 2


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Please log in to the hotel's network</html>",
        b'{"status":"ok"}',
        b'{"errors":[{"code":"rateLimitExceeded","message":"slow down"}]}',
    ],
    ids=["a page", "another API", "an error of the poll"],
)
def test_an_answer_with_status_200_that_is_none_is_no_silence(
    store: Store, simulator: Simulator, body: bytes
) -> None:
    rig = Rig(store, simulator.v1)
    rig.queue(row("Look. [[sim: ack=lost latency=30]]"))
    steps.submit(rig.context)
    portal = Wire(answer_with(whole(body)))
    rig.adopt(provider=Provider(portal.url, "k", 1))
    for _ in range(3):
        release_holds(rig)
        steps.poll(rig.context)
    portal.close()
    assert len(portal.requests) == 3
    assert (rig.only().state, rig.only().empties) == (State.RESOLVING, 0)


def release_holds(rig: Rig) -> None:
    key = rig.store.keys("due")
    for member in rig.store.client.zrange(key, 0, -1):
        rig.store.client.zadd(key, {member: 0})


def all_completed(rig: Rig) -> bool:
    return {one.state for one in rig.records()} == {State.COMPLETED}
