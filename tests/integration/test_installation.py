"""A store holds ids of one installation secret: under another all would be bought again."""

import json
from pathlib import Path

import pytest
from api_driver import Api, manifest, row, told
from click.testing import CliRunner, Result
from core_driver import SECRET
from store_driver import StoreServer

from console.main import main
from tasks import guard, reading
from tasks.errors import ConfigurationError, StoreRefused
from tasks.installation import id_secret
from tasks.settings import Settings, load
from tasks.store import Store

OTHER = "o" * 32


def settings(secret: str) -> Settings:
    return load({"REELQUEUE_INSTALLATION_SECRET": secret})


def test_a_store_is_marked_by_the_first_process_that_knows_the_secret_and_refuses_any_other(
    store: Store,
) -> None:
    ours, others = settings(SECRET.decode()), settings(OTHER)
    guard.store_or_refuse(store, others)  # which writes nothing: nobody has derived ids yet
    assert store.marks.installation() == ""
    assert id_secret(store, ours) == SECRET
    for _ in range(2):
        with pytest.raises(StoreRefused, match="Put the former secret back"):
            id_secret(store, others)
        with pytest.raises(StoreRefused, match="Put the former secret back"):
            guard.store_or_refuse(store, others)
        guard.store_or_refuse(store, ours)
        assert id_secret(store, ours) == SECRET


def test_a_process_that_derives_no_ids_needs_no_secret_and_one_that_does_is_told_what_is_missing(
    store: Store, tmp_path: Path
) -> None:
    without = load({"REELQUEUE_DATA_DIR": tmp_path})
    with pytest.raises(ConfigurationError, match="is not set"):
        id_secret(store, without)
    id_secret(store, settings(OTHER))
    guard.store_or_refuse(store, without)
    with pytest.raises(StoreRefused, match=f"there is no {tmp_path}/secrets/reelq"):
        id_secret(store, without)


def test_what_the_store_keeps_does_not_tell_the_secret(store: Store) -> None:
    id_secret(store, settings(OTHER))
    kept = store.client.hgetall(store.keys("meta"))[b"installation"]
    assert len(kept) == 22  # 128 bits
    assert kept not in OTHER.encode()


def run(server: StoreServer, store: Store, secret: str, folder: Path, *args: str) -> Result:
    env = {
        "REDIS_URL": server.url,
        "REELQUEUE_NAMESPACE": store.keys.namespace,
        "REELQUEUE_INSTALLATION_SECRET": secret,
        "REELQUEUE_DATA_DIR": str(folder),
    }
    return CliRunner(env=env).invoke(main, args)


def test_a_verb_that_derives_ids_refuses_another_secret_and_all_others_work(
    store_server: StoreServer, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "clips.jsonl"
    file.write_text(json.dumps({"custom_id": "a", "video": "https://x.test/a.mp4", "prompt": "?"}))

    def with_secret(secret: str, *args: str) -> Result:
        return run(store_server, store, secret, tmp_path, *args)

    assert with_secret(SECRET.decode(), "submit", str(file)).exit_code == 0
    for verb in (
        ("submit", str(file)),
        ("submit", str(file), "--name", "another"),
        ("retry", "clips", "--yes"),
        ("job", "a", "--batch", "clips"),
        ("cancel", "clips", "--id", "a", "--yes"),
    ):
        done = with_secret(OTHER, *verb)
        assert done.exit_code == 1, verb
        assert "is another than REELQUEUE_INSTALLATION_SECRET gives now" in done.stderr, verb
    assert [batch.total for batch in reading.batches(store)] == [1]
    for verb in (("list",), ("status", "clips"), ("cancel", "clips", "--yes")):
        assert with_secret(OTHER, *verb).exit_code == 0, verb


def test_the_api_takes_nothing_for_a_store_of_another_secret(
    store_server: StoreServer, store: Store, tmp_path: Path
) -> None:
    with Api(store_server.url, tmp_path, env={"REELQUEUE_NAMESPACE": store.keys.namespace}) as api:
        id_secret(store, settings(OTHER))  # the store it meets is another than it started with
        answer = api.submit("clips", manifest([row("a")]))
        assert told(answer) == (503, "unavailable")
        assert "Put the former secret back" in answer.json()["error"]["message"]
        assert api.ask("/readyz").status_code == 503
        assert api.ask("/v1/batches").json()["data"] == []
