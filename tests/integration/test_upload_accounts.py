"""Whose files go where: to the provider of the store, under its key."""

from pathlib import Path

import pytest
from desk_driver import SECRET, Desk
from store_driver import free_port

from batches.accounts import account_of
from console.stack import plan
from tasks.environment import simulator_file
from tasks.errors import ConfigurationError, StoreRefused
from tasks.settings import load
from tasks.store import Store

pytest_plugins = ("desk_fixtures",)
pytestmark = pytest.mark.one_store

SETTINGS = {"REELQUEUE_INSTALLATION_SECRET": SECRET.decode()}


def test_files_go_to_the_simulator_of_a_simulated_store_with_or_without_a_key(desk: Desk) -> None:
    simulator_file(desk.folder).write_text(desk.url)
    for key in ({}, {"RUNWARE_API_KEY": "rw-real-key"}):
        given = load({**SETTINGS, **key, "REELQUEUE_DATA_DIR": str(desk.folder)})
        account = account_of(desk.store, given)
        account.provider.close()
        assert account.mark.startswith(f"{desk.url} ")


def test_up_says_where_its_simulator_is_and_no_longer_where_it_runs_none(tmp_path: Path) -> None:
    ports = {"REELQUEUE_PORT": free_port(), "REELQUEUE_FLOWER_PORT": free_port()}
    given = load({"REELQUEUE_DATA_DIR": str(tmp_path), **ports})
    stack = plan(given, simulated=True)
    worker = next(child for child in stack.children if child.name == "worker")
    assert simulator_file(tmp_path).read_text() == worker.env["RUNWARE_BASE_URL"]
    plan(given, simulated=False)
    assert not simulator_file(tmp_path).exists()


@pytest.mark.parametrize(
    "left", ["", "damaged", pytest.param(f"http://127.0.0.1:{free_port()}/v1", id="nobody there")]
)
def test_where_no_simulator_runs_the_user_is_told_to_start_it(desk: Desk, left: str) -> None:
    given = load({**SETTINGS, "REELQUEUE_DATA_DIR": str(desk.folder)})
    if left:
        simulator_file(desk.folder).write_text(left)
    with pytest.raises(ConfigurationError, match="Start `reelqueue up`"):
        account_of(desk.store, given)


def test_another_providers_store_takes_no_files_and_the_key_is_told_nowhere(
    desk: Desk, namespace: str
) -> None:
    real = Store(desk.store.client, f"{namespace}r")
    given = load({**SETTINGS, "RUNWARE_API_KEY": "rw-real-key", "RUNWARE_BASE_URL": desk.url})
    account = account_of(real, given)
    account.provider.close()
    assert "rw-real-key" not in repr(account)
    other = given.model_copy(update={"base_url": "https://elsewhere.example/v1"})
    with pytest.raises(StoreRefused, match="never meet"):
        account_of(real, other)
    with pytest.raises(ConfigurationError, match="RUNWARE_API_KEY is not set"):
        account_of(real, given.model_copy(update={"api_key": None}))
