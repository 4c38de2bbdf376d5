"""From a received manifest to queued jobs."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from batches.columns import REQUEST
from batches.manifest import manifest_at
from batches.problems import BadManifest
from batches.queueing import Queueing
from batches.row import Rules
from batches.scratch import NoRoom
from tasks import reading
from tasks.errors import StoreRefused
from tasks.installation import id_secret
from tasks.reading import Batch
from webhooks.api_errors import Detail, Refused
from webhooks.build import Api


@dataclass(frozen=True)
class Taken:
    """What became of a manifest."""

    batch: Batch
    added: int  # jobs
    known: int  # that were recorded before, and may have been pruned since


def secret_of(desk: Api) -> bytes:
    """Return the secret that ids are derived from.

    Raises:
        Refused: the store holds ids of another.
        StoreAway: nobody knows.
    """
    try:
        return desk.gate.run(partial(id_secret, desk.store, desk.settings))
    except StoreRefused as exc:
        raise Refused(503, "unavailable", str(exc)) from exc


def take(desk: Api, file: Path, name: str, secret: bytes, rules: Rules) -> Taken:
    """Check a manifest whole, and record its rows in batch `name`.

    Raises:
        Refused: nothing was recorded, or, where another submission came between, not all.
        StoreAway: the store went away half-way; the same again completes it.
    """
    queueing = Queueing(desk.patient, desk.journal, secret, name)
    try:
        # Two at once would each take the other's rows for its own. The empty file of each name
        # stays: were it removed, who has it open and who makes it anew would both hold it.
        with FileLock(desk.incoming / f"{name}.lock", timeout=0):
            manifest = manifest_at(file, rules)
            count = manifest.check().rows
            plan = queueing.plan(manifest.rows(), count)
            queued = queueing.queue(manifest.rows(), lambda _count: None)
    except Timeout:
        message = "another submission of this batch is on its way"
        raise Refused(409, "conflict", message) from None
    except BadManifest as exc:
        message = str(exc).replace(str(file), "the manifest")
        raise Refused(400, "invalid_manifest", message, _details(exc)) from exc
    except NoRoom as exc:
        raise Refused(503, "unavailable", str(exc)) from exc
    except StoreRefused as exc:
        raise Refused(409, "conflict", str(exc)) from exc
    batch = reading.batch(desk.patient, queued.batch_id)
    if batch is None:
        raise Refused(409, "conflict", "the batch was removed meanwhile")
    return Taken(batch, queued.added, plan.known + plan.pruned)


def rules_of(passengers: frozenset[str]) -> Rules:
    """Return how the rows of a request's manifest are read.

    Raises:
        Refused: a field of the request is named a passenger.
    """
    for name in passengers & REQUEST:
        message = f"passenger: {name} is a field of the request, and always sent"
        raise Refused(400, "invalid_request", message)
    return Rules(
        passengers=passengers, naming=lambda name: f"?passenger={quote(name)}", prompting=""
    )


def _details(bad: BadManifest) -> list[Detail]:
    fields = ("line", "column", "value", "problem")
    return [{field: getattr(error, field) for field in fields} for error in bad.errors]
