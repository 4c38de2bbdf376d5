"""`python -m worker.flower`: Flower on this application, its options in flowerconfig.py."""

import sys
from pathlib import Path

from tasks.errors import Error
from tasks.settings import load
from worker.app import app
from worker.logs import configured

CONFIG = Path(__file__).resolve().parent.parent / "flowerconfig.py"


def main() -> None:
    """Run until stopped; a wrong setting is one sentence on stderr and exit code 1."""
    configured()
    try:
        load().store_url()
    except Error as exc:
        sys.exit(f"flower: {exc}")
    app.start(["--quiet", "flower", f"--conf={CONFIG}"])


if __name__ == "__main__":
    main()
