"""A batch as people and programs see it."""

from batches.view import describe, sentence, status
from tasks.job import State
from tasks.reading import Batch


def batch(
    *,
    sealed: bool = True,
    paused: str = "",
    done: int | None = None,
    cancelling: bool = False,
    given_up: bool = False,
    parked: int = 0,
    **states: int,
) -> Batch:
    counts = {state: states.get(state, 0) for state in State}
    at_work = ("queued", "submitting", "resolving", "processing")
    return Batch(
        id="batch_1",
        name="clips",
        created=0,
        done=done,
        sealed=sealed,
        paused=paused,
        held=bool(paused),
        limit=None,
        next_cost=None,
        cancelling=cancelling,
        cancelled=given_up,
        parked=parked,
        total=sum(counts.values()),
        open=sum(states.get(state, 0) for state in at_work),
        cost=15_720_000,
        reserved=0,
        states=counts,
    )


def test_completed_is_never_shown_as_success_alone() -> None:
    ended = batch(completed=993, failed=4, partial=2, expired=1)
    assert status(ended) == "completed"
    assert sentence(ended) == "completed: 993 ok, 2 partial, 4 failed, 1 expired"


def test_a_batch_where_all_went_well_says_no_more_than_that() -> None:
    assert sentence(batch(completed=4)) == "completed: 4 ok"


def test_a_batch_is_finished_only_when_its_last_row_is_recorded() -> None:
    assert status(batch(sealed=False, completed=5)) == "validating"


def test_a_paused_batch_says_so_while_it_has_work() -> None:
    assert status(batch(paused="insufficientCredits: top up", queued=1)) == "paused"
    assert status(batch(paused="insufficientCredits: top up", completed=1)) == "completed"


def test_a_batch_whose_jobs_are_given_up_is_cancelling_then_cancelled() -> None:
    assert status(batch(cancelling=True, queued=1)) == "cancelling"
    assert status(batch(cancelling=True, sealed=False, queued=1)) == "cancelling"
    assert status(batch(given_up=True, completed=1, cancelled=1)) == "cancelled"
    assert status(batch(given_up=True, queued=1)) == "in_progress"


def test_parked_jobs_are_told_among_the_open() -> None:
    told = sentence(batch(completed=1, resolving=3, parked=2))
    assert told == "in_progress: 1 ok, 3 open, 2 of them parked"


def test_jobs_without_all_of_their_results_are_failed_to_programs_and_told_apart() -> None:
    shown = describe(batch(completed=990, partial=3, failed=6, expired=1))
    assert shown["request_counts"]["failed"] == 10
    assert (shown["states"]["partial"], shown["states"]["expired"]) == (3, 1)


def test_a_batch_at_work_tells_what_is_open() -> None:
    told = sentence(batch(completed=1, cancelled=2, queued=3, processing=4))
    assert told == "in_progress: 1 ok, 2 cancelled, 7 open"


def test_the_batch_object_speaks_known_words_and_every_job_is_counted_once() -> None:
    numbers = dict(zip(State, range(1, 10), strict=True))
    shown = describe(batch(done=61_000, **numbers))
    assert (shown["object"], shown["id"], shown["name"]) == ("batch", "batch_1", "clips")
    assert (shown["created_at"], shown["completed_at"]) == (
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:01:01.000Z",
    )
    assert shown["cost"] == "0.01572"
    counts = shown["request_counts"]
    assert counts.pop("total") == sum(counts.values()) == sum(range(1, 10))
