"""What `watch` shows of one look: a screen of several lines, or one line."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from batches.advice import advice
from batches.budget import overshot, stopped, untold
from batches.forecast import about, exactly, pace, projected, seconds_left
from batches.view import counters, half_recorded, needs_word, stopped_in
from batches.waiting import waits_for
from console.plain import plain
from tasks.money import NANO, usd
from tasks.progress import Cause, Look, Pause, Waiting

NOBODY = "nothing is running: reelqueue up"
_INDENT = 9
AWAY = "the store does not answer; it is asked again"


def screen(look: Look, waiting: Waiting | None, *, away: bool = False) -> RenderableType:
    """Return a screen; what is not advice is cut to the terminal's width, not broken.

    Args:
        look: The last that succeeded.
        waiting: Who waits longest in it.
        away: Whether the store does not answer now.
    """
    lines: list[RenderableType] = [
        _line(f"{counters(look.batch.states)} · {_window(look)}"),
        _line(" · ".join([*_speed(look), *_money(look)])),
    ]
    for cause in look.causes:
        lines += [_line(_error(cause), "red"), _remark(plain(advice(cause.code, look.batch.name)))]
    if waiting:
        why = waits_for(waiting.record, stopped_in(look), waiting.last) or ""
        lines += [_line(_who(look, waiting)), _remark(plain(why))]
    lines += [Text(text, "bold") for text in [*alerts(look), *([AWAY] if away else [])]]
    return Group(_head(look), *lines)


def line(look: Look, waiting: Waiting | None) -> str:
    """Return the same in one line, shorter, what matters most first."""
    parts = [*alerts(look), counters(look.batch.states), *_speed(look), *_money(look)]
    if look.causes:
        told = ", ".join(f"{cause.jobs:,} {plain(cause.code)}" for cause in look.causes)
        parts.append(f"errors: {told}")
    if waiting:
        parts.append(_who(look, waiting))
    return f"{look.batch.name}: {' · '.join([*parts, _window(look)])}"


def situation(look: Look) -> tuple[object, ...]:
    """Return what makes a line worth printing when it changes; time alone does not."""
    pause = look.pause and look.pause.reason
    codes = [cause.code for cause in look.causes]
    batch = look.batch
    return batch.states, batch.parked, look.works, pause, batch.sealed, batch.is_spent, codes


def alerts(look: Look) -> list[str]:
    """Return what keeps a batch from going on, each with what to do."""
    batch = look.batch
    told = [_paused(look, look.pause)] if look.pause and batch.open else []
    spent = stopped(batch) if batch.is_spent else ""
    told += [text for text in (spent, overshot(batch), untold(batch)) if text]
    if batch.open and not look.works:
        told.append(NOBODY)
    if batch.cancelling:
        told.append("it is being cancelled")
    if half_recorded(batch):
        told.append(half_recorded(batch))
    if batch.parked:
        told.append(needs_word(batch.parked, batch.name))
    return told


def causes(look: Look) -> list[str]:
    """Return the most frequent errors, each with an example and what to do, for the end."""
    return [
        text
        for cause in look.causes
        for text in (_error(cause), f"{' ' * _INDENT}{plain(advice(cause.code, look.batch.name))}")
    ]


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _remark(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, _INDENT), expand=False)


def _head(look: Look) -> Table:
    batch = look.batch
    ended = batch.total - batch.open
    bar = ProgressBar(total=max(1, batch.total), completed=ended, width=24)
    share = f"{100 * ended // batch.total} %" if batch.total else ""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(overflow="ellipsis")  # a long name gives way to the rest
    for _ in range(4):
        grid.add_column(no_wrap=True)
    since = exactly(((batch.done or look.now) - batch.created) / 1000)
    grid.add_row(batch.name, bar, f"{ended:,} of {batch.total:,}", share, since)
    return grid


def _speed(look: Look) -> list[str]:
    speed, left = pace(look.slices, look.now), seconds_left(look)
    if speed is None or not look.batch.open:
        return []
    told = [f"{speed * 60:,.0f}/min" if speed * 60 >= 1 else f"{speed * 3600:.0f}/h"]
    return told if left is None else [*told, f"{about(left)} left"]


def _money(look: Look) -> list[str]:
    total, mark = projected(look.batch), " (SIMULATED)" if look.simulated else ""
    told = f"{usd(look.batch.cost)} USD{mark}"
    if total is None or not look.batch.open:
        return [told]
    return [f"{told}, about {_rounded(total)} in all"]


def _rounded(nano: int) -> str:
    amount = nano / NANO  # for the eye alone
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.4f}"


def _window(look: Look) -> str:
    return f"{look.slots:,} of {look.window:,} slots taken"


def _paused(look: Look, pause: Pause) -> str:
    reason = plain(pause.reason)
    if pause.by_user:
        what = "--all" if pause.everything else look.batch.name
        return f"PAUSED by you: {reason}; reelqueue resume {what}"
    if pause.until is None:
        return f"PAUSED: {reason}"
    wait = exactly((pause.until - look.now) / 1000)
    return f"PAUSED: {reason}; tried again in {wait}"


def _error(cause: Cause) -> str:
    message = f": {plain(cause.message)}" if cause.message else ""
    return f"{cause.jobs:>6,} x {plain(cause.code)}{message}"


def _who(look: Look, waiting: Waiting) -> str:
    record = waiting.record
    since = exactly((look.now - (record.submitted_at or record.queued_at)) / 1000)
    last = f", after {plain(record.error_code)}" if record.error_code else ""
    told = f"waits longest: {plain(waiting.custom_id)}, {record.state}, {since}{last}"
    if waiting.next_at is None:
        return told
    resent = "sent again" if record.submitted_at else "sent"
    verb = resent if record.state == "queued" else "polled"
    return f"{told}, {verb} in {exactly((waiting.next_at - look.now) / 1000)}"
