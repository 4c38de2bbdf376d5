"""Rows with local files: uploaded while others flow, recorded in order, failed one by one."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from core_driver import Rig, audit
from simulator_driver import Simulator
from store_driver import free_port

from batches.accounts import account_of
from batches.journal import Journal
from batches.manifest import manifest_at
from batches.problems import BadManifest
from batches.queueing import Queued, Queueing
from batches.row import LocalFile, Row
from batches.sending import Pace
from batches.uploads import Account, Uploads
from console.stack import plan
from tasks import reading, reading_requests, reading_results, verbs
from tasks.environment import simulator_file
from tasks.errors import ConfigurationError, StoreRefused
from tasks.job import State
from tasks.provider import Provider
from tasks.settings import load
from tasks.store import Store

pytestmark = pytest.mark.one_store

FILE_GONE = "the uploaded file has expired at the provider: submit the same manifest again"
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


@pytest.fixture
def desk(store: Store, simulator: Simulator, tmp_path: Path) -> Iterator[Desk]:
    with ExitStack() as open_:
        yield Desk(store, simulator.v1, tmp_path.resolve(), open_)


def uploads(simulator: Simulator) -> int:
    return sum(one["uploads"] for one in simulator.truth("/media")["media"])


def test_rows_are_recorded_in_order_with_the_media_of_their_files(
    desk: Desk, simulator: Simulator
) -> None:
    rows = [desk.row(n, *([f"{n}.mp4"] if n % 3 else [])) for n in range(1, 20)]
    queued = desk.submit(*rows)
    assert (queued.added, queued.withheld, queued.again) == (19, 0, 0)
    asked = [desk.request(n) for n in range(19)]
    assert [one.custom_id for one in asked] == [row.custom_id for row in rows]
    known = [one["mediaUUID"] for one in simulator.truth("/media")["media"]]
    assert {one.body["inputs"]["videos"][0] for one in asked if one.files} == set(known)
    assert asked[0].files == {"videos": ["file:1.mp4", "https://example.com/also.mp4"]}
    assert asked[2].files == {}
    rig = desk.work()
    assert desk.states() == [State.COMPLETED] * 19
    truth = {task["taskUUID"]: task for task in simulator.truth("?tasks=1")["tasks"]}
    assert {truth[job]["purchases"] for job in rig.jobs} == {1}


def test_the_same_manifest_again_uploads_and_adds_nothing(desk: Desk, simulator: Simulator) -> None:
    rows = [desk.row(1, "a.mp4"), desk.row(2, "b.mp4")]
    desk.submit(*rows)
    plan = desk.command().plan(rows, len(rows))
    assert (plan.new, plan.known, plan.again) == (0, 2, 0)
    assert desk.submit(*rows).added == 0
    assert uploads(simulator) == 2
    assert len(desk.jobs()) == 2


def test_a_file_that_moved_is_the_same_content_and_another_content_is_not(desk: Desk) -> None:
    row = desk.row(1, "a.mp4")
    desk.submit(row)
    moved = desk.folder / "elsewhere.mp4"
    (desk.folder / "a.mp4").rename(moved)
    same = Row(1, "clip-1", row.body, {}, {"file:a.mp4": LocalFile(moved, moved.stat().st_size)})
    assert desk.submit(same).differ == []
    moved.write_bytes(b"another video")
    other = Row(1, "clip-1", row.body, {}, {"file:a.mp4": LocalFile(moved, 13)})
    with pytest.raises(BadManifest, match=r"nothing was added.*\n  line 1: clip-1"):
        desk.submit(other)


def test_rows_that_are_ready_can_be_claimed_while_others_upload(
    desk: Desk, simulator: Simulator
) -> None:
    simulator.change(media_delay=1)
    rows = [desk.row(1), desk.row(2), desk.row(3, "slow.mp4"), desk.row(4)]
    waited: list[list[str]] = []

    def told(count: int) -> None:
        if count == 0 and reading.batch_named(desk.store, "clips") and len(desk.jobs()) == 2:
            waited.append(desk.jobs())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.command().queue(rows, told)
    assert len(waited[0]) == 2
    batch = reading.batch_named(desk.store, "clips")
    assert batch
    assert (batch.sealed, batch.states[State.QUEUED]) == (False, 2)
    assert desk.submit(*rows).withheld == 0
    assert [desk.request(n).custom_id for n in range(4)] == [row.custom_id for row in rows]


def test_no_more_than_two_chunks_of_rows_are_read_ahead_of_an_upload(
    desk: Desk, simulator: Simulator
) -> None:
    simulator.change(media_delay=30)
    read: list[int] = []

    def rows() -> Iterator[Row]:
        for line in range(1, 2000):
            read.append(line)
            yield desk.row(line, "slow.mp4") if line == 1 else desk.row(line)

    def told(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.command().queue(rows(), told)
    assert len(read) <= 200


@pytest.mark.parametrize("end", ["gone", "grown", "refused"])
def test_a_file_that_cannot_be_uploaded_fails_its_row_and_no_other(
    desk: Desk, simulator: Simulator, end: str
) -> None:
    rows = [desk.row(1), desk.row(2, "bad.mp4"), desk.row(3, "good.mp4"), desk.row(4)]
    bad = desk.folder / "bad.mp4"
    match end:
        case "gone":
            bad.unlink()
        case "grown":
            bad.write_bytes(b"it is being copied still")
        case _:
            bad.write_bytes(b"x" * 99)
            simulator.change(media_max=50)
            rows[1] = desk.row(2, "bad.mp4")
    queued = desk.submit(*rows)
    assert (queued.added, queued.withheld, len(queued.lacking)) == (4, 1, 1)
    code, message = desk.failure(1)
    assert (code, message.split()[0]) == ("uploadFailed", "bad.mp4")
    desk.work()
    ended = [State.COMPLETED, State.FAILED, State.COMPLETED, State.COMPLETED]
    assert desk.states() == ended
    assert [e.what for e in reading.history(desk.store, desk.jobs()[1])] == ["withhold"]
    assert desk.request(1).body["inputs"]["videos"][0] == "file:bad.mp4"
    assert simulator.totals()["purchases"] == 3


def test_a_batch_of_which_no_file_can_be_uploaded_is_over(desk: Desk, simulator: Simulator) -> None:
    simulator.change(media_fail="invalidMedia")
    desk.submit(desk.row(1, "a.mp4"), desk.row(2, "b.mp4"))
    batch = reading.batch_named(desk.store, "clips")
    assert batch
    assert (batch.open, batch.sealed, batch.states[State.FAILED]) == (0, True, 2)
    assert batch.done
    audit(desk.store, desk.jobs())


def test_the_same_manifest_again_retries_rows_whose_files_can_be_uploaded_now(
    desk: Desk, simulator: Simulator
) -> None:
    rows = [desk.row(1, "a.mp4"), desk.row(2, "b.mp4"), desk.row(3)]
    simulator.change(media_fail="invalidMedia")
    desk.submit(*rows)
    still = desk.submit(*rows)
    assert (still.again, still.still) == (0, 2)
    assert "clip-1: a.mp4 was refused by the provider: invalidMedia" in still.lacking[0]
    simulator.change(media_fail=None)
    (desk.folder / "b.mp4").write_bytes(b"encoded anew")
    rows[1] = desk.row(2, "b.mp4")
    plan = desk.command().plan(rows, len(rows))
    assert (plan.new, plan.known, plan.again) == (0, 3, 2)
    queued = desk.submit(*rows)
    assert (queued.added, queued.again, queued.still) == (0, 2, 0)
    rig = desk.work()
    assert desk.states() == [State.COMPLETED] * 3
    assert [one.attempt for one in rig.records()] == [1, 1, 1]  # nothing was sent before
    assert desk.submit(*rows).again == 0
    (desk.folder / "b.mp4").write_bytes(b"and once more")
    rows[1] = desk.row(2, "b.mp4")
    with pytest.raises(BadManifest, match="clip-2"):
        desk.submit(*rows)


def test_a_retry_before_the_file_is_uploaded_sends_nothing_and_says_what_to_do(
    desk: Desk, simulator: Simulator
) -> None:
    simulator.change(media_fail="invalidMedia")
    desk.submit(desk.row(1, "a.mp4"))
    (job,) = reading.records(desk.store, desk.jobs())
    assert job
    assert verbs.retry(desk.store, SECRET, [job]) == ["moved"]
    desk.work()
    assert desk.failure() == (
        "uploadFailed",
        "a file of it was never uploaded: submit the same manifest again",
    )
    simulator.change(media_fail=None)
    assert desk.submit(desk.row(1, "a.mp4")).again == 1
    desk.work()
    assert desk.states() == [State.COMPLETED]
    assert simulator.totals()["purchases"] == 1


def test_a_medium_whose_expiry_only_a_poll_tells_is_uploaded_and_retried_too(
    desk: Desk, simulator: Simulator
) -> None:
    row = desk.row(1, "a.mp4", prompt="What? [[sim: fail=mediaExpired*1]]")
    desk.submit(row)
    desk.work()
    assert desk.failure() == ("mediaExpired", FILE_GONE)
    assert desk.submit(row).again == 1
    rig = desk.work()
    assert desk.states() == [State.COMPLETED]
    assert (rig.only().attempt, uploads(simulator)) == (2, 2)


def test_an_expired_medium_fails_its_row_and_the_same_manifest_uploads_and_retries(
    desk: Desk, simulator: Simulator
) -> None:
    rows = [desk.row(1, "a.mp4"), desk.row(2, "b.mp4"), desk.row(3), desk.row(4, "a.mp4")]
    desk.submit(*rows)
    simulator.change(media_retention=0)
    desk.work()
    lost = [State.FAILED, State.FAILED, State.COMPLETED, State.FAILED]
    assert desk.states() == lost
    assert desk.failure(0) == ("mediaExpired", FILE_GONE)
    simulator.change(media_retention=None)
    queued = desk.submit(*rows)
    assert (queued.added, queued.again) == (0, 3)
    assert uploads(simulator) == 2 + 2  # the two that share a file share its upload
    rig = desk.work()
    assert desk.states() == [State.COMPLETED] * 4
    assert [one.attempt for one in rig.records()] == [2, 2, 1, 2]
    assert desk.submit(*rows).again == 0


def test_a_medium_that_the_user_named_is_not_told_to_be_a_file(
    desk: Desk, simulator: Simulator
) -> None:
    desk.submit(desk.row(1, "a.mp4"))
    (medium,) = desk.request().body["inputs"]["videos"][:1]
    simulator.change(media_retention=0)
    row = desk.row(2)
    desk.submit(Row(2, "own", {**row.body, "inputs": {"videos": [medium]}}, {}))
    desk.work()
    assert desk.failure(1)[0] == "mediaExpired"
    assert "manifest" not in desk.failure(1)[1]


def test_a_command_that_was_stopped_goes_on_without_uploading_again(
    desk: Desk, simulator: Simulator
) -> None:
    rows = [desk.row(n, f"{n}.mp4") for n in range(1, 30)]

    def told(_count: int) -> None:
        if uploads(simulator) > 10:
            raise KeyboardInterrupt

    simulator.change(media_delay=0.2)
    command = desk.command()
    assert command.uploads
    with pytest.raises(KeyboardInterrupt), command.uploads:
        command.queue(rows, told)
    assert uploads(simulator) < 29 or len(desk.jobs()) < 29
    assert desk.submit(*rows).withheld == 0
    assert [desk.request(n).custom_id for n in range(29)] == [row.custom_id for row in rows]
    assert uploads(simulator) == 29


def test_a_key_that_is_refused_ends_the_command_and_fails_no_row(
    desk: Desk, simulator: Simulator
) -> None:
    rows = [desk.row(1), desk.row(2, "a.mp4")]
    simulator.change(reject_key=True)
    with pytest.raises(Exception, match="is RUNWARE_API_KEY right"):
        desk.submit(*rows)
    simulator.change(reject_key=False)
    assert desk.submit(*rows).withheld == 0
    assert desk.states() == [State.QUEUED] * 2


def test_a_file_that_went_away_after_the_check_fails_its_row_alone(desk: Desk) -> None:
    clips = desk.folder / "clips"
    clips.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (clips / name).write_bytes(name.encode())
    (desk.folder / "jobs.jsonl").write_text(
        "".join(f'{{"video": "clips/{name}.mp4", "prompt": "What?"}}\n' for name in "ab")
    )
    manifest = manifest_at(desk.folder / "jobs.jsonl", media_roots=())
    assert manifest.check().files == 2
    (clips / "a.mp4").unlink()
    queued = desk.command().queue(manifest.rows(), lambda _count: None)
    assert (queued.added, queued.withheld) == (2, 1)
    assert desk.failure()[1].startswith("clips/a.mp4 cannot be read: No such file")
    assert desk.request().files == {"videos": ["file:clips/a.mp4"]}
    (clips / "a.mp4").write_bytes(b"back again")
    manifest.check()
    assert desk.submit(*manifest.rows()).again == 1
    desk.work()
    assert desk.states() == [State.COMPLETED] * 2


def test_a_file_that_was_lacking_may_be_replaced_by_a_link(desk: Desk) -> None:
    clips = desk.folder / "clips"
    clips.mkdir()
    (clips / "a.mp4").write_bytes(b"a video")
    (desk.folder / "jobs.jsonl").write_text('{"video": "clips/a.mp4", "prompt": "What?"}\n')
    manifest = manifest_at(desk.folder / "jobs.jsonl", media_roots=())
    manifest.check()
    (clips / "a.mp4").rename(clips / "cut.mp4")
    assert desk.command().queue(manifest.rows(), lambda _count: None).withheld == 1
    (clips / "a.mp4").symlink_to("cut.mp4")
    manifest.check()
    assert desk.submit(*manifest.rows()).again == 1
    assert desk.request().files == {"videos": ["file:clips/a.mp4"]}
    desk.work()
    assert desk.states() == [State.COMPLETED]
    (clips / "a.mp4").unlink()
    (clips / "cut.mp4").rename(clips / "a.mp4")
    manifest.check()
    assert desk.submit(*manifest.rows()).added == 0


SETTINGS = {"REELQUEUE_INSTALLATION_SECRET": SECRET.decode()}


def test_files_go_to_the_simulator_of_a_simulated_store_with_or_without_a_key(desk: Desk) -> None:
    simulator_file(desk.folder).write_text(desk.url)
    for key in ({}, {"RUNWARE_API_KEY": "rw-real-key"}):
        given = load({**SETTINGS, **key, "REELQUEUE_DATA_DIR": str(desk.folder)})
        account = account_of(desk.store, given)
        account.provider.close()
        assert account.mark.startswith(f"{desk.url} ")


def test_up_says_where_its_simulator_is_and_no_longer_where_it_runs_none(tmp_path: Path) -> None:
    ports = {"REELQUEUE_PORT": free_port(), "REELQUEUE_FLOWER_PORT": free_port()}
    given = load({"REELQUEUE_DATA_DIR": str(tmp_path), **ports})
    stack = plan(given, simulated=True)
    worker = next(child for child in stack.children if child.name == "worker")
    assert simulator_file(tmp_path).read_text() == worker.env["RUNWARE_BASE_URL"]
    plan(given, simulated=False)
    assert not simulator_file(tmp_path).exists()


@pytest.mark.parametrize(
    "left", ["", "damaged", pytest.param(f"http://127.0.0.1:{free_port()}/v1", id="nobody there")]
)
def test_where_no_simulator_runs_the_user_is_told_to_start_it(desk: Desk, left: str) -> None:
    given = load({**SETTINGS, "REELQUEUE_DATA_DIR": str(desk.folder)})
    if left:
        simulator_file(desk.folder).write_text(left)
    with pytest.raises(ConfigurationError, match="Start `reelqueue up`"):
        account_of(desk.store, given)


def test_another_providers_store_takes_no_files_and_the_key_is_told_nowhere(
    desk: Desk, namespace: str
) -> None:
    real = Store(desk.store.client, f"{namespace}r")
    given = load({**SETTINGS, "RUNWARE_API_KEY": "rw-real-key", "RUNWARE_BASE_URL": desk.url})
    account = account_of(real, given)
    account.provider.close()
    assert "rw-real-key" not in repr(account)
    other = given.model_copy(update={"base_url": "https://elsewhere.example/v1"})
    with pytest.raises(StoreRefused, match="never meet"):
        account_of(real, other)
    with pytest.raises(ConfigurationError, match="RUNWARE_API_KEY is not set"):
        account_of(real, given.model_copy(update={"api_key": None}))
