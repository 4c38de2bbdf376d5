"""Answers `accountManagement`: balance, keys, team and usage (contract §13)."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass

from simulator import checks, items
from simulator.body import Task
from simulator.checks import Errors
from simulator.errors import Item
from simulator.ledger import Ledger
from simulator.reply import Reply
from simulator.settings import Settings, Switchboard
from simulator.tasktype import Opened, Steady
from simulator.validation import MODEL

_LONGEST_SPAN = dt.timedelta(days=30)
_ORGANIZATION: Item = {
    "organizationUUID": "5107a7ed-0000-4000-8000-000000000001",
    "organizationName": "Simulated organization",
}
# Keys come masked from the real service as well.
_KEYS = [{"name": "simulated key", "apiKey": "rw-s****************ated", "enabled": True}]
_TEAM = [{"name": "Sim Ulated", "email": "team@simulated.invalid", "role": "owner"}]


def _date(name: str, value: object) -> Errors:
    if _day(value) is None:
        yield checks.invalid(name, "must be a date like 2026-02-19", type="string")


def _timezone(name: str, value: object) -> Errors:
    if not isinstance(value, str) or value not in zoneinfo.available_timezones():
        yield checks.invalid(name, "must be the name of a time zone", type="string")


_CHECKS = {
    "taskType": checks.one_of("accountManagement"),
    "taskUUID": checks.any_uuid,
    "operation": checks.one_of(
        "getDetails", "getUsageActivity", "getUsagePerformance", "getUsageErrors"
    ),
    "startDate": _date,
    "endDate": _date,
    "models": checks.array(checks.string(1, 200), least=0),
    "apiKeys": checks.array(checks.string(1, 200), least=0),
    "groupBy": checks.array(checks.one_of("date", "model", "apiKey"), least=0),
    "timezone": _timezone,
}


@dataclass(frozen=True, slots=True)
class AccountManagement:
    """Opens `accountManagement` tasks."""

    board: Switchboard
    ledger: Ledger

    def __call__(self, task: Task) -> Opened:
        """Open one."""
        return _Query(task, self.board, self.ledger)


@dataclass(frozen=True, slots=True)
class _Query(Steady):
    task: Task
    board: Switchboard
    ledger: Ledger

    def answer(self, reply: Reply) -> None:
        fields = self.task.fields
        required = ("taskUUID", "operation")
        problems = list(checks.check_fields("", fields, _CHECKS, required)) or list(_span(fields))
        if problems:
            reply.refuse(self.task, problems)
            return
        self.ledger.count("account_queries")
        names = {key: fields[key] for key in ("taskType", "taskUUID", "operation")}
        with self.ledger.reading() as ledger:
            if fields["operation"] == "getDetails":
                reply.data.append(names | _details(ledger, self.board.current))
            else:
                reply.data.append(names | _usage(ledger, fields))


def _details(ledger: Ledger, settings: Settings) -> Item:
    amount = float(ledger.balance(settings.balance))
    balance: object = {"amount": amount, "freeBalance": 0, "currency": "USD"}
    spent: Item = {
        "credits": items.dollars(ledger.totals.charged_nano),
        "requests": ledger.totals.purchases,
    }
    # The simulator was never younger than today.
    usage = dict.fromkeys(("today", "last7Days", "last30Days", "total"), spent)
    shown = {"balance": amount if settings.balance_form == "number" else balance}
    return _ORGANIZATION | shown | {"team": _TEAM, "apiKeys": _KEYS, "usage": usage}


def _usage(ledger: Ledger, fields: Item) -> Item:
    """Answer the three queries over time, whose real form is not documented."""
    today = dt.datetime.now(dt.UTC).date()
    start, end = _day(fields.get("startDate")) or today, _day(fields.get("endDate")) or today
    group: Item = {"date": today.isoformat(), "model": MODEL}
    groups = [group | one for one in _measured(ledger, str(fields["operation"]))]
    shown = groups if start <= today <= end else []
    return {"startDate": start.isoformat(), "endDate": end.isoformat(), "usage": {"groups": shown}}


def _measured(ledger: Ledger, operation: str) -> list[Item]:
    counts = ledger.counts
    if operation == "getUsageErrors":
        return [{"code": code, "count": number} for code, number in counts.failures.items()]
    if operation == "getUsagePerformance":
        seconds = round(counts.seconds / max(counts.finished, 1), 3)
        return [{"requests": counts.finished, "averageSeconds": seconds}]
    credit = items.dollars(ledger.totals.charged_nano)
    return [{"requests": ledger.totals.purchases, "credits": credit}]


def _day(value: object) -> dt.date | None:
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        return None


def _span(fields: Item) -> Errors:
    """Refuse a span of more than 30 days, or one that ends before it begins."""
    start, end = _day(fields.get("startDate")), _day(fields.get("endDate"))
    if start and end and not dt.timedelta(0) <= end - start <= _LONGEST_SPAN:
        yield checks.invalid("endDate", "must be within 30 days after startDate", type="string")
