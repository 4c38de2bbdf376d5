import uuid
from typing import Any

import pytest
from simulator_driver import Simulator, codes, task

GOOD: list[dict[str, Any]] = [
    {"numberResults": 4, "seed": 4294967295, "includeCost": True, "includeUsage": True},
    {"settings": {"temperature": 0.29, "topP": 0.57, "maxTokens": 128000}},
    {"settings": {"temperature": 2, "topP": 1.00, "systemPrompt": "x" * 200000}},
    {"settings": {"stopSequences": ["x" * 50] * 5, "thinkingLevel": "medium"}},
    {"inputs": {"videos": [str(uuid.uuid4()), "https://a.example/b.mp4", "AAAAIGZ0eXA="]}},
    {"inputs": {"images": ["data:image/png;base64,iVBORw0KGgo="], "documents": ["QUJD"]}},
    {"messages": [{"role": r, "content": "hm"} for r in ("user", "assistant", "user")]},
    {"deliveryMethod": "sync", "webhookURL": "http://127.0.0.1:9/hook?token=x"},
    {"outputFormat": "TEXT", "inputs": {}, "settings": {}},
    {"tools": [{"name": "look", "weight": 0.5}], "toolChoice": {"type": "auto"}, "routing": {}},
    {"deliveryMethod": "sync"},
    {"deliveryMethod": "stream"},
]

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"taskUUID": "not-a-uuid"}, "invalidTaskUUID", "taskUUID"),
    ({"taskUUID": str(uuid.uuid1())}, "invalidTaskUUID", "taskUUID"),
    ({"taskUUID": str(uuid.uuid4()).upper()}, "invalidTaskUUID", "taskUUID"),
    ({"model": "google:gemini@3.0-pro"}, "invalidModel", "model"),
    ({"messages": []}, "invalidMessages", "messages"),
    ({"messages": ["hm"]}, "invalidMessages", "messages[0]"),
    ({"messages": [{"role": "system", "content": ""}]}, "invalidMessages", "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "missingContent", "messages[0].content"),
    ({"messages": [{"role": "assistant", "content": "hm"}]}, "invalidMessages", "messages"),
    ({"deliveryMethod": "later"}, "invalidDeliveryMethod", "deliveryMethod"),
    ({"inputs": {"videos": ["1"]}}, "invalidVideos", "inputs.videos[0]"),
    ({"webhookURL": "ftp://a.example/b"}, "invalidWebhookURL", "webhookURL"),
    ({"webhookURL": "http://[::1"}, "invalidWebhookURL", "webhookURL"),
    ({"includeCost": 1}, "invalidIncludeCost", "includeCost"),
    ({"numberResults": 5}, "invalidNumberResults", "numberResults"),
    ({"numberResults": True}, "invalidNumberResults", "numberResults"),
    ({"seed": 4294967296}, "invalidSeed", "seed"),
    ({"seed": 1.5}, "invalidSeed", "seed"),
    ({"inputs": []}, "invalidInputs", "inputs"),
    ({"inputs": {"videos": []}}, "invalidVideos", "inputs.videos"),
    ({"inputs": {"videos": "a.mp4"}}, "invalidVideos", "inputs.videos"),
    ({"inputs": {"videos": ["data:video/mp4;base64,AA"]}}, "invalidVideos", "inputs.videos[0]"),
    ({"inputs": {"films": ["QUJD"]}}, "unknownParameter", "inputs.films"),
    ({"settings": {"temperature": 0.295}}, "invalidTemperature", "settings.temperature"),
    ({"settings": {"temperature": 2.01}}, "invalidTemperature", "settings.temperature"),
    ({"settings": {"topP": 1e-300}}, "invalidTopP", "settings.topP"),
    ({"settings": {"maxTokens": 0}}, "invalidMaxTokens", "settings.maxTokens"),
    ({"settings": {"systemPrompt": ""}}, "invalidSystemPrompt", "settings.systemPrompt"),
    ({"settings": {"stopSequences": ["a"] * 6}}, "invalidStopSequences", "settings.stopSequences"),
    ({"settings": {"thinkingLevel": "max"}}, "invalidThinkingLevel", "settings.thinkingLevel"),
    ({"temperature": 1}, "unknownParameter", "temperature"),
    ({"tools": [1]}, "invalidTools", "tools[0]"),
    ({"toolChoice": "auto"}, "invalidToolChoice", "toolChoice"),
    ({"routing": []}, "invalidRouting", "routing"),
]


@pytest.mark.parametrize("fields", GOOD, ids=",".join)
def test_what_the_model_page_allows_is_accepted(
    simulator: Simulator, fields: dict[str, Any]
) -> None:
    answer = simulator.send([task(**fields)])
    assert (answer.status_code, '"error' in answer.text) == (200, False)


@pytest.mark.parametrize(("fields", "code", "parameter"), BAD)
def test_what_it_does_not_allow_is_refused_naming_the_parameter(
    simulator: Simulator, fields: dict[str, Any], code: str, parameter: str
) -> None:
    bad = task(**fields)
    answer = simulator.send([bad])
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["code"], error["parameter"]) == (code, parameter)
    assert (error["taskUUID"], error["taskType"]) == (bad["taskUUID"], "textInference")
    assert answer.json()["data"] == []


@pytest.mark.parametrize("name", ["taskUUID", "model", "messages"])
def test_a_missing_field_has_its_own_code(simulator: Simulator, name: str) -> None:
    asked = task()
    del asked[name]
    (error,) = simulator.ask(asked)["errors"]
    assert error["code"] == "missing" + name[0].upper() + name[1:]


def test_a_limit_is_told_with_its_numbers(simulator: Simulator) -> None:
    (error,) = simulator.ask(task(settings={"maxTokens": 128001}))["errors"]
    assert (error["type"], error["min"], error["max"]) == ("integer", 1, 128000)


def test_uuids_of_version_seven_and_data_uris_for_all_media_can_be_allowed(
    simulator: Simulator,
) -> None:
    # The version 7 of a real refusal that was captured (contract §6).
    seven = task(taskUUID="019c42a0-c3ff-7138-be83-ee257abc5331")
    video = task(inputs={"videos": ["data:video/mp4;base64,AAAA"]})
    assert codes(simulator.ask(seven, video)) == ["invalidTaskUUID", "invalidVideos"]
    simulator.change(uuids="v7", data_uris="all")
    assert len(simulator.ask(seven, video)["data"]) == 2


def test_every_fault_of_a_task_is_told_and_it_counts_as_one_refusal(simulator: Simulator) -> None:
    answer = simulator.ask(task(seed=-1, numberResults=0), task())
    assert [error["code"] for error in answer["errors"]] == ["invalidSeed", "invalidNumberResults"]
    assert len(answer["data"]) == 1
    assert simulator.totals()["refused"] == 1


@pytest.mark.parametrize(
    ("name", "code"), [("routing", "unsupportedParameter"), ("includeUsage", "unknownParameter")]
)
def test_a_field_that_it_is_told_not_to_know_is_refused(
    simulator: Simulator, name: str, code: str
) -> None:
    asked = task(routing={}, includeUsage=True)
    assert simulator.send([asked]).status_code == 200
    simulator.change(unsupported=f"seed,{name}")
    assert codes(simulator.send([asked]).json()) == [code]
