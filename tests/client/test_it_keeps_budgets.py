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


def test_status_tells_how_the_money_stands(hive: Run, double: DoubleOfTheHive) -> None:
    short = cap(state="asked", reason="hello may take 50 GLM", needed_glm="0.25", deadline_at=SOON)
    told = deployment(cap=short, budget=7, reason="its money has ended: hello may take 50 GLM")
    double.answers("GET", "budgets/", page(budget(id=6), budget(runway=RUNWAY)))
    double.answers("GET", "deployments/hello/", (200, told))
    out = hive("status", "hello").stdout
    assert "hello: healthy, its money has ended: hello may take 50 GLM" in out
    assert "web: 3 of 3 healthy" in out
    assert "money: asked; 12.5 of 50 GLM month held or spent; at the end: stop" in out
    assert "  its budget lasts until Tuesday 14:00 UTC at today's rate" in out.splitlines()
    assert "0.25 GLM are needed for one more lease" in out
