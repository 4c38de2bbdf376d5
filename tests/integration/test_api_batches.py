"""The HTTP API: a manifest in, the batch object, the table out."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from api_driver import Api, manifest, row, told
from door_driver import result
from requests.exceptions import ChunkedEncodingError
from simulator_driver import wait_until
from store_driver import StoreServer

from batches.results import table
from tasks import pruning, reading, verbs
from tasks.ids import job_id
from tasks.steps import receive

ROWS = [row("a", camera="north"), row("b", prompt="Who?", numberResults=2), row("c")]


@pytest.fixture(scope="module")
def api(valkey: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Api(valkey.url, tmp_path_factory.mktemp("api")) as running:
        running.store.marks.check("simulated", 100_000)
        yield running


def test_a_manifest_becomes_a_batch_and_the_same_again_adds_nothing(api: Api) -> None:
    first = api.submit("films", manifest(ROWS))

    assert first.status_code == 201
    batch = first.json()
    assert (batch["object"], batch["name"], batch["status"]) == ("batch", "films", "in_progress")
    assert batch["request_counts"] == {
        "total": 3,
        "completed": 0,
        "failed": 0,
        "cancelled": 0,
        "in_progress": 0,
        "queued": 3,
    }
    assert (batch.pop("added"), batch.pop("known")) == (3, 0)
    assert api.ask(first.headers["Location"]).json() == batch
    assert api.ask("/v1/batches/films").json() == batch
    again = api.submit("films", manifest(ROWS))
    assert again.status_code == 200
    assert again.json() == {**batch, "added": 0, "known": 3}


def test_a_column_that_looks_like_a_field_or_holds_a_medium_is_carried_where_it_is_named(
    api: Api,
) -> None:
    own = {"custom_id": "a", "prompt": "Who?", "my source": "https://x.test/a.mp4", "speed": 5}
    refused = api.submit("carried", manifest([own])).json()["error"]
    told = {error["column"]: error["problem"] for error in refused["errors"]}
    assert told["my source"].endswith("or carry it along with ?passenger=my%20source")
    assert told["speed"].endswith("or carry it along with ?passenger=speed")
    taken = api.submit("carried&passenger=my%20source&passenger=speed", manifest([own]))
    assert taken.status_code == 201
    (line,) = api.ask("/v1/batches/carried/results").text.splitlines()
    assert {name: json.loads(line)[name] for name in ("my source", "speed")} == {
        "my source": "https://x.test/a.mp4",
        "speed": 5,
    }
    field = api.submit("carried&passenger=video", manifest([own]))
    assert field.status_code == 400
    assert "video is a field of the request" in field.json()["error"]["message"]


def test_a_row_without_a_prompt_is_told_no_option_of_the_command(api: Api) -> None:
    refused = api.submit("mute", manifest([{"custom_id": "a"}])).json()["error"]
    assert refused["errors"][0]["problem"] == "is missing; give the row a prompt"
    assert "--prompt" not in refused["message"]


def test_rows_that_are_new_are_added_to_their_batch(api: Api) -> None:
    api.submit("grows", manifest(ROWS[:1]))
    more = api.submit("grows", manifest(ROWS))
    assert (more.status_code, more.json()["added"], more.json()["known"]) == (201, 2, 1)
    assert more.json()["request_counts"]["total"] == 3


def test_rows_that_were_bought_and_pruned_are_not_told_as_added(api: Api) -> None:
    batch = api.submit("half", manifest(ROWS[:1])).json()["id"]
    gone = job_id(b"i" * 64, batch, "b")
    api.store.client.set(api.store.keys("tombstone", gone), f"{batch}|0", ex=600)
    more = api.submit("half", manifest(ROWS))
    assert (more.status_code, more.json()["added"], more.json()["known"]) == (201, 1, 2)
    assert more.json()["request_counts"]["total"] == 2
    again = api.submit("half", manifest(ROWS))
    assert (again.status_code, again.json()["added"], again.json()["known"]) == (200, 0, 3)


def test_ids_come_from_the_journal_that_the_command_uses(api: Api) -> None:
    batch = api.submit("kept", manifest(ROWS)).json()["id"]
    written = [json.loads(line) for line in (api.data / "batches.jsonl").read_text().splitlines()]
    assert {"name": "kept", "id": batch} in written


@pytest.mark.parametrize("kind", ["application/jsonl", "application/x-ndjson", "text/plain"])
def test_a_manifest_may_come_in_chunks_and_under_each_of_its_types(api: Api, kind: str) -> None:
    name = kind.partition("/")[2]
    parts = iter([manifest(ROWS)[:70], manifest(ROWS)[70:]])
    answer = api.submit(name, parts, Content_Type=f"{kind}; charset=UTF-8")
    assert (answer.status_code, answer.json()["added"]) == (201, 3)


def test_a_manifest_of_many_steps_of_the_reader_is_whole(api: Api) -> None:
    many = [row(f"r{n}", note="x" * 500) for n in range(1500)]
    assert len(manifest(many)) > 10 * 64 * 1024
    assert api.submit("many", manifest(many)).json()["added"] == 1500
    shown = api.ask("/v1/batches/many/results").text.splitlines()
    assert [json.loads(line)["custom_id"] for line in shown] == [r["custom_id"] for r in many]


def test_changed_rows_are_refused_and_change_nothing(api: Api) -> None:
    before = api.submit("fixed", manifest(ROWS)).json()
    changed = api.submit("fixed", manifest([row("a", prompt="Why?"), row("new")]))
    assert told(changed) == (400, "invalid_manifest")
    assert "line 1: a" in changed.json()["error"]["message"]
    assert api.ask("/v1/batches/fixed").json()["request_counts"] == before["request_counts"]


def test_the_results_are_the_table_and_say_whether_more_will_come(api: Api) -> None:
    batch = api.submit("shown", manifest([row("a", camera="north"), row("b")])).json()["id"]
    open_ = api.ask(f"/v1/batches/{batch}/results")
    assert open_.headers["Content-Type"] == "application/x-ndjson"
    assert open_.headers["X-Batch-Complete"] == "false"
    (jobs,) = reading.rows(api.store, batch)
    claimed: set[str] = set()
    wait_until(lambda: claimed.update(api.claim(100)) or claimed.issuperset(jobs))
    for job in jobs:
        receive(api.store, job, json.dumps(result(job)).encode())
    assert api.ask("/v1/batches/shown").json()["status"] == "completed"
    done = api.ask("/v1/batches/shown/results")
    assert done.headers["X-Batch-Complete"] == "true"
    rows = [json.loads(line) for line in done.text.splitlines()]
    assert rows == [
        json.loads(json.dumps(shown, default=float))
        for shown in table(api.store, batch, simulated=True)
    ]
    assert (rows[0]["text"], rows[0]["camera"], rows[0]["simulated"]) == ("A cat.", "north", True)


def test_results_of_a_batch_that_is_pruned_meanwhile_break_off_so_that_the_client_sees_it(
    api: Api,
) -> None:
    many = [row(f"r{n}", note="x" * 20_000) for n in range(300)]
    batch = api.submit("going", manifest(many)).json()["id"]
    api.ask("/v1/batches/going/cancel", "POST")
    wait_until(lambda: (gone := verbs.cancel_pass(api.store)) is None or gone.over)
    api.store.client.delete(api.store.keys("ends"))
    with api.streamed(f"/v1/batches/{batch}/results") as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines))["custom_id"] == "r0"
        assert (found := reading.batch(api.store, batch))
        assert sum(pruning.pages(api.store, found)) == 300
        with pytest.raises(ChunkedEncodingError):
            list(lines)
    half = api.submit("half-gone", manifest([row(f"r{n}") for n in range(150)])).json()["id"]
    api.ask("/v1/batches/half-gone/cancel", "POST")
    wait_until(lambda: (gone := verbs.cancel_pass(api.store)) is None or gone.over)
    api.store.client.delete(api.store.keys("ends"))
    assert (found := reading.batch(api.store, half))
    assert pruning.page(api.store, found) == 100
    assert told(api.ask(f"/v1/batches/{half}/results")) == (409, "conflict")
    wait_until(lambda: "results.broke_off" in api.log.read_text())
    assert "Traceback" not in api.log.read_text()


def test_a_batch_is_given_up_and_one_that_has_ended_is_left_as_it_is(api: Api) -> None:
    api.submit("dropped", manifest(ROWS))
    assert api.ask("/v1/batches/dropped/cancel", "POST").json()["status"] == "cancelling"
    assert told(api.submit("dropped", manifest([*ROWS, row("d")]))) == (409, "conflict")
    wait_until(lambda: (gone := verbs.cancel_pass(api.store)) is None or gone.over)
    ended = api.ask("/v1/batches/dropped").json()
    assert (ended["status"], ended["request_counts"]["cancelled"]) == ("cancelled", 3)
    again = api.ask("/v1/batches/dropped/cancel", "POST")
    assert (again.status_code, again.json()) == (200, ended)
    assert told(api.ask("/v1/batches/nobody/cancel", "POST")) == (404, "not_found")


def test_a_job_tells_its_story_under_any_of_its_ids(api: Api) -> None:
    api.submit("told", manifest(ROWS[:1]))
    shown = json.loads(api.ask("/v1/batches/told/results").text)
    story = api.ask(f"/v1/jobs/{shown['job_id']}").json()
    assert (story["custom_id"], story["state"], story["cost"]) == ("a", "queued", "0")
    assert story["simulated"] is True
    assert [attempt["task_uuid"] for attempt in story["attempts"]] == [shown["task_uuid"]]


def test_batches_are_listed_by_pages_the_newest_first(api: Api) -> None:
    names = [f"page-{n}" for n in range(5)]
    for name in names:
        api.submit(name, manifest(ROWS[:1]))
    first = api.ask("/v1/batches?limit=2").json()
    assert (first["object"], first["has_more"]) == ("list", True)
    assert [batch["name"] for batch in first["data"]] == names[:2:-1]
    assert first["last_id"] == first["data"][-1]["id"]
    second = api.ask(f"/v1/batches?limit=100&after={first['last_id']}").json()
    assert [batch["name"] for batch in second["data"]][:3] == names[2::-1]
    assert second["has_more"] is False


def test_submissions_at_once_count_each_row_for_one_of_them(api: Api) -> None:
    data = manifest([row(f"r{n}") for n in range(300)])
    gate = threading.Barrier(6)

    def send(_: int) -> tuple[int, int]:
        gate.wait()
        answer = api.submit("race", data)
        return answer.status_code, answer.json().get("added", 0)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    assert {status for status, _ in answers} <= {200, 201, 409}
    assert sum(added for _, added in answers) == 300
    assert api.ask("/v1/batches/race").json()["request_counts"]["total"] == 300
