"""A stream of log lines that nobody reads is no reason to wait."""

import fcntl
import os

from tasks.sink import Direct


def test_a_process_that_forks_drops_what_a_stuck_pipe_does_not_take() -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    stream = Direct(writing)
    for _ in range(3):  # the second would wait for ever
        assert stream.write("x" * 4096) == 4096
    assert os.read(reading, 65_536) == b"x" * 4096
    stream.write("a line\n")
    assert os.read(reading, 65_536) == b"a line\n"
    os.close(reading)
    stream.write("nobody is there\n")
    os.close(writing)
