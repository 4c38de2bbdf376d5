"""Every benchmark in turn, each a process of its own: an hour and a half on two cores."""

import subprocess
import sys

ALL = ("idle", "queueing", "drain", "callbacks", "growth", "capacity")


def main() -> None:
    """Run them; the exit code is that of the first that could not be measured."""
    for name in ALL:
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
