"""Chunks are recorded one after the other while their reader goes on, and none after a failure."""

import threading
from functools import partial

import pytest

from batches.recorder import Recorder


def test_chunks_are_recorded_in_order_and_told_once_they_are() -> None:
    recorded: list[int] = []
    told: list[tuple[int, int]] = []
    with Recorder(lambda rows: told.append((rows, len(recorded)))) as recorder:
        for number in range(20):
            recorder.add(number, partial(recorded.append, number))
    assert recorded == list(range(20))
    assert [rows for rows, _ in told] == recorded
    assert all(done > rows for rows, done in told)


def test_a_reader_does_not_run_far_ahead() -> None:
    go_on, reads = threading.Event(), 0
    with Recorder(lambda _rows: None) as recorder:
        threading.Timer(0.2, go_on.set).start()
        while not go_on.is_set():
            recorder.add(1, go_on.wait)
            reads += 1
    assert reads <= Recorder.AHEAD + 2


def test_nothing_is_recorded_after_a_chunk_that_failed() -> None:
    recorded: list[int] = []

    def fail() -> None:
        raise ConnectionError("away")

    def record_three() -> None:
        with Recorder(lambda _rows: None) as recorder:
            for record in (partial(recorded.append, 1), fail, partial(recorded.append, 3)):
                recorder.add(1, record)

    with pytest.raises(ConnectionError, match="away"):
        record_three()
    assert recorded == [1]
