"""What a getResponse answer says of one task, and when all of its results are there."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_samples import OTHER, OURS, answer, error, running, success

from tasks.verdict_poll import OK, Found, Outcome, Seen, is_whole, judged, of_poll
from tasks.wire.naming import by_task

THRICE = 2  # polls before this one on which the same error stood


def found(
    *data: object,
    errors: tuple[object, ...] = (),
    expected: int = 1,
    seen: int = 0,
    seconds: float = 120,
) -> Found:
    """Read what an answer says of our task, its errors seen before on so many polls."""
    items = by_task(answer(*data, errors=errors)).get(OURS, [])
    signature = of_poll(items, expected, Seen(patience=120)).signature
    return of_poll(items, expected, Seen(signature if seen else "", seen, seconds, patience=120))


def texts(*words: str) -> list[dict[str, object]]:
    return [success(text=word) for word in words]


def test_silence_is_empty() -> None:
    assert found().outcome is Outcome.EMPTY
    assert found(success(OTHER), errors=(error("providerError", OTHER),)).outcome is Outcome.EMPTY


@pytest.mark.parametrize("code", ["taskNotFound", "taskFailedOrNotFound", "invalidApiKey"])
def test_an_error_that_is_no_news_is_silence(code: str) -> None:
    assert found(errors=(error(code),)).outcome is Outcome.EMPTY


def test_an_item_of_the_session_breaks_no_silence() -> None:
    assert is_whole(OK, answer({"taskType": "authentication", "connectionSessionUUID": OTHER}))
    assert is_whole(OK, answer({"taskType": "ping", "pong": True}, running()))
    assert not is_whole(OK, answer({"taskType": "authentication"}, errors=(error("odd", None),)))
    assert not is_whole(OK, answer({"text": "whose?"}))


def test_an_error_of_the_poll_itself_is_silence() -> None:
    told = error("rateLimitExceeded", taskType="getResponse")
    assert found(errors=(told,), seen=9).outcome is Outcome.EMPTY


def test_an_error_of_a_poll_beside_results_of_the_task_is_the_tasks_own() -> None:
    for code, needed in (("internalServerError", 3), ("upstreamFlaked", 3)):
        told = error(code, taskType="getResponse")
        seen = [found(success(), errors=(told,), expected=2, seen=n) for n in range(needed)]
        assert [one.final for one in seen] == [False] * (needed - 1) + [True]
        assert all(len(one.errors) == 1 for one in seen)


def test_a_running_task_is_running_also_where_a_conflict_says_so() -> None:
    assert found(running()).outcome is Outcome.RUNNING
    assert found(errors=(error("conflictTaskUUID"),)).outcome is Outcome.RUNNING
    assert found(errors=(error("webhookTimeout"),)).outcome is Outcome.RUNNING


def test_all_results_end_the_attempt_whatever_else_is_said() -> None:
    for extra in ([], [running()]):
        said = found(*texts("a", "b"), *extra, errors=(error("providerError"),), expected=2)
        assert (said.outcome, said.final, len(said.successes)) == (Outcome.RESULTS, True, 2)


def test_identical_results_count_as_often_as_they_stand_there() -> None:
    assert found(*texts("a", "a"), expected=2).final
    assert not found(*texts("a"), expected=2).final


def test_more_results_than_asked_for_are_all_kept() -> None:
    assert len(found(*texts("a", "b", "c"), expected=2).successes) == 3


@pytest.mark.parametrize("told", ["aa", "aaa", "aab"])
def test_results_told_again_while_the_task_runs_make_up_no_number(told: str) -> None:
    said = found(*texts(*told), running(), expected=len(set(told)) + 1)
    assert (said.final, len(said.successes)) == (False, len(set(told)))


@pytest.mark.parametrize(("told", "kept"), [("aab", "ab"), ("abb", "ab"), ("aaa", "aa")])
def test_of_more_results_than_asked_for_equal_ones_are_one(told: str, kept: str) -> None:
    said = found(*texts(*told), expected=2)
    assert [item.raw["text"] for item in said.successes] == list(kept)


def test_some_results_are_not_all_there_are_while_others_may_come() -> None:
    for extra in ([], [running()]):
        said = found(*texts("a"), *extra, expected=2)
        assert (said.outcome, said.final) == (Outcome.RESULTS, False)


def test_results_and_errors_together_end_the_attempt_when_they_are_as_many_as_asked_for() -> None:
    assert found(*texts("a", "b"), errors=(error("providerError"),), expected=3).final


def test_fewer_items_than_asked_for_must_stand_on_a_second_poll() -> None:
    short = {"errors": (error("providerError"),), "expected": 3}
    assert not found(*texts("a"), **short).final
    assert found(*texts("a"), **short, seen=1).final


def test_nothing_ends_while_a_part_is_running() -> None:
    errors = (error("providerError"),)
    assert not found(*texts("a"), running(), errors=errors, expected=2, seen=9).final
    assert found(running(), errors=errors, expected=2, seen=9).outcome is Outcome.RUNNING


@pytest.mark.parametrize("code", ["timeoutProvider", "providerError", "inferenceError"])
def test_a_failed_task_that_may_succeed_is_bought_again(code: str) -> None:
    said = found(errors=(error(code),))
    assert (said.outcome, said.error, said.pauses) == (
        Outcome.AGAIN,
        (code, f"It is {code}."),
        False,
    )


@pytest.mark.parametrize("code", ["promptBlocked", "invalidSeed", "mediaNotFound"])
def test_a_task_that_failed_for_good_has_failed(code: str) -> None:
    assert found(errors=(error(code),)).outcome is Outcome.FAILED


@pytest.mark.parametrize("code", ["taskExpired", "taskCancelled", "invalidTaskUUID"])
def test_what_may_be_said_of_a_task_that_is_not_there_yet_is_believed_once_it_stood_for_long(
    code: str,
) -> None:
    told = (error(code),)
    assert found(errors=told, seen=9, seconds=119).outcome is Outcome.DOUBTED
    assert found(errors=told, seen=1).outcome is Outcome.FAILED


def test_a_rate_limit_that_names_the_task_buys_nothing_before_it_stood_for_long() -> None:
    told = (error("rateLimitExceeded"),)
    assert found(errors=told, seen=9, seconds=119).outcome is Outcome.DOUBTED
    assert found(errors=told, seen=9).outcome is Outcome.AGAIN


def test_one_error_of_several_results_ends_nothing_before_it_stood_for_a_while() -> None:
    told = (error("providerError"),)
    assert not found(success(), errors=told, expected=3, seen=9, seconds=29).final
    assert found(errors=told, expected=3, seen=9, seconds=29).outcome is Outcome.DOUBTED
    assert found(success(), errors=told, expected=3, seen=9, seconds=30).final


def test_an_error_that_is_told_twice_may_be_one() -> None:
    twice = (error("providerError"), error("providerError"))
    assert not found(success(), errors=twice, expected=3, seen=9, seconds=29).final
    told = found(success(), errors=twice, expected=3, seen=9)
    assert (told.final, len(told.errors)) == (True, 2)


def test_results_of_one_text_that_are_told_twice_keep_their_costs_and_seeds() -> None:
    told = [success(text="a", seed=seed) for seed in (1, 1, 2, 2)]
    seeds = [item.raw["seed"] for item in found(*told, expected=2).successes]
    assert seeds == [1, 2]


@pytest.mark.parametrize("code", ["rateLimitExceeded", "internalServerError", "odd"])
def test_an_error_that_may_be_the_polls_own_is_believed_on_the_third(code: str) -> None:
    outcomes = [found(errors=(error(code),), seen=seen).outcome for seen in (0, 1, THRICE)]
    assert outcomes == [Outcome.DOUBTED, Outcome.DOUBTED, Outcome.AGAIN]


def test_no_credit_pauses_and_buys_again() -> None:
    said = found(errors=(error("insufficientCredits"),), seen=THRICE)
    assert (said.outcome, said.pauses) == (Outcome.AGAIN, True)


def test_another_error_than_on_the_last_poll_starts_anew() -> None:
    items = answer(errors=(error("internalServerError"),))
    assert of_poll(items, 1, Seen("another", 9, 999, 120)).outcome is Outcome.DOUBTED


def test_one_error_for_good_decides_among_several() -> None:
    errors = (error("providerError"), error("promptBlocked"))
    said = found(errors=errors, expected=2)
    assert (said.outcome, said.error[0]) == (Outcome.FAILED, "promptBlocked")
    assert len(said.errors) == 2
    assert judged(tuple(answer(errors=errors))).outcome is Outcome.FAILED


CODES = ["providerError", "promptBlocked", "rateLimit", "insufficientCredits", "conflictTaskUUID"]
OURS_TOLD = st.one_of(
    st.sampled_from([success(), success(text="b"), running()]),
    st.sampled_from(CODES).map(error),
    st.just(error("rateLimit", taskType="getResponse")),
)
THEIRS = st.sampled_from(
    [success(OTHER), running(OTHER), error("promptBlocked", OTHER), error("rateLimit", None)]
)


@given(st.lists(OURS_TOLD, max_size=5), st.integers(1, 4), st.integers(0, 3), st.randoms())
def test_the_order_of_items_never_matters(
    data: list[object], expected: int, seen: int, random: Random
) -> None:
    shuffled = list(data)
    random.shuffle(shuffled)
    one, two = (found(*told, expected=expected, seen=seen) for told in (data, shuffled))
    assert (one.outcome, one.final, one.pauses) == (two.outcome, two.final, two.pauses)
    assert one.signature == two.signature
    assert sorted(i.digest for i in one.successes) == sorted(i.digest for i in two.successes)


@given(st.lists(OURS_TOLD, max_size=4), st.lists(THEIRS, max_size=4), st.integers(1, 4))
def test_what_is_said_of_another_task_never_changes_ours(
    ours: list[object], theirs: list[object], expected: int
) -> None:
    assert found(*ours, *theirs, expected=expected) == found(*ours, expected=expected)
