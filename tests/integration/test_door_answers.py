"""Every row of the answer table that needs no large body and no broken store."""

import json
import time
import uuid
from collections.abc import Callable

import pytest
from door_driver import NAMESPACE, PATH, Door, altered, result, status

from tasks.job import OPEN, State
from tasks.store import QUARANTINE_MOST
from tasks.token import Keyring, new_keys, parse_keys

pytest_plugins = ("door_fixtures",)


NOT_PATHS = ("/", PATH + "/", "/webhooks", "/webhooks/%2e/runware", "/webhooks//runware", "/%0d%0a")


def _swapped(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


FORGERIES: dict[str, Callable[[Door, str], str]] = {
    "nothing": lambda _door, _job: "",
    "no mac": lambda door, job: door.query(job).rsplit("&t=")[0],
    "no key id": lambda door, job: door.query(job).split("&", 1)[1],
    "empty mac": lambda door, job: altered(door.query(job), t=""),
    "short mac": lambda door, job: door.query(job)[:-1],
    "long mac": lambda door, job: door.query(job) + "A",
    "first letter": lambda door, job: _swapped(door.query(job), -43),
    "middle letter": lambda door, job: _swapped(door.query(job), -20),
    "unknown key": lambda door, job: altered(door.query(job), k="k2"),
    "long key": lambda door, job: altered(door.query(job), k="k" * 1000),
    "other job": lambda door, job: altered(door.query(job), j=str(uuid.uuid4())),
    "no job": lambda door, job: altered(door.query(job), j="*"),
    "braces": lambda door, job: altered(door.query(job), j="{" + job + "}"),
    "line end": lambda door, job: door.query(job).replace("&e", "%0a&e"),
    "other expiry": lambda door, job: altered(door.query(job), e="9999999999"),
    "wide digits": lambda door, job: altered(door.query(job), e="\uff19" * 10),
    "expired": lambda door, job: door.query(job, int(time.time()) - 1),
    "twice": lambda door, job: f"{door.query(job)}&t={'A' * 43}",
    "job twice": lambda door, job: f"{door.query(job)}&j={job}",
    "not ASCII": lambda door, job: altered(door.query(job), t="\u00e9" * 43),
    "not UTF-8": lambda door, job: door.query(job)[:-9] + "%ff%fe%fd",
    "semicolons": lambda door, job: door.query(job).replace("&", ";"),
    "fields of v1": lambda door, job: door.query(job).replace("t=", "T="),
    "other namespace": lambda door, job: _other(door, f"{NAMESPACE}other").query(
        "k1", job, int(time.time()) + 99
    ),
    "other installation": lambda door, job: Keyring(door.namespace, parse_keys(new_keys())).query(
        "k1", job, int(time.time()) + 99
    ),
}


def _other(door: Door, namespace: str) -> Keyring:
    return Keyring(namespace, door.keyring.keys)


def test_no_forged_token_is_let_in_and_none_writes_anything(door: Door) -> None:
    job = door.job()
    before = door.dump()

    answers = {
        name: door.post(job, result(job), query=forge(door, job))
        for name, forge in FORGERIES.items()
    }

    refused = {name: (a.status_code, a.content) for name, a in answers.items()}
    assert refused == dict.fromkeys(FORGERIES, (401, b""))
    assert door.dump() == before


def test_fields_that_a_proxy_adds_to_the_url_do_not_matter(door: Door) -> None:
    job = door.job()
    assert door.post(job, result(job), query=f"{door.query(job)}&utm=1&k2=x").status_code == 204


def test_another_jobs_task_under_this_jobs_token_is_refused(door: Door) -> None:
    job, other = door.job(), door.job()
    before = door.dump()

    assert door.post(job, result(other)).status_code == 401
    assert door.post(job, [result(job), result(other)]).status_code == 401

    assert door.dump() == before


def test_a_job_the_store_does_not_know_is_kept_in_quarantine(door: Door) -> None:
    job = str(uuid.uuid4())

    answers = [door.post(job, result(job)).status_code for _ in range(3)]

    assert answers == [204] * 3
    assert door.quarantined(job) == 1


@pytest.mark.parametrize("path", NOT_PATHS)
def test_other_paths_are_not_found_and_never_redirected(door: Door, path: str) -> None:
    job = door.job()
    head = door.head(job, "Content-Length: 0").replace(PATH.encode(), path.encode(), 1)

    answer = door.raw(head)

    assert status(answer) == 404
    assert b"location" not in answer.lower()


def test_a_doubled_slash_in_front_is_taken_not_redirected(door: Door) -> None:
    job = door.job()
    body = json.dumps(result(job)).encode()
    head = door.head(job, f"Content-Length: {len(body)}").replace(b"POST /", b"POST //", 1)

    assert status(door.raw(head + body)) == 204


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
)
def test_other_methods_are_told_that_only_post_is_allowed(door: Door, method: str) -> None:
    answer = door.get(f"{PATH}?{door.query(door.job())}", method)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_a_body_that_is_said_to_be_as_it_is_is_taken(door: Door, encoding: str) -> None:
    job = door.job()

    answer = door.post(job, result(job), headers={"Content-Encoding": encoding})

    assert answer.status_code == 204


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x"])
def test_compressed_bodies_are_not_taken(door: Door, encoding: str) -> None:
    job = door.job()

    answer = door.post(job, result(job), headers={"Content-Encoding": encoding})

    assert answer.status_code == 415
    assert door.record(job).state in OPEN


@pytest.mark.parametrize(
    "kind",
    ["", "text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
def test_the_content_type_does_not_matter(door: Door, kind: str) -> None:
    job = door.job()

    answer = door.post(job, result(job), headers={"Content-Type": kind})

    assert (answer.status_code, door.record(job).state) == (204, State.COMPLETED)


def test_a_full_quarantine_is_told_as_unavailable_and_results_still_pass(door: Door) -> None:
    job = door.job()
    for n in range(QUARANTINE_MOST):
        assert door.post(job, b"%d}" % n).status_code == 204

    full = door.post(job, b"one more}")

    assert (full.status_code, full.headers["Retry-After"]) == (503, "1")
    assert door.quarantined(job) == QUARANTINE_MOST
    assert door.post(job, b"3}").status_code == 204  # known already
    assert door.post(job, result(job)).status_code == 204
    assert door.record(job).state is State.COMPLETED


def test_answers_tell_nothing_about_what_answers(door: Door) -> None:
    job = door.job()

    answer = door.post(job, result(job))

    assert set(answer.headers) == {"Server", "Date", "Connection", "Cache-Control"}
    assert answer.headers["Server"] == "gunicorn"  # no version
    assert answer.headers["Cache-Control"] == "no-store"
