"""`python -m simulator --port 8999`."""

import sys

from simulator.server import serve
from simulator.settings import from_command_line

if __name__ == "__main__":
    serve(from_command_line(sys.argv[1:]))
