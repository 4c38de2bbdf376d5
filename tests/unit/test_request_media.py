"""Which forms of media each input takes (contract §2)."""

import base64

import pytest
from pydantic import ValidationError
from wire_samples import request

from tasks.wire.request import TextInference

URL = "https://assets.runware.ai/assets/inputs/dcc5ba5c-2b5c-41ea-98a5-2047babe0c96.mp4"
MEDIUM = "dcc5ba5c-2b5c-11ea-98a5-2047babe0c96"
BASE64 = base64.b64encode(bytes(range(96))).decode()
KINDS = ["videos", "images", "audios", "documents"]

GOOD = [
    URL,
    "HTTP://example.org",
    "https://münchen.example/straße.mp4?x=1#t=5",
    "http://[2001:db8::7]:8080/[7].mp4",
    MEDIUM,  # any version: the provider drew it
    MEDIUM.upper(),
    BASE64,
]
BAD = [
    "",
    "clip.mp4",
    "/home/me/clip.mp4",
    "file:///clip.mp4",
    "s3://bucket/clip.mp4",
    "https://",
    "https:///clip.mp4",
    f"{URL}\n",
    "https://[abc/7.mp4",
    "https://abc]/7.mp4",
    "https://ex\u2100mple.org/7.mp4",  # a sign that stands for a/c
    "https://example.org/a b.mp4",
    "https://example.org/\x00",
    "https://example.org/\ud800",
    MEDIUM.replace("-", ""),
    f"{{{MEDIUM}}}",
    f"\uff13{MEDIUM[1:]}",
    BASE64[:-3],
    BASE64.replace("A", "-"),
    f"{BASE64}\n",
    "A" * 60,  # a word, not a medium
    "é" * 64,
    7,
    None,
    [URL],
]


def takes(kind: str, *media: object) -> bool:
    try:
        TextInference(**request(inputs={kind: list(media)}))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("medium", GOOD)
def test_every_input_takes_urls_media_uuids_and_base64(kind: str, medium: str) -> None:
    assert takes(kind, medium)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("medium", BAD)
def test_nothing_else_is_taken_for_a_medium(kind: str, medium: object) -> None:
    assert not takes(kind, medium)


@pytest.mark.parametrize("kind", KINDS)
def test_only_images_may_be_data_uris(kind: str) -> None:
    assert takes(kind, f"data:image/png;base64,{BASE64}") == (kind == "images")
    assert not takes(kind, "data:image/png;base64,nonsense")
    assert not takes(kind, f"data:image/png,{BASE64}")


def test_a_data_uri_that_is_no_image_is_told_what_to_do() -> None:
    with pytest.raises(ValidationError, match="send the bare base64 or a URL"):
        TextInference(**request(inputs={"videos": [f"data:video/mp4;base64,{BASE64}"]}))


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_holds_one_medium_or_more(kind: str) -> None:
    assert takes(kind, URL, MEDIUM, BASE64)
    assert not takes(kind)
    assert not takes(kind, URL, "clip.mp4")


def test_an_unknown_kind_of_input_is_refused() -> None:
    assert not takes("films", URL)
