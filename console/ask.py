"""`reelqueue ask`: one question, its answer shown as it comes."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import IO, Any, TypeVar, cast

import click
from rich.text import Text

from batches.ask import SETTABLE, BadQuestion, Question, Reply, question, uploaded
from batches.contents import Unusable
from batches.defaults import BadSetting, settings_from
from batches.table_json import json_line
from console import orphan
from console.codes import FATAL, INTERRUPTED
from console.context import end_well_on_signals, progress_console, told
from console.plain import clean, plain_lines
from console.tables import SIMULATED
from tasks.environment import CHECKOUT, inherited
from tasks.errors import Error, ProviderAway
from tasks.provider import Patience, Provider
from tasks.settings import Settings, load
from tasks.wire.stream import Event

F = TypeVar("F", bound=Callable[..., Any])

LONGEST = 1200.0
"""Seconds an answer may take, as with the official client (contract §4, §14)."""

SILENCE = 180.0
"""Seconds without a byte until a stream counts as dead: a long video is looked at first."""

_READY_WITHIN = 20.0
_STOP_WITHIN = 4.5


def _settings(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> dict[str, Any]:
    try:
        return settings_from(given, SETTABLE)
    except BadSetting as exc:
        raise click.BadParameter(str(exc)) from None


def _media(kind: str) -> Callable[[F], F]:
    help_ = "URL, file, media UUID or base64; repeatable."
    return click.option(f"--{kind}", multiple=True, metavar="URL", help=help_)


@click.command("ask", short_help="Try a prompt: one question, answered here.")
@click.argument("prompt", metavar="QUESTION")
@_media("video")
@_media("image")
@_media("audio")
@_media("document")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_settings,
    help=f"Repeatable; NAME is one of {', '.join(SETTABLE)}.",
)
@click.option("--system-prompt", metavar="TEXT", help="How to answer, whatever the question.")
@click.option("--sync", is_flag=True, help="Take the answer in one piece, not as it comes.")
@click.option("--no-reasoning", is_flag=True, help="Do not show what the model thinks.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when it is over.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True, max=86_400),
    default=LONGEST,
    show_default="1200",
    metavar="SECONDS",
    help="Give up after this time.",
)
@told
def ask(
    prompt: str,
    settings: dict[str, Any],
    system_prompt: str | None,
    timeout: float,
    *,
    sync: bool,
    no_reasoning: bool,
    as_json: bool,
    **media: tuple[str, ...],
) -> None:
    """Ask one question about one medium, and show the answer as it comes.

    \b
    reelqueue ask "What happens?" --video https://media.example/7.mp4
    reelqueue ask "What happens?" --video clips/7.mp4
    reelqueue ask "Who?" --image https://media.example/8.jpg --set maxTokens=900 --sync

    Standard output has the answer's text alone; what the model thinks, and at the end the finish
    reason, tokens and cost, go to standard error. Nothing needs to run, and nothing is recorded. A
    file is uploaded to the provider's media storage first.
    Without RUNWARE_API_KEY the provider is SIMULATED.

    Exit codes: 0 the answer is whole, 1 it is not (refused, empty, or cut, by maxTokens too), 2
    usage, 130 interrupted.
    """
    try:
        asked = question(prompt, media, settings, system_prompt, streamed=not sync)
    except BadQuestion as exc:
        raise click.UsageError(str(exc)) from None
    for warning in asked.warnings:
        click.echo(f"warning: {warning}", err=True)
    # Longer than the total, so that the total is the limit that is reported.
    silence = timeout + 1 if sync else min(SILENCE, timeout + 1)
    patience = Patience(silence=silence, total=timeout)
    screen = Screen(text=not as_json, reasoning=not (as_json or no_reasoning))
    raise SystemExit(_ask(asked, load(), patience, screen, as_json=as_json))


def _ask(
    asked: Question, settings: Settings, patience: Patience, screen: "Screen", *, as_json: bool
) -> int:
    end_well_on_signals()
    reply, code = Reply(asked, settings.simulated or settings.api_key is None), 0
    media: dict[str, str] | None = None
    try:
        with _provider(settings, patience) as provider:
            media = _uploaded(asked, provider, reply)
            if not reply.trouble:
                _follow(provider, reply, screen, media)
    except ProviderAway as exc:
        reply.fail(str(exc), sent=exc.sent)
    except KeyboardInterrupt:
        reply.fail("interrupted", sent=media is not None)
        code = INTERRUPTED
    reply.end()
    screen.end()
    if as_json:
        sys.stdout.buffer.write(json_line(reply.row()))
    _say_how_it_ended(reply)
    return code or (0 if reply.is_all else FATAL)


def _uploaded(asked: Question, provider: Provider, reply: Reply) -> dict[str, str]:
    """Upload the question's local files, or tell the reply why that cannot be."""
    if asked.files:
        names = ", ".join(name.removeprefix("file:") for name in asked.files)
        click.echo(f"uploading {names}", err=True)
    try:
        return uploaded(asked.files, provider)
    except (Unusable, Error) as exc:
        reply.trouble = f"{str(exc).rstrip('.')}. The question was not sent."
        return {}


def _follow(provider: Provider, reply: Reply, screen: "Screen", media: Mapping[str, str]) -> None:
    asked = reply.asked
    task = asked.task(media)
    with closing(provider.ask(task, asked.task_uuid, streamed=asked.streamed)) as events:
        for event in events:
            reply.add(event)
            screen.show(event)


def _say_how_it_ended(reply: Reply) -> None:
    if reply.trouble:
        click.echo(f"reelqueue: {plain_lines(reply.trouble)}", err=True)
    if reply.has_ended or not reply.trouble:
        marked = f" ({SIMULATED})" if reply.simulated else ""
        click.echo(plain_lines(reply.sentence()) + marked, err=True)


@contextmanager
def _provider(settings: Settings, patience: Patience) -> Iterator[Provider]:
    if settings.api_key is None:
        say = "[bold]RUNWARE_API_KEY is not set: the provider is SIMULATED. No video is looked at,"
        progress_console().print(f"{say}\nnothing is billed.[/]")
        with _simulator() as url:
            yield from _client(url, "simulated", patience)
        return
    if settings.simulated:
        progress_console().print("[bold]The provider is SIMULATED: nothing is billed.[/]")
    yield from _client(settings.base_url, settings.api_key.get_secret_value(), patience)


def _client(url: str, key: str, patience: Patience) -> Iterator[Provider]:
    with closing(Provider(url, key, 1, patience)) as provider:
        yield provider


@contextmanager
def _simulator() -> Iterator[str]:
    """Run a simulator for the length of a block.

    Yields:
        The address of its API.

    Raises:
        Error: it did not start.
    """
    argv = [sys.executable, "-m", "simulator", "--port", "0"]
    process = orphan.spawn(argv, {**inherited(), "PYTHONPATH": str(CHECKOUT)})
    try:
        yield _address(process)
    finally:
        _end(process)


def _address(process: subprocess.Popen[bytes]) -> str:
    """Read the line that says where it serves; what hangs is ended, which ends the reading."""
    kill = (process.pid, signal.SIGKILL)
    patience = threading.Timer(_READY_WITHIN, orphan.signal_group, kill)
    patience.start()
    try:
        said = []
        for line in cast("IO[bytes]", process.stdout):
            said.append(clean(line))
            if said[-1].startswith("simulator ready on "):
                return said[-1].split()[3]
    finally:
        patience.cancel()
    raise Error("\n  ".join(["the simulator did not start; its last lines:", *said[-15:]]))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        # Silenced, not raised on: the message of this error spells the whole argv.
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_WITHIN)
    finally:  # also where a second Ctrl-C ends the waiting
        orphan.signal_group(process.pid, signal.SIGKILL)
        process.wait()
        cast("IO[bytes]", process.stdout).close()


class Screen:
    """Shows an answer as it comes: text on standard output, reasoning dimmed on standard error.

    Control characters are taken out where they would reach a terminal; a pipe gets the text as it
    is, in UTF-8.
    """

    def __init__(self, *, text: bool, reasoning: bool) -> None:
        self._texts, self._reasons = text, reasoning
        self._err = progress_console()
        self._is_terminal = sys.stdout.isatty()
        self._open = ""  # whose line is not ended yet: `text`, `reasoning`

    def show(self, event: Event) -> None:
        """Show what came."""
        if event.reasoning and self._reasons:
            self._leave("text")
            self._err.print(Text(plain_lines(event.reasoning), style="dim", end=""), end="")
            self._open = "" if event.reasoning.endswith("\n") else "reasoning"
        if event.text and self._texts:
            self._leave("reasoning")
            self._write(event.text)
            self._open = "" if event.text.endswith("\n") else "text"

    def end(self) -> None:
        """End the line that is open."""
        if self._open == "text":
            self._write("\n")
        self._leave("reasoning")

    def _leave(self, whose: str) -> None:
        if self._open == whose:
            self._err.print()
            self._open = ""

    def _write(self, text: str) -> None:
        sys.stdout.buffer.write(self._encoded(text))
        sys.stdout.buffer.flush()

    def _encoded(self, text: str) -> bytes:
        if self._is_terminal:
            return plain_lines(text).encode(sys.stdout.encoding, "replace")
        return text.encode("utf-8", "replace")
