"""The one file that spells Redis: every key's name and type. tasks/README.md explains them.

`{id}` stands for a job or batch id, `{n}` for an attempt. Lua gets the same names (`as_lua`).
All keys start with the namespace; Redis Cluster is refused, so scripts may build names.
"""

import re

NAMES = {
    "meta": "meta",  # hash: schema, provider, installation, fence, window, vt, places
    "counts": "counts",  # hash: jobs by state, cost, over all batches
    "job": "j:{id}",  # hash: the record, values of at most 64 bytes
    "input": "j:{id}:in",  # string: custom_id, columns and own request part, compressed
    "failure": "j:{id}:err",  # string: code and message of the last error, JSON
    "caller": "j:{id}:c",  # string: Celery messages a job came by, without arguments, JSON Lines
    "history": "j:{id}:h",  # list: moves, callbacks, polls; the last 64, repeats folded
    "result": "j:{id}:r:{n}",  # string: an attempt's authoritative answer, compressed; with
    # `:digest` behind it one result that only callbacks have brought
    "task": "t:{id}",  # string: "job id:attempt" of a taskUUID that is no job id
    "tombstone": "x:{id}",  # string with expiry: "batch id|cost" of a job that was pruned
    "batch": "b:{id}",  # hash: name, flags, counters
    "rows": "b:{id}:rows",  # list: job ids in the order in which rows were recorded
    "queue": "b:{id}:q",  # list: job ids waiting
    "causes": "b:{id}:causes",  # hash: n:code -> jobs that ended with it, j:code -> one
    "pace": "b:{id}:pace",  # hash with expiry: endings by tens of seconds, of the last ten minutes
    "shared": "b:{id}:shared",  # hash: digest -> compressed request part shared by rows
    "batches": "batches",  # zset: batch ids by creation
    "names": "names",  # hash: batch name -> id
    "ready": "ready",  # zset: batches that may be claimed from, by virtual time
    "later": "later",  # zset: job ids by the time before which they must not be claimed
    "leases": "leases",  # zset: claimed job ids by the end of their lease
    "slots": "slots",  # zset: taskUUIDs at the provider by their bound
    "due": "due",  # zset: taskUUIDs by the time of their next poll
    "cancelling": "cancelling",  # zset: batches that are being cancelled, by when that began
    "paused": "paused",  # zset: batch ids, or * for all, by the time of the next probe
    "nudge": "nudge",  # list: at most one entry; the tick thread waits on it
    "ends": "ends",  # stream: the outbox, one entry per script run, one each where somebody waits
    "shown": "shown",  # stream: moves that Flower has not been told of; the oldest go beyond a cap
    "lately": "lately",  # zset: jobs that Flower was told of in the last 90 s, by when
    "back": "back",  # string: a mark of when Flower came back, until it was told again
    "unsettled": "unsettled",  # list: jobs whose ending could not be settled
    "quarantine": "q:{id}",  # hash: digest -> body that could not be understood, of a job
    "quarantined": "quarantined",  # zset: ids that have a quarantine, by the time of the last body
    "limit": "limit:{id}",  # string with expiry: the least the provider was found to take
    "leader": "leader",  # string with expiry: which worker ticks
    "watch": "watch",  # string with expiry: a door is waiting for slots to come free
    "seat": "seat:{id}",  # string with expiry: a door that is running
    "measured": "measured",  # hash: what doors and workers have counted (tally.py)
    "workers": "workers",  # zset: living workers by when they last said so
    "probe": "probe",  # string with expiry: written by /readyz
}

KINDS = {
    "hash": ("meta", "counts", "names", "measured"),
    "list": ("nudge", "unsettled"),
    "stream": ("ends", "shown"),
    "string": ("back", "leader", "watch", "probe"),
    "zset": (
        *("batches", "ready", "later", "leases", "slots", "due", "cancelling", "paused", "lately"),
        *("quarantined", "workers"),
    ),
}
"""What the keys hold that there is one of."""

CELERY_RESULT = "celery-task-meta-"
"""Where Celery keeps the result of a task, by its id: where its clients look, in no namespace."""


BROKERS = ("unacked", "unacked_index", "unacked_mutex")
"""Keys below our namespace that Celery's transport writes (worker/config.py)."""


class Keys:
    """Key names below one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def __call__(self, name: str, id_: str = "", n: int | str = "") -> str:
        """Return the key `name` of `id_` (and attempt `n`)."""
        return f"{self.namespace}:{NAMES[name].format(id=id_, n=n)}"

    def are_all(self) -> re.Pattern[bytes]:
        """Return what every key of ours looks like, as the store gives it."""
        names = [re.escape(name) for name in (*NAMES.values(), *BROKERS)]
        any_of = "|".join(names).replace(r"\{id\}", ".+").replace(r"\{n\}", "[0-9]+(:.+)?")
        return re.compile(f"{re.escape(self.namespace)}:({any_of})".encode(), re.DOTALL)

    def as_lua(self) -> str:
        """Return one Lua function per key, under the same names."""
        lines = ["local KEY = {}", f'local RESULT = "{CELERY_RESULT}"']
        for name, pattern in NAMES.items():
            body = f'"{self.namespace}:{pattern}"'
            body = body.replace("{id}", '" .. id .. "').replace("{n}", '" .. n .. "')
            lines.append(f"function KEY.{name}(id, n) return {body} end")
        return "\n".join(lines) + "\n"
