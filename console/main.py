"""The `reelqueue` command."""

import click

from console.ask import ask
from console.cancel import cancel
from console.demo import demo
from console.doctor import doctor
from console.estimate import estimate
from console.job import job
from console.pause import pause
from console.priority import priority
from console.prune import prune
from console.quarantine import quarantine
from console.results import results
from console.resume import resume
from console.retry import retry
from console.run import run
from console.status import list_, status
from console.submit import submit
from console.up import up
from console.watch import watch


class InOrder(click.Group):
    """Lists its verbs in the order a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names as they were added."""
        return list(self.commands)


@click.group(
    cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
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


for command in (
    *(demo, ask, run, up, estimate, submit, list_, status, watch, results, job),
    *(retry, pause, resume, cancel, priority, prune, quarantine, doctor),
):
    main.add_command(command)
