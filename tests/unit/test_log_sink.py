"""A stream of log lines that nobody reads is no reason to wait."""

import fcntl
import os

from tasks.sink import MOST_LINES, Direct, Sink


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


def test_lines_of_a_burst_come_whole_and_in_order() -> None:
    reading, writing = os.pipe()
    lines = [f"line {number} {'x' * (number % 90)}\n" for number in range(500)]
    stream = Sink(writing)
    for line in lines:
        assert stream.write(line) == len(line)
    stream.close()
    assert os.read(reading, 65_536).decode() == "".join(lines)
    os.close(reading)
    os.close(writing)


def test_no_writer_waits_for_a_pipe_that_nobody_reads_and_what_is_kept_is_bounded() -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    stream, line = Sink(writing), "x" * 400 + "\n"
    for _ in range(3 * MOST_LINES):
        stream.write(line)
    stream.close()  # gives up after a moment
    with os.fdopen(reading, "rb") as reader:
        kept = reader.read(MOST_LINES * len(line)).decode()  # the writer goes on: there is room
        assert kept == line * MOST_LINES
        os.set_blocking(reading, False)
        assert len(reader.read() or b"") < 3 * 4096
    os.close(writing)
