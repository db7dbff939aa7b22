"""Which levels a budget has: the usual ones when it opens, then what its team sets."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from apps.billing.alerts.models import MOST_HOURS, MOST_PERCENT, AlertKind, AlertLevel
from apps.billing.budgets.models import Budget
from apps.teams.audit import Actor, AuditLine

USUAL = ((AlertKind.USED, 80), (AlertKind.USED, 95), (AlertKind.RUNWAY, 24))
MOST_LEVELS = 20
"""Of a budget."""
BOUNDS = {AlertKind.USED: (MOST_PERCENT, "percent used"), AlertKind.RUNWAY: (MOST_HOURS, "hours left")}


class AlertRefused(ValueError):
    """Its text is for the team."""


def set_usual_levels(budget: Budget) -> None:
    """For a budget that opens."""
    AlertLevel.objects.bulk_create(
        [AlertLevel(budget=budget, kind=kind, level=level) for kind, level in USUAL], ignore_conflicts=True
    )


@transaction.atomic
def add_level(*, budget: Budget, kind: str, level: int, actor: Actor) -> AlertLevel:
    """Raises AlertRefused."""
    most, words = BOUNDS[AlertKind(kind)]
    if not 1 <= level <= most:
        raise AlertRefused(f"{words}: expected a whole number from 1 to {most}, got {level}")
    Budget.objects.select_for_update(no_key=True).get(pk=budget.pk)
    if AlertLevel.objects.filter(budget=budget).count() >= MOST_LEVELS:
        raise AlertRefused(f"a budget has at most {MOST_LEVELS} alerts: remove one of them first")
    try:
        with transaction.atomic():
            made = AlertLevel.objects.create(budget=budget, kind=kind, level=level)
    except IntegrityError:
        raise AlertRefused(f"there is an alert at {level} {words} already") from None
    AuditLine.write(made, before="", after="set", actor=actor, reason="")
    return made


@transaction.atomic
def remove_level(level: AlertLevel, *, actor: Actor) -> None:
    AuditLine.write(level, before="set", after="removed", actor=actor, reason="")
    level.delete()
