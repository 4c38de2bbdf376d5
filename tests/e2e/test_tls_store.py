"""A store that is reached by TLS, with a certificate of one's own: every process works on it."""

from pathlib import Path

import pytest
import redis
from celery import Celery
from simulator_driver import Simulator
from stack_driver import Place, real, up
from store_driver import StoreServer, certified, free_port, redis_binary

from tasks.settings import load
from worker.config import celery_config


@pytest.mark.needs("redis-server", "redis-server")
@pytest.mark.needs("openssl", "openssl")
def test_a_batch_goes_through_a_store_that_is_reached_by_tls(
    provider: Simulator, tmp_path: Path
) -> None:
    folder, port = tmp_path / "store", free_port()
    folder.mkdir()
    authority, *tls = certified(folder)
    with StoreServer(redis_binary(), folder, *tls, "--tls-port", str(port)) as server:
        place = Place(tmp_path, **real(provider))
        place.env["REDIS_URL"] = f"rediss://:pw@127.0.0.1:{port}/3?ssl_ca_certs={authority}"
        with redis.Redis.from_url(server.url) as client:
            client.config_set("requirepass", "pw")
            try:
                with up(place):
                    done = place.run("submit", place.manifest("films", {"prompt": "x"}), "--watch")
                    assert done.returncode == 0, done.stderr
                    shown = Celery("shown")
                    shown.conf.update(celery_config(load({"REDIS_URL": place.env["REDIS_URL"]})))
                    assert shown.control.inspect(timeout=10, limit=1).conf()
                assert "insecure" not in place.log("worker")
                assert "tick.failed" not in place.log("worker")
            finally:
                client.config_set("requirepass", "")
