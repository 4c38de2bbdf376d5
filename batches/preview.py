"""The first requests of a manifest, as they would be sent; nothing is recorded."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from batches.budget import Budget
from batches.entries import bounded
from batches.row import Row
from tasks import ids
from tasks.claims import Claimed
from tasks.payload import compose
from tasks.reading_requests import Request
from tasks.token import Keyring
from tasks.wire.request import dumps

_TASK = "00000000-0000-4000-8000-00000000000a"
_MEDIUM = "00000000-0000-4000-8000-0000000000{:02x}"
_DERIVED = "(derived from batch and custom_id when it is queued)"
_TOKEN = "(token)"  # noqa: S105  that is where one stands
_RING = Keyring("preview", {"k": bytes(32)})
"""Signs what is cut off again; the real keys stay where they are."""


@dataclass(frozen=True)
class Place:
    """What a preview can know of where the rows will be queued."""

    callback: str | None = None  # the address that callbacks go to
    secret: bytes | None = None  # that ids are derived from, where there is one yet
    batch_id: str | None = None  # where the batch had one before


def previewed(
    rows: Iterable[Row], most: int, place: Place, budget: Budget | None = None
) -> Iterator[bytes]:
    """Yield the first `most` requests as JSON, in the bytes that are sent.

    What is not known yet, or is secret, stands in round brackets: the taskUUID of a batch that was
    never queued, the token of the callback address, the media UUID of a local file.
    """
    for row in islice(rows, most):
        yield _shown(replace(row, body=bounded(row.body, budget)), place)


def _shown(row: Row, place: Place) -> bytes:
    job = Claimed(_TASK, 1, "", "k", 0, _TASK, 0, "")
    body, swaps = _without_files(row)
    task_uuid = _DERIVED
    if place.secret and place.batch_id:
        task_uuid = ids.job_id(place.secret, place.batch_id, row.custom_id)
    swaps[_TASK] = task_uuid
    if place.callback:
        url = f"{place.callback}?{_RING.query(job.kid, job.id, job.expiry)}"
        swaps = {url: f"{place.callback}?{_TOKEN}", **swaps}  # first: it holds the taskUUID too
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the check of the manifest has told them
        task = compose(Request(row.custom_id, body, row.columns), job, _RING, place.callback)
    for one, other in swaps.items():
        task = task.replace(dumps(one), dumps(other))
    return task


def _without_files(row: Row) -> tuple[dict[str, object], dict[str, str]]:
    """Return a request that can be composed, and what to put back into its bytes."""
    stand_ins = {name: _MEDIUM.format(index + 16) for index, name in enumerate(row.files)}
    body = dict(row.body)
    if stand_ins:
        inputs = row.body["inputs"].items()
        body["inputs"] = {kind: [stand_ins.get(m, m) for m in given] for kind, given in inputs}
    swaps = {
        uuid: f"(media UUID of {name.removeprefix('file:')} when it is uploaded)"
        for name, uuid in stand_ins.items()
    }
    return body, swaps
