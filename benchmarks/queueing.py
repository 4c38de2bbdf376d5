"""Queueing a manifest: `reelqueue submit`, a Celery `send_task` loop, and redis-py by itself."""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from benchmarks import manifest
from benchmarks.figures import RESULTS, Figure, conclude, say
from benchmarks.processes import Place, Product, StoreServer, place
from tasks import reading

PER_PIPELINE = 500
Rates = dict[str, list[float]]
Fields = dict[Any, Any]  # bytes to bytes


def main() -> None:
    """Measure in alternation and conclude with the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--sent", type=int, default=4_000, help="messages of the send_task loop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    with place() as here:
        rates = measure(here, given.rows, given.sent, given.rounds)
    middle = {name: statistics.median(each) for name, each in rates.items()}
    ours, whole, sent, raw = (middle[n] for n in ("queue", "command", "send_task", "redis-py"))
    how = f"{given.rows} rows, medians of {given.rounds} rounds in alternation"
    figures = [
        Figure("queueing / send_task loop", ours, sent, "jobs/s", least=10),
        Figure("queueing / redis-py, the same bytes", ours, raw, "jobs/s", least=0.3),
        Figure("whole command / send_task loop", whole, sent, "jobs/s"),
        Figure("whole command / redis-py", whole, raw, "jobs/s"),
    ]
    conclude("queueing", how, figures, given.results)


def measure(here: Place, rows: int, sent: int, rounds: int) -> Rates:
    """Return jobs/s of each way, by round."""
    store, path = StoreServer(here), manifest.write(here.folder / "clips.jsonl", rows)
    product, rates = Product(here, store), Rates()
    for number in range(rounds):
        found = {name: rows / each for name, each in submitted(product, store, path).items()}
        same = recorded(store, rows)
        store.client.flushall()
        found["send_task"] = sent / sending(store, sent)
        store.client.flushall()
        found["redis-py"] = rows / writing(store, same)
        store.client.flushall()
        for name, rate in found.items():
            rates.setdefault(name, []).append(rate)
        say(f"round {number + 1}: " + ", ".join(f"{n} {r:.0f}/s" for n, r in found.items()))
    return rates


def submitted(product: Product, store: StoreServer, path: Path) -> dict[str, float]:
    """Submit a manifest; return the seconds of the command, and of its queueing alone.

    Queueing is from the batch's creation, when the manifest has passed its check, to its seal.
    """
    opened, begun = store.opened(), time.monotonic()
    command = product.start("submit", "submit", str(path), "--yes")
    while (batch := reading.batch_named(opened, path.stem)) is None or not batch.sealed:
        if command.code not in {None, 0}:
            raise RuntimeError(command.said)
        time.sleep(0.01)
    sealed_at = store.now()
    if command.wait(60):
        raise RuntimeError(command.said)
    opened.client.close()
    return {"queue": sealed_at - batch.created / 1000, "command": time.monotonic() - begun}


def recorded(store: StoreServer, rows: int) -> list[tuple[str, Fields]]:
    """Return what was just recorded of each job: its key, and its fields with its input."""
    opened, found = store.opened(), list[tuple[str, Fields]]()
    for batch in reading.batches(opened):
        for page in reading.rows(opened, batch.id):
            pipe = opened.client.pipeline(transaction=False)
            for job in page:
                pipe.hgetall(opened.keys("job", job)).get(opened.keys("input", job))
            told = pipe.execute()
            fields = zip(told[::2], told[1::2], strict=True)
            each = ({**record, b"in": blob} for record, blob in fields)
            found += list(zip(page, each, strict=True))
    if len(found) != rows:
        raise RuntimeError(f"{len(found)} of {rows} jobs were recorded")
    return found


def writing(store: StoreServer, jobs: Sequence[tuple[str, Fields]]) -> float:
    """Return the seconds in which redis-py alone writes these: one HSET per job."""
    client = redis.Redis.from_url(store.url)
    begun = time.perf_counter()
    for start in range(0, len(jobs), PER_PIPELINE):
        pipe = client.pipeline(transaction=False)
        for key, fields in jobs[start : start + PER_PIPELINE]:
            pipe.hset(key, mapping=fields)
        pipe.execute()
    return time.perf_counter() - begun


def sending(store: StoreServer, count: int) -> float:
    """Return the seconds in which Celery's `send_task` sends so many rows, one by one."""
    app = Celery("sender", broker=store.url)
    app.conf.update(task_ignore_result=True, task_serializer="json")
    rows = list(manifest.rows(count))
    app.send_task("analyse", args=(rows[0],))  # the connection is made before the clock starts
    begun = time.perf_counter()
    for row in rows:
        app.send_task("analyse", args=(row,))
    spent = time.perf_counter() - begun
    app.close()
    return spent


if __name__ == "__main__":
    main()
