"""Local media: which kind a file is, and where a row's file lies."""

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from batches.problems import shown
from batches.text import is_printable
from tasks.wire.request import Inputs

EXTENSIONS = {
    "video": "mp4 m4v mov webm mkv avi mpeg mpg mpe wmv flv 3gp 3g2 ogv mts m2ts",
    "image": "jpg jpeg jpe png webp gif bmp tif tiff heic heif avif",
    "audio": "mp3 wav m4a aac ogg oga opus flac aif aiff wma",
    "document": "pdf txt md rtf doc docx htm html",
}
_KINDS = {ending: kind for kind, endings in EXTENSIONS.items() for ending in endings.split()}

_URL_PATH = re.compile(r"[^:/?#]+:(?://[^/?#]*)?([^?#]*)")
"""RFC 3986, appendix B: finds the path of a URL behind any host, also one that cannot be read."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_OF_FILE = "is a file's URL: write its path, without file://"
_UNFETCHED = (
    "is no http(s) URL: presign it, for the provider fetches it, or name a local copy of the file"
)

LONGEST_PATH = 1024
"""Characters; what is longer is no path but, say, damaged base64."""


class NoFile(ValueError):
    """A value that names no file which may be sent; the text says why and what to do."""


def kind_of(name: str) -> str | None:
    """Return `video`, `image`, `audio` or `document` by a path's or URL's ending, else None."""
    match = _URL_PATH.match(name) if _is_url(name) else None
    path = match[1] if match else name
    return _KINDS.get(PurePosixPath(path).suffix[1:].lower())


def is_medium(value: str) -> bool:
    """Whether a value can be sent as it is: an http(s) URL, a media UUID or base64."""
    try:
        Inputs(images=[value])
    except ValidationError:
        return False
    return True


def as_path(path: str) -> str:
    """Return a file's relative path so that `find` takes it for no URL."""
    return f"./{path}" if _is_url(path) else path


def find(value: str, roots: Sequence[Path]) -> tuple[str, Path, int] | None:
    """Find the local file that a medium's value names.

    Args:
        value: As the row has it.
        roots: Absolute folders without links in them, first the manifest's own; a file must lie in
            one of them.

    Returns:
        The placeholder that stands for it in the request and keeps the name that the user gave it,
        its path without links, and its bytes.
        None where the value is no path: a URL, UUID or base64, or nothing that could be sent.

    Raises:
        NoFile: it is a path, but of no file that can be sent.
    """
    scheme = _SCHEME.match(value)
    if scheme and scheme[1].lower() not in {"http", "https"}:
        raise NoFile(_OF_FILE if scheme[1].lower() == "file" else _UNFETCHED)
    if _is_url(value) or not 0 < len(value) <= LONGEST_PATH or _is_sent_as_it_is(value):
        return None
    if not is_printable(value):
        raise NoFile("is no printable path; rename the file")
    given, path = _resolved(value, roots)
    if not _is_below(path, roots):
        raise NoFile("leads outside the manifest's folder; allow its folder with --media-root DIR")
    return f"file:{_name(given, path, roots)}", path, _size(path)


def _name(given: Path, path: Path, roots: Sequence[Path]) -> str:
    """Return a file's path as it was given, in the manifest's folder from there on.

    A link keeps its own name, so a file that is replaced by one has the name that it had. A path
    that comes to a root through links is told without them, and so is one with a `..` that does
    not lead where it reads.
    """
    named = Path("/" + os.path.normpath(given).lstrip("/"))  # it keeps two slashes at the start
    if named != path and not (_is_below(named, roots) and Path(os.path.realpath(named)) == path):
        named = path
    is_beside = named.is_relative_to(roots[0])
    return (named.relative_to(roots[0]) if is_beside else named).as_posix()


def _is_below(path: Path, roots: Sequence[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _is_url(value: str) -> bool:
    return "://" in value[:20] or value[:5].lower() == "data:"


def _is_sent_as_it_is(value: str) -> bool:
    if "." in value:  # no UUID or base64 has one; nearly every file name does
        return False
    return is_medium(value)


def _resolved(value: str, roots: Sequence[Path]) -> tuple[Path, Path]:
    """Return the path at which a file is found, with links in it and without."""
    for root in roots:
        try:
            return root / value, Path(os.path.realpath(root / value, strict=True))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:  # links in a circle, a folder that may not be entered
            raise NoFile(f"cannot be read: {exc.strerror}") from None
    raise NoFile(
        f"no such file: {shown(value)[1:-1]}; media are looked for beside the manifest, or in a "
        "folder named by --media-root DIR"
    )


def _size(path: Path) -> int:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise NoFile("is a folder; name a file in it, or submit the folder itself")
    if not stat.S_ISREG(status.st_mode):
        raise NoFile("is no regular file; name a file")
    if status.st_size == 0:
        raise NoFile("is an empty file; put the medium there, or take the row out")
    if not os.access(path, os.R_OK):
        raise NoFile("cannot be read: permission denied")
    return status.st_size
