"""The window, on the real script: what a provider of a capacity sees that it changes."""

from collections import deque

import pytest
from core_driver import resize

from tasks.store import Store

pytestmark = pytest.mark.one_store


def fit(
    store: Store, taken: int, refused: int, *, lost: int = 0, most: int = 1000, full: bool = True
) -> int:
    """Tell what one POST showed; return the window."""
    with store.moves() as moves:
        moves.fit(taken, refused, lost, most, full=full)
    return int(moves.answers[-1])


class Crowd:
    """A provider that holds so many tasks at once, each for some rounds; the slots mirror it."""

    def __init__(self, store: Store, capacity: int, rounds: int = 1) -> None:
        self.store, self.capacity = store, capacity
        self.running: deque[list[str]] = deque([[] for _ in range(rounds)])
        self.taken = self.refused = self.serial = 0

    def held(self) -> int:
        return sum(map(len, self.running))

    def round(self, posts: int = 8) -> None:
        """Let the oldest tasks end, then fill the free slots by several POSTs."""
        slots = self.store.keys("slots")
        if ended := self.running.popleft():
            self.store.client.zrem(slots, *ended)
        self.running.append([])
        for _ in range(posts):
            window, taken = self.store.window()
            wanted = min(50, window - taken)
            if wanted <= 0:
                return
            room = max(0, min(wanted, self.capacity - self.held()))
            names = [f"task {self.serial + n}" for n in range(room)]
            self.serial += room
            if names:
                self.store.client.zadd(slots, dict.fromkeys(names, 1e15))
            self.running[-1] += names
            self.taken, self.refused = self.taken + room, self.refused + wanted - room
            full = taken + wanted == window
            fit(self.store, room, wanted - room, full=full)


def test_a_window_grows_to_its_most_while_all_is_taken(store: Store) -> None:
    crowd = Crowd(store, capacity=10_000)
    for _ in range(20):
        crowd.round(posts=40)
    assert store.window()[0] == 1000
    assert crowd.refused == 0


@pytest.mark.parametrize(("first", "then"), [(20, 200), (200, 50), (50, 400), (400, 1)])
def test_a_capacity_that_changes_is_found_and_few_are_refused(
    store: Store, first: int, then: int
) -> None:
    crowd = Crowd(store, capacity=first, rounds=10)  # a tenth of the tasks ends each round
    for _ in range(300):
        crowd.round()
    crowd.capacity, crowd.taken, crowd.refused = then, 0, 0
    for _ in range(200):
        crowd.round()
    assert crowd.held() >= 0.9 * then
    crowd.taken = crowd.refused = 0
    for _ in range(1000):
        crowd.round()
    assert crowd.taken >= 0.96 * then * 100
    assert crowd.refused <= 0.02 * crowd.taken + 1


def test_a_post_without_any_answer_leaves_the_window_and_slows_its_growth(store: Store) -> None:
    resize(store, 100)
    assert fit(store, 0, 0, lost=50) == 100
    assert fit(store, 50, 0) == 101
    assert fit(store, 50, 0) == 103


def test_a_window_is_never_below_one_nor_above_its_most(store: Store) -> None:
    assert fit(store, 0, 50) == 1
    for _ in range(300):
        assert 1 <= fit(store, 50, 0, most=12) <= 12


def test_a_refusal_while_nothing_is_at_the_provider_says_nothing_of_its_capacity(
    store: Store,
) -> None:
    resize(store, 100)
    for _ in range(3):  # it is full of other people's tasks
        assert fit(store, 0, 50) == 1
    crowd = Crowd(store, capacity=100)
    for _ in range(40):  # a hundred, one at a time, would take as many rounds
        crowd.round()
    assert crowd.held() >= 90


def test_a_capacity_that_was_seen_small_for_a_moment_is_looked_for_again_soon(store: Store) -> None:
    resize(store, 100)
    crowd = Crowd(store, capacity=1)
    crowd.round()
    assert store.window()[0] == 1
    crowd.capacity, window = 100, []
    for _ in range(20):  # fewer than are owed
        crowd.round()
        window.append(store.window()[0])
    assert set(window) == {1}
    refused_at = store.now() - 20_000
    store.client.hset(store.keys("meta"), "refused", refused_at)  # 20 s later
    for _ in range(12):
        crowd.round()
    assert crowd.held() >= 90
