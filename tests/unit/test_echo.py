"""What `up` shows on the terminal of what its processes write."""

import io

import pytest

from console.logs import Echo

ROUTINE = (
    "16:51:22 [info     ] submit           accepted=8 status=200 window=12",
    "16:51:22 [debug    ] anything",
    "",
)
NEWS = (
    "16:58:10 [warning  ] paused           batch=* code=insufficientCredits",
    "16:58:10 [error    ] submit.unsendable job='1'",
    "Traceback (most recent call last):",
    "simulator ready on http://127.0.0.1:1/v1",
)


def shown(*lines: str, quiet: bool = True) -> list[str]:
    out = io.StringIO()
    echo = Echo(out, ["worker"], quiet=quiet)
    for line in lines:
        echo.line("worker", "|", line)
    return [line.removeprefix("worker | ") for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("line", ROUTINE)
def test_what_goes_as_it_should_is_not_shown(line: str) -> None:
    assert shown(line) == []
    assert shown(line, quiet=False) == [line]


@pytest.mark.parametrize("line", NEWS)
def test_what_does_not_is_shown(line: str) -> None:
    assert shown(ROUTINE[0], line) == [line]


def test_a_warning_that_comes_again_at_once_is_shown_once_with_what_follows_it() -> None:
    again = (NEWS[0], "Traceback (most recent call last):", "Error: no")
    assert shown(*again, *again, NEWS[1], "its traceback") == [*again, NEWS[1], "its traceback"]
    assert len(shown(*again, *again, quiet=False)) == 6


def test_what_we_say_of_a_child_is_always_shown() -> None:
    out = io.StringIO()
    echo = Echo(out, ["worker"], quiet=True)
    for _ in range(2):
        echo.line("worker", "!", "was killed by signal 9; starts again in 0.5 s")
    assert out.getvalue().count("was killed") == 2
