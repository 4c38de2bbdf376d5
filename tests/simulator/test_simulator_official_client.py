"""PyPI's runware-sdk, pointed at the simulator, finds what it expects of the service (§14)."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from runware import RunOptions, Runware, RunwareError, file_to_base64, file_to_data_uri
from runware.types.task_map import GoogleGemini31ProParams
from simulator_driver import Simulator

T = TypeVar("T")
MODEL = "google:gemini@3.1-pro"


def with_client(
    simulator: Simulator, use: Callable[[Runware], Awaitable[T]], key: str = "rw-test-key"
) -> T:
    """Run one conversation of the official client, which sends nothing twice."""

    async def conversation() -> T:
        async with Runware(
            api_key=key, transport="rest", http_base_url=simulator.v1, max_retries=0
        ) as client:
            return await use(client)

    return asyncio.run(conversation())


def params(content: str = "Describe the incident.", **fields: object) -> dict[str, Any]:
    return {
        "taskType": "textInference",
        "model": MODEL,
        "messages": [{"role": "user", "content": content}],
        **fields,
    }


def failure(simulator: Simulator, **fields: object) -> RunwareError:
    with pytest.raises(RunwareError) as raised:
        with_client(simulator, lambda client: client.run(params(**fields)))
    return raised.value


def test_run_submits_polls_and_returns_the_result(simulator: Simulator) -> None:
    simulator.change(latency=1.2)
    seen: list[dict[str, Any]] = []
    asked = params(
        inputs={"videos": ["https://example.invalid/a.mp4"]},
        settings={"maxTokens": 900, "thinkingLevel": "high", "temperature": 0.3},
        includeCost=True,
        includeUsage=True,
        taskUUID=str(uuid.uuid4()),
    )
    options = RunOptions(on_result=seen.append)
    (item,) = with_client(simulator, lambda client: client.run(asked, options))
    assert (item["taskUUID"], item["status"]) == (asked["taskUUID"], "success")
    assert item["text"].startswith("[simulated] a.mp4")
    assert item["usage"]["totalTokens"] > 0
    assert seen == [item]
    known = simulator.truth(f"/{asked['taskUUID']}")
    assert (known["delivery"], known["charged_nano"] / 1e9) == ("async", item["cost"])
    assert simulator.totals()["polls"] == 2


def test_run_returns_every_result_of_several_however_they_are_delivered(
    simulator: Simulator,
) -> None:
    async def use(client: Runware) -> list[list[dict[str, Any]]]:
        return await asyncio.gather(
            client.run(params(numberResults=3)),
            client.run(params(numberResults=3, deliveryMethod="sync")),
        )

    polled, held = with_client(simulator, use)
    assert [item["text"] for item in polled] == [item["text"] for item in held]
    assert len({item["text"] for item in held}) == 3
    assert [item["resultIndex"] for item in polled] == [0, 1, 2]


def test_twenty_runs_at_once_all_end_and_one_that_fails_raises(simulator: Simulator) -> None:
    async def use(client: Runware) -> list[Any]:
        runs = [client.run(params(f"Work {n}")) for n in range(20)]
        failing = client.run(params("[[sim: fail=providerUnavailable]]"))
        return await asyncio.gather(*runs, failing, return_exceptions=True)

    *found, error = with_client(simulator, use)
    assert len({item["taskUUID"] for (item,) in found}) == 20
    assert (error.code, error.retryable) == ("provider", True)
    assert simulator.totals()["purchases"] == 21


def test_a_stream_gives_reasoning_text_and_the_final_state(simulator: Simulator) -> None:
    async def use(client: Runware) -> tuple[list[str], list[str], Any]:
        stream = await client.stream(params(includeCost=True, includeUsage=True))
        text = [piece async for piece in stream.text_stream]
        reasoning = [piece async for piece in stream.reasoning_stream]
        return text, reasoning, await stream.result()

    text, reasoning, result = with_client(simulator, use)
    assert len(text) > 5
    assert ("".join(text), "".join(reasoning)) == (result.text, result.reasoning_content)
    assert (result.finish_reason, result.cost > 0) == ("stop", True)
    assert result.usage["totalTokens"] > 0
    assert simulator.truth(f"/{result.task_uuid}")["state"] == "success"


@pytest.mark.parametrize(
    ("words", "code"),
    [("fail=providerError", "provider"), ("refuse=inferenceRateLimitExceeded", "rateLimit")],
)
def test_a_stream_raises_what_fails_inside_or_before_it(
    simulator: Simulator, words: str, code: str
) -> None:
    async def use(client: Runware) -> str:
        return await (await client.stream(params(f"[[sim: {words}]]"))).text()

    with pytest.raises(RunwareError) as raised:
        with_client(simulator, use)
    assert raised.value.code == code


def test_media_are_uploaded_used_and_deleted(simulator: Simulator) -> None:
    async def use(client: Runware) -> tuple[list[Any], list[Any], Any]:
        content = b"\0\0\0\x20ftypisom"
        forms = [file_to_data_uri(content), file_to_base64(content), "https://a.example/b.mp4"]
        stored = [
            (await client.media_storage({"operation": "upload", "media": form}))[0]
            for form in forms
        ]
        first = stored[0]["mediaUUID"]
        used = await client.run(params(inputs={"videos": [first]}, deliveryMethod="sync"))
        (deleted,) = await client.media_storage({"operation": "delete", "media": first})
        (image,) = await client.image_upload({"image": file_to_data_uri(b"\x89PNG")})
        assert image["imageUUID"]
        return stored, used, deleted

    stored, used, deleted = with_client(simulator, use)
    assert stored[0]["mediaUUID"] == stored[1]["mediaUUID"] != stored[2]["mediaUUID"]
    assert used[0]["text"]
    assert deleted["mediaUUID"] == stored[0]["mediaUUID"]
    assert "mediaURL" not in deleted


def test_the_account_and_the_details_of_a_task_are_told(simulator: Simulator) -> None:
    task_uuid = str(uuid.uuid4())

    async def use(client: Runware) -> tuple[Any, Any, Any]:
        await client.run(params(taskUUID=task_uuid, deliveryMethod="sync"))
        (account,) = await client.account_management({"operation": "getDetails"})
        (details,) = await client.get_task_details({"taskUUID": task_uuid})
        (polled,) = await client.get_response({"taskUUID": task_uuid})
        return account, details, polled

    account, details, polled = with_client(simulator, use)
    assert account["balance"]["amount"] < 1000
    assert details["request"][0]["taskUUID"] == task_uuid
    assert details["response"]["data"][0]["text"] == polled["text"]
    assert polled["status"] == "success"


@pytest.mark.parametrize(
    ("content", "fields", "code", "status"),
    [
        ("[[sim: refuse=concurrentRequestLimitExceeded]]", {}, "unknown", 429),
        ("[[sim: refuse=rateLimitExceeded]]", {}, "rateLimit", 429),
        ("[[sim: refuse=insufficientCredits]]", {}, "quota", 402),
        ("[[sim: refuse=promptBlocked]]", {}, "safety", 400),
        ("[[sim: fail=providerError]]", {"deliveryMethod": "sync"}, "provider", None),
        ("[[sim: fail=timeoutProvider ack=final]]", {}, "unknown", None),
        ("[[sim: fail=providerError ack=final]]", {}, "provider", None),
        ("Hm", {"settings": {"maxTokens": 0}}, "validation", 400),
        ("Hm", {"temperature": 1}, "validation", 400),
    ],
)
def test_each_kind_of_failure_is_known_by_its_category(
    simulator: Simulator, content: str, fields: dict[str, Any], code: str, status: int | None
) -> None:
    error = failure(simulator, content=content, **fields)
    assert (error.code, error.status_code) == (code, status)
    assert error.task_uuid


def test_a_wrong_parameter_is_named(simulator: Simulator) -> None:
    error = failure(simulator, settings={"maxTokens": 0})
    assert error.parameter == "settings.maxTokens"
    simulator.change(reply="parameter_list")
    assert failure(simulator, settings={"maxTokens": 0}).parameter == "settings.maxTokens"


def test_every_field_that_its_types_have_is_taken(simulator: Simulator) -> None:
    offered = set(GoogleGemini31ProParams.__annotations__)
    asked = params(
        taskUUID=str(uuid.uuid4()),
        inputs={"videos": ["https://example.invalid/a.mp4"]},
        seed=7,
        settings={"maxTokens": 900},
        tools=[{"name": "look"}],
        toolChoice={"type": "auto"},
        routing={},
        webhookURL="http://127.0.0.1:9/hook",
        includeCost=True,
        includeUsage=True,
        outputFormat="TEXT",
        deliveryMethod="async",
        numberResults=1,
    )
    assert set(asked) == offered
    (item,) = with_client(simulator, lambda client: client.run(asked))
    assert item["text"]


def test_a_used_task_uuid_is_a_conflict(simulator: Simulator) -> None:
    asked = {"taskUUID": str(uuid.uuid4()), "deliveryMethod": "sync"}
    with_client(simulator, lambda client: client.run(params(**asked)))
    error = failure(simulator, **asked)
    assert (error.code, error.status_code) == ("validation", 400)
    assert simulator.totals()["purchases"] == 1


def test_a_wrong_key_is_an_error_of_authentication(simulator: Simulator) -> None:
    asked = params(deliveryMethod="sync")
    simulator.change(api_key="right")
    try:
        error = failure(simulator, deliveryMethod="sync")
        assert with_client(simulator, lambda client: client.run(asked), key="right")
    finally:
        simulator.change(api_key=None)
    assert (error.code, error.status_code) == ("auth", 401)


def test_a_service_in_trouble_is_an_error_of_the_server_and_retried(simulator: Simulator) -> None:
    simulator.change(outage="500")
    assert failure(simulator).code == "serverError"
    simulator.change(outage="html")
    assert failure(simulator).status_code == 502
    simulator.change(outage="503", outage_every=2)

    async def use() -> list[dict[str, Any]]:
        async with Runware(
            api_key="k", transport="rest", http_base_url=simulator.v1, retry_delay=1
        ) as client:
            await client.account_management({"operation": "getDetails"})
            return await client.run(params(deliveryMethod="sync"))

    assert asyncio.run(use())[0]["text"]
