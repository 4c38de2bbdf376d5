"""Collections of broken JSON and of strings that break programs, through the door and the table."""

import json
import uuid

import pytest
from corpora import BROKEN, BROKEN_BYTES, NAUGHTY
from door_driver import Door, result

from tasks import quarantine, reading_results
from tasks.job import OPEN, State

pytest_plugins = ("door_fixtures",)

BODIES = [text.encode("utf-8", "surrogatepass") for text in BROKEN] + list(BROKEN_BYTES)


def test_each_kind_of_broken_json_is_kept_as_it_came_and_ends_nothing(door: Door) -> None:
    answers = {}
    for n, body in enumerate(BODIES):
        job = door.job()
        answers[n] = door.post(job, body).status_code
        (kept,) = [one for one in quarantine.kept(door.store) if one.job == job]
        assert kept.body == body, body[:60]
        assert door.record(job).state in OPEN, body[:60]
        quarantine.drop(door.store, kept)
    assert {n: code for n, code in answers.items() if code != 204} == {}


@pytest.mark.parametrize("escaped", [True, False])
def test_each_naughty_text_comes_back_as_it_was_sent(door: Door, *, escaped: bool) -> None:
    for text in NAUGHTY:
        job = door.job()
        try:
            body = json.dumps(result(job, text), ensure_ascii=escaped).encode()
        except UnicodeEncodeError:  # half a character can only be sent escaped
            continue
        assert door.post(job, body).status_code == 204
        ended = door.record(job)
        assert ended.state is State.COMPLETED, text[:60]
        ((kept,),) = reading_results.answers(door.store, [ended])
        assert kept.raw["text"] == text, text[:60]


def test_naughty_texts_in_any_other_field_are_no_fault_of_the_door(door: Door) -> None:
    fields = ("taskUUID", "status", "finishReason", "code", "message", "cost", "resultUUID", "x")
    for text in NAUGHTY:
        job = door.job()
        bodies = [{**result(job), field: text} for field in fields]
        bodies.append({**result(job), text: text})
        codes = [door.post(job, body).status_code for body in bodies]
        assert set(codes) <= {204, 401}, (text[:60], codes)


def test_naughty_texts_in_the_query_and_in_headers_are_refused(door: Door) -> None:
    job = str(uuid.uuid4())
    for text in NAUGHTY:
        raw = text.encode("utf-8", "surrogatepass")[:500]
        quoted = "".join(f"%{byte:02x}" for byte in raw)
        for query in (f"k={quoted}", f"{door.query(job)}&t={quoted}", f"{quoted}={quoted}"):
            assert door.post(job, b"{}", query=query).status_code == 401, text[:60]
    log = door.log.read_text(errors="strict")
    assert all(line.isprintable() for line in log.splitlines())


def test_a_flood_of_forgeries_asks_nothing_of_the_store(door: Door) -> None:
    jobs = [door.job() for _ in range(3)]
    before = door.dump()
    door.store.client.config_resetstat()
    for n in range(300):
        job = jobs[n % 3]
        good = door.query(job)
        forged = good[:-1] + ("A" if n % 2 else "B")
        if forged != good:
            assert door.post(job, result(job), query=forged).status_code == 401
        assert door.post("", b"[" * 1_000, query=f"t={n}").status_code == 401
    asked = door.store.client.info("commandstats")
    counted = {
        "cmdstat_fcall",
        "cmdstat_time",
        "cmdstat_hincrby",
    }  # for metrics, in one call a while
    assert set(asked) <= {"cmdstat_config|resetstat", *counted}
    assert asked.get("cmdstat_fcall", {"calls": 0})["calls"] < 60
    assert door.dump() == before
