"""Every switch of the simulator: what meets it, or why it says nothing to us."""

import re
from collections.abc import Mapping

import pytest
import requests
from simulator_driver import Simulator

from simulator.directives import PARSERS
from simulator.words import MODES

OFF, ALONE = "webhook=off", "poll=forever_empty"
"""No callback comes, so polls must do; polls never show it, so callbacks must."""
POLLS = ("empty", "pending", "progress", "each", "partial_text", "nostatus", "getResponse")
POLLED_ERRORS = ("empty", "each", "nostatus", "getResponse", "nested", "flat")
CALLBACKS = ("wrapped", "both", "list", "nostatus", "fields", "processing", "dup:3", "again:1")
CALLBACKS_LATE = ("delay:1", "jitter:1", "reverse", "tries:1")
REPLIES = ("shuffled", "duplicate", "foreign", "foreign_data", "nameless", "empty_errors")
REPLIES_MORE = ("no_data", "parameter_list", "details")

CALM: list[tuple[str, int]] = [
    *[(f"{OFF} poll={mode}", 2) for mode in POLLS],
    *[(f"{OFF} poll={mode} errors=1", 2) for mode in POLLED_ERRORS],
    *[(f"{OFF} poll={mode} fail=contentPolicyViolation", 1) for mode in ("nested", "flat")],
    *[(f"{OFF} poll={mode} fail=providerError*1", 1) for mode in ("nested", "flat")],
    *[(f"{ALONE} webhook={mode}", 2) for mode in CALLBACKS + CALLBACKS_LATE],
    *[(f"{ALONE} webhook={mode} errors=1", 2) for mode in ("nested", *CALLBACKS)],
    *[(f"{ALONE} webhook={mode} fail=promptBlocked", 1) for mode in ("nested", "both")],
    *[(f"{ALONE} webhook={mode} fail=providerError*1", 1) for mode in ("nested", "wrapped")],
    *[("webhook=skip:1", 2), ("webhook=skip:1,dup:2 errors=1", 3)],
    *[("identical", 3), (f"{OFF} identical", 4)],
    *[("text=hostile", 2), ("text=empty", 1), (f"{OFF} text=empty", 2), ("huge=200000", 1)],
    *[(f"finish={reason}", 2) for reason in ("length", "content_filter", "unknown")],
    *[(f"thoughts={form}", 1) for form in ("none", "signature", "string")],
    *[
        ("unknown_field", 1),
        ("index", 2),
        ("index=never", 2),
        ("index=many", 3),
        ("index=always", 1),
    ],
    *[("fail=contentPolicyViolation", 1), ("fail=providerError*1", 2), ("fail=timeoutProvider", 1)],
    *[
        ("errors=2", 4),
        ("one_error fail=timeoutProvider*1", 3),
        ("one_error fail=promptBlocked", 2),
    ],
    *[("bill_failed fail=promptBlocked", 1), ("fail=somethingNew*1", 1)],
    *[("latency=0.5-1.0", 2), ("retention=60", 1), ("retention=60 expired=taskExpired", 1)],
    *[("retention=60 expired=as_unknown remember=running", 1)],
    *[("ack=processing", 1), ("ack=final", 2), (f"ack=final {OFF} errors=1", 2)],
]
"""Directives and numberResults of tasks that let the others of their requests in peace."""

STORM: list[tuple[str, int]] = [
    *[(f"{OFF} reply={mode}", 2) for mode in REPLIES + REPLIES_MORE],
    *[(f"{OFF} reply={mode} errors=1", 2) for mode in ("shuffled", "duplicate", "foreign")],
    *[("reply=duplicate index=never", 2), (f"{OFF} reply=duplicate identical", 3)],
    *[("ack=lost", 1), (f"ack=lost remember=never {OFF}", 2), ("ack=lost remember=running", 1)],
    *[("ack=500", 1), ("ack=html:502", 2), (f"ack=html:200 {OFF} remember=forever", 1)],
    *[("ack=unnamed", 1), (f"ack=unnamed {OFF} remember=never", 2), ("ack=late:0.5", 1)],
    *[("drop=before*1", 1), (f"drop=before*2 {OFF}", 1)],
    *[
        (f"transfer={mode} {OFF}", 1)
        for mode in ("gzip", "chunked", "slow:0.3", "slow_headers:0.3")
    ],
    *[("transfer=cut", 1), ("", 1), (OFF, 3)],
]
"""Those whose directives strike whole requests, and all that are in them."""

STATUSES: list[tuple[str, int]] = [
    *[(f"refuse=concurrentRequestLimitExceeded*2 status={code}", 1) for code in (200, 400, 429)],
    *[("refuse=rateLimitExceeded*1 retry_after=1 status=429", 1)],
    *[("refuse=concurrentRequestLimitExceeded*1 retry_after=date:1", 1)],
    *[("refuse=invalidValue", 1), ("refuse=internalServerError*1 status=500", 1)],
    *[("refuse=timeoutProvider*1 status=504", 1), ("refuse=somethingNew*1", 1)],
    *[(f"{OFF} fail=promptBlocked status={code}", 1) for code in (200, 400, 429, 500)],
    *[(f"{OFF} errors=1 status=400", 2), ("", 1), (OFF, 1)],
]
"""Refusals, and HTTP statuses that speak of one task and stand over the answer to all."""

PLAIN = [("", 1), (OFF, 2), ("errors=1", 2), (f"{OFF} fail=promptBlocked", 1)]
LOST = [*PLAIN, ("ack=lost", 1), ("drop=before*1", 1)]

Service = tuple[dict[str, object], list[tuple[str, int]]]

SERVICE: dict[str, Service] = {
    "a small body": ({"max_body": 1500}, PLAIN * 2),
    "one task to a request": ({"max_tasks": 1}, PLAIN),
    "few polls": ({"max_submissions": 2, "max_polls": 1}, PLAIN),
    "room for two": (
        {"capacity": 2, "latency": "0.1-0.3", "retry_after": "1"},
        [*PLAIN, ("", 1), (OFF, 1)],
    ),
    "forgetful": (
        {"remember": "never", "unknown": "taskNotFound", "index": "never", "error_status": 400},
        LOST,
    ),
    "in two minds": (
        {"remember": "running", "unknown": "taskFailedOrNotFound", "index": "always"}
        | {"retention": 60, "expired": "taskExpired", "error_status": 200},
        LOST,
    ),
    "by the book": (
        {"remember": "forever", "unknown": "empty", "index": "many", "bill_failed": True}
        | {"retention": 60, "expired": "as_unknown", "uuids": "v7", "media_check": "known"}
        | {"data_uris": "all"},
        PLAIN,
    ),
    "odd answers": (
        {"poll": "progress,each,nostatus", "reply": "shuffled,details", "transfer": "gzip,chunked"}
        | {"webhook": "wrapped,dup:2", "media_check": "off"},
        [("", 2), ("errors=1", 2), ("fail=promptBlocked", 1)],
    ),
    "fewer fields": ({"unsupported": "includeUsage"}, [("", 1), (OFF, 2)]),
    "impatient callbacks": (
        {"webhook_tries": 2, "webhook_deadline": 0.001, "directives": "latency=0.5 index"},
        [("", 2), ("", 1), ("errors=1", 3)],
    ),
}
"""Settings of the whole service that are met together, and the tasks that meet them."""

PAUSES: list[dict[str, object]] = [
    {"reject_key": True},
    {"api_key": "rw-another"},
    {"insufficient_credits": True},
    {"balance_enforced": True, "balance": 0},
    *({"outage": status} for status in ("302", "401", "402", "429")),
]
"""Settings under which nothing can be bought."""

SENT = ("hang", "refuse", "html", "garbage", "500", "503")
"""Outages that leave open whether a submission was taken."""
READ = (*SENT, "302", "404", "429", "504")

MERGED: dict[str, Service] = {
    "narrow": (
        {"max_body": 1500, "max_tasks": 3, "max_submissions": 2, "max_polls": 1}
        | {"capacity": 2, "latency": "0.1-0.3", "retry_after": "1", "media_check": "off"}
        | {"unsupported": "includeUsage"},
        PLAIN,
    ),
    "forgetful": SERVICE["forgetful"],
    "in two minds": SERVICE["in two minds"],
    "odd": (
        {"remember": "forever", "unknown": "empty", "index": "many", "bill_failed": True}
        | {"retention": 60, "expired": "as_unknown", "uuids": "v7", "media_check": "known"}
        | {"data_uris": "all", "poll": "progress,each,nostatus", "reply": "shuffled,details"}
        | {"transfer": "gzip,chunked", "webhook": "wrapped,dup:2", "webhook_tries": 2}
        | {"webhook_deadline": 0.001, "directives": "latency=0.5"},
        [("", 2), ("errors=1", 2), ("fail=promptBlocked", 1)],
    ),
}
"""The same settings in fewer groups, for the suite; `make long` meets them apart."""

ELSEWHERE = (
    "outage_scope=all outage_scope=submissions outage_scope=polls outage_every=2 "
    "media_check=strict drop=before"
)
"""What tests of their own set."""

NOT_OURS = {
    "host port": "where it listens",
    "auth_item": "our key goes in the header",
    "uuids=v4 data_uris=images": "the defaults, under which all the others are met",
    "sync_limit sync_timeout sync_webhook sync_status": "no job is submitted as sync",
    "stream stream_ping": "no job is submitted as a stream",
    "balance_form": "the account is not asked",
    "dry_run": "no job is a dry run",
    "media_delay media_max media_retention media_fail": "jobs upload nothing",
    "journal": "test_simulated_life.py: it cannot be changed while the simulator runs",
    "details_limit details_errors": "the details of tasks are not asked for",
}
"""Switches and values that have no meaning for our jobs, with the reason."""


def words_of(text: str) -> set[str]:
    """Return the names and values in directives: of `a=b,c:1` a, a=b and a=c."""
    found: set[str] = set()
    for word in text.split():
        name, _, values = word.partition("=")
        found |= {name, *(f"{name}={re.split('[:*]', value)[0]}" for value in values.split(","))}
    return found


def thinned(*tables: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return as many rows as it takes to meet every word of these tables."""
    seen: set[str] = set()
    kept = []
    for words, width in (row for table in tables for row in table):
        if not words_of(words) <= seen:
            kept.append((words, width))
            seen |= words_of(words)
    return kept


def met(service: Mapping[str, Service] = SERVICE) -> set[str]:
    """Return all that some test meets, as words."""
    rows = [*CALM, *STORM, *STATUSES, *PLAIN, *LOST, *(r for _, rs in service.values() for r in rs)]
    changes = [*(change for change, _ in service.values()), *PAUSES]
    changed = [f"{name}={value}" for change in changes for name, value in change.items()]
    outages = [f"outage={kind}" for kind in READ]
    return words_of(" ".join([*(words for words, _ in rows), *changed, *outages, ELSEWHERE]))


def left_out() -> set[str]:
    return words_of(" ".join(NOT_OURS))


def values_of(name: str, simulator: Simulator) -> list[str]:
    """Return the words a setting takes, as the simulator tells whoever sets another."""
    url = f"{simulator.base}/truth/settings"
    told = requests.post(url, json={name: "?"}, timeout=5).json().get("error", "")
    found = re.search(r"expected (?:one of )?(\w+(?:, \w+)+?)(?:, not| or a status)", told)
    return found[1].split(", ") if found else []


def test_every_setting_and_every_word_it_takes_is_met_or_listed_with_its_reason(
    simulator: Simulator,
) -> None:
    known = simulator.truth("/settings")
    assert set(known) <= met() | left_out()
    values = {f"{name}={v}" for name in known for v in values_of(name, simulator)}
    assert len(values) > 20
    assert {v for v in values if v.split("=")[0] not in left_out()} <= met() | left_out()


def test_every_directive_is_met_or_listed_with_its_reason() -> None:
    assert set(PARSERS) <= met() | left_out()


@pytest.mark.parametrize("switch", sorted(set(MODES) - left_out()))
def test_every_mode_is_met(switch: str) -> None:
    assert {f"{switch}={mode}" for mode in set.union(*MODES[switch])} <= met()


def test_the_suite_meets_all_that_the_long_tests_meet() -> None:
    assert {word for word in met() - met(MERGED) if not word.split("=")[1].isdigit()} == set()
    for tables in ((CALM,), (STORM, STATUSES)):
        words = [words for table in tables for words, _ in table]
        assert words_of(" ".join(w for w, _ in thinned(*tables))) == words_of(" ".join(words))


def test_nothing_that_is_met_is_listed_as_none_of_ours() -> None:
    assert not met() & left_out() - {"uuids", "data_uris"}
