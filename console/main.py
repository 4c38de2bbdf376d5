"""The `reelqueue` command."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from console import streams
from console.codes import INTERRUPTED

VERBS = {
    **{verb: verb for verb in ("demo", "ask", "run", "up", "estimate", "submit")},
    "list": "status",
    **{verb: verb for verb in ("status", "watch", "results", "job", "retry", "pause", "resume")},
    **{verb: verb for verb in ("cancel", "priority", "prune", "quarantine", "doctor")},
}
"""Verbs in the order in which a newcomer needs them, and the modules of this house they are in."""


@contextmanager
def _interruptible() -> Iterator[None]:
    """End with a sentence and code 130 where Ctrl-C comes, at a question too."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    except click.Abort as exc:
        if not isinstance(exc.__context__, KeyboardInterrupt):
            raise  # the answer is no
        click.echo(err=True)  # ends the question's line
    else:
        return
    click.echo("reelqueue: interrupted", err=True)
    raise SystemExit(INTERRUPTED)


class Verbs(click.Group):
    """Loads a verb when it is asked for: all of them take half a second, most a third less."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the verbs in order."""
        return list(VERBS)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:  # noqa: ANN401  click's
        """Read the command line up to the verb, for which --help loads all of them."""
        with _interruptible(), streams.writable():
            streams.make_ready()
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's
        """Load the verb, and run it."""
        with _interruptible(), streams.writable():
            return super().invoke(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb; of a name that is none all are loaded, for click tells which is near."""
        for verb in (cmd_name,) if cmd_name in VERBS else VERBS:
            if verb not in self.commands:
                module = import_module(f"console.{VERBS[verb]}")
                self.add_command(module.list_ if verb == "list" else getattr(module, verb))
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="reelqueue")
def main() -> None:
    """Queue ten thousand videos for analysis and come back to one complete table, billed once.

    \b
    reelqueue demo                         see it work; no key, nothing billed
    reelqueue run jobs.jsonl -o out.jsonl  all in one
    reelqueue up                           keep it running; then, in another terminal:
    reelqueue submit jobs.jsonl --watch
    reelqueue results jobs -o out.jsonl

    Data goes to standard output, progress and remarks to standard error.

    Exit codes: 0 well, 1 fatal, 2 usage, 3 some jobs failed or were cancelled,
    4 stopped by --max-cost, 130 interrupted.
    """
