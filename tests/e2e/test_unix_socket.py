"""A store behind a Unix socket, with a password: every process reaches it, Celery too."""

from pathlib import Path

import redis
from simulator_driver import Simulator
from stack_driver import Place, real, up
from store_driver import StoreServer, valkey_binary


def test_a_batch_goes_through_a_store_behind_a_unix_socket(
    provider: Simulator, tmp_path: Path
) -> None:
    path, password = tmp_path / "store.sock", "p@ss/word"
    folder = tmp_path / "store"
    folder.mkdir()
    with StoreServer(valkey_binary(), folder, "--unixsocket", str(path)) as server:
        place = Place(tmp_path, **real(provider))
        place.env["REDIS_URL"] = f"unix://:p%40ss%2Fword@{path}?db=3"
        with redis.Redis.from_url(server.url) as client:
            client.config_set("requirepass", password)
            try:
                with up(place):
                    done = place.run("submit", place.manifest("films", {"prompt": "x"}), "--watch")
                    assert done.returncode == 0, done.stderr
            finally:
                client.config_set("requirepass", "")
