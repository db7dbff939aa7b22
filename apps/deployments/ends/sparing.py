"""What a deployment may have more of without taking it from what runs, its own and that of others.

Whatever is about to start is reckoned with two leases, as what comes back is: whether nothing, its first or
both of them are held by now, the rest is as much.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db.models import FloatField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from apps.billing.budgets.capping import counted_now
from apps.billing.budgets.key_limits import RUNS
from apps.billing.models import BudgetCap, CapState, Hold
from apps.deployments import funding
from apps.deployments.ends.causes import ShortOf, short_of
from apps.deployments.ends.lacking import STARTS, WITHOUT_MONEY, Lack, lacks_without_money, needed_by, wanted
from apps.deployments.ends.moving import SHORT
from apps.deployments.models import Deployment, Wanted
from apps.deployments.replicas import Replica
from apps.money import ZERO

LEASES = 2
"""So many of a replica must be there before it starts: its first, and one more whole one."""


def spare_glm(cap: BudgetCap, *, own_glm: Decimal, others_glm: Decimal) -> Decimal:
    """Beyond what it needs itself, and what others of its budget do. May be < 0."""
    of_budget_glm = cap.budget.available_glm - others_glm - own_glm
    if cap.limit_glm is None:
        return of_budget_glm
    return min(of_budget_glm, cap.limit_glm - counted_now(cap) - own_glm)


def own_glm(deployment: Deployment, lacks: Collection[Lack]) -> Decimal:
    """One more lease of all that runs; what is held counts for the lease that it has. And what starts."""
    runs_glm = sum((each.needed_glm + each.left_glm for each in lacks if each.runs), ZERO)
    placed = Hold.objects.filter(RUNS, cap=deployment.cap_id, agreement=None)
    starting = wanted().filter(service__deployment=deployment, state__in=STARTS | WITHOUT_MONEY)
    waits_glm = needed_by(lacks_without_money(starting.select_related("service")))
    return runs_glm + _leases_glm(placed) + LEASES * waits_glm


def others_glm(cap: BudgetCap) -> Decimal:
    """What others of its budget are short of, or start with, and one more lease of all that they run."""
    runs = Hold.objects.filter(RUNS, budget=cap.budget_id).exclude(cap=cap.pk)
    return _short_glm(cap) + _starts_glm(cap) + _leases_glm(runs)


def _short_glm(cap: BudgetCap) -> Decimal:
    short = BudgetCap.objects.filter(budget=cap.budget_id, state__in=SHORT).exclude(pk=cap.pk)
    rows = short.select_related("budget__team", "budget__available")
    return sum((each.needed_glm for each in rows if short_of(each) != ShortOf.CAP), ZERO)


def _starts_glm(cap: BudgetCap) -> Decimal:
    """Nothing is held for it yet; more than their caps leave they won't get."""
    starting = wanted().filter(
        state__in=STARTS,
        service__deployment__budget=cap.budget_id,
        service__deployment__wanted=Wanted.RUNNING,
        service__deployment__cap__state=CapState.FUNDED,
    )
    rows = starting.exclude(service__deployment__cap=cap.pk)
    replicas = list(rows.select_related("service__deployment__cap__budget"))
    needed: dict[UUID, Decimal] = defaultdict(Decimal)
    for replica, lack in zip(replicas, lacks_without_money(replicas), strict=True):
        needed[replica.service.deployment.cap_id] += LEASES * lack.needed_glm
    caps = {each.service.deployment.cap_id: each.service.deployment.cap for each in replicas}
    return sum((_at_most(caps[pk], needed_glm) for pk, needed_glm in needed.items()), ZERO)


def _at_most(cap: BudgetCap, needed_glm: Decimal) -> Decimal:
    return (
        needed_glm if cap.limit_glm is None else min(needed_glm, max(cap.limit_glm - counted_now(cap), ZERO))
    )


def _leases_glm(holds: QuerySet[Hold]) -> Decimal:
    """One lease of what each of them pays for, as long as its own leases are. In one query."""
    replicas = Replica.objects.filter(hold=OuterRef("pk"))
    lease_s = Cast(KeyTextTransform("lease_s", "spec"), FloatField())
    rows = holds.annotate(lease_s=Subquery(replicas.annotate(of=lease_s).values("of")[:1])).order_by()
    sums = rows.values_list("lease_s").annotate(all=Sum("per_hour_glm"))
    return sum((_lease_glm(per_hour_glm, seconds) for seconds, per_hour_glm in sums), ZERO)


def _lease_glm(per_hour_glm: Decimal, lease_s: float | None) -> Decimal:
    lease = timedelta(seconds=lease_s or settings.HIVE_LEASE_S)
    return funding.cost_glm(price_per_hour_glm=per_hour_glm, span=lease)
