"""`python -m worker`: check the store and the settings, then run Celery's worker."""

import sys
import time
import warnings

from celery.exceptions import SecurityWarning
from structlog import get_logger

from tasks.environment import without_celery
from tasks.errors import Error, StoreAway
from tasks.tally import leave
from tasks.wire.request import UnknownThinkingLevel
from worker.app import app
from worker.build import Crew, crew
from worker.logs import configured

STORE_AGAIN = 2.0
"""Seconds between two questions to a store that is away."""


def main() -> None:
    """Run until stopped; a refusal is one sentence on stderr and exit code 1."""
    configured()
    without_celery()
    try:
        name = _crew_once_the_store_answers().name
    except Error as exc:
        sys.exit(f"worker: {exc}")
    # To run as root is a danger where messages may be pickles; this worker accepts JSON alone.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    # Told when the manifest was checked; each submission reads the request again.
    warnings.filterwarnings("ignore", category=UnknownThinkingLevel)
    alone = ["--loglevel=WARNING", "--without-gossip", "--without-mingle"]
    app.start(["--quiet", "worker", f"--hostname={name}", *alone])
    _leave(crew())


def _leave(member: Crew) -> None:
    """Say that this worker has ended, and leave its last claim to the next."""
    store = member.context.store
    try:
        leave(store, member.name)
    except Error as exc:
        member.context.log.info("leave.failed", reason=str(exc))
    store.last_claim.close()


def _crew_once_the_store_answers() -> Crew:
    """Wait for a store that is away: one that loads a long history is back in a while."""
    while True:
        try:
            return crew()
        except StoreAway as exc:
            get_logger().warning("store.away", reason=str(exc))
            time.sleep(STORE_AGAIN)


if __name__ == "__main__":
    main()
