"""`reelqueue retry`: ask again for what jobs lack."""

from collections import Counter
from pathlib import Path

import click
from rich.progress import Progress

from batches import budget, orders
from batches.orders import Choice, Plan
from console.choosing import Named, chosen, confirm, jobs_of, where, which_jobs
from console.context import open_store, progress_console, told
from console.plain import plain
from tasks import verbs
from tasks.errors import Category
from tasks.installation import id_secret
from tasks.job import State
from tasks.money import usd
from tasks.reading import Batch
from tasks.store import Store


@click.command(short_help="Ask again for what jobs lack; may be billed again.")
@which_jobs
@click.option("--failed", is_flag=True, help="Failed and expired jobs.")
@click.option("--partial", is_flag=True, help="Partial jobs; only what is missing is asked for.")
@click.option("--cancelled", is_flag=True, help="Cancelled jobs.")
@click.option("--parked", is_flag=True, help="Parked jobs: sent again under the same taskUUID.")
@click.option("--all", "everything", is_flag=True, help="All of these.")
@click.option("--code", "codes", multiple=True, help="Only jobs whose last error has this code.")
@click.option(
    "--class",
    "classes",
    multiple=True,
    type=click.Choice([kind.value for kind in Category]),
    help="Only jobs whose last error is of this class.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@told
def retry(
    name: str | None,
    custom_ids: tuple[str, ...],
    ids_from: Path | None,
    jobs: tuple[str, ...],
    *,
    codes: tuple[str, ...],
    classes: tuple[str, ...],
    yes: bool,
    **stands: bool,
) -> None:
    """Ask again for what jobs of batch NAME lack: by default those that failed or expired.

    With --code or --class alone, partial jobs are meant too, for what they lack has such an error.
    A job keeps its id, its place in the table and every result it has; each new attempt is a
    purchase of its own. Rows named by --id or --job are retried however they ended. A job whose
    results have all come meanwhile completes, and nothing is bought.

    \b
    reelqueue retry jobs                         all that failed or expired
    reelqueue retry jobs --class timeout         those the provider was too slow for
    reelqueue retry jobs --id clip-7 --id clip-9
    reelqueue retry jobs --parked                send again what got no clear answer
    """
    which = Named(name, custom_ids, ids_from, jobs)
    settings, store = open_store()
    secret = id_secret(store, settings)
    batch, ids = chosen(settings, store, which)
    named = _stands(stands, by_id=bool(ids), by_error=bool(codes or classes))
    choice = Choice(named, frozenset(codes), frozenset(classes))
    if batch and batch.cancelling:
        raise orders.NotNow(f"batch {batch.name} is being cancelled; retry when that is over")
    plan = orders.plan(store, orders.pages(store, batch, ids), choice, settings.max_attempts)
    if not plan.jobs:
        _say(f"nothing to retry{where(batch)}{_standing(plan)}")
        _say_of_files(plan)
        return
    _announce(plan, batch)
    if ids and plan.others:
        _say(f"Left as they are{_standing(plan)}")
    _say_of_files(plan)
    confirm(f"Retry {jobs_of(plan.jobs)}?", yes=yes)
    out = progress_console()
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        bar = progress.add_task("retrying", total=plan.jobs)
        became = orders.retry(
            store,
            secret,
            orders.pages(store, batch, ids),
            choice,
            lambda count: progress.advance(bar, count),
        )
    _report(store, batch, became)


def _stands(flags: dict[str, bool], *, by_id: bool, by_error: bool) -> frozenset[str]:
    """Return the states that the flags name; without one, those that have such an error."""
    if flags.pop("everything") or (by_id and not any(flags.values())):
        return orders.RETRIABLE
    named = {flag for flag, given in flags.items() if given}
    expired = {State.EXPIRED.value} if "failed" in named else set()
    return frozenset(named | expired) or (orders.LACKING if by_error else orders.FAILED)


def _announce(plan: Plan, batch: Batch | None) -> None:
    _say(f"{jobs_of(plan.jobs)}{where(batch)}:")
    for cause, count in plan.causes.most_common():
        _say(f"{count:>8,}  {plain(cause)}")
    _say(f"Each may be billed again: output for at most {usd(plan.most)} USD, and input.")
    if batch and (reason := budget.may_stop(batch, plan.most)):
        _say(reason)
    if plan.at_provider:
        _say(
            f"The provider may still finish an earlier task of {plan.at_provider:,} of them, and "
            "bill both; the first to be whole is the job's result."
        )
    if plan.seeded:
        _say(f"{plan.seeded:,} of them: missing results under a fixed seed; texts may be alike.")


def _say_of_files(plan: Plan) -> None:
    if lacking := plan.others[orders.WITHOUT_FILES]:
        _say(
            f"{jobs_of(lacking)} left alone, for a local file could not be uploaded: submit the "
            "same manifest again, which uploads and retries"
        )


def _standing(plan: Plan) -> str:
    told = ", ".join(f"{count:,} {stands}" for stands, count in plan.others.most_common())
    return f": {told}" if told else ""


def _report(store: Store, batch: Batch | None, became: Counter[str]) -> None:
    _say(f"{jobs_of(became['moved'])}{where(batch)} queued again")
    if became["completed"]:
        _say(f"{jobs_of(became['completed'])} completed: all results had come meanwhile")
    if became["stale"]:
        _say(f"{jobs_of(became['stale'])} left alone: moved on since, or told of by a callback")
    if became["cancelling"]:
        _say(f"{jobs_of(became['cancelling'])} left alone: their batch is being cancelled")
    reason = verbs.held(store) or (batch and batch.paused)
    if reason:
        _say(f"PAUSED: {plain(reason)}")
    if became["moved"] and not store.has_ticker():
        _say("nothing is running: reelqueue up")


def _say(line: str) -> None:
    progress_console().print(line, markup=False)
