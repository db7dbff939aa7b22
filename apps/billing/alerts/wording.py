"""What an alert says, to people and to programs."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from apps.billing.alerts.models import AlertKind, AlertLevel
from apps.billing.alerts.standing import Standing
from apps.money import plain, round_glm


def subject_of(level: AlertLevel, standing: Standing) -> str:
    if level.kind == AlertKind.USED:
        return f"Budget {level.budget}: {standing.percent_used:.0f} % are used"
    return f"Budget {level.budget} {standing.runway.in_words}"


def text_of(level: AlertLevel, standing: Standing) -> str:
    runway = standing.runway
    asked = f"{level.level} % used" if level.kind == AlertKind.USED else f"less than {level.level} hours left"
    return (
        f"{plain(standing.used_glm)} GLM of {plain(standing.whole_glm)} GLM were used since the latest"
        f" top-up, {plain(runway.money_glm)} GLM are left: {runway.in_words}"
        f" ({plain(round_glm(runway.per_hour_glm))} GLM an hour).\n\n"
        f"Your team wanted to know at {asked}. Pay in, or have less run:\n"
        f"{settings.HIVE_PORTAL_URL}/teams/{level.budget.team.slug}/billing/\n"
    )


def data_of(level: AlertLevel, standing: Standing) -> dict[str, Any]:
    """Amounts as strings, exact."""
    runway = standing.runway
    return {
        "budget": level.budget.name,
        "alert": {"kind": level.kind, "level": level.level},
        "percent_used": f"{standing.percent_used:.2f}",
        "used_glm": plain(standing.used_glm),
        "left_glm": plain(runway.money_glm),
        "per_hour_glm": plain(runway.per_hour_glm),
        "lasts_s": None if runway.lasts_s is None else int(runway.lasts_s),
        "lasts_until": runway.until,
    }
