"""Queues jobs, runs the steps against a simulator, and checks the books of a store."""

import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog
from simulator_driver import Simulator, sha256
from structlog.typing import FilteringBoundLogger

from tasks import ids, reading, reading_results, steps, verbs
from tasks.claims import Claimed, Due, Verdict
from tasks.context import Context
from tasks.job import ENDED, Record, State
from tasks.provider import Patience, Provider
from tasks.settings import load
from tasks.store import Store
from tasks.sweep import sweep
from tasks.token import Keyring
from tasks.wire.answer import Item, items, parse
from tasks.wire.request import dumps

SECRET = b"an installation secret for tests"
KEYRING = Keyring("tests", {"k1": b"a key of at least 24 bytes"})
LOG: FilteringBoundLogger = structlog.wrap_logger(
    structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(50)
)
BOOKS = threading.Lock()
"""Held by whoever changes or recounts the books while the other could."""
SMALL = 64
"""Most bytes of a value in a small hash: the store keeps one with longer values less tightly."""
LACKING = (State.FAILED, State.PARTIAL, State.EXPIRED)
AT_PROVIDER = (State.SUBMITTING, State.RESOLVING, State.PROCESSING)


def row(prompt: str = "What happens?", **fields: object) -> dict[str, Any]:
    return {
        "model": "google:gemini@3.1-pro",
        "messages": [{"role": "user", "content": prompt}],
        **fields,
    }


def queue(store: Store, *rows: Mapping[str, Any], name: str = "batch", priority: int = 1) -> Any:  # noqa: ANN401 - a list of ids
    """Record rows as jobs of a sealed batch; return their ids."""
    batch = store.open_batch(name, f"batch_{name}", priority)
    store.share(batch, {"none": b"{}"})
    made, records = [], []
    for n, body in enumerate(rows, start=1):
        custom_id = f"{name}-{uuid.uuid4().hex}"
        made.append(ids.job_id(SECRET, batch, custom_id))
        kept = {"custom_id": custom_id, "shared": "none", "body": body, "columns": {}}
        expected = body.get("numberResults", 1)
        records.append((made[-1], n, expected, "digest", 7, dumps(kept)))
    store.enqueue(batch, records)
    store.seal(batch)
    return made


def resize(store: Store, window: int) -> None:
    store.client.hset(store.keys("meta"), "window", window)


def record(store: Store, job: str) -> Record:
    found = reading.records(store, [job])[0]
    assert found
    return found


def success(task_uuid: str, text: str = "seen", cost: float | None = 0.5) -> Item:
    body = {"taskUUID": task_uuid, "text": text, "finishReason": "stop", "status": "success"}
    priced = f',"cost":{cost}' if cost is not None else ""
    return _read(dumps(body)[:-1] + priced.encode() + b"}")


def error(task_uuid: str | None, code: str = "providerError") -> Item:
    named = {"taskUUID": task_uuid} if task_uuid else {}
    return _read(dumps({"status": "error", "code": code, "message": "no", **named}))


def _read(body: bytes) -> Item:
    return items(parse(body))[0]


def verdict(*told: Item, final: bool) -> Verdict:
    good = [item for item in told if item.kind.value == "success"]
    costs = [item.cost for item in told if item.cost is not None]
    return Verdict(told, len(good), sum(costs) if costs else None, final)


def take(store: Store, most: int = 100) -> tuple[str, tuple[Claimed, ...]]:
    """Claim; return the fencing token and the jobs."""
    claim = store.claim(most, 3600, "", "", 60)
    return claim.token, claim.jobs


def asked(store: Store, job: str, attempt: int | None = None, *, behind: int = 0) -> Due:
    """Begin a poll of a job, whether or not one is due; `behind` makes its answer an old one."""
    sequence = int(store.client.hincrby(store.keys("meta"), "polls", 1))
    known = record(store, job)
    number = attempt or known.attempt
    return Due(known.attempts[number - 1].task_uuid, known, number, sequence - behind)


def bring_to(store: Store, job: str, state: State) -> str:
    """Drive a queued job of two results into a state; return its fencing token."""
    if state is State.QUEUED:
        return "0"
    token, _ = take(store)
    uuid_ = record(store, job).task_uuid
    with store.moves() as moves:
        if state in {State.PROCESSING, State.EXPIRED, State.CANCELLED}:
            moves.acknowledge(job, token, 60, "")
        if state is State.RESOLVING:
            moves.lose(job, token, "", "no answer")
    ask = asked(store, job)
    with store.moves() as moves:
        if state is State.COMPLETED:
            moves.join(ask, 0, 60, "", verdict(success(uuid_), success(uuid_, "2"), final=True))
        if state is State.PARTIAL:
            moves.join(ask, 0, 60, "", verdict(success(uuid_), error(uuid_), final=True))
        if state is State.FAILED:
            moves.fail(ask, ("unsafe", "no"), verdict(error(uuid_, "unsafe"), final=True))
        if state is State.EXPIRED:
            moves.expire(ask, 60, "too late")
    if state is State.CANCELLED:
        assert verbs.cancel(store, [record(store, job)]) == ["sent"]
    assert record(store, job).state is state
    return token


def contents(store: Store) -> dict[str, Any]:
    """Return all that a namespace holds, poll sequences left out."""
    client, found = store.client, {}
    for raw in client.scan_iter(f"{store.keys.namespace}:*", count=1000):
        key = raw.decode().partition(":")[2]
        kind = client.type(raw)
        if kind == b"hash":
            fields = client.hgetall(raw)
            found[key] = {k: v for k, v in fields.items() if k not in {b"p", b"polls"}}
        elif kind == b"zset":
            found[key] = client.zrange(raw, 0, -1, withscores=True)
        elif kind == b"list":
            found[key] = client.lrange(raw, 0, -1)
        else:
            found[key] = client.xrange(raw) if kind == b"stream" else client.get(raw)
    return found


def endings(store: Store) -> list[tuple[str, ...]]:
    """Return what the outbox tells of each ending: state, event, state before, batch, called."""
    found = store.client.xrange(store.keys("ends"))
    return [tuple(told.decode().split("|")) for _, jobs in found for told in jobs.values()]


def audit(store: Store, jobs: Sequence[str]) -> None:
    """Recount the books: counters, costs, slots, and what will move each open job."""
    with BOOKS:
        _audit(store, jobs)


def _audit(store: Store, jobs: Sequence[str]) -> None:
    records = [record(store, job) for job in jobs]
    batches = sorted({one.batch for one in records})
    for batch in batches:
        _audit_totals(store, batch, [one for one in records if one.batch == batch])
    counts = store.client.hgetall(store.keys("counts"))
    assert int(counts.get(b"cost", 0)) == sum(one.cost for one in records)
    for state in State:
        told = int(counts.get(f"n:{state}".encode(), 0))
        assert told == sum(one.state is state for one in records), state
    for one in records:
        kept = store.client.hgetall(store.keys("job", one.id))
        assert max(map(len, kept.values())) <= SMALL, "a hash with such a value costs more memory"
        assert one.cost == sum(attempt.cost for attempt in one.attempts)
        assert one.state in ENDED or _will_move(store, one), f"{one.state} and nothing moves it"
    open_tasks = {a.task_uuid for one in records for a in one.attempts if a.ended_at is None}
    waiting = {one.attempts[-1].task_uuid for one in records if one.state is State.QUEUED}
    slots = {name.decode() for name in store.client.zrange(store.keys("slots"), 0, -1)}
    assert slots <= open_tasks - waiting, "a slot is held by a task that is over or was never sent"


def _audit_totals(store: Store, batch: str, records: Sequence[Record]) -> None:
    told = reading.batch(store, batch)
    assert told
    assert told.states == {s: sum(one.state is s for one in records) for s in State}
    assert told.total == len(records)
    assert told.open == sum(one.state not in ENDED for one in records)
    assert told.cost == sum(one.cost for one in records)
    several = [one for one in records if one.expected > 1 and one.state not in ENDED]
    assert told.begun == sum(one.cost for one in several)
    assert told.parked == sum(
        one.state is State.RESOLVING and "parked" in one.flags for one in records
    )
    _audit_causes(store, batch, [one for one in records if one.state in LACKING])
    held = [
        store.client.hget(store.keys("job", o.id), "rv") for o in records if o.state in AT_PROVIDER
    ]
    assert told.reserved == sum(map(int, held))
    kept = [store.client.hgetall(store.keys("job", o.id)) for o in records]
    untold = [int(f[name]) for f in kept for name in f if re.fullmatch(rb"ru\d+", name)]
    assert told.untold == sum(untold)
    assert (told.done is not None) == (told.sealed and told.open == 0)


def _audit_causes(store: Store, batch: str, lacking: Sequence[Record]) -> None:
    fields = store.client.hgetall(store.keys("causes", batch))
    blamed = {name[2:]: int(count) for name, count in fields.items() if name[:2] == b"n:"}
    codes = Counter(store.client.hget(store.keys("job", one.id), "fc") for one in lacking)
    assert blamed == codes
    for one in lacking:
        assert not one.error_code or one.error_code.encode() in {*codes} or b"other" in codes
    assert {name[2:] for name in fields} == {*codes}


def _will_move(store: Store, one: Record) -> bool:
    client, keys = store.client, store.keys
    match one.state:
        case State.QUEUED:
            queued = client.lpos(keys("queue", one.batch), one.id) is not None
            stirred = [client.zscore(keys(name), one.batch) for name in ("ready", "paused")]
            stirred += client.hmget(keys("batch", one.batch), "held", "cancelling", "broke")
            later = client.zscore(keys("later"), one.id) is not None
            return later or (queued and any(sign is not None for sign in stirred))
        case State.SUBMITTING:
            return client.zscore(keys("leases"), one.id) is not None
        case _:
            return client.zscore(keys("due"), one.attempts[-1].task_uuid) is not None


class Door:
    """A callback door as small as it gets: token, body, `steps.receive`.

    Attributes:
        told: What became of each callback.
        opens: Callbacks wait while it is cleared.
    """

    def __init__(self, store: Store) -> None:
        self.told: list[str] = []
        self.opens = threading.Event()
        self.opens.set()
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
                body = self.rfile.read(int(self.headers["Content-Length"]))
                door.opens.wait(10)
                ours = KEYRING.verify(
                    query["k"], query["j"], query["e"], query["t"], now=time.time()
                )
                with BOOKS:
                    door.told.append(steps.receive(store, query["j"], body) if ours else "forged")
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/runware"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Rig:
    """The steps with short times, on one store and one provider."""

    def __init__(self, store: Store, url: str, *, callbacks: str = "", **given: object) -> None:
        self.store, self.jobs = store, list[str]()
        # The provider was heard of just now: only time since counts as one without it (outages.py).
        store.client.hset(store.keys("meta"), "heard", store.now())
        settings = load(
            {
                "RUNWARE_API_KEY": "rw-test-key",
                "RUNWARE_BASE_URL": url,
                "REELQUEUE_INSTALLATION_SECRET": SECRET.decode(),
                "REELQUEUE_RESOLVE_AFTER": 0.3,
                "REELQUEUE_POLL_FIRST": 0.05,
                "REELQUEUE_POLL_MAX": 0.2,
                **given,
            }
        )
        patience = Patience(connect=1.0, silence=1.0, total=2.0)
        self.context = Context(
            store=store,
            provider=Provider(url, "rw-test-key", 4, patience),
            settings=settings,
            keyring=KEYRING if callbacks else Keyring("tests", {}),
            place=store.place(callbacks) if callbacks else "",
            log=LOG,
            random=Random(1),
            probe_after=0.3,
        )

    def adopt(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the context
        self.context = replace(self.context, **changes)

    def queue(self, *rows: Mapping[str, Any], name: str = "batch") -> list[str]:
        made: list[str] = queue(self.store, *rows, name=name)
        self.jobs += made
        return made

    def turn(self) -> None:
        """Do once what the doors would do, without waiting between attempts."""
        self._hurry()
        sweep(self.store, LOG)
        steps.submit(self.context)
        steps.poll(self.context)
        audit(self.store, self.jobs)

    def _hurry(self) -> None:
        """Bring every not-before time forward: that it is kept is tested with the store."""
        key = self.store.keys("later")
        for member in self.store.client.zrange(key, 0, -1):
            self.store.client.zadd(key, {member: 0}, xx=True)

    def run(self, until: Callable[[], object] | None = None, seconds: float = 15.0) -> None:
        """Work until all jobs have ended, or `until` holds."""
        deadline = time.monotonic() + seconds
        while not (until() if until else all(one.state in ENDED for one in self.records())):
            assert time.monotonic() < deadline, [
                (one, reading.history(self.store, one.id)) for one in self.records()
            ]
            self.turn()
            time.sleep(0.01)

    def records(self) -> list[Record]:
        return [record(self.store, job) for job in self.jobs]

    def only(self) -> Record:
        (one,) = self.records()
        return one

    def texts(self, job: str, attempt: int) -> list[Any]:
        (found,) = reading_results.results(self.store, [(record(self.store, job), attempt)])
        return [item.raw.get("text") for item in found if item.kind.value == "success"]


def agree(rig: Rig, simulator: Simulator, *, unbought: Iterable[str] = ()) -> dict[str, Any]:
    """Compare the records with what really happened; return the truth of each task."""
    truth = {task["taskUUID"]: task for task in simulator.truth("?tasks=1")["tasks"]}
    known = {a.task_uuid: (one, a) for one in rig.records() for a in one.attempts}
    bought = {name for name, task in truth.items() if task["purchases"]}
    assert bought <= set(known), "a task that no record knows was bought"
    for name in bought:
        task, (one, attempt) = truth[name], known[name]
        assert task["purchases"] == 1, "bought twice"
        assert task["charged_nano"] == attempt.cost
        made = [result["text_sha256"] for result in task["results"] if result["kind"] == "success"]
        kept = map(sha256, rig.texts(one.id, attempt.number))
        assert Counter(kept) == Counter(made), "a result is lost, doubled or another"
        _is_resent_alike(simulator, name)
    assert not bought & set(unbought)
    audit(rig.store, rig.jobs)
    return truth


def _is_resent_alike(simulator: Simulator, task_uuid: str) -> None:
    submissions = simulator.truth(f"/{task_uuid}")["submissions"]
    assert len({one["sha256"] for one in submissions}) == 1, "a resend differs"


def copied(rig: Rig) -> dict[bytes, bytes]:
    """Return a copy of the store as it is now."""
    client = rig.store.client
    return {key: client.dump(key) for key in client.scan_iter(f"{rig.store.keys.namespace}:*")}


def taken_over(rig: Rig, copy: dict[bytes, bytes]) -> None:
    """Go on with a copy, on a server that is not the one it was made on."""
    client = rig.store.client
    client.unlink(*client.scan_iter(f"{rig.store.keys.namespace}:*"))
    for key, value in copy.items():
        client.restore(key, 0, value)
    client.hset(rig.store.keys("meta"), "run", "another")
