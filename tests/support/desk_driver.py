"""One command after another that queues rows with local files, on one manifest."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from core_driver import Rig
from simulator_driver import Simulator

from batches.journal import Journal
from batches.queueing import Queued, Queueing
from batches.row import LocalFile, Row
from batches.sending import Pace
from batches.uploads import Account, Uploads
from tasks import reading, reading_requests, reading_results
from tasks.job import State
from tasks.provider import Provider
from tasks.store import Store

SECRET = b"an installation secret for tests"
QUICK = Pace(tries=2, first=0.02, most=0.05, ready=3.0, look=0.02, seldom=0.05, grace=0.1)


class Desk:
    """One command after another, on one manifest."""

    def __init__(self, store: Store, url: str, folder: Path, open_: ExitStack) -> None:
        self.store, self.url, self.folder = store, url, folder
        self._open = open_

    def command(self) -> Queueing:
        """Begin a command of its own."""
        account = Account(Provider(self.url, "rw-test-key", 16), "us")
        uploads = self._open.enter_context(Uploads(self.store, account, self.folder, 4, QUICK))
        return Queueing(self.store, Journal(self.folder), SECRET, "clips", uploads)

    def row(self, line: int, *names: str, **fields: Any) -> Row:  # noqa: ANN401 - any column
        files = {f"file:{name}": self.file(name) for name in names}
        body = {
            "model": "google:gemini@3.1-pro",
            "messages": [{"role": "user", "content": fields.pop("prompt", "What happens?")}],
        }
        if names:
            body["inputs"] = {"videos": [*files, "https://example.com/also.mp4"]}
        return Row(line, f"clip-{line}", body, fields, files)

    def file(self, name: str) -> LocalFile:
        path = self.folder / name
        if not path.exists():
            path.write_bytes(f"content of {name}".encode())
        return LocalFile(path, path.stat().st_size)

    def submit(self, *rows: Row) -> Queued:
        queueing = self.command()
        queueing.plan(rows, len(rows))
        heard: list[int] = []
        queued = queueing.queue(rows, heard.append)
        assert sum(heard) == len(rows)
        return queued

    def jobs(self) -> list[str]:
        batch = reading.batch_named(self.store, "clips")
        assert batch
        return [job for page in reading.rows(self.store, batch.id) for job in page]

    def states(self) -> list[State]:
        return [one.state for one in reading.records(self.store, self.jobs()) if one]

    def request(self, number: int = 0) -> reading_requests.Request:
        batch = reading.batch_named(self.store, "clips")
        assert batch
        return reading_requests.requests_of(self.store, [(self.jobs()[number], batch.id)])[0]

    def failure(self, number: int = 0) -> tuple[str, str]:
        return reading_results.failures(self.store, self.jobs())[number]

    def work(self) -> Rig:
        """Run the steps until all jobs have ended."""
        rig = Rig(self.store, self.url)
        rig.jobs = self.jobs()
        rig.run()
        return rig


def uploads(simulator: Simulator) -> int:
    return sum(one["uploads"] for one in simulator.truth("/media")["media"])
