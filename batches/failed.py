"""The rows of a batch that lack results, as a manifest again."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from batches.columns import MEDIA
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


def failed_rows(
    store: Store, batch_id: str, note: Callable[[Sequence[str]], None] = lambda _files: None
) -> Iterator[dict[str, Any]]:
    """Yield a row of a manifest for each job that ended without all of its results.

    It asks for the same, and says in `_error` what went wrong; reading a manifest ignores that.

    Args:
        store: Where the batch is.
        batch_id: Of the batch.
        note: Hears the local files of each row, by their paths in the first manifest's folder.
    """
    for jobs in reading.rows(store, batch_id, PAGE):
        ended = [one for one in reading.records(store, jobs) if one and one.state in LACKING]
        known, beside = _lacking(store, ended)
        requests = reading_requests.each_request(store, [(one.id, batch_id) for one in known])
        errors = _errors(store, known, beside)
        for record, request, error in zip(known, requests, errors, strict=True):
            note(request.local_files)
            told = ": ".join(filter(None, error)) or record.state.value
            yield {**manifest_row(request), "_error": told}


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
        paths = [medium.removeprefix("file:") for medium in media]
        row |= {_ONE[kind]: paths[0]} if len(paths) == 1 and kind in _ONE else {kind: paths}
    return {**row, **body.pop("settings", {}), **body, **request.columns}


def _question(messages: Any) -> dict[str, Any]:  # noqa: ANN401  as stored
    match messages:
        case None:
            return {}
        case [{"role": "user", "content": str(prompt), **rest}] if not rest:
            return {"prompt": prompt}
        case _:
            return {"messages": messages}
