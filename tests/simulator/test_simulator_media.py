import hashlib
import uuid
from typing import Any

import pytest
from simulator_driver import Simulator, codes, poll, task, utility, wait_until

MP4 = "AAAAIGZ0eXA="


def upload(media: str = MP4) -> dict[str, Any]:
    return utility("mediaStorage", operation="upload", media=media)


def delete(media_uuid: str) -> dict[str, Any]:
    return utility("mediaStorage", operation="delete", media=media_uuid)


def stored(simulator: Simulator, media: str = MP4) -> str:
    (item,) = simulator.ask(upload(media))["data"]
    return str(item["mediaUUID"])


def test_the_same_content_has_the_same_uuid_however_it_came(simulator: Simulator) -> None:
    asked = upload()
    (item,) = simulator.ask(asked)["data"]
    assert {key: item[key] for key in asked if key != "media"} == {
        key: asked[key] for key in asked if key != "media"
    }
    assert uuid.UUID(item["mediaUUID"]).version == 4
    assert item["mediaURL"].endswith(f"{item['mediaUUID']}.mp4")
    assert stored(simulator, f"data:video/mp4;base64,{MP4}") == item["mediaUUID"]
    linked = stored(simulator, "https://a.example/film.mp4?token=x")
    assert linked != item["mediaUUID"]
    content, link = simulator.truth("/media")["media"]
    assert content["sha256"] == hashlib.sha256(b"\0\0\0 ftyp").hexdigest()
    assert (content["size"], content["uploads"], link["source"]) == (8, 2, "url")
    assert simulator.truth()["uses"] == {"uploads": 3}


def test_an_upload_that_is_not_ready_gives_a_placeholder_and_can_be_polled(
    simulator: Simulator,
) -> None:
    simulator.change(media_delay=0.3)
    asked = upload()
    (first,) = simulator.ask(asked)["data"]
    assert (first["mediaUUID"], "mediaURL" in first) == ("1", False)
    (running,) = simulator.ask(*poll(asked))["data"]
    assert (running["status"], running["mediaUUID"]) == ("processing", "1")
    (item,) = simulator.finished(asked)["data"]
    assert (item["taskType"], item["status"]) == ("mediaStorage", "success")
    assert simulator.ask(task(inputs={"videos": [item["mediaUUID"]]}))["data"]
    # The placeholder is no medium, although it could pass for Base64.
    assert codes(simulator.ask(task(inputs={"videos": ["1"]}))) == ["invalidVideos"]


def test_a_deleted_medium_is_not_found_until_it_is_uploaded_again(simulator: Simulator) -> None:
    media_uuid = stored(simulator)
    asked = delete(media_uuid)
    assert simulator.ask(asked)["data"] == [
        {k: v for k, v in asked.items() if k != "media"} | {"mediaUUID": media_uuid}
    ]
    for gone in (delete(media_uuid), delete(str(uuid.uuid4()))):
        assert codes(simulator.ask(gone)) == ["mediaNotFound"]
    using = task(inputs={"videos": [media_uuid]})
    refused = simulator.ask(using)
    assert codes(refused) == ["mediaNotFound"]
    assert refused["errors"][0]["parameter"] == "inputs.videos[0]"
    assert stored(simulator) == media_uuid
    assert simulator.ask(using)["data"]


def test_uuids_in_inputs_are_checked_as_far_as_the_switch_says(simulator: Simulator) -> None:
    def use(media_uuid: str) -> list[str]:
        return codes(simulator.ask(task(inputs={"videos": [media_uuid]})))

    known, unknown = stored(simulator), str(uuid.uuid4())
    assert (use(known), use(unknown)) == ([], [])
    simulator.change(media_check="strict")
    assert (use(known), use(unknown)) == ([], ["mediaNotFound"])
    simulator.change(media_retention=0)
    wait_until(lambda: use(known) == ["mediaExpired"])
    assert codes(simulator.ask(delete(known))) == ["mediaExpired"]
    simulator.change(media_check="off")
    assert (use(known), use(unknown)) == ([], [])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"media": "not base64!"}, "invalidMedia"),
        ({"media": ""}, "invalidMedia"),
        ({"operation": "keep"}, "invalidOperation"),
        ({"media": MP4 * 3}, "invalidMedia"),
        ({"name": "a"}, "unknownParameter"),
    ],
)
def test_an_upload_with_wrong_fields_is_refused(
    simulator: Simulator, fields: dict[str, Any], code: str
) -> None:
    answer = simulator.send([upload() | fields])
    assert (answer.status_code, codes(answer.json())) == (400, [code])
    assert simulator.truth("/media")["media"] == []


def test_uploads_can_be_limited_or_fail(simulator: Simulator) -> None:
    simulator.change(media_max=7)
    assert codes(simulator.ask(upload())) == ["maxMediaSizeExceeded"]
    simulator.change(media_max=8, media_fail="downloadFailed")
    assert codes(simulator.ask(upload())) == ["downloadFailed"]
    simulator.change(media_fail=None)
    assert simulator.ask(upload())["data"]


def test_the_older_image_upload_answers_in_its_own_words(simulator: Simulator) -> None:
    (item,) = simulator.ask(utility("imageUpload", image="iVBORw0KGgo="))["data"]
    assert item["imageURL"].endswith(f"{item['imageUUID']}.png")
    assert "mediaUUID" not in item
