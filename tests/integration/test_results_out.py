"""Tables and failed rows of a batch in the store."""

import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from core_driver import Rig
from pyarrow import parquet
from simulator_driver import Simulator
from store_driver import StoreServer

from batches.failed import failed_rows
from batches.journal import Journal
from batches.queueing import Queueing
from batches.results import table
from batches.row import Rules, read_row
from batches.table_file import Format, Style, write_table
from batches.table_json import json_line
from batches.table_kinds import Kind, kinds
from console.main import main
from tasks import pruning, reading, reading_requests, verbs
from tasks.ids import content_digest
from tasks.job import State
from tasks.store import Store
from tasks.wire.answer import parse

pytestmark = pytest.mark.one_store

SECRET = b"x" * 32


def submitted(store: Store, folder: Path, name: str, *rows: dict[str, Any]) -> str:
    checked = [read_row(n, row)[0] for n, row in enumerate(rows, start=1)]
    queued = Queueing(store, Journal(folder), SECRET, name).queue(checked, lambda _: None)
    return queued.batch_id


def asked(store: Store, batch: str) -> list[tuple[str, str]]:
    jobs = [(job, batch) for page in reading.rows(store, batch) for job in page]
    requests = reading_requests.requests_of(store, jobs)
    return [(one.custom_id, content_digest(one.body, one.columns)) for one in requests]


def test_the_kind_of_a_column_is_that_of_all_its_values(store: Store, tmp_path: Path) -> None:
    row = {"prompt": "What?", "video": "https://media.example/a.mp4"}
    batch = submitted(
        store,
        tmp_path,
        "b",
        {**row, "custom_id": "a", "n": 1, "share": 1, "who": None, "odd": "x", "big": 2**63},
        {**row, "custom_id": "b", "share": Decimal("0.5"), "odd": 2, "last": True, "nested": [1]},
    )
    assert kinds(store, batch) == {
        "n": Kind.INT,
        "share": Kind.FLOAT,
        "who": Kind.TEXT,
        "odd": Kind.JSON,
        "big": Kind.JSON,
        "last": Kind.BOOL,
        "nested": Kind.JSON,
    }
    assert [*kinds(store, batch)] == ["n", "share", "who", "odd", "big", "last", "nested"]


def test_rows_that_a_later_manifest_inserts_stand_at_the_end(store: Store, tmp_path: Path) -> None:
    first, inserted, last = ({"custom_id": name, "prompt": "What?"} for name in "axb")
    submitted(store, tmp_path, "b", first, last)
    batch = submitted(store, tmp_path, "b", first, inserted, last)
    assert [row["custom_id"] for row in table(store, batch, simulated=True)] == ["a", "b", "x"]


def test_numbers_of_the_user_come_back_with_every_digit(store: Store, tmp_path: Path) -> None:
    columns = '"g": 48.137154123456789012, "at": [{"h": 0.12345678901234567890}, 7.0], "n": 1E-7'
    row = parse(f'{{"custom_id": "a", "prompt": "What?", {columns}}}'.encode())
    batch = submitted(store, tmp_path, "b", row)
    (found,) = table(store, batch, simulated=True)
    line = json_line(found).decode()
    assert line.endswith(f"{columns.replace('1E-7', '0.0000001')}}}\n")
    again = parse(line.encode())
    assert {name: again[name] for name in ("g", "at", "n")} == {
        name: row[name] for name in ("g", "at", "n")
    }
    assert kinds(store, batch) == {"g": Kind.JSON, "at": Kind.JSON, "n": Kind.FLOAT}


def test_integers_that_a_double_would_round_stay_whole_beside_each_other_and_beside_fractions(
    store: Store, tmp_path: Path
) -> None:
    large, share, last = 2**53 + 1, Decimal("0.5"), 2**53
    columns = [
        {"ids": large, "mixed": large, "turned": share, "exact": last},
        {"ids": 7, "mixed": share, "turned": large, "exact": share},
    ]
    rows = [{"prompt": "What?", "custom_id": str(n), **some} for n, some in enumerate(columns)]
    batch = submitted(store, tmp_path, "b", *rows)
    found = kinds(store, batch)
    expected = {"ids": Kind.LARGE, "mixed": Kind.JSON, "turned": Kind.JSON, "exact": Kind.FLOAT}
    assert found == expected
    path = tmp_path / "t.parquet"
    write_table(table(store, batch, simulated=True), lambda: found, path, Style(Format.PARQUET))
    read = parquet.read_table(path, columns=[*expected]).to_pylist()
    assert read == [
        {"ids": large, "mixed": str(large), "turned": "0.5", "exact": float(last)},
        {"ids": 7, "mixed": "0.5", "turned": str(large), "exact": 0.5},
    ]


def test_failed_rows_are_a_manifest_that_asks_for_the_same(
    store: Store, simulator: Simulator, tmp_path: Path
) -> None:
    bad = "Look. [[sim: refuse=promptBlocked]]"
    rows = [
        {"custom_id": "good", "prompt": "Look."},
        {"custom_id": "flat", "prompt": bad, "video": "https://media.example/a.mp4", "maxTokens": 9}
        | {"temperature": Decimal("0.5"), "stopSequences": ["."], "seed": 7, "numberResults": 2},
        {"custom_id": "lists", "prompt": bad, "camera": "north", "shift": None}
        | {"images": ["https://media.example/a.jpg", "https://media.example/b.jpg"]},
        {"custom_id": "talk", "systemPrompt": "Short."}
        | {
            "messages": [
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": bad},
            ]
        },
    ]
    batch = submitted(store, tmp_path, "first", *rows)
    rig = Rig(store, simulator.v1)
    rig.jobs = [job for page in reading.rows(store, batch) for job in page]
    rig.run()
    failed = list(failed_rows(store, batch))
    assert [one["custom_id"] for one in failed] == ["flat", "lists", "talk"]
    assert all(one["_error"].startswith("promptBlocked") for one in failed)
    assert failed[0] == {**rows[1], "_error": failed[0]["_error"]}
    again = submitted(store, tmp_path, "again", *failed)
    assert asked(store, again) == asked(store, batch)[1:]


def test_a_failed_row_of_a_partial_job_tells_the_error_that_the_table_has(
    store: Store, simulator: Simulator, tmp_path: Path
) -> None:
    prompt = "Look. [[sim: errors=1]]"
    row = {"custom_id": "a", "prompt": prompt, "numberResults": 2}
    batch = submitted(store, tmp_path, "b", row)
    rig = Rig(store, simulator.v1)
    rig.jobs = [job for page in reading.rows(store, batch) for job in page]
    rig.run()
    assert rig.only().state is State.PARTIAL
    lacking = next(one for one in table(store, batch, simulated=True) if one["error_code"])
    (failed,) = failed_rows(store, batch)
    assert failed["_error"] == f"{lacking['error_code']}: {lacking['error_message']}"
    assert failed["_error"].startswith("timeoutProvider: ")


def test_failed_rows_are_told_with_the_options_that_submit_them_again(
    store: Store, simulator: Simulator, valkey: StoreServer, tmp_path: Path
) -> None:
    bad = "Look. [[sim: refuse=promptBlocked]]"
    url = "https://media.example/a.mp4"
    rows = [
        {"custom_id": "a", "prompt": bad, "video": url, "speed": 5, "clip": url, "camera": "north"},
        {"custom_id": "b", "prompt": bad, "my clip": url},
        {"custom_id": "c", "prompt": "Look.", "mode": "x"},
    ]
    allowed = Rules(passengers=frozenset({"speed", "my clip", "mode"}))
    checked = [read_row(n, row, allowed)[0] for n, row in enumerate(rows, start=1)]
    queued = Queueing(store, Journal(tmp_path), SECRET, "b").queue(checked, lambda _: None)
    rig = Rig(store, simulator.v1)
    rig.jobs = [job for page in reading.rows(store, queued.batch_id) for job in page]
    rig.run()
    env = {"REDIS_URL": valkey.url, "REELQUEUE_NAMESPACE": store.keys.namespace}
    again = str(tmp_path / "again.jsonl")
    told = CliRunner(env=env).invoke(main, ["results", "b", "--failed", "-o", again])
    assert told.exit_code == 0, told.stderr
    options = ["--passenger", "my clip", "--passenger", "speed"]
    assert f"Submit them with {shlex.join(options)}: these columns are yours" in told.stderr
    env |= {"REELQUEUE_DATA_DIR": str(tmp_path)}
    assert CliRunner(env=env).invoke(main, ["submit", again, "--preview", "9"]).exit_code == 1
    done = CliRunner(env=env).invoke(main, ["submit", again, "--preview", "9", *options])
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("read", [1, 100, 101, 299, 300])
def test_a_batch_that_is_pruned_while_its_table_is_read_gives_no_table_that_looks_whole(
    store: Store, tmp_path: Path, read: int
) -> None:
    rows = [{"custom_id": str(n), "prompt": "What?"} for n in range(300)]
    batch = submitted(store, tmp_path, "b", *rows)
    verbs.cancel_batch(store, batch)
    while (passed := verbs.cancel_pass(store)) and not passed.over:
        pass
    store.client.delete(store.keys("ends"))
    found = table(store, batch, simulated=True)
    assert [next(found)["custom_id"] for _ in range(read)] == [str(n) for n in range(read)]
    assert (known := reading.batch(store, batch))
    assert sum(pruning.pages(store, known)) == 300
    with pytest.raises(reading.Pruned, match="is being pruned"):
        list(found)
