"""What a job's row in Flower shows of it, made of its record alone."""

import ast
from typing import Any

import pytest

from tasks.job import record
from tasks.reading_requests import Request
from tasks.settle import Story
from worker.rows import job_row

JOB = "378ac79a-0546-4a6f-a20e-761d22ecfbd2"
MEDIUM = "11111111-2222-4333-8444-555555555555"
FAILED = {"s": "failed", "b": "batch_1", "a": "1", "q": "5000", "n": "1", "u1": "6000", "e": "9500"}


def row(error: tuple[str, str] = ("", ""), name: str = "x", **inputs: object) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": [], "inputs": inputs}
    return job_row(Story(record(JOB, FAILED), Request(name, body, {}), error, []), "night")


@pytest.mark.parametrize(
    ("inputs", "shown"),
    [
        ({"videos": ["https://h.example/a/7.mp4"]}, {"video": "7.mp4"}),
        ({"videos": ["https://h.example/7.mp4?sig=canary#canary"]}, {"video": "7.mp4"}),
        ({"images": ["https://user:canary@h.example/7.png"]}, {"image": "7.png"}),
        ({"images": ["https://user:canary@h.example?sig=canary"]}, {"image": "h.example"}),
        ({"images": ["HTTPS://user:canary@h.example/"]}, {"image": "h.example"}),
        ({"videos": [MEDIUM]}, {"video": MEDIUM}),
        ({"audios": ["canary" * 20]}, {"audio": "base64"}),
        ({"documents": ["file:papers/7.pdf"]}, {"document": "7.pdf"}),
        ({"videos": ["https://h/7.mp4", MEDIUM], "images": [MEDIUM]}, {"video": "7.mp4 +2"}),
        ({}, {}),
    ],
)
def test_a_medium_is_shown_by_its_name_and_without_what_may_be_secret(
    inputs: dict[str, object], shown: dict[str, str]
) -> None:
    assert ast.literal_eval(row(**inputs)["kwargs"]) == {
        "custom_id": "x",
        **shown,
        "batch": "night",
    }


def test_a_providers_words_are_shown_without_the_queries_of_urls() -> None:
    said = "cannot fetch https://user:canary@h.example/7.mp4?sig=canary, or http://h/a"
    shown = row(("downloadFailed", said))["exception"]
    assert shown == "downloadFailed: cannot fetch https://h.example/7.mp4?... or http://h/a"


def test_a_failure_without_words_is_no_exception() -> None:
    assert row()["exception"] is None


@pytest.mark.parametrize("name", ["it's 7", 'a "b" \\', "x', 'y"])
def test_the_arguments_are_one_custom_id_whatever_it_is(name: str) -> None:
    assert ast.literal_eval(row(name=name)["args"]) == (name,)
