"""Rows with local files: uploaded while others flow, recorded in order."""

import os
from collections.abc import Iterator

import pytest
from desk_driver import Desk, uploads
from simulator_driver import Simulator

from batches.problems import BadManifest
from batches.row import LocalFile, Row
from tasks import reading
from tasks.job import State

pytest_plugins = ("desk_fixtures",)
pytestmark = pytest.mark.one_store


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
    read, heard = list[int](), list[int]()

    def rows() -> Iterator[Row]:
        for line in range(1, 2000):
            read.append(line)
            yield desk.row(line, "slow.mp4") if line == 1 else desk.row(line)

    def told(_count: int) -> None:
        heard.append(len(read))
        if len(heard) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.command().queue(rows(), told)
    assert 100 <= len(read) <= 200


def test_a_command_that_was_stopped_goes_on_without_uploading_again(
    desk: Desk, simulator: Simulator
) -> None:
    rows = [desk.row(n, f"{n}.mp4") for n in range(1, 30)]

    def told(_count: int) -> None:
        if uploads(simulator) > 10:
            raise KeyboardInterrupt

    simulator.change(media_delay=0.5)
    command = desk.command()
    assert command.uploads
    with pytest.raises(KeyboardInterrupt), command.uploads:
        command.queue(rows, told)
    assert len(desk.jobs()) < 29
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


def test_a_plan_that_waits_for_the_hash_of_a_large_file_can_be_stopped(desk: Desk) -> None:
    desk.submit(desk.row(1, "a.mp4"))
    os.truncate(desk.folder / "a.mp4", 1 << 30)
    heard: list[int] = []

    def stopped() -> None:
        heard.append(1)
        if len(heard) > 1:  # with the chunk, and while it is waited for
            raise KeyboardInterrupt

    command = desk.command()
    assert command.uploads
    with pytest.raises(KeyboardInterrupt), command.uploads:
        command.plan([desk.row(1, "a.mp4")], 1, stopped)
