"""Python's garbage collector, told what it need not look at."""

import gc

OFTEN = 50_000
"""New objects after which it looks at the youngest. Python's default is 700: an answer of a hundred
results has ten times as many, and now and then it looks through all modules, too, while all threads
wait. That cost a seventh of what a worker can do (measured)."""


def calm() -> None:
    """Leave what a process has loaded out of every later look; call it once all is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OFTEN, 20, 100)
