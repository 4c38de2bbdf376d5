"""The window: how many tasks may be at the provider at once. Pure; the store keeps the number.

No limit is published (contract §7), so it is found: up while chunks are taken, down to what was
kept when one is refused for capacity.
"""


def grown(window: int, accepted: int, most: int) -> int:
    """Return the window after `accepted` tasks of a full chunk were taken."""
    return min(most, window + max(1, accepted // 2))


def shrunk(in_flight: int) -> int:
    """Return the window after a capacity refusal with `in_flight` tasks kept by the provider."""
    return max(1, in_flight)
