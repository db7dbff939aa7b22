"""Crossing levels: each is told of once, and armed again when the money is well above it.

Well above, so that a budget that hovers at a level does not tell of it each minute.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.billing.alerts.models import AlertKind, AlertLevel
from apps.billing.alerts.standing import Standing, readings_of, remember_top_ups
from apps.billing.alerts.wording import data_of, subject_of, text_of
from apps.billing.budgets.models import Budget
from apps.teams.notices.notifying import notify

log = logging.getLogger("hive.billing")

PERCENT_BELOW = 5
"""A level of percents is armed again when so many fewer are used."""
HOURS_ABOVE = Decimal("1.2")
"""A level of hours is armed again when the money lasts so many times as long."""


def is_crossed(kind: str, level: int, standing: Standing) -> bool:
    """Pure."""
    if kind == AlertKind.USED:
        return standing.percent_used >= level
    lasts_s = standing.runway.lasts_s
    return lasts_s is not None and lasts_s < level * 3600


def is_well_above(kind: str, level: int, standing: Standing) -> bool:
    """Pure. What runs out tomorrow does not last longer because all of it was stopped."""
    if kind == AlertKind.USED:
        return standing.percent_used < max(Decimal(level - PERCENT_BELOW), Decimal("0.5"))
    lasts_s = standing.runway.lasts_s
    return lasts_s is not None and lasts_s > level * 3600 * HOURS_ABOVE


def check_alerts() -> int:
    """Tell of each level that was crossed since the last look. Returns how many were crossed.

    However many budgets there are, a look costs a fixed number of queries, and one more for each change.
    """
    readings = readings_of(Budget.objects.filter(pk__in=AlertLevel.objects.values("budget")))
    remember_top_ups(readings)
    by_budget: dict[int, list[AlertLevel]] = defaultdict(list)
    for level in AlertLevel.objects.select_related("budget__team"):
        by_budget[level.budget_id].append(level)
    now = timezone.now()
    return sum(_look_or_log(pk, by_budget[pk], reading.standing, now=now) for pk, reading in readings.items())


def _look_or_log(budget_id: int, levels: Iterable[AlertLevel], standing: Standing, *, now: datetime) -> int:
    try:
        return _look(levels, standing, now=now)
    except Exception:  # one that fails holds up no other
        log.exception("the alerts of budget %s can't be looked at; it is tried again", budget_id)
        return 0


def _look(levels: Iterable[AlertLevel], standing: Standing, *, now: datetime) -> int:
    crossed = [one for one in levels if one.crossed_at is None and is_crossed(one.kind, one.level, standing)]
    for one in levels:
        if one.crossed_at is not None and is_well_above(one.kind, one.level, standing):
            AlertLevel.objects.filter(pk=one.pk, crossed_at=one.crossed_at).update(crossed_at=None)
    return len(_cross(crossed, standing, now=now)) if crossed else 0


@transaction.atomic
def _cross(levels: list[AlertLevel], standing: Standing, *, now: datetime) -> list[AlertLevel]:
    """Of two workers one claims a level. Several that are crossed at once are told of as one: the gravest."""
    armed = AlertLevel.objects.filter(crossed_at=None)
    claimed = [
        one
        for one in sorted(levels, key=lambda one: one.pk)
        if armed.filter(pk=one.pk, crossings=one.crossings).update(
            crossed_at=now, crossings=F("crossings") + 1
        )
        == 1
    ]
    for kind in AlertKind.values:
        if same := [one for one in claimed if one.kind == kind]:
            _tell(gravest(same), standing)
    return claimed


def gravest(levels: Iterable[AlertLevel]) -> AlertLevel:
    """Of one kind: the most percent, the fewest hours."""
    return max(levels, key=lambda one: one.level if one.kind == AlertKind.USED else -one.level)


def _tell(level: AlertLevel, standing: Standing) -> None:
    notify(
        team=level.budget.team,
        kind=f"budget.{level.kind}",
        subject=subject_of(level, standing),
        text=text_of(level, standing),
        data=data_of(level, standing),
    )
