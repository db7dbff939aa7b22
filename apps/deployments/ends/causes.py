"""Whose room is too small when the money of a deployment ends, for that decides what helps."""

from __future__ import annotations

from decimal import Decimal

from django.db import models

from apps.billing.budgets.capping import counted_now
from apps.billing.models import BudgetCap, CapState


class ShortOf(models.TextChoices):
    CAP = "cap", "its cap is raised"
    """The budget has it; the deployment may not take so much."""
    BUDGET = "budget", "somebody pays in"
    BOTH = "both", "somebody pays in and its cap is raised"


def short_of(cap: BudgetCap) -> ShortOf | None:
    """None while it is funded, and once the money is there again."""
    return whose_room(cap) if cap.state in {CapState.ENDING, CapState.ASKED} else None


def whose_room(cap: BudgetCap) -> ShortOf | None:
    """Is too small for what it needs, be that to go on or to take back what was let go.

    That comes after what others of its budget need; nothing else does.
    """
    left = None if cap.limit_glm is None else cap.limit_glm - counted_now(cap)
    available_glm = cap.budget.available_glm - cap.beside_glm
    return cause(needed_glm=cap.needed_glm, cap_left_glm=left, available_glm=available_glm)


def cause(*, needed_glm: Decimal, cap_left_glm: Decimal | None, available_glm: Decimal) -> ShortOf | None:
    """Pure."""
    cap_is_short = cap_left_glm is not None and cap_left_glm < needed_glm
    if available_glm < needed_glm:
        return ShortOf.BOTH if cap_is_short else ShortOf.BUDGET
    return ShortOf.CAP if cap_is_short else None
