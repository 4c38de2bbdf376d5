"""The `reelqueue` command."""

from importlib import import_module

import click

VERBS = {
    **{verb: verb for verb in ("demo", "ask", "run", "up", "estimate", "submit")},
    "list": "status",
    **{verb: verb for verb in ("status", "watch", "results", "job", "retry", "pause", "resume")},
    **{verb: verb for verb in ("cancel", "priority", "prune", "quarantine", "doctor")},
}
"""Verbs in the order in which a newcomer needs them, and the modules of this house they are in."""


class Verbs(click.Group):
    """Loads a verb when it is asked for: all of them take half a second, most a third less."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the verbs in order."""
        return list(VERBS)

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

    Exit codes: 0 well, 1 fatal, 2 usage, 3 some jobs failed, 4 stopped by
    --max-cost, 130 interrupted.
    """
