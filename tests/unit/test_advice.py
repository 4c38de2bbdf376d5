"""What to do about an error, in words to copy."""

import shlex

import pytest

from batches.advice import advice


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("timeoutProvider", "reelqueue retry clips --code timeoutProvider"),
        ("neverHeardOf", "reelqueue retry clips --code neverHeardOf"),
        ("invalidApiKey", "correct RUNWARE_API_KEY"),
        ("insufficientCredits", "top up"),
        ("contentPolicyViolation", "refused again"),
        ("invalidValue", "reelqueue results clips --failed -o fix.jsonl"),
        ("downloadFailed", "URLs open without a login"),
        ("modelNotFound", "correct the rows"),
        ("mediaExpired", "submit the same manifest again"),
        ("uploadFailed", "submit the same manifest again"),
        ("expired", "REELQUEUE_DEADLINE"),
        ("partial", "reelqueue retry clips --partial"),
        ("other", "reelqueue results clips"),
        ("", "--code ''"),
    ],
)
def test_each_cause_is_told_with_what_to_do(code: str, told: str) -> None:
    assert told in advice(code, "clips")


def test_a_hostile_code_reaches_no_shell_and_no_format() -> None:
    code = "{batch}'; rm -rf / #"
    command = advice(code, "clips").partition(": ")[2]
    assert shlex.split(command) == ["reelqueue", "retry", "clips", "--code", code]
