"""What pages show of deployments: services, replicas, where each runs, what it costs; in few queries."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import CharField, Prefetch, Q, QuerySet, Sum
from django.db.models.functions import Cast
from django.utils import timezone

from apps.billing.budgets.runway import Runway
from apps.billing.models import EdgeTraffic, Hold
from apps.deployments.lasting import runways_for
from apps.deployments.models import Assignment, AssignmentState, Deployment, Replica, ReplicaState, Service
from apps.deployments.spread import group_of
from apps.deployments.status import DeploymentStatus, status_of
from apps.market.models import Agreement, Demand
from apps.money import ZERO
from apps.teams.audit import ROUTINE
from apps.teams.models import AuditLine

TRAFFIC_MINUTES = 30
TIMELINE_LINES = 25


@dataclass(frozen=True, slots=True)
class ReplicaSheet:
    """A replica and the assignment in force, if it has one."""

    replica: Replica
    assignment: Assignment | None

    @property
    def price_per_hour_glm(self) -> Decimal | None:
        return self.assignment.agreement.price_per_hour_glm if self.assignment else None

    @property
    def retry_at(self) -> datetime | None:
        """When it is looked at next; None for one that is settled or fine."""
        settled = self.replica.is_terminal or self.replica.state == ReplicaState.HEALTHY
        return None if settled or self.replica.retry_at <= timezone.now() else self.replica.retry_at

    @property
    def gives_up_at(self) -> datetime | None:
        return None if self.replica.state == ReplicaState.HEALTHY else self.replica.deadline_at

    @property
    def has_log(self) -> bool:
        """Where something runs, or tried to."""
        return self.assignment is not None

    @property
    def has_console(self) -> bool:
        return self.assignment is not None and self.replica.state in {
            ReplicaState.HEALTHY,
            ReplicaState.UNHEALTHY,
        }


@dataclass(frozen=True, slots=True)
class ServiceSheet:
    service: Service
    replicas: list[ReplicaSheet]

    @property
    def healthy(self) -> int:
        return sum(sheet.replica.state == ReplicaState.HEALTHY for sheet in self.replicas)

    @property
    def url(self) -> str | None:
        """Where it answers; None while no replica is healthy."""
        return self.service.url if self.healthy else None


@dataclass(frozen=True, slots=True)
class DeploymentSheet:
    deployment: Deployment
    services: list[ServiceSheet]
    runway: Runway

    @property
    def status(self) -> DeploymentStatus:
        return status_of(self.deployment)

    @property
    def replicas(self) -> list[ReplicaSheet]:
        return [replica for service in self.services for replica in service.replicas]

    @property
    def healthy(self) -> int:
        return sum(service.healthy for service in self.services)

    @property
    def wanted(self) -> int:
        return sum(service.service.replicas_wanted for service in self.services)

    @property
    def price_per_hour_glm(self) -> Decimal:
        return _cost_glm(self.services)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the edge carried for a deployment."""

    requests: int
    failed: int
    egress_bytes: int
    per_minute: list[int]


def sheets_of(deployments: QuerySet[Deployment]) -> list[DeploymentSheet]:
    active = Assignment.objects.filter(state=AssignmentState.ACTIVE).select_related("node", "agreement")
    replicas = Replica.objects.prefetch_related(Prefetch("assignments", active, to_attr="in_force"))
    services = Service.objects.prefetch_related(Prefetch("replicas", replicas))
    found = {
        each: [_service_sheet(service) for service in each.services.all()]
        for each in deployments.prefetch_related(Prefetch("services", services))
    }
    runways = runways_for({each: _cost_glm(sheets) for each, sheets in found.items()})
    return [DeploymentSheet(each, sheets, runways[each.pk]) for each, sheets in found.items()]


def sheet_of(deployment: Deployment) -> DeploymentSheet:
    rows = Deployment.objects.select_related("team", "created_by", "key", "cap__budget__available")
    return sheets_of(rows.filter(pk=deployment.pk))[0]


def _cost_glm(services: Iterable[ServiceSheet]) -> Decimal:
    """Per hour, of what runs."""
    return sum((each.price_per_hour_glm or ZERO for service in services for each in service.replicas), ZERO)


def _service_sheet(service: Service) -> ServiceSheet:
    shown = [replica for replica in service.replicas.all() if _is_shown(replica, service)]
    for replica in shown:
        replica.service = service
    return ServiceSheet(
        service, [ReplicaSheet(replica, next(iter(_in_force(replica)), None)) for replica in shown]
    )


def _in_force(replica: Replica) -> list[Assignment]:
    """What `sheets_of` has prefetched."""
    return replica.in_force  # type: ignore[attr-defined]


def _is_shown(replica: Replica, service: Service) -> bool:
    """A slot that was scaled away and has stopped is history: the timeline tells it."""
    return replica.index <= service.replicas_wanted or replica.state != ReplicaState.STOPPED


def events_of(deployment: Deployment, *, limit: int | None) -> QuerySet[AuditLine]:
    """What happened to it, its cap and all that was made for it, in every generation, newest first."""
    services = list(deployment.services.values_list("pk", flat=True))
    itself = [str(noun) for noun in (deployment.pk, deployment.cap_id, *services)]
    first, *others = _made_for(services)
    ours = Q(noun_id__in=itself) | Q(noun_id__in=first.union(*others, all=True))
    return AuditLine.objects.filter(ours, team=deployment.team_id)[:limit]


def timeline_of(deployment: Deployment) -> QuerySet[AuditLine]:
    """The same for people: without the steps that only repeat what replicas tell."""
    return events_of(deployment, limit=None).exclude(noun__in=ROUTINE)[:TIMELINE_LINES]


def _made_for(services: list[uuid.UUID]) -> list[QuerySet[Any, Any]]:
    """Ids, as the audit trail has them: as subqueries, for a deployment may have thousands."""
    demands = Demand.objects.filter(spread_group__in=map(group_of, services))
    return [
        _noun_ids(Replica.objects.filter(service__in=services)),
        _noun_ids(demands),
        _noun_ids(Hold.objects.filter(reference__in=demands.values("reference"))),
        _noun_ids(Agreement.objects.filter(demand__in=demands)),
        _noun_ids(Assignment.objects.filter(replica__service__in=services)),
    ]


def _noun_ids(nouns: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    return nouns.order_by().values_list(Cast("pk", CharField()), flat=True)


def traffic_of(deployment: Deployment) -> Traffic:
    carried = EdgeTraffic.objects.filter(agreement__assignment__replica__service__deployment=deployment)
    sums = carried.aggregate(requests=Sum("requests"), failed=Sum("failed"), egress_bytes=Sum("egress_bytes"))
    return Traffic(**{name: value or 0 for name, value in sums.items()}, per_minute=_per_minute(carried))


def _per_minute(carried: QuerySet[EdgeTraffic]) -> list[int]:
    this_minute = timezone.now().replace(second=0, microsecond=0)
    minutes = [this_minute - timedelta(minutes=back) for back in reversed(range(TRAFFIC_MINUTES))]
    recent = carried.filter(minute__gte=minutes[0]).values("minute").annotate(count=Sum("requests"))
    counts = {row["minute"]: row["count"] for row in recent.order_by()}
    return [counts.get(minute, 0) for minute in minutes]
