"""`reelqueue estimate`: what a manifest may cost, before anything is spent."""

import json
from contextlib import closing

import click
from rich.table import Table

from batches.accounts import account_of
from batches.budget import MOST_INPUT_TOKENS
from batches.estimate import Counted, Estimate, Sampled, counted, learned, sampled
from console.context import comes_back, data_console, open_store, progress_console, told
from console.manifest_options import Asked, manifest_options
from console.submit import checked_whole, preview
from console.tables import cell
from tasks.errors import ConfigurationError, Error
from tasks.money import LONG_PROMPT, usd
from tasks.provider import Provider
from tasks.settings import Settings, load
from tasks.store import Store

SAMPLE = 5


@click.command(short_help="Say what FILE may cost; nothing is spent.")
@manifest_options
@click.option(
    "--sample",
    type=click.IntRange(0, 100),
    default=SAMPLE,
    show_default=True,
    metavar="N",
    help="Rows whose cost the provider is asked for; 0 asks nothing.",
)
@click.option(
    "--max-input-tokens",
    type=click.IntRange(1, MOST_INPUT_TOKENS),
    metavar="N",
    help="Most tokens of one request's input, for an upper bound.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@told
def estimate(asked: Asked, sample: int, max_input_tokens: int | None, *, as_json: bool) -> None:
    """Say what queueing FILE may cost. FILE and its options are those of `submit`.

    Three sources, as far as there are: the provider's own dry run of a few rows, scaled to all;
    what completed jobs of this store cost; and the price table, an upper bound: maxTokens, in which
    the model's thinking counts too, at the price of output. Inputs above 200,000 tokens cost more,
    and so do their outputs: unless --max-input-tokens says that there are none, the bound has the
    higher price. Nothing is queued. Rows with local files are not sampled: nothing is
    uploaded.
    """
    out = progress_console()
    if asked.preview:
        preview(asked, out, None)
        return
    settings = load()
    store = _store()
    with asked.opened(settings) as manifest:
        checked = checked_whole(manifest, out)
        found = counted(manifest.rows(), checked.rows, sample, max_input_tokens)
    simulated = _is_simulated(settings, store)
    price = _sampled(settings, store, found)
    known = learned(store) if store else None
    told_ = Estimate(found, price, known, max_input_tokens)
    if price.bought:
        out.print(
            f"[bold]The provider may have taken task {price.bought} for work, and bill it.[/] "
            "No further task was asked about."
        )
    if as_json:
        click.echo(json.dumps(told_.described(simulated=simulated)))
        return
    unlearned = "no batch of this store has ended yet" if store else _away(settings)
    data_console().print(_table(told_, unlearned, simulated=bool(simulated)))


def _store() -> Store | None:
    """Return the store where one answers; an estimate needs none."""
    try:
        return open_store()[1]
    except Error:
        return None


def _away(settings: Settings) -> str:
    return "the store does not answer" if comes_back(settings) else "nothing is running here"


def _is_simulated(settings: Settings, store: Store | None) -> bool | None:
    """Whether answers and costs are made up; None where nothing tells."""
    if store and store.marks.provider():
        return store.marks.is_simulated()
    return settings.simulated or (None if settings.api_key is None else False)


def _sampled(settings: Settings, store: Store | None, found: Counted) -> Sampled:
    if not found.sample:
        reason = "all rows have local files" if found.rows == found.files else "none was asked for"
        return Sampled(trouble=reason)
    try:
        provider = _provider(settings, store)
    except Error as exc:
        return Sampled(trouble=str(exc))
    with closing(provider):
        return sampled(provider, found.sample)


def _provider(settings: Settings, store: Store | None) -> Provider:
    if store is not None:
        return account_of(store, settings).provider
    if settings.api_key is None:
        raise ConfigurationError("RUNWARE_API_KEY is not set, and nothing is running here")
    return Provider(settings.base_url, settings.api_key.get_secret_value(), 1)


def _table(found: Estimate, unlearned: str, *, simulated: bool) -> Table:
    title = f"{found.counted.rows:,} rows, {found.counted.results:,} results"
    table = Table("source", "USD", "", title=f"{title} (SIMULATED)" if simulated else title)
    price, known, most = found.by_provider, found.learned, found.counted.most_output
    asked = f"{found.sampled.results} results asked for, scaled to all"
    told_ = cell(found.sampled.trouble or asked)
    table.add_row("provider's dry run", "-" if price is None else f"about {usd(price)}", told_)
    if known and found.by_experience is not None:
        about = f"mean of {known.jobs:,} completed jobs here"
        table.add_row("learned", f"about {usd(found.by_experience)}", about)
    else:
        table.add_row("learned", "-", unlearned)
    thinking = "all of maxTokens, thinking among it, for every result"
    bound = found.most_input
    if bound is None:
        thinking += f", at the price behind prompts above {LONG_PROMPT:,} tokens"
    table.add_row("price table, output", f"at most {usd(most)}", thinking)
    if bound is None:
        unknown = "not known before the first answers; --max-input-tokens bounds it"
        table.add_row("price table, input", "-", unknown)
    else:
        each = f"{found.input_tokens:,} tokens for every result"
        table.add_row("price table, input", f"at most {usd(bound)}", each)
    return table
