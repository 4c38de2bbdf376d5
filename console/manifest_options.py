"""What `submit`, `run` and `estimate` ask about a manifest: the argument and options they share."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from batches.budget import MOST_INPUT_TOKENS, BadBudget, Budget, budget
from batches.columns import REQUEST
from batches.defaults import BadSetting, defaults, settings_from
from batches.folder import is_pattern, split_pattern
from batches.journal import NAME_RULE, NEW_NAME, Journal
from batches.manifest import Manifest, manifest_at
from batches.preview import Place, previewed
from batches.row import Rules
from batches.sources import Format
from batches.spool import spool
from console.orphan import is_running
from console.plain import plain
from console.ready import door
from tasks.environment import simulator_file, store_is_given
from tasks.errors import ConfigurationError, Error
from tasks.settings import Settings

_STDIN = Path("-")


@dataclass(frozen=True)
class Asked:
    """A manifest as the command line describes it."""

    file: Path
    name: str | None
    format_: Format | None
    prompt: str | None
    prompt_file: Path | None
    system_prompt: str | None
    settings: dict[str, Any]
    defaults: Path | None
    passengers: tuple[str, ...]
    media_roots: tuple[Path, ...]
    preview: int | None

    @property
    def is_stream(self) -> bool:
        """Whether it can be read only once."""
        return self.file == _STDIN or self.file.is_fifo() or self.file.is_char_device()

    def is_read_from(self, path: Path) -> bool:
        """Whether the manifest is the file at `path`, under whatever name, or as its input."""
        try:
            read = os.fstat(0) if self.file == _STDIN else self.file.stat()
            return os.path.samestat(read, path.stat())
        except OSError:  # one of them is not there
            return False

    @property
    def batch_name(self) -> str:
        """The name given, else the file's stem, else the name of the folder, or of a pattern's.

        Raises:
            Error: there is none that a batch can have.
        """
        if self.name is not None:
            return self.name
        if self.is_stream:
            raise Error(f"{self._stream} has no name that the batch could have: give --name")
        folder = self._folder
        found = folder.resolve().name if folder else self.file.stem
        if not NEW_NAME.fullmatch(found):
            raise Error(f"'{found}' is no batch name ({NAME_RULE}): give --name")
        return found

    @property
    def _stream(self) -> str:
        """What a stream is called."""
        return "standard input" if self.file == _STDIN else f"a stream ({self.file})"

    @property
    def _folder(self) -> Path | None:
        """The folder that is named, or in which a pattern is looked for."""
        if self.file.is_dir():
            return self.file
        return split_pattern(self.file)[0] if is_pattern(self.file) else None

    @contextmanager
    def opened(self, settings: Settings) -> Iterator[Manifest]:
        """Yield the manifest; what comes from a stream is kept until the block is left well.

        Raises:
            BadManifest: there is none, or the defaults cannot be used.
            OSError: a stream could not be kept.
        """
        rules = self._rules()
        if not self.is_stream:
            yield manifest_at(self.file, rules, self.format_, self.media_roots)
            return
        format_ = self.format_ or Format.JSONL
        kept = self._spooled(settings.data_dir.absolute() / "spool", format_)
        try:
            yield manifest_at(kept, rules, format_, self.media_roots, folder=Path.cwd())
        except BaseException:
            click.echo(f"what came on {plain(self._stream)} is kept: {kept}", err=True)
            raise
        kept.unlink(missing_ok=True)

    def _spooled(self, folder: Path, format_: Format) -> Path:
        name = f"{self.batch_name}.{format_}"
        if self.file == _STDIN:
            return spool(sys.stdin.buffer, folder, name)
        with self.file.open("rb") as stream:
            return spool(stream, folder, name)

    def _rules(self) -> Rules:
        options = dict(self.settings)
        if self.prompt is not None:
            options["prompt"] = self.prompt
        if self.system_prompt is not None:
            options["systemPrompt"] = self.system_prompt
        given = defaults(self.defaults, options, self.prompt_file)
        return Rules(given, frozenset(self.passengers))

    def show(self, manifest: Manifest, settings: Settings, limit: Budget | None) -> None:
        """Print the first requests, one a line, as they would be sent."""
        place = Place(
            _callback_url(settings),
            _secret(settings),
            Journal(settings.data_dir).known(self.batch_name),
        )
        for request in previewed(manifest.rows(), self.preview or 0, place, limit):
            sys.stdout.buffer.write(request + b"\n")


def _callback_url(settings: Settings) -> str | None:
    """Return where callbacks go: those of a simulator to the `up` that runs it, or would."""
    data = settings.data_dir.absolute()
    if is_running(data):
        simulated = simulator_file(data).exists()
    else:
        simulated = settings.api_key is None and not store_is_given()
    if simulated:
        return settings.model_copy(update={"public_url": door(settings)}).callback_url
    return settings.callback_url


def _secret(settings: Settings) -> bytes | None:
    try:
        return settings.id_secret()
    except ConfigurationError:  # nothing was ever started with this data folder
        return None


def _checked_name(
    _context: click.Context, _option: click.Parameter, name: str | None
) -> str | None:
    if name is not None and not NEW_NAME.fullmatch(name):
        raise click.BadParameter(NAME_RULE)
    return name


def _one_file(_context: click.Context, _argument: click.Parameter, files: tuple[str, ...]) -> Path:
    if not all(files):  # of an unset variable, say; as a path it would be this very folder
        raise click.UsageError("FILE is empty: name a manifest, or . for this folder")
    if len(files) > 1:
        raise click.UsageError(
            f"{len(files)} files are given: quote the pattern, as in 'clips/*.mp4', so that it is "
            "read here, or name their folder"
        )
    return Path(files[0])


def _set(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> dict[str, Any]:
    try:
        return settings_from(given)
    except BadSetting as exc:
        raise click.BadParameter(str(exc)) from None


def _strangers(
    _context: click.Context, _option: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    for name in names:
        if name in REQUEST:
            raise click.BadParameter(f"{name} is a field of the request, and always sent")
    return names


_PATH = click.Path(path_type=Path)
_OPTIONS = (
    click.argument(
        "file",
        metavar="FILE",
        type=click.Path(path_type=str, allow_dash=True),
        nargs=-1,
        required=True,
        callback=_one_file,
    ),
    click.option(
        "--name", callback=_checked_name, help="Name of the batch; default: the file's or folder's."
    ),
    click.option(
        "--format",
        "format_",
        type=click.Choice([each.value for each in Format]),
        callback=lambda _context, _option, value: value and Format(value),
        help="What FILE holds; default: as its name ends, JSON Lines for -.",
    ),
    click.option(
        "--prompt", metavar="TEXT", help="Question of rows that have none; {column} is filled in."
    ),
    click.option("--prompt-file", type=_PATH, help="The same, from a file."),
    click.option("--system-prompt", metavar="TEXT", help="How to answer, whatever the question."),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_set,
        help="maxTokens=900 and so on, for rows that do not say; repeatable.",
    ),
    click.option(
        "--defaults",
        type=_PATH,
        help="JSON or TOML file of request fields for rows that do not say; options win over it.",
    ),
    click.option(
        "--passenger",
        "passengers",
        multiple=True,
        metavar="NAME",
        callback=_strangers,
        help="Column that is yours though it looks like a field, or holds a medium; repeatable.",
    ),
    click.option(
        "--media-root",
        "media_roots",
        multiple=True,
        metavar="DIR",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Folder beside FILE's own that local media may lie in; repeatable.",
    ),
    click.option(
        "--preview",
        type=click.IntRange(1, 1_000_000),
        metavar="N",
        help="Print the first N requests as they would be sent, and queue nothing.",
    ),
)


def budget_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of a limit; it gets them as `budget`, None where there is none."""

    @wraps(verb)
    def command(max_cost: str | None, max_input_tokens: int | None, **given: Any) -> None:  # noqa: ANN401  click's
        if max_cost is None and max_input_tokens is not None:
            raise click.UsageError("--max-input-tokens bounds what --max-cost reserves: give both")
        try:
            limit = None if max_cost is None else budget(max_cost, max_input_tokens)
        except BadBudget as exc:
            raise click.UsageError(f"--max-cost {max_cost}: it must be {exc}") from None
        verb(budget=limit, **given)

    command = click.option(
        "--max-input-tokens",
        type=click.IntRange(1, MOST_INPUT_TOKENS),
        metavar="N",
        help="Most tokens of one request's input; else learned from the first jobs, one at a time.",
    )(command)
    return click.option(
        "--max-cost",
        metavar="USD",
        help="Stop before the batch can cost more; again with a larger one, it goes on.",
    )(command)


def manifest_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb FILE and its options; it gets them as one `asked`."""

    @wraps(verb)
    def command(**given: Any) -> None:  # noqa: ANN401  click's
        fields = {name: given.pop(name) for name in Asked.__dataclass_fields__}
        if fields["prompt"] is not None and fields["prompt_file"] is not None:
            raise click.UsageError("--prompt and --prompt-file are both given: give one of them")
        verb(asked=Asked(**fields), **given)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command
