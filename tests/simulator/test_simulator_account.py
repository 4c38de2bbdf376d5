import datetime as dt
from typing import Any

import pytest
from simulator_driver import Simulator, codes, task, utility


def account(operation: str = "getDetails", **fields: object) -> dict[str, Any]:
    return utility("accountManagement", operation=operation, **fields)


def test_the_balance_goes_down_by_what_was_charged(simulator: Simulator) -> None:
    simulator.change(balance="1.5")
    simulator.result(task())
    (details,) = simulator.ask(account())["data"]
    charged = simulator.totals()["charged_nano"]
    assert details["balance"] == {
        "amount": (1_500_000_000 - charged) / 1e9,
        "freeBalance": 0,
        "currency": "USD",
    }
    assert details["usage"]["today"] == {"credits": charged / 1e9, "requests": 1}
    simulator.change(balance_form="number")
    (older,) = simulator.ask(account())["data"]
    assert older["balance"] == details["balance"]["amount"]


def test_keys_are_masked_and_nobody_real_is_in_the_team(simulator: Simulator) -> None:
    (details,) = simulator.ask(account())["data"]
    assert all("****" in key["apiKey"] for key in details["apiKeys"])
    assert all(one["email"].endswith(".invalid") for one in details["team"])


def test_a_spent_balance_refuses_submissions_when_enforced(simulator: Simulator) -> None:
    simulator.change(balance="0.01")
    simulator.result(task())
    assert simulator.ask(task())["data"]
    simulator.change(balance_enforced=True)
    answer = simulator.send([task()])
    assert (answer.status_code, codes(answer.json())) == (402, ["insufficientCredits"])
    assert simulator.ask(account())["data"][0]["balance"]["amount"] < 0


def test_usage_is_told_by_activity_performance_and_errors(simulator: Simulator) -> None:
    simulator.ask(task(), task("[[sim: fail=providerError]]"), task(seed=-1))

    def groups(operation: str, **fields: object) -> list[dict[str, Any]]:
        (item,) = simulator.ask(account(operation, **fields))["data"]
        shown: list[dict[str, Any]] = item["usage"]["groups"]
        return shown

    (activity,) = groups("getUsageActivity")
    assert (activity["requests"], activity["credits"]) == (
        2,
        simulator.totals()["charged_nano"] / 1e9,
    )
    assert groups("getUsagePerformance")[0]["requests"] == 2
    counts = {one["code"]: one["count"] for one in groups("getUsageErrors")}
    assert counts == {"providerError": 1, "invalidSeed": 1}
    assert groups("getUsageActivity", startDate="2020-01-01", endDate="2020-01-30") == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"operation": "spend"}, "invalidOperation"),
        ({"startDate": "yesterday"}, "invalidStartDate"),
        ({"startDate": "2026-01-01", "endDate": "2026-02-01"}, "invalidEndDate"),
        ({"startDate": "2026-01-02", "endDate": "2026-01-01"}, "invalidEndDate"),
        ({"groupBy": ["hour"]}, "invalidGroupBy"),
        ({"timezone": "Moon/Base"}, "invalidTimezone"),
    ],
)
def test_a_query_outside_its_limits_is_refused(
    simulator: Simulator, fields: dict[str, Any], code: str
) -> None:
    answer = simulator.send([account("getUsageActivity") | fields])
    assert (answer.status_code, codes(answer.json())) == (400, [code])


def test_a_span_of_thirty_days_is_allowed(simulator: Simulator) -> None:
    today = dt.datetime.now(dt.UTC).date()
    span = {"startDate": str(today - dt.timedelta(days=30)), "endDate": str(today)}
    (item,) = simulator.ask(account("getUsageActivity", groupBy=["date"], timezone="UTC", **span))[
        "data"
    ]
    assert (item["startDate"], item["endDate"]) == (span["startDate"], span["endDate"])
