"""Python's garbage collector, told what it need not look at."""

import gc

OFTEN = 50_000
"""Objects more than before, at which it looks at the youngest. By default 700: answers of a hundred
results are ten times as many, and every so often it looks through all modules, too, while each
thread waits: a seventh of what a worker can do (measured)."""


def calm() -> None:
    """Leave what a process has loaded out of every later look; call it once all is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OFTEN, 20, 100)
