"""How long to wait before trying again, in seconds."""

from random import Random


def exponential(tries: int, first: float, most: float, random: Random) -> float:
    """Return `first`, doubled per earlier try, at most `most`, with jitter of ±25 %."""
    base = min(most, first * 2.0 ** min(tries, 30))
    return base * (0.75 + random.random() / 2)


def next_poll(age: float, first: float, most: float) -> float:
    """Return how long to leave a task alone that has been at the provider for `age` seconds.

    Half of its age: the number of polls grows with the logarithm of the duration and a result
    waits at most half as long again as it took. Never below `first` nor above `most`.
    """
    return max(first, min(most, age / 2))
