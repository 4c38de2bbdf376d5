"""What a manifest may cost: asked of the simulator, and nothing is ever bought."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from core_driver import Rig, row
from simulator_driver import Simulator
from store_driver import StoreServer, free_port
from wire_driver import Wire, answer_with, whole

from batches.estimate import Estimate, Learned, Sampled, counted, learned, sampled
from batches.row import LocalFile, Row, read_row
from console.main import main
from tasks.provider import Provider
from tasks.store import Store

pytestmark = pytest.mark.one_store

PRICE, LONG_PRICE = 12_000, 18_000
"""Nano-dollars of an output token behind a prompt of up to 200,000 tokens, and of more (§8)."""


def rows(count: int, **fields: Any) -> list[Row]:  # noqa: ANN401
    given = {"prompt": "What?", "maxTokens": 100, **fields}
    return [read_row(n, {"custom_id": str(n), **given})[0] for n in range(1, count + 1)]


def ask(url: str, some: list[Row]) -> Sampled:
    with closing(Provider(url, "rw-test-key", 1)) as provider:
        return sampled(provider, some)


def test_the_whole_is_counted_and_the_sample_is_spread_over_it() -> None:
    found = counted(rows(1000, numberResults=2), 1000, 4, None)
    assert (found.rows, found.results, found.most_output) == (1000, 2000, 2000 * 100 * LONG_PRICE)
    assert [one.custom_id for one in found.sample] == ["1", "251", "501", "751"]


@pytest.mark.parametrize("sample", [7, 8, 100])
def test_of_fewer_rows_than_may_be_asked_about_none_is_left_out(sample: int) -> None:
    assert counted(rows(7), 7, sample, None).sample == rows(7)


def test_a_row_without_max_tokens_counts_with_the_providers_default() -> None:
    (one,) = [read_row(1, {"custom_id": "a", "prompt": "What?"})[0]]
    assert counted([one], 1, 0, None).most_output == 4096 * LONG_PRICE


@pytest.mark.parametrize(
    ("tokens", "price"), [(200_000, PRICE), (200_001, LONG_PRICE), (None, LONG_PRICE)]
)
def test_output_has_the_price_of_long_inputs_unless_they_are_known_to_be_short(
    tokens: int | None, price: int
) -> None:
    assert counted(rows(1), 1, 0, tokens).most_output == 100 * price


def test_rows_with_local_files_are_not_asked_about() -> None:
    (one,) = rows(1)
    local = Row(1, "a", one.body, {}, {"file:a.mp4": LocalFile(Path("/a.mp4"), 1)})
    found = counted([local, one], 2, 2, None)
    assert (found.files, found.sample) == (1, [one])


def test_the_row_behind_one_with_a_local_file_is_asked_about_in_its_place() -> None:
    some = rows(10)
    files = {"file:a.mp4": LocalFile(Path("/a.mp4"), 1)}
    mixed = [
        Row(one.line, one.custom_id, one.body, {}, files) if number % 2 == 0 else one
        for number, one in enumerate(some)
    ]
    assert counted(mixed, 10, 5, None).sample == some[1::2]
    assert counted(mixed, 10, 10, None).sample == some[1::2]
    assert counted([*mixed[:1] * 9, some[9]], 10, 3, None).sample == [some[9]]


@pytest.mark.usefixtures("store")
def test_why_nothing_was_asked_of_the_provider_is_told_as_it_is(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    local = '{"custom_id":"%d","prompt":"What?","video":"a.mp4"}\n'
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text("".join(local % n for n in range(9)))
    assert "all rows have local files" in run().stdout
    assert "none was asked for" not in run("--sample", "0").stdout
    manifest.write_text(manifest.read_text() + '{"custom_id":"b","prompt":"What?"}\n')
    assert "1 results asked for" in run().stdout
    assert "none was asked for" in run("--sample", "0").stdout


def test_the_dry_run_tells_a_price_and_buys_nothing(simulator: Simulator) -> None:
    told = ask(simulator.v1, rows(3, numberResults=2))
    assert (told.results, told.trouble, told.bought) == (6, "", "")
    assert told.cost > 0
    assert simulator.totals()["purchases"] == 0
    found = Estimate(counted(rows(300, numberResults=2), 300, 0, None), told, None, None)
    assert found.by_provider == told.cost * 100


def test_a_provider_that_does_the_work_after_all_is_asked_one_task_alone(
    simulator: Simulator,
) -> None:
    simulator.change(dry_run="ignored")
    told = ask(simulator.v1, rows(5))
    assert simulator.totals()["purchases"] == 1
    assert (told.results, simulator.truth(f"/{told.bought}")["purchases"]) == (0, 1)
    assert "no more was asked" in told.trouble


@pytest.mark.parametrize(
    ("switch", "told"),
    [({"reject_key": True}, "invalidApiKey"), ({"outage": "html"}, "no answer")],
)
def test_a_provider_that_refuses_is_told_and_is_no_price(
    simulator: Simulator, switch: dict[str, Any], told: str
) -> None:
    simulator.change(**switch)
    found = ask(simulator.v1, rows(2))
    assert told in found.trouble
    assert (found.results, simulator.totals()["purchases"]) == (0, 0)


def test_nobody_there_is_no_price_and_nothing_was_bought() -> None:
    found = ask(f"http://127.0.0.1:{free_port()}/v1", rows(1))
    assert ("no answer" in found.trouble, found.bought) == (True, "")


def test_an_answer_with_a_text_is_work_not_a_price() -> None:
    answer = b'{"data":[{"taskUUID":"x","text":"seen","cost":0.5}]}'
    wire = Wire(answer_with(whole(answer)))
    assert ask(wire.url, rows(1)).bought
    wire.close()


def test_what_ended_before_is_learned_from(store: Store, simulator: Simulator) -> None:
    assert learned(store) is None
    rig = Rig(store, simulator.v1)
    rig.queue(row("One?"), row("Two?"))
    rig.run()
    spent = sum(one.cost for one in rig.records())
    assert learned(store) == Learned(2, spent)
    found = Estimate(counted(rows(10), 10, 0, None), Sampled(), learned(store), None)
    assert found.by_experience == spent * 5


@pytest.fixture
def run(valkey: StoreServer, namespace: str, simulator: Simulator, tmp_path: Path) -> Any:  # noqa: ANN401
    env = {
        "REDIS_URL": valkey.url,
        "REELQUEUE_NAMESPACE": namespace,
        "REELQUEUE_DATA_DIR": str(tmp_path),
        "REELQUEUE_INSTALLATION_SECRET": "x" * 32,
        "RUNWARE_API_KEY": "rw-test-key",
        "RUNWARE_BASE_URL": simulator.v1,
        "REELQUEUE_SIMULATED": "true",
    }
    (tmp_path / "clips.jsonl").write_text(
        '{"custom_id":"a","prompt":"What?","maxTokens":100}\n' * 1
    )
    return lambda *args, **more: CliRunner(env=env | more).invoke(
        main, ["estimate", str(tmp_path / "clips.jsonl"), *args]
    )


@pytest.mark.usefixtures("store")
def test_the_command_tells_every_source(run: Callable[..., Result]) -> None:
    told = run("--max-input-tokens", "1000")
    assert told.exit_code == 0, told.stderr
    assert "at most 0.0012" in told.stdout
    assert "at most 0.002 " in told.stdout
    assert "1 results asked for" in told.stdout
    found = json.loads(run("--json", "--sample", "0").stdout)
    assert found["price_table"] == {"output_at_most": "0.0018", "input_at_most": None}
    assert found["dry_run"]["cost"] is None
    assert (found["rows"], found["simulated"], found["learned"]["jobs"]) == (1, True, 0)
    told = run("--sample", "0")
    assert "at most 0.0018" in told.stdout
    assert "prompts above 200,000 tokens" in " ".join(told.stdout.split())


def test_where_nothing_runs_nothing_is_said_about_its_store(run: Callable[..., Result]) -> None:
    nowhere = {"REDIS_URL": "", "REELQUEUE_SIMULATED": "false"}
    keyless = nowhere | {"RUNWARE_API_KEY": ""}
    told = run(**keyless).stdout
    assert "│ nothing is running here " in told
    assert "no batch" not in told
    assert json.loads(run("--json", **keyless).stdout)["simulated"] is None
    assert json.loads(run("--json", "--sample", "0", **nowhere).stdout)["simulated"] is False


@pytest.mark.usefixtures("store")
def test_a_store_in_which_nothing_has_ended_is_told_as_such(run: Callable[..., Result]) -> None:
    assert "no batch of this store has ended yet" in " ".join(run("--sample", "0").stdout.split())


def test_a_work_that_may_have_been_bought_cannot_be_missed(
    run: Callable[..., Result], simulator: Simulator
) -> None:
    simulator.change(dry_run="ignored")
    told = run()
    assert "may have taken task" in told.stderr
    assert told.exit_code == 0


@pytest.mark.usefixtures("store")
def test_what_the_provider_says_is_text_whatever_stands_in_it(run: Callable[..., Result]) -> None:
    told = "see [/videos] and [bold]\x1b[2J for help"
    answer = json.dumps({"errors": [{"code": "invalidValue", "message": told}]})
    wire = Wire(answer_with(whole(answer.encode())))
    done = run(RUNWARE_BASE_URL=wire.url)
    wire.close()
    assert done.exit_code == 0, done.stderr
    assert "see [/videos] and [bold] for help" in " ".join(done.stdout.split())
    assert "\x1b" not in done.stdout
