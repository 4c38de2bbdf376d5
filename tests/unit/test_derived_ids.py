"""Ids are v4-shaped, stable, and distinct by every part they are derived from."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ids import attempt_uuid, is_task_uuid, job_id, new_batch_id

SECRET, OTHER_SECRET = b"s" * 32, b"t" * 32


def test_the_same_work_has_the_same_id_for_ever() -> None:
    # These are the ids under which work was bought: another derivation would buy it again.
    assert job_id(SECRET, "batch_1", "clip-7") == "5412cbe8-3110-4ddb-a246-39c3cf8fe5ce"
    first = job_id(SECRET, "batch_1", "clip-7")
    assert attempt_uuid(SECRET, first, 2) == "0ad5daf2-095e-4ecb-b7ac-8a29928a5e27"
    odd = job_id(SECRET, "batch_1", 'Ünï "7"\\ 🎬\u2028')
    assert odd == "b4b0f499-05b3-4b55-833e-74578e431f12"


def test_the_first_attempt_goes_under_the_id_of_the_job() -> None:
    first = job_id(SECRET, "batch_1", "clip-7")
    assert attempt_uuid(SECRET, first, 1) == first
    assert len({attempt_uuid(SECRET, first, n) for n in range(1, 21)}) == 20


@pytest.mark.parametrize(
    "other",
    [
        (OTHER_SECRET, "batch_1", "clip-7"),
        (SECRET, "batch_2", "clip-7"),
        (SECRET, "batch_1", "clip-8"),
        (SECRET, "batch_1clip", "-7"),
        (SECRET, "batch_1", "clip-7 "),
    ],
)
def test_another_secret_batch_or_row_is_another_job(other: tuple[bytes, str, str]) -> None:
    assert job_id(*other) != job_id(SECRET, "batch_1", "clip-7")


def test_where_one_part_ends_is_never_ambiguous() -> None:
    assert job_id(SECRET, "a", "bc") != job_id(SECRET, "ab", "c")
    assert job_id(SECRET, 'a", "b', "c") != job_id(SECRET, "a", 'b", "c')
    assert job_id(SECRET, "", "a") != job_id(SECRET, "a", "")


def test_an_attempt_is_never_taken_for_a_row_of_another_batch() -> None:
    first = job_id(SECRET, "batch_1", "clip-7")
    assert attempt_uuid(SECRET, first, 2) != job_id(SECRET, first, "2")


@given(st.text(), st.text(), st.integers(1, 20))
def test_every_id_is_a_uuid_of_version_4_as_we_spell_it(
    batch: str, custom_id: str, attempt: int
) -> None:
    job = job_id(SECRET, batch, custom_id)
    for text in (job, attempt_uuid(SECRET, job, attempt)):
        assert is_task_uuid(text)
        assert uuid.UUID(text).version == 4


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_two_rows_share_an_id_only_where_both_parts_are_equal(
    a: str, b: str, c: str, d: str
) -> None:
    assert (job_id(SECRET, a, b) == job_id(SECRET, c, d)) == ((a, b) == (c, d))


def test_a_custom_id_that_is_no_unicode_still_has_an_id() -> None:
    assert is_task_uuid(job_id(SECRET, "batch_1", "\ud800"))


def test_a_batch_id_is_drawn_anew_each_time() -> None:
    drawn = {new_batch_id() for _ in range(100)}
    assert len(drawn) == 100
    assert all(len(text) == 26 and text.startswith("batch_") for text in drawn)
