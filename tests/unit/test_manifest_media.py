"""Local media, folders, patterns and lists of URLs."""

import json
import os
from pathlib import Path

import pytest

from batches.defaults import Defaults
from batches.failed import manifest_row
from batches.manifest import Manifest, manifest_at
from batches.problems import BadManifest
from batches.prompt import Prompt
from batches.row import LocalFile, Row, Rules
from tasks.reading_requests import Request

ASKED = Rules(Defaults(prompt=Prompt("What?")))
UUID = "0d3c0c9a-0000-4000-8000-000000000001"


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Give a folder with a few media."""
    folder = tmp_path / "clips"
    for name in ("b.mp4", "a 🎬.MOV", "deep/er/c.jpg", "deep/d.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def at(path: Path, *roots: Path) -> Manifest:
    return manifest_at(path, ASKED, media_roots=roots)


def rows(path: Path, *roots: Path) -> list[Row]:
    manifest = at(path, *roots)
    manifest.check()
    return list(manifest.rows())


def refusal(path: Path, *roots: Path) -> str:
    with pytest.raises(BadManifest) as caught:
        at(path, *roots).check()
    return str(caught.value)


def listed(folder: Path, *values: str) -> Path:
    """Write a table of media beside a folder."""
    path = folder.parent / "jobs.tsv"
    path.write_text("\n".join(["video", *values]), encoding="utf-8")
    return path


def test_a_path_in_a_row_is_a_local_file_beside_the_manifest(clips: Path) -> None:
    path = listed(clips, "clips/b.mp4", "clips/../clips/deep/d.mp4", str(clips / "b.mp4"))
    found = rows(path)
    names = [row.body["inputs"]["videos"] for row in found]
    assert names == [["file:clips/b.mp4"], ["file:clips/deep/d.mp4"], ["file:clips/b.mp4"]]
    assert found[0].files == {"file:clips/b.mp4": LocalFile(clips.resolve() / "b.mp4", 5)}
    assert at(path).check().files == 3


def test_several_files_and_urls_may_stand_in_one_row(clips: Path) -> None:
    path = clips.parent / "jobs.jsonl"
    given = f'"clips/b.mp4", "https://x.example/a.mp4", "{UUID}", "clips/deep/d.mp4"'
    path.write_text(f'{{"custom_id": "a", "videos": [{given}], "image": "clips/deep/er/c.jpg"}}')
    (row,) = rows(path)
    assert row.body["inputs"] == {
        "videos": ["file:clips/b.mp4", "https://x.example/a.mp4", UUID, "file:clips/deep/d.mp4"],
        "images": ["file:clips/deep/er/c.jpg"],
    }
    assert len(row.files) == 3


def test_what_can_be_sent_as_it_is_is_no_path(clips: Path) -> None:
    base64 = "A" * 64
    (clips.parent / base64).write_bytes(b"x")
    (clips.parent / UUID).write_bytes(b"x")
    assert [row.files for row in rows(listed(clips, base64, UUID))] == [{}, {}]


def test_a_file_elsewhere_needs_leave(clips: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "e.mp4").write_bytes(b"e")
    path = clips / "jobs.tsv"
    path.write_text(f"video\n{other}/e.mp4\n../other/e.mp4")
    text = refusal(path)
    assert (
        text.count("leads outside the manifest's folder; allow its folder with --media-root") == 2
    )
    assert [list(row.files) for row in rows(path, other)] == [[f"file:{other.resolve()}/e.mp4"]] * 2
    path.write_text("video\ne.mp4")
    assert [list(row.files) for row in rows(path, other)] == [[f"file:{other.resolve()}/e.mp4"]]


def test_a_link_may_lead_about_in_the_folder_but_not_out_of_it(clips: Path, tmp_path: Path) -> None:
    (clips / "in.mp4").symlink_to("b.mp4")
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (clips / "out.mp4").symlink_to("../secret.mp4")
    path = clips / "jobs.tsv"
    path.write_text("video\nin.mp4")
    (row,) = rows(path)
    assert row.files == {"file:in.mp4": LocalFile(clips.resolve() / "b.mp4", 5)}
    path.write_text("video\nout.mp4")
    assert "line 2, video ('out.mp4'): leads outside" in refusal(path)


def test_a_file_keeps_the_name_that_it_was_given_whatever_links_it_is_reached_by(
    clips: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "below").mkdir(parents=True)
    (other / "b.mp4").write_bytes(b"other")
    (clips / "linked").symlink_to(other / "below")
    (clips / "here.mp4").symlink_to(other / "b.mp4")
    (tmp_path / "door").symlink_to(clips)
    path = tmp_path / "door" / "jobs.jsonl"
    media = [
        "./b.mp4",
        "here.mp4",
        "linked/../b.mp4",
        f"{tmp_path}/door/deep/d.mp4",
        f"/{clips}/b.mp4",
    ]
    path.write_text(f'{{"custom_id": "a", "videos": {json.dumps(media)}}}')
    (row,) = rows(path, other)
    assert row.body["inputs"]["videos"] == [
        "file:b.mp4",
        "file:here.mp4",
        f"file:{other.resolve()}/b.mp4",  # not b.mp4, which it reads like
        "file:deep/d.mp4",
        "file:b.mp4",
    ]
    found = [file.path for file in row.files.values()]
    assert found == [clips / "b.mp4", other / "b.mp4", other / "b.mp4", clips / "deep" / "d.mp4"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("clips/7.mp4", "no such file: clips/7.mp4; media are looked for beside the manifest, or"),
        ("clips/b.mp4/x", "no such file: clips/b.mp4/x; media are looked for beside"),
        ("clips", "is a folder; name a file in it, or submit the folder itself"),
        ("empty.mp4", "is an empty file; put the medium there, or take the row out"),
        ("pipe.mp4", "is no regular file; name a file"),
        ("loop.mp4", "cannot be read: Too many levels of symbolic links"),
        ("gone.mp4", "gone.mp4; media are looked for beside the manifest, or in a folder named by"),
        ("file:///etc/a b.mp4", "is a file's URL: write its path, without file://"),
        ("File://localhost/7.mp4", "is a file's URL: write its path, without file://"),
        (
            "s3://bucket/7.mp4",
            "is no http(s) URL: presign it, for the provider fetches it, or name",
        ),
        ("ftp://host/7.mp4", "is no http(s) URL: presign it, for the provider fetches it, or name"),
        ("https://a b/7.mp4", "must be an http(s) URL, a local file, a media UUID or base64"),
        ("data:video/mp4;base64,AAAA", "a data URI is taken for images only"),
        ("x" * 2000 + ".mp4", "must be an http(s) URL, a local file, a media UUID or base64"),
        ("x" * 300 + ".mp4", "cannot be read: File name too long"),
        ("a\x07.mp4", "is no printable path; rename the file"),
    ],
)
def test_what_is_no_file_to_send_is_told_with_line_and_fix(
    value: str, told: str, clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "gone.mp4").symlink_to("nowhere")
    text = refusal(listed(clips, value))
    assert "line 2, video (" in text
    assert told in text


@pytest.mark.parametrize("value", ["clips/b.mp4", "file:///clips/b.mp4", "s3://bucket/7.mp4"])
def test_a_manifest_from_elsewhere_names_no_local_file(value: str, clips: Path) -> None:
    manifest = manifest_at(listed(clips, value), ASKED)
    with pytest.raises(BadManifest, match=r"must be an http\(s\) URL, a media UUID or base64$"):
        manifest.check()


def test_a_list_of_media_may_have_local_files_in_it_and_is_told_so(clips: Path) -> None:
    path = clips.parent / "jobs.jsonl"
    path.write_text('{"custom_id": "a", "videos": 5}\n{"custom_id": "b", "images": [5]}')
    each = "an http(s) URL, a local file, a media UUID or base64"
    text = refusal(path)
    assert f"line 1, videos (5): must be a list of at least one medium, each {each}" in text
    assert f"line 2, images.0 (5): must be {each}" in text


def test_each_medium_of_a_folder_is_a_row_by_its_path(clips: Path) -> None:
    found = rows(clips)
    assert [(row.custom_id, row.body["inputs"]) for row in found] == [
        ("a 🎬.MOV", {"videos": ["file:a 🎬.MOV"]}),
        ("b.mp4", {"videos": ["file:b.mp4"]}),
        ("deep/d.mp4", {"videos": ["file:deep/d.mp4"]}),
        ("deep/er/c.jpg", {"images": ["file:deep/er/c.jpg"]}),
    ]
    assert found[0].columns == {}


def test_a_file_or_folder_that_is_called_as_a_url_begins_is_a_file_all_the_same(
    tmp_path: Path,
) -> None:
    names = ["DATA:image/png;base64,x.png", "data:7.mp4", "data:a#b/7.mp4", "x:/y.mp4"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = rows(tmp_path)
    assert [row.custom_id for row in found] == names
    media = [f"file:{name}" for name in names]
    assert [row.body["inputs"] for row in found] == [
        {"images": media[:1]},
        *({"videos": [medium]} for medium in media[1:]),
    ]
    assert [list(row.files) for row in found] == [[medium] for medium in media]
    again = tmp_path / "again.jsonl"
    lines = [manifest_row(Request(row.custom_id, {}, {}, row.body["inputs"])) for row in found]
    again.write_text("\n".join(map(json.dumps, lines)))
    assert [row.files for row in rows(again)] == [row.files for row in found]


def test_what_a_folder_holds_beside_media_is_one_warning(clips: Path) -> None:
    for name in (".DS_Store", ".git/x.mp4", "jobs.csv", "deep/notes"):
        (clips / name).parent.mkdir(exist_ok=True)
        (clips / name).write_bytes(b"x")
    (clips / "deep" / "up").symlink_to("..")
    checked = at(clips).check()
    assert checked.rows == 4
    left, kinds = checked.warnings
    assert left.startswith("files are left out (hidden: 2, linked folders: 1, of no known kind: 2,")
    assert "jobs.csv" in left
    assert "video: 3, image: 1" in kinds


def test_a_folder_without_media_is_an_error_that_says_what_was_left_out(tmp_path: Path) -> None:
    assert "holds no media files; they end in mp4" in refusal(tmp_path)
    (tmp_path / "notes.csv").touch()
    assert "of no known kind: 1, such as notes.csv" in refusal(tmp_path)


def test_a_file_that_a_folder_lost_since_its_check_is_still_a_row(clips: Path) -> None:
    manifest = at(clips)
    checked = manifest.check()
    (clips / "b.mp4").unlink()
    found = list(manifest.rows())
    assert len(found) == checked.rows
    assert "b.mp4" in [row.custom_id for row in found]


def test_a_bad_file_in_a_folder_is_named(clips: Path) -> None:
    (clips / "a\nb.mp4").write_bytes(b"x")
    (clips / "empty.mp4").touch()
    (clips / os.fsdecode(b"\xff.mp4")).write_bytes(b"x")
    (clips / f"{'n' * 250}.mp4").write_bytes(b"x")
    (clips / "deep" / f"{'n' * 250}.mp4").write_bytes(b"x")
    (clips / "out.mp4").symlink_to("/etc/passwd")
    text = refusal(clips)
    assert "video ('empty.mp4'): is an empty file" in text
    assert r"custom_id ('a\nb.mp4'): must be printable characters; take out U+000A" in text
    assert r"custom_id ('\udcff.mp4'): must be printable characters; take out U+DCFF" in text
    assert "must have 1 to 256 characters, has 259" in text
    assert "video ('out.mp4'): leads outside the manifest's folder" in text
    assert text.count("file ") >= 5


def test_a_link_to_itself_in_a_folder_is_named_as_any_bad_file(clips: Path) -> None:
    (clips / "loop.mp4").symlink_to("loop.mp4")
    (clips / "gone.mp4").symlink_to("nowhere")
    text = refusal(clips)
    assert "video ('loop.mp4'): cannot be read: Too many levels of symbolic links" in text
    assert "video ('gone.mp4'): no such file" in text


@pytest.mark.parametrize(
    "name",
    [
        "Screen Recording at 9.41\u202fAM.mov",  # as macOS writes it
        "👩\u200d👩\u200d👧.mp4",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f.mp4",
        "❤\ufe0f.mp4",
        "\U0001fae8 shaking.mp4",
        "\u0645\u06cc\u200c\u062e\u0648.mp4",  # Persian, with the joint that it needs
        "no\u00a0break.mp4",
        "全角\u3000空白.mp4",
    ],
)
def test_a_name_of_emoji_and_spaces_of_any_kind_is_a_row_as_it_is(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / name).write_bytes(b"x")
    assert [row.custom_id for row in rows(tmp_path / "clips")] == [name]
    assert [list(row.files) for row in rows(listed(tmp_path / "clips", f"clips/{name}"))] == [
        [f"file:clips/{name}"]
    ]


def test_a_pattern_says_nothing_of_what_nobody_left_out(clips: Path) -> None:
    (clips / ".hidden.mp4").write_bytes(b"x")
    (clips / "up").symlink_to(".")
    assert at(clips / "**").check().warnings[0] == "files are left out (linked folders: 1)"


@pytest.mark.parametrize("pattern", ["*/*.mp4", "**/*.mp4", "d*/**/d.mp4", "d*/d.mp4", "deep*"])
def test_a_linked_folder_that_a_pattern_would_look_into_is_told(pattern: str, clips: Path) -> None:
    (clips / "deeper").symlink_to("deep")
    if pattern == "deep*":
        (clips / "deep.mp4").write_bytes(b"x")
    assert at(clips / pattern).check().warnings == ["files are left out (linked folders: 1)"]


@pytest.mark.parametrize("pattern", ["*.mp4", "deep/*.mp4", "deep/**"])
def test_a_linked_folder_is_not_told_where_a_pattern_leads_elsewhere(
    pattern: str, clips: Path
) -> None:
    (clips / "other").symlink_to("deep")
    assert not any("linked" in told for told in at(clips / pattern).check().warnings)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.mp4", ["b.mp4"]),
        ("*", ["a 🎬.MOV", "b.mp4"]),
        ("**/*.mp4", ["b.mp4", "deep/d.mp4"]),
        ("**", ["a 🎬.MOV", "b.mp4", "deep/d.mp4", "deep/er/c.jpg"]),
        ("*/d.*", ["deep/d.mp4"]),
        ("deep/[c-d].mp4", ["d.mp4"]),
        ("b.mp4", ["b.mp4"]),
    ],
)
def test_a_pattern_takes_the_media_that_match(pattern: str, names: list[str], clips: Path) -> None:
    assert [row.custom_id for row in rows(clips / pattern)] == names


def test_a_pattern_without_matches_is_an_error(clips: Path) -> None:
    assert "*.webm holds no media files" in refusal(clips / "*.webm")
    with pytest.raises(BadManifest, match="No such file or directory"):
        at(clips / "nothing" / "*.mp4").check()


def test_a_file_whose_name_is_like_a_pattern_is_that_file(clips: Path) -> None:
    for name in ("b[1].mp4", "b1.mp4"):
        (clips / name).write_bytes(b"x")
    assert [row.custom_id for row in rows(clips / "b[1].mp4")] == ["b[1].mp4"]


@pytest.mark.parametrize("name", ["Season [1]", "what?", "a*b", "[x"])
def test_a_pattern_in_a_folder_whose_name_is_like_one_is_looked_for_there(
    name: str, tmp_path: Path
) -> None:
    for folder in (tmp_path / name, tmp_path / "Season 1", tmp_path / "azzb"):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "1.mp4").write_bytes(b"x")
        (folder / "7.mp4").write_bytes(b"x")
    assert [row.custom_id for row in rows(tmp_path / name / "*.mp4")] == ["7.mp4"]
    assert [row.custom_id for row in rows(tmp_path / name / "deep" / "?.mp4")] == ["1.mp4"]
    (row,) = rows(tmp_path / name / "d*" / "1.mp4")
    assert [file.path for file in row.files.values()] == [tmp_path / name / "deep" / "1.mp4"]
    with pytest.raises(BadManifest, match=r"cannot read .*8\.mp4: No such file or directory"):
        at(tmp_path / name / "8.mp4").check()
    with pytest.raises(BadManifest, match=r"cannot read .*deep/8\.csv: No such file or directory"):
        at(tmp_path / name / "deep" / "8.csv").check()


def test_a_pattern_for_a_single_file_that_is_not_there_says_so(clips: Path) -> None:
    assert refusal(clips / "d*" / "x.mp4").endswith("d*/x.mp4 matches no file that is there")


def test_each_url_of_a_list_is_a_row_of_the_kind_it_ends_in(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    urls = ["https://x.example/a.mp4?sig=1.jpg", "https://x.example/b.PNG#x", "HTTPS://x/c.wav"]
    path.write_text("# mine\n" + "\r\n\n".join(urls) + "\n", encoding="utf-16")
    found = rows(path)
    kinds = [(row.line, row.custom_id, *row.body["inputs"]) for row in found]
    assert kinds == [(2, "2", "videos"), (4, "4", "images"), (6, "6", "audios")]
    assert [row.columns for row in found] == [{"url": url} for url in urls]


def test_rows_without_a_medium_beside_rows_with_one_are_one_warning(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    url = "https://x.example/a.mp4"
    path.write_text(f"custom_id,video,image\na,{url},\nb,,\nc,,{url}\nd,,\n")
    checked = at(path).check()
    told = "line 3: has no medium, though other rows have one (also on 1 more)"
    assert (checked.rows, checked.warnings) == (4, [told])
    path.write_text("custom_id,video\na,\nb,\n")
    assert at(path).check().warnings == []


def test_a_medium_of_the_defaults_is_one_of_every_row(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text("custom_id,video,image\na,,\nb,https://x.example/b.mp4,\n")
    rules = Rules(Defaults({"inputs": {"images": [UUID]}}, ASKED.defaults.prompt))
    assert manifest_at(path, rules).check().warnings == []


def test_a_url_of_a_list_whose_host_cannot_be_read_is_an_error_of_its_line(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    urls = ["https://x.example/1.mp4", "https://[abc/7.mp4", "https://ex\u2100mple.com/8.png"]
    path.write_text("\n".join(urls), encoding="utf-8")
    text = refusal(path)
    assert "line 2, video ('https://[abc/7.mp4'): is no URL that can be read: take" in text
    assert "line 3, image ('https://ex\u2100mple.com/8.png'): is no URL that can be read" in text


def test_a_url_that_says_no_kind_is_told_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "list.urls"
    path.write_text("https://youtu.be/x\nnot a url.mp4\n")
    text = refusal(path)
    assert "line 1, url ('https://youtu.be/x'): its ending does not say whether it is a" in text
    assert "line 2, video ('not a url.mp4'): no such file" in text
    (tmp_path / "list.tsv").write_text("video\nhttps://youtu.be/x\n")
    assert rows(tmp_path / "list.tsv")[0].body["inputs"] == {"videos": ["https://youtu.be/x"]}
