"""The bell at which a submit door waits: called at once and alone, sent home when all stops."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from simulator_driver import wait_until

from worker.bell import Bell

LONG = 20.0
"""Seconds that nobody waits for: a door is called long before."""


@pytest.fixture
def door() -> Iterator[Callable[[Bell], Future[bool]]]:
    """Give what lets a door wait at a bell."""
    with ThreadPoolExecutor(4) as pool:
        yield lambda bell: pool.submit(bell.wait, LONG)


def test_a_door_that_waits_is_called(door: Callable[[Bell], Future[bool]]) -> None:
    bell = Bell()
    waiting = door(bell)
    wait_until(bell.ring)
    assert waiting.result(LONG / 2)


def test_where_no_door_waits_none_is_called_later() -> None:
    bell = Bell()
    assert not bell.ring()
    assert not bell.wait(0.01)
    assert not bell.ring()  # it has gone


def test_one_door_waits_and_is_called_once(door: Callable[[Bell], Future[bool]]) -> None:
    bell = Bell()
    first, second = door(bell), door(bell)
    wait_until(lambda: first.done() or second.done())
    assert [one.result() for one in (first, second) if one.done()] == [False]
    assert bell.ring()
    assert not bell.ring()
    assert sorted([first.result(LONG / 2), second.result(LONG / 2)]) == [False, True]


def test_a_worker_that_stops_waits_for_no_door(door: Callable[[Bell], Future[bool]]) -> None:
    bell = Bell()
    doors = [door(bell), door(bell)]
    wait_until(lambda: any(one.done() for one in doors))  # so the other waits
    bell.close()
    assert not any(one.result(LONG / 2) for one in doors)
    assert not bell.wait(LONG)
    bell.open()
    again = door(bell)
    wait_until(bell.ring)
    assert again.result(LONG / 2)
