"""An applied plan beside what became of it: the price that was agreed, the time that ran, what was paid.

Counted is what ran under the plan: from its application until the next plan of the same deployment was
applied. Replicas that were replaced meanwhile count with all the agreements that they had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q, Sum

from apps.billing.metering.dating import counts_after, counts_until
from apps.billing.models import UsageRecord, UsageState
from apps.deployments.models import Assignment, Plan
from apps.market.models import Agreement
from apps.money import ZERO, round_glm

MS_PER_HOUR = 3_600_000


class NotApplied(ValueError):
    """There is nothing to set beside such a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was rated of one agreement."""

    running_ms: int = 0
    cost_glm: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaPaid:
    """One replica of the plan. Prices are per hour, with every thread busy."""

    replica: str
    planned_price_per_hour_glm: Decimal | None
    """None: the plan found no place for it."""
    agreed_price_per_hour_glm: Decimal | None
    """Of its newest agreement; None: there was none."""
    agreements: list[Agreement]
    """In the order they were made."""
    ran_ms: int
    planned_glm: Decimal
    """What the plan's prices make of the time that it ran: the most that it said."""
    paid_glm: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """`until` is None while the plan is the newest that was applied."""

    since: datetime
    until: datetime | None
    replicas: list[ReplicaPaid]

    @property
    def planned_price_per_hour_glm(self) -> Decimal:
        return _sum(each.planned_price_per_hour_glm for each in self.replicas)

    @property
    def agreed_price_per_hour_glm(self) -> Decimal:
        return _sum(each.agreed_price_per_hour_glm for each in self.replicas)

    @property
    def planned_glm(self) -> Decimal:
        return _sum(each.planned_glm for each in self.replicas)

    @property
    def paid_glm(self) -> Decimal:
        return _sum(each.paid_glm for each in self.replicas)


def actual_of(plan: Plan) -> Actual:
    """Three queries. Raises NotApplied."""
    if plan.deployment_id is None or plan.applied_at is None:
        raise NotApplied(f"{plan} was not applied: there is nothing to set beside it")
    since, until = plan.applied_at, _superseded_at(plan)
    kept = [UUID(one["agreement_id"]) for one in plan.placements if one.get("stays")]
    made = _agreements(plan, kept, since=since, until=until)
    begun = {each.pk for agreed in made.values() for each in agreed}.difference(kept)
    usage = _usage(begun=begun, kept=kept, since=since, until=until)
    return Actual(
        since=since,
        until=until,
        replicas=[_paid(one, made[one["replica"]], usage) for one in plan.placements],
    )


def _superseded_at(plan: Plan) -> datetime | None:
    later = Plan.objects.filter(deployment=plan.deployment_id, applied_at__gt=plan.applied_at)
    return later.order_by("applied_at").values_list("applied_at", flat=True).first()


def _agreements(
    plan: Plan, kept: Collection[UUID], *, since: datetime, until: datetime | None
) -> Mapping[str, list[Agreement]]:
    """Those that each replica worked under, by its name."""
    begun = Q(created_at__gte=since) & (Q(created_at__lt=until) if until else Q())
    found = Assignment.objects.filter(
        begun | Q(agreement__in=kept), replica__service__deployment=plan.deployment_id
    ).select_related("replica__service", "agreement__node")
    made = defaultdict[str, list[Agreement]](list)
    for assignment in found.order_by("created_at"):
        made[assignment.replica.name].append(assignment.agreement)
    return made


def _usage(
    *, begun: Collection[UUID], kept: Collection[UUID], since: datetime, until: datetime | None
) -> Mapping[UUID, Usage]:
    """Dated as invoices date it. All of an agreement that was begun under the plan came after that, however
    its Bee dates it; of one that was kept it is what came later.
    """
    rated = UsageRecord.objects.filter(
        Q(agreement__in=begun) | Q(agreement__in=kept) & counts_after(since), state=UsageState.POSTED
    )
    if until is not None:
        rated = rated.filter(counts_until(until))
    sums = rated.order_by().values("agreement").annotate(ran=Sum("billed_running_ms"), cost=Sum("cost_glm"))
    return {row["agreement"]: Usage(running_ms=row["ran"] or 0, cost_glm=row["cost"] or ZERO) for row in sums}


def _paid(
    planned: Mapping[str, Any], agreements: list[Agreement], usage: Mapping[UUID, Usage]
) -> ReplicaPaid:
    used = [usage[each.pk] for each in agreements if each.pk in usage]
    ran_ms = sum(each.running_ms for each in used)
    text = planned["price_per_hour_glm"]
    price = None if text is None else Decimal(text)
    started = Decimal(planned.get("start_glm") or 0) if used else ZERO
    return ReplicaPaid(
        replica=planned["replica"],
        planned_price_per_hour_glm=price,
        agreed_price_per_hour_glm=agreements[-1].price_per_hour_glm if agreements else None,
        agreements=agreements,
        ran_ms=ran_ms,
        planned_glm=round_glm(started + (price or ZERO) * ran_ms / MS_PER_HOUR),
        paid_glm=sum((each.cost_glm for each in used), ZERO),
    )


def _sum(amounts: Any) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), ZERO)
