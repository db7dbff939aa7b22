"""Plans that nobody applied are forgotten after a month; those that were applied are kept, to be compared."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from apps.deployments.models import Plan

KEPT = timedelta(days=30)
AT_ONCE = 1000
"""A plan of a thousand replicas has half a megabyte."""


def forget_plans() -> int:
    """Returns how many; what is left of a large heap goes the next time."""
    old = Plan.objects.filter(applied_at=None, deployment=None, created_at__lt=timezone.now() - KEPT)
    return Plan.objects.filter(pk__in=old.order_by("created_at").values("pk")[:AT_ONCE]).delete()[0]
