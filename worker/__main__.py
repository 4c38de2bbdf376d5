"""`python -m worker`: check the store and the settings, then run Celery's worker."""

import sys

from tasks.errors import Error
from worker.app import app
from worker.build import crew


def main() -> None:
    """Run until stopped; a refusal is one sentence on stderr and exit code 1."""
    try:
        name = crew().name
    except Error as exc:
        sys.exit(f"worker: {exc}")
    quiet = ["--loglevel=WARNING", "--without-gossip", "--without-mingle"]
    app.worker_main(["worker", f"--hostname={name}", *quiet])


if __name__ == "__main__":
    main()
