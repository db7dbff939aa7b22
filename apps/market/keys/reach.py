"""How far a key with a policy reaches: plans and deployments made with it, and what the market shows to all.

Members, money, tokens and other keys are for people: whoever finds a key can't make another one with it.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.market.keys.policy import policy_of


class ReachOfKeys(BasePermission):
    """A view that keys reach says so: `reached_by_keys = True`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        policy = policy_of(request.auth)
        request.is_application = policy is not None  # type: ignore[attr-defined]  # for teams.reach.person_of
        if policy is None or getattr(view, "reached_by_keys", False):
            return True
        raise PermissionDenied(
            f"{policy} reaches plans, deployments and the market: use a member's token for this"
        )


def made_with(request: Request, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Of rows with a `key`, those that this request's key reaches: its own; a member's token reaches all."""
    return rows.filter(key=request.auth) if policy_of(request.auth) else rows
