"""Addresses of other kinds: every process reaches them, Celery and the callbacks too."""

from pathlib import Path

import redis
from simulator_driver import Simulator
from stack_driver import Place, real, up
from store_driver import StoreServer, valkey_binary


def test_a_batch_goes_through_a_store_behind_a_unix_socket_and_callbacks_over_ipv6(
    provider: Simulator, tmp_path: Path
) -> None:
    path, password = tmp_path / "store.sock", "p@ss/word"
    folder = tmp_path / "store"
    folder.mkdir()
    with StoreServer(valkey_binary(), folder, "--unixsocket", str(path)) as server:
        place = Place(tmp_path, **real(provider))
        place.env["REELQUEUE_HOST"] = "::1"
        place.env["PUBLIC_URL"] = f"http://[::1]:{place.ports[0]}"
        place.env["REDIS_URL"] = f"unix://:p%40ss%2Fword@{path}?db=3"
        with redis.Redis.from_url(server.url) as client:
            client.config_set("requirepass", password)
            try:
                with up(place):
                    films = place.manifest("films", {"custom_id": "one", "prompt": "x"})
                    done = place.run("submit", films, "--watch")
                    assert done.returncode == 0, done.stderr
                    story = place.run("job", "one", "--batch", "films").stdout
                    assert "callback" in story
            finally:
                client.config_set("requirepass", "")
