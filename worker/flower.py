"""`python -m worker.flower`: Flower on this application, its options in flowerconfig.py."""

import sys
from pathlib import Path

from structlog import get_logger

from tasks import guard
from tasks.errors import Error
from tasks.settings import load
from worker.app import app
from worker.logs import configured

CONFIG = Path(__file__).resolve().parent.parent / "flowerconfig.py"


def main() -> None:
    """Run until stopped; a wrong setting is one sentence on stderr and exit code 1."""
    configured()
    try:
        settings = load()
        settings.store_url()
    except Error as exc:
        sys.exit(f"flower: {exc}")
    for warning in guard.flower_warnings(settings):
        get_logger().warning("settings", warning=warning)
    app.start(["--quiet", "flower", f"--conf={CONFIG}"])


if __name__ == "__main__":
    main()
