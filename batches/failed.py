"""The rows of a batch that lack results, as a manifest again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batches.columns import MEDIA
from batches.files import as_path
from batches.passengers import only_carried
from tasks import reading, reading_requests, reading_results
from tasks.job import ENDED, Record, State
from tasks.reading_requests import Request
from tasks.store import Store
from tasks.wire.answer import Item, Kind
from tasks.wire.request import MODEL

LACKING = ENDED - {State.COMPLETED}
PAGE = 100
"""Jobs read at once; each may hold several results of half a megabyte."""
_ONE = {many: one for one, many in MEDIA.items()}


@dataclass
class Needs:
    """What rows need beside their file, to be submitted again."""

    local_file: str = ""  # one that a row names, by its path in the first manifest's folder
    passengers: set[str] = field(default_factory=set)  # columns that only --passenger carries

    def note(self, row: Mapping[str, Any], files: Sequence[str]) -> None:
        """Take a row with its local files."""
        self.local_file = files[-1] if files else self.local_file
        self.passengers.update(only_carried(row))


def failed_rows(
    store: Store, batch_id: str, needs: Needs | None = None
) -> Iterator[dict[str, Any]]:
    """Yield a row of a manifest for each job that ended without all of its results.

    It asks for the same, and says in `_error` what went wrong; reading a manifest ignores that.

    Args:
        store: Where the batch is.
        batch_id: Of the batch.
        needs: Takes what they need, as far as they were taken.
    """
    for jobs in reading.rows(store, batch_id, PAGE):
        ended = [one for one in reading.records(store, jobs) if one and one.state in LACKING]
        known, beside = _lacking(store, ended)
        requests = reading_requests.each_request(store, [(one.id, batch_id) for one in known])
        errors = _errors(store, known, beside)
        for record, request, error in zip(known, requests, errors, strict=True):
            told = ": ".join(filter(None, error)) or record.state.value
            row = manifest_row(request)
            if needs:
                needs.note(row, request.local_files)
            yield {**row, "_error": told}


def _lacking(
    store: Store, ended: Sequence[Record]
) -> tuple[list[Record], dict[str, Sequence[Item]]]:
    """Return the jobs that lack results, and what those that have some tell, by id.

    One that was given up may have got all of its results since: to ask again would pay them twice.
    """
    some = [job for job in ended if job.winner]
    answers: Iterable[Sequence[Item]] = reading_results.answers(store, some)
    told = dict(zip((job.id for job in some), answers, strict=True))
    return [
        job for job in ended if reading_results.successes(told.get(job.id, ())) < job.expected
    ], told


def _errors(
    store: Store, jobs: Sequence[Record], beside: Mapping[str, Sequence[Item]]
) -> Iterator[tuple[str, str]]:
    """Yield code and message of what failed each job, or of the first error beside its results."""
    failures = reading_results.failures(store, [job.id for job in jobs])
    for job, failure in zip(jobs, failures, strict=True):
        told = ((one.code, one.message) for one in beside.get(job.id, ()) if one.kind is Kind.ERROR)
        yield next(told, failure)


def manifest_row(request: Request) -> dict[str, Any]:
    """Return a request as the flat row that it could have been read from."""
    body = dict(request.body)
    row: dict[str, Any] = {"custom_id": request.custom_id}
    messages, model = body.pop("messages", None), body.pop("model", MODEL)
    row |= _question(messages) | ({} if model == MODEL else {"model": model})
    for kind, media in {**body.pop("inputs", {}), **request.files}.items():
        paths = [_as_written(medium) for medium in media]
        row |= {_ONE[kind]: paths[0]} if len(paths) == 1 and kind in _ONE else {kind: paths}
    return {**row, **body.pop("settings", {}), **body, **request.columns}


def _as_written(medium: str) -> str:
    path = medium.removeprefix("file:")
    return medium if path == medium else as_path(path)


def _question(messages: Any) -> dict[str, Any]:  # noqa: ANN401  as stored
    match messages:
        case None:
            return {}
        case [{"role": "user", "content": str(prompt), **rest}] if not rest:
            return {"prompt": prompt}
        case _:
            return {"messages": messages}
