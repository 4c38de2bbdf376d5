"""The fields and limits of `textInference` for google:gemini@3.1-pro (contract §2)."""

from collections.abc import Mapping
from functools import lru_cache

from simulator.checks import (
    Check,
    Errors,
    any_object,
    array,
    boolean,
    check_fields,
    hundredths,
    integer,
    invalid,
    media,
    object_of,
    one_of,
    string,
    task_uuid,
    url,
)

MODEL = "google:gemini@3.1-pro"
SEEDS = 2**32


def errors_of(task: Mapping[str, object], uuids: str, data_uris: str) -> list[dict[str, object]]:
    """Return an error for each field that is missing, unknown or outside its limits.

    Args:
        task: The task object.
        uuids: The setting of that name: which versions a taskUUID may have.
        data_uris: The setting of that name: which inputs may be data URIs.
    """
    required = ("taskUUID", "model", "messages")
    return list(check_fields("", task, _task(uuids, data_uris), required))


def _messages(name: str, value: object) -> Errors:
    if not isinstance(value, list) or not value:
        yield invalid(name, "must be an array of at least 1 message", type="array", min=1)
        return
    for number, message in enumerate(value):
        yield from _message(f"{name}[{number}]", message)
    if isinstance(value[-1], dict) and value[-1].get("role") == "assistant":
        yield invalid(name, "must end with a message of the user")


def _message(name: str, value: object) -> Errors:
    if not isinstance(value, dict):
        yield invalid(name, "must be an object", type="object")
        return
    # A system message is no role here: it goes into settings.systemPrompt.
    checks = {"role": one_of("user", "assistant"), "content": string(0, 2**31)}
    yield from check_fields(name + ".", value, checks, ("role", "content"))


_SETTINGS: dict[str, Check] = {
    "systemPrompt": string(1, 200_000),
    "temperature": hundredths(2),
    "topP": hundredths(1),
    "maxTokens": integer(1, 128_000),
    "stopSequences": array(string(1, 50), least=0, most=5),
    "thinkingLevel": one_of("low", "medium", "high"),
}

_TASK: dict[str, Check] = {
    "taskType": one_of("textInference"),
    "model": one_of(MODEL),
    "messages": _messages,
    "deliveryMethod": one_of("sync", "async", "stream"),
    "webhookURL": url,
    "includeCost": boolean,
    "includeUsage": boolean,
    "numberResults": integer(1, 4),
    "seed": integer(0, SEEDS - 1),
    "settings": object_of(_SETTINGS),
    "outputFormat": one_of("TEXT"),
    "tools": array(any_object, least=0),
    "toolChoice": any_object,
    "routing": any_object,
}


@lru_cache
def _task(uuids: str, data_uris: str) -> dict[str, Check]:
    # A data URI is documented for images alone.
    image = array(media("UUID, URL, data URI or Base64", data_uri=True), least=1)
    other = image if data_uris == "all" else array(media("UUID, URL or Base64"), least=1)
    inputs = {"audios": other, "documents": other, "images": image, "videos": other}
    return _TASK | {"taskUUID": task_uuid(uuids), "inputs": object_of(inputs)}
