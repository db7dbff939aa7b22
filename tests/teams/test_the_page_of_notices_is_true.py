"""docs/notices.md names what teams are told of, as the code does."""

from __future__ import annotations

import re
from pathlib import Path

from apps.billing.alerts.crossing import HOURS_ABOVE, PERCENT_BELOW
from apps.billing.alerts.levels import USUAL
from apps.teams.notices.managing import MOST_WAITING, TESTED_FOR
from apps.teams.notices.posting import TIME_S
from apps.teams.notices.sending import OF_ONE_TEAM

PAGE = (Path(__file__).parents[2] / "docs/notices.md").read_text()
APPS = Path(__file__).parents[2] / "apps"
TO_OTHERS = {"treasury", "dispute", "proof", "chain", "payment", "approval"}
"""Told to operators and owners of Bees, not to teams."""


def kinds_in_code() -> set[str]:
    """Words such as `invoice.overdue` that are given as a kind, by a constant or in place."""
    word = r'f?"([a-z_]+\.[a-z_{}.]+)"'
    found: set[str] = set()
    for text in (path.read_text() for path in APPS.rglob("*.py")):
        found |= set(re.findall(rf"kind={word}", text))
        for name in {"KIND", *re.findall(r"kind=([A-Z_]+)\b", text)}:
            found |= set(re.findall(rf"\b{name} = {word}", text))
    levels = {f"budget.{kind}" for kind, _ in USUAL} if "budget.{level.kind}" in found else set()
    return {kind for kind in found if "{" not in kind} | levels


def test_it_names_every_kind_that_teams_are_told_of() -> None:
    listed = set(re.findall(r"^\| `([a-z_.]+)` \|", PAGE, re.M))
    ours = {kind for kind in kinds_in_code() if kind.partition(".")[0] not in TO_OTHERS}
    assert listed == ours


def test_its_figures_are_those_of_the_code() -> None:
    levels = "80 and 95 % used, and less than 24 hours left"
    assert [level for _, level in USUAL] == [int(number) for number in re.findall(r"\d+", levels)]
    assert levels in PAGE
    assert f"{PERCENT_BELOW} points fewer" in PAGE
    assert f"{HOURS_ABOVE} times as long" in PAGE
    assert f"within {TIME_S:g} seconds" in PAGE
    assert OF_ONE_TEAM == 4 and "Of one team four are sent at once" in PAGE
    assert TESTED_FOR.total_seconds() == 60 and "is tried for a minute" in PAGE
    assert f"to where {MOST_WAITING} notices wait" in PAGE
