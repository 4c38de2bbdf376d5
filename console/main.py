"""The `reelqueue` command."""

import click

from console.demo import demo
from console.doctor import doctor
from console.job import job
from console.results import results
from console.run import run
from console.status import list_, status
from console.submit import submit
from console.up import up
from console.watch import watch


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="reelqueue")
def main() -> None:
    """Queue ten thousand videos for analysis and come back to one complete table, billed once.

    \b
    reelqueue demo                         see it work; no key, nothing billed
    reelqueue run jobs.jsonl -o out.jsonl  all in one
    reelqueue up                           keep it running; then, elsewhere:
    reelqueue submit jobs.jsonl --watch
    reelqueue results jobs -o out.jsonl

    Exit codes: 0 well, 1 fatal, 2 usage, 3 some jobs failed, 130 interrupted.
    """


for command in (demo, run, up, submit, list_, status, watch, results, job, doctor):
    main.add_command(command)
