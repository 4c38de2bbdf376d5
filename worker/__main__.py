"""`python -m worker`: check the store and the settings, then run Celery's worker."""

import sys
import warnings

from celery.exceptions import SecurityWarning

from tasks.errors import Error
from worker.app import app
from worker.build import crew


def main() -> None:
    """Run until stopped; a refusal is one sentence on stderr and exit code 1."""
    try:
        name = crew().name
    except Error as exc:
        sys.exit(f"worker: {exc}")
    # To run as root is a danger where messages may be pickles; this worker accepts JSON alone.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    alone = ["--loglevel=WARNING", "--without-gossip", "--without-mingle"]
    app.start(["--quiet", "worker", f"--hostname={name}", *alone])


if __name__ == "__main__":
    main()
