"""Rows whose files cannot be uploaded, or have expired: failed one by one, and retried."""

import pytest
from core_driver import audit
from desk_driver import SECRET, Desk, uploads
from simulator_driver import Simulator

from batches.manifest import manifest_at
from batches.problems import BadManifest
from batches.row import Row
from tasks import reading, verbs
from tasks.job import State

pytest_plugins = ("desk_fixtures",)
pytestmark = pytest.mark.one_store

FILE_GONE = "the uploaded file has expired at the provider: submit the same manifest again"


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
