"""Log lines of a real process, to a pipe and on a terminal."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
HOSTILE = "a\n12:00:00 [info     ] forged\x1b[2K\r\x9b31m\x7f\u2028\u202eb"
PROGRAM = f"""
import logging, threading
from tasks.log import configure
log = configure()
hostile = {HOSTILE!r}
log.info("callback", job="j-1", told="stored", name=hostile, empty="")
logging.getLogger("some.library").warning("said %s", hostile)
logging.getLogger("some.library").info("not worth a line")
logging.getLogger("urllib3.connection").warning("Failed to parse headers: Authorization: sesame")
log.warning("poll.failed", code="Z" * 3_000_000)
def fails(secret):
    raise ValueError(hostile)
try:
    fails("sesame")
except ValueError:
    log.exception("tick.failed")
    logging.getLogger("some.library").exception("failed")
thread = threading.Thread(target=fails, args=("sesame",), name="poller")
thread.start()
thread.join()
fails("sesame")
"""
SAID = [
    "callback",
    f"said {HOSTILE}",
    "poll.failed",
    "tick.failed",
    "failed",
    "thread.died",
    "crashed",
]


def test_elsewhere_than_on_a_terminal_each_event_is_one_line_of_json() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=CHECKOUT, stderr=subprocess.PIPE, check=False
    )
    assert set(ended.stderr) <= {*range(32, 127), 10}
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [event["event"] for event in events] == SAID
    assert all(list(event)[:3] == ["timestamp", "level", "event"] for event in events)
    assert (events[0]["job"], events[0]["name"]) == ("j-1", HOSTILE)
    assert [e.get("logger") for e in events[:2]] == [None, "some.library"]
    assert [e.get("logger") for e in events[3:5]] == [None, "some.library"]
    assert max(map(len, ended.stderr.splitlines())) < 32_000
    traces = [event["exception"] for event in events[3:]]
    assert all(trace.startswith("Traceback (most recent call last)") for trace in traces)
    assert all("ValueError: a" in trace for trace in traces)
    assert events[5]["thread"] == "poller"
    assert b"sesame" not in ended.stderr.replace(b'fails(\\"sesame\\")', b"")


def test_on_a_terminal_only_a_traceback_takes_more_lines_and_those_are_indented() -> None:
    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=CHECKOUT, stderr=slave):
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
        except OSError:  # Linux's word for the end of a terminal
            pass
    os.close(master)
    lines = shown.decode().replace("\r\n", "\n").splitlines()
    assert all(line.isprintable() for line in lines)
    events = [line for line in lines if not line.startswith("    ")]
    assert len(events) == len(SAID)
    assert events[0][9:].startswith("[info     ] callback         job=j-1 told=stored name='a\\n12")
    assert events[0].endswith(" empty=''")
    assert events[1][9:].startswith("[warning  ] 'said a\\n12:00:00 [info     ] forged\\x1b[2K")
    assert "forged" not in {line[20:26] for line in events}
