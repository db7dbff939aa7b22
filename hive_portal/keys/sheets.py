"""A key with all that is shown of it: its policy, its spending and what was applied with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import QuerySet
from django.utils import timezone

from apps.billing.budgets.key_limits import KeySpend, spends_of
from apps.deployments.models import Deployment
from apps.market.models import KeyPolicy
from apps.teams.models import Team


@dataclass(frozen=True, slots=True)
class KeySheet:
    policy: KeyPolicy
    spend: KeySpend
    deployments: list[Deployment] = field(default_factory=list)
    """Applied with it last."""

    @property
    def state(self) -> str:
        """issued, expired or revoked."""
        token = self.policy.token
        if token.revoked_at is not None:
            return "revoked"
        return "expired" if token.expires_at <= timezone.now() else "issued"


def keys_of(teams: QuerySet[Team]) -> QuerySet[KeyPolicy]:
    """Newest first."""
    return KeyPolicy.objects.filter(token__team__in=teams).select_related("token__team", "token__user")


def sheets_of(policies: Collection[KeyPolicy]) -> list[KeySheet]:
    """In as many queries for many as for one."""
    ids = [policy.token_id for policy in policies]
    spends, deployments = spends_of(ids), defaultdict[int | None, list[Deployment]](list)
    for each in Deployment.objects.filter(key__in=ids).order_by("name"):
        deployments[each.key_id].append(each)
    return [
        KeySheet(policy=each, spend=spends[each.token_id], deployments=deployments[each.token_id])
        for each in policies
    ]
