"""The callback door under load: durable callbacks, how long they take, a stopped store, a soak."""

import argparse
import json
import os
import signal
import statistics
import sys
import time
from collections import Counter
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path

from benchmarks.figures import RESULTS, Figure, conclude, say
from benchmarks.processes import Place, Process, StoreServer, await_true, environment, free_port
from benchmarks.processes import place as a_place
from benchmarks.volley import Shots, fire
from tasks import ids
from tasks.token import LIFETIME, Keyring, new_keys, parse_keys

TEXT = "The scene shows a loading dock at night; two people move a crate. " * 14
KEPT = 204
IN_TIME = 2.0
WARM = 0.1
"""Share of the soak after which its memory is first read."""


class Door:
    """The callback door over a store, and jobs whose callbacks it takes."""

    def __init__(self, here: Place, server: StoreServer) -> None:
        keys, self.port = new_keys(), free_port()
        env = environment(
            REDIS_URL=server.url,
            REELQUEUE_PORT=str(self.port),
            REELQUEUE_SECRETS=keys,
            REELQUEUE_DATA_DIR=str(here.folder),
        )
        self.process = here.start("door", [sys.executable, "-m", "webhooks"], env)
        self.store = server.opened()
        self._keyring = Keyring("reelqueue", parse_keys(keys))
        self.store.marks.check("simulated", 1_000_000)

    def callbacks(self, many: int) -> list[bytes]:
        """Record and claim jobs, as a worker does before it submits; return their callbacks."""
        batch = self.store.open_batch(ids.new_batch_id(), ids.new_batch_id(), 1)
        for start in range(0, many, 100):
            names = [ids.job_id(b"x" * 32, batch, str(n)) for n in range(start, start + 100)]
            rows = [(name, n, 1, "digest", 0, b"{}") for n, name in enumerate(names)]
            self.store.enqueue(batch, rows)
        self.store.seal(batch)
        self.store.client.delete(self.store.keys("ends"))  # nobody settles here
        jobs, signing = list[str](), self._keyring.signing
        while len(jobs) < many:
            claim = self.store.claim(100, 7200.0, "", signing, LIFETIME)
            jobs += [one.id for one in claim.jobs]
        return [self._callback(job) for job in jobs[:many]]

    def _callback(self, job: str) -> bytes:
        query = self._keyring.query(self._keyring.signing, job, int(time.time()) + 7200)
        return request(job, f"/webhooks/runware?{query}")


def request(job: str, path: str) -> bytes:
    """Return a callback as it comes over the wire, about as large as real ones are."""
    usage = {"promptTokens": 4400, "completionTokens": 260, "totalTokens": 4660}
    item = {"taskType": "textInference", "taskUUID": job, "text": f"{job} {TEXT}"}
    body = json.dumps({"data": [{**item, "finishReason": "stop", "cost": 0.0119, "usage": usage}]})
    head = f"POST {path} HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def main() -> None:
    """Measure all of it and conclude."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=4000, help="callbacks of one volley")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=float, default=600, help="seconds; 0: none")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    with a_place() as here:
        server = StoreServer(here)
        door, other = Door(here, server), free_port()
        argv = [sys.executable, "-m", "benchmarks.endpoint", str(other)]
        here.start("endpoint", argv, environment())
        await_true(lambda: _listens(door.port) and _listens(other), 20)
        rates = volleys(server, door, other, given.many, given.rounds)
        figures = compared(rates, here.folder)
        figures.append(waits(door, rates["everysec"] / 2, given.many))
        if given.soak:
            figures.append(soaked(door, given.soak, rates["everysec"] / 2))
        figures.append(stopped(server, door))  # last: the door takes a moment to come back
    how = f"{given.many} callbacks of {len(TEXT)} characters a volley, medians of {given.rounds}"
    conclude("callbacks", how, figures, given.results)


def volleys(
    server: StoreServer, door: Door, other: int, many: int, rounds: int
) -> dict[str, float]:
    """Return answers a second: of the endpoint, and of the door by how the store syncs."""
    found: dict[str, list[float]] = {"endpoint": [], "everysec": [], "always": []}
    fire(other, [request("warm", "/webhooks/runware")] * 200)
    fire(door.port, door.callbacks(200))
    for _ in range(rounds):
        found["endpoint"].append(_all_kept(fire(other, door.callbacks(many))).rate)
        for policy in ("everysec", "always"):
            server.client.config_set("appendfsync", policy)
            found[policy].append(_all_kept(fire(door.port, door.callbacks(many))).rate)
        server.client.config_set("appendfsync", "everysec")
        say(", ".join(f"{name} {rate[-1]:.0f}/s" for name, rate in found.items()))
    return {name: statistics.median(rate) for name, rate in found.items()}


def compared(rates: dict[str, float], folder: Path) -> list[Figure]:
    """Hold the door against the endpoint."""
    usual = rates["endpoint"]
    return [
        Figure("everysec / read and parse", rates["everysec"], usual, "callbacks/s", least=0.55),
        Figure("always / read and parse", rates["always"], usual, "callbacks/s", least=0.45),
        Figure("one fdatasync of this disk", sync_ms(folder), 1, "ms"),
    ]


def sync_ms(folder: Path) -> float:
    """Return how long this disk takes to make a small write durable: the median of 200."""
    took = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 2000)
            begun = time.monotonic()
            os.fdatasync(file.fileno())
            took.append(time.monotonic() - begun)
    return statistics.median(took) * 1000


def waits(door: Door, rate: float, many: int) -> Figure:
    """Measure how long a callback takes at a rate."""
    shots = _all_kept(fire(door.port, door.callbacks(many), rate))
    say(f"at {rate:.0f}/s: median {shots.percentile(0.5) * 1000:.1f} ms")
    return Figure("99th of 100 at half the rate", shots.percentile(0.99) * 1000, 1, "ms", most=50)


def stopped(server: StoreServer, door: Door) -> Figure:
    """Measure how long it takes to be told that the store is away, while it is stopped."""
    calls = door.callbacks(200)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        shots = fire(door.port, calls)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    if set(shots.statuses) != {503}:
        raise RuntimeError(f"answers with a stopped store: {shots.statuses}")
    return Figure("slowest 503 with a stopped store", max(shots.waits), 1, "s", most=IN_TIME)


def soaked(door: Door, seconds: float, rate: float) -> Figure:
    """Deliver at a rate for long, each callback many times; memory at the end by that before."""
    calls, begun = door.callbacks(20_000), time.monotonic()
    portion = max(1, int(rate * 10))
    supply, warm, most = cycle(calls), 0, 0
    statuses = Counter[int]()
    while (passed := time.monotonic() - begun) < seconds:
        statuses += fire(door.port, list(islice(supply, portion)), rate).statuses
        most = max(most, resident(door.process))
        warm = warm if passed > seconds * WARM else resident(door.process)
    if set(statuses) != {KEPT}:
        raise RuntimeError(f"answers in the soak: {statuses}")
    say(f"soak: {statuses.total():,} callbacks, {warm / 1e6:.0f} MB, then {most / 1e6:.0f} MB")
    return Figure(f"memory over {seconds:.0f} s", most / 1e6, warm / 1e6, "MB", most=1.1)


def resident(process: Process) -> int:
    """Return the resident bytes of a process and its children."""
    told = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8")
    pages = 0
    for pid in (process.pid, *told.split()):
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def _all_kept(shots: Shots) -> Shots:
    if set(shots.statuses) != {KEPT}:
        raise RuntimeError(f"answers: {shots.statuses}")
    return shots


def _listens(port: int) -> bool:
    with suppress(OSError):
        fire(port, [b"GET /healthz HTTP/1.1\r\nHost: door\r\n\r\n"])
        return True
    return False


if __name__ == "__main__":
    main()
