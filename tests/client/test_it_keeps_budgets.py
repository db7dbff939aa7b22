"""`hive budget` and `hive status`: what there is, what may be taken of it, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, deployment, page

SOON = "2026-01-01T12:00:00Z"
RUNWAY = {"per_hour_glm": "1", "in_words": "lasts until Tuesday 14:00 UTC at today's rate"}


def cap(**fields: Any) -> dict[str, Any]:
    return {
        "limit_glm": "50",
        "per": "month",
        "used_glm": "12.5",
        "left_glm": "37.5",
        "at_end": "stop",
        "at_end_is_its_own": True,
        "state": "funded",
        "reason": "",
        "needed_glm": "0",
        "deadline_at": None,
    } | fields


def budget(**fields: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "team": "bakery",
        "name": "main",
        "available_glm": "9.5",
        "held_glm": "0.25",
        "spent_glm": "3",
        "credit_limit_glm": "20",
        "owed_glm": "1.5",
        "at_end": "ask",
        "runway": {"per_hour_glm": "1", "lasts_s": 35100.0, "lasts_until": SOON, "in_words": "lasts"},
        "wallets": [],
        "deposit": {},
    } | fields


def test_it_shows_what_there_is_and_what_each_may_take(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "budgets/", page(budget()))
    double.answers("GET", "deployments/", page(deployment(cap=cap())))
    out = hive("budget").stdout
    assert out.splitlines()[1].split()[:7] == ["bakery/main", "9.5", "0.25", "3", "1.5", "20", "ask"]
    assert out.splitlines()[4].split()[:6] == ["hello", "funded", "12.5", "50", "month", "stop"]
    said = json.loads(hive("budget", "-o", "json").stdout)
    assert (said["budgets"][0]["owed_glm"], said["caps"]["hello"]["left_glm"]) == ("1.5", "37.5")


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["50"], {"limit_glm": "50"}),
        (["50", "--per", "month", "--at-end", "stop"], {"limit_glm": "50", "per": "month", "at_end": "stop"}),
        (["--none"], {"limit_glm": None}),
        (["--at-end", "as-budget"], {"at_end": ""}),
    ],
)
def test_it_sets_a_cap(hive: Run, double: DoubleOfTheHive, words: list[str], asked: Any) -> None:
    double.answers("PATCH", "deployments/hello/budget/", (200, deployment(cap=cap())))
    assert "funded" in hive("budget", "cap", "hello", *words).stdout
    assert double.asked[-1][2] == asked


@pytest.mark.parametrize("words", [[], ["5", "--none"], ["-5"], ["NaN"], ["5", "--per", "week"]])
def test_it_asks_for_something_that_can_be(hive: Run, double: DoubleOfTheHive, words: list[str]) -> None:
    assert hive("budget", "cap", "hello", *words).exit_code == 2
    assert not double.asked


def test_it_chooses_the_end(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "budgets/", page(budget()))
    double.answers("PATCH", "budgets/7/", (200, budget(at_end="scale-down")))
    assert "scale-down" in hive("budget", "at-end", "scale-down").stdout
    assert double.asked[-1][2] == {"at_end": "scale-down"}
    double.answers("GET", "budgets/", page(budget(), budget(id=8)))
    several = hive("budget", "at-end", "stop")
    assert several.exit_code != 0
    assert "7 (bakery/main), 8 (bakery/main)" in several.stderr


@pytest.mark.parametrize(
    ("short_of", "remedy"),
    [
        ("cap", "it is too late: hive budget cap"),
        ("budget", "it is too late: hive wallet request"),
        ("both", "it is too late: hive wallet request, and hive budget cap"),
    ],
)
def test_status_tells_how_the_money_stands(
    hive: Run, double: DoubleOfTheHive, short_of: str, remedy: str
) -> None:
    short = cap(state="asked", needed_glm="0.25", deadline_at=SOON, short_of=short_of)
    told = deployment(cap=short, runway=RUNWAY, reason="its money has ended: hello may take 50 GLM")
    double.answers("GET", "deployments/hello/", (200, told))
    lines = hive("status", "hello").stdout.splitlines()
    assert lines[0] == "hello: healthy, its money has ended: hello may take 50 GLM"
    assert lines[1].startswith("  web: 3 of 3 healthy")
    assert lines[3:5] == [
        "  its money lasts until Tuesday 14:00 UTC at today's rate",
        "  money: asked; 12.5 GLM held or spent of at most 50 GLM a month; at the end: stop",
    ]
    assert lines[5].startswith("  one more lease takes 0.25 GLM; ") and lines[5].endswith(remedy)


def test_status_tells_what_was_let_go(hive: Run, double: DoubleOfTheHive) -> None:
    gone = {"replicas_taken": 2, "taken_at": "2026-01-01T12:00:00Z", "taken_by": "queen:budgets"}
    reason = "2 replicas of web let go for want of money: the next comes back by itself"
    web = deployment()["services"][0] | gone
    double.answers("GET", "deployments/hello/", (200, deployment(reason=reason, services=[web], cap=cap())))
    first, second, *_ = hive("status", "hello").stdout.splitlines()
    assert first == f"hello: healthy, {reason}"
    assert second.startswith("  web: 3 of 3 healthy, 2 let go ") and "for want of money, http" in second


def test_status_tells_why_it_was_stopped_and_what_has_no_cap(hive: Run, double: DoubleOfTheHive) -> None:
    ended = {"wanted": "stopped", "status": "stopped", "reason": "its money has ended: hello may take 50 GLM"}
    nothing = {"per_hour_glm": "0", "in_words": "nothing is spent now"}
    free = cap(limit_glm=None, per="in all", left_glm=None, state="ended")
    double.answers("GET", "deployments/hello/", (200, deployment(**ended, cap=free, runway=nothing)))
    lines = hive("status", "hello").stdout.splitlines()
    assert lines[0] == "hello: stopped, its money has ended: hello may take 50 GLM"
    assert lines[3:] == [
        "  nothing is spent now",
        "  money: ended; 12.5 GLM held or spent, without a cap; at the end: stop",
    ]


def test_start_fails_with_the_reason_when_the_money_ends_at_once(hive: Run, double: DoubleOfTheHive) -> None:
    begun = deployment(status="waiting", cap=cap())
    ended = deployment(
        wanted="stopped", status="stopped", reason="its money has ended: hello may take 50 GLM"
    )
    double.answers("POST", "deployments/hello/start/", (200, begun))
    double.answers("GET", f"deployments/{begun['id']}/", (200, begun), (200, ended))
    double.answers("GET", f"deployments/{begun['id']}/replicas/", (200, []))
    result = hive("start", "hello")
    assert result.exit_code == 6
    assert result.stderr.endswith("Error: hello: its money has ended: hello may take 50 GLM\n")
